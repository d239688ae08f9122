"""Account health: reads, works out a scorecard, reports, and changes nothing (A26).

    plan -> decide -> (approve ->) execute -> plan ... -> deliver -> alert | escalate

What is this scenario's own: the report takes the place of the model's words, and a step after delivery, without a
model, tells the owners of alarming accounts under a policy that the host has for itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START
from langgraph.graph.state import CompiledStateGraph

from agent_guard.gateway import Gateway
from agent_guard.nodes import GuardContext, GuardNodes, GuardState, guard_graph
from graphs.account_health.alert import alert_node
from graphs.account_health.reported import reported

__all__ = ["build"]

PROMPT = Path(__file__).with_name("prompt.md")


def build(model: BaseChatModel, gateway: Gateway) -> CompiledStateGraph[GuardState, GuardContext, Any, Any]:
    """The graph, without a checkpointer: a Session or a server brings its own."""
    graph = guard_graph(GuardNodes(model, gateway, prompt=PROMPT.read_text(encoding="utf-8"), refine=reported))
    graph.add_node("alert", alert_node(gateway))
    graph.add_edge(START, "plan")
    graph.add_edge("deliver", "alert")
    graph.add_edge("alert", END)
    return graph.compile(name="account_health")
