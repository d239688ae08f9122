"""Law 3: what an agent makes is a draft, and says to the letter what was asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tools.crm.contract.given import DRAFT, Store, described, open_tasks, refused
from tools.crm.contract.under_test import UnderTest
from tools.crm.port import AGENT_SOURCE, SUBJECT_MAX

__all__ = ["Drafts"]


class Drafts(UnderTest):
    """A task that a person makes more of."""

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
