"""Where clients are: the host knows it, no tool asks for it, and every time is told by the client's own clock."""

from __future__ import annotations

from typing import Annotated, Protocol
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from tools.calendars.port import Calendar
from tools.slots import zone_of

__all__ = ["Zone", "Zones", "client_zone"]


def _known(name: str) -> str:
    zone_of(name)
    return name


Zone = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_+/-]{1,64}$"), AfterValidator(_known)]
"""An IANA name. No tool takes one: where the client is, the host knows, and a name of a place would be masked."""


class Zones(Protocol):
    """Where clients are, as the host knows it, e.g. from the clock of their browser."""

    def zone_of(self, contact_id: str) -> str | None:
        """The IANA name of a client's zone, or None where nobody knows: the calendar's own is then shown.

        Raises:
            ToolUnavailable: it cannot be read.
        """
        ...


def client_zone(zones: Zones, calendar: Calendar, *, contact_id: str, calendar_id: str) -> ZoneInfo:
    """The zone in which a client is told times.

    Raises:
        ToolRejected: ``not_found``; the client's zone is not known, and there is no such calendar.
        ToolUnavailable: it cannot be read.
    """
    return zone_of(zones.zone_of(contact_id) or calendar.hours(calendar_id).zone)
