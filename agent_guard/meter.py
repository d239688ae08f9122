"""Counting without counters: each call takes the next ordinal of every limit it counts against.

The newest ordinal is the sum of all places, so an amount is taken as that many places in one row. "At most N in W
seconds" asks one question: is row ``last - N + 1`` younger than W? The cost does not grow with the
number of calls, and the unique ordinal itself stops a race.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.query import Command, Query
from agent_guard.store import metadata

__all__ = ["METER", "reached", "take", "used"]


class _Columns(TypedColumns):
    key = Column(sa.String(300), primary_key=True)
    n = Column(sa.BigInteger, primary_key=True, autoincrement=False)
    at = Column(sa.BigInteger, nullable=False)
    trace_id = Column(sa.String(26), nullable=False)


METER = sa.Table("meter", metadata, _Columns)

_LAST = Query(
    sa.select(METER.c.n, METER.c.at).where(METER.c.key == sa.bindparam("k")).order_by(METER.c.n.desc()).limit(1)
)
_AT = Query(sa.select(METER.c.at).where(METER.c.key == sa.bindparam("k"), METER.c.n == sa.bindparam("i")))
_BEFORE = Query(
    sa.select(METER.c.n)
    .where(METER.c.key == sa.bindparam("k"), METER.c.at <= sa.bindparam("edge"))
    .order_by(METER.c.n.desc())
    .limit(1)
)
_TAKE = Command(METER.insert())


def reached(connection: sa.Connection, key: str, count: int, *, now_ms: int, window_s: float | None) -> bool:
    """Tells whether ``count`` places of ``key`` are taken inside the window.

    Args:
        now_ms: milliseconds since 1970.
        window_s: seconds, or None for ever.
    """
    last = _LAST.first(connection, {"k": key})
    if last is None or last.n < count:
        return False
    if window_s is None:
        return True
    edge = _AT.first(connection, {"k": key, "i": last.n - count + 1})
    return edge is None or edge.at > now_ms - int(window_s * 1000)


def used(connection: sa.Connection, key: str, *, now_ms: int, window_s: float | None) -> int:
    """How much of ``key`` was taken inside the window; for meters that count amounts.

    Args:
        window_s: seconds, or None for ever.
    """
    last = _LAST.first(connection, {"k": key})
    if last is None:
        return 0
    before = 0
    if window_s is not None:
        edge = now_ms - int(window_s * 1000)
        row = _BEFORE.first(connection, {"k": key, "edge": edge})
        before = row.n if row else 0
    return int(last.n) - int(before)


def take(connection: sa.Connection, places: Mapping[str, int], *, now_ms: int, trace_id: str) -> None:
    """Takes the next places of each key. Places are never older than the one before, so a clock
    that was set back can only make a window longer.

    Args:
        places: key -> how many; 1 for a call, more for an amount.
    """
    rows = []
    for key in sorted(places):
        last = _LAST.first(connection, {"k": key})
        n, at = (last.n, max(now_ms, last.at)) if last else (0, now_ms)
        rows.append({"key": key, "n": n + places[key], "at": at, "trace_id": trace_id})
    _TAKE.many(connection, rows)
