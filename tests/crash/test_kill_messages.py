"""A real process is killed with SIGKILL inside a message of several calls; LangGraph takes the message up again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.crash.evidence import wrongs
from tests.crash.harness import Nursery
from tests.crash.office import LATER_S, Office, Place, Told, opened, proposing
from tests.crash.plan import MESSAGES, Dying
from tests.crash.test_kill_points import died

# ---- jobs


def survived(place: Place, case: Dying, names: list[str], later_s: float) -> dict[str, dict[str, Any]]:
    """Another process takes each conversation up and looks at what is left."""
    with opened(place, proposing(*case.tools), door=case.door, loop=case.loop, later_s=later_s) as office:
        return {name: left(office, case, name, office.carry_on(name)) for name in names}


def ended(place: Place, case: Dying, names: list[str]) -> dict[str, dict[str, Any]]:
    """Much later the user asks for the same once more; and whoever still holds a claim is asked for."""
    with opened(place, proposing(*case.tools), later_s=2 * LATER_S) as office:
        told = {name: office.send(name) for name in names}
        told = {name: office.approve(name, one.question) if one.question else one for name, one in told.items()}
        for name in names:
            office.settle(name)
        return {name: left(office, case, name, one) for name, one in told.items()}


def left(office: Office, case: Dying, name: str, told: Told) -> dict[str, Any]:
    """Where the conversation stands; for each write the states of its calls and how often it happened."""
    rows, effects = office.calls(name), office.desk.effects(name)
    return {
        "status": told.status,
        "code": told.code,
        "states": {tool: [row["state"] for row in rows if row["tool"] == tool] for tool in case.writes},
        "effects": {tool: sum(one["tool"] == tool for one in effects) for tool in case.writes},
        "wrong": wrongs(office, name),
    }


# ---- tests


@pytest.mark.req("A6", "A8", "B7")
def test_the_messages_are_spread() -> None:
    """On each database: each kind of message dies by each door, and more than 50 processes in all."""
    for kind in ("pair", "list"):
        assert {case.door for case in MESSAGES if case.kind == kind} == {"session", "sync", "async"}, kind
    assert sum(case.kills for case in MESSAGES) > 50


@pytest.mark.req("A6", "A7", "A8", "B7", "B17")
@pytest.mark.databases
@pytest.mark.parametrize("case", MESSAGES, ids=str)
def test_killed_inside_a_message(nursery: Nursery, place: Place, case: Dying) -> None:
    """Each call of a message has one effect, or is unknown and handed to a person, and then those after it wait; never
    two, none without its own approval, each counted once, and no call is forgotten.
    """
    steps, at = nursery.told(died, place, case, MESSAGES.index(case) + place.url.startswith("postgres"))
    assert len(steps) >= case.steps and len(at) >= case.kills, "the plan counts on more kills"
    assert steps.count("effect begins") == case.effects
    assert steps.count("write begins") == steps.count("write ends") == steps.count("write is over") >= 3
    names = list(at)
    for later_s in (0, LATER_S):
        survivors = nursery.told(survived, place, case, names, later_s)
        for name, found in survivors.items():
            judge(found, steps[at[name]], over=later_s > 0 or case.door != "session")
    final = nursery.told(ended, place, case, names)
    for name, found in final.items():
        judge(found, steps[at[name]], over=False)
        unknown = False
        for tool, states in found["states"].items():
            certain = [state for state in states if state in ("done", "unknown")]
            assert len(certain) == 1 or (unknown and not certain and not found["effects"][tool]), (at[name], found)
            assert certain != ["done"] or found["effects"][tool] == 1, (at[name], found)
            unknown = unknown or certain == ["unknown"]
        assert not unknown or found["status"] == "escalated", (steps[at[name]], found)


def judge(found: dict[str, Any], step: str, *, over: bool) -> None:
    assert found["wrong"] == [], (step, found)
    assert max(found["effects"].values()) <= 1, (step, found)
    done = {tool for tool, states in found["states"].items() if "done" in states}
    assert all(found["effects"][tool] == 1 for tool in done), (step, found)
    if over:
        happened = found["status"] == "delivered" and len(done) == len(found["effects"])
        person = found["status"] == "escalated" and found["code"] in ("in_progress", "outcome_unknown")
        assert happened or person, (step, found)
