"""The graph: the guard's own nodes, entered at ``plan``. Nodes of yours may stand before it.

plan -> decide -> (approve ->) execute -> plan ... -> deliver | escalate
"""

from __future__ import annotations

from typing import Any

from agent_guard import Gateway
from agent_guard.nodes import GuardContext, GuardNodes, GuardState, guard_graph
from langchain_core.language_models import BaseChatModel
from langgraph.graph import START
from langgraph.graph.state import CompiledStateGraph

from desk.data import NAME, PROMPT

__all__ = ["build"]


def build(model: BaseChatModel, gateway: Gateway) -> CompiledStateGraph[GuardState, GuardContext, Any, Any]:
    """The graph, without a checkpointer: a Session brings its own."""
    graph = guard_graph(GuardNodes(model, gateway, prompt=PROMPT))
    graph.add_edge(START, "plan")
    return graph.compile(name=NAME)
