"""The question to a human and its one answer, bound to the digest of exactly what would run (law L6).

An answer is recorded once, by compare-and-set on the unanswered row, and used once, in the transaction that claims
the call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.query import Query
from agent_guard.store import Store, metadata
from agent_guard.types import JSON

__all__ = [
    "ANSWERS",
    "APPROVALS",
    "Answer",
    "Approval",
    "Approvals",
    "answer",
    "close",
    "covering",
    "covers",
    "find",
    "insert",
    "uncover",
    "use",
]

Answer = Literal["approve", "edit", "reject", "respond"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)


class _Columns(TypedColumns):
    id = Column(sa.String(40), primary_key=True)
    trace_id = Column(sa.String(26), nullable=False)
    thread = Column(sa.String(100), nullable=False)
    tenant = Column(sa.String(100), nullable=False)
    requester = Column(sa.String(100), nullable=False)
    tool = Column(sa.String(100), nullable=False)
    digest = Column(sa.String(71), nullable=False)
    roles = Column(sa.Text, nullable=False)
    not_requester = Column(sa.Boolean, nullable=False)
    shown = Column(sa.Text, nullable=False)
    created = Column(sa.BigInteger, nullable=False)
    expires = Column(sa.BigInteger, nullable=False)
    answer = Column(sa.String(20), nullable=True)
    answered_by = Column(sa.String(100), nullable=True)
    answered = Column(sa.BigInteger, nullable=True)
    message = Column(sa.Text, nullable=True)
    edited_call = Column(sa.Text, nullable=True)
    used = Column(sa.BigInteger, nullable=True)
    covers = Column(sa.Text, nullable=False)
    plan = Column(sa.Integer, nullable=True)


APPROVALS = sa.Table("approvals", metadata, _Columns)
sa.Index("approvals_open", APPROVALS.c.tenant, APPROVALS.c.answer)
sa.Index("approvals_thread", APPROVALS.c.thread)

_INSERT = APPROVALS.insert()
_FIND = Query(sa.select(APPROVALS).where(APPROVALS.c.id == sa.bindparam("approval")))
_WAITING = Query(
    sa.select(APPROVALS).where(
        APPROVALS.c.thread == sa.bindparam("thread"),
        APPROVALS.c.answer.is_(None),
        APPROVALS.c.expires > sa.bindparam("now"),
    )
)

_APPROVED = Query(
    sa.select(APPROVALS).where(
        APPROVALS.c.thread == sa.bindparam("thread"),
        APPROVALS.c.plan == sa.bindparam("plan"),
        APPROVALS.c.answer == "approve",
        APPROVALS.c.expires > sa.bindparam("now"),
    )
)


_UNCOVER = APPROVALS.update().where(APPROVALS.c.thread == sa.bindparam("of")).values(plan=None)


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One question as it is stored; all text is masked.

    Args:
        shown: what the human is shown: tool, args, reason, description, diff, effect.
        roles: who may answer; ``not_requester`` leaves out the subject of the thread.
        created, expires, answered, used: milliseconds since 1970.
        edited_call: after ``edit``: the new call, ``{"id", "args"}``.
        covers: digests of further calls of the same plan that were shown with it; an ``approve`` holds for them too.
        plan: the plan's place in the trail, where it covers any.
    """

    id: str
    trace_id: str
    thread: str
    tenant: str
    requester: str
    tool: str
    digest: str
    roles: tuple[str, ...]
    not_requester: bool
    shown: Mapping[str, JSON] = field(repr=False)
    created: int
    expires: int
    answer: Answer | None = None
    answered_by: str | None = None
    answered: int | None = None
    message: str | None = None
    edited_call: Mapping[str, JSON] | None = None
    used: int | None = None
    covers: tuple[str, ...] = ()
    plan: int | None = None

    @property
    def expires_at(self) -> str:
        """When the question ends: ISO 8601, UTC."""
        return datetime.fromtimestamp(self.expires / 1000, UTC).isoformat(timespec="seconds")


class Approvals:
    """Reads the questions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, approval_id: str) -> Approval | None:
        """The question of this id, or None."""
        with self._store.read() as connection:
            return find(connection, approval_id)

    def waiting(self, thread: str, *, now_ms: int) -> Approval | None:
        """The question that a thread waits for, or None."""
        with self._store.read() as connection:
            item = _WAITING.first(connection, {"thread": thread, "now": now_ms})
        return None if item is None else _row(item)

    def list(self, *, tenant: str | None = None, now_ms: int | None = None) -> list[Approval]:
        """Questions that wait for an answer, the oldest first.

        Args:
            tenant: only this tenant's.
            now_ms: leave out what has expired by then.
        """
        query = sa.select(APPROVALS).where(APPROVALS.c.answer.is_(None)).order_by(APPROVALS.c.created, APPROVALS.c.id)
        if tenant is not None:
            query = query.where(APPROVALS.c.tenant == tenant)
        if now_ms is not None:
            query = query.where(APPROVALS.c.expires > now_ms)
        with self._store.read() as connection:
            return [_row(item) for item in connection.execute(query)]


def insert(connection: sa.Connection, approval: Approval) -> None:
    """Stores a new question."""
    values: dict[str, Any] = {name: getattr(approval, name) for name in Approval.__dataclass_fields__}
    values |= {
        "roles": json.dumps(approval.roles),
        "shown": json.dumps(approval.shown, ensure_ascii=False),
        "edited_call": None,
        "covers": json.dumps(approval.covers),
    }
    connection.execute(_INSERT, values)


def find(connection: sa.Connection, approval_id: str) -> Approval | None:
    """The question of this id, inside the caller's transaction."""
    item = _FIND.first(connection, {"approval": approval_id})
    return None if item is None else _row(item)


def answer(
    connection: sa.Connection,
    approval_id: str,
    word: Answer,
    *,
    by: str,
    now_ms: int,
    message: str | None,
    edited_call: Mapping[str, JSON] | None = None,
) -> bool:
    """Records the answer if there is none yet; false tells that somebody else was first."""
    changed = connection.execute(
        APPROVALS.update()
        .where(APPROVALS.c.id == approval_id, APPROVALS.c.answer.is_(None))
        .values(
            answer=word,
            answered_by=by,
            answered=now_ms,
            message=message,
            edited_call=None if edited_call is None else json.dumps(edited_call, ensure_ascii=False),
        )
    )
    return changed.rowcount == 1


def use(connection: sa.Connection, approval_id: str, *, digest: str, now_ms: int) -> bool:
    """Uses an ``approve`` for this digest once; false where it was used, has expired or binds something else."""
    changed = connection.execute(
        APPROVALS.update()
        .where(
            APPROVALS.c.id == approval_id,
            APPROVALS.c.answer == "approve",
            APPROVALS.c.digest == digest,
            APPROVALS.c.expires > now_ms,
            APPROVALS.c.used.is_(None),
        )
        .values(used=now_ms)
    )
    return changed.rowcount == 1


def covers(connection: sa.Connection, approval_id: str, *, digest: str, now_ms: int) -> bool:
    """Whether an approved question, not expired, was shown with exactly this call. The call's own row sees to it that
    the call runs once.
    """
    approval = find(connection, approval_id)
    return (
        approval is not None
        and approval.answer == "approve"
        and approval.plan is not None
        and approval.expires > now_ms
        and digest in approval.covers
    )


def uncover(connection: sa.Connection, thread: str) -> None:
    """Ends what approved questions cover: a newer message took the place of the one that announced the calls."""
    connection.execute(_UNCOVER, {"of": thread})


def close(connection: sa.Connection, approval_id: str, *, now_ms: int) -> None:
    """Ends a question that nobody answered."""
    connection.execute(
        APPROVALS.update().where(APPROVALS.c.id == approval_id, APPROVALS.c.answer.is_(None)).values(expires=now_ms)
    )


def covering(connection: sa.Connection, thread: str, digest: str, *, plan: int, now_ms: int) -> Approval | None:
    """The approved question of this plan, not expired, that was shown with exactly this call, or None."""
    for item in _APPROVED.all(connection, {"thread": thread, "plan": plan, "now": now_ms}):
        approval = _row(item)
        if digest in approval.covers:
            return approval
    return None


def _row(item: Any) -> Approval:
    values = {name: getattr(item, name) for name in Approval.__dataclass_fields__}
    values["covers"] = tuple(json.loads(item.covers))
    values["roles"] = tuple(json.loads(item.roles))
    values["shown"] = json.loads(item.shown)
    values["edited_call"] = None if item.edited_call is None else json.loads(item.edited_call)
    return Approval(**values)
