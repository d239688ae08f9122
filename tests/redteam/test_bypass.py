"""The portable bypass suite against ourselves, and against two systems that must not pass it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from agent_guard.masking import Masker
from benchmarks.bypass.adapters.agent_guard import Ours
from benchmarks.bypass.adapters.everything import Everything
from benchmarks.bypass.cases import cases
from benchmarks.bypass.handle import BOSS, Answer, Handle, Person, Question
from benchmarks.bypass.need import Need
from benchmarks.bypass.suite import Case, run

LONG = 200
"""Calls of a long conversation here; ``python -m benchmarks.bypass`` makes 10,000."""

CASES = cases(long=LONG)

ROWS = {
    "guarded argument": ("B1", "B12"),
    "extra argument": ("B1", "B12"),
    "unanchored pattern": ("B12",),
    "look-alike value": ("B1",),
    "invisible letters": ("B1",),
    "number": ("B1",),
    "number of another type": ("B1",),
    "duplicate key": ("B1",),
    "size and form": ("B1", "A8"),
    "name of a forbidden tool": ("A1",),
    "name of a permitted tool": ("A1",),
    "a tool nobody permitted": ("A1",),
    "no policy": ("A1",),
    "a check of the team's own": ("A8",),
    "edit": ("A12",),
    "approval replayed": ("A12", "A7"),
    "approval used twice": ("A12", "A6"),
    "approver": ("A12", "B5"),
    "approval expired": ("A12",),
    "policy changed before the yes": ("A12",),
    "two calls in one message": ("A12",),
    "the same call again": ("A6", "B7"),
    "limit": ("A3", "B7"),
    "long conversation": ("A3",),
}
"""Group of cases -> the requirements it proves."""


def slug(case: Case) -> str:
    """A test's id."""
    return re.sub(r"[^a-z0-9.]+", "-", case.name.lower()).strip("-")


def parameters() -> list[Any]:
    """Every case with the requirements that it proves."""
    return [pytest.param(case, id=slug(case), marks=pytest.mark.req(*ROWS[case.group])) for case in CASES]


@pytest.mark.parametrize("case", parameters())
def test_an_attack_runs_nothing_that_the_need_forbids(case: Case, quick_masker: Masker) -> None:
    """The lawful call runs, and of the attack nothing reaches a tool that must not; judged by what the tool saw."""
    result = run(Ours(quick_masker), case)
    assert result.verdict in ("held", "held (no start)") or broke_on_purpose(case, result.verdict), result


def broke_on_purpose(case: Case, verdict: str) -> bool:
    """Whether an exception is the answer that the case asks for: a check of the team's own raised it."""
    return case.need.broken and verdict == "held (crashed)"


@pytest.mark.parametrize("case", CASES, ids=slug)
def test_a_system_without_a_guard_is_bypassed_in_every_case(case: Case) -> None:
    """A case that calls no guard at all "held" checks nothing."""
    assert run(Everything(), case).verdict == "BYPASSED"


class Nothing:
    """Refuses every call."""

    name = "nothing"

    class Closed(Handle):
        def ask(self, tool: str, args: Mapping[str, Any] | str, call_id: str | None) -> Answer:
            return Answer("refused")

        def agree(self, question: str, by: Person, edit: object) -> Answer:
            return Answer("refused")

        def reject(self, question: str, by: Person = BOSS) -> None:
            """Nothing waits."""

        def pending(self) -> list[Question]:
            return []

        def change(self, need: Need) -> None:
            """No policy could make it say yes."""

        def wait(self, seconds: int) -> None:
            """Nor could time."""

    def about(self) -> str:
        return "nothing"

    def open(self, need: Need) -> Handle:
        return self.Closed(need)


@pytest.mark.parametrize("case", [case for case in CASES if case.lawful is not None], ids=slug)
def test_a_system_that_refuses_everything_holds_nothing(case: Case) -> None:
    """To stand still is no defence: without the lawful call there is no verdict."""
    assert run(Nothing(), case).verdict == "cannot express"


def test_only_calls_that_may_never_run_have_no_lawful_one() -> None:
    """A case without a lawful call is one in which nothing is permitted."""
    assert {case.group for case in CASES if case.lawful is None} == {"no policy", "a check of the team's own"}


def test_every_hole_and_every_row_belongs_to_a_case() -> None:
    """A case that is renamed takes its marks along, and no two cases share a name."""
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert set(ROWS) == {case.group for case in CASES}
