"""When an event of iCalendar is, and whether it takes its time. What people write is read as intervals, no more."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from agent_guard.errors import ToolUnavailable
from tools.slots import Interval

__all__ = ["interval_of", "takes_time"]

_DAY = timedelta(days=1)


def interval_of(component: Any, zone: ZoneInfo) -> Interval | None:
    """When an event is; None for one without a length.

    Args:
        component: a VEVENT of the package ``icalendar``.
        zone: of the calendar: whole days and times without a zone are its own.

    Raises:
        ToolUnavailable: it recurs, and the server did not write the occurrences out.
    """
    if component.get("RRULE") or component.get("RDATE"):
        raise ToolUnavailable("the server does not write recurring events out", code="not_expanded")
    begins = component.decoded("DTSTART")
    start = _aware(begins, zone)
    if component.get("DTEND"):
        end = _aware(component.decoded("DTEND"), zone)
    elif component.get("DURATION"):
        end = start + component.decoded("DURATION")
    else:
        end = start if isinstance(begins, datetime) else _aware(begins + _DAY, zone)
    return Interval(start=start, end=end) if end > start else None


def takes_time(component: Any) -> bool:
    """Whether an event is in the way: it is neither transparent nor cancelled (RFC 5545, 3.8.2.7 and 3.8.1.11)."""
    transparent = str(component.get("TRANSP", "")).upper() == "TRANSPARENT"
    return not transparent and str(component.get("STATUS", "")).upper() != "CANCELLED"


def _aware(value: date | datetime, zone: ZoneInfo) -> datetime:
    if not isinstance(value, datetime):
        return datetime.combine(value, time(), zone).astimezone(UTC)
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
