"""Rows of the embedded calendar as the port's values, and values as rows. Moments are whole seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from tools.calendars.port import Attendee, Event
from tools.slots import Hours, Interval

__all__ = ["calendar_row", "event_of", "hours_of", "moment", "organizer_of", "seconds", "slot_of", "times_row"]

_MINUTE = timedelta(minutes=1)


def calendar_row(
    calendar_id: str, hours: Hours, *, owner: str, region: str, organizer: Attendee | None
) -> dict[str, Any]:
    """A calendar as it is stored."""
    return {
        "id": calendar_id,
        "owner_id": owner,
        "region": region,
        "zone": hours.zone,
        "opens_min": hours.opens,
        "closes_min": hours.closes,
        "weekdays": "".join(map(str, sorted(hours.weekdays))),
        "step_min": hours.step // _MINUTE,
        "buffer_min": hours.buffer // _MINUTE,
        "notice_min": hours.notice // _MINUTE,
        "horizon_min": hours.horizon // _MINUTE,
        "organizer_name": organizer.name if organizer else None,
        "organizer_email": organizer.email if organizer else None,
    }


def hours_of(calendar: Row[Any]) -> Hours:
    """When a calendar may be booked."""
    return Hours(
        zone=calendar.zone,
        opens=calendar.opens_min,
        closes=calendar.closes_min,
        weekdays=frozenset(map(int, calendar.weekdays)),
        step=calendar.step_min * _MINUTE,
        buffer=calendar.buffer_min * _MINUTE,
        notice=calendar.notice_min * _MINUTE,
        horizon=calendar.horizon_min * _MINUTE,
    )


def organizer_of(calendar: Row[Any]) -> Attendee | None:
    """Who invites in a calendar, or None where nobody is named."""
    if not calendar.organizer_email:
        return None
    return Attendee(name=calendar.organizer_name, email=calendar.organizer_email)


def times_row(slot: Interval, buffer: timedelta) -> dict[str, int]:
    """The times of an event as they are stored."""
    return {"starts": seconds(slot.start), "ends": seconds(slot.end), "blocks_until": seconds(slot.end + buffer)}


def slot_of(row: Row[Any]) -> Interval:
    """When an event is."""
    return Interval(start=moment(row.starts), end=moment(row.ends))


def event_of(row: Row[Any], now: datetime) -> Event:
    """An event of the agent's as it is now: a hold whose time is over has ended, whatever stands in its row.

    Args:
        row: of the event, with its calendar's id.
    """
    over = row.status == "held" and row.held_until <= seconds(now)
    return Event(
        id=str(row.id),
        uid=row.uid,
        calendar_id=row.calendar_id,
        contact_id=row.contact_id,
        slot=slot_of(row),
        title=row.title,
        status="expired" if over else row.status,
        held_until=None if row.held_until is None or over else moment(row.held_until),
        link=row.link,
        attendee=row.attendee,
        created_at=moment(row.created_at),
        sequence=row.sequence,
        version=f"{row.version}-expired" if over or row.status == "expired" else str(row.version),
    )


def seconds(moment: datetime) -> int:
    """A moment as it is stored."""
    return int(moment.timestamp())


def moment(seconds: int) -> datetime:
    """A stored moment, in UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC)
