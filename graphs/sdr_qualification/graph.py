"""SDR qualification: a BANT interview that ends in a draft task "Call" for the deal's owner (A25).

    plan -> decide -> (approve ->) execute -> plan ... -> deliver | escalate

The topology is the shared one; what is this scenario's own is a prompt and one pure correction of the model's words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph import START
from langgraph.graph.state import CompiledStateGraph

from agent_guard.gateway import Gateway
from agent_guard.nodes import GuardContext, GuardNodes, GuardState, guard_graph
from graphs.sdr_qualification.interview import interviewed

__all__ = ["build"]

HANDOVER = "Thank you. A colleague will take it from here."
PROMPT = Path(__file__).with_name("prompt.md")


def build(model: BaseChatModel, gateway: Gateway) -> CompiledStateGraph[GuardState, GuardContext, Any, Any]:
    """The graph, without a checkpointer: a Session or a server brings its own."""
    nodes = GuardNodes(
        model,
        gateway,
        prompt=PROMPT.read_text(encoding="utf-8"),
        refine=interviewed,
        handover=HANDOVER,
        stopped=HANDOVER,  # the reader is the client, who need not know who stopped what
    )
    graph = guard_graph(nodes)
    graph.add_edge(START, "plan")
    return graph.compile(name="sdr_qualification")
