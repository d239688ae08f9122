"""A worker is killed at every step it takes, and started again: each answer is carried out exactly once.

The steps are found by running: every transaction that writes (before and after its commit), every checkpoint, and the
effect. Each killed process is a real one; the next one has nothing but the databases.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_guard.masking import Masker
from agent_guard.nodes import guarded_agent
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel, call
from agent_guard.work.turns import LEASE_S
from agent_guard.work.worker import Worker
from tests.conftest import Database, World
from tests.steps import Steps

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["agent_guard.session", "agent_guard.masking.engine", "presidio_analyzer"])

KILLED = -signal.SIGKILL
ENOUGH = 400
"""More steps than a round takes."""

CHANGES = ("write ends", "write is over", "put is over", "put_writes is over", "do begins", "do is over")
"""Between two of these nothing is changed, so whoever dies there dies at the one before."""

Told = dict[str, Any]


def opened(folder: Path, url: str, masker: Masker, *turns: Any) -> tuple[World, Session]:
    """A world and its session over the databases of a test."""
    os.chdir(folder)
    world = World(folder, masker, Database(folder, url))
    policy = world.policy({"messages.send": {"mode": "approve"}})
    gateway = world.gateway(policy, file=True)
    graph = guarded_agent(ScriptedModel(*turns), gateway)
    return world, Session(graph, gateway, checkpointer=f"sqlite:///{folder}/threads.db")


def asked(world: World, session: Session, n: int) -> str:
    """Starts the thread ``t<n>``, which asks whether it may send a note of its own; the question's id."""
    reply = session.start("Send it", world.sdr, speaker="user", party=world.anna, thread_id=f"t{n}")
    assert reply.pending is not None
    return reply.pending.id


def a_round(folder: Path, url: str, masker: Masker, n: int, *, expired: bool) -> None:
    """In a process of its own: one round of a worker over a thread whose answer waits, killed at change ``n``."""
    world, session = opened(folder, url, masker, call("messages.send", text=f"note {n}"), "Told.")
    world.clock.forward(days=n)
    question = asked(world, session, n)
    if expired:
        world.clock.forward(hours=24)
    else:
        session.gateway.answer(question, "approve", by=world.boss)

    changes = 0

    def die(_: int, name: str, __: bool) -> None:
        nonlocal changes
        if name in CHANGES:
            changes += 1
            if changes == n + 1:
                (folder / "step").write_text(name)
                os.kill(os.getpid(), signal.SIGKILL)

    steps = Steps(die)
    steps.transactions(session.gateway.store)
    steps.checkpoints(session.graph.checkpointer)
    steps.port(world.desk, "do")
    list(Worker(session.gateway, lambda scenario: session).round())


def the_next(folder: Path, url: str, masker: Masker, n: int, *, expired: bool) -> None:
    """In another process, when the first one's lease is over: rounds until nothing is due, and what stands then."""
    world, session = opened(folder, url, masker, "Told.", "Told.")
    world.clock.forward(days=n, hours=24 if expired else 0, seconds=LEASE_S)
    worker = Worker(session.gateway, lambda scenario: session)
    done = [item.kind for _ in range(3) for item in worker.round()]
    thread = f"t{n}"
    told = {
        "step": (folder / "step").read_text(),
        "done": done,
        "undone": worker.undone(),
        "leases": len(world.rows(session.gateway, "leases")),
        "effects": [item["text"] for item in world.desk.effects].count(f"note {n}"),
        "states": [row["state"] for row in world.rows(session.gateway, "calls") if row["thread"] == thread],
        "status": session.state(thread, by=world.sdr).status,
        "expired": world.kinds(session.gateway.thread(thread)).count("expired"),
        "broken": list(session.gateway.audit.broken(thread)),
    }
    with (folder / "told.jsonl").open("a") as file:
        file.write(json.dumps(told) + "\n")


def forked(work: Callable[..., None], *given: Any, **options: Any) -> int:
    """Runs a function in a copy of this process; its exit code."""
    child = os.fork()
    if child == 0:
        try:
            work(*given, **options)
            os._exit(0)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def every_step(folder: str, url: str, expired: bool) -> None:
    """In a process that has loaded everything and opened nothing: a round killed at change 0, 1, 2... until one ends."""
    where, masker = Path(folder), Masker(profile="patterns")
    masker.warm()
    for n in range(ENOUGH):
        code = forked(a_round, where, url, masker, n, expired=expired)
        if code == 0:
            (where / "steps").write_text(str(n))
            return
        assert code == KILLED, code
        assert forked(the_next, where, url, masker, n, expired=expired) == 0


def killed_everywhere(world: World, *, expired: bool) -> list[Told]:
    """What stood after each kill and the next start."""
    process = CONTEXT.Process(target=every_step, args=(str(world.folder), world.database.shared, expired))
    process.start()
    process.join(600)
    code = process.exitcode
    process.close()
    assert code == 0
    told = [json.loads(line) for line in (world.folder / "told.jsonl").read_text().splitlines()]
    assert len(told) == int((world.folder / "steps").read_text()) > 10
    return told


@pytest.mark.databases
@pytest.mark.req("A6", "A8", "A12", "B7", "B17")
def test_a_worker_that_is_killed_anywhere_carries_an_answer_out_once(world: World) -> None:
    """After any kill the next worker ends the work: one effect, and where the process died between its claim and the
    end of the tool, none or one that nobody repeats.
    """
    world.gateway(file=True)  # makes the tables and the key
    told = killed_everywhere(world, expired=False)
    for item in told:
        assert (item["undone"], item["leases"], item["broken"]) == ([], 0, []), item
        if item["states"] == ["unknown"]:
            assert item["effects"] <= 1 and item["status"] == "escalated", item
        else:
            assert (item["states"], item["effects"], item["status"]) == (["done"], 1, "delivered"), item
    assert {"do begins", "do is over"} <= {item["step"] for item in told}
    assert {item["effects"] for item in told if item["states"] == ["unknown"]} == {0, 1}
    assert sum(item["states"] == ["done"] for item in told) > len(told) / 2


@pytest.mark.databases
@pytest.mark.req("A12")
def test_a_worker_that_is_killed_anywhere_ends_a_question_once(world: World) -> None:
    """After any kill the question that nobody answered has ended once, nothing ran, and the model was told."""
    world.gateway(file=True)
    for item in killed_everywhere(world, expired=True):
        assert (item["undone"], item["leases"], item["broken"]) == ([], 0, []), item
        assert (item["states"], item["effects"], item["expired"]) == (["expired"], 0, 1), item
        assert item["status"] == "delivered", item


def work_at_once(folder: str, url: str, start: Any) -> None:
    """In a process of its own: a worker that begins at the same moment as another, and says when its model is asked."""

    def told(messages: Any) -> Any:
        with (Path(folder) / "asked").open("a") as file:
            file.write("1\n")
        return call("messages.send").model_copy(update={"content": "Told.", "tool_calls": []})

    world, session = opened(Path(folder), url, Masker(profile="patterns"), *[told] * 8)
    worker = Worker(session.gateway, lambda scenario: session)
    start.wait(60)
    while worker.undone():
        list(worker.round())
    session.close()
    world.close()


@pytest.mark.databases
@pytest.mark.req("A6", "A12", "B7")
def test_two_workers_on_one_database_resume_each_thread_once(world: World) -> None:
    """Eight threads whose questions were approved, two processes: eight effects, and each model was asked once more."""
    url = world.database.shared
    turns = [call("messages.send", text=f"note {n}") for n in range(8)]
    _, session = opened(world.folder, url, world.masker, *turns)
    for n in range(8):
        session.gateway.answer(asked(world, session, n), "approve", by=world.boss)
    start = CONTEXT.Barrier(2)
    workers = [CONTEXT.Process(target=work_at_once, args=(str(world.folder), url, start)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
        worker.close()
    assert sorted(item["text"] for item in world.desk.effects) == [f"note {n}" for n in range(8)]
    assert (world.folder / "asked").read_text().count("1") == 8
    assert {row["state"] for row in world.rows(session.gateway, "calls")} == {"done"}
    session.close()
    session.gateway.close()
