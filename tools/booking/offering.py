"""Offering free slots of a calendar, by the client's days and clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

from agent_guard.tool import tool
from tools.booking.arguments import CalendarId, Closed, ContactId, Length, Moment
from tools.booking.zones import Zones
from tools.calendars.port import Calendar
from tools.slots import Interval, free, zone_of
from tools.written import written_day

__all__ = ["Slot", "Slots", "Weekday", "WhichSlots", "free_slots"]

OFFERED_MAX = 8
_WEEK = 7

Weekday = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
When = Literal[
    "any", "today", "tomorrow", "day_after_tomorrow",
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
]  # fmt: skip
Week = Literal["any", "next"]
Part = Literal["any", "morning", "afternoon"]
"""Of the client's day; the afternoon begins at twelve."""

_AHEAD = {"today": 0, "tomorrow": 1, "day_after_tomorrow": 2}
_WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


class WhichSlots(Closed):
    """Which slots to look for. Days and times are the client's: the tool knows their zone, and the day there."""

    calendar_id: CalendarId
    contact_id: ContactId
    length_min: Length = 30
    when: Annotated[When, Field(description="a weekday is the next one of that name")] = "any"
    week: Annotated[Week, Field(description="'next': the week that begins on the coming Monday")] = "any"
    first_day: Annotated[
        Annotated[date, BeforeValidator(written_day)] | None,
        Field(description="look from this day on for a week, whatever 'when' says"),
    ] = None
    part: Part = "any"
    near: Annotated[
        str | None, Field(max_length=5, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="closest to this first")
    ] = None
    limit: Annotated[int, Field(ge=1, le=OFFERED_MAX)] = 3


class Slot(Closed):
    """A free slot: its start with the client's offset, and the day of the week there."""

    start: Moment
    weekday: Weekday


class Slots(Closed):
    """What is free; empty where nothing is.

    Args:
        today: in the client's zone.
    """

    slots: Annotated[tuple[Slot, ...], Field(max_length=OFFERED_MAX)]
    length_min: int
    today: date


@tool(
    name="calendar.free_slots",
    effect="read",
    timeout_s=8,
    refs={"calendar_id": "calendar", "contact_id": "contact"},
    result_fields=dict.fromkeys(("slots.start", "slots.weekday", "length_min", "today"), "plain"),
)
def free_slots(args: WhichSlots, calendar: Calendar, zones: Zones, *, idempotency_key: str = "") -> Slots:  # noqa: ARG001  as every tool is called
    """Offers free slots of one calendar in the client's zone, spread over the days that were asked for.

    Raises:
        ToolRejected: ``not_found``.
        ToolUnavailable: the calendar cannot be read.
    """
    hours, now = calendar.hours(args.calendar_id), calendar.now()
    zone = zone_of(zones.zone_of(args.contact_id) or hours.zone)
    today = now.astimezone(zone).date()
    first, days = _days(args, today)
    begin = datetime.combine(first, time(), zone).astimezone(UTC)
    finish = datetime.combine(first + timedelta(days=days), time(), zone).astimezone(UTC)
    found: list[datetime] = []
    if finish > now:
        window = Interval(start=max(begin, now), end=finish)
        taken = calendar.busy(args.calendar_id, window.widened(hours.buffer))
        length = timedelta(minutes=args.length_min)
        found = [slot.start.astimezone(zone) for slot in free(hours, taken, now=now, length=length, window=window)]
    wanted = [start for start in found if args.part == "any" or (start.hour < 12) is (args.part == "morning")]
    chosen = _near(wanted, args.near, args.limit) if args.near else _spread(wanted, args.limit)
    slots = tuple(Slot(start=start.isoformat(), weekday=_WEEKDAYS[start.weekday()]) for start in chosen)
    return Slots(slots=slots, length_min=args.length_min, today=today)


def _days(args: WhichSlots, today: date) -> tuple[date, int]:
    """The first day and how many from there."""
    monday = today + timedelta(days=_WEEK - today.weekday())
    if args.first_day is not None:
        return args.first_day, _WEEK
    if args.when in _AHEAD:
        return today + timedelta(days=_AHEAD[args.when]), 1
    if args.when != "any":
        number = _WEEKDAYS.index(args.when)
        ahead = (number - today.weekday() - 1) % _WEEK + 1
        return (monday + timedelta(days=number) if args.week == "next" else today + timedelta(days=ahead)), 1
    return (monday, _WEEK) if args.week == "next" else (today, _WEEK)


def _spread(starts: list[datetime], limit: int) -> list[datetime]:
    """At most ``limit`` of them, evenly over all."""
    if len(starts) <= limit:
        return starts
    return [starts[place * len(starts) // limit] for place in range(limit)]


def _near(starts: list[datetime], near: str, limit: int) -> list[datetime]:
    """Those whose time of the day is the closest, the closest first."""
    hour, minute = map(int, near.split(":"))
    return sorted(starts, key=lambda start: (abs(start.hour * 60 + start.minute - hour * 60 - minute), start))[:limit]
