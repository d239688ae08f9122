"""A real process dies between the effect and the record of it; what is asked afterwards finds exactly one effect."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_guard.gateway import Gateway
from agent_guard.masking import Masker
from tests.conftest import TaskMade, World

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["agent_guard.gateway", "agent_guard.masking.engine", "presidio_analyzer"])

TASK = {"deal_id": "42", "subject": "Call Anna Kowalska"}


def look(args: Any, desk: Any, idempotency_key: str) -> TaskMade | None:
    """What the desk wrote down under the key."""
    made = [item for item in desk.effects if item["key"] == idempotency_key]
    return TaskMade(task_id=made[0]["n"], subject=made[0]["subject"]) if made else None


def gateway(world: World) -> Gateway:
    """A gateway over the files of a world, where tasks can be looked up."""
    made = replace(world.create_task, lookup=look)
    return world.gateway(file=True, tools=[world.read_deal, made, world.set_stage, world.send_note])


def die(folder: str, point: str) -> None:
    """In a process of its own: makes a task, and is killed around the effect."""
    world = World(Path(folder), Masker(profile="patterns"))

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(world.desk, point, kill)
    gateway(world).open(world.sdr, party=world.anna, thread_id="t1").invoke("crm.create_task", TASK, call_id="c1")


@pytest.mark.req("A6", "A8", "B7", "B17")
@pytest.mark.parametrize("point", ["before", "after"])
def test_a_call_that_a_crash_left_behind_is_done_once(world: World, point: str) -> None:
    """Killed before its effect the call is found not to have happened, and is done anew; killed after it, it is found
    done, and the next try is a duplicate. Inside the lease nothing is concluded from a miss.
    """
    process = CONTEXT.Process(target=die, args=(str(world.folder), point))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    made = gateway(world)
    (left,) = world.rows(made, "calls")
    assert (left["state"], len(world.desk.effects)) == ("claimed", int(point == "after"))
    assert made.reconcile(left["trace_id"]).code == "in_progress"
    world.clock.forward(seconds=60)
    assert made.reconcile(left["trace_id"]).status == ("executed" if point == "after" else "failed")
    again = made.thread("t1").invoke("crm.create_task", TASK, call_id="c2")
    assert (again.status, again.reference) == ("duplicate" if point == "after" else "executed", "task:1")
    assert len(world.desk.effects) == 1
    assert world.kinds(made.thread("t1")).count("reconciled") == 1
    assert list(made.audit.broken("t1")) == []
