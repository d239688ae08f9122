"""A real process is killed with SIGKILL at every step of a conversation; LangGraph takes each of them up again.

Which conversations die, by which door and at how many of their steps, stands in :mod:`tests.crash.plan`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.crash.harness import KILLED, Nursery, born, kill
from tests.crash.office import LATER_S, Office, Place, Told, opened, proposing
from tests.crash.plan import PLAN, Dying
from tests.steps import Steps

# ---- jobs


def asked(place: Place, tool: str, door: str, names: list[str]) -> dict[str, str]:
    """The conversations up to their questions."""
    with opened(place, proposing(tool), door=door) as office:
        return _asked(office, names)


def _asked(office: Office, names: list[str]) -> dict[str, str]:
    return {name: str(office.send(name).question) for name in names}


def lived(place: Place, tool: str, door: str, name: str, question: str | None, at: int | None) -> list[str]:
    """A conversation, or what comes after its question, killed at a step; the names of the steps where it was not."""
    with opened(place, proposing(tool), door=door) as office:
        return _lived(office, name, question, at)


def _lived(office: Office, name: str, question: str | None, at: int | None) -> list[str]:
    def die(n: int, _name: str, _writing: bool) -> None:
        if n == at:
            kill()

    steps = Steps(die)
    office.watched(steps)
    if question is None:
        office.send(name)
    else:
        office.approve(name, question)
    return steps.names


def died(place: Place, case: Dying, first: int) -> tuple[list[str], dict[str, int]]:
    """One conversation tells the names of all steps; then a process is killed at every so many of them, and before and
    after each effect. The names, and the step of each conversation.

    Each process is a copy of this one, which has had a conversation before and has nothing open any more.
    """
    office = Office(place, proposing(*case.tools), door=case.door, loop=case.loop)
    office.carry_on("t0")
    office.let_go()

    def told(work: Callable[..., Any], *given: Any) -> Any:
        ended = born(_taken_over, office, work, *given)
        assert ended.code == 0, ended
        return ended.told

    def questions(names: list[str]) -> dict[str, str | None]:
        return told(_asked, names) if case.approved else dict.fromkeys(names)

    steps = told(_lived, "t1", questions(["t1"])["t1"], None)
    share = [n for n, step in enumerate(steps) if n % case.every == first % case.every or step.startswith("effect ")]
    at = {f"t{n + 2}": n for n in share}
    for name, question in questions(list(at)).items():
        ended = born(_taken_over, office, _lived, name, question, at[name])
        assert ended.code == KILLED, (steps[at[name]], ended)
    return steps, at


def _taken_over(office: Office, work: Callable[..., Any], *given: Any) -> Any:
    office.taken_over()
    return work(office, *given)


def survived(
    place: Place, tool: str, door: str, names: list[str], later_s: float, loop: bool = False
) -> dict[str, dict[str, Any]]:
    """Another process takes each conversation up and looks at what is left."""
    with opened(place, proposing(tool), door=door, loop=loop, later_s=later_s) as office:
        return {name: left(office, name, office.carry_on(name)) for name in names}


def ended(place: Place, tool: str, names: list[str], again: bool) -> dict[str, dict[str, Any]]:
    """Much later the user asks for the same once more; and whoever still holds a claim is asked for."""
    with opened(place, proposing(tool), later_s=2 * LATER_S) as office:
        told = {name: office.send(name) if again else Told("") for name in names}
        told = {name: office.approve(name, one.question) if one.question else one for name, one in told.items()}
        for name in names:
            office.settle(name)
        return {name: left(office, name, one) for name, one in told.items()}


def left(office: Office, name: str, told: Told) -> dict[str, Any]:
    states = [row["state"] for row in office.calls(name)]
    effects = len(office.desk.effects(name))
    return {
        "status": told.status,
        "code": told.code,
        "states": states,
        "effects": effects,
        "broken": office.broken(name),
    }


# ---- tests


@pytest.mark.req("A6", "A8", "B7")
def test_the_kills_are_spread() -> None:
    """On each database: more than 500, at every step of every kind, and each door and durability has its share."""
    assert sum(case.kills for case in PLAN) > 500
    for kind in ("approved", "proposed", "keyed"):
        assert any(case.every == 1 for case in PLAN if case.kind == kind and not case.loop), kind
    for kind in ("approved", "keyed"):
        assert any(case.every == 1 for case in PLAN if case.kind == kind and case.loop), kind
    by_door, by_durability = Counter[tuple[str, bool]](), Counter[str]()
    for case in PLAN:
        by_door[case.door, case.loop] += case.kills
        by_durability[case.durability] += case.kills
    assert by_durability["sync"] > 350 and by_durability["async"] > 125 and by_durability["exit"] > 85, by_durability
    assert by_door["session", False] > 70 and by_door["session", True] > 40, by_door
    assert by_door["sync", True] > 100 and by_door["async", True] + by_door["exit", True] >= 32, by_door


@pytest.mark.req("A6", "A8", "B7", "B17")
@pytest.mark.databases
@pytest.mark.parametrize("case", PLAN, ids=str)
def test_killed_at_every_step(nursery: Nursery, place: Place, case: Dying) -> None:
    """One effect, or a call that is unknown and handed to a person; never two, and no call is forgotten."""
    steps, at = nursery.told(died, place, case, PLAN.index(case) + place.url.startswith("postgres"))
    assert len(steps) >= case.steps and len(at) >= case.kills, "the plan counts on more kills"
    assert steps.count("effect begins") == (case.kind != "proposed")
    assert steps.count("write begins") == steps.count("write ends") == steps.count("write is over") >= 3
    names = list(at)
    for later_s in (0, LATER_S):
        survivors = nursery.told(survived, place, case.tool, case.door, names, later_s, case.loop)
        for name, found in survivors.items():
            judge(found, steps[at[name]], over=later_s > 0 or case.door != "session")
    final = nursery.told(ended, place, case.tool, names, case.kind != "unkeyed")
    for name, found in final.items():
        judge(found, steps[at[name]], over=False)
        certain = [state for state in found["states"] if state in ("done", "unknown")]
        assert len(certain) == 1, (steps[at[name]], found)
        assert certain == ["unknown"] or found["effects"] == 1, (steps[at[name]], found)


def judge(found: dict[str, Any], step: str, *, over: bool) -> None:
    assert found["broken"] == [], (step, found)
    assert found["effects"] <= 1, (step, found)
    if "done" in found["states"]:
        assert found["effects"] == 1, (step, found)
    if over:
        happened = found["status"] == "delivered" and found["effects"] == 1 and "done" in found["states"]
        person = found["status"] == "escalated" and found["code"] in ("in_progress", "outcome_unknown")
        assert happened or person, (step, found)
