"""The guard nodes in a graph of LangGraph, run as its users run it: no Session, their own checkpointer, any client."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from agent_guard.errors import ConfigError, StoreError, ToolRejected
from agent_guard.nodes import GuardContext, guarded_agent
from agent_guard.testing import ScriptedModel, assert_no_personal_data, call
from agent_guard.types import Subject
from tests.conftest import World

pytestmark = pytest.mark.databases

CONFIG: Any = {"configurable": {"thread_id": "t1"}}
TASK = call("crm.create_task", deal_id="42", subject="Call Anna Kowalska")
STAGE = call("crm.set_stage", deal_id="42", stage="won")
APPROVE = {"decisions": [{"type": "approve"}]}
HI: Any = {"messages": [HumanMessage("Please.")]}


class Bench:
    """One graph over a world, with its model and thread ``t1``."""

    def __init__(self, world: World, *turns: Any, policy: Any = None, saver: Any = None, **options: Any) -> None:
        self.world = world
        self.model = turns[0] if isinstance(turns[0], ScriptedModel) else ScriptedModel(*turns)
        anonymous = options.pop("allow_anonymous_approver", False)
        self.gateway = world.gateway(policy, **options)
        self.thread = self.gateway.open(world.sdr, thread_id="t1", party=world.anna)
        self.saver = saver or InMemorySaver()
        self.graph = guarded_agent(
            self.model, self.gateway, checkpointer=self.saver, allow_anonymous_approver=anonymous
        )

    def say(self, given: Any = None, **options: Any) -> dict[str, Any]:
        """Runs the graph with a message, an answer or nothing."""
        return dict(self.graph.invoke(HI if given is None else given, CONFIG, **options))

    def resume(self, value: Any, by: Subject | None = World.boss, **options: Any) -> dict[str, Any]:
        """Answers the question that waits."""
        return dict(self.graph.invoke(Command(resume=value), CONFIG, context=GuardContext(approver=by), **options))

    def codes(self) -> list[str]:
        """The codes the model was told, in order."""
        messages = self.graph.get_state(CONFIG).values["messages"]
        return [json.loads(str(item.content))["code"] for item in messages if isinstance(item, ToolMessage)]


def question(out: Any) -> dict[str, Any]:
    """The payload of the one interrupt of an output."""
    (found,) = out["__interrupt__"]
    return dict(found.value)


# ---- the graph


def test_the_nodes_are_frozen_api(world: World) -> None:
    """Paused threads outlive deployments, so these names never change."""
    nodes = set(Bench(world, "Hello").graph.get_graph().nodes) - {"__start__", "__end__"}
    assert nodes == {"plan", "decide", "approve", "execute", "deliver", "escalate"}


@pytest.mark.req("A24", "B2")
def test_a_call_goes_from_the_plan_to_the_answer(world: World) -> None:
    """The model states its plan, the call is decided and executed, and the model reads what it did."""
    bench = Bench(world, TASK, "I made a task for <PERSON_1>.")
    out = bench.say()
    assert (out["status"], out["outcome"], out["queue"]) == ("delivered", None, [])
    assert [type(item) for item in out["messages"]] == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    assert json.loads(str(out["messages"][2].content)) == {
        "status": "executed",
        "code": "allowed",
        "reference": "task:1",
        "result": {"task_id": "1", "subject": "Call <PERSON_1>"},
    }
    assert [item["subject"] for item in world.desk.effects] == ["Call Anna Kowalska"]
    assert [type(item) for item in bench.model.heard[1]][-2:] == [AIMessage, ToolMessage]


@pytest.mark.req("A1", "A21", "B10")
def test_the_model_is_shown_its_tools_and_its_context_only(world: World) -> None:
    """The model gets the tools in scope, pseudonyms, and the ids that the host gave; no value and no key."""
    bench = Bench(world, "Hello")
    bench.say({"messages": [HumanMessage("Anna Kowalska, +48 512 345 678, wants a call")]})
    names = [item["function"]["name"] for item in bench.model.tools]
    assert names == ["crm__read_deal", "crm__create_task", "crm__set_stage", "messages__send"]
    heard = "\n".join(message.text for message in bench.model.heard[0])
    assert "<PERSON_1>, <PHONE_1>, wants a call" in heard
    assert '"deal_id": "42"' in heard
    assert "Kowalska" not in heard


@pytest.mark.req("A1")
def test_a_thread_that_nobody_opened_is_escalated(world: World) -> None:
    """Without a stored requester there are no rights: the run ends with a person, and the model is not called."""
    bench = Bench(world, TASK)
    out = bench.graph.invoke(HI, {"configurable": {"thread_id": "t9"}})
    assert out["status"] == "escalated"
    assert bench.model.heard == []


# ---- ways to run it


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest, world: World) -> Iterator[Any]:
    """Both checkpointers that a laptop has."""
    if request.param == "memory":
        yield InMemorySaver()
        return
    connection = sqlite3.connect(world.folder / "threads.db", check_same_thread=False)
    yield SqliteSaver(connection)
    connection.close()


@pytest.mark.req("A4", "A12")
def test_invoke_pauses_and_resumes(world: World, saver: Any) -> None:
    """A call that needs a human interrupts the graph; the answer lets it go on to the end."""
    bench = Bench(world, STAGE, "Moved.", saver=saver)
    asked = question(bench.say())
    assert asked["action_requests"][0]["name"] == "crm.set_stage"
    assert world.desk.effects == []
    out = bench.resume(APPROVE)
    assert (out["status"], out["messages"][-1].text) == ("delivered", "Moved.")
    assert len(world.desk.effects) == 1


async def test_ainvoke_is_the_same(world: World) -> None:
    """The asynchronous door pauses, resumes and executes alike."""
    bench = Bench(world, STAGE, "Moved.", file=True)
    asked = question(await bench.graph.ainvoke(HI, CONFIG))
    assert asked["action_requests"][0]["name"] == "crm.set_stage"
    out = await bench.graph.ainvoke(Command(resume=APPROVE), CONFIG, context=GuardContext(approver=world.boss))
    assert out["status"] == "delivered"
    assert len(world.desk.effects) == 1


def test_version_2_of_the_output_is_the_same(world: World) -> None:
    """``version="v2"`` gives the interrupts beside the value."""
    bench = Bench(world, STAGE, "Moved.")
    first: Any = bench.graph.invoke(HI, CONFIG, version="v2")
    (found,) = first.interrupts
    assert found.value["action_requests"][0]["name"] == "crm.set_stage"
    second: Any = bench.graph.invoke(
        Command(resume=APPROVE), CONFIG, context=GuardContext(approver=world.boss), version="v2"
    )
    assert second.interrupts == ()
    assert second.value["status"] == "delivered"


INVENTED = "Her number is +48 601 234 567."


def pieces(parts: Any) -> str:
    """Everything of a stream, as text."""
    return "\n".join(repr(part) for part in parts)


@pytest.mark.req("A23", "B6")
@pytest.mark.parametrize("mode", ["values", "updates", "messages", "tasks", "checkpoints", "debug"])
def test_no_stream_holds_a_raw_value(world: World, mode: Any) -> None:
    """Neither the customer's values nor one that the model invents stand in any mode of the stream."""
    world.desk.note = "Ask Anna Kowalska"
    talk = replace_text(call("crm.read_deal", f"{INVENTED}", deal_id="42"), INVENTED)
    bench = Bench(world, talk, STAGE, INVENTED)
    seen = pieces(bench.graph.stream(HI, CONFIG, stream_mode=mode))
    answer: Any = Command(resume=APPROVE)
    seen += pieces(bench.graph.stream(answer, CONFIG, context=GuardContext(approver=world.boss), stream_mode=mode))
    assert "crm__" in seen or "PHONE_2" in seen, "the stream must not be empty"
    assert "Kowalska" not in seen
    assert "601 234 567" not in seen
    assert len(world.desk.effects) == 1


def replace_text(message: AIMessage, text: str) -> AIMessage:
    """A model's message with other words before its call."""
    return message.model_copy(update={"content": text})


async def test_astream_is_the_same(world: World) -> None:
    """An asynchronous stream names the nodes in their order and holds no raw value."""
    bench = Bench(world, TASK, INVENTED, file=True)
    parts = [part async for part in bench.graph.astream(HI, CONFIG, stream_mode="updates")]
    assert [next(iter(part)) for part in parts] == ["plan", "decide", "execute", "plan", "deliver"]
    assert "601 234 567" not in repr(parts)
    assert len(world.desk.effects) == 1


@pytest.mark.req("A23", "B6")
def test_what_the_model_invents_is_masked_before_it_is_stored(world: World) -> None:
    """A raw value in the model's words, reason or arguments reaches the state as a pseudonym of nobody's."""
    said = replace_text(call("crm.create_task", INVENTED, deal_id="42", subject=f"Call {INVENTED}"), INVENTED)
    bench = Bench(world, said, "Done.")
    out = bench.say()
    assert "601 234 567" not in repr(out)
    assert "601 234 567" not in repr(list(bench.graph.get_state_history(CONFIG)))
    origins = {entry.value: entry.origins for entry in bench.thread.vault().entries()}
    assert origins["+48 601 234 567"] == ("invented",) or "trusted" in origins["+48 601 234 567"]


# ---- answers

DIALECTS = [
    APPROVE,
    {"type": "approve"},
    [{"type": "approve"}],
    [{"type": "accept", "args": None}],
    [{"type": "accept", "args": {"action": "crm.set_stage", "args": {"deal_id": "42", "stage": "won"}}}],
]


@pytest.mark.parametrize("value", DIALECTS, ids=repr)
def test_every_client_can_approve(world: World, value: Any) -> None:
    """LangChain's, agent-chat-ui's, Studio's and Agent Inbox's forms of yes."""
    bench = Bench(world, STAGE, "Moved.")
    bench.say()
    assert bench.resume(value)["status"] == "delivered"
    assert len(world.desk.effects) == 1


def test_an_answer_under_the_interrupts_id_counts(world: World) -> None:
    """``Command(resume={id: answer})`` is how the SDK answers one of several interrupts."""
    bench = Bench(world, STAGE, "Moved.")
    (asked,) = bench.say()["__interrupt__"]
    assert bench.resume({asked.id: APPROVE})["status"] == "delivered"
    assert len(world.desk.effects) == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"decisions": [{"type": "reject", "message": "Ask Anna Kowalska first"}]}, "Ask <PERSON_1> first"),
        ([{"type": "response", "args": "Not now"}], "Not now"),
        ([{"type": "ignore", "args": None}], "A person rejected this."),
        ({"decisions": [{"type": "respond", "message": "It is won already"}]}, "It is won already"),
    ],
)
@pytest.mark.req("A12")
def test_every_client_can_say_no(world: World, value: Any, words: str) -> None:
    """A rejection runs nothing, and the model is told what the human said, masked."""
    bench = Bench(world, STAGE, "Understood.")
    bench.say()
    out = bench.resume(value)
    assert out["status"] == "delivered"
    assert words in str(out["messages"][-2].content)
    assert world.desk.effects == []


BAD = [
    "yes",
    7,
    {"decisions": []},
    {"decisions": [{"type": "approve"}, {"type": "approve"}]},
    {"type": "edit", "edited_action": {"name": "crm.delete", "args": {}}},
    {"approval_id": "apr_of_somebody_else"},
    {"type": "approve", "approval_id": "apr_of_somebody_else"},
    {"decisions": [{"type": "edit", "edited_action": {"name": "crm.set_stage", "args": {"stage": "lost"}}}]},
]


@pytest.mark.req("A8")
def test_a_bad_answer_is_asked_again_and_never_bricks_the_thread(world: World, saver: Any) -> None:
    """Answer after answer that cannot be used is asked again with what was wrong; a good one still works."""
    bench = Bench(world, STAGE, "Moved.", saver=saver)
    first = question(bench.say())
    for value in BAD:
        again = question(bench.resume(value))
        assert again["agent_guard"]["approval_id"] == first["agent_guard"]["approval_id"]
        assert again["agent_guard"]["previous_error"]
        assert again["agent_guard"]["previous_error"] in again["action_requests"][0]["description"]
        assert world.desk.effects == []
    again = question(bench.graph.invoke(None, CONFIG))
    assert again["agent_guard"]["previous_error"]
    assert bench.resume(APPROVE)["status"] == "delivered"
    assert len(world.desk.effects) == 1


@pytest.mark.req("A12", "B5")
@pytest.mark.parametrize(
    "by",
    [None, World.sdr, World.stranger, Subject(id="m7", tenant="acme", roles={"intern"})],
    ids=["nobody", "requester", "other tenant", "wrong role"],
)
def test_an_answer_of_the_wrong_person_is_asked_again(world: World, by: Subject | None) -> None:
    """Who may not answer, or is not known, changes nothing; the right person still can."""
    bench = Bench(world, STAGE, "Moved.")
    bench.say()
    again = question(bench.resume(APPROVE, by))
    assert again["agent_guard"]["previous_error"]
    assert world.desk.effects == []
    assert bench.resume(APPROVE)["status"] == "delivered"


def test_the_resumer_is_not_the_executor(world: World) -> None:
    """The call runs with the requester's rights and name, whoever answered."""
    bench = Bench(world, TASK, "Done.", policy=world.policy({"crm.create_task": {"mode": "approve"}}))
    bench.say()
    bench.resume(APPROVE)
    assert [item["by"] for item in world.desk.effects] == ["u1"]


def test_anonymous_approvers_are_for_dev(world: World) -> None:
    """A graph that takes an answer of nobody cannot be built for another environment."""
    bench = Bench(world, STAGE, "Moved.", allow_anonymous_approver=True)
    bench.say()
    assert bench.resume(APPROVE, None)["status"] == "delivered"
    with pytest.raises(ConfigError, match="'dev' only"):
        Bench(world, STAGE, allow_anonymous_approver=True, environment="stage")


@pytest.mark.req("A23")
def test_an_edit_through_a_bare_graph_is_refused(world: World) -> None:
    """LangGraph would store the edit's values as they come, so no edit is offered and none is taken."""
    bench = Bench(world, STAGE, "Moved.")
    assert question(bench.say())["review_configs"][0]["allowed_decisions"] == ["approve", "reject"]
    edit = {"type": "edit", "edited_action": {"name": "crm.set_stage", "args": {"deal_id": "42", "stage": "lost"}}}
    assert "Session" in question(bench.resume(edit))["agent_guard"]["previous_error"]
    assert world.desk.effects == []


@pytest.mark.req("A12")
def test_an_edit_through_a_door_that_masks_is_decided_again(world: World) -> None:
    """Where the door masks, the edited call runs in the place of the old one."""
    bench = Bench(world, STAGE, "Moved.")
    bench.say()
    edit = {"type": "edit", "edited_action": {"name": "crm.set_stage", "args": {"deal_id": "42", "stage": "lost"}}}
    context = GuardContext(approver=world.boss, masks_answers=True)
    out = bench.graph.invoke(Command(resume=edit), CONFIG, context=context)
    assert out["status"] == "delivered"
    assert [item["stage"] for item in world.desk.effects] == ["lost"]
    answered = [item for item in out["messages"] if isinstance(item, ToolMessage)]
    assert [item.tool_call_id for item in answered] == [STAGE.tool_calls[0]["id"]], "the model's call is answered once"


def test_an_answer_that_came_too_late_is_told(world: World) -> None:
    """An expired question ends its call, and the model learns that nobody answered in time."""
    bench = Bench(world, STAGE, "Nobody answered.")
    bench.say()
    world.clock.forward(hours=24)
    assert bench.resume(APPROVE)["status"] == "delivered"
    assert bench.codes() == ["approval_expired"]
    assert world.desk.effects == []


@pytest.mark.req("A12")
def test_a_late_answer_is_not_taken_for_the_next_question(world: World) -> None:
    """Somebody was too late and the model asked something else: who still looks at the first question approves neither."""
    lost = call("crm.set_stage", id="c2", deal_id="42", stage="lost")
    bench = Bench(world, STAGE, lost, "Moved.")
    bench.say()
    world.clock.forward(hours=24)
    new = question(bench.resume(APPROVE))["agent_guard"]["approval_id"]
    stale = question(bench.resume(APPROVE, replace(world.boss, id="m8")))
    assert "approval_id" in stale["agent_guard"]["previous_error"]
    assert world.desk.effects == []
    assert bench.resume({"type": "approve", "approval_id": new})["status"] == "delivered"
    assert [item["stage"] for item in world.desk.effects] == ["lost"]


@pytest.mark.req("A12", "A7")
def test_an_answer_recorded_elsewhere_is_enough(world: World) -> None:
    """The console records the answer, and any resume that names the approval lets the thread go on."""
    bench = Bench(world, STAGE, "Moved.")
    id = question(bench.say())["agent_guard"]["approval_id"]
    assert "no answer yet" in question(bench.resume({"approval_id": id}, None))["agent_guard"]["previous_error"]
    bench.gateway.answer(id, "approve", by=world.boss)
    assert bench.resume({"approval_id": id}, None)["status"] == "delivered"
    assert len(world.desk.effects) == 1


# ---- once


@pytest.mark.req("A6", "A7")
def test_an_old_checkpoint_does_not_run_a_call_again(world: World, saver: Any) -> None:
    """Time travel to every checkpoint of the thread, resumed with an approval each time, adds no effect."""
    bench = Bench(world, STAGE, "Moved.", saver=saver)
    bench.say()
    bench.resume(APPROVE)
    assert len(world.desk.effects) == 1
    for old in list(bench.graph.get_state_history(CONFIG)):
        for given in (None, Command(resume=APPROVE)):
            bench.graph.invoke(given, old.config, context=GuardContext(approver=world.boss))
    assert len(world.desk.effects) == 1


@pytest.mark.req("A6", "A7")
def test_a_replayed_call_without_approval_does_not_run_again(world: World) -> None:
    """The same for a tool that executes at once and has no key fields: thread and call id are the key."""
    bench = Bench(world, call("messages.send", text="Hello"), "Sent.")
    bench.say()
    for old in list(bench.graph.get_state_history(CONFIG)):
        if old.next in (("decide",), ("execute",)):
            bench.graph.invoke(None, old.config)
    assert len(world.desk.effects) == 1


@pytest.mark.req("A6", "B7")
def test_two_resumes_at_once_make_one_effect(world: World, saver: Any) -> None:
    """Two people who press "approve" in the same moment cause one write."""
    bench = Bench(world, STAGE, *["Moved."] * 4, saver=saver, file=True)
    bench.say()
    barrier = threading.Barrier(2)

    def press(n: int) -> None:
        barrier.wait(10)
        bench.resume(APPROVE, replace(world.boss, id=f"m{n}"))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(press, range(2)))
    assert len(world.desk.effects) == 1
    assert list(bench.gateway.audit.broken("t1")) == []


@pytest.mark.req("A12", "B1")
@pytest.mark.parametrize(
    "change",
    [
        {"args": {"deal_id": "42", "stage": "lost"}},
        {"args": {"deal_id": "43", "stage": "won"}},
        {"tool": "messages.send", "args": {"text": "Hello"}},
        {"id": "other"},
        {"thread": "t2"},
    ],
    ids=repr,
)
def test_a_changed_state_does_not_ride_on_an_approval(world: World, change: dict[str, Any]) -> None:
    """``update_state`` while a question waits: what runs is what was approved, or nothing."""
    bench = Bench(world, STAGE, "Moved.")
    bench.say()
    (waiting,) = bench.graph.get_state(CONFIG).values["queue"]
    bench.graph.update_state(CONFIG, {"queue": [waiting | change]})
    asked = bench.graph.invoke(Command(goto="approve"), CONFIG)
    assert question(asked)["action_requests"][0]["args"] == {"deal_id": "42", "stage": "won"}
    bench.resume(APPROVE)
    if "thread" in change:  # the thread is the run's, whatever the state says
        assert [(item["deal"], item["stage"]) for item in world.desk.effects] == [("42", "won")]
    else:
        assert bench.codes()[-1] == "approval_changed"
        assert world.desk.effects == []


@pytest.mark.req("A12", "B5")
def test_an_approval_of_another_thread_is_not_shown(world: World) -> None:
    """A state that names somebody else's question is escalated; its content is not put before this thread's people."""
    bench = Bench(world, STAGE, "Moved.")
    other = bench.gateway.open(world.sdr, party=world.anna)
    foreign = other.invoke("crm.set_stage", {"deal_id": "42", "stage": "lost"})
    bench.say()
    bench.graph.update_state(CONFIG, {"approval": foreign.approval_id})
    out = bench.graph.invoke(Command(goto="approve"), CONFIG, context=GuardContext(approver=world.boss))
    shown = [item.value["agent_guard"]["approval_id"] for item in out.get("__interrupt__", ())]
    assert foreign.approval_id not in shown


# ---- a newer message


@pytest.mark.req("A12")
def test_a_new_message_cancels_the_call_that_waits(world: World) -> None:
    """In a bare graph a message ends the pending question, and a plain approve for it counts for nothing newer."""
    lost = call("crm.set_stage", id="c2", deal_id="42", stage="lost")
    bench = Bench(world, STAGE, lost, "Moved.")
    old = question(bench.say())["agent_guard"]["approval_id"]
    new = question(bench.say({"messages": [HumanMessage("No, it is lost.")]}))["agent_guard"]["approval_id"]
    assert old != new
    rows = {row["call_id"]: row["state"] for row in world.rows(bench.gateway, "calls")}  # a server keeps no order
    assert (rows.pop("c2"), list(rows.values())) == ("pending", ["expired"])
    stale = question(bench.resume(APPROVE))
    assert "approval_id" in stale["agent_guard"]["previous_error"]
    stale = question(bench.resume({"type": "approve", "approval_id": old}))
    assert new in stale["agent_guard"]["previous_error"]
    assert world.desk.effects == []
    assert bench.resume({"type": "approve", "approval_id": new})["status"] == "delivered"
    assert [item["stage"] for item in world.desk.effects] == ["lost"]


def test_a_cancelled_call_is_answered_for_the_model(world: World) -> None:
    """The model's view holds an answer to every call, also to one that a newer message cut off."""
    bench = Bench(world, STAGE, "Fine.")
    bench.say()
    bench.say({"messages": [HumanMessage("Forget it.")]})
    answers = [item for item in bench.model.heard[1] if isinstance(item, ToolMessage)]
    assert [json.loads(str(item.content))["code"] for item in answers] == ["cancelled"]


# ---- what a model may do wrong


@pytest.mark.req("A24")
def test_a_call_without_a_reason_is_refused(world: World) -> None:
    """The plan comes before the call: without words of why it is denied."""
    said = AIMessage(
        "", tool_calls=[tool_call(name="crm__create_task", args={"deal_id": "42", "subject": "x"}, id="c1")]
    )
    bench = Bench(world, said, "Sorry.")
    assert bench.say()["status"] == "delivered"
    assert bench.codes() == ["reason_missing"]
    assert world.desk.effects == []


@pytest.mark.req("A1")
@pytest.mark.parametrize("name", ["crm.drop_all", "crm__drop_all", "", "a" * 5000, "\ud800", "crm.create_task\x00"])
def test_an_unknown_tool_is_denied(world: World, name: str) -> None:
    """Whatever name the model makes up, the answer is a denial and the record has it."""
    said = AIMessage("", tool_calls=[tool_call(name=name, args={"reason": "x"}, id="c1")])
    bench = Bench(world, said, "Sorry.")
    assert bench.say()["status"] == "delivered"
    assert bench.codes() == ["tool_unknown"]


class Raw(ScriptedModel):
    """A scripted model that hands its message over as it is: no copy can be made of what it says."""

    def _generate(self, messages: list[BaseMessage], *given: Any, **options: Any) -> ChatResult:
        self._heard.append(list(messages))
        self._said += 1
        said = self.turns[0] if self._said == 1 else AIMessage("Done.")
        return ChatResult(generations=[ChatGeneration(message=said)])


def deep(levels: int) -> Any:
    """Objects in objects."""
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.req("B1", "B4", "A8")
@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({"subject": "x" * 1_000_000}, "arguments_too_large"),
        ({"subject": deep(1000)}, "arguments_too_large"),
        ({"subject": float("nan")}, "arguments_malformed"),
        ({"subject": float("-inf")}, "arguments_malformed"),
        ({"subject": "\ud83d"}, "arguments_malformed"),
        ({"subject": 10**400}, "arguments_malformed"),
        ({"subject": {"__class__": "x"}}, "arguments_invalid"),
        ({"subject": "<PERSON_99>"}, "pseudonym_unknown"),
        ({"subject": "x", "__proto__": {}}, "argument_unknown"),
        ({"subject": None}, "arguments_invalid"),
    ],
    ids=["1 MB", "1000 deep", "nan", "-inf", "surrogate", "big int", "object", "no such person", "extra", "null"],
)
def test_hostile_arguments_are_denied_with_a_code(world: World, saver: Any, args: Any, code: str) -> None:
    """Nothing a model puts into arguments raises, is stored or runs; the thread stays usable."""
    said = AIMessage("I will.")
    said.tool_calls = [
        {"name": "crm__create_task", "args": {"reason": "x", "deal_id": "42", **args}, "id": "c1", "type": "tool_call"}
    ]
    bench = Bench(world, Raw(said), saver=saver)
    assert bench.say()["status"] == "delivered"
    assert bench.codes() == [code]
    assert len(repr(bench.graph.get_state(CONFIG).values)) < 20_000
    assert bench.say({"messages": [HumanMessage("Go on.")]})["status"] == "delivered"
    assert world.desk.effects == []


@pytest.mark.req("B4")
def test_a_call_that_is_no_json_is_denied(world: World) -> None:
    """A call that the provider's parser could not read is answered with a code, like any other."""
    broken = invalid_tool_call(name="crm__create_task", args='{"deal_id": "42", ', id="c1", error="no JSON")
    bench = Bench(world, AIMessage("", invalid_tool_calls=[broken]), "Sorry.")
    assert bench.say()["status"] == "delivered"
    assert bench.codes() == ["arguments_malformed"]


def test_a_half_letter_in_the_models_words_does_not_stop_the_graph(world: World, saver: Any) -> None:
    """A token cut in the middle of an emoji is stored as something that can be stored."""
    bench = Bench(world, "Done \ud83d", saver=saver)
    assert bench.say()["status"] == "delivered"
    json.dumps(bench.graph.get_state(CONFIG).values["messages"][-1].text).encode()


def test_content_in_blocks_is_read(world: World) -> None:
    """Providers that answer in blocks are read like those that answer in text."""
    bench = Bench(world, AIMessage([{"type": "text", "text": "Hello "}, {"type": "text", "text": "there"}]))
    assert bench.say()["messages"][-1].text == "Hello there"


@pytest.mark.req("B2")
def test_the_calls_of_one_message_run_in_order(world: World) -> None:
    """One after another, the denied and the asked one in their places; a question holds back those behind it."""
    names = ("a", "b", "c")
    calls = [
        tool_call(name="crm__create_task", args={"reason": "x", "deal_id": "42", "subject": name}, id=name)
        for name in names
    ]
    calls.insert(1, tool_call(name="crm__read_deal", args={"reason": "x", "deal_id": "43"}, id="r"))
    calls.insert(2, tool_call(name="crm__set_stage", args={"reason": "x", "deal_id": "42", "stage": "won"}, id="s"))
    calls.append(tool_call(name="crm__read_deal", args={"reason": "x", "deal_id": "44"}, id="d"))
    bench = Bench(world, AIMessage("Plan.", tool_calls=calls), "Done.")
    bench.say()
    assert [item.get("subject") for item in world.desk.effects] == ["a"]
    out = bench.resume(APPROVE)
    assert [item.get("subject") or item.get("stage") for item in world.desk.effects] == ["a", "won", "b", "c"]
    answered = [item.tool_call_id for item in out["messages"] if isinstance(item, ToolMessage)]
    assert answered == ["a", "r", "s", "b", "c", "d"]
    assert bench.codes()[-1] == "region"


def test_each_question_of_one_message_is_asked_alone(world: World) -> None:
    """Two calls that need a human are two questions, one after the other, each with its own answer."""
    calls = [
        tool_call(name="crm__set_stage", args={"reason": "x", "deal_id": "42", "stage": stage}, id=stage)
        for stage in ("lost", "won")
    ]
    bench = Bench(world, AIMessage("Plan.", tool_calls=calls), "Done.")
    first = question(bench.say())
    second = question(bench.resume(APPROVE))
    stages = [item["action_requests"][0]["args"]["stage"] for item in (first, second)]
    assert stages == ["lost", "won"]
    assert bench.resume({"type": "reject"})["status"] == "delivered"
    assert [item["stage"] for item in world.desk.effects] == ["lost"]


def test_a_call_id_that_comes_again_later_is_decided_for_itself(world: World) -> None:
    """A model that numbers its calls anew gets each call decided by its own arguments."""
    first = call("crm.create_task", id="call_0", deal_id="42", subject="one")
    second = call("crm.create_task", id="call_0", deal_id="42", subject="two")
    bench = Bench(world, first, second, "Done.")
    assert bench.say()["status"] == "delivered"
    assert [item["subject"] for item in world.desk.effects] == ["one", "two"]
    answers = [item.text for item in bench.model.heard[-1] if isinstance(item, ToolMessage)]
    assert ["task:1" in answers[0], "task:2" in answers[1]] == [True, True]


def test_a_read_without_an_id_is_done_again_in_a_later_turn(world: World) -> None:
    """A provider that gives its calls no ids may read the same record twice and gets it as it is now."""

    def read() -> AIMessage:
        message = AIMessage("I look.")
        message.tool_calls = [
            {"name": "crm__read_deal", "args": {"reason": "x", "deal_id": "42"}, "id": None, "type": "tool_call"}
        ]
        return message

    bench = Bench(world, read(), "New.", read(), "Lost.")
    bench.say()
    world.desk.change("42", "lost")
    bench.say({"messages": [HumanMessage("And now?")]})
    assert "lost" in str([item.content for item in bench.model.heard[-1] if isinstance(item, ToolMessage)][-1])


# ---- stopped


@pytest.mark.req("A3", "A8", "A22")
def test_the_step_limit_calls_a_person(world: World) -> None:
    """A model that never ends its turn is stopped by the steps of its thread."""
    turns = [call("crm.create_task", id=f"c{n}", deal_id="42", subject=f"Task {n}") for n in range(10)]
    limits = {"steps_per_thread": 3, "actions_per_thread": 50, "attempts_per_thread": 50}
    bench = Bench(world, *turns, policy=world.policy(limits=limits))
    out = bench.say()
    assert (out["status"], out["outcome"]["code"]) == ("escalated", "limit_steps")
    assert len(world.desk.effects) == len(bench.model.heard) == 3
    assert out["messages"][-1].text == "I am handing this over to a person."
    assert bench.say({"messages": [HumanMessage("Go on.")]})["status"] == "escalated", (
        "a new message gives no new steps"
    )


@pytest.mark.req("A8", "A22")
def test_a_loop_calls_a_person(world: World) -> None:
    """The same call again and again ends the run, and what waited behind it does not run."""
    turns = [call("crm.read_deal", id=f"c{n}", deal_id="42") for n in range(10)]
    bench = Bench(world, *turns)
    out = bench.say()
    assert (out["status"], out["outcome"]["code"]) == ("escalated", "loop")
    assert len(bench.model.heard) == 3
    assert out["queue"] == []


@pytest.mark.req("A31", "A8")
def test_the_red_button_calls_a_person(world: World) -> None:
    """A pressed button ends the run instead of leaving the model to try again."""
    bench = Bench(world, TASK)
    bench.gateway.press(reason="drill", by="m7")
    out = bench.say()
    assert (out["status"], out["outcome"]["code"]) == ("escalated", "killed")
    assert world.desk.effects == []


@pytest.mark.req("A8")
def test_an_unknown_outcome_calls_a_person(world: World) -> None:
    """Nothing is done after a call of which nobody knows whether it happened."""
    calls = [
        tool_call(name="crm__create_task", args={"reason": "x", "deal_id": "42", "subject": name}, id=name)
        for name in ("a", "b")
    ]

    def fail() -> None:
        raise ValueError("boom")

    world.desk.after = fail
    out = Bench(world, AIMessage("Plan.", tool_calls=calls)).say()
    assert (out["status"], out["outcome"]["code"]) == ("escalated", "outcome_unknown")
    assert len(world.desk.effects) == 1


@pytest.mark.req("A8")
def test_a_plain_failure_goes_back_to_the_model(world: World) -> None:
    """What provably did not happen is told to the model, which may go on."""

    def fail() -> None:
        raise ToolRejected(code="closed")

    world.desk.before = fail
    bench = Bench(world, TASK, "It is closed.")
    assert bench.say()["status"] == "delivered"
    assert bench.codes() == ["tool_rejected"]


@pytest.mark.req("A8")
@pytest.mark.parametrize("node", ["plan", "decide", "approve", "execute"])
def test_a_store_that_fails_calls_a_person(world: World, node: str) -> None:
    """A database that goes away in any node ends the run with a person, and raises nothing."""

    def gone(*given: Any, **options: Any) -> Any:
        raise StoreError("the database is gone")

    bench = Bench(world, TASK if node in ("decide", "execute") else STAGE)
    gateway: Any = bench.gateway
    if node == "approve":
        bench.say()
        gateway.answer = gone
        out = bench.resume(APPROVE)
    else:
        setattr(gateway, {"plan": "step", "decide": "propose", "execute": "execute"}[node], gone)
        out = bench.say()
    assert (out["status"], out["outcome"]["code"]) == ("escalated", "store_unavailable")
    assert world.desk.effects == []


def test_an_escalated_thread_can_be_talked_to_again(world: World) -> None:
    """After a person took over, a new message starts a new turn with nothing left of the old one."""
    bench = Bench(world, TASK, "Hello again.")
    bench.gateway.press(reason="drill", by="m7")
    bench.say()
    bench.gateway.revive(reason="over", by="m7")
    out = bench.say({"messages": [HumanMessage("Hello?")]})
    assert (out["status"], out["outcome"], out["messages"][-1].text) == ("delivered", None, "Hello again.")
    assert world.desk.effects == []


# ---- what is stored


@pytest.mark.req("A23", "B6")
def test_the_checkpoints_of_masked_input_hold_no_value(world: World) -> None:
    """With masked input no file of a run holds a raw value: arguments, results, questions and answers are pseudonyms."""
    connection = sqlite3.connect(world.folder / "threads.db", check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    world.desk.note = "Write to other@mail.example"
    read = call("crm.read_deal", id="r", deal_id="42")
    bench = Bench(world, read, TASK, STAGE, INVENTED, saver=SqliteSaver(connection), file=True)
    bench.say()
    bench.resume(APPROVE)
    files = [path for path in world.folder.iterdir() if path.name != "desk.jsonl"]
    assert any(path.name.startswith("threads.db") for path in files)
    values = ["Kowalska", "512 345 678", "anna@kowalska", "other@mail", "601 234 567", "Zielony"]
    assert_no_personal_data(files, values)
    connection.close()


def test_the_state_is_messages_and_json(world: World) -> None:
    """Besides its messages a graph's state is plain JSON with a version."""
    bench = Bench(world, STAGE)
    bench.say()
    values = dict(bench.graph.get_state(CONFIG).values)
    messages = values.pop("messages")
    assert all(isinstance(item, BaseMessage) for item in messages)
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["v"] == 1
