"""The graph as a LangGraph server loads it: made by a factory from ``guard.yaml``, without a checkpointer."""

from __future__ import annotations

from functools import cache
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from agent_guard.app import Application
from agent_guard.settings import load_settings
from graphs import SCENARIOS

__all__ = ["make_graph"]

_NAME = "sdr_qualification"


@cache
def _application() -> Application:
    return Application(load_settings())


def make_graph() -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph with the embedded planner. The thread must be opened at the gateway first; an unknown one is refused.

    Raises:
        ConfigError: there is no usable configuration.
        StoreError: a database cannot be used.
    """
    scenario = SCENARIOS[_NAME]
    return scenario.graph(scenario.planner(), _application().gateway)
