"""Booking a meeting: free slots are offered, one is held for half an hour, a person confirms it, or it is released.

The model chooses among closed words, days and slots that the calendar offered. It writes no title, names no guest and
sees no link but as a pseudonym: title and guest come from the CRM, the link from the provider of meetings.

One file a tool, in the order in which they are called: ``offering``, ``holding``, ``confirming``, ``releasing``.
"""

from __future__ import annotations

from tools.booking.arguments import WhichEvent
from tools.booking.confirming import Invitations, confirm
from tools.booking.holding import WhichHold, hold
from tools.booking.offering import Weekday, WhichSlots, free_slots
from tools.booking.releasing import release
from tools.booking.zones import Zone, Zones

__all__ = [
    "Invitations",
    "Weekday",
    "WhichEvent",
    "WhichHold",
    "WhichSlots",
    "Zone",
    "Zones",
    "confirm",
    "free_slots",
    "hold",
    "release",
]
