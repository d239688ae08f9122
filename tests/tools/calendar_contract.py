"""The calendar port's laws as one abstract suite: a calendar is one when a subclass of ``CalendarContract`` passes."""

from __future__ import annotations

import multiprocessing
from abc import abstractmethod
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from agent_guard.errors import ToolError, ToolRejected, ToolUnavailable
from agent_guard.tool import FIELD_CLASSES
from agent_guard.types import Ref
from tools.calendars.port import FIELDS, HOLD, Attendee, Calendar, HoldDraft
from tools.slots import Hours, Interval, free

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
"""A Monday, nine o'clock in Warsaw."""
HALF = timedelta(minutes=30)
SECOND = timedelta(seconds=1)
HOURS = Hours(zone="Europe/Warsaw", buffer=timedelta(minutes=10), notice=timedelta(hours=1), horizon=timedelta(days=14))
ANNA = Attendee(name="Anna Kowalska", email="anna@kowalska.example")
LINK = "https://meet.example/abc"


def at(hour: int, minute: int = 0, day: int = 24, length: timedelta = HALF) -> Interval:
    """A slot of November 2026, in UTC."""
    start = datetime(2026, 11, day, hour, minute, tzinfo=UTC)
    return Interval(start=start, end=start + length)


DRAFT = HoldDraft(calendar_id="u-nowak", contact_id="2009", slot=at(9), title="Demo: Anna Kowalska")
OTHER_BODIES = {
    "slot": replace(DRAFT, slot=at(10)),
    "length": replace(DRAFT, slot=at(9, length=2 * HALF)),
    "contact": replace(DRAFT, contact_id="2010"),
    "title": replace(DRAFT, title="Demo: somebody else"),
}


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def morning() -> datetime:
    """The clock of other processes."""
    return NOW


class Store(Calendar, Protocol):
    """A calendar that can be closed."""

    def close(self) -> None: ...


def race(open_store: Callable[..., Store], start: Any, answers: Any, number: int, drafts: list[HoldDraft]) -> None:
    """One process: waits for the others, then tries to hold its slot."""
    calendar = open_store(morning)
    start.wait()
    try:
        answers.put(calendar.hold(drafts[number % len(drafts)], f"k{number}").event_id)
    except ToolError as error:
        answers.put(error.code)
    calendar.close()


def confirm(open_store: Callable[..., Store], start: Any, answers: Any, number: int, event_id: str) -> None:
    """One process: waits for the others, then confirms."""
    calendar = open_store(morning)
    start.wait()
    try:
        answers.put(calendar.confirm(event_id, LINK, f"c{number}").status)
    except ToolError as error:
        answers.put(error.code)
    calendar.close()


def together(count: int, target: Callable[..., None], *args: Any) -> list[str]:
    """Runs a function in many processes that begin at once; what each of them answered."""
    open_store, *rest = args
    context = multiprocessing.get_context("forkserver")  # processes that share nothing, and load nothing again
    context.set_forkserver_preload([open_store.func.__module__, "tools.calendars.sql", "psycopg"])
    start, answers = context.Barrier(count), context.Queue()
    workers = [context.Process(target=target, args=(open_store, start, answers, n, *rest)) for n in range(count)]
    for worker in workers:
        worker.start()
    found = [answers.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join(60)
    return found


class CalendarContract:
    """Subclass it; say how to open the calendar ``u-nowak`` with :data:`HOURS`, how a person puts something into it, and
    how it looks when it is down.
    """

    @pytest.fixture
    @abstractmethod
    def open_store(self) -> Callable[..., Store]:
        """Opens the same store again each time, in any process, with the clock it is given."""

    @abstractmethod
    def person_books(self, calendar: Store, slot: Interval) -> None:
        """A person books a slot by other means."""

    @pytest.fixture
    @abstractmethod
    def down(self) -> Calendar:
        """A calendar that cannot be asked."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def calendar(self, open_store: Callable[..., Store], clock: Clock) -> Any:
        with closing(open_store(clock)) as opened:
            yield opened

    def refused(self, act: Callable[[], object]) -> str:
        with pytest.raises(ToolRejected) as caught:
            act()
        return caught.value.code

    # law 1: one slot, one event

    @pytest.mark.req("A19")
    @pytest.mark.parametrize("slot", [at(9), at(9, length=2 * HALF), at(8, 30, length=2 * HALF), at(9, 30), at(8, 30)])
    def test_a_held_slot_is_taken(self, calendar: Store, slot: Interval) -> None:
        """What overlaps a hold is refused, and what touches it as well where the buffer is missing between them."""
        calendar.hold(DRAFT, "k1")
        other = replace(DRAFT, slot=slot, contact_id="2010")
        assert self.refused(lambda: calendar.hold(other, "k2")) == "slot_taken"
        assert calendar.busy("u-nowak", at(0, length=timedelta(days=1))) == [DRAFT.slot]

    @pytest.mark.req("A19")
    def test_the_next_slot_with_the_buffer_is_free(self, calendar: Store) -> None:
        """A slot half an hour later is free."""
        calendar.hold(DRAFT, "k1")
        assert calendar.hold(replace(DRAFT, slot=at(10), contact_id="2010"), "k2").outcome == "created"

    @pytest.mark.req("A19")
    def test_a_persons_event_is_in_the_way(self, calendar: Store) -> None:
        """Nothing is held over what a person has in their calendar."""
        self.person_books(calendar, at(9, 15))
        assert calendar.busy("u-nowak", at(0, length=timedelta(days=1))) == [at(9, 15)]
        assert self.refused(lambda: calendar.hold(DRAFT, "k1")) == "slot_taken"

    @pytest.mark.req("A19", "A6")
    def test_of_sixteen_one_holds(self, open_store: Callable[..., Store], calendar: Store) -> None:
        """Sixteen processes that want one slot at once: one has it, the others are told that it is taken."""
        drafts = [replace(DRAFT, contact_id=str(3000 + n)) for n in range(16)]
        answers = together(16, race, open_store, drafts)
        assert answers.count("slot_taken") == 15
        assert len(calendar.busy("u-nowak", at(0, length=timedelta(days=1)))) == 1

    @pytest.mark.req("A19")
    def test_slots_that_overlap_by_half_are_never_both_held(
        self, open_store: Callable[..., Store], calendar: Store
    ) -> None:
        """Processes that want 9:00, 9:30 and an hour from 9:00 at once never get two that overlap."""
        wanted = [at(9), at(9, 30), at(9, length=2 * HALF), at(8, 30, length=2 * HALF)]
        drafts = [replace(DRAFT, slot=slot, contact_id=str(3000 + n)) for n, slot in enumerate(wanted)]
        together(4, race, open_store, drafts)
        held = calendar.busy("u-nowak", at(0, length=timedelta(days=1)))
        assert all(not one.widened(HOURS.buffer).overlaps(two) for one in held for two in held if one != two)

    # law 2: offered only

    @pytest.mark.req("A19")
    @pytest.mark.parametrize(
        "slot",
        [
            at(7),
            at(16, 30),
            at(9, 5),
            at(9, 15),
            at(9, day=28),
            at(8, 30, day=23),
            at(9, day=21),
            Interval(start=at(9).start + timedelta(days=20), end=at(9).end + timedelta(days=20)),
        ],
    )
    def test_what_is_not_offered_is_not_held(self, calendar: Store, slot: Interval) -> None:
        """Before hours, after hours, off the grid, on a Saturday, too soon, in the past, beyond the horizon."""
        assert self.refused(lambda: calendar.hold(replace(DRAFT, slot=slot), "k1")) == "not_offered"

    @pytest.mark.req("A28")
    def test_whatever_is_free_can_be_held(self, calendar: Store) -> None:
        """Each slot of a day that the arithmetic calls free is held, one after the other, until nothing is left."""
        day = at(0, length=timedelta(days=1))
        count = 0
        while slots := list(
            free(calendar.hours("u-nowak"), calendar.busy("u-nowak", day), now=NOW, length=HALF, window=day)
        ):
            calendar.hold(replace(DRAFT, slot=slots[0], contact_id=str(3000 + count)), f"k{count}")
            count += 1
        assert count == 8

    # law 3: a hold ends by itself

    @pytest.mark.req("A19")
    def test_a_hold_lives_thirty_minutes_to_the_second(self, calendar: Store, clock: Clock) -> None:
        """A second before its end it is there; at its end its slot is free, and nobody swept it."""
        held = calendar.hold(DRAFT, "k1")
        assert held.until == NOW + HOLD == NOW + timedelta(minutes=30)
        clock.now = NOW + HOLD - SECOND
        assert calendar.check(held.event_id).status == "held"
        clock.now = NOW + HOLD
        assert calendar.event(held.event_id) is None or calendar.event(held.event_id).status == "expired"
        assert self.refused(lambda: calendar.check(held.event_id)) == "hold_ended"
        assert self.refused(lambda: calendar.confirm(held.event_id, LINK, "c1")) == "hold_ended"
        assert calendar.busy("u-nowak", at(9)) == []
        assert calendar.hold(replace(DRAFT, contact_id="2010"), "k2").outcome == "created"

    @pytest.mark.req("A19")
    def test_a_hold_survives_a_restart(self, open_store: Callable[..., Store], calendar: Store, clock: Clock) -> None:
        """Opened again, the calendar knows the hold and its end."""
        held = calendar.hold(DRAFT, "k1")
        calendar.close()
        with closing(open_store(clock)) as again:
            event = again.event(held.event_id)
            assert (event.status, event.held_until, event.slot) == ("held", held.until, DRAFT.slot)
            assert (event.contact_id, event.title, event.calendar_id) == ("2009", DRAFT.title, "u-nowak")

    @pytest.mark.req("A19")
    def test_the_sweeper_ends_what_is_over_and_nothing_else(self, calendar: Store, clock: Clock) -> None:
        """Of a hold that is over, one that lives and a confirmed event, only the first is swept; twice sweeps nothing."""
        over = calendar.hold(DRAFT, "k1")
        sure = calendar.hold(replace(DRAFT, slot=at(10)), "k2")
        calendar.confirm(sure.event_id, LINK, "c1")
        clock.now = NOW + SECOND
        lives = calendar.hold(replace(DRAFT, slot=at(11)), "k3")
        clock.now = NOW + HOLD
        assert calendar.sweep() == 1
        assert calendar.sweep() == 0
        gone = calendar.event(over.event_id)
        assert gone is None or gone.status == "expired"
        assert calendar.event(sure.event_id).status == "confirmed"
        assert calendar.event(lives.event_id).status == "held"
        clock.now = NOW + timedelta(days=400)
        calendar.sweep()
        assert calendar.event(sure.event_id).status == "confirmed"

    # law 4: confirmed once

    @pytest.mark.req("A19")
    def test_a_hold_is_confirmed_and_only_then_has_an_attendee(self, calendar: Store, clock: Clock) -> None:
        """The event keeps its UID, has the link, and no attendee before it is invited."""
        held = calendar.hold(DRAFT, "k1")
        before = calendar.event(held.event_id)
        assert self.refused(lambda: calendar.invite(held.event_id, ANNA)) == "hold_ended"
        clock.now = NOW + SECOND
        event = calendar.confirm(held.event_id, LINK, "c1")
        assert (event.status, event.link, event.attendee, event.uid) == ("confirmed", LINK, None, before.uid)
        assert event.held_until is None and event.sequence > before.sequence and event.version != before.version
        invited = calendar.invite(held.event_id, ANNA)
        assert (invited.attendee, invited.uid, invited.status) == (ANNA.email, before.uid, "confirmed")
        assert calendar.invite(held.event_id, ANNA).version == invited.version

    @pytest.mark.req("A19")
    def test_a_slot_that_vanished_is_not_confirmed(self, calendar: Store) -> None:
        """A person booked it while it was held: the calendar is read again, and the confirmation refused."""
        held = calendar.hold(DRAFT, "k1")
        self.person_books(calendar, at(9, 15))
        assert self.refused(lambda: calendar.check(held.event_id)) == "slot_taken"
        assert self.refused(lambda: calendar.confirm(held.event_id, LINK, "c1")) == "slot_taken"
        assert calendar.event(held.event_id).status == "held"

    @pytest.mark.req("A6", "A19")
    def test_the_same_key_confirms_once(self, calendar: Store) -> None:
        """A repeat with the key that confirmed tells the same; another key is told that it is confirmed."""
        held = calendar.hold(DRAFT, "k1")
        event = calendar.confirm(held.event_id, LINK, "c1")
        assert calendar.confirm(held.event_id, "https://meet.example/other", "c1") == event
        assert self.refused(lambda: calendar.confirm(held.event_id, LINK, "c2")) == "already_confirmed"
        assert self.refused(lambda: calendar.check(held.event_id)) == "already_confirmed"

    @pytest.mark.req("A6", "A19")
    def test_of_four_that_confirm_one_does(self, open_store: Callable[..., Store], calendar: Store) -> None:
        """Four processes that confirm one hold at once: one does, the others are told."""
        held = calendar.hold(DRAFT, "k1")
        answers = together(4, confirm, open_store, held.event_id)
        assert sorted(answers) == ["already_confirmed"] * 3 + ["confirmed"]

    # releasing

    @pytest.mark.req("A28")
    def test_a_released_slot_is_free(self, calendar: Store) -> None:
        """Released, the slot is free and the hold cannot be confirmed; to release it again changes nothing."""
        held = calendar.hold(DRAFT, "k1")
        assert calendar.release(held.event_id).status in ("released", "expired")
        assert self.refused(lambda: calendar.confirm(held.event_id, LINK, "c1")) in ("hold_ended", "not_found")
        assert calendar.busy("u-nowak", at(9)) == []
        assert calendar.hold(DRAFT, "k1").event_id != held.event_id

    @pytest.mark.req("A19")
    def test_a_confirmed_event_is_not_released(self, calendar: Store) -> None:
        """A tool gives back holds; a confirmed event is a person's matter."""
        held = calendar.hold(DRAFT, "k1")
        calendar.confirm(held.event_id, LINK, "c1")
        assert self.refused(lambda: calendar.release(held.event_id)) == "already_confirmed"
        assert calendar.event(held.event_id).status == "confirmed"

    # law 5: once

    @pytest.mark.req("A6")
    @pytest.mark.parametrize("key", ["k1", "k2"])
    def test_a_repeat_is_replayed(self, calendar: Store, key: str) -> None:
        """The same slot for the same customer is the same hold, with its end, whatever the key."""
        first = calendar.hold(DRAFT, "k1")
        again = calendar.hold(DRAFT, key)
        assert (again.event_id, again.outcome, again.until) == (first.event_id, "replayed", first.until)

    @pytest.mark.req("A6")
    @pytest.mark.parametrize("name", OTHER_BODIES)
    def test_a_key_stands_for_one_body(self, calendar: Store, name: str) -> None:
        """The same key for anything else is refused."""
        calendar.hold(DRAFT, "k1")
        assert self.refused(lambda: calendar.hold(OTHER_BODIES[name], "k1")) == "key_reused"

    @pytest.mark.req("A6")
    def test_a_key_is_free_when_its_hold_has_ended(self, calendar: Store, clock: Clock) -> None:
        """After half an hour the same wish makes a new hold."""
        first = calendar.hold(DRAFT, "k1")
        clock.now = NOW + HOLD
        again = calendar.hold(DRAFT, "k1")
        assert (again.outcome, again.until) == ("created", NOW + 2 * HOLD)
        assert calendar.event(again.event_id).uid != "" and again.event_id != first.event_id

    @pytest.mark.req("A8")
    def test_what_was_done_is_found_by_key(self, calendar: Store, clock: Clock) -> None:
        """A hold and a confirmation are found by their keys, weeks after the meeting too; a hold that has ended is not."""
        assert calendar.find_by_key("k1") is None
        held = calendar.hold(DRAFT, "k1")
        assert calendar.find_by_key("k1").id == held.event_id
        calendar.confirm(held.event_id, LINK, "c1")
        assert calendar.find_by_key("c1").id == held.event_id
        calendar.hold(replace(DRAFT, slot=at(11)), "k2")
        clock.now = NOW + HOLD
        assert calendar.find_by_key("k2") is None
        clock.now = NOW + timedelta(days=20)
        assert calendar.find_by_key("c1").id == held.event_id

    # law 6, and what is told

    @pytest.mark.req("B12")
    @pytest.mark.parametrize("key", ["", "a b", "ключ", "k" * 201])
    def test_a_key_has_a_form(self, calendar: Store, key: str) -> None:
        """A key that not every system could keep is refused."""
        assert self.refused(lambda: calendar.hold(DRAFT, key)) == "invalid"

    def test_an_event_has_one_spelling(self, calendar: Store) -> None:
        """An id with a zero or a blank too much names nothing: an event with two names would have two keys."""
        held = calendar.hold(DRAFT, "k1").event_id
        for id_ in (f"0{held}", f"{held} ", f"{held}\n", held.upper() + "."):
            assert calendar.event(id_) is None, id_
            assert calendar.describe(Ref(kind="event", id=id_)) is None, id_

    @pytest.mark.parametrize("id_", ["", "0", "999999", "x", "../u-nowak", "1 OR 1=1", "ы", "u-nowak.0123456789abcdef"])
    def test_nothing_of_this_id(self, calendar: Store, id_: str) -> None:
        """An id of nothing is no event and no calendar, and is refused as such."""
        assert calendar.event(id_) is None
        assert calendar.describe(Ref(kind="event", id=id_)) is None
        assert calendar.describe(Ref(kind="calendar", id=id_)) is None
        for act in (calendar.check, calendar.release, calendar.hours):
            assert self.refused(lambda act=act: act(id_)) == "not_found"
        assert self.refused(lambda: calendar.hold(replace(DRAFT, calendar_id=id_), "k1")) == "not_found"
        assert self.refused(lambda: calendar.busy(id_, at(9))) == "not_found"

    @pytest.mark.req("A10")
    def test_an_event_says_whose_it_is(self, calendar: Store, clock: Clock) -> None:
        """Customer, owner and region of an event are told, with the classes of every field; its version follows it."""
        held = calendar.hold(DRAFT, "k1")
        ref = Ref(kind="event", id=held.event_id)
        told = calendar.describe(ref)
        assert (told.party, told.responsible, told.region) == ("contact:2009", "u-nowak", "pl")
        assert set(told.snapshot) == set(told.fields) == set(FIELDS["event"])
        assert set(told.fields.values()) <= set(FIELD_CLASSES)
        assert told.snapshot["status"] == "held" and told.snapshot["start"] == "2026-11-24T09:00:00+00:00"
        clock.now = NOW + HOLD
        over = calendar.describe(ref)
        assert over is None or over.version != told.version

    @pytest.mark.req("A10")
    def test_a_calendar_says_whose_it_is(self, calendar: Store) -> None:
        """Owner and region of a calendar are told, and no customer; a booking leaves its version alone."""
        ref = Ref(kind="calendar", id="u-nowak")
        told = calendar.describe(ref)
        assert (told.party, told.responsible, told.region) == (None, "u-nowak", "pl")
        assert dict(told.snapshot) == {"zone": "Europe/Warsaw"}
        calendar.hold(DRAFT, "k1")
        assert calendar.describe(ref) == told
        assert calendar.describe(Ref(kind="deal", id="1001")) is None

    @pytest.mark.req("A8")
    def test_a_calendar_that_is_down_is_unavailable(self, down: Calendar) -> None:
        """Nothing can be asked and nothing was done."""
        acts: list[Callable[[], object]] = [
            lambda: down.busy("u-nowak", at(9)),
            lambda: down.hold(DRAFT, "k1"),
            lambda: down.find_by_key("k1"),
            down.sweep,
        ]
        for act in acts:
            with pytest.raises(ToolUnavailable) as failed:
                act()
            assert "Anna" not in str(failed.value)
