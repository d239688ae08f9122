"""Holding an offered slot for the client. Nobody is invited, and the hold ends by itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BeforeValidator

from agent_guard.errors import ToolRejected
from agent_guard.tool import tool
from agent_guard.types import JSON, Change, Description
from tools.booking.arguments import CalendarId, Closed, ContactId, EventId, Length, Moment, contact_of
from tools.booking.zones import Zones, client_zone
from tools.calendars.port import TITLE_MAX, Calendar, HoldDraft
from tools.crm.port import CRM, WriteOutcome
from tools.slots import Interval, NoSuchTime, instant
from tools.written import written_moment

__all__ = ["OnHold", "WhichHold", "hold"]

Topic = Literal["introduction", "demo", "follow_up"]
_TOPICS = {"introduction": "Introduction", "demo": "Demo", "follow_up": "Follow-up"}


class WhichHold(Closed):
    """The slot to hold, exactly as it was offered, and for whom."""

    calendar_id: CalendarId
    contact_id: ContactId
    start: Annotated[AwareDatetime, BeforeValidator(written_moment)]
    length_min: Length = 30
    topic: Topic


class OnHold(Closed):
    """The hold."""

    event_id: EventId
    start: Moment
    until: Moment
    outcome: WriteOutcome


def _draft(args: WhichHold, crm: CRM) -> HoldDraft:
    start = args.start.astimezone(UTC)
    name = " ".join(str(contact_of(crm, args.contact_id).name or args.contact_id).split())
    return HoldDraft(
        calendar_id=args.calendar_id,
        contact_id=args.contact_id,
        slot=Interval(start=start, end=start + timedelta(minutes=args.length_min)),
        title=f"{_TOPICS[args.topic]}: {name}"[:TITLE_MAX],
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
    return client_zone(zones, calendar, contact_id=args.contact_id, calendar_id=args.calendar_id)


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
