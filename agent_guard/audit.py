"""The record: one redacted event for each transition of a call, chained by HMAC within its thread.

Events are written in the transaction of the state they describe, and are redacted before (laws L4, L7): whoever
builds one passes pseudonyms. The key of the chain lies outside the database, so an edited, dropped or swapped row
shows (``agent_guard.recording.chain``). The hash covers the stored bytes, which are never encoded again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.credentials import Keys
from agent_guard.databases.query import Asked, Command, Query
from agent_guard.recording import cuts
from agent_guard.recording.chain import GENESIS, ChainCheck, ChainKeys
from agent_guard.recording.ed25519 import public_keys
from agent_guard.recording.format import FORMAT, check_event
from agent_guard.store import Store, metadata
from agent_guard.text import markup
from agent_guard.types import JSON

__all__ = ["AUDIT", "FORMAT", "GENESIS", "Audit", "AuditEvent", "StoredEvent", "system_thread"]


class _Columns(TypedColumns):
    id = Column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
    thread = Column(sa.String(120), nullable=False)
    seq = Column(sa.Integer, nullable=False)
    tenant = Column(sa.String(100), nullable=False)
    at = Column(sa.BigInteger, nullable=False)
    kind = Column(sa.String(30), nullable=False)
    trace_id = Column(sa.String(26), nullable=True)
    body = Column(sa.LargeBinary, nullable=False)
    hash = Column(sa.String(64), nullable=False)


AUDIT = sa.Table("audit", metadata, _Columns, sa.UniqueConstraint("thread", "seq"))
sa.Index("audit_trace", AUDIT.c.trace_id)

_APPEND = Command(AUDIT.insert())
_HEAD = Query(
    sa.select(AUDIT.c.seq, AUDIT.c.hash)
    .where(AUDIT.c.thread == sa.bindparam("thread"))
    .order_by(AUDIT.c.seq.desc())
    .limit(sa.literal_column("1"))
)


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One line of the record. Every field is redacted JSON; the writer adds ``v``, ``seq``, ``at``, ``key`` and the
    hashes.

    Args:
        kind: one of ``agent_guard.recording.format.KINDS``.
        timestamp: ISO 8601, UTC.
        trace_id: the life of one call, a ULID.
        actor: ``{user_id, tenant, roles, region}`` of the subject.
        error: ``{class, code}`` of the closed taxonomy.
    """

    kind: str
    timestamp: str
    thread: str
    tenant: str
    trace_id: str | None = None
    scenario: str | None = None
    environment: str | None = None
    actor: Mapping[str, JSON] | None = None
    agent: str | None = None
    party: str | None = None
    approver: str | None = None
    approval_id: str | None = None
    tool: str | None = None
    tool_version: str | None = None
    mode: str | None = None
    tool_call_id: str | None = None
    reason: str | None = None
    idempotency_key: str | None = None
    digest: str | None = None
    record_version: str | None = None
    args_redacted: JSON = None
    facts: JSON = None
    decision: Mapping[str, JSON] | None = None
    result_meta: Mapping[str, JSON] | None = None
    diff: Mapping[str, JSON] | None = None
    error: Mapping[str, JSON] | None = None
    note: str | None = None

    def _repr_html_(self) -> str:
        """The event for a notebook."""
        return _html(vars(self))


_NAMES = tuple(item.name for item in fields(AuditEvent))
_NOTHING: dict[str, Any] = dict.fromkeys(_NAMES)


@dataclass(frozen=True, kw_only=True)
class StoredEvent:
    """An event as it was read back: its place, its fields and its hash.

    Args:
        at: when it was written, in milliseconds since 1970.
        data: its fields; of a damaged one as much as can be told.
        damaged: its text is no event any more.
    """

    id: int
    thread: str
    seq: int
    at: int
    hash: str
    body: bytes
    data: Mapping[str, Any] = field(repr=False)
    damaged: bool = False

    @classmethod
    def of(cls, row: Any) -> StoredEvent:
        """The event of a row; reading the record must not end at a bad one."""
        body = row.body if isinstance(row.body, bytes) else str(row.body).encode("utf-8", "replace")
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError:
            data = None
        damaged = not isinstance(data, dict)
        if damaged or not data.keys() >= _NOTHING.keys():
            known = {"kind": row.kind, "timestamp": "", "thread": row.thread, "tenant": row.tenant}
            data = _NOTHING | known | ({} if damaged else data)
        return cls(
            id=row.id,
            thread=row.thread,
            seq=row.seq,
            at=row.at,
            hash=row.hash,
            body=body,
            data=data,
            damaged=damaged,
        )

    def _repr_html_(self) -> str:
        """The event for a notebook, with its place in its chain."""
        return _html({"seq": self.seq, **self.data} | ({"note": "damaged"} if self.damaged else {}))


def _html(data: Mapping[str, Any]) -> str:
    """An event's fields, those that every event has last and the decision apart."""
    last = ("thread", "tenant", "scenario", "environment", "agent", "hash", "prev_hash", "key", "v", "at")
    known = {name: item for name, item in data.items() if name not in (*last, "kind", "tool", "facts", "decision")}
    decision = data.get("decision")
    return markup.block(
        markup.line(markup.badge(str(data.get("kind"))), markup.value(data.get("tool") or "")),
        markup.decision(decision) if isinstance(decision, dict) else "",
        markup.fields(known | {name: data.get(name) for name in last}),
        word=str(data.get("kind")),
    )


class Audit:
    """Writes and reads the record.

    Args:
        told: given the events of each append, inside its transaction; what it returns is called after the transaction
            with whether it was committed.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        *,
        told: Callable[[Sequence[AuditEvent]], Callable[[bool], object]] | None = None,
    ) -> None:
        self._store = store
        self._keys = ChainKeys(keys)
        self._trusted = public_keys(keys)
        self._told = told

    @staticmethod
    def head(thread: str) -> Asked:
        """Asks for the last event of a thread's chain."""
        return _HEAD.asked({"thread": thread})

    def append(self, connection: sa.Connection, events: Sequence[AuditEvent], *, now_ms: int) -> None:
        """Chains events of one thread, inside the transaction of the state they describe.

        Raises:
            ValueError: the events are of several threads, or one is not of the format; nothing was written.
        """
        if not events:
            return
        thread = events[0].thread
        if any(event.thread != thread for event in events):
            raise ValueError("events of one append belong to one thread")
        head = self.head(thread).first(connection)
        seq, previous = (head.seq, head.hash) if head else (0, GENESIS)
        rows = []
        for event in events:
            seq += 1
            data = vars(event) | {
                "v": FORMAT, "key": self._keys.name, "seq": seq, "at": now_ms, "prev_hash": previous,
            }  # fmt: skip
            check_event(data)
            body = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
            previous = self._keys.hash(body)
            rows.append(
                {
                    "thread": thread,
                    "seq": seq,
                    "tenant": event.tenant,
                    "at": now_ms,
                    "kind": event.kind,
                    "trace_id": event.trace_id,
                    "body": body,
                    "hash": previous,
                }
            )
        _APPEND.many(connection, rows)
        if self._told is not None:
            self._store.after(connection, self._told(events))

    def events(
        self, *, thread: str | None = None, trace_id: str | None = None, after: int = 0, last: int | None = None
    ) -> list[StoredEvent]:
        """Reads events in the order of writing.

        Args:
            thread, trace_id: only these.
            after: only events with a greater ``id``.
            last: at most this many, the newest.
        """
        query = sa.select(AUDIT).where(AUDIT.c.id > after)
        if thread is not None:
            query = query.where(AUDIT.c.thread == thread)
        if trace_id is not None:
            query = query.where(AUDIT.c.trace_id == trace_id)
        query = query.order_by(AUDIT.c.id.desc()).limit(last) if last else query.order_by(AUDIT.c.id)
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        found = [StoredEvent.of(row) for row in rows]
        return found[::-1] if last else found

    def broken(self, thread: str) -> Iterator[str]:
        """Names what does not fit in one thread's chain by itself: an edited, missing, moved or copied event.

        An end that was cut off does not show here; a seal shows it (``agent_guard.auditing.verify``).
        """
        query = sa.select(AUDIT).where(AUDIT.c.thread == thread).order_by(AUDIT.c.seq)
        with self._store.read() as connection:
            removed, wrong = cuts.of(connection, thread, self._trusted)
            check = ChainCheck(thread, self._keys, gaps=[cut.gap for cut in removed])
            for found in wrong:
                check.blame(*found)
            for row in connection.execute(query):
                check.add(row)
        for flaw in check.end():
            yield f"event {flaw.seq} {flaw.words}"


def system_thread(tenant: str) -> str:
    """The chain of events that belong to no conversation, e.g. a pressed button."""
    return f"system/{tenant}"
