"""``protect``: nothing raw is stored, the reader gets the values back, and what cannot be masked is refused."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agent_guard.errors import ApprovalError, ConfigError, PendingApproval, UnknownThread
from agent_guard.guarded import GuardedThread
from agent_guard.integrations.middleware import GuardMiddleware, ProtectedAgent, protect
from agent_guard.nodes import GuardContext
from agent_guard.testing import ScriptedModel, call
from agent_guard.work import turns
from agent_guard.work.worker import Worker
from tests.conftest import World

pytestmark = [pytest.mark.req("A9", "A12"), pytest.mark.databases]

CONFIG: Any = {"configurable": {"thread_id": "t1"}}
NAME = "Anna Kowalska"
APPROVE = {"decisions": [{"type": "approve"}]}


class Safe:
    """A protected agent over a world."""

    def __init__(self, world: World, *turns: Any) -> None:
        self.world, self.gateway = world, world.gateway()
        self.model, self.saver = ScriptedModel(*turns), InMemorySaver()
        graph = create_agent(self.model, [], middleware=[GuardMiddleware(self.gateway)], checkpointer=self.saver)
        self.agent: ProtectedAgent = protect(graph, self.gateway)

    def context(self, **more: Any) -> GuardContext:
        return GuardContext(**({"subject": self.world.sdr, "party": self.world.anna} | more))

    def say(self, text: Any = f"Remind me to call {NAME}.", **more: Any) -> dict[str, Any]:
        return self.agent.invoke({"messages": text}, CONFIG, context=self.context(**more))

    def resume(self, value: Any, by: Any) -> dict[str, Any]:
        return self.agent.invoke(Command(resume=value), CONFIG, context=GuardContext(approver=by))

    def stored(self) -> str:
        return repr([self.saver.storage, self.saver.writes, self.saver.blobs])


def task(subject: str = "Call <PERSON_1>") -> AIMessage:
    return call("crm.create_task", id="c1", deal_id="42", subject=subject)


def stage() -> AIMessage:
    return call("crm.set_stage", id="s1", deal_id="42", stage="won")


def test_nothing_raw_is_stored_and_the_user_reads_it_all(world: World) -> None:
    """The tool and the reader get the value; the model, every checkpoint and every pending write hold pseudonyms."""
    safe = Safe(world, task(), "Done for <PERSON_1>.")
    out = safe.say()
    assert [item.type for item in out["messages"]] == ["human", "ai", "tool", "ai"]
    assert out["messages"][0].content == f"Remind me to call {NAME}."
    assert out["messages"][1].tool_calls[0]["args"]["subject"] == f"Call {NAME}"
    assert out["messages"][-1].content == f"Done for {NAME}."
    assert world.desk.effects[0]["subject"] == f"Call {NAME}"
    assert "Kowalska" not in safe.stored()
    assert "<PERSON_1>" in safe.stored()


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "messages", ["Hi.", [("user", "Hi.")], {"role": "user", "content": "Hi."}, HumanMessage("Hi."), ["Hi.", "There."]]
)
def test_the_forms_of_input_that_langchain_takes(world: World, messages: Any) -> None:
    """Texts, pairs, mappings and messages; one or several."""
    out = Safe(world, "Hello.").say(messages)
    assert (out["messages"][0].content, out["messages"][-1].content) == ("Hi.", "Hello.")


def test_an_answer_reads_the_checkpoint_once_for_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question, and who reads the reply, are found in one look at where the thread stands; the run looks again."""
    safe = Safe(world, stage(), "Moved it for <PERSON_1>.")
    safe.say()
    looks: list[None] = []
    read = safe.saver.get_tuple
    monkeypatch.setattr(safe.saver, "get_tuple", lambda config: looks.append(None) or read(config))
    assert safe.resume(APPROVE, world.boss)["messages"][-1].content == f"Moved it for {NAME}."
    assert len(looks) == 2


def test_a_call_is_masked_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the middleware masked and marked is executed as it stands."""
    again: list[None] = []
    monkeypatch.setattr(GuardedThread, "masked_call", lambda *_: again.append(None))
    Safe(world, task(), "Done.").say()
    assert (len(world.desk.effects), again) == (1, [])


def test_a_customer_reads_its_own_words_alone(world: World) -> None:
    """What the party did not say itself stays a pseudonym in what it is given."""
    safe = Safe(world, "Write to <EMAIL_2> or <EMAIL_3>.")
    safe.gateway.open(world.sdr, thread_id="t1", party=world.anna, trusted={"email": {"boss@firm.example"}})
    out = safe.say("I am ada@other.example.", speaker="party")
    assert out["messages"][-1].content == "Write to <EMAIL_2> or ada@other.example."


def test_an_answer_is_recorded_before_langgraph_stores_it(world: World) -> None:
    """An edit with a raw value and a rejection with a raw reason: neither is in a checkpoint."""
    safe = Safe(world, stage(), "Done.")
    assert safe.say("See to it.")["__interrupt__"]
    edit = {"type": "edit", "edited_action": {"name": "crm.set_stage", "args": {"deal_id": "42", "stage": "lost"}}}
    safe.resume(edit, world.boss)
    assert [item["stage"] for item in world.desk.effects] == ["lost"]
    other = Safe(world, stage(), "Fine.")
    other.say("See to it.")
    other.resume({"type": "reject", "message": "Ask eve@elsewhere.example first."}, world.boss)
    assert "elsewhere" not in other.stored()


@pytest.mark.parametrize(
    ("value", "who", "words"),
    [
        ("yes", "boss", "an object such as"),
        ({"type": "approve", "approval_id": "apr_other"}, "boss", "the question that waits"),
        (APPROVE, "sdr", "may not answer"),
        (APPROVE, "stranger", "there is no approval"),
        (APPROVE, None, "nobody is known to answer"),
    ],
)
def test_a_refused_answer_reaches_no_graph(world: World, value: Any, who: str | None, words: str) -> None:
    """It is an error for whoever gave it, and the question stays."""
    safe = Safe(world, stage(), "Done.")
    safe.say("See to it.")
    with pytest.raises(ApprovalError, match=words):
        safe.resume(value, getattr(world, who) if who else None)
    safe.resume(APPROVE, world.boss)
    assert [item["stage"] for item in world.desk.effects] == ["won"]


def test_an_answer_to_an_older_question_is_not_taken_for_the_newer(world: World) -> None:
    """The first one expired and another is asked: an answer that names none may be meant for the first."""
    safe = Safe(world, stage(), call("crm.set_stage", id="s2", deal_id="42", stage="lost"), "Done.")
    safe.say("See to it.")
    world.clock.forward(hours=24)
    (asked,) = safe.say("No, it is lost.")["__interrupt__"]
    with pytest.raises(ApprovalError, match="name the approval_id"):
        safe.resume(APPROVE, world.boss)
    assert world.desk.effects == []
    safe.resume({"type": "approve", "approval_id": asked.value["agent_guard"]["approval_id"]}, world.boss)
    assert [item["stage"] for item in world.desk.effects] == ["lost"]


@pytest.mark.req("A12", "B7")
@pytest.mark.parametrize("door", ["invoke", "ainvoke", "stream", "astream", "astream_events"])
async def test_an_answer_outlives_the_process_that_took_it(world: World, door: str, monkeypatch: Any) -> None:
    """Who is told that an answer counts is told the truth: where the graph did not go on, a worker lets it."""
    safe = Safe(world, stage(), "Done.")
    safe.say("See to it.")

    def dies(*_: Any, **__: Any) -> Any:
        raise SystemExit

    given = {"context": GuardContext(approver=world.boss)}
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(safe.agent.graph, door, dies)
        if door == "invoke":
            safe.agent.invoke(Command(resume=APPROVE), CONFIG, **given)
        elif door == "stream":
            list(safe.agent.stream(Command(resume=APPROVE), CONFIG, **given))
        elif door == "ainvoke":
            await safe.agent.ainvoke(Command(resume=APPROVE), CONFIG, **given)
        else:
            async for _ in getattr(safe.agent, door)(Command(resume=APPROVE), CONFIG, **given):
                pass
    assert world.desk.effects == []
    (done,) = Worker(safe.gateway, lambda _: safe.agent).round()
    assert (done.kind, done.status) == ("resumed", "delivered")
    assert [item["stage"] for item in world.desk.effects] == ["won"]
    assert turns.undone(safe.gateway) == []


def test_while_another_process_carries_an_answer_out(world: World) -> None:
    """It is not run twice at the same time; whoever asks is told to look again."""
    safe = Safe(world, stage(), "Done.")
    safe.say("See to it.")
    with turns.turn(safe.gateway, "t1", again=True), pytest.raises(PendingApproval, match="just going on"):
        safe.resume(APPROVE, world.boss)
    assert world.desk.effects == []


def test_answered_twice(world: World) -> None:
    """The same answer again finds no question, and nothing happens twice."""
    safe = Safe(world, stage(), "Done.")
    safe.say("See to it.")
    safe.resume(APPROVE, world.boss)
    with pytest.raises(ApprovalError, match="no question of this thread waits"):
        safe.resume(APPROVE, world.boss)
    assert len(world.desk.effects) == 1


def test_a_message_while_a_question_waits(world: World) -> None:
    """It is refused, as a Session refuses it."""
    safe = Safe(world, stage(), "Done.")
    safe.say("See to it.")
    with pytest.raises(PendingApproval):
        safe.say("And now?")


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"messages": "Hi.", "files": {"a": "raw"}}, "'messages'"),
        ({}, "'messages'"),
        ({"messages": [AIMessage("I am the model.")]}, "type 'ai'"),
        ({"messages": [("system", "Be brief.")]}, "type 'system'"),
        ({"messages": [HumanMessage([{"type": "image", "base64": "AA"}])]}, "takes texts"),
        (Command(update={"messages": "raw"}), "resume"),
        (Command(resume="x", goto="tools"), "resume"),
    ],
)
def test_what_cannot_be_masked_is_refused(world: World, given: Any, words: str) -> None:
    """Nothing of it is stored."""
    safe = Safe(world, "Hello.")
    with pytest.raises(ConfigError, match=words):
        safe.agent.invoke(given, CONFIG, context=safe.context())
    assert safe.model.heard == []


def test_whose_thread(world: World) -> None:
    """No id, a thread that nobody opened, and one of another tenant: refused."""
    safe = Safe(world, "Hello.", "Never said.")
    with pytest.raises(UnknownThread, match="no thread_id"):
        safe.agent.invoke({"messages": "Hi."}, context=safe.context())
    with pytest.raises(UnknownThread, match="there is no thread"):
        safe.agent.invoke({"messages": "Hi."}, CONFIG)
    safe.say("Hi.")
    with pytest.raises(ConfigError, match="belongs to another conversation"):
        safe.say("Hi.", subject=world.stranger)


@pytest.mark.databases("sqlite")
def test_without_a_checkpointer(world: World) -> None:
    """It is refused when it is built."""
    gateway = world.gateway()
    with pytest.raises(ConfigError, match="checkpointer"):
        protect(create_agent(ScriptedModel(), [], middleware=[GuardMiddleware(gateway)]), gateway)


def test_a_stream_is_restored_part_by_part(world: World) -> None:
    """Every part that holds a message has the values in it, and nothing raw is stored."""
    safe = Safe(world, task(), "Done for <PERSON_1>.")
    given = {"messages": f"Call {NAME}."}
    parts = list(
        safe.agent.stream(given, CONFIG, context=safe.context(), stream_mode=["updates", "messages", "values"])
    )
    text = repr(parts)
    assert f"Done for {NAME}." in text
    assert "content='Done for <PERSON_1>.'" not in text
    assert {mode for mode, _ in parts} == {"updates", "messages", "values"}
    assert "Kowalska" not in safe.stored()


async def test_from_an_event_loop(world: World) -> None:
    """``ainvoke`` and ``astream``: the same."""
    safe = Safe(world, task(), "Done for <PERSON_1>.", stage(), "Moved.")
    out = await safe.agent.ainvoke({"messages": f"Call {NAME}."}, CONFIG, context=safe.context())
    assert out["messages"][-1].content == f"Done for {NAME}."
    parts = [part async for part in safe.agent.astream({"messages": "Move it."}, CONFIG, context=safe.context())]
    assert "__interrupt__" in parts[-1]
    out = await safe.agent.ainvoke(Command(resume=APPROVE), CONFIG, context=GuardContext(approver=world.boss))
    assert out["messages"][-1].content == "Moved."
    assert "Kowalska" not in safe.stored()


def test_it_is_a_session_too(world: World) -> None:
    """``resume``, ``state`` and the worker work on the same thread."""
    safe = Safe(world, stage(), "Moved.")
    safe.say("See to it.")
    pending = safe.agent.state("t1", by=world.sdr).pending
    assert pending is not None
    safe.gateway.answer(pending.id, "approve", by=world.boss)
    (done,) = Worker(safe.gateway, lambda scenario: safe.agent).round()
    assert (done.status, len(world.desk.effects)) == ("delivered", 1)


def test_a_graph_of_ours_is_protected_the_same_way(world: World) -> None:
    """``guarded_agent`` has the same ``invoke`` behind it."""
    from agent_guard.nodes import guarded_agent

    gateway, saver = world.gateway(), InMemorySaver()
    agent = protect(guarded_agent(ScriptedModel(task(), "Done for <PERSON_1>."), gateway), gateway, checkpointer=saver)
    out = agent.invoke({"messages": f"Call {NAME}."}, CONFIG, context=GuardContext(subject=world.sdr, party=world.anna))
    assert out["messages"][-1].content == f"Done for {NAME}."
    assert "Kowalska" not in repr([saver.storage, saver.writes, saver.blobs])
