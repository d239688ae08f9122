"""Forgotten deals: no touch for 14 days gives a report, and one message a week to the owner's colleagues (A29).

    plan -> decide -> (approve ->) execute -> plan ... -> deliver | escalate

The topology is the shared one. The weekly scan of all deals has no model in it and stands in ``scan.py``.
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

PROMPT = Path(__file__).with_name("prompt.md")


def build(model: BaseChatModel, gateway: Gateway) -> CompiledStateGraph[GuardState, GuardContext, Any, Any]:
    """The graph, without a checkpointer: a Session or a server brings its own."""
    graph = guard_graph(GuardNodes(model, gateway, prompt=PROMPT.read_text(encoding="utf-8")))
    graph.add_edge(START, "plan")
    return graph.compile(name="forgotten_deal")
