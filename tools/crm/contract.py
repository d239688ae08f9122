"""The CRM port's laws as one abstract suite: a CRM is one when a subclass of :class:`CRMContract` passes.

For the tests of an adapter (it needs pytest, and nothing else of this project's tests)::

    class TestMyCrm(CRMContract):
        @pytest.fixture
        def open_store(self): ...
        @pytest.fixture
        def down(self): ...
        def edit_deal(self, crm): ...

Fill a test account of your CRM with ``ANCHORS`` and let its clock stand at ``NOW`` (:func:`fixed_clock`). In the file
``conftest.py`` call ``pytest.register_assert_rewrite("tools.crm.contract")``, so that a failure shows its values.
"""

from __future__ import annotations

import multiprocessing
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any, Protocol

import pytest

from agent_guard.errors import ToolRejected, ToolUnavailable
from agent_guard.tool import FIELD_CLASSES
from agent_guard.types import Description, Ref
from tools.crm.anchors import ANCHORS
from tools.crm.port import AGENT_SOURCE, CRM, FIELDS, SUBJECT_MAX, Activity, DealSummary, TaskDraft, amount_text

__all__ = ["DEAL", "DRAFT", "NOW", "CRMContract", "Store", "described", "fixed_clock", "open_tasks"]

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""The moment at which the laws are checked; the anchors' ages count back from it."""

DEAL = Ref(kind="deal", id="1001")
DRAFT = TaskDraft(
    deal_id="1001",
    kind="call",
    subject="Price for 120 trucks",
    due=date(2026, 3, 4),
    qualification={"need": {"score": 2, "evidence": {"message_id": "m1", "quote": "the tracker loses signal"}}},
)
OTHER_BODIES = {
    "deal": replace(DRAFT, deal_id="1002"),
    "subject": replace(DRAFT, subject="Price for 121 trucks"),
    "due": replace(DRAFT, due=date(2026, 3, 5)),
    "no qualification": replace(DRAFT, qualification=None),
    "qualification": replace(DRAFT, qualification={"need": None}),
}
NOWHERE = ("999999", "", "x", "1001 ", "-1", "9" * 30, "1001\x00", "1001; --", "\ud800")
"""Ids that name nothing, whatever their form."""

AT_ONCE = 20
PATIENCE_S = 60


def fixed_clock() -> datetime:
    """The clock of every CRM under test; a function of a module, so that another process can have it."""
    return NOW


class Store(CRM, Protocol):
    """A CRM that can be closed."""

    def close(self) -> None:
        """Gives its connections back; the data stay."""
        ...


def described(crm: CRM, ref: Ref) -> Description:
    """The description of a record that must be there."""
    record = crm.describe(ref)
    assert record is not None, f"{ref} is not described"
    return record


def open_tasks(crm: CRM, deal_id: str = "1001") -> int:
    """How many drafts a deal shows."""
    count = described(crm, Ref(kind="deal", id=deal_id)).snapshot["open_tasks"]
    assert isinstance(count, int)
    return count


def refused(act: Callable[[], object]) -> str:
    """The code with which the CRM refuses."""
    with pytest.raises(ToolRejected) as caught:
        act()
    return caught.value.code


def together(work: Callable[[int], Any], count: int = AT_ONCE) -> list[Any]:
    """What so many threads answered that began at the same moment."""
    start = Barrier(count)

    def one(number: int) -> Any:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def write_many(open_store: Callable[[], Store], start: Any, answers: Any, drafts: list[tuple[str, TaskDraft]]) -> None:
    """One process: waits for the others, then writes every draft under its key."""
    crm = open_store()
    start.wait()
    for key, draft in drafts:
        try:
            result = crm.create_task(draft, key)
            answers.put((key, result.outcome, result.ref.id))
        except ToolRejected as error:
            answers.put((key, error.code, ""))
    crm.close()


def processes(open_store: Callable[[], Store], drafts: list[list[tuple[str, TaskDraft]]]) -> list[tuple[str, str, str]]:
    """Key, outcome and task of everything that a process for each list wrote, all at once."""
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(len(drafts)), context.Queue()
    writers = [context.Process(target=write_many, args=(open_store, start, answers, some)) for some in drafts]
    for writer in writers:
        writer.start()
    told = [answers.get(timeout=PATIENCE_S) for _ in range(sum(map(len, drafts)))]
    for writer in writers:
        writer.join(PATIENCE_S)
        assert writer.exitcode == 0
        writer.close()
    answers.close()
    answers.join_thread()
    return told


class CRMContract:
    """Subclass it, say how to open the CRM, how a person edits a deal in it, and how it looks when it is down."""

    @pytest.fixture
    @abstractmethod
    def open_store(self) -> Callable[[], Store]:
        """Opens the same store again each time, in any process; it holds the anchors and runs on ``fixed_clock``."""

    @pytest.fixture
    @abstractmethod
    def down(self) -> CRM:
        """A CRM that cannot be asked."""

    @abstractmethod
    def edit_deal(self, crm: Store) -> None:
        """A person moves deal 1001 to another stage."""

    @pytest.fixture
    def crm(self, open_store: Callable[[], Store]) -> Iterator[Store]:
        """The store, closed afterwards."""
        opened = open_store()
        yield opened
        opened.close()

    # ---- law 1: once

    def test_a_repeat_is_replayed(self, crm: Store) -> None:
        """The same key with the same body gives the same task and makes no second one."""
        first, again = crm.create_task(DRAFT, "k1"), crm.create_task(replace(DRAFT), "k1")
        assert (first.outcome, again.outcome) == ("created", "replayed")
        assert (first.ref, first.version) == (again.ref, again.version)
        assert open_tasks(crm) == 1

    def test_a_repeat_after_an_edit_of_the_deal_is_replayed(self, crm: Store) -> None:
        """That a person changed the deal meanwhile makes no second task."""
        first = crm.create_task(DRAFT, "k1")
        self.edit_deal(crm)
        again = crm.create_task(DRAFT, "k1")
        assert (again.ref, again.outcome, open_tasks(crm)) == (first.ref, "replayed", 1)

    @pytest.mark.parametrize("changed", OTHER_BODIES)
    def test_a_key_stands_for_one_body(self, crm: Store, changed: str) -> None:
        """The same key with any other field is rejected, and the first task stays as it was."""
        first = crm.create_task(DRAFT, "k1")
        before = crm.describe(first.ref)
        assert refused(lambda: crm.create_task(OTHER_BODIES[changed], "k1")) == "key_reused"
        assert crm.describe(first.ref) == before
        assert (open_tasks(crm), open_tasks(crm, "1002")) == (1, 0)

    def test_another_key_is_another_task(self, crm: Store) -> None:
        """Two keys make two tasks, even of one body: what a duplicate is, is not the CRM's to guess."""
        assert crm.create_task(DRAFT, "k1").ref != crm.create_task(DRAFT, "k2").ref
        assert open_tasks(crm) == 2

    def test_a_rejected_write_leaves_its_key_free(self, crm: Store) -> None:
        """A task on a deal that is not there is rejected, and its key may be used afterwards."""
        assert refused(lambda: crm.create_task(replace(DRAFT, deal_id="999999"), "k1")) == "not_found"
        assert crm.find_by_key("task", "k1") is None
        assert crm.create_task(DRAFT, "k1").outcome == "created"

    def test_a_key_is_visible_ascii(self, crm: Store) -> None:
        """A key that some CRM could not store is rejected at once; the longest and the oddest are taken."""
        for key in ("", " ", "a b", "ключ", "k\n", "k" * 201, "k\ud800"):
            assert refused(lambda key=key: crm.create_task(DRAFT, key)) == "invalid"  # type: ignore[misc]
        assert open_tasks(crm) == 0
        for key in ("k" * 200, "".join(map(chr, range(0x21, 0x7F)))):
            made = crm.create_task(DRAFT, key).ref
            assert crm.find_by_key("task", key) == made
        assert open_tasks(crm) == 2

    def test_keys_are_told_apart_to_the_letter(self, crm: Store) -> None:
        """Keys that differ in case, or by a wild card of some database, are different keys."""
        keys = ("key", "KEY", "k%y", "k_y", "key'", "key--")
        made = {crm.create_task(DRAFT, key).ref for key in keys}
        assert len(made) == len(keys) == open_tasks(crm)
        assert {crm.find_by_key("task", key) for key in keys} == made

    def test_a_key_finds_its_record(self, crm: Store) -> None:
        """``find_by_key`` gives the task written under a key, and nothing for another key or kind."""
        made = crm.create_task(DRAFT, "k1").ref
        assert crm.find_by_key("task", "k1") == made
        assert crm.find_by_key("task", "k2") is None
        assert crm.find_by_key("deal", "k1") is None
        assert refused(lambda: crm.find_by_key("task", "no key")) == "invalid"

    # ---- law 1, at the same time

    def test_twenty_threads_make_one_task(self, crm: Store) -> None:
        """Of twenty writers at once one creates and nineteen are given its task."""
        answers = together(lambda _: crm.create_task(DRAFT, "k1"))
        assert Counter(item.outcome for item in answers) == {"created": 1, "replayed": AT_ONCE - 1}
        assert len({item.ref for item in answers}) == 1
        assert open_tasks(crm) == 1

    def test_twenty_threads_with_twenty_bodies_make_one_task(self, crm: Store) -> None:
        """Of twenty writers with one key and different bodies one wins and the others are told so."""

        def write(number: int) -> str:
            try:
                return crm.create_task(replace(DRAFT, subject=f"wording {number}"), "k1").outcome
            except ToolRejected as error:
                return error.code

        assert Counter(together(write)) == {"created": 1, "key_reused": AT_ONCE - 1}
        assert open_tasks(crm) == 1

    def test_twenty_threads_with_twenty_keys_make_twenty_tasks(self, crm: Store) -> None:
        """Nobody is in anybody's way: all of them are there, each under its key."""
        made = together(lambda number: crm.create_task(DRAFT, f"k{number}").ref)
        assert len(set(made)) == AT_ONCE == open_tasks(crm)
        assert [crm.find_by_key("task", f"k{number}") for number in range(AT_ONCE)] == made

    def test_two_processes_make_one_task_per_key(self, crm: Store, open_store: Callable[[], Store]) -> None:
        """Two processes that write the same thirty keys at once leave thirty tasks, each created by one of them."""
        keys = [f"k{number}" for number in range(30)]
        told = processes(open_store, [[(key, DRAFT) for key in keys]] * 2)
        assert Counter((key, outcome) for key, outcome, _ in told) == dict.fromkeys(
            [(key, outcome) for key in keys for outcome in ("created", "replayed")], 1
        )
        assert len({(key, task_id) for key, _, task_id in told}) == len(keys) == open_tasks(crm)

    def test_four_processes_with_four_bodies_make_one_task(self, crm: Store, open_store: Callable[[], Store]) -> None:
        """Each wants other words under the same ten keys: for every key one has its words, three are refused."""
        keys = [f"k{number}" for number in range(10)]
        bodies = [replace(DRAFT, subject=f"wording {number}") for number in range(4)]
        told = processes(open_store, [[(key, body) for key in keys] for body in bodies])
        assert Counter((key, outcome) for key, outcome, _ in told) == {
            (key, outcome): count for key in keys for outcome, count in (("created", 1), ("key_reused", 3))
        }
        assert open_tasks(crm) == len(keys)

    def test_what_one_wrote_the_other_sees(self, crm: Store, open_store: Callable[[], Store]) -> None:
        """A second client, opened before the write, finds it, describes it and is given it again at once."""
        other = open_store()
        try:
            assert other.find_by_key("task", "k1") is None
            made = crm.create_task(DRAFT, "k1")
            assert other.find_by_key("task", "k1") == made.ref
            assert other.describe(made.ref) == crm.describe(made.ref)
            assert other.create_task(DRAFT, "k1") == replace(made, outcome="replayed")
            self.edit_deal(other)
            assert other.describe(DEAL) == crm.describe(DEAL)
        finally:
            other.close()

    def test_nobody_sees_half_a_task(self, crm: Store) -> None:
        """While tasks are written, whoever reads sees each of them whole or not at all."""

        def act(number: int) -> list[set[str]]:
            if number % 2:
                crm.create_task(DRAFT, f"k{number}")
                return []
            found = [crm.find_by_key("task", f"k{other}") for other in range(1, AT_ONCE, 2)]
            return [set(described(crm, ref).snapshot) for ref in found if ref is not None]

        seen = [names for answer in together(act) for names in answer]
        assert all(names == set(FIELDS["task"]) for names in seen)
        assert open_tasks(crm) == AT_ONCE // 2

    def test_an_edit_and_a_draft_at_once_both_stand(self, crm: Store) -> None:
        """A person who moves a deal while the agent drafts tasks on it loses nothing, and neither does the agent."""
        before = described(crm, DEAL)

        def act(number: int) -> None:
            if number:
                crm.create_task(DRAFT, f"k{number}")
            else:
                self.edit_deal(crm)

        together(act, 8)
        after = described(crm, DEAL)
        assert (open_tasks(crm), before.snapshot["stage"] != after.snapshot["stage"]) == (7, True)
        assert before.version != after.version

    # ---- law 1, after a restart

    def test_a_restart_forgets_nothing(self, crm: Store, open_store: Callable[[], Store]) -> None:
        """After a restart the same key is replayed, and refused for another body."""
        first = crm.create_task(DRAFT, "k1")
        crm.close()
        restarted = open_store()
        try:
            assert restarted.create_task(DRAFT, "k1") == replace(first, outcome="replayed")
            assert refused(lambda: restarted.create_task(OTHER_BODIES["due"], "k1")) == "key_reused"
            assert restarted.find_by_key("task", "k1") == first.ref
        finally:
            restarted.close()

    def test_a_restart_changes_no_record(self, crm: Store, open_store: Callable[[], Store]) -> None:
        """Deals, contacts and tasks are described after a restart as before, versions included: approvals stay good."""
        refs = [DEAL, Ref(kind="contact", id="2001"), crm.create_task(DRAFT, "k1").ref]
        before = [described(crm, ref) for ref in refs]
        crm.close()
        restarted = open_store()
        try:
            assert [described(restarted, ref) for ref in refs] == before
        finally:
            restarted.close()

    # ---- law 2 and 6: three outcomes, closed errors

    def test_a_crm_that_is_down_is_unavailable(self, down: CRM) -> None:
        """Every method of a CRM that cannot be asked says so, with no value of the call in the message."""
        asked: list[Callable[[], object]] = [
            lambda: down.deal("1001"),
            lambda: down.activities("1001"),
            lambda: down.create_task(DRAFT, "k1"),
            lambda: down.describe(DEAL),
            lambda: down.find_by_key("task", "k1"),
        ]
        for ask in asked:
            with pytest.raises(ToolUnavailable) as failed:
                ask()
            assert failed.value.code == "unavailable"
            assert failed.value.__suppress_context__
            for value in ("1001", "k1", "Price"):
                assert value not in str(failed.value)

    def test_a_refusal_repeats_nothing(self, crm: Store) -> None:
        """The message of a refusal holds no id, no key and no word of the task: it may stand in a log."""
        crm.create_task(DRAFT, "secret-key")
        for act in (
            lambda: crm.create_task(OTHER_BODIES["subject"], "secret-key"),
            lambda: crm.create_task(replace(DRAFT, deal_id="999999"), "k2"),
            lambda: crm.deal("999999"),
        ):
            with pytest.raises(ToolRejected) as caught:
                act()
            assert not [word for word in ("secret-key", "999999", "Price", "1001") if word in str(caught.value)]

    # ---- law 3: drafts only

    def test_a_new_task_is_a_draft_by_the_agent(self, crm: Store) -> None:
        """A task is read back as a draft from the agent, with what was asked for."""
        task = described(crm, crm.create_task(DRAFT, "k1").ref)
        assert task.snapshot == {
            "subject": "Price for 120 trucks",
            "due": "2026-03-04",
            "status": "draft",
            "deal_id": "1001",
            "source": AGENT_SOURCE,
            "kind": "call",
        }

    def test_a_subject_is_stored_as_it_is(self, crm: Store) -> None:
        """Letters of any script, quotes, what looks like a query or a template, and the longest one: to the letter."""
        subjects = (
            "Перезвонить: договор №7",
            "Oddzwonić w sprawie żółtych łódek",
            "Ұлы Даланың жеті қыры",
            'O\'Brien said "now"; DROP TABLE tasks; --',
            "100 % {name} %s \\n ${x}",
            "x" * SUBJECT_MAX,
            " a blank at each end ",
        )
        for number, subject in enumerate(subjects):
            made = crm.create_task(replace(DRAFT, subject=subject), f"k{number}")
            assert described(crm, made.ref).snapshot["subject"] == subject

    def test_a_day_stays_that_day(self, crm: Store) -> None:
        """A day is a day on the calendar, in no zone: leap days, the days when clocks change, and far ones."""
        for day in ("2028-02-29", "2026-03-29", "2026-10-25", "2026-12-31", "2099-01-01"):
            made = crm.create_task(replace(DRAFT, due=date.fromisoformat(day)), day)
            assert described(crm, made.ref).snapshot["due"] == day

    def test_a_subject_is_one_bounded_line(self) -> None:
        """A draft with a blank, long, many-lined or disguised subject cannot be built."""
        for subject in ("", "  ", "x" * (SUBJECT_MAX + 1), "a\nb", "a\x00b", "a\u202eb", "a\ud800"):
            assert refused(lambda subject=subject: replace(DRAFT, subject=subject)) == "invalid"  # type: ignore[misc]

    def test_a_qualification_is_plain_json(self, crm: Store) -> None:
        """A qualification that is not JSON is rejected and writes nothing; a deep one, and none, are taken."""
        odd = replace(DRAFT, qualification={"need": float("nan")})
        assert refused(lambda: crm.create_task(odd, "k1")) == "invalid"
        assert open_tasks(crm) == 0
        deep = {"scores": [{"quote": "чёрный \u2028 ящик", "at": [1, 2.5, None, True]}] * 20}
        for number, given in enumerate((deep, {}, None)):
            assert crm.create_task(replace(DRAFT, qualification=given), f"k{number + 2}").outcome == "created"

    # ---- law 4: versions

    def test_an_edit_changes_the_version(self, crm: Store) -> None:
        """When a person changes a deal its version changes, and with it every approval that is bound to it."""
        before = described(crm, DEAL)
        self.edit_deal(crm)
        after = described(crm, DEAL)
        assert before.version != after.version
        assert before.snapshot["stage"] != after.snapshot["stage"]

    def test_a_look_changes_no_version(self, crm: Store) -> None:
        """Reading a deal in every way there is leaves it as it was."""
        before = described(crm, DEAL)
        crm.deal("1001")
        crm.activities("1001")
        crm.find_by_key("task", "k1")
        assert described(crm, DEAL) == before

    def test_a_draft_leaves_the_deals_version_alone(self, crm: Store) -> None:
        """A task changes how many open tasks its deal shows, and not the deal's version."""
        before = described(crm, DEAL)
        crm.create_task(DRAFT, "k1")
        after = described(crm, DEAL)
        assert (before.version, before.snapshot["open_tasks"]) == (after.version, 0)
        assert after.snapshot == {**before.snapshot, "open_tasks": 1}

    def test_a_write_touches_its_own_deal_alone(self, crm: Store) -> None:
        """A task and an edit of one deal leave every other deal and every contact as it was."""
        others = [Ref(kind="deal", id=id_) for id_ in ANCHORS if id_ != DEAL.id]
        others += [Ref(kind="contact", id=str(int(id_) + 1000)) for id_ in ANCHORS]
        before = [described(crm, ref) for ref in others]
        crm.create_task(DRAFT, "k1")
        self.edit_deal(crm)
        assert [described(crm, ref) for ref in others] == before

    # ---- law 5: plain values, and what a description tells

    def test_a_deal_is_a_summary(self, crm: Store) -> None:
        """A deal has an exact amount, its owner and aware times, and no field for its contact."""
        deal = crm.deal("1001")
        assert (deal.id, deal.title, deal.stage) == ("1001", "Fleet tracking rollout", "qualification")
        assert (deal.amount, deal.currency, deal.owner_name) == (Decimal(48000), "USD", "Daniel Reed")
        assert isinstance(deal.amount, Decimal)
        assert (deal.as_of, deal.stage_since) == (NOW, NOW - timedelta(days=9))
        assert deal.stage_since.utcoffset() == timedelta(0)
        assert {field.name for field in fields(DealSummary)} == {
            "id", "title", "stage", "amount", "currency", "owner_name", "stage_since", "as_of",
        }  # fmt: skip

    def test_no_deal_is_not_found(self, crm: Store) -> None:
        """An id that names no deal is rejected as not found, whatever its form, by a read and by a write."""
        for id_ in NOWHERE:
            assert refused(lambda id_=id_: crm.deal(id_)) == "not_found"  # type: ignore[misc]
        for id_ in NOWHERE[:5]:
            assert refused(lambda id_=id_: crm.create_task(replace(DRAFT, deal_id=id_), "k1")) == "not_found"  # type: ignore[misc]

    def test_activities_are_the_latest(self, crm: Store) -> None:
        """Activities come newest first, three unless asked otherwise, in UTC; an unknown deal has none."""
        latest = crm.activities("1003")
        assert [(NOW - activity.at).days for activity in latest] == [1, 3, 8]
        assert all(activity.at.utcoffset() == timedelta(0) for activity in latest)
        assert [activity.kind for activity in crm.activities("1003", limit=1)] == ["email"]
        assert len(crm.activities("1003", 10)) == 4
        assert crm.activities("999999") == ()
        assert {field.name for field in fields(Activity)} == {"kind", "at", "summary"}

    def test_activities_are_bounded(self, crm: Store) -> None:
        """More than ten activities, or fewer than one, cannot be asked for."""
        for limit in (0, -1, 11):
            assert refused(lambda limit=limit: crm.activities("1003", limit)) == "invalid"  # type: ignore[misc]

    def test_a_deal_tells_whose_it_is(self, crm: Store) -> None:
        """A deal's description names its customer, its owner and its region, which policies compare."""
        for id_, anchor in ANCHORS.items():
            deal = described(crm, Ref(kind="deal", id=id_))
            assert deal.party == f"contact:{int(id_) + 1000}"
            assert (deal.responsible, deal.region, deal.name) == (anchor.owner.id, anchor.region, anchor.title)
            assert deal.snapshot["owner_name"] == anchor.owner.name
            assert deal.snapshot["amount"] == amount_text(anchor.amount)
            assert set(deal.snapshot) == set(FIELDS["deal"])

    def test_whoever_a_deal_names_is_there(self, crm: Store) -> None:
        """The party of each deal is a contact that is described, and that is its own party."""
        for id_ in ANCHORS:
            party = described(crm, Ref(kind="deal", id=id_)).party
            assert party is not None
            assert described(crm, Ref(kind="contact", id=party.removeprefix("contact:"))).party == party

    def test_a_contact_says_what_each_field_holds(self, crm: Store) -> None:
        """A contact's description gives its own data, each field with the type of personal data it holds."""
        contact = described(crm, Ref(kind="contact", id="2005"))
        assert (contact.party, contact.responsible, contact.region) == ("contact:2005", "u-abenova", "kz")
        assert contact.name == "Айгерим Сатыбалдиева"
        assert contact.snapshot == {
            "name": "Айгерим Сатыбалдиева",
            "phone": "+77015553322",
            "email": "aigerim.s@altyn.example",
            "company": "Алтын Логистика",
        }
        assert contact.fields == {"name": "PERSON", "phone": "PHONE", "email": "EMAIL", "company": "ORG"}

    def test_a_task_belongs_to_its_deals_customer(self, crm: Store) -> None:
        """A task's description has the party, owner and region of its deal."""
        task, deal = described(crm, crm.create_task(DRAFT, "k1").ref), described(crm, DEAL)
        assert (task.party, task.responsible, task.region) == (deal.party, deal.responsible, deal.region)
        assert task.name == DRAFT.subject

    def test_every_snapshot_field_has_a_class(self, crm: Store) -> None:
        """Each field of each snapshot is declared, with a class that masking knows."""
        made = crm.create_task(DRAFT, "k1").ref
        for ref in (DEAL, Ref(kind="contact", id="2001"), made):
            record = described(crm, ref)
            assert set(record.snapshot) == set(record.fields)
            assert record.fields == FIELDS[ref.kind]
            assert set(record.fields.values()) <= set(FIELD_CLASSES)

    def test_no_record_is_no_description(self, crm: Store) -> None:
        """What is not there, or is of a kind that no tool may name, has no description."""
        for kind in ("deal", "contact", "task", "staff", "invoice", ""):
            for id_ in (*NOWHERE, "0", "u-nobody"):
                assert crm.describe(Ref(kind=kind, id=id_)) is None, (kind, id_)
