"""A question about an undo is carried out by whoever carries out the others, although its thread has no graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from agent_guard.errors import UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.nodes import guarded_agent
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel
from agent_guard.types import ToolResult
from agent_guard.work.worker import Worker
from tests.conftest import World
from tests.execution.test_undo import STAGE, back, stage

pytestmark = [pytest.mark.databases, pytest.mark.req("A5", "A7")]


def asked(world: World) -> tuple[Gateway, Session, ToolResult]:
    """A gateway at which somebody asked for an undo, which waits for an answer; and a session that knows no such thread."""
    stages = replace(world.set_stage, undo=back)
    gateway = world.gateway(world.policy(), tools=[world.read_deal, world.create_task, stages, world.send_note])
    thread = gateway.open(world.sdr, party=world.anna)
    first = thread.invoke("crm.set_stage", STAGE)
    thread.resume(str(first.approval_id), "approve", by=world.boss)
    session = Session(guarded_agent(ScriptedModel(), gateway), gateway, checkpointer=InMemorySaver())
    return gateway, session, gateway.undo(str(first.trace_id), by=world.sdr)


def thread_of(gateway: Gateway, result: ToolResult) -> str:
    """The thread of a question."""
    approval = gateway.approvals.get(str(result.approval_id))
    assert approval is not None
    return approval.thread


def test_an_approved_undo_is_carried_out_by_the_worker(world: World) -> None:
    """Once, and then nothing of it is left to do."""
    gateway, session, result = asked(world)
    gateway.answer(str(result.approval_id), "approve", by=world.boss)
    worker = Worker(gateway, lambda scenario: session)
    (done,) = worker.round()
    assert (done.kind, done.status, done.thread) == ("resumed", "delivered", thread_of(gateway, result))
    assert stage(world) == "new" and len(world.desk.effects) == 2
    assert list(worker.round()) == [] and worker.undone() == []


@pytest.mark.parametrize("word", ["approve", "reject", "edit", "respond"])
def test_an_answer_lets_it_go_on(world: World, word: Any) -> None:
    """As on the command line: the answer is recorded, then the session takes the thread up."""
    gateway, session, result = asked(world)
    more: dict[str, Any] = {"args": {"deal_id": "42", "stage": "lost"}} if word == "edit" else {}
    answered = gateway.answer(str(result.approval_id), word, by=world.boss, message="So be it.", **more)
    reply = session.go_on(answered.approval)
    assert reply.status == "delivered" and reply.pending is None
    assert stage(world) == {"approve": "new", "edit": "lost"}.get(word, "won")
    assert reply.text == reply.masked and str(reply.masked).startswith("crm.set_stage: ")
    assert reply.code == (None if word in ("approve", "edit") else "rejected")


async def test_the_async_door_does_the_same(world: World) -> None:
    """From an event loop."""
    gateway, session, result = asked(world)
    answered = await gateway.aanswer(str(result.approval_id), "approve", by=world.boss)
    reply = await session.ago_on(answered.approval)
    assert (reply.status, stage(world)) == ("delivered", "new")


def test_an_undo_that_nobody_answered_ends(world: World) -> None:
    """Its question expires, the call is not done, and the worker raises no alarm."""
    gateway, session, result = asked(world)
    world.clock.forward(seconds=25 * 3600)
    (done,) = Worker(gateway, lambda scenario: session).round()
    assert (done.kind, done.status, done.words) == ("resumed", "delivered", "approval_expired")
    assert stage(world) == "won"
    (row,) = [item for item in world.rows(gateway, "calls") if item["thread"] == thread_of(gateway, result)]
    assert row["state"] == "expired"


def test_an_edit_that_must_be_asked_about_again_waits_again(world: World) -> None:
    """The record changed while the question stood: the new question is what the thread waits for."""
    gateway, session, result = asked(world)
    world.desk.change("42", "lost")
    answered = gateway.answer(str(result.approval_id), "edit", by=world.boss, args={"deal_id": "42", "stage": "new"})
    reply = session.go_on(answered.approval)
    assert reply.status == "pending" and reply.pending is not None
    assert reply.pending.args == {"deal_id": "42", "stage": "new"}
    gateway.answer(reply.pending.id, "approve", by=world.boss)
    assert session.take_up(thread_of(gateway, result)).status == "delivered"  # type: ignore[union-attr]
    assert stage(world) == "new"


def test_another_thread_without_a_graph_is_still_nobodys(world: World) -> None:
    """Only a thread that undoes a call is taken up without a checkpoint."""
    gateway, session, _ = asked(world)
    plain = gateway.open(world.sdr, party=world.anna)
    waiting = plain.invoke("crm.set_stage", {"deal_id": "42", "stage": "lost"})
    answered = gateway.answer(str(waiting.approval_id), "approve", by=world.boss)
    with pytest.raises(UnknownThread, match="the checkpoints hold no thread"):
        session.go_on(answered.approval)
    assert stage(world) == "won"
