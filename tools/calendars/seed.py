"""Fills empty embedded calendars: one for each member of staff, with lunches and some meetings of their own."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from types import MappingProxyType

from tools.calendars.port import Attendee
from tools.calendars.sql import SqlCalendar
from tools.crm.anchors import STAFF
from tools.slots import Hours, Interval, zone_of

__all__ = ["ZONES", "seed_calendars"]

ZONES: Mapping[str, str] = MappingProxyType({"us": "America/New_York", "kz": "Asia/Almaty", "pl": "Europe/Warsaw"})
"""Region -> where its staff and its customers are."""

DAYS = 35


def seed_calendars(calendar: SqlCalendar, *, now: datetime) -> None:
    """Opens the calendars that are missing, 9 to 17 on workdays; the same moment, the same events."""
    for member in STAFF:
        hours = Hours(zone=ZONES[member.region], buffer=timedelta(minutes=10))
        inviting = Attendee(name=member.name, email=f"{member.id}@demo.example")
        if not calendar.open_calendar(member.id, hours, owner=member.id, region=member.region, organizer=inviting):
            continue
        chance, zone = random.Random(member.id), zone_of(hours.zone)  # noqa: S311  nothing secret is drawn
        for ahead in range(DAYS):
            day = now.astimezone(zone).date() + timedelta(days=ahead)
            starts = [time(12), time(chance.choice((9, 10, 14, 15)))]
            for start, title in zip(starts, ("Lunch", "Internal"), strict=True):
                begin = datetime.combine(day, start, zone)
                if day.weekday() in hours.weekdays:
                    calendar.put_in(member.id, Interval(start=begin, end=begin + timedelta(hours=1)), title)
