"""Runs that lack what a guarded run needs, at every door: each has a stated outcome, and none asks a model or runs a tool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from agent_guard.errors import ConfigError, UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.integrations import GuardMiddleware, protect
from agent_guard.nodes import GuardContext, awrap_tool_call, guarded_agent, tool_node, wrap_tool_call
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel, call
from tests.conftest import World
from tests.test_doors import Talk

pytestmark = [pytest.mark.req("A12", "B5"), pytest.mark.databases("sqlite")]

CONFIG: Any = {"configurable": {"thread_id": "t1"}, "recursion_limit": 50}
STAGE = call("crm.set_stage", id="c1", deal_id="42", stage="won")
GO: Any = {"messages": [HumanMessage("Go on.", additional_kwargs={"speaker": "user"})]}


def custom(model: ScriptedModel, node: Any, saver: Any, context: type = GuardContext) -> Any:
    """Somebody's own graph: a model, then the tools once."""
    graph = StateGraph(Talk, context_schema=context)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", node)
    graph.add_edge(START, "model")
    graph.add_edge("model", "tools")
    return graph.compile(checkpointer=saver)


def wrapped(gateway: Gateway) -> ToolNode:
    return ToolNode([], wrap_tool_call=wrap_tool_call(gateway), awrap_tool_call=awrap_tool_call(gateway))


DOORS: dict[str, Callable[[ScriptedModel, Gateway, Any], Any]] = {
    "graph": lambda model, gateway, saver: guarded_agent(model, gateway, checkpointer=saver),
    "middleware": lambda model, gateway, saver: create_agent(
        model, [], middleware=[GuardMiddleware(gateway)], checkpointer=saver, context_schema=GuardContext
    ),
    "tool_node": lambda model, gateway, saver: custom(model, tool_node(gateway), saver),
    "ToolNode": lambda model, gateway, saver: custom(model, wrapped(gateway), saver),
}
ASYNC = [False, True]


async def run(graph: Any, given: Any, config: Any, context: Any, later: bool) -> Any:
    """By either door."""
    if later:
        return await graph.ainvoke(given, config, context=context)
    return graph.invoke(given, config, context=context)


@pytest.mark.parametrize("later", ASYNC, ids=["invoke", "ainvoke"])
@pytest.mark.parametrize("door", DOORS)
async def test_a_stateless_run(world: World, door: str, later: bool) -> None:
    """Without a thread id nothing can be decided: the graph calls a person, the others refuse; nothing runs."""
    model = ScriptedModel(STAGE)
    graph = DOORS[door](model, world.gateway(), None)
    context = GuardContext(subject=world.sdr, party=world.anna)
    if door == "graph":
        out = await run(graph, GO, {}, context, later)
        assert out["status"] == "escalated"
        assert "no thread_id" in out["outcome"]["reason"]
        assert model.heard == []
    else:
        with pytest.raises(UnknownThread, match="no thread_id"):
            await run(graph, GO, {}, context, later)
    assert world.desk.effects == []


@pytest.mark.parametrize("door", DOORS)
async def test_a_thread_that_nobody_opened(world: World, door: str) -> None:
    """A thread id alone opens nothing."""
    model = ScriptedModel(STAGE)
    graph = DOORS[door](model, world.gateway(), InMemorySaver())
    if door == "graph":
        assert "there is no thread 't1'" in graph.invoke(GO, CONFIG)["outcome"]["reason"]
    else:
        with pytest.raises(UnknownThread, match="there is no thread 't1'"):
            graph.invoke(GO, CONFIG)
    assert world.desk.effects == []


@pytest.mark.parametrize("door", DOORS)
async def test_the_host_s_subject_opens_a_thread(world: World, door: str) -> None:
    """Where the host names the subject of the run, a new thread is opened for it, at each door."""
    gateway = world.gateway()
    graph = DOORS[door](ScriptedModel(STAGE), gateway, InMemorySaver())
    graph.invoke(GO, CONFIG, context=GuardContext(subject=world.sdr, party=world.anna))
    assert (gateway.thread("t1").subject, gateway.thread("t1").row.party) == (world.sdr, "contact:17")
    assert len(gateway.approvals.list()) == 1


@pytest.mark.parametrize("later", ASYNC, ids=["invoke", "ainvoke"])
@pytest.mark.parametrize("door", DOORS)
async def test_a_thread_of_another_tenant(world: World, door: str, later: bool) -> None:
    """Its id opens nothing to a run whose subject is another company's, or another person: refused before the model is
    asked, and the question that waits stays.
    """
    gateway = world.gateway()
    model = ScriptedModel(*[STAGE] * 9)
    graph = DOORS[door](model, gateway, InMemorySaver())
    gateway.open(world.sdr, thread_id="t1", party=world.anna)
    graph.invoke(GO, CONFIG)
    (asked,) = gateway.approvals.list()
    heard = len(model.heard)
    for subject in (world.stranger, world.boss):
        with pytest.raises(ConfigError, match="belongs to another conversation"):
            await run(graph, GO, CONFIG, GuardContext(subject=subject, party=world.anna), later)
    assert len(model.heard) == heard or door in ("tool_node", "ToolNode")  # there the model is the host's own
    assert gateway.approvals.list() == [asked]
    assert world.desk.effects == []
    kinds = [event.data["kind"] for event in gateway.audit.events(thread="t1")]
    assert kinds[-3:] == ["proposed", "decided", "asked"]


@pytest.mark.parametrize("door", DOORS)
async def test_an_agent_without_a_checkpointer(world: World, door: str) -> None:
    """Its question is asked and recorded, the run ends with it; LangGraph cannot resume, and the thread carries the answer
    out.
    """
    gateway = world.gateway()
    graph = DOORS[door](ScriptedModel(STAGE), gateway, None)
    gateway.open(world.sdr, thread_id="t1", party=world.anna)
    out = graph.invoke(GO, CONFIG)
    (asked,) = gateway.approvals.list()
    if door == "ToolNode":
        assert '"code": "approval_required"' in out["messages"][-1].content
    else:
        (found,) = out["__interrupt__"]
        assert found.value["agent_guard"]["approval_id"] == asked.id
        with pytest.raises(RuntimeError, match="checkpointer"):
            graph.invoke(Command(resume={"type": "approve"}), CONFIG, context=GuardContext(approver=world.boss))
    assert world.desk.effects == []
    result = gateway.thread("t1").resume(asked.id, "approve", by=world.boss)
    assert (result.status, [item["kind"] for item in world.desk.effects]) == ("executed", ["stage"])


@pytest.mark.parametrize("door", ["graph", "middleware"])
async def test_doors_that_wait_need_a_checkpointer(world: World, door: str) -> None:
    """``Session`` and ``protect`` say so when they are built."""
    gateway = world.gateway()
    graph = DOORS[door](ScriptedModel(STAGE), gateway, None)
    for build in (Session, protect):
        with pytest.raises(ConfigError, match="checkpointer"):
            build(graph, gateway)


@dataclass
class Context:
    """A host's own."""

    colour: str
    guard: GuardContext


@pytest.mark.parametrize("later", ASYNC, ids=["invoke", "ainvoke"])
async def test_a_tool_node_in_a_graph_with_a_context_of_its_own(world: World, later: bool) -> None:
    """The host's context carries ours in the field ``guard``: its subject opens the thread, its approver answers."""
    gateway = world.gateway()
    graph = custom(ScriptedModel(STAGE), tool_node(gateway), InMemorySaver(), Context)
    context = Context("red", GuardContext(subject=world.sdr, party=world.anna))
    assert (await run(graph, GO, CONFIG, context, later))["__interrupt__"]
    nobody = Context("red", GuardContext())
    again = await run(graph, Command(resume={"type": "approve"}), CONFIG, nobody, later)
    assert "nobody is known to answer" in again["__interrupt__"][0].value["agent_guard"]["previous_error"]
    out = await run(
        graph, Command(resume={"type": "approve"}), CONFIG, Context("red", GuardContext(approver=world.boss)), later
    )
    assert isinstance(out["messages"][0], HumanMessage | AIMessage)
    assert [item["stage"] for item in world.desk.effects] == ["won"]
