"""Free slots as pure arithmetic: half-open intervals of UTC, opening hours by the wall clock of an IANA zone.

A calendar is open at an instant when the wall clock of its zone shows a time within its hours. So on the night when
clocks jump the hours that do not exist offer nothing, and on the night when an hour comes twice both are open and each
slot is one instant. Slots begin at the first open instant of a day and then every ``step``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

__all__ = ["GRID", "Hours", "Interval", "NoSuchTime", "blocked", "free", "instant", "offered", "open_on", "zone_of"]

GRID = timedelta(minutes=15)
"""Every slot begins on a multiple of this in UTC, so that a place on the grid stands for a slot."""

_LOOK = timedelta(hours=6)
"""No zone changes its offset twice within this."""

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


class NoSuchTime(ValueError):
    """A wall clock of this zone never shows this time, or not with this offset.

    Args:
        code: ``dst_gap`` where the clock jumps over it, else ``wrong_offset``.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, kw_only=True, order=True)
class Interval:
    """From ``start`` up to, and without, ``end``. Given aware, kept in UTC.

    Raises:
        ValueError: a time without a zone, or an end that is not after the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("an interval needs times with a zone")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.start >= self.end:
            raise ValueError("an interval ends after it begins")

    def overlaps(self, other: Interval) -> bool:
        """Whether both have an instant in common; two that only touch have none."""
        return self.start < other.end and other.start < self.end

    def widened(self, by: timedelta) -> Interval:
        """The interval with ``by`` more on either side."""
        return Interval(start=self.start - by, end=self.end + by)


@dataclass(frozen=True, kw_only=True)
class Hours:
    """When a calendar may be booked.

    Args:
        zone: IANA name, e.g. ``"Europe/Warsaw"``; an offset is no zone.
        opens, closes: minutes after midnight by the wall clock, 0 <= opens < closes <= 1440, quarters of an hour.
        weekdays: Monday is 0.
        step: distance of the starts on one day, a multiple of :data:`GRID`.
        buffer: free time between two meetings.
        notice: how far ahead a slot begins at least.
        horizon: how far ahead at most.

    Raises:
        ValueError: one of these is wrong; it is named.
    """

    zone: str
    opens: int = 9 * 60
    closes: int = 17 * 60
    weekdays: frozenset[int] = frozenset(range(5))
    step: timedelta = timedelta(minutes=30)
    buffer: timedelta = timedelta(0)
    notice: timedelta = timedelta(hours=2)
    horizon: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        zone_of(self.zone)
        if not 0 <= self.opens < self.closes <= 24 * 60 or self.opens % 15 or self.closes % 15:
            raise ValueError("opens and closes are quarters of an hour, 0 <= opens < closes <= 1440 minutes")
        if self.step <= timedelta(0) or self.step % GRID:
            raise ValueError("step is a multiple of 15 minutes")
        if min(self.buffer, self.notice) < timedelta(0) or self.horizon <= self.notice:
            raise ValueError("buffer and notice are not negative, and horizon is longer than notice")
        if not self.weekdays or not self.weekdays <= set(range(7)):
            raise ValueError("weekdays are numbers from 0, Monday, to 6")


@lru_cache(maxsize=512)
def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        ValueError: there is none; ``UTC+1`` and the like are offsets and no zones.
    """
    try:
        return ZoneInfo(name)
    except Exception:  # zoneinfo raises by what its files are; all mean that there is no such zone
        raise ValueError("no IANA time zone of this name; write one such as Europe/Warsaw") from None


def instant(written: datetime, zone: str) -> datetime:
    """The instant that a wall clock with an offset tells, in UTC. The offset decides between the two of a fold.

    Raises:
        NoSuchTime: the zone has no such wall time, or not with this offset.
        ValueError: no offset is written, or there is no such zone.
    """
    offset = written.utcoffset()
    if offset is None:
        raise ValueError("a time needs its offset, e.g. 2026-11-24T10:00:00+01:00")
    there = zone_of(zone)
    wall = written.replace(tzinfo=None, fold=0)
    real = {off for off in _offsets(wall, there) if _wall(wall - off, there) == wall}
    if not real:
        raise NoSuchTime("dst_gap")
    if offset not in real:
        raise NoSuchTime("wrong_offset")
    return written.astimezone(UTC)


def open_on(hours: Hours, day: date) -> list[Interval]:
    """The open time of one day of the calendar's own zone, in order, nothing touching."""
    if day.weekday() not in hours.weekdays:
        return []
    zone, midnight = zone_of(hours.zone), datetime.combine(day, datetime.min.time())
    opens, closes = midnight + hours.opens * _MINUTE, midnight + hours.closes * _MINUTE
    pieces: list[Interval] = []
    for start, end, offset in _steady(zone, midnight - timedelta(hours=15), midnight + timedelta(hours=39)):
        begin, finish = max(start, opens - offset), min(end, closes - offset)
        if begin >= finish:
            continue
        piece = Interval(start=begin.replace(tzinfo=UTC), end=finish.replace(tzinfo=UTC))
        if pieces and pieces[-1].end == piece.start:
            piece = Interval(start=pieces.pop().start, end=piece.end)
        pieces.append(piece)
    return pieces


def free(
    hours: Hours, busy: Iterable[Interval], *, now: datetime, length: timedelta, window: Interval
) -> Iterator[Interval]:
    """The slots of a window that may be booked now, in order.

    Args:
        busy: what is taken; the buffer is added here.
        now: notice and horizon are counted from it.
        length: of a slot.
        window: a slot lies within it as a whole.
    """
    taken = [item.widened(hours.buffer) for item in busy]
    first, last = max(window.start, now + hours.notice), now + hours.horizon
    day, final = (window.start - _DAY).date(), (window.end + _DAY).date()
    while day <= final:
        for piece in open_on(hours, day):
            start = piece.start
            while start + length <= piece.end:
                slot = Interval(start=start, end=start + length)
                start += hours.step
                if not first <= slot.start <= last or slot.end > window.end:
                    continue
                if not any(slot.overlaps(item) for item in taken):
                    yield slot
        day += _DAY


def offered(hours: Hours, slot: Interval, *, now: datetime) -> bool:
    """Whether this very slot would be offered on an empty calendar: hours, grid, notice and horizon."""
    return slot in free(hours, (), now=now, length=slot.end - slot.start, window=slot)


def blocked(hours: Hours, busy: Iterable[Interval], slot: Interval) -> bool:
    """Whether something taken, with the buffer, overlaps a slot."""
    wide = slot.widened(hours.buffer)
    return any(wide.overlaps(item) for item in busy)


def _wall(naive_utc: datetime, zone: ZoneInfo) -> datetime:
    return naive_utc.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(naive_utc: datetime, zone: ZoneInfo) -> timedelta:
    return naive_utc.replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta(0)


def _offsets(wall: datetime, zone: ZoneInfo) -> set[timedelta]:
    return {wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta(0) for fold in (0, 1)}


def _steady(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """The pieces of a stretch of naive UTC in which the zone's offset stays the same."""
    begin, offset = start, _offset(start, zone)
    at = start
    while at < end:
        then = min(at + _LOOK, end)
        new = _offset(then, zone)
        if new != offset:
            low, high = at, then
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                low, high = (middle, high) if _offset(middle, zone) == offset else (low, middle)
            change = high.replace(microsecond=0)
            yield begin, change, offset
            begin, offset = change, new
        at = then
    yield begin, end, offset
