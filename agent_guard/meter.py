"""Counting without counters: each call takes the next ordinal of every limit it counts against.

The newest ordinal is the sum of all places, so an amount is taken as that many places in one row. "At most N in W
seconds" asks one question: is row ``last - N + 1`` younger than W? The cost does not grow with the
number of calls, and the unique ordinal itself stops a race.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.databases.query import Asked, Command, Query
from agent_guard.store import metadata

__all__ = ["METER", "asked", "newest", "reached", "take", "used"]


class _Columns(TypedColumns):
    key = Column(sa.String(300), primary_key=True)
    n = Column(sa.BigInteger, primary_key=True, autoincrement=False)
    at = Column(sa.BigInteger, nullable=False)
    trace_id = Column(sa.String(26), nullable=False)


METER = sa.Table("meter", metadata, _Columns)

_ZERO: sa.ColumnElement[int] = sa.literal_column("0")
_ONE: sa.ColumnElement[int] = sa.literal_column("1")
_AT = Query(sa.select(METER.c.at).where(METER.c.key == sa.bindparam("k"), METER.c.n == sa.bindparam("i")))
_BEFORE = Query(
    sa.select(METER.c.n)
    .where(METER.c.key == sa.bindparam("k"), METER.c.at <= sa.bindparam("edge"))
    .order_by(METER.c.n.desc())
    .limit(_ONE)
)


@cache
def _newest(count: int) -> Query:
    """The newest ordinals of so many keys, ``k0``, ``k1`` and so on: NULL for a key without any."""
    keys: list[sa.BindParameter[str]] = [sa.bindparam(f"k{index}") for index in range(count)]
    return Query(
        sa.select(*(sa.select(sa.func.max(METER.c.n)).where(METER.c.key == key).scalar_subquery() for key in keys))
    )


@cache
def _take(count: int) -> Command:
    """Takes the next places of so many keys: ``p0`` of ``k0`` and so on, at ``now`` or when the last one was taken."""
    columns = ["key", "n", "at", "trace_id"]
    return Command(METER.insert().from_select(columns, sa.union_all(*(_next(index) for index in range(count)))))


def _next(index: int) -> sa.Select[Any]:
    key = sa.bindparam(f"k{index}", type_=METER.c.key.type)
    now, trace = sa.bindparam("now", type_=METER.c.at.type), sa.bindparam("trace", type_=METER.c.trace_id.type)
    last = sa.select(METER.c.n, METER.c.at).where(METER.c.key == key).order_by(METER.c.n.desc()).limit(_ONE).subquery()
    start = sa.select(_ZERO.label("n"), now.label("at"))
    both = sa.union_all(sa.select(last.c.n, last.c.at), start).subquery()
    places = sa.bindparam(f"p{index}", type_=METER.c.n.type)
    return sa.select(key, sa.func.max(both.c.n) + places, sa.func.max(both.c.at), trace)


def asked(keys: Collection[str]) -> Asked:
    """Asks for the newest ordinal of each key, in their order."""
    return _newest(len(keys)).asked({f"k{index}": key for index, key in enumerate(keys)})


def newest(connection: sa.Connection, keys: Collection[str]) -> dict[str, int]:
    """The newest ordinal of each key, 0 where no place was ever taken; one query for all."""
    if not keys:
        return {}
    found = asked(keys).first(connection)
    return {key: last or 0 for key, last in zip(keys, found, strict=True)}


def reached(
    connection: sa.Connection, key: str, count: int, *, now_ms: int, window_s: float | None, last: int | None = None
) -> bool:
    """Tells whether ``count`` places of ``key`` are taken inside the window.

    Args:
        now_ms: milliseconds since 1970.
        window_s: seconds, or None for ever.
        last: the key's newest ordinal, where it was read with others in this transaction.
    """
    last = newest(connection, [key])[key] if last is None else last
    if last < max(count, 1):
        return False
    if window_s is None:
        return True
    edge = _AT.first(connection, {"k": key, "i": last - count + 1})
    return edge is None or edge.at > now_ms - int(window_s * 1000)


def used(connection: sa.Connection, key: str, *, now_ms: int, window_s: float | None, last: int | None = None) -> int:
    """How much of ``key`` was taken inside the window; for meters that count amounts.

    Args:
        window_s: seconds, or None for ever.
        last: as in :func:`reached`.
    """
    last = newest(connection, [key])[key] if last is None else last
    if not last or window_s is None:
        return last
    before = _BEFORE.first(connection, {"k": key, "edge": now_ms - int(window_s * 1000)})
    return last - (before.n if before else 0)


def take(connection: sa.Connection, places: Mapping[str, int], *, now_ms: int, trace_id: str) -> None:
    """Takes the next places of each key. Places are never older than the one before, so a clock
    that was set back can only make a window longer.

    Args:
        places: key -> how many; 1 for a call, more for an amount.
    """
    if places:
        taken: dict[str, int | str] = {"now": now_ms, "trace": trace_id}
        for index, key in enumerate(sorted(places)):
            taken |= {f"k{index}": key, f"p{index}": places[key]}
        _take(len(places)).many(connection, [taken])
