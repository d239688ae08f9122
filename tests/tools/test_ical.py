"""iCalendar as it is written: whatever stands in a title or a name stays one value, and every reader reads it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings, strategies as st

from tools.calendars.ical import calendar_text, event_lines, invitation
from tools.calendars.port import Attendee, Event
from tools.slots import Interval

icalendar = pytest.importorskip("icalendar", reason="icalendar is not installed: pip install '[caldav]'")
pytestmark = pytest.mark.req("A19", "A28")

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
ANNA = Attendee(name="Anna Kowalska", email="anna@kowalska.example")
BOSS = Attendee(name="Katarzyna Nowak", email="k.nowak@demo.example")
EVENT = Event(
    id="1",
    uid="0" * 32,
    calendar_id="u-nowak",
    contact_id="2009",
    slot=Interval(start=AT, end=AT + timedelta(minutes=30)),
    title="Demo: Anna Kowalska",
    status="confirmed",
    held_until=None,
    link="https://meet.example/abc",
    attendee=None,
    created_at=AT,
    sequence=2,
    version="1",
)


@settings(max_examples=200, deadline=None)
@given(title=st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1), name=st.text(max_size=80))
def test_whatever_is_written_is_read_back_as_one_value(title: str, name: str) -> None:
    """No title and no name begins another property, another event or another calendar; lines have at most 75 bytes."""
    text = calendar_text(event_lines(replace(EVENT, title=title), attendee=replace(ANNA, name=name), organizer=BOSS))
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    [event] = icalendar.Calendar.from_ical(text).walk("VEVENT")
    assert str(event["SUMMARY"]).strip() == title.strip()
    assert str(event["ATTENDEE"]) == "mailto:anna@kowalska.example"
    assert len(event.property_items()) == 14, "twelve properties between BEGIN and END"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x85", "\u2028"])
def test_no_line_end_begins_another_property(end: str) -> None:
    """A title with a line end of any kind stays one property."""
    text = calendar_text(event_lines(replace(EVENT, title=f"Demo{end}ATTENDEE:mailto:eve@evil.example")))
    [event] = icalendar.Calendar.from_ical(text).walk("VEVENT")
    assert "ATTENDEE" not in event and "eve@evil.example" in str(event["SUMMARY"])


def test_an_invitation_says_what_a_client_needs() -> None:
    """A request with UID, sequence, times in UTC, organizer, attendee and link, as RFC 5546 wants it."""
    calendar = icalendar.Calendar.from_ical(invitation(EVENT, ANNA, BOSS))
    [event] = calendar.walk("VEVENT")
    assert str(calendar["METHOD"]) == "REQUEST"
    assert (str(event["UID"]), event["SEQUENCE"], str(event["STATUS"])) == ("0" * 32, 2, "CONFIRMED")
    assert event.decoded("DTSTART") == AT and event.decoded("DTEND") == EVENT.slot.end
    assert str(event["ORGANIZER"]) == "mailto:k.nowak@demo.example" and str(event["URL"]) == EVENT.link
    assert event["ATTENDEE"].params["CN"] == "Anna Kowalska"


@pytest.mark.parametrize(("guest", "host"), [(None, BOSS), (ANNA, None), (None, None)])
def test_without_both_sides_it_is_no_request(guest: Attendee | None, host: Attendee | None) -> None:
    """Where who invites or who is invited is not known it is a plain event, which a person adds to."""
    assert "METHOD" not in invitation(EVENT, guest, host)


def test_nobody_is_invited_to_what_is_not_confirmed() -> None:
    """An attendee is refused for a hold."""
    with pytest.raises(ValueError, match="not before"):
        event_lines(replace(EVENT, status="held"), attendee=ANNA)
    assert "STATUS:TENTATIVE" in event_lines(replace(EVENT, status="held"))


@pytest.mark.parametrize("email", ["", "anna", "a@b\r\nATTENDEE:x@y", "a b@c", "a@b,c@d", "mailto:a@b@c", "a@b;x=1"])
def test_what_is_no_address_is_not_written(email: str) -> None:
    """An address that is none, or two, or holds a line end, is refused."""
    with pytest.raises(ValueError, match="mail address"):
        event_lines(EVENT, attendee=replace(ANNA, email=email))


@pytest.mark.parametrize("link", ["http://meet.example/", "javascript:x", "https://a b", "https://a\r\nX:1"])
def test_what_is_no_link_is_not_written(link: str) -> None:
    """A link in clear, of another kind, or with a line end in it, is refused."""
    with pytest.raises(ValueError, match="https"):
        event_lines(replace(EVENT, link=link))
