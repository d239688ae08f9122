"""A real process is killed with SIGKILL at every step of a conversation; LangGraph takes each of them up again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.harness import KILLED, Nursery, kill
from tests.crash.office import LATER_S, Office, Place, Told, opened, proposing, warm
from tests.steps import Steps


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """A warmed process."""
    with Nursery(warm) as made:
        yield made


@pytest.fixture
def place(database: Any, tmp_path: Path) -> Place:
    """The databases of one test."""
    return Place(str(tmp_path), database.shared, database.checkpoints)


# ---- jobs


def asked(place: Place, tool: str, door: str, names: list[str]) -> dict[str, str]:
    """The conversations up to their questions."""
    with opened(place, proposing(tool), door=door) as office:
        return {name: str(office.send(name).question) for name in names}


def lived(place: Place, tool: str, door: str, name: str, question: str | None, at: int | None) -> list[str]:
    """A conversation, or what comes after its question, killed at a step; the names of the steps where it was not."""

    def die(n: int, _name: str, _writing: bool) -> None:
        if n == at:
            kill()

    steps = Steps(die)
    with opened(place, proposing(tool), steps=steps, door=door) as office:
        if question is None:
            office.send(name)
        else:
            office.approve(name, question)
    return steps.names


def survived(place: Place, tool: str, door: str, names: list[str], later_s: float) -> dict[str, dict[str, Any]]:
    """Another process takes each conversation up and looks at what is left."""
    with opened(place, proposing(tool), door=door, later_s=later_s) as office:
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

KINDS = {"proposed": "deal.move", "approved": "deal.move", "keyed": "task.make", "unkeyed": "note.send"}
DOORS = ["session", "sync", "async", "exit"]
CASES = [(kind, door) for kind in ("approved", "proposed", "keyed") for door in DOORS]
CASES += [
    ("unkeyed", "session"),
    ("unkeyed", "sync"),
]  # without a checkpoint for each step the same call is another call
EVERY = {("approved", "session"): 1, ("approved", "sync"): 3, ("unkeyed", "sync"): 3}
"""Which part of the steps is killed at, of the others a ninth; on a server a third of that, at other steps."""


@pytest.mark.req("A6", "A8", "B7", "B17")
@pytest.mark.databases
@pytest.mark.parametrize(("kind", "door"), CASES)
def test_killed_at_every_step(nursery: Nursery, place: Place, kind: str, door: str) -> None:
    """One effect, or a call that is unknown and handed to a person; never two, and no call is forgotten."""
    tool = KINDS[kind]
    first = nursery.told(asked, place, tool, door, ["t0"])["t0"] if kind == "approved" else None
    steps = nursery.told(lived, place, tool, door, "t0", first, None)
    on_server = place.url.startswith("postgres")
    every = EVERY.get((kind, door), 9) * (3 if on_server else 1)
    at = {f"t{n + 1}": n for n in range((CASES.index((kind, door)) + on_server) % every, len(steps), every)}
    names = list(at)
    questions = nursery.told(asked, place, tool, door, names) if kind == "approved" else dict.fromkeys(names)
    for name in names:
        end = nursery.run(lived, place, tool, door, name, questions[name], at[name])
        assert end.code == KILLED, (steps[at[name]], end)
    for later_s in (0, LATER_S):
        for name, found in nursery.told(survived, place, tool, door, names, later_s).items():
            judge(found, steps[at[name]], over=later_s > 0 or door != "session")
    final = nursery.told(ended, place, tool, names, kind != "unkeyed")
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
