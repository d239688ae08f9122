"""Calendar booking: slots are offered, the client chooses, one is held, and a person confirms it (A28, A19).

    plan -> decide -> (approve ->) execute -> plan ... -> deliver | escalate

The topology is the shared one. That nothing overlaps or is confirmed twice is the calendar's care, not the graph's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph import START
from langgraph.graph.state import CompiledStateGraph

from agent_guard.gateway import Gateway
from agent_guard.nodes import GuardContext, GuardNodes, GuardState, guard_graph

__all__ = ["build"]

HANDOVER = "Thank you. A colleague will take it from here."
PROMPT = Path(__file__).with_name("prompt.md")


def build(model: BaseChatModel, gateway: Gateway) -> CompiledStateGraph[GuardState, GuardContext, Any, Any]:
    """The graph, without a checkpointer: a Session or a server brings its own."""
    nodes = GuardNodes(
        model,
        gateway,
        prompt=PROMPT.read_text(encoding="utf-8"),
        handover=HANDOVER,
        stopped=HANDOVER,  # the reader is the client, who need not know who stopped what
    )
    graph = guard_graph(nodes)
    graph.add_edge(START, "plan")
    return graph.compile(name="calendar_booking")
