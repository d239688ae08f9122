"""A real process is killed at each point of a call's life; whatever comes after it, the effect happens at most once."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from langchain_core.messages import ToolMessage

from agent_guard.nodes import guarded_agent
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel, call
from tests.conftest import World

pytestmark = pytest.mark.databases

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["agent_guard.session", "agent_guard.masking.engine", "presidio_analyzer"])

STAGE = call("crm.set_stage", deal_id="42", stage="won")
NOTE = call("messages.send", text="Hello")
HEARD = "heard.json"


def kill() -> NoReturn:
    """Ends this process as the kernel's out-of-memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def leave() -> NoReturn:
    """Ends this process at once, with no finally block and no exit handler."""
    os._exit(9)


POINTS = {"before the claim": kill, "after the claim": leave, "after the effect": kill, "after the settle": leave}


def arm(world: World, session: Session, point: str) -> None:
    """Lets this process die at a point of the next execution."""
    die, gateway = POINTS[point], session.gateway
    execute = gateway.execute

    def dying(*given: Any) -> Any:
        """The records of a call are read before it is claimed, the kill flags between its claim and its run."""
        match point:
            case "before the claim":
                if "deal_id" not in given[1].args:
                    die()
                world.desk.describe = lambda ref: die()  # type: ignore[method-assign,assignment]
            case "after the claim":
                gateway.kill_switch.pressed = lambda scopes: die()  # type: ignore[method-assign,assignment]
            case "after the effect":
                world.desk.after = die
        result = execute(*given)
        if point == "after the settle":
            die()
        return result

    gateway.execute = dying  # type: ignore[method-assign]


def opened(home: tuple[str, str], *turns: Any) -> tuple[World, Session]:
    """A world and its session over the databases of another process."""
    world = World.at(home)
    gateway = world.gateway(file=True)
    graph = guarded_agent(ScriptedModel(*turns), gateway)
    return world, Session(graph, gateway, checkpointer=world.database.checkpoints)


def approve_and_die(home: tuple[str, str], approval: str, point: str) -> None:
    """In a process of its own: approves, and is killed."""
    world, session = opened(home, "Moved.")
    arm(world, session, point)
    session.resume(approval, "approve", by=world.boss)


def approve_again(home: tuple[str, str], approval: str, later_s: float) -> None:
    """In a process of its own: the same answer once more, at some later time."""
    world, session = opened(home, "Moved.")
    world.clock.forward(seconds=later_s)
    reply = session.resume(approval, "approve", by=world.boss)
    rows = [row["state"] for row in world.rows(session.gateway, "calls")]
    told = {
        "status": reply.status,
        "code": reply.code,
        "calls": rows,
        "broken": list(session.gateway.audit.broken("t1")),
    }
    (world.folder / "told.json").write_text(json.dumps(told))
    session.close()
    world.close()


def start_and_die(home: tuple[str, str], point: str) -> None:
    """In a process of its own: the model sends a note without being asked to wait, and the process is killed."""
    world, session = opened(home, NOTE)
    arm(world, session, point)
    session.start("Send it", world.sdr, speaker="user", party=world.anna, thread_id="t1")


def go_on(home: tuple[str, str]) -> None:
    """In a process of its own: LangGraph takes the thread up where its checkpoint stands."""
    world, session = opened(home, "Sent.")
    session.graph.invoke(None, {"configurable": {"thread_id": "t1"}}, durability="sync")
    session.close()
    world.close()


def say_more(home: tuple[str, str]) -> None:
    """In a process of its own: the user asks what became of it, and the model tries once more."""
    model = ScriptedModel("I look.")
    world = World.at(home)
    gateway = world.gateway(file=True)
    session = Session(guarded_agent(model, gateway), gateway, checkpointer=world.database.checkpoints)
    world.clock.forward(seconds=60)
    reply = session.send("t1", "Did you send it?", speaker="user", by=world.sdr)
    answers = [str(item.content) for turn in model.heard for item in turn if isinstance(item, ToolMessage)]
    told = {"status": reply.status, "codes": [json.loads(item)["code"] for item in answers]}
    (world.folder / HEARD).write_text(json.dumps(told))
    session.close()
    world.close()


def in_a_process(work: Callable[..., None], *given: Any) -> int:
    """Runs a function in a process of its own; its exit code."""
    process = CONTEXT.Process(target=work, args=given)
    process.start()
    process.join(60)
    code = process.exitcode
    process.close()
    assert code is not None
    return code


def died(point: str) -> int:
    """The exit code of a process that died at a point."""
    return -signal.SIGKILL if POINTS[point] is kill else 9


@pytest.mark.req("A6", "A8", "B7", "B17")
@pytest.mark.parametrize(
    ("point", "later_s", "effects", "status", "code", "state"),
    [
        ("before the claim", 0, 0, "running", None, "approved"),
        ("before the claim", 60, 1, "delivered", None, "done"),
        ("after the claim", 0, 0, "running", None, "claimed"),
        ("after the claim", 60, 0, "escalated", "outcome_unknown", "unknown"),
        ("after the effect", 0, 1, "running", None, "claimed"),
        ("after the effect", 60, 1, "escalated", "outcome_unknown", "unknown"),
        ("after the settle", 0, 1, "running", None, "done"),
        ("after the settle", 60, 1, "delivered", None, "done"),
    ],
)
def test_an_approved_call_survives_a_crash(
    world: World, point: str, later_s: float, effects: int, status: str, code: str | None, state: str
) -> None:
    """Killed anywhere, resumed in another process, and again: at most one effect, and what may have happened is never
    run again. For a minute the dead process still counts as at work.
    """
    home = world.home
    _, session = opened(home, STAGE)
    pending = session.start("Move it", world.sdr, speaker="user", party=world.anna, thread_id="t1").pending
    assert pending is not None
    session.close()
    session.gateway.close()
    assert in_a_process(approve_and_die, home, pending.id, point) == died(point)
    before = len(world.desk.effects)
    assert before == (1 if point in ("after the effect", "after the settle") else 0)
    assert in_a_process(approve_again, home, pending.id, later_s) == 0
    told = json.loads((world.folder / "told.json").read_text())
    assert told == {"status": status, "code": code, "calls": [state], "broken": []}
    assert len(world.desk.effects) == effects
    for _ in range(2):
        assert in_a_process(approve_again, home, pending.id, later_s + 100) == 0
        assert len(world.desk.effects) == (0 if point == "after the claim" else 1)


@pytest.mark.req("A6", "A8", "B7")
@pytest.mark.parametrize("point", list(POINTS))
def test_a_call_without_a_key_survives_a_crash(world: World, point: str) -> None:
    """A call with no key fields and no approval is the same call after the crash: LangGraph runs its node again, the tool once."""
    home = world.home
    assert in_a_process(start_and_die, home, point) == died(point)
    for _ in range(2):
        assert in_a_process(go_on, home) == 0
    assert len(world.desk.effects) == (0 if point == "after the claim" else 1)


@pytest.mark.req("A8")
@pytest.mark.parametrize("point", ["after the effect", "after the settle"])
def test_a_call_that_may_have_happened_is_not_called_cancelled(world: World, point: str) -> None:
    """A message after the crash does not tell the model that the call was not done, or the model would do it again."""
    home = world.home
    assert in_a_process(start_and_die, home, point) == died(point)
    assert in_a_process(say_more, home) == 0
    told = json.loads((world.folder / HEARD).read_text())
    assert told["status"] == "escalated" or "cancelled" not in told["codes"]
    assert len(world.desk.effects) == 1
