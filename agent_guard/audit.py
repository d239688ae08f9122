"""The record: one redacted event for each transition of a call, chained by HMAC within its thread.

Events are written in the transaction of the state they describe, and are redacted before (laws L4, L7): whoever
builds one passes pseudonyms. The key of the chain lies outside the database, so an edited, dropped or swapped row
shows. The hash covers the stored bytes, which are never encoded again.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.credentials import Keys
from agent_guard.store import Store, metadata
from agent_guard.types import JSON

__all__ = ["AUDIT", "FORMAT", "Audit", "AuditEvent", "StoredEvent", "system_thread"]

FORMAT = 1
"""Version of the event format; ``v`` in every event."""

GENESIS = "0" * 64


class _Columns(TypedColumns):
    id = Column(sa.Integer, primary_key=True)
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

_APPEND = AUDIT.insert()
_HEAD = (
    sa.select(AUDIT.c.seq, AUDIT.c.hash)
    .where(AUDIT.c.thread == sa.bindparam("thread"))
    .order_by(AUDIT.c.seq.desc())
    .limit(1)
)


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One line of the record. Every field is redacted JSON; the writer adds ``v``, ``seq`` and the hashes.

    Args:
        kind: proposed, decided, suggested, asked, answered, refused, edited, expired, started, finished, failed,
            unknown, killed, revived, agent_added, agent_revoked, routed, opened, planned, escalated, viewed.
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


_NAMES = tuple(item.name for item in fields(AuditEvent))


@dataclass(frozen=True, kw_only=True)
class StoredEvent:
    """An event as it was read back: its place, its fields, its hash, and the columns by which it is looked up."""

    id: int
    thread: str
    seq: int
    hash: str
    body: bytes
    data: Mapping[str, Any] = field(repr=False)
    filed: Mapping[str, str | None] = field(repr=False)


class Audit:
    """Writes and reads the record."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._key = keys.derive("audit")

    def append(self, connection: sa.Connection, events: Sequence[AuditEvent], *, now_ms: int) -> None:
        """Chains events of one thread, inside the transaction of the state they describe.

        Raises:
            ValueError: the events are of several threads.
        """
        if not events:
            return
        thread = events[0].thread
        if any(event.thread != thread for event in events):
            raise ValueError("events of one append belong to one thread")
        head = connection.execute(_HEAD, {"thread": thread}).first()
        seq, previous = (head.seq, head.hash) if head else (0, GENESIS)
        rows = []
        for event in events:
            seq += 1
            data = {name: getattr(event, name) for name in _NAMES} | {"v": FORMAT, "seq": seq, "prev_hash": previous}
            body = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
            previous = self._hash(body)
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
        connection.execute(_APPEND, rows)

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
        found = [
            StoredEvent(
                id=row.id,
                thread=row.thread,
                seq=row.seq,
                hash=row.hash,
                body=body,
                data=_data(body, row.kind),
                filed={"thread": row.thread, "tenant": row.tenant, "kind": row.kind, "trace_id": row.trace_id},
            )
            for row in rows
            for body in [row.body if isinstance(row.body, bytes) else str(row.body).encode()]
        ]
        return found[::-1] if last else found

    def broken(self, thread: str) -> Iterator[str]:
        """Names what does not fit in one thread's chain: an edited, missing or swapped event. An end that was cut
        off does not show here; a seal will show it.
        """
        seq, previous = 0, GENESIS
        for event in self.events(thread=thread):
            seq += 1
            if event.seq != seq or event.data.get("seq") != event.seq:
                yield f"event {seq} is missing or moved; {event.seq} stands there"
                seq = event.seq
            if event.data.get("prev_hash") != previous:
                yield f"event {event.seq} does not follow the one before it"
            if not hmac.compare_digest(self._hash(event.body), event.hash):
                yield f"event {event.seq} was edited"
            elif any(event.data.get(name) != value for name, value in event.filed.items()):
                yield f"event {event.seq} is filed under another thread, tenant, kind or trace"
            previous = event.hash

    def _hash(self, body: bytes) -> str:
        return hmac.new(self._key, body, sha256).hexdigest()


def _data(body: bytes, kind: str) -> Mapping[str, Any]:
    """The event, or as much of a damaged one as can be told: reading the record must not end at a bad row."""
    empty = dict.fromkeys(_NAMES) | {"kind": kind}
    try:
        loaded = orjson.loads(body)
    except orjson.JSONDecodeError:
        return empty
    return empty | loaded if isinstance(loaded, dict) else empty


def system_thread(tenant: str) -> str:
    """The chain of events that belong to no conversation, e.g. a pressed button."""
    return f"system/{tenant}"
