"""Two rejections in a row end the run: nothing more is proposed until the subject says something new."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from agent_guard.guarded import GuardedThread
from agent_guard.nodes import guarded_agent
from agent_guard.policy import Policy
from agent_guard.session import Reply, Session
from agent_guard.testing import ScriptedModel, call
from agent_guard.types import Code, ToolResult
from tests.conftest import World

pytestmark = [pytest.mark.databases, pytest.mark.req("A8", "A12", "A22")]

STOPPED = "A person stopped this. I do nothing more here until you tell me what else to do."


def asking(world: World, **top: Any) -> Policy:
    """The company's policy; whatever writes is asked about."""
    asked = {name: {"mode": "approve"} for name in ("crm.create_task", "messages.send")}
    return world.policy(asked, loops={"same_call": 20, "cycle": 20}, **top)


def task(n: int) -> Any:
    """A model's message that wants another task."""
    return call("crm.create_task", id=f"c{n}", deal_id="42", subject=f"Call {n}")


def asked(thread: GuardedThread, n: int) -> ToolResult:
    """The nth proposal of a thread."""
    return thread.invoke("crm.create_task", {"deal_id": "42", "subject": f"Call {n}"})


def answered(world: World, thread: GuardedThread, n: int, word: Any, **more: Any) -> ToolResult:
    """The nth proposal, and a person's answer to it a second later."""
    pending = asked(thread, n)
    assert pending.status == "pending"
    world.clock.forward(seconds=1)
    return thread.resume(pending.approval_id or "", word, by=world.boss, **more)


# ---- without a graph


def test_the_second_rejection_in_a_row_stops_the_thread(world: World) -> None:
    """The first goes back to the model, the second stops it, and whatever is proposed then is denied."""
    thread = world.gateway(asking(world)).open(world.sdr, party=world.anna, user_text="Make some tasks")
    first, second = (answered(world, thread, n, "reject") for n in (1, 2))
    assert (first.status, first.code, first.stop) == ("denied", Code.REJECTED, False)
    assert (second.status, second.code, second.stop) == ("denied", Code.REJECTED_TWICE, True)
    assert "second rejection in a row" in second.content
    for tool, args in (
        ("crm.create_task", {"deal_id": "42", "subject": "Call 3"}),
        ("crm.read_deal", {"deal_id": "42"}),
    ):
        denied = thread.invoke(tool, args)
        assert (denied.status, denied.code, denied.stop) == ("denied", Code.REJECTED_TWICE, True)
        assert thread.check(tool, args).code is Code.REJECTED_TWICE
    assert world.desk.effects == []


def test_the_subjects_next_words_begin_anew(world: World) -> None:
    """After a new message of the subject two more rejections are needed; a customer's or an outsider's words are none."""
    thread = world.gateway(asking(world)).open(world.sdr, party=world.anna, user_text="Make some tasks")
    for n in (1, 2):
        answered(world, thread, n, "reject")
    thread.observe("Please go on!", origin="party", source="m2")
    thread.observe("Please go on!", origin="untrusted", source="ticket 7")
    assert asked(thread, 3).code is Code.REJECTED_TWICE
    thread.observe("Then make another one", origin="user", source="m3")
    assert answered(world, thread, 4, "reject").code is Code.REJECTED
    assert answered(world, thread, 5, "reject").code is Code.REJECTED_TWICE


def test_a_thread_whose_subject_never_spoke_is_stopped_as_well(world: World) -> None:
    """Where only the customer speaks, two rejections stop it until the subject says something."""
    thread = world.gateway(asking(world)).open(world.sdr, party=world.anna)
    assert [answered(world, thread, n, "reject").code for n in (1, 2)] == [Code.REJECTED, Code.REJECTED_TWICE]
    thread.observe("Go on", origin="user", source="m1")
    assert asked(thread, 3).status == "pending"


@pytest.mark.parametrize(
    ("word", "more"),
    [
        ("approve", {}),
        ("respond", {"message": "Ask her for the number of trucks first"}),
        ("edit", {"args": {"deal_id": "42", "subject": "Call in March"}}),
    ],
    ids=["approve", "respond", "edit"],
)
def test_any_other_answer_ends_the_row(world: World, word: Any, more: Any) -> None:
    """A person who approves, answers or edits in between is at work with the agent."""
    thread = world.gateway(asking(world)).open(world.sdr, party=world.anna, user_text="Make some tasks")
    answered(world, thread, 1, "reject")
    answered(world, thread, 2, word, **more)
    assert answered(world, thread, 3, "reject").code is Code.REJECTED
    assert answered(world, thread, 4, "reject").code is Code.REJECTED_TWICE


def test_a_question_that_nobody_answered_is_no_answer(world: World) -> None:
    """What expired in between neither counts nor ends the row."""
    thread = world.gateway(asking(world)).open(world.sdr, party=world.anna, user_text="Make some tasks")
    answered(world, thread, 1, "reject")
    asked(thread, 2)
    world.clock.forward(hours=25)
    assert answered(world, thread, 3, "reject").code is Code.REJECTED_TWICE


def test_another_thread_is_not_stopped(world: World) -> None:
    """Each conversation has a row of its own."""
    gateway = world.gateway(asking(world))
    threads = [gateway.open(world.sdr, party=world.anna, user_text="Make some tasks") for _ in range(2)]
    for n, thread in enumerate(threads):
        assert answered(world, thread, n, "reject").code is Code.REJECTED
    assert asked(threads[0], 7).status == "pending"


def test_an_answer_given_twice_is_told_the_same(world: World) -> None:
    """Whoever repeats the first rejection later hears what the first one was."""
    thread = world.gateway(asking(world)).open(world.sdr, party=world.anna, user_text="Make some tasks")
    first = answered(world, thread, 1, "reject")
    answered(world, thread, 2, "reject")
    again = thread.resume(first.approval_id or "", "reject", by=world.boss)
    assert (again.code, again.content) == (first.code, first.content)


@pytest.mark.req("A5")
def test_the_record_says_why(world: World) -> None:
    """The denial is decided on recorded facts and by the loop guard."""
    thread = world.gateway(asking(world)).open(world.sdr, party=world.anna, user_text="Make some tasks")
    for n in (1, 2):
        answered(world, thread, n, "reject")
    asked(thread, 3)
    data = thread.gateway.audit.events(thread=thread.id)[-1].data
    assert data["facts"]["rejections"] == 2
    assert data["error"] == {"class": "approval", "code": "rejected_twice", "detail": None}
    assert data["decision"]["guards"][-1] == {"guard": "loops", "outcome": "deny", "code": "rejected_twice"}


# ---- through LangGraph


def session(world: World, *turns: Any) -> tuple[Session, ScriptedModel]:
    """A graph of the guard nodes on a gateway where tasks are asked about."""
    gateway = world.gateway(asking(world), file=True)
    model = ScriptedModel(*turns)
    return Session(guarded_agent(model, gateway), gateway, checkpointer=f"sqlite:///{world.folder}/threads.db"), model


def rejected(world: World, session: Session, reply: Reply, **more: Any) -> Reply:
    """A rejection of what the thread waits for, a second later."""
    assert reply.pending is not None
    world.clock.forward(seconds=1)
    return session.resume(reply.pending.id, "reject", by=world.boss, **more)


def told(session: Session, thread: str) -> list[dict[str, Any]]:
    """What the model was told of its calls."""
    messages = session.graph.get_state({"configurable": {"thread_id": thread}}).values["messages"]
    return [json.loads(str(item.content)) for item in messages if isinstance(item, ToolMessage)]


def test_the_graph_ends_with_the_second_rejection(world: World) -> None:
    """The run is over, the model is not asked again, and the user reads that a person stopped it."""
    talk, model = session(world, task(1), task(2), task(3))
    with talk:
        reply = talk.start("Make some tasks", world.sdr, speaker="user", party=world.anna, thread_id="t1")
        reply = rejected(world, talk, reply)
        assert reply.status == "pending"
        reply = rejected(world, talk, reply, message="Anna Kowalska has enough of them")
        assert (reply.status, reply.code, reply.text) == ("escalated", Code.REJECTED_TWICE, STOPPED)
        assert reply.reason is not None and "<PERSON_1> has enough" in reply.reason
        assert [item["code"] for item in told(talk, "t1")] == ["rejected", "rejected_twice"]
        assert len(model.heard) == 2
    assert world.desk.effects == []


def test_the_users_next_message_lets_the_graph_go_on(world: World) -> None:
    """The same thread proposes again, is asked about, and runs."""
    talk, _ = session(world, task(1), task(2), task(3), "Made.")
    with talk:
        reply = talk.start("Make some tasks", world.sdr, speaker="user", party=world.anna, thread_id="t1")
        rejected(world, talk, rejected(world, talk, reply))
        reply = talk.send("t1", "Only one, then", speaker="user", by=world.sdr)
        assert reply.pending is not None
        world.clock.forward(seconds=1)
        assert talk.resume(reply.pending.id, "approve", by=world.boss).text == "Made."
    assert [item["subject"] for item in world.desk.effects] == ["Call 3"]


def test_a_customers_message_does_not(world: World) -> None:
    """What the model wants after it is denied, and a person is called again."""
    talk, _ = session(world, task(1), task(2), task(3))
    with talk:
        reply = talk.start("Make some tasks", world.sdr, speaker="user", party=world.anna, thread_id="t1")
        rejected(world, talk, rejected(world, talk, reply))
        reply = talk.send("t1", "Go on, please", speaker="party", by=world.sdr)
        assert (reply.status, reply.code, reply.masked) == ("escalated", Code.REJECTED_TWICE, STOPPED)
    assert world.desk.effects == []


def test_the_rest_of_the_message_is_dropped(world: World) -> None:
    """Of three calls in one message the third is not asked about after the second was rejected."""
    calls = [dict(task(n).tool_calls[0]) for n in (1, 2, 3)]
    talk, _ = session(world, AIMessage("Three tasks.", tool_calls=calls))
    with talk:
        reply = talk.start("Make some tasks", world.sdr, speaker="user", party=world.anna, thread_id="t1")
        reply = rejected(world, talk, rejected(world, talk, reply))
        assert (reply.status, reply.pending) == ("escalated", None)
        assert talk.gateway.approvals.list() == []
        assert [item["code"] for item in told(talk, "t1")] == ["rejected", "rejected_twice"]
