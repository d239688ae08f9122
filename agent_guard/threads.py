"""Who a thread belongs to: the requester is stored with it, and never taken from whoever resumes it (law L6)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.databases.query import Command, Query
from agent_guard.errors import UnknownThread
from agent_guard.store import metadata
from agent_guard.types import Subject

__all__ = [
    "THREADS", "ThreadRow", "erased", "find", "hear", "heard", "insert", "next_message", "send_on", "set_replaced",
]  # fmt: skip


class _Columns(TypedColumns):
    id = Column(sa.String(100), primary_key=True)
    tenant = Column(sa.String(100), nullable=False)
    subject = Column(sa.String(100), nullable=False)
    roles = Column(sa.Text, nullable=False)
    region = Column(sa.String(100), nullable=True)
    party = Column(sa.String(200), nullable=True)
    refs = Column(sa.Text, nullable=False)
    scenario = Column(sa.String(100), nullable=True)
    scope = Column(sa.Text, nullable=True)
    created = Column(sa.BigInteger, nullable=False)
    heard = Column(sa.Integer, nullable=False)
    replaced = Column(sa.Boolean, nullable=False)
    erased = Column(sa.BigInteger, nullable=True)
    via = Column(sa.String(100), nullable=True)


THREADS = sa.Table("threads", metadata, _Columns)
sa.Index("threads_party", THREADS.c.tenant, THREADS.c.party)

_INSERT = Command(THREADS.insert())
_FIND = Query(sa.select(THREADS).where(THREADS.c.id == sa.bindparam("thread")))
_HEAR = Command(
    THREADS.update()
    .where(THREADS.c.id == sa.bindparam("thread"), THREADS.c.heard == sa.bindparam("before"))
    .values(heard=sa.bindparam("now"))
)
_HEARD = Query(sa.select(THREADS.c.heard).where(THREADS.c.id == sa.bindparam("thread")))
_ERASED = Query(sa.select(THREADS.c.erased).where(THREADS.c.id == sa.bindparam("thread")))
_SEND_ON = Command(
    THREADS.update()
    .where(THREADS.c.id == sa.bindparam("thread"))
    .values(scenario=sa.bindparam("into"), scope=sa.bindparam("tools"), via=sa.bindparam("desk"))
)
_REPLACED = Command(
    THREADS.update().where(THREADS.c.id == sa.bindparam("thread")).values(replaced=sa.bindparam("flag"))
)


@dataclass(frozen=True, kw_only=True)
class ThreadRow:
    """One thread as it is stored.

    Args:
        subject: the requester, with the roles and region given when the thread was opened.
        scope: tools the thread may use, or None for all of its policy.
        heard: how many messages the thread has heard.
        replaced: a pending question was replaced since the last answer, so an answer must name its approval.
        erased: when its party was erased, in milliseconds since 1970, or None. Nothing goes on in it since.
        via: the front desk's scenario, in which the thread was opened before it was sent into its own; None of a thread
            that was opened where it is.
    """

    id: str
    subject: Subject
    party: str | None
    refs: dict[str, str] = field(default_factory=dict)
    scenario: str | None = None
    scope: tuple[str, ...] | None = None
    created: int = 0
    heard: int = 0
    replaced: bool = False
    erased: int | None = None
    via: str | None = None

    @property
    def graph(self) -> str | None:
        """The scenario whose graph runs the thread: where it was opened, whatever a front desk made of it."""
        return self.via or self.scenario


def insert(connection: sa.Connection, row: ThreadRow, *, now_ms: int) -> None:
    """Stores a new thread with what it has heard; an id that is taken raises ``sqlalchemy.exc.IntegrityError``."""
    values = {
        "id": row.id,
        "tenant": row.subject.tenant,
        "subject": row.subject.id,
        "roles": _words(row.subject.roles),
        "region": row.subject.region,
        "party": row.party,
        "refs": json.dumps(row.refs, sort_keys=True),
        "scenario": row.scenario,
        "scope": None if row.scope is None else _words(row.scope),
        "created": now_ms,
        "heard": row.heard,
        "replaced": False,
    }
    _INSERT.run(connection, values)


def find(connection: sa.Connection, thread: str) -> ThreadRow | None:
    """The thread of this id, or None."""
    row = _FIND.first(connection, {"thread": thread})
    if row is None:
        return None
    subject = Subject(id=row.subject, tenant=row.tenant, roles=frozenset(json.loads(row.roles)), region=row.region)
    return ThreadRow(
        id=row.id,
        subject=subject,
        party=row.party,
        refs=json.loads(row.refs),
        scenario=row.scenario,
        scope=None if row.scope is None else tuple(json.loads(row.scope)),
        created=row.created,
        heard=row.heard,
        replaced=row.replaced,
        erased=row.erased,
        via=row.via,
    )


def erased(connection: sa.Connection, thread: str) -> int | None:
    """When the party of a thread was erased, in milliseconds since 1970, or None."""
    row = _ERASED.first(connection, {"thread": thread})
    return None if row is None else row.erased


def next_message(connection: sa.Connection, thread: str) -> int:
    """The number that the next message of a stored thread would have, from 1.

    Raises:
        UnknownThread: it is not stored any more.
    """
    row = _HEARD.first(connection, {"thread": thread})
    if row is None:
        raise UnknownThread(f"there is no thread {thread!r}; open it with Session.start or Gateway.open")
    return int(row.heard) + 1


def hear(connection: sa.Connection, thread: str) -> int:
    """Counts one more message of a stored thread, whose lock the caller holds, and returns its number, from 1. Raises
    as :func:`next_message`.
    """
    number = next_message(connection, thread)
    heard(connection, thread, number)
    return number


def heard(connection: sa.Connection, thread: str, number: int) -> bool:
    """Counts the message of this number; false where it is not the next one."""
    return _HEAR.run(connection, {"thread": thread, "before": number - 1, "now": number}) == 1


def send_on(connection: sa.Connection, row: ThreadRow) -> None:
    """Stores where a front desk has sent a thread: scenario, scope, and whose desk it was."""
    scope = None if row.scope is None else _words(row.scope)
    _SEND_ON.run(connection, {"thread": row.id, "into": row.scenario, "tools": scope, "desk": row.via})


def set_replaced(connection: sa.Connection, thread: str, flag: bool) -> None:
    """Notes that a pending question was replaced, or that one was answered since."""
    _REPLACED.run(connection, {"thread": thread, "flag": flag})


def _words(names: Collection[str]) -> str:
    return json.dumps(sorted(names), ensure_ascii=False)
