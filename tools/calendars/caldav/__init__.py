"""Calendars on a CalDAV server: the port's laws kept with conditional requests, and nothing stored anywhere else.

A hold is a tentative event. Its path is its place on the grid, and it is written only where nothing is
(``If-None-Match: *``), so of many that want one slot one is first. Slots of different lengths have different paths:
after the write the calendar is read again, and whoever finds somebody else there takes their own event back. CalDAV
knows no end of a hold: until when it lives stands in the event, everybody who reads goes by that, and ``sweep``
removes what is over (``If-Match``, so that what was confirmed meanwhile stays).

Every event of the agent's bears a seal, an HMAC of what matters in it. An event without one, or that a person has
changed, is a person's: it is in the way like any other, and no tool touches it. So nobody can send an invitation that
passes for a hold and is swept away.

``webdav`` speaks HTTP, ``components`` reads when an event of iCalendar is, ``sealed`` knows the agent's own events,
``collections`` reads what stands on the server, ``grid`` wins a place, and ``calendar`` has the port's methods.
"""

from __future__ import annotations

from tools.calendars.caldav.calendar import CalDavCalendar
from tools.calendars.caldav.collections import Collection
from tools.calendars.caldav.sealed import SEAL_KEY_MIN

__all__ = ["SEAL_KEY_MIN", "CalDavCalendar", "Collection"]
