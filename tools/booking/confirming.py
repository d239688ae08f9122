"""Confirming a hold: the video link, the event, the guest, and an invitation that waits for a person to send it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Protocol
from zoneinfo import ZoneInfo

from pydantic import Field

from agent_guard.credentials import Secrets
from agent_guard.errors import OutcomeUnknown, ToolError
from agent_guard.tool import tool
from agent_guard.types import Description
from tools.booking.arguments import Closed, EventId, Moment, WhichEvent, contact_of
from tools.booking.zones import Zones, client_zone
from tools.calendars.ical import invitation
from tools.calendars.port import FIELDS, Attendee, Calendar, Event, described
from tools.crm.port import CRM
from tools.meetings.port import Meetings, MeetingSpec

__all__ = ["Confirmed", "Invitations", "confirm"]

LINK_LEFT = "link_left"
"""``OutcomeUnknown``: nothing was confirmed, and a link that nobody needs may be there, or is."""


class Confirmed(Closed):
    """The confirmed event.

    Args:
        guest: whether the client was added to the event.
        invitation: whether an invitation waits for a person to send it.
    """

    event_id: EventId
    status: Literal["confirmed"]
    start: Moment
    link: Annotated[str, Field(max_length=500)]
    guest: Literal["added", "missing"]
    invitation: Literal["draft", "missing"]


class Invitations(Protocol):
    """Where drafts of invitations are kept, until a person sends one."""

    def keep(self, uid: str, text: str) -> None:
        """Keeps a draft; a later one of the same event takes its place.

        Raises:
            ToolUnavailable, OutcomeUnknown: it was not kept, or may not have been.
        """
        ...


def _as_it_would_be(args: WhichEvent, crm: CRM, calendar: Calendar) -> Description:
    """The event as an approver shall see it: confirmed, with the guest. The link is made when it is confirmed."""
    event = calendar.check(args.event_id)
    contact = contact_of(crm, event.contact_id)
    told = described(event, owner="", region=contact.region)
    changed = {"status": "confirmed", "held_until": None, "attendee": contact.snapshot.get("email")}
    return Description(
        version="new",
        party=told.party,
        region=told.region,
        name=told.name,
        snapshot={**told.snapshot, **changed},
        fields=dict(FIELDS["event"]),
    )


def _is_confirmed(_args: WhichEvent, _result: Confirmed, after: Description | None) -> str | None:
    if after is None:
        return "missing"
    return None if after.snapshot.get("status") == "confirmed" else "status"


def _confirmed_of(
    _args: WhichEvent, calendar: Calendar, zones: Zones, meetings: Meetings, *, idempotency_key: str, secrets: Secrets
) -> Confirmed | None:
    """The event that was confirmed under the key, or None where it is sure that none was and that no link was left.

    Raises:
        OutcomeUnknown: ``link_left``; the slot was not confirmed, and its link is there. A person cancels it, and then
            it is sure: a look changes nothing.
    """
    event = calendar.find_by_key(idempotency_key)
    if event is None or event.status != "confirmed":
        if meetings.find(idempotency_key, secrets=secrets) is not None:
            raise OutcomeUnknown("the slot was not confirmed, and its link is still there", code=LINK_LEFT)
        return None
    return _told(event, _zone_of(event, calendar, zones), kept=False)


def _zone_of(event: Event, calendar: Calendar, zones: Zones) -> ZoneInfo:
    return client_zone(zones, calendar, contact_id=event.contact_id, calendar_id=event.calendar_id)


def _told(event: Event, zone: ZoneInfo, *, kept: bool) -> Confirmed:
    return Confirmed(
        event_id=event.id,
        status="confirmed",
        start=event.slot.start.astimezone(zone).isoformat(),
        link=event.link or "",
        guest="added" if event.attendee else "missing",
        invitation="draft" if kept else "missing",
    )


@tool(
    name="calendar.confirm",
    effect="send",
    timeout_s=10,
    key=("event_id",),
    key_window="forever",
    refs={"event_id": "event"},
    changes="event_id",
    sets={},
    result_fields={
        "event_id": "plain",
        "status": "plain",
        "start": "plain",
        "link": "URL",
        "guest": "plain",
        "invitation": "plain",
    },
    post_check=_is_confirmed,
    dry_run=_as_it_would_be,
    lookup=_confirmed_of,
    retries=0,
)
def confirm(
    args: WhichEvent,
    crm: CRM,
    calendar: Calendar,
    zones: Zones,
    meetings: Meetings,
    invitations: Invitations,
    *,
    idempotency_key: str,
    secrets: Secrets,
) -> Confirmed:
    """Confirms a hold: makes the video link, confirms the event, adds the client, and drafts the invitation.

    In this order, so that whatever fails leaves nothing behind it: the calendar is read again; the link is made; the
    hold becomes the event, and where that is refused the link is cancelled; only then the guest is added. What fails
    after that is told in the result, for a person to finish: the meeting stands.

    Raises:
        ToolRejected: ``hold_ended``, ``already_confirmed``, ``slot_taken`` or ``not_found``, or the provider refused.
        ToolUnavailable: the calendar, the CRM or the provider cannot be asked; nothing was confirmed.
        OutcomeUnknown: it may be confirmed, or a link may have been made for nothing.
    """
    event = calendar.check(args.event_id)
    contact, zone = contact_of(crm, event.contact_id), _zone_of(event, calendar, zones)
    minutes = (event.slot.end - event.slot.start) // timedelta(minutes=1)
    topic = event.title.partition(":")[0]
    spec = MeetingSpec(topic=topic, start=event.slot.start, length_min=minutes, zone=zone.key)
    meeting = meetings.create(spec, key=idempotency_key, secrets=secrets)
    try:
        event = calendar.confirm(event.id, meeting.join_url, idempotency_key)
    except OutcomeUnknown:
        raise
    except ToolError:
        _cancelled(meetings, meeting.id, secrets)
        raise
    email = contact.snapshot.get("email")
    guest = Attendee(name=str(contact.name), email=str(email)) if email else None
    kept = False
    try:
        event = calendar.invite(event.id, guest) if guest else event
        invitations.keep(event.uid, invitation(event, guest, calendar.organizer(event.calendar_id)))
        kept = True
    except (ToolError, ValueError):  # the meeting stands; the result says what is missing
        event = _seen_again(calendar, event)
    return _told(event, zone, kept=kept)


def _cancelled(meetings: Meetings, meeting: str, secrets: Secrets) -> None:
    """Cancels a link that is not needed.

    Raises:
        OutcomeUnknown: ``link_left``; it may still be there, so a person looks at it.
    """
    try:
        meetings.cancel(meeting, secrets=secrets)
    except ToolError:
        words = "the slot was not confirmed, and its link could not be cancelled"
        raise OutcomeUnknown(words, code=LINK_LEFT) from None


def _seen_again(calendar: Calendar, event: Event) -> Event:
    """The event as it is now, or as it was last seen where nobody can tell."""
    try:
        return calendar.event(event.id) or event
    except ToolError:
        return event
