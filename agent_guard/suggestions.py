"""What an agent would have done: calls of tools in suggest mode, each with what a person said of it (B9).

A suggestion never runs. A verdict on it is recorded once, by compare-and-set on the row that has none; it says what a
person would have answered, and the promotion report counts it (``agent_guard.policies.promotion``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.databases.query import Command, Query
from agent_guard.store import Store, metadata
from agent_guard.types import JSON

__all__ = ["SUGGESTIONS", "VERDICTS", "Suggestion", "Suggestions", "Verdict", "find", "insert", "judge"]

Verdict = Literal["approve", "reject"]
"""What the person who judges would have answered, had they been asked."""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class _Columns(TypedColumns):
    trace_id = Column(sa.String(26), primary_key=True)
    thread = Column(sa.String(100), nullable=False)
    tenant = Column(sa.String(100), nullable=False)
    scenario = Column(sa.String(100), nullable=True)
    environment = Column(sa.String(10), nullable=False)
    requester = Column(sa.String(100), nullable=False)
    tool = Column(sa.String(100), nullable=False)
    tool_version = Column(sa.Text, nullable=False)
    policy_hash = Column(sa.String(71), nullable=False)
    rule_hash = Column(sa.String(71), nullable=False)
    digest = Column(sa.String(71), nullable=False)
    shown = Column(sa.Text, nullable=False)
    created = Column(sa.BigInteger, nullable=False)
    verdict = Column(sa.String(20), nullable=True)
    judged_by = Column(sa.String(100), nullable=True)
    judged = Column(sa.BigInteger, nullable=True)
    reason = Column(sa.Text, nullable=True)


SUGGESTIONS = sa.Table("suggestions", metadata, _Columns)
sa.Index("suggestions_tool", SUGGESTIONS.c.tool, SUGGESTIONS.c.created)
sa.Index("suggestions_open", SUGGESTIONS.c.verdict, SUGGESTIONS.c.created)

_INSERT = Command(SUGGESTIONS.insert())
_FIND = Query(sa.select(SUGGESTIONS).where(SUGGESTIONS.c.trace_id == sa.bindparam("trace")))
_JUDGE = Command(
    SUGGESTIONS.update()
    .where(SUGGESTIONS.c.trace_id == sa.bindparam("trace"), SUGGESTIONS.c.verdict.is_(None))
    .values(
        verdict=sa.bindparam("word"),
        judged_by=sa.bindparam("by"),
        judged=sa.bindparam("now"),
        reason=sa.bindparam("why"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """One suggestion as it is stored; all text is masked.

    Args:
        trace_id: of the call, a ULID; a suggestion has no other name.
        policy_hash: of the policy under which it was made.
        rule_hash: of the rules that hold for its tool there, see ``Policy.hash_of``.
        shown: what a person is shown: tool, effect, args, reason, records, provenance, and as ``diff`` what would have
            changed, by the tool's dry run; ``{}`` where it has none, or it failed.
        created, judged: milliseconds since 1970.
        reason: the words of the person who judged, masked.
    """

    trace_id: str
    thread: str
    tenant: str
    scenario: str | None
    environment: str
    requester: str
    tool: str
    tool_version: str
    policy_hash: str
    rule_hash: str
    digest: str
    shown: Mapping[str, JSON] = field(repr=False)
    created: int
    verdict: Verdict | None = None
    judged_by: str | None = None
    judged: int | None = None
    reason: str | None = None


class Suggestions:
    """Reads the suggestions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, trace_id: str) -> Suggestion | None:
        """The suggestion that the call of this trace is, or None.

        Raises:
            StoreError: the database cannot be read.
        """
        with self._store.read() as connection:
            return find(connection, trace_id)

    def ending_in(self, end: str) -> list[Suggestion]:
        """The suggestions whose trace id ends so; a whole one is found at once."""
        query = sa.select(SUGGESTIONS).where(SUGGESTIONS.c.trace_id.endswith(end, autoescape=True))
        with self._store.read() as connection:
            found = find(connection, end)
            return [found] if found else [_row(item) for item in connection.execute(query)]

    def list(
        self,
        *,
        judged: bool | None = None,
        tool: str | None = None,
        tenant: str | None = None,
        environment: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        last: int | None = None,
    ) -> list[Suggestion]:
        """Suggestions, the oldest first; each argument that is given leaves out what differs from it.

        Args:
            judged: whether they have a verdict.
            since_ms, until_ms: made then or later, and before then, in milliseconds since 1970.
            last: at most so many, the newest.

        Raises:
            StoreError: the database cannot be read.
        """
        columns = SUGGESTIONS.c
        wanted = {"tool": tool, "tenant": tenant, "environment": environment}
        query = sa.select(SUGGESTIONS).where(
            *(columns[name] == value for name, value in wanted.items() if value is not None)
        )
        if judged is not None:
            query = query.where(columns.verdict.is_not(None) if judged else columns.verdict.is_(None))
        if since_ms is not None:
            query = query.where(columns.created >= since_ms)
        if until_ms is not None:
            query = query.where(columns.created < until_ms)
        query = query.order_by(columns.created.desc(), columns.trace_id.desc()).limit(last)
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return [_row(item) for item in reversed(rows)]


def insert(connection: sa.Connection, suggestion: Suggestion) -> None:
    """Stores a new suggestion, in the transaction of its call and its event."""
    values: dict[str, Any] = {name: getattr(suggestion, name) for name in Suggestion.__dataclass_fields__}
    _INSERT.run(connection, values | {"shown": json.dumps(suggestion.shown, ensure_ascii=False)})


def find(connection: sa.Connection, trace_id: str) -> Suggestion | None:
    """The suggestion of this trace, inside the caller's transaction."""
    item = _FIND.first(connection, {"trace": trace_id})
    return None if item is None else _row(item)


def judge(
    connection: sa.Connection, trace_id: str, verdict: Verdict, *, by: str, reason: str | None, now_ms: int
) -> bool:
    """Records a verdict if there is none yet; false tells that somebody else was first."""
    given = {"trace": trace_id, "word": verdict, "by": by, "now": now_ms, "why": reason}
    return _JUDGE.run(connection, given) == 1


def _row(item: Any) -> Suggestion:
    values = {name: getattr(item, name) for name in Suggestion.__dataclass_fields__}
    return Suggestion(**values | {"shown": json.loads(item.shown)})
