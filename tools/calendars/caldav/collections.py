"""The calendar collections of one server, read: what stands in a window, and the event of an id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agent_guard.errors import ToolRejected
from tools.calendars.caldav.sealed import Entry, SealedEvents
from tools.calendars.caldav.webdav import Resource, WebDav
from tools.calendars.port import Attendee
from tools.crm.port import NOT_FOUND
from tools.slots import Hours, Interval, zone_of

__all__ = ["Collection", "Collections"]

_ID = re.compile(r"(?P<calendar>[a-z0-9][a-z0-9._-]{0,63})\.(?P<uid>[0-9a-f]{32})")
_DAY = timedelta(days=1)
_OFFSET_MAX = timedelta(hours=15)
"""No zone is further from UTC, which a server takes whole days and times without a zone for."""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """One member of staff's calendar on the server.

    Args:
        path: of the collection, ending in ``/``.
        owner: whose it is; their region is where its data lie.
        organizer: who invites, in an event with an attendee.
    """

    path: str
    hours: Hours
    owner: str
    region: str
    organizer: Attendee | None = field(default=None, repr=False)


class Collections:
    """Every reading method raises ``ToolUnavailable`` where the server cannot be asked or not be understood.

    Args:
        dav: the server.
        sealed: reads the events.
        given: calendar id -> its collection.
    """

    def __init__(self, dav: WebDav, sealed: SealedEvents, given: Mapping[str, Collection]) -> None:
        self._dav, self._sealed, self._given = dav, sealed, dict(given)

    def __iter__(self) -> Iterator[str]:
        """The ids of the calendars."""
        return iter(self._given)

    def get(self, calendar_id: str) -> Collection | None:
        """The collection of an id, or None."""
        return self._given.get(calendar_id)

    def __getitem__(self, calendar_id: str) -> Collection:
        """The collection of an id.

        Raises:
            ToolRejected: ``not_found``.
        """
        found = self._given.get(calendar_id)
        if found is None:
            raise ToolRejected("there is no calendar of this id", code=NOT_FOUND)
        return found

    def ahead(self, calendar_id: str, now: datetime, *, back: timedelta = _DAY) -> list[Entry]:
        """What stands in a calendar from a day ago to the end of what may be booked.

        Args:
            back: begins so long before now instead.
        """
        horizon = self[calendar_id].hours.horizon
        return self.between(calendar_id, Interval(start=now - back, end=now + horizon + 2 * _DAY))

    def between(self, calendar_id: str, window: Interval) -> list[Entry]:
        """What stands in a window, and some around it."""
        found = self._dav.between(self[calendar_id].path, window.widened(_OFFSET_MAX))
        return [entry for resource in found for entry in self.read(calendar_id, resource)]

    def around(self, calendar_id: str, slot: Interval, *, besides: str) -> list[Interval]:
        """What is taken around a slot, buffer included.

        Args:
            besides: the id of an event that does not count: the one that is to stand there.
        """
        wide = slot.widened(self[calendar_id].hours.buffer + timedelta(minutes=1))
        found = self.between(calendar_id, wide)
        return [item.slot for item in found if item.blocks and not (item.event and item.event.id == besides)]

    def entry(self, event_id: str) -> Entry | None:
        """The agent's event of an id, or None where there is none whose seal is whole."""
        found = _ID.fullmatch(event_id)
        if found is None or found["calendar"] not in self._given:
            return None
        calendar_id = found["calendar"]
        for resource in self._dav.named(self[calendar_id].path, found["uid"]):
            for entry in self.read(calendar_id, resource):
                if entry.event is not None and entry.event.id == event_id:
                    return entry
        return None

    def may_have_been(self, event_id: str) -> bool:
        """Whether an id has the form of an event of these calendars: one that was swept is seen nowhere any more."""
        found = _ID.fullmatch(event_id)
        return found is not None and found["calendar"] in self._given

    def read(self, calendar_id: str, resource: Resource) -> Iterator[Entry]:
        """The events of one object."""
        zone = zone_of(self[calendar_id].hours.zone)
        return self._sealed.read(resource, calendar_id=calendar_id, zone=zone)
