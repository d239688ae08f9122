"""The graphs as a LangGraph server loads them: made by factories from ``guard.yaml``, without a checkpointer.

One process has one application, whatever number of its graphs it serves: one gateway, and one load of the models.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from agent_guard.app import Application
from agent_guard.settings import load_settings
from graphs import SCENARIOS

__all__ = ["application", "graph_of"]


@cache
def application() -> Application:
    """The application of this process.

    Raises:
        ConfigError: there is no usable configuration.
        StoreError: a database cannot be used.
    """
    return Application(load_settings())


def graph_of(name: str) -> CompiledStateGraph[Any, Any, Any, Any]:
    """A scenario's graph with its embedded planner. Raises as :func:`application`."""
    scenario = SCENARIOS[name]
    return scenario.graph(scenario.planner(), application().gateway)
