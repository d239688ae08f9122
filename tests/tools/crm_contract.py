"""The CRM port's laws as one abstract suite: a CRM is one when a subclass of ``CRMContract`` passes."""

from __future__ import annotations

import multiprocessing
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any, Protocol

import pytest

from agent_guard.errors import ToolRejected, ToolUnavailable
from agent_guard.tool import FIELD_CLASSES
from agent_guard.types import Description, Ref
from tests.tools.moment import NOW
from tools.crm.anchors import ANCHORS
from tools.crm.port import CRM, FIELDS, Activity, DealSummary, TaskDraft

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


class Store(CRM, Protocol):
    """A CRM that can be closed."""

    def close(self) -> None: ...


def write_many(open_store: Callable[[], Store], start: Any, answers: Any, keys: list[str]) -> None:
    """One process: waits for the other, then writes one task per key."""
    crm = open_store()
    start.wait()
    for key in keys:
        result = crm.create_task(DRAFT, key)
        answers.put((key, result.ref.id, result.outcome))
    crm.close()


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

    # law 1: once

    @pytest.mark.req("A6")
    def test_a_repeat_is_replayed(self, crm: Store) -> None:
        """The same key with the same body gives the same task and makes no second one."""
        first, again = crm.create_task(DRAFT, "k1"), crm.create_task(replace(DRAFT), "k1")
        assert (first.outcome, again.outcome) == ("created", "replayed")
        assert (first.ref, first.version) == (again.ref, again.version)
        assert open_tasks(crm) == 1

    @pytest.mark.req("A6")
    @pytest.mark.parametrize("changed", OTHER_BODIES)
    def test_a_key_stands_for_one_body(self, crm: Store, changed: str) -> None:
        """The same key with any other field is rejected, and the first task stays as it was."""
        first = crm.create_task(DRAFT, "k1")
        before = crm.describe(first.ref)
        with pytest.raises(ToolRejected) as refused:
            crm.create_task(OTHER_BODIES[changed], "k1")
        assert refused.value.code == "key_reused"
        assert crm.describe(first.ref) == before
        assert (open_tasks(crm), open_tasks(crm, "1002")) == (1, 0)

    @pytest.mark.req("A6")
    def test_another_key_is_another_task(self, crm: Store) -> None:
        """Two keys make two tasks, even of one body: what a duplicate is, is not the CRM's to guess."""
        assert crm.create_task(DRAFT, "k1").ref != crm.create_task(DRAFT, "k2").ref
        assert open_tasks(crm) == 2

    @pytest.mark.req("A6")
    def test_twenty_threads_make_one_task(self, crm: Store) -> None:
        """Of twenty writers at once one creates and nineteen are given its task."""
        start = Barrier(20)

        def write(_: int) -> tuple[str, str]:
            start.wait()
            result = crm.create_task(DRAFT, "k1")
            return result.ref.id, result.outcome

        with ThreadPoolExecutor(20) as threads:
            answers = list(threads.map(write, range(20)))
        assert Counter(outcome for _, outcome in answers) == {"created": 1, "replayed": 19}
        assert len({task_id for task_id, _ in answers}) == 1
        assert open_tasks(crm) == 1

    @pytest.mark.req("A6")
    def test_twenty_threads_with_twenty_bodies_make_one_task(self, crm: Store) -> None:
        """Of twenty writers with one key and different bodies one wins and the others are told so."""
        start = Barrier(20)

        def write(number: int) -> str:
            start.wait()
            try:
                return crm.create_task(replace(DRAFT, subject=f"wording {number}"), "k1").outcome
            except ToolRejected as refused:
                return refused.code

        with ThreadPoolExecutor(20) as threads:
            answers = Counter(threads.map(write, range(20)))
        assert answers == {"created": 1, "key_reused": 19}
        assert open_tasks(crm) == 1

    @pytest.mark.req("A6")
    def test_two_processes_make_one_task_per_key(self, crm: Store, open_store: Callable[[], Store]) -> None:
        """Two processes that write the same thirty keys at once leave thirty tasks, each created by one of them."""
        context = multiprocessing.get_context("spawn")
        keys = [f"k{number}" for number in range(30)]
        start, answers = context.Barrier(2), context.Queue()
        writers = [context.Process(target=write_many, args=(open_store, start, answers, keys)) for _ in range(2)]
        for writer in writers:
            writer.start()
        told = [answers.get(timeout=30) for _ in range(2 * len(keys))]
        for writer in writers:
            writer.join(30)
            assert writer.exitcode == 0
            writer.close()
        answers.close()
        answers.join_thread()
        assert Counter((key, outcome) for key, _, outcome in told) == dict.fromkeys(
            [(key, outcome) for key in keys for outcome in ("created", "replayed")], 1
        )
        assert len({(key, task_id) for key, task_id, _ in told}) == len(keys) == open_tasks(crm)

    @pytest.mark.req("A6")
    def test_a_restart_forgets_nothing(self, crm: Store, open_store: Callable[[], Store]) -> None:
        """After a restart the same key is replayed, and refused for another body."""
        first = crm.create_task(DRAFT, "k1")
        crm.close()
        restarted = open_store()
        try:
            assert restarted.create_task(DRAFT, "k1") == replace(first, outcome="replayed")
            with pytest.raises(ToolRejected, match="key"):
                restarted.create_task(OTHER_BODIES["due"], "k1")
        finally:
            restarted.close()

    @pytest.mark.req("A6")
    def test_a_rejected_write_leaves_its_key_free(self, crm: Store) -> None:
        """A task on a deal that is not there is rejected, and its key may be used afterwards."""
        with pytest.raises(ToolRejected) as refused:
            crm.create_task(replace(DRAFT, deal_id="999999"), "k1")
        assert refused.value.code == "not_found"
        assert crm.find_by_key("task", "k1") is None
        assert crm.create_task(DRAFT, "k1").outcome == "created"

    @pytest.mark.parametrize("key", ["", " ", "a b", "ключ", "k\n", "k" * 201, "k\ud800"])
    def test_a_key_is_visible_ascii(self, crm: Store, key: str) -> None:
        """A key that some CRM could not store is rejected before anything is asked."""
        with pytest.raises(ToolRejected) as refused:
            crm.create_task(DRAFT, key)
        assert refused.value.code == "invalid"
        assert open_tasks(crm) == 0

    @pytest.mark.req("A6")
    def test_a_key_finds_its_record(self, crm: Store) -> None:
        """``find_by_key`` gives the task written under a key, and nothing for another key or kind."""
        made = crm.create_task(DRAFT, "k1").ref
        assert crm.find_by_key("task", "k1") == made
        assert crm.find_by_key("task", "k2") is None
        assert crm.find_by_key("deal", "k1") is None

    # law 2: three outcomes

    @pytest.mark.req("A8")
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

    # law 3: drafts only

    @pytest.mark.req("A16")
    def test_a_new_task_is_a_draft_by_the_agent(self, crm: Store) -> None:
        """A task is read back as a draft from the agent, with what was asked for."""
        task = described(crm, crm.create_task(DRAFT, "k1").ref)
        assert task.snapshot == {
            "subject": "Price for 120 trucks",
            "due": "2026-03-04",
            "status": "draft",
            "deal_id": "1001",
            "source": "AI-Agent",
            "kind": "call",
        }

    @pytest.mark.req("A16")
    @pytest.mark.parametrize("subject", ["", "  ", "x" * 121, "a\nb", "a\x00b", "a\u202eb", "a\ud800"])
    def test_a_subject_is_one_bounded_line(self, subject: str) -> None:
        """A draft with a blank, long, many-lined or disguised subject cannot be built."""
        with pytest.raises(ToolRejected) as refused:
            replace(DRAFT, subject=subject)
        assert refused.value.code == "invalid"

    def test_a_qualification_is_plain_json(self, crm: Store) -> None:
        """A qualification that is not JSON is rejected and writes nothing."""
        with pytest.raises(ToolRejected) as refused:
            crm.create_task(replace(DRAFT, qualification={"need": float("nan")}), "k1")
        assert refused.value.code == "invalid"
        assert open_tasks(crm) == 0

    # law 4: versions

    @pytest.mark.req("A12")
    def test_an_edit_changes_the_version(self, crm: Store) -> None:
        """When a person changes a deal its version changes, and with it every approval that is bound to it."""
        before = described(crm, DEAL)
        self.edit_deal(crm)
        after = described(crm, DEAL)
        assert before.version != after.version
        assert before.snapshot["stage"] != after.snapshot["stage"]

    @pytest.mark.req("A12")
    def test_a_draft_leaves_the_deals_version_alone(self, crm: Store) -> None:
        """A task changes how many open tasks its deal shows, and not the deal's version."""
        before = described(crm, DEAL)
        crm.create_task(DRAFT, "k1")
        after = described(crm, DEAL)
        assert (before.version, before.snapshot["open_tasks"]) == (after.version, 0)
        assert after.snapshot == {**before.snapshot, "open_tasks": 1}

    # law 5: plain values, and what a description tells

    @pytest.mark.req("A15")
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

    @pytest.mark.req("A15")
    @pytest.mark.parametrize("deal_id", ["999999", "", "x", "1001 ", "-1", "9" * 30, "1001\x00", "\ud800"])
    def test_no_deal_is_not_found(self, crm: Store, deal_id: str) -> None:
        """An id that names no deal is rejected as not found, whatever its form."""
        with pytest.raises(ToolRejected) as refused:
            crm.deal(deal_id)
        assert refused.value.code == "not_found"

    @pytest.mark.req("A21")
    def test_activities_are_the_latest(self, crm: Store) -> None:
        """Activities come newest first, three unless asked otherwise, and none for an unknown deal."""
        latest = crm.activities("1003")
        assert [(NOW - activity.at).days for activity in latest] == [1, 3, 8]
        assert [activity.kind for activity in crm.activities("1003", limit=1)] == ["email"]
        assert len(crm.activities("1003", 10)) == 4
        assert crm.activities("999999") == ()
        assert {field.name for field in fields(Activity)} == {"kind", "at", "summary"}

    @pytest.mark.req("A21")
    @pytest.mark.parametrize("limit", [0, -1, 11])
    def test_activities_are_bounded(self, crm: Store, limit: int) -> None:
        """More than ten activities, or fewer than one, cannot be asked for."""
        with pytest.raises(ToolRejected) as refused:
            crm.activities("1003", limit)
        assert refused.value.code == "invalid"

    @pytest.mark.req("A10")
    @pytest.mark.parametrize("deal_id", ANCHORS)
    def test_a_deal_tells_whose_it_is(self, crm: Store, deal_id: str) -> None:
        """A deal's description names its customer, its owner and its region, which policies compare."""
        anchor, deal = ANCHORS[deal_id], described(crm, Ref(kind="deal", id=deal_id))
        assert deal.party == f"contact:{int(deal_id) + 1000}"
        assert (deal.responsible, deal.region, deal.name) == (anchor.owner.id, anchor.region, anchor.title)
        assert deal.snapshot["owner_name"] == anchor.owner.name
        assert deal.snapshot["amount"] == str(anchor.amount)
        assert set(deal.snapshot) == set(FIELDS["deal"])

    @pytest.mark.req("A23")
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

    @pytest.mark.req("A5")
    def test_a_task_belongs_to_its_deals_customer(self, crm: Store) -> None:
        """A task's description has the party, owner and region of its deal."""
        task, deal = described(crm, crm.create_task(DRAFT, "k1").ref), described(crm, DEAL)
        assert (task.party, task.responsible, task.region) == (deal.party, deal.responsible, deal.region)
        assert task.name == DRAFT.subject

    @pytest.mark.req("A5")
    def test_every_snapshot_field_has_a_class(self, crm: Store) -> None:
        """Each field of each snapshot is declared, with a class that masking knows."""
        made = crm.create_task(DRAFT, "k1").ref
        for ref in (DEAL, Ref(kind="contact", id="2001"), made):
            record = described(crm, ref)
            assert set(record.snapshot) == set(record.fields)
            assert record.fields == FIELDS[ref.kind]
            assert set(record.fields.values()) <= set(FIELD_CLASSES)

    @pytest.mark.req("A10")
    @pytest.mark.parametrize("kind", ["deal", "contact", "task", "staff", "invoice", ""])
    @pytest.mark.parametrize("id_", ["999999", "", "x", "0", "9" * 30, "1001; --", "u-nobody", "\ud800"])
    def test_no_record_is_no_description(self, crm: Store, kind: str, id_: str) -> None:
        """What is not there, or is of a kind that no tool may name, has no description."""
        assert crm.describe(Ref(kind=kind, id=id_)) is None


def described(crm: CRM, ref: Ref) -> Description:
    """The description of a record that must be there."""
    record = crm.describe(ref)
    assert record is not None
    return record


def open_tasks(crm: CRM, deal_id: str = "1001") -> int:
    """How many drafts a deal shows."""
    count = described(crm, Ref(kind="deal", id=deal_id)).snapshot["open_tasks"]
    assert isinstance(count, int)
    return count
