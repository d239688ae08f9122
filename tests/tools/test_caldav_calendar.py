"""CalDAV keeps the port's laws on a real server, Radicale; and what a server may do to one that misbehaves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from tests.tools.calendar_contract import ANNA, DRAFT, HOURS, LINK, NOW, CalendarContract, Clock, Store, at
from tests.tools.radicale import MISSING, PASSWORD, USER, Radicale
from tools.booking import WhichEvent, WhichHold, WhichSlots, confirm, free_slots, hold, release
from tools.calendars.port import HOLD, Attendee, Calendar
from tools.calendars.sql import SqlCalendar
from tools.calendars.sql_invitations import SqlInvitations
from tools.calendars.sql_zones import SqlZones
from tools.crm.seed import seed
from tools.crm.sql import SqlCRM
from tools.meetings.offline import OfflineMeetings
from tools.slots import Interval

pytest.importorskip("icalendar", reason="icalendar is not installed: pip install 'langgraph-agent-guard[caldav]'")
from tools.calendars.caldav import CalDavCalendar, Collection

SEAL = b"a key of thirty-two bytes or more"
BOSS = Attendee(name="Katarzyna Nowak", email="k.nowak@demo.example")


def login() -> tuple[str, str]:
    """The agent's own user."""
    return USER, PASSWORD


def opened(url: str, path: str, clock: Any, **options: Any) -> CalDavCalendar:
    """The calendar on a server; a function of a module, so that another process can have it."""
    one = Collection(path=path, hours=HOURS, owner="u-nowak", region="pl", organizer=BOSS)
    given = {"login": login, "seal_key": SEAL, "clock": clock, "timeout_s": 30} | options
    return CalDavCalendar(url, {"u-nowak": one}, **given)


@pytest.fixture(scope="module")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    """A server."""
    if not Radicale.installed():
        pytest.skip(MISSING)
    server = Radicale(tmp_path_factory.mktemp("radicale"))
    yield server
    server.stop()


@pytest.fixture
def path(radicale: Radicale) -> str:
    """A calendar with nothing in it."""
    return radicale.calendar()


@pytest.fixture
def calendar(radicale: Radicale, path: str) -> Iterator[CalDavCalendar]:
    with closing(opened(radicale.url, path, Clock())) as made:
        yield made


class TestCalDavCalendar(CalendarContract):
    """CalDAV on Radicale."""

    @pytest.fixture
    def open_store(self, radicale: Radicale, path: str) -> Callable[..., Store]:
        self._book = partial(book, radicale, path)
        return partial(opened, radicale.url, path)

    def person_books(self, calendar: Store, slot: Interval) -> None:
        self._book(slot)

    @pytest.fixture
    def down(self) -> Iterator[Calendar]:
        with closing(opened("http://127.0.0.1:9", "/x/", Clock(), timeout_s=1)) as calendar:
            yield calendar


def book(radicale: Radicale, path: str, slot: Interval) -> None:
    """A person books a slot with a program of their own."""
    times = f"DTSTART:{slot.start:%Y%m%dT%H%M%SZ}", f"DTEND:{slot.end:%Y%m%dT%H%M%SZ}"
    assert radicale.put(path, *times, "SUMMARY:Dentist").status_code == 201


@pytest.mark.req("A19")
def test_a_hold_is_tentative_and_a_confirmed_event_the_same_one(
    radicale: Radicale, path: str, calendar: CalDavCalendar
) -> None:
    """On the server a hold is tentative and takes its time; confirmed, it is the same object with the same UID, and has
    its attendee only after that.
    """
    held = calendar.hold(DRAFT, "k1")
    [(href, text)] = radicale.texts(path).items()
    assert "STATUS:TENTATIVE" in text and "TRANSP:OPAQUE" in text and "ATTENDEE" not in text
    uid = calendar.event(held.event_id).uid
    calendar.confirm(held.event_id, LINK, "c1")
    [(same, confirmed)] = radicale.texts(path).items()
    assert same == href and f"UID:{uid}" in confirmed
    assert "STATUS:CONFIRMED" in confirmed and "ATTENDEE" not in confirmed
    calendar.invite(held.event_id, ANNA)
    invited = radicale.texts(path)[href].replace("\r\n ", "").replace("\n ", "")
    assert "mailto:anna@kowalska.example" in invited and "ORGANIZER" in invited


@pytest.mark.req("A19")
@pytest.mark.parametrize(
    ("lines", "busy"),
    [
        (("DTSTART;VALUE=DATE:20261124", "SUMMARY:Holiday"), True),
        (("DTSTART;TZID=Europe/Warsaw:20261124T100000", "DURATION:PT30M", "SUMMARY:x"), True),
        (("DTSTART:20261124T100000", "DTEND:20261124T103000", "SUMMARY:floating"), True),
        (("DTSTART:20261103T090000Z", "DTEND:20261103T093000Z", "RRULE:FREQ=WEEKLY", "SUMMARY:weekly"), True),
        (("DTSTART:20261124T090000Z", "DTEND:20261124T093000Z", "STATUS:TENTATIVE", "SUMMARY:perhaps"), True),
        (("DTSTART:20261124T090000Z", "DTEND:20261124T093000Z", "TRANSP:TRANSPARENT", "SUMMARY:note"), False),
        (("DTSTART:20261124T090000Z", "DTEND:20261124T093000Z", "STATUS:CANCELLED", "SUMMARY:off"), False),
        (("DTSTART:20261124T093000Z", "SUMMARY:a moment"), False),
        (("DTSTART:20261124T080000Z", "DTEND:20261124T085000Z", "SUMMARY:before"), False),
    ],
)
def test_what_people_have_in_their_calendars(
    radicale: Radicale, path: str, calendar: CalDavCalendar, lines: tuple[str, ...], busy: bool
) -> None:
    """Whole days, zones, floating times, durations, recurring and tentative events are in the way; what is transparent,
    cancelled, or has no length is not.
    """
    assert radicale.put(path, *lines).status_code == 201
    if busy:
        with pytest.raises(ToolRejected) as refused:
            calendar.hold(DRAFT, "k1")
        assert refused.value.code == "slot_taken"
    else:
        assert calendar.hold(DRAFT, "k1").outcome == "created"


@pytest.mark.req("A19", "A8")
@pytest.mark.parametrize(
    "lines",
    [
        ("DTSTART:20261124T100000", "DTEND:20261124T103000", "SUMMARY:floating"),
        ("DTSTART;VALUE=DATE:20261124", "SUMMARY:Holiday"),
    ],
)
def test_what_a_person_wrote_without_a_zone_is_seen_when_it_is_confirmed(
    radicale: Radicale, path: str, calendar: CalDavCalendar, lines: tuple[str, ...]
) -> None:
    """A server that looks for a window takes such times for UTC: the slot is in the way all the same."""
    held = calendar.hold(DRAFT, "k1")
    assert radicale.put(path, *lines).status_code == 201
    with pytest.raises(ToolRejected) as refused:
        calendar.confirm(held.event_id, LINK, "c1")
    assert refused.value.code == "slot_taken"


@pytest.mark.req("A19", "A8")
def test_an_attendee_is_the_same_however_the_server_writes_it(
    radicale: Radicale, path: str, calendar: CalDavCalendar
) -> None:
    """The scheme of an address has no case (RFC 3986): who is invited is not invited, and written to, once more."""
    held = calendar.hold(DRAFT, "k1")
    calendar.confirm(held.event_id, LINK, "c1")
    calendar.invite(held.event_id, ANNA)
    [(href, text)] = radicale.texts(path).items()
    loud = text.replace("mailto:anna", "MAILTO:anna")
    assert loud != text
    assert radicale.client.put(href, content=loud, headers={"Content-Type": "text/calendar"}).status_code == 204
    assert calendar.invite(held.event_id, ANNA).attendee == ANNA.email
    assert radicale.texts(path)[href] == loud


@pytest.mark.req("A19", "B1")
@pytest.mark.parametrize("change", [("X-AGENT-GUARD-UNTIL:2026", "X-AGENT-GUARD-UNTIL:2020"), ("090000Z", "091500Z")])
def test_nobody_passes_for_the_agent(
    radicale: Radicale, path: str, calendar: CalDavCalendar, change: tuple[str, str]
) -> None:
    """An event that looks like a hold that is over, or that a person has moved, bears no valid seal: it is in the way, it is
    no record of a customer's, and it is never swept.
    """
    held = calendar.hold(DRAFT, "k1")
    [(href, text)] = radicale.texts(path).items()
    changed = text.replace(*change)
    assert changed != text
    assert radicale.client.put(href, content=changed, headers={"Content-Type": "text/calendar"}).status_code == 204
    assert calendar.event(held.event_id) is None
    assert calendar.sweep() == 0
    assert len(radicale.texts(path)) == 1
    with pytest.raises(ToolRejected) as refused:
        calendar.hold(DRAFT, "k2")
    assert refused.value.code == "slot_taken"


@pytest.mark.req("A19")
def test_what_was_confirmed_meanwhile_is_not_swept(radicale: Radicale, path: str, calendar: CalDavCalendar) -> None:
    """Between the sweeper's look and its removal the hold is confirmed by another: the removal is refused by the server."""
    clock = Clock()
    sweeper = opened(radicale.url, path, clock)
    held = calendar.hold(DRAFT, "k1")
    clock.now = NOW + HOLD
    remove = sweeper._dav.delete

    def slow(href: str, *, etag: str) -> None:
        calendar.confirm(held.event_id, LINK, "c1")
        remove(href, etag=etag)

    sweeper._dav.delete = slow  # type: ignore[method-assign]
    assert sweeper.sweep() == 0
    sweeper.close()
    assert calendar.event(held.event_id).status == "confirmed"


@pytest.mark.req("A19")
def test_an_event_written_between_look_and_hold_wins(radicale: Radicale, path: str, calendar: CalDavCalendar) -> None:
    """A person books between the look and the write: the calendar is read again after it, and the hold taken back."""
    put = calendar._dav.put

    def late(href: str, text: str, *, etag: str | None) -> None:
        book(radicale, path, at(9, 15))
        put(href, text, etag=etag)

    calendar._dav.put = late  # type: ignore[method-assign]
    with pytest.raises(ToolRejected) as refused:
        calendar.hold(DRAFT, "k1")
    assert refused.value.code == "slot_taken"
    assert [href for href in radicale.texts(path) if "hold-" in href] == []


@pytest.mark.req("A2")
def test_a_wrong_password_is_no_free_calendar(radicale: Radicale, path: str) -> None:
    """Where the server lets nobody in, nothing is free and nothing is held; the password is in no message."""
    with closing(opened(radicale.url, path, Clock(), login=lambda: ("stranger", "hunter2"))) as calendar:
        with pytest.raises(ToolUnavailable, match="look at the user and the password") as failed:
            calendar.busy("u-nowak", at(9))
    assert "hunter2" not in str(failed.value)


@pytest.mark.req("A19", "A28", "A32")
def test_a_meeting_is_booked_on_a_real_server(
    radicale: Radicale, path: str, calendar: CalDavCalendar, tmp_path: Path
) -> None:
    """The tools book over CalDAV as they do over the embedded calendar: offered, held, confirmed, with guest and draft."""
    with closing(SqlCRM(f"sqlite:///{tmp_path}/crm.db", clock=Clock())) as crm:
        crm.create()
        seed(crm, now=NOW, deals=0)
        SqlCalendar(crm).create()
        zones, drafts = SqlZones(crm), SqlInvitations(crm)
        wanted = WhichSlots(calendar_id="u-nowak", contact_id="2001", when="tomorrow", near="10:00")
        slot = free_slots.run(wanted, calendar, zones).slots[0]
        args = WhichHold(calendar_id="u-nowak", contact_id="2001", start=slot.start, topic="demo")
        held = hold.run(args, crm, calendar, zones, idempotency_key="k1")
        assert hold.lookup(args, crm, calendar, zones, idempotency_key="k1").event_id == held.event_id
        one = WhichEvent(event_id=held.event_id)
        given = (crm, calendar, zones, OfflineMeetings(), drafts)
        done = confirm.run(one, *given, idempotency_key="c1", secrets=None)
        assert (done.guest, done.invitation) == ("added", "draft")
        event = calendar.event(held.event_id)
        assert (event.attendee, event.link) == ("emily.carter@northwind.example", done.link)
        assert "METHOD:REQUEST" in drafts.draft(event.uid)
        with pytest.raises(ToolRejected):
            release.run(one, calendar, idempotency_key="r1")
    [text] = radicale.texts(path).values()
    assert "STATUS:CONFIRMED" in text


# ---- a server that misbehaves


class Rude(BaseHTTPRequestHandler):
    """Answers as it is told: ``answers`` maps a method to a list of (status, body), the last one for ever."""

    answers: dict[str, list[tuple[int, str]]] = {}
    seen: list[str] = []
    encodings: set[str | None] = set()

    def _any(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append(self.command)
        self.encodings.add(self.headers.get("Accept-Encoding"))
        told = self.answers.get(self.command, [(500, "")])
        status, body = told.pop(0) if len(told) > 1 else told[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.send_header("Location", "http://evil.example/")
        self.end_headers()
        self.wfile.write(body.encode())

    do_REPORT = do_PUT = do_GET = do_DELETE = _any

    def log_message(self, *args: object) -> None:
        """Says nothing."""


OBJECT = (
    '<multistatus xmlns="DAV:"><response><href>/c/1.ics</href><propstat><prop><getetag>"1"</getetag>'
    '<calendar-data xmlns="urn:ietf:params:xml:ns:caldav">BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\n{}\nEND:VEVENT\n'
    "END:VCALENDAR</calendar-data></prop></propstat></response></multistatus>"
)
EMPTY = '<?xml version="1.0"?><multistatus xmlns="DAV:"/>'


@pytest.fixture
def rude() -> Iterator[Callable[..., CalDavCalendar]]:
    """Makes a calendar on a server that answers as it is told."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Rude)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made: list[CalDavCalendar] = []

    def build(**answers: list[tuple[int, str]]) -> CalDavCalendar:
        Rude.answers, Rude.seen, Rude.encodings = answers, [], set()
        made.append(opened(f"http://127.0.0.1:{server.server_port}", "/c/", Clock(), timeout_s=5))
        return made[-1]

    yield build
    for calendar in made:
        calendar.close()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.req("A8", "A19")
@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (500, OutcomeUnknown, "http_500"),
        (503, OutcomeUnknown, "http_503"),
        (302, ToolRejected, "http_302"),
        (403, ToolRejected, "http_403"),
        (507, OutcomeUnknown, "http_507"),
        (429, ToolUnavailable, "rate_limited"),
    ],
)
def test_a_write_has_three_outcomes(
    rude: Callable[..., CalDavCalendar], status: int, error: type[Exception], code: str
) -> None:
    """A server that fails while it writes leaves it unknown, one that refuses has refused; a write is sent once."""
    calendar = rude(REPORT=[(207, EMPTY)], PUT=[(status, "<html>")])
    with pytest.raises(error) as failed:
        calendar.hold(DRAFT, "k1")
    assert failed.value.code == code  # type: ignore[attr-defined]
    assert Rude.seen.count("PUT") == 1


@pytest.mark.req("A19", "A8")
@pytest.mark.parametrize("etag", ["", 'W/"1"'])
def test_nothing_is_changed_without_a_condition(rude: Callable[..., CalDavCalendar], etag: str) -> None:
    """Without a strong ETag nobody can say "only if it is as I saw it": the event is left as it is."""
    calendar = rude(DELETE=[(204, "")], PUT=[(204, "")])
    for act in (
        lambda: calendar._dav.delete("/c/1.ics", etag=etag),
        lambda: calendar._dav.put("/c/1.ics", "x", etag=etag),
    ):
        with pytest.raises(ToolUnavailable) as failed:
            act()
        assert failed.value.code == "no_etag"
    assert Rude.seen == []


@pytest.mark.req("A19")
def test_answers_come_as_they_are_stored(rude: Callable[..., CalDavCalendar]) -> None:
    """No answer is asked for in a packed form: a proxy that packs one makes its ETag weak, and it can grow without end."""
    calendar = rude(REPORT=[(207, EMPTY)], PUT=[(201, "")])
    calendar.hold(DRAFT, "k1")
    assert Rude.encodings == {"identity"}


@pytest.mark.req("A19")
def test_every_place_of_a_slot_is_taken(rude: Callable[..., CalDavCalendar]) -> None:
    """A server that answers 412 wherever one writes has no free slot; it is not asked for ever."""
    calendar = rude(REPORT=[(207, EMPTY)], PUT=[(412, "")], GET=[(404, "")])
    with pytest.raises(ToolRejected) as refused:
        calendar.hold(DRAFT, "k1")
    assert refused.value.code == "slot_taken" and Rude.seen.count("PUT") <= 4


@pytest.mark.req("A8")
@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>sign in</html>"),
        (302, ""),
        (401, ""),
        (500, ""),
        (207, "not xml"),
        (207, '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'),
        (207, OBJECT.format("DTSTART:soon")),
        (207, OBJECT.format("DTSTART:20261124T090000Z\nDURATION:PT30M\nRRULE:FREQ=DAILY")),
    ],
)
def test_what_cannot_be_read_is_not_free(rude: Callable[..., CalDavCalendar], answer: tuple[int, str]) -> None:
    """A page to sign in, a redirect, broken XML, entities, an event that makes no sense, a recurring one that was not
    written out: nobody knows what is free then, and nothing is written.
    """
    calendar = rude(REPORT=[answer])
    for act in (lambda: calendar.busy("u-nowak", at(9)), lambda: calendar.hold(DRAFT, "k1")):
        with pytest.raises(ToolUnavailable):
            act()
    assert set(Rude.seen) == {"REPORT"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://calendar.example/"}, "https"),
        ({"url": "https://u:hunter2@calendar.example/"}, "no password"),
        ({"seal_key": b"short"}, "32 bytes"),
        ({"path": "/c"}, "ends in /"),
    ],
)
def test_a_wrong_configuration_is_refused(change: dict[str, Any], words: str) -> None:
    """An address in clear or with a password, a short key, a path that is none: refused when it is built."""
    given = {"url": "https://calendar.example/", "path": "/c/", "clock": Clock()} | change
    with pytest.raises(ConfigError, match=words) as refused:
        opened(**given)
    assert "hunter2" not in str(refused.value)
