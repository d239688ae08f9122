"""A real process stands still in the middle of a call, for a moment or for minutes, while another one goes on with it."""

from __future__ import annotations

from typing import Any

import pytest

from agent_guard.errors import AgentGuardError
from tests.crash.harness import STOPPED, Nursery, stop
from tests.crash.office import LATER_S, Place, opened, proposing
from tests.crash.test_kill_points import asked, judge, left, lived
from tests.steps import Steps

TOOL = "deal.move"


def slow(place: Place, door: str, loop: bool, name: str, question: str, at: int, for_s: float) -> str | None:
    """Approves, and stands still at the first step from there on at which it writes nothing; its clock does not."""
    stopped = False

    def rest(n: int, _name: str, writing: bool) -> None:
        nonlocal stopped
        if n >= at and not writing and not stopped:
            with steps.nobody_writes() as quiet:  # LangGraph stores in threads of its own
                if not quiet:
                    return
                stopped = True
                stop()
            office.clock.forward(seconds=for_s)

    steps = Steps(rest)
    with opened(place, proposing(TOOL), steps=steps, door=door, loop=loop) as office:
        try:
            office.approve(name, question)
        except AgentGuardError as error:
            return str(error)
    return None


def quick(place: Place, door: str, loop: bool, name: str, question: str, later_s: float) -> str | None:
    """The same answer by the same person, from beginning to end."""
    with opened(place, proposing(TOOL), door=door, loop=loop, later_s=later_s) as office:
        try:
            office.approve(name, question)
        except AgentGuardError as error:
            return str(error)
    return None


def look(place: Place, names: list[str]) -> dict[str, dict[str, Any]]:
    """Much later: where each thread stands, after it was taken up once more."""
    with opened(place, proposing(TOOL), later_s=3 * LATER_S, door="session") as office:
        found = {name: left(office, name, office.carry_on(name)) for name in names}
        for name in names:
            office.settle(name)
            found[name]["states"] = [row["state"] for row in office.calls(name)]
        return found


@pytest.mark.req("A6", "A7", "A12", "B7")
@pytest.mark.databases
@pytest.mark.parametrize("for_s", [0, LATER_S], ids=["a moment", "minutes"])
@pytest.mark.parametrize(
    ("door", "loop"), [("session", False), ("sync", False), ("session", True)], ids=["session", "sync", "session-loop"]
)
def test_two_processes_answer_one_question(nursery: Nursery, place: Place, door: str, loop: bool, for_s: float) -> None:
    """One process stands still at a step, another does the whole work, the first one wakes: one effect, whoever made it."""
    first = nursery.told(asked, place, TOOL, door, ["t0"])["t0"]
    steps = nursery.told(lived, place, TOOL, door, "t0", first, None)
    at = {f"t{n + 1}": n for n in range(0, len(steps), 11 if loop or place.url.startswith("postgres") else 4)}
    questions = nursery.told(asked, place, TOOL, door, list(at))
    for name, question in questions.items():
        sleeper = nursery.begin(slow, place, door, loop, name, question, at[name], for_s)
        if nursery.wait(sleeper) == STOPPED:
            nursery.told(quick, place, door, loop, name, question, for_s)
            nursery.go_on(sleeper)
            nursery.wait(sleeper)
    for name, found in nursery.told(look, place, list(at)).items():
        judge(found, steps[at[name]], over=False)
        (certain,) = [state for state in found["states"] if state in ("done", "unknown")]
        assert certain == "unknown" or found["effects"] == 1, (steps[at[name]], found)
        assert for_s or certain == "done", "nobody called it unknown while its process may live"
