"""Booking a meeting: free slots are offered, one is held for half an hour, a person confirms it, or it is released.

The model chooses among closed words, days and slots that the calendar offered. It writes no title, names no guest and
sees no link but as a pseudonym: title and guest come from the CRM, the link from the provider of meetings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, Protocol, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from agent_guard.credentials import Secrets
from agent_guard.errors import OutcomeUnknown, ToolError, ToolRejected
from agent_guard.tool import tool
from agent_guard.types import JSON, Change, Description, Ref
from tools.calendars.ical import invitation
from tools.calendars.port import FIELDS, Attendee, Calendar, Event, HoldDraft, described
from tools.crm.port import CRM, NOT_FOUND, WriteOutcome
from tools.meetings.port import Meetings, MeetingSpec
from tools.slots import Interval, NoSuchTime, free, instant, zone_of

__all__ = ["Invitations", "Weekday", "Zone", "Zones", "confirm", "free_slots", "hold", "release"]

OFFERED_MAX = 8
_WEEK = 7

Topic = Literal["introduction", "demo", "follow_up"]
Length = Literal[30, 60]
Weekday = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
When = Literal[
    "any", "today", "tomorrow", "day_after_tomorrow",
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
]  # fmt: skip
Week = Literal["any", "next"]
Part = Literal["any", "morning", "afternoon"]
"""Of the client's day; the afternoon begins at twelve."""

LINK_LEFT = "link_left"
"""``OutcomeUnknown``: nothing was confirmed, and a link that nobody needs may be there, or is."""

_AHEAD = {"today": 0, "tomorrow": 1, "day_after_tomorrow": 2}
_WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
_TOPICS = {"introduction": "Introduction", "demo": "Demo", "follow_up": "Follow-up"}


def _zone(name: str) -> str:
    zone_of(name)
    return name


def _written(value: object) -> object:
    # Left to itself pydantic also takes seconds since 1970.
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value
    raise ValueError("write the start as it was offered, e.g. 2026-11-24T10:00:00+01:00")


def _day(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return date.fromisoformat(value)
    if value is None or type(value) is date:
        return value
    raise ValueError("write the day as YYYY-MM-DD")


CalendarId = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
ContactId = Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]
EventId = Annotated[
    str,
    Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", description="as calendar.hold gave it"),
]
Zone = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_+/-]{1,64}$"), AfterValidator(_zone)]
"""An IANA name. No tool takes one: where the client is, the host knows, and a name of a place would be masked."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WhichSlots(_Closed):
    """Which slots to look for. Days and times are the client's: the tool knows their zone, and the day there."""

    calendar_id: CalendarId
    contact_id: ContactId
    length_min: Length = 30
    when: Annotated[When, Field(description="a weekday is the next one of that name")] = "any"
    week: Annotated[Week, Field(description="'next': the week that begins on the coming Monday")] = "any"
    first_day: Annotated[
        date | None, BeforeValidator(_day), Field(description="look from this day on for a week, whatever 'when' says")
    ] = None
    part: Part = "any"
    near: Annotated[
        str | None, Field(max_length=5, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="closest to this first")
    ] = None
    limit: Annotated[int, Field(ge=1, le=OFFERED_MAX)] = 3


class Slot(_Closed):
    """A free slot: its start with the client's offset, and the day of the week there."""

    start: Annotated[str, Field(max_length=32)]
    weekday: Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


class Slots(_Closed):
    """What is free; empty where nothing is.

    Args:
        today: in the client's zone.
    """

    slots: Annotated[tuple[Slot, ...], Field(max_length=OFFERED_MAX)]
    length_min: int
    today: date


class WhichHold(_Closed):
    """The slot to hold, exactly as it was offered, and for whom."""

    calendar_id: CalendarId
    contact_id: ContactId
    start: Annotated[AwareDatetime, BeforeValidator(_written)]
    length_min: Length = 30
    topic: Topic


class OnHold(_Closed):
    """The hold."""

    event_id: EventId
    start: Annotated[str, Field(max_length=32)]
    until: Annotated[str, Field(max_length=32)]
    outcome: WriteOutcome


class WhichEvent(_Closed):
    """The hold that was made before."""

    event_id: EventId


class Confirmed(_Closed):
    """The confirmed event.

    Args:
        guest: whether the client was added to the event.
        invitation: whether an invitation waits for a person to send it.
    """

    event_id: EventId
    status: Literal["confirmed"]
    start: Annotated[str, Field(max_length=32)]
    link: Annotated[str, Field(max_length=500)]
    guest: Literal["added", "missing"]
    invitation: Literal["draft", "missing"]


class Released(_Closed):
    """What became of the hold."""

    event_id: EventId
    status: Literal["released", "expired"]


class Zones(Protocol):
    """Where clients are, as the host knows it, e.g. from the clock of their browser."""

    def zone_of(self, contact_id: str) -> str | None:
        """The IANA name of a client's zone, or None where nobody knows: the calendar's own is then shown.

        Raises:
            ToolUnavailable: it cannot be read.
        """
        ...


class Invitations(Protocol):
    """Where drafts of invitations are kept, until a person sends one."""

    def keep(self, uid: str, text: str) -> None:
        """Keeps a draft; a later one of the same event takes its place.

        Raises:
            ToolUnavailable, OutcomeUnknown: it was not kept, or may not have been.
        """
        ...


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


def _contact(crm: CRM, contact_id: str) -> Description:
    found = crm.describe(Ref(kind="contact", id=contact_id))
    if found is None:
        raise ToolRejected("there is no contact of this id", code=NOT_FOUND)
    return found


def _draft(args: WhichHold, crm: CRM) -> HoldDraft:
    start = args.start.astimezone(UTC)
    name = " ".join(str(_contact(crm, args.contact_id).name or args.contact_id).split())
    return HoldDraft(
        calendar_id=args.calendar_id,
        contact_id=args.contact_id,
        slot=Interval(start=start, end=start + timedelta(minutes=args.length_min)),
        title=f"{_TOPICS[args.topic]}: {name}"[:200],
    )


def _held(args: WhichHold, _result: OnHold, after: Description | None) -> str | None:
    """Compares the hold as it was read back with what was asked for."""
    if after is None:
        return "missing"
    expected = {
        "status": "held",
        "start": args.start.astimezone(UTC).isoformat(),
        "attendee": None,
    }
    return next((name for name, value in expected.items() if after.snapshot.get(name) != value), None)


def _given_back(change: Change) -> tuple[str, Mapping[str, JSON]]:
    """What turns a hold back: its slot is released."""
    return "calendar.release", {"event_id": change.reference.partition(":")[2]}


def _hold_of(args: WhichHold, crm: CRM, calendar: Calendar, zones: Zones, *, idempotency_key: str) -> OnHold | None:  # noqa: ARG001  the tool's resources
    """The hold that lives under the key, or None; see :meth:`Calendar.find_by_key`."""
    event = calendar.find_by_key(idempotency_key)
    if event is None or event.held_until is None:
        return None
    return _on_hold(event.id, args, _shown_in(calendar, zones, args), event.held_until, "replayed")


def _shown_in(calendar: Calendar, zones: Zones, args: WhichHold) -> ZoneInfo:
    return zone_of(zones.zone_of(args.contact_id) or calendar.hours(args.calendar_id).zone)


def _on_hold(event_id: str, args: WhichHold, zone: ZoneInfo, until: datetime, outcome: WriteOutcome) -> OnHold:
    return OnHold(
        event_id=event_id,
        start=args.start.astimezone(zone).isoformat(),
        until=until.astimezone(zone).isoformat(timespec="seconds"),
        outcome=outcome,
    )


@tool(
    name="calendar.hold",
    effect="write",
    timeout_s=10,
    key=("calendar_id", "contact_id", "start", "length_min"),
    key_window="1m",
    refs={"calendar_id": "calendar", "contact_id": "contact"},
    result_refs={"event_id": "event"},
    sets={},
    result_fields=dict.fromkeys(("start", "until", "outcome"), "plain"),
    post_check=_held,
    lookup=_hold_of,
    undo=_given_back,
    retries=0,
)
def hold(args: WhichHold, crm: CRM, calendar: Calendar, zones: Zones, *, idempotency_key: str) -> OnHold:
    """Holds one offered slot for the client for 30 minutes. Nobody is invited, and it ends by itself.

    A double click within a minute is answered by the ledger; later the calendar itself answers with the hold that
    lives. The window is short, because a client may release a slot and choose it again.

    Raises:
        ToolRejected: ``slot_taken``, ``not_offered``, ``not_found`` or ``key_reused``, and ``dst_gap`` or
            ``wrong_offset`` where the client's clock never shows this time; nothing was written.
        ToolUnavailable: nothing was written.
        OutcomeUnknown: it may be held; it ends by itself then.
    """
    zone = _shown_in(calendar, zones, args)
    try:
        instant(args.start, zone.key)
    except NoSuchTime as error:
        raise ToolRejected("the client's clock never shows this time", code=error.code) from None
    made = calendar.hold(_draft(args, crm), idempotency_key)
    return _on_hold(made.event_id, args, zone, made.until, made.outcome)


def _as_it_would_be(args: WhichEvent, crm: CRM, calendar: Calendar) -> Description:
    """The event as an approver shall see it: confirmed, with the guest. The link is made when it is confirmed."""
    event = calendar.check(args.event_id)
    contact = _contact(crm, event.contact_id)
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
    return zone_of(zones.zone_of(event.contact_id) or calendar.hours(event.calendar_id).zone)


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
    contact, zone = _contact(crm, event.contact_id), _zone_of(event, calendar, zones)
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


def _is_free(_args: WhichEvent, _result: Released, after: Description | None) -> str | None:
    held = after is not None and after.snapshot.get("status") in ("held", "confirmed")
    return "status" if held else None


def _released_of(args: WhichEvent, calendar: Calendar, *, idempotency_key: str) -> Released | None:  # noqa: ARG001  a release keeps no key
    """Whether the hold has ended: then there is nothing that could be released again."""
    event = calendar.event(args.event_id)
    if event is None:
        return Released(event_id=args.event_id, status="released")
    return Released(event_id=event.id, status=event.status) if event.status in ("released", "expired") else None


@tool(
    name="calendar.release",
    effect="write",
    timeout_s=8,
    key=("event_id",),
    key_window="forever",
    refs={"event_id": "event"},
    changes="event_id",
    sets={},
    result_fields=dict.fromkeys(("event_id", "status"), "plain"),
    post_check=_is_free,
    lookup=_released_of,
    retries=0,
)
def release(args: WhichEvent, calendar: Calendar, *, idempotency_key: str) -> Released:  # noqa: ARG001  a release keeps no key
    """Gives the slot of a hold back. A confirmed event is a person's matter.

    Raises:
        ToolRejected: ``already_confirmed`` or ``not_found``.
        ToolUnavailable: nothing was changed.
        OutcomeUnknown: it may have been released; it ends by itself anyway.
    """
    event = calendar.release(args.event_id)
    return Released(event_id=event.id, status="expired" if event.status == "expired" else "released")
