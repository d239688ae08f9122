"""Who lets a thread go on: one row for a thread whose answer, or whose question's end, is being carried out.

LangGraph runs one thread twice if two processes resume it at once. No call would run twice, but the model would be
asked twice, and what it proposes in two runs are two calls. So whoever resumes a thread holds its lease. The row is
deleted when the thread stands where it should; one that is left over, of a process that died or of a run that failed,
says that something is still to be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.databases.query import Command, Query
from agent_guard.store import metadata

__all__ = [
    "LEASES", "NOBODY", "Lease", "abandon", "delete", "every", "find", "forgive", "put_aside", "renew", "take",
]  # fmt: skip

NOBODY = ""
"""Owner of a lease that nobody holds: the run failed, and ``until`` is when it may be tried again."""


class _Columns(TypedColumns):
    thread = Column(sa.String(100), primary_key=True)
    owner = Column(sa.String(26), nullable=False)
    until = Column(sa.BigInteger, nullable=False)
    tries = Column(sa.Integer, nullable=False)
    aside = Column(sa.BigInteger, nullable=True)


LEASES = sa.Table("leases", metadata, _Columns)

_INSERT = Command(LEASES.insert())
_FIND = Query(sa.select(LEASES).where(LEASES.c.thread == sa.bindparam("of")))
_EVERY = Query(sa.select(LEASES).order_by(LEASES.c.until, LEASES.c.thread))
_OWNED = (LEASES.c.thread == sa.bindparam("of"), LEASES.c.owner == sa.bindparam("by"))
_DELETE = Command(LEASES.delete().where(*_OWNED))
_TAKE = LEASES.update().where(*_OWNED, LEASES.c.until == sa.bindparam("old"))


@dataclass(frozen=True, kw_only=True)
class Lease:
    """One row.

    Args:
        owner: id of one run, or :data:`NOBODY`.
        until: whoever holds it holds it so long; milliseconds since 1970.
        tries: how often the thread was taken up without coming to an end, this time included.
        aside: since when it is put aside and left to a person, in milliseconds since 1970, or None.
    """

    thread: str
    owner: str
    until: int
    tries: int
    aside: int | None = None

    def held(self, now_ms: int) -> bool:
        """Whether a living process may be at it."""
        return self.owner != NOBODY and self.until > now_ms


def find(connection: sa.Connection, thread: str) -> Lease | None:
    """The lease of a thread, or None."""
    row = _FIND.first(connection, {"of": thread})
    return None if row is None else Lease(**row._asdict())


def take(connection: sa.Connection, thread: str, owner: str, *, until: int, now_ms: int, again: bool) -> Lease | None:
    """Takes a thread, or None where somebody is at it.

    Args:
        owner: a new id for this run.
        again: do not wait for the end of a pause, and begin to count anew where it was put aside.
    """
    old = find(connection, thread)
    if old is None:
        made = Lease(thread=thread, owner=owner, until=until, tries=1)
        _INSERT.run(connection, {"thread": thread, "owner": owner, "until": until, "tries": 1, "aside": None})
        return made
    if old.held(now_ms) or (not again and (old.until > now_ms or old.aside is not None)):
        return None
    tries = 1 if old.aside is not None else old.tries + 1
    values = {"owner": owner, "until": until, "tries": tries, "aside": None}
    given = {"of": thread, "by": old.owner, "old": old.until}
    taken = connection.execute(_TAKE.values(values), given).rowcount == 1
    return Lease(thread=thread, owner=owner, until=until, tries=tries) if taken else None


def renew(connection: sa.Connection, lease: Lease, *, until: int) -> bool:
    """Holds it longer; false where it was lost to somebody else."""
    return _change(connection, lease, {"until": until})


def abandon(connection: sa.Connection, lease: Lease, *, until: int, tries: int) -> bool:
    """Gives up for now; nobody but a person tries again before ``until``."""
    return _change(connection, lease, {"owner": NOBODY, "until": until, "tries": tries})


def put_aside(connection: sa.Connection, lease: Lease, *, now_ms: int) -> bool:
    """Leaves the thread to a person."""
    return _change(connection, lease, {"owner": NOBODY, "until": now_ms, "aside": now_ms})


def forgive(connection: sa.Connection, lease: Lease, *, now_ms: int) -> bool:
    """Takes a thread that was put aside back among those that are tried."""
    return _change(connection, lease, {"until": now_ms, "tries": 0, "aside": None})


def delete(connection: sa.Connection, lease: Lease) -> bool:
    """Ends it: the thread stands where it should."""
    return _DELETE.run(connection, {"of": lease.thread, "by": lease.owner}) == 1


def every(connection: sa.Connection) -> list[Lease]:
    """All leases, the one that ends or ended first at the head: threads that go on, and threads that should."""
    return [Lease(**row._asdict()) for row in _EVERY.all(connection, {})]


def _change(connection: sa.Connection, lease: Lease, values: Mapping[str, object]) -> bool:
    statement = LEASES.update().where(*_OWNED).values(values)
    return connection.execute(statement, {"of": lease.thread, "by": lease.owner}).rowcount == 1
