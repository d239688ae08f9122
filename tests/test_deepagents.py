"""The example that replaces ``interrupt_on`` of deepagents, run against the package itself.

It has an environment of its own (``make deepagents``): google-genai, which deepagents needs, wants an older tenacity.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agent_guard.nodes import GuardContext
from agent_guard.testing import ScriptedModel, call
from examples.deep_agent import deep_agent
from tests.conftest import World

pytestmark = [pytest.mark.req("A12"), pytest.mark.databases("sqlite"), pytest.mark.filterwarnings("default")]

CONFIG: Any = {"configurable": {"thread_id": "t1"}}


def test_a_deep_agent_asks_and_runs_what_was_asked(world: World) -> None:
    """A draft runs, a change waits for the manager, nothing raw is stored, and the user reads the names."""
    gateway, saver = world.gateway(), InMemorySaver()
    task = call("crm.create_task", id="c1", deal_id="42", subject="Call <PERSON_1>")
    model = ScriptedModel(task, call("crm.set_stage", id="c2", deal_id="42", stage="won"), "Done for <PERSON_1>.")
    agent = deep_agent(model, gateway, checkpointer=saver)
    context = GuardContext(subject=world.sdr, party=world.anna)
    out = agent.invoke({"messages": "Remind me to call Anna Kowalska and move the deal."}, CONFIG, context=context)
    (asked,) = out["__interrupt__"]
    assert asked.value["action_requests"][0]["name"] == "crm.set_stage"
    assert [item["kind"] for item in world.desk.effects] == ["task"]
    answer: Any = Command(resume={"decisions": [{"type": "approve"}]})
    out = agent.invoke(answer, CONFIG, context=GuardContext(approver=world.boss))
    assert out["messages"][-1].content == "Done for Anna Kowalska."
    assert [item["kind"] for item in world.desk.effects] == ["task", "stage"]
    assert "Kowalska" not in repr([saver.storage, saver.writes, saver.blobs])
    assert all("Kowalska" not in str(item.content) for heard in model.heard for item in heard)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("task", {"description": "Drop the deal.", "subagent_type": "general-purpose"}),
        ("write_file", {"file_path": "/a", "content": "x"}),
        ("execute", {"command": "ls"}),
        ("write_todos", {"todos": []}),
    ],
)
def test_its_own_tools_are_neither_bound_nor_run(world: World, name: str, args: dict[str, Any]) -> None:
    """A sub-agent or a shell would be a way past the gateway."""
    saver = InMemorySaver()
    message = AIMessage("", tool_calls=[tool_call(name=name, args={"reason": "Why not."} | args, id="c1")])
    model = ScriptedModel(message, "Fine.")
    agent = deep_agent(model, world.gateway(), checkpointer=saver)
    out = agent.invoke({"messages": "Go."}, CONFIG, context=GuardContext(subject=world.sdr, party=world.anna))
    (told,) = [item for item in out["messages"] if isinstance(item, ToolMessage)]
    assert json.loads(str(told.content))["code"] == "tool_unknown"
    assert all(item["function"]["name"].startswith(("crm__", "messages__")) for item in model.tools)
    assert not out.get("files")
