"""The graph as a LangGraph server loads it; see :mod:`graphs.serving`."""

from __future__ import annotations

from typing import Any

from langgraph.graph.state import CompiledStateGraph

from graphs.serving import graph_of

__all__ = ["make_graph"]


async def make_graph() -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph with the embedded planner. The thread must be opened at the gateway first; an unknown one is refused.

    Raises:
        ConfigError: there is no usable configuration.
        StoreError: a database cannot be used.
    """
    return await graph_of("support_draft")
