"""One call, every door: plain Python, the guarded graph, ``create_agent`` with the middleware, and both tool nodes give
the same decision, code and record.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from agent_guard.errors import ToolRejected, ToolUnavailable
from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.integrations.middleware import GuardMiddleware
from agent_guard.nodes import GuardContext, awrap_tool_call, guarded_agent, tool_node, wrap_tool_call
from agent_guard.testing import ScriptedModel, call
from agent_guard.types import Subject, ToolResult
from tests.conftest import World

pytestmark = [pytest.mark.req("A1", "A11", "A12"), pytest.mark.databases]

CONFIG: Any = {"configurable": {"thread_id": "t1"}, "recursion_limit": 50}
REASON = "Because the test says so."


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


class Said:
    """What became of a call at a door: the answer that the model was given, and what was recorded."""

    def __init__(self, told: dict[str, Any], thread: GuardedThread) -> None:
        self.status, self.code = told["status"], told["code"]
        self.content = told.get("result", told.get("message"))
        gateway = thread.gateway
        events = [event.data for event in gateway.audit.events(thread=thread.id)]
        self.record = [
            {
                key: event[key]
                for key in (
                    "kind",
                    "tool",
                    "mode",
                    "args_redacted",
                    "decision",
                    "reason",
                    "error",
                    "result_meta",
                    "diff",
                )
            }
            for event in events
        ]
        for event in self.record:
            if event["result_meta"]:
                event["result_meta"] = {k: v for k, v in event["result_meta"].items() if k != "latency_ms"}
        self.broken = list(gateway.audit.broken(thread.id))

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(vars(self))


def plain(gateway: Gateway, message: AIMessage, by: Subject | None, answer: Any) -> dict[str, Any]:
    """``GuardedThread.invoke`` and ``resume``."""
    (asked,) = message.tool_calls
    args = {name: value for name, value in asked["args"].items() if name != "reason"}
    tool = asked["name"].replace("__", ".")
    thread = gateway.thread("t1")
    result: ToolResult = thread.invoke(tool, args, call_id=asked["id"], reason=asked["args"].get("reason"))
    if result.status == "pending" and by is not None:
        result = thread.resume(result.approval_id or "", answer["type"], by=by, message=answer.get("message"))
    key = "result" if result.status in ("executed", "duplicate") else "message"
    return {"status": result.status, "code": str(result.code), key: result.content}


def told(out: Any) -> dict[str, Any]:
    """The answer to the call in a graph's output."""
    answers = [item for item in out["messages"] if isinstance(item, ToolMessage)]
    found: dict[str, Any] = json.loads(str(answers[-1].content))
    assert answers[-1].name
    assert answers[-1].status == ("success" if found["status"] in ("executed", "duplicate", "suggested") else "error")
    return found


def run(graph: Any, by: Subject | None, answer: Any) -> dict[str, Any]:
    """A graph up to its end, its question answered."""
    said = HumanMessage("Go on.", additional_kwargs={"speaker": "outside"})
    out = graph.invoke({"messages": [said]}, CONFIG, durability="sync")
    if out.get("__interrupt__") and by is not None:
        out = graph.invoke(Command(resume=answer), CONFIG, context=GuardContext(approver=by), durability="sync")
    if out.get("__interrupt__"):
        return {"status": "pending", "code": "approval_required"}
    return told(out)


def of_graph(gateway: Gateway, message: AIMessage, by: Subject | None, answer: Any) -> dict[str, Any]:
    """``guarded_agent``."""
    return run(guarded_agent(ScriptedModel(message), gateway, checkpointer=InMemorySaver()), by, answer)


def of_middleware(gateway: Gateway, message: AIMessage, by: Subject | None, answer: Any) -> dict[str, Any]:
    """``create_agent``."""
    middleware = [GuardMiddleware(gateway)]
    agent = create_agent(ScriptedModel(message), [], middleware=middleware, checkpointer=InMemorySaver())
    return run(agent, by, answer)


def custom(message: AIMessage, node: Any) -> Any:
    """A graph of somebody's own, whose model says one thing and then has done."""

    def model(state: Talk) -> dict[str, Any]:
        return {"messages": [message if isinstance(state["messages"][-1], HumanMessage) else AIMessage("Done.")]}

    graph = StateGraph(Talk, context_schema=GuardContext)
    graph.add_node("model", model)
    graph.add_node("tools", node)
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", lambda state: END if state["messages"][-1].text == "Done." else "tools")
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=InMemorySaver())


def of_tool_node(gateway: Gateway, message: AIMessage, by: Subject | None, answer: Any) -> dict[str, Any]:
    """``tool_node`` in a custom graph."""
    return run(custom(message, tool_node(gateway)), by, answer)


def of_wrapper(gateway: Gateway, message: AIMessage, by: Subject | None, answer: Any) -> dict[str, Any]:
    """LangGraph's own ``ToolNode`` with the wrapper; a question is carried out by the thread."""
    node = ToolNode([], wrap_tool_call=wrap_tool_call(gateway), awrap_tool_call=awrap_tool_call(gateway))
    found = run(custom(message, node), by, answer)
    if found["status"] == "pending" and by is not None:
        with gateway.store.read() as connection:
            (asked,) = connection.exec_driver_sql("SELECT id FROM approvals").scalars()
        result = gateway.thread("t1").resume(asked, answer["type"], by=by, message=answer.get("message"))
        key = "result" if result.status in ("executed", "duplicate") else "message"
        return {"status": result.status, "code": str(result.code), key: result.content}
    return found


DOORS: dict[str, Callable[..., dict[str, Any]]] = {
    "graph": of_graph,
    "middleware": of_middleware,
    "tool_node": of_tool_node,
    "ToolNode": of_wrapper,
}


def read(**more: Any) -> AIMessage:
    """A read of Anna's deal."""
    return call("crm.read_deal", REASON, id="c1", **({"deal_id": "42"} | more))


def task(**more: Any) -> AIMessage:
    """A draft of a task at Anna's deal."""
    return call("crm.create_task", REASON, id="c1", **({"deal_id": "42", "subject": "Call <PERSON_1>"} | more))


def stage(**more: Any) -> AIMessage:
    """A change that needs a manager."""
    return call("crm.set_stage", REASON, id="c1", **({"deal_id": "42", "stage": "won"} | more))


def malformed() -> AIMessage:
    """Arguments that are no JSON."""
    bad = {"name": "crm__read_deal", "args": "{", "id": "c1", "error": None, "type": "invalid_tool_call"}
    return AIMessage("", invalid_tool_calls=[bad])


APPROVE, REJECT = {"type": "approve"}, {"type": "reject", "message": "Not yet, ask <PERSON_1> first."}


def silent(world: World) -> None:
    world.desk.silent = ToolUnavailable("down", code="down")


def refusing(world: World) -> None:
    def refuse() -> None:
        raise ToolRejected("no", code="no")

    world.desk.before = refuse


def breaking(world: World) -> None:
    def fail() -> None:
        raise RuntimeError("anna@kowalska.example")

    world.desk.before = fail


CASES: dict[str, tuple[AIMessage, dict[str, Any]]] = {
    "read": (read(), {}),
    "draft": (task(), {}),
    "raw value in an argument": (task(subject="Call Anna Kowalska at +48 512 345 678"), {}),
    "unknown tool": (call("drop", REASON, id="c1", deal_id="42"), {}),
    "unknown argument": (read(cc="me"), {}),
    "wrong value": (stage(stage="maybe"), {}),
    "another's record": (task(deal_id="43"), {}),
    "another region": (read(deal_id="44"), {}),
    "no such record": (read(deal_id="99"), {}),
    "unknown pseudonym": (task(subject="Call <PERSON_9>"), {}),
    "pseudonym where none is taken": (read(deal_id="<PERSON_1>"), {}),
    "approved": (stage(), {"by": World.boss, "answer": APPROVE}),
    "rejected": (stage(), {"by": World.boss, "answer": REJECT}),
    "waiting": (stage(), {}),
    "suggested": (task(), {"tools": {"crm.create_task": {"mode": "suggest"}}}),
    "role": (task(), {"tools": {"crm.create_task": {"roles": ["manager"]}}}),
    "limit": (read(), {"tools": {"crm.read_deal": {"limits": ["1/hour/subject"]}}, "before": True}),
    "killed": (read(), {"press": "tool:crm.read_deal"}),
    "system of record is silent": (task(), {"world": silent}),
    "tool says no": (task(), {"world": refusing}),
    "tool breaks": (task(), {"world": breaking}),
}


def opened(world: World, case: dict[str, Any]) -> Gateway:
    """A gateway with the thread of a case, and nobody else's traces in it."""
    world.desk.__init__(world.folder / f"desk-{len(world._gateways)}.jsonl")  # type: ignore[misc]
    ids = iter(f"id{number:06}" for number in range(10_000))
    gateway = world.gateway(world.policy(case.get("tools")), ids=lambda: next(ids))
    thread = gateway.open(world.sdr, thread_id="t1", party=world.anna)
    if case.get("before"):
        thread.invoke("crm.read_deal", {"deal_id": "42"}, call_id="c0", reason=REASON)
    if case.get("press"):
        gateway.press(case["press"], reason="test", by="ops")
    case.get("world", lambda _: None)(world)
    return gateway


@pytest.mark.parametrize("name", CASES)
def test_every_door_says_and_records_the_same(world: World, name: str) -> None:
    """The same call has the same outcome, words and audit whatever door it comes through: plain Python and four others."""
    message, case = CASES[name]
    by, answer = case.get("by"), case.get("answer")

    def through(door: Callable[..., dict[str, Any]]) -> tuple[Said, int]:
        gateway = opened(world, case)
        found = Said(door(gateway, message, by, answer), gateway.thread("t1"))
        return found, len(world.desk.effects)

    first, effects = through(plain)
    assert first.broken == []
    for door, way in DOORS.items():
        second, others = through(way)
        if first.status == "pending":
            assert (first.code, first.record) == (second.code, second.record), door
        else:
            assert first == second, door
        assert effects == others, door


@pytest.mark.parametrize("door", ["graph", "middleware", "tool_node"])
@pytest.mark.parametrize("message", [malformed(), read(reason="")], ids=["malformed", "no reason"])
def test_what_only_a_message_can_be(world: World, door: str, message: AIMessage) -> None:
    """Arguments that are no JSON and a missing reason, which plain Python cannot propose: the same in each graph."""
    results = []
    for through in (of_graph, DOORS[door]):
        gateway = opened(world, {})
        found = through(gateway, message, None, None)
        results.append(Said(found, gateway.thread("t1")))
    assert results[0] == results[1]
    assert results[0].code in ("arguments_malformed", "reason_missing")


def test_a_denial_tells_the_model_not_to_try_again(world: World) -> None:
    """A denial carries the tool's name, is an error, and says that it must not be repeated."""
    for door in (of_graph, of_middleware, of_tool_node, of_wrapper):
        found = door(opened(world, {}), task(deal_id="43"), None, None)
        assert (found["status"], found["then"]) == ("denied", "Do not retry this call as it is.")
