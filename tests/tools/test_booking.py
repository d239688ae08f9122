"""The booking tools over the embedded calendar: what each offers and refuses, and what is left when something fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent_guard.errors import OutcomeUnknown, ToolRejected, ToolUnavailable
from agent_guard.types import Ref
from tests.tools.calendar_contract import HALF, Clock
from tools.booking import WhichEvent, WhichHold, WhichSlots, confirm, free_slots, hold, release
from tools.calendars.port import HOLD
from tools.calendars.sql import SqlCalendar
from tools.calendars.sql_invitations import SqlInvitations
from tools.calendars.sql_zones import SqlZones
from tools.crm.seed import seed
from tools.crm.sql import SqlCRM
from tools.meetings.offline import OfflineMeetings
from tools.slots import Hours, Interval

CAL, ANNA = "u-reed", "2001"
SLOT = "2026-11-24T10:00:00-05:00"


class Desk:
    """A CRM with one calendar, and the tools as a gateway calls them."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.crm = SqlCRM(f"sqlite:///{folder}/crm.db", clock=self.clock)
        self.crm.create()
        seed(self.crm, now=self.clock(), deals=0)
        self.calendar = SqlCalendar(self.crm)
        self.calendar.create()
        hours = Hours(zone="America/New_York", buffer=timedelta(minutes=10), horizon=timedelta(days=400))
        self.calendar.open_calendar(CAL, hours, owner="u-reed", region="us")
        self.zones, self.drafts, self.meetings = SqlZones(self.crm), SqlInvitations(self.crm), Meetings()

    def look(self, **args: Any) -> Any:
        """Free slots."""
        args = {"calendar_id": CAL, "contact_id": ANNA, **args}
        return free_slots.run(WhichSlots(**args), self.calendar, self.zones)

    def hold(self, start: Any = SLOT, key: str = "k1", **args: Any) -> Any:
        """A hold."""
        args = {"calendar_id": CAL, "contact_id": ANNA, "start": start, "topic": "demo", **args}
        return hold.run(WhichHold(**args), self.crm, self.calendar, self.zones, idempotency_key=key)

    def confirm(self, event_id: str, key: str = "c1") -> Any:
        """A confirmation."""
        given = (self.crm, self.calendar, self.zones, self.meetings, self.drafts)
        return confirm.run(WhichEvent(event_id=event_id), *given, idempotency_key=key, secrets=None)


class Meetings(OfflineMeetings):
    """Remembers what was made and cancelled; ``fails`` is raised instead of making, ``stays`` instead of cancelling."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.fails: Exception | None = None
        self.left: str | None = None
        self.stays: Exception | None = None
        self.during: Any = None

    def create(self, spec: Any, *, key: str, secrets: Any = None) -> Any:
        if self.fails:
            raise self.fails
        meeting = super().create(spec, key=key)
        self.made.append(meeting.id)
        if self.during:
            self.during()
        return meeting

    def find(self, key: str, *, secrets: Any = None) -> str | None:
        return self.left

    def cancel(self, meeting: str, *, secrets: Any = None) -> None:
        if self.stays:
            raise self.stays
        self.made.remove(meeting)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    with closing(made.crm):
        yield made


@pytest.mark.req("A19", "A28")
def test_slots_are_told_in_the_clients_zone(desk: Desk) -> None:
    """Without a zone of the client's the calendar's is shown, with one that one; the instants are the same."""
    here = desk.look(when="Tuesday", limit=8).slots
    desk.zones.put(ANNA, "Asia/Kathmandu")
    there = desk.look(when="Tuesday", near="19:45", limit=8).slots
    assert here[0].start == "2026-11-24T09:00:00-05:00" and here[0].weekday == "Tuesday"
    assert there[0].start == "2026-11-24T19:45:00+05:45"
    assert datetime.fromisoformat(here[0].start) == datetime.fromisoformat(there[0].start)


@pytest.mark.req("A28")
@pytest.mark.parametrize(
    ("args", "days"),
    [
        ({"when": "today"}, {"2026-11-23"}),
        ({"when": "tomorrow"}, {"2026-11-24"}),
        ({"when": "day_after_tomorrow"}, {"2026-11-25"}),
        ({"when": "Monday"}, {"2026-11-30"}),
        ({"when": "Tuesday"}, {"2026-11-24"}),
        ({"when": "Tuesday", "week": "next"}, {"2026-12-01"}),
        ({"when": "Saturday"}, set()),
        ({"first_day": "2026-12-24", "limit": 1}, {"2026-12-24"}),
        ({"first_day": "2020-01-01"}, set()),
        ({"first_day": "2036-01-01"}, set()),
        ({"first_day": "2199-12-31"}, set()),
        ({"first_day": "1900-01-01"}, set()),
    ],
)
def test_a_day_in_words_is_a_day(desk: Desk, args: dict[str, Any], days: set[str]) -> None:
    """A weekday is the next one of its name; the past, and what lies beyond the horizon, has nothing."""
    assert {slot.start[:10] for slot in desk.look(**args).slots} == days


@pytest.mark.req("A28")
def test_parts_of_the_day_and_times_are_the_clients(desk: Desk) -> None:
    """Morning is before twelve there; the slots closest to a time come first; few slots are spread over all."""
    assert all(int(slot.start[11:13]) < 12 for slot in desk.look(part="morning", limit=8).slots)
    assert all(int(slot.start[11:13]) >= 12 for slot in desk.look(part="afternoon", limit=8).slots)
    assert desk.look(when="tomorrow", near="14:10").slots[0].start == "2026-11-24T14:00:00-05:00"
    assert len({slot.weekday for slot in desk.look(limit=5).slots}) >= 4


@pytest.mark.req("A28", "A23")
def test_what_stands_in_between_is_not_told(desk: Desk) -> None:
    """A person's event takes its time away and leaves no other trace."""
    begin = datetime(2026, 11, 24, 15, tzinfo=UTC)
    desk.calendar.put_in(CAL, Interval(start=begin, end=begin + HALF), "Divorce lawyer")
    told = desk.look(when="tomorrow", near="10:00", limit=8)
    assert SLOT not in [slot.start for slot in told.slots]
    assert "lawyer" not in told.model_dump_json()


@pytest.mark.req("A19", "A23")
def test_a_hold_names_the_customer_and_nobody_is_invited(desk: Desk) -> None:
    """Title from the CRM, 30 minutes, no attendee, no link; its end is told by the client's clock."""
    desk.zones.put(ANNA, "Europe/London")
    held = desk.hold("2026-11-24T15:00:00+00:00")
    event = desk.calendar.event(held.event_id)
    assert (event.title, event.attendee, event.link) == ("Demo: Emily Carter", None, None)
    assert (held.start, held.until) == ("2026-11-24T15:00:00+00:00", "2026-11-23T08:30:00+00:00")


@pytest.mark.req("A19", "B4")
@pytest.mark.parametrize(
    ("start", "code"),
    [
        ("2027-03-14T02:30:00-05:00", "dst_gap"),
        ("2027-03-14T02:30:00-04:00", "dst_gap"),
        ("2026-11-24T10:00:00-04:00", "wrong_offset"),
        ("2026-11-24T10:05:00-05:00", "not_offered"),
        ("2026-11-24T17:00:00-05:00", "not_offered"),
        ("2026-11-22T10:00:00-05:00", "not_offered"),
        ("2199-12-31T23:30:00-05:00", "not_offered"),
        ("1900-01-01T00:00:00-05:00", "not_offered"),
    ],
)
def test_a_time_that_does_not_exist_or_was_not_offered(desk: Desk, start: str, code: str) -> None:
    """The hole of a DST change, an offset that is not the zone's, a time off the grid, at night, in the past: refused."""
    with pytest.raises(ToolRejected) as refused:
        desk.hold(start)
    assert refused.value.code == code


@pytest.mark.req("B3", "B4", "B12")
@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "2026-11-24T10:00:00"}, {"start": 1_800_000_000}, {"start": "soon"}, {"length_min": 45},
        {"start": "9999-12-31T23:30:00-05:00"}, {"start": "0001-01-01T00:00:00+14:00"},
        {"topic": "party"}, {"calendar_id": "../x"}, {"contact_id": "x"}, {"title": "Free text"},
    ],
)  # fmt: skip
def test_arguments_are_closed(desk: Desk, wrong: dict[str, Any]) -> None:
    """A time without an offset, as a number or at the end of all days, any other length, topic, id or argument is no hold."""
    with pytest.raises(ValidationError):
        desk.hold(**wrong)


@pytest.mark.req("A19")
def test_a_confirmation_leaves_link_guest_and_draft(desk: Desk) -> None:
    """The event has the link and the guest of the CRM; the invitation waits as a draft, with the same UID."""
    held = desk.hold()
    done = desk.confirm(held.event_id)
    assert (done.status, done.guest, done.invitation) == ("confirmed", "added", "draft")
    event = desk.calendar.event(held.event_id)
    assert (event.attendee, event.link) == ("emily.carter@northwind.example", done.link)
    assert f"UID:{event.uid}" in desk.drafts.draft(event.uid)


@pytest.mark.req("A19", "A8")
def test_a_slot_that_vanishes_while_the_link_is_made(desk: Desk) -> None:
    """The calendar is read again in the step that writes: the link is cancelled, and nothing is confirmed."""
    held = desk.hold()
    begin = datetime(2026, 11, 24, 15, tzinfo=UTC)
    desk.meetings.during = lambda: desk.calendar.put_in(CAL, Interval(start=begin, end=begin + HALF))
    with pytest.raises(ToolRejected) as refused:
        desk.confirm(held.event_id)
    assert refused.value.code == "slot_taken" and desk.meetings.made == []
    assert desk.calendar.event(held.event_id).status == "held"


@pytest.mark.req("A19", "A8")
@pytest.mark.parametrize("seconds", [0, 1])
def test_a_hold_that_ended(desk: Desk, seconds: int) -> None:
    """At its end, and a second later, no link is made for a hold."""
    held = desk.hold()
    desk.clock.now += HOLD + timedelta(seconds=seconds)
    with pytest.raises(ToolRejected) as refused:
        desk.confirm(held.event_id)
    assert refused.value.code == "hold_ended" and desk.meetings.made == []


@pytest.mark.req("A8")
@pytest.mark.parametrize("error", [ToolRejected(), ToolUnavailable(), OutcomeUnknown()])
def test_a_link_that_is_not_made_confirms_nothing(desk: Desk, error: Exception) -> None:
    """Whatever the provider says, the hold stays a hold, without a guest."""
    held = desk.hold()
    desk.meetings.fails = error
    with pytest.raises(type(error)):
        desk.confirm(held.event_id)
    event = desk.calendar.event(held.event_id)
    assert (event.status, event.attendee, event.link) == ("held", None, None)


@pytest.mark.req("A8")
def test_a_link_that_cannot_be_cancelled_calls_a_person(desk: Desk) -> None:
    """The slot vanished and the provider does not take the link back: nobody calls that a plain refusal."""
    held = desk.hold()
    desk.meetings.during = lambda: desk.calendar.release(held.event_id)
    desk.meetings.stays = ToolUnavailable()
    with pytest.raises(OutcomeUnknown) as unknown:
        desk.confirm(held.event_id)
    assert unknown.value.code == "link_left"


@pytest.mark.req("A19", "A8")
def test_what_fails_after_the_confirmation_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The meeting stands; the result says that the guest or the draft is missing, and a person finishes it."""

    def down(*_: Any, **__: Any) -> None:
        raise ToolUnavailable

    held = desk.hold()
    monkeypatch.setattr(desk.calendar, "invite", down)
    done = desk.confirm(held.event_id)
    assert (done.status, done.guest, done.invitation) == ("confirmed", "missing", "missing")
    assert desk.meetings.made, "the link of a meeting that stands is not cancelled"


@pytest.mark.req("A6", "A8")
def test_what_became_of_a_call_is_found_by_its_key(desk: Desk) -> None:
    """Asked by key, each tool finds what its own call did, and nothing of a call that never ran."""
    args = WhichHold(calendar_id=CAL, contact_id=ANNA, start=SLOT, topic="demo")
    given = (desk.crm, desk.calendar, desk.zones)
    assert hold.lookup(args, *given, idempotency_key="k1") is None
    held = desk.hold()
    assert hold.lookup(args, *given, idempotency_key="k1").event_id == held.event_id
    one = WhichEvent(event_id=held.event_id)
    look = {"secrets": None}
    asked = (desk.calendar, desk.zones, desk.meetings)
    assert confirm.lookup(one, *asked, idempotency_key="c1", **look) is None
    assert release.lookup(one, desk.calendar, idempotency_key="r1") is None
    done = desk.confirm(held.event_id)
    assert confirm.lookup(one, *asked, idempotency_key="c1", **look).link == done.link
    assert confirm.lookup(one, *asked, idempotency_key="c2", **look) is None
    desk.meetings.left = "85746065432"
    with pytest.raises(OutcomeUnknown) as unknown:
        confirm.lookup(one, *asked, idempotency_key="c2", **look)
    assert unknown.value.code == "link_left"


@pytest.mark.req("A28")
def test_a_release_is_seen(desk: Desk) -> None:
    """A released hold is told as released, one that ended as expired, and a confirmed event is refused."""
    first, second = desk.hold(), desk.hold("2026-11-24T11:00:00-05:00", "k2")
    one = WhichEvent(event_id=first.event_id)
    assert release.run(one, desk.calendar, idempotency_key="r1").status == "released"
    assert release.lookup(one, desk.calendar, idempotency_key="r1").status == "released"
    assert release.post_check(one, None, desk.calendar.describe(Ref(kind="event", id=first.event_id))) is None
    desk.clock.now += HOLD
    assert release.run(WhichEvent(event_id=second.event_id), desk.calendar, idempotency_key="r2").status == "expired"
