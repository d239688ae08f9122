"""The calendar port is the allowlist: read what is taken, hold a slot, confirm a hold, add its attendee, release it.

There is no delete, no move and no write to an event that the agent did not make. What people have in their calendars
is read as intervals, without a word of what it is. The laws below hold for every adapter; one suite checks them all.

1. **One slot, one event.** Of holds and confirmed events of one calendar no two overlap, buffer included, whoever else
   writes at that moment, and none is made over anything that is taken.
2. **Offered only.** A hold is made for a slot that would be offered now: hours, grid, notice and horizon.
3. **A hold ends by itself** after :data:`HOLD`, to the second, whether or not anybody swept it away; its slot is free
   again then. It survives a restart. A confirmed event never ends, and is never swept.
4. **Confirmed once.** ``confirm`` reads the calendar again and uses the hold up in one step: of two that confirm, one
   does. The event keeps its UID, and has no attendee before ``invite``.
5. **Once.** The same key and the same body while the hold lives, or the same slot for the same customer: the same
   event, ``"replayed"``. The same key for something else: ``key_reused``. A key is free again when its hold has ended.
6. **Three outcomes**, as the CRM's port has them: ``ToolRejected``, ``ToolUnavailable``, ``OutcomeUnknown``, and
   nothing is repeated by itself. Messages hold no value of an event and no credential.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal, Protocol

from agent_guard.errors import ToolRejected
from agent_guard.types import JSON, Description, Ref
from agent_guard.units import sha256
from tools.crm.port import WriteOutcome
from tools.slots import Hours, Interval

__all__ = [
    "ALREADY_CONFIRMED",
    "FIELDS",
    "HOLD",
    "HOLD_ENDED",
    "NOT_OFFERED",
    "SLOT_TAKEN",
    "Attendee",
    "Calendar",
    "Event",
    "Held",
    "HoldDraft",
    "Status",
    "calendar_described",
    "described",
]

HOLD = timedelta(minutes=30)
"""How long a hold lives (requirement A19)."""

SLOT_TAKEN = "slot_taken"
"""``ToolRejected``: something is in the way, now."""
NOT_OFFERED = "not_offered"
"""``ToolRejected``: outside the hours, off the grid, too soon or too far ahead."""
HOLD_ENDED = "hold_ended"
"""``ToolRejected``: the hold expired or was released."""
ALREADY_CONFIRMED = "already_confirmed"
"""``ToolRejected``: the event is confirmed; a person may change it, no tool."""

Status = Literal["held", "confirmed", "released", "expired"]

TITLE_MAX = 200

FIELDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "calendar": MappingProxyType({"zone": "plain"}),
        "event": MappingProxyType(
            {
                "title": "text", "start": "plain", "end": "plain", "status": "plain", "held_until": "plain",
                "attendee": "EMAIL", "link": "URL",
            }
        ),
    }
)  # fmt: skip
"""For each kind of record, the fields of its snapshot and their classes (see ``Description.fields``)."""


@dataclass(frozen=True, kw_only=True)
class HoldDraft:
    """A slot to be held.

    Args:
        slot: which.
        contact_id: the customer it is for.
        title: one line, written by a tool.

    Raises:
        ToolRejected: ``invalid``; the title is blank, too long or not one line.
    """

    calendar_id: str
    contact_id: str
    slot: Interval
    title: str

    def __post_init__(self) -> None:
        if not self.title.strip() or len(self.title) > TITLE_MAX or not self.title.isprintable():
            raise ToolRejected(f"a title is one line of 1 to {TITLE_MAX} characters", code="invalid")

    def digest(self) -> str:
        """What law 5 means by "same body"."""
        start, end = self.slot.start.isoformat(), self.slot.end.isoformat()
        return sha256([self.calendar_id, self.contact_id, start, end, self.title])


@dataclass(frozen=True, kw_only=True)
class Held:
    """A hold that was made now, or by an earlier call."""

    event_id: str
    outcome: WriteOutcome
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Attendee:
    """Who is invited. Raw; it stands in the calendar alone."""

    name: str
    email: str


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event that the agent made. Raw.

    Args:
        uid: of iCalendar (RFC 5545); the same for the whole life of the event.
        sequence: of iCalendar; counts the changes that an invited person must hear of.
        held_until: while it is a hold.
        version: changes whenever the event does, by running out of time as well.
    """

    id: str
    uid: str
    calendar_id: str
    contact_id: str
    slot: Interval
    title: str
    status: Status
    held_until: datetime | None
    link: str | None
    attendee: str | None
    created_at: datetime
    sequence: int
    version: str


class Calendar(Protocol):
    """Calendars of members of staff. Every method may be called from any thread.

    When the system is down, every method raises ``ToolUnavailable``.
    """

    def now(self) -> datetime:
        """The present, by which holds end."""
        ...

    def hours(self, calendar_id: str) -> Hours:
        """When a calendar may be booked.

        Raises:
            ToolRejected: ``not_found``.
        """
        ...

    def organizer(self, calendar_id: str) -> Attendee | None:
        """Who invites to meetings in a calendar, or None where nobody is named. Raw.

        Raises:
            ToolRejected: ``not_found``.
        """
        ...

    def busy(self, calendar_id: str, window: Interval) -> list[Interval]:
        """What is taken in a window, in order: people's events, confirmed ones, holds that live.

        Raises:
            ToolRejected: ``not_found``.
        """
        ...

    def event(self, event_id: str) -> Event | None:
        """An event that the agent made, as it is now."""
        ...

    def hold(self, draft: HoldDraft, key: str) -> Held:
        """Holds a slot (laws 1 to 3 and 5).

        Raises:
            ToolRejected: ``slot_taken``, ``not_offered``, ``not_found``, ``key_reused``; nothing was written.
            OutcomeUnknown: ask ``find_by_key``.
        """
        ...

    def check(self, event_id: str) -> Event:
        """Reads the calendar again: whether this hold could be confirmed now. Changes nothing.

        Raises:
            ToolRejected: ``hold_ended``, ``already_confirmed``, ``slot_taken`` or ``not_found``.
        """
        ...

    def confirm(self, event_id: str, link: str, key: str) -> Event:
        """Makes a hold an event (law 4); with the key that confirmed it, tells the same again.

        Raises:
            ToolRejected: as :meth:`check`; nothing was written.
            OutcomeUnknown: ask ``event``.
        """
        ...

    def invite(self, event_id: str, attendee: Attendee) -> Event:
        """Adds the attendee to a confirmed event. A server may send them mail for it.

        Raises:
            ToolRejected: ``hold_ended`` where it is not confirmed, or ``not_found``.
        """
        ...

    def release(self, event_id: str) -> Event:
        """Gives a hold's slot back; one that has ended stays as it is.

        Raises:
            ToolRejected: ``already_confirmed`` or ``not_found``.
        """
        ...

    def find_by_key(self, key: str) -> Event | None:
        """The hold that lives, or the event, that was made or confirmed under a key; None where surely none was.

        Raises:
            ToolUnavailable: the system cannot be asked.
        """
        ...

    def sweep(self) -> int:
        """Ends holds whose time is over, and returns how many. What is confirmed is never touched.

        Raises:
            ToolUnavailable: the system cannot be asked; nothing is lost by that, see law 3.
        """
        ...

    def describe(self, ref: Ref) -> Description | None:
        """Describes a ``calendar`` or an ``event`` that the agent made; None for anything else."""
        ...


def described(event: Event, *, owner: str, region: str | None) -> Description:
    """What ``describe`` tells of an event.

    Args:
        owner: whose calendar it is in.
        region: where that calendar's data lie.
    """
    snapshot: dict[str, JSON] = {
        "title": event.title,
        "start": event.slot.start.isoformat(),
        "end": event.slot.end.isoformat(),
        "status": event.status,
        "held_until": event.held_until.isoformat() if event.held_until else None,
        "attendee": event.attendee,
        "link": event.link,
    }
    return Description(
        version=event.version,
        party=f"contact:{event.contact_id}",
        responsible=owner,
        region=region,
        name=event.title,
        snapshot=snapshot,
        fields=dict(FIELDS["event"]),
    )


def calendar_described(calendar_id: str, hours: Hours, *, owner: str, region: str | None) -> Description:
    """What ``describe`` tells of a calendar; its version changes with any of these.

    Args:
        owner: whose it is.
        region: where its data lie.
    """
    return Description(
        version=sha256([repr(hours), owner, region]),
        responsible=owner,
        region=region,
        name=f"calendar {calendar_id}",
        snapshot={"zone": hours.zone},
        fields=dict(FIELDS["calendar"]),
    )
