"""The graphs as a LangGraph server loads them: made by factories from ``guard.yaml``, without a checkpointer.

One process has one application, whatever number of its graphs it serves: one gateway, and one load of the models. A
server calls the factories on its event loop and for each run: a graph is made once, in a thread.
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from agent_guard.app import Application
from agent_guard.runtime.waits import aside
from agent_guard.settings import load_settings
from graphs import SCENARIOS

__all__ = ["application", "close", "graph_of"]

_ONE = Lock()


def application() -> Application:
    """The application of this process, opened by whoever asks first.

    Raises:
        ConfigError: there is no usable configuration.
        StoreError: a database cannot be used.
    """
    with _ONE:
        return _opened()


async def graph_of(name: str) -> CompiledStateGraph[Any, Any, Any, Any]:
    """A scenario's graph with its embedded planner. Raises as :func:`application`."""
    return await aside(_graph, name)


def close() -> None:
    """Closes the application; the next one to ask opens another."""
    with _ONE:
        if _opened.cache_info().currsize:
            _opened().close()
        _opened.cache_clear()
        _made.cache_clear()


@cache
def _opened() -> Application:
    return Application(load_settings())


def _graph(name: str) -> CompiledStateGraph[Any, Any, Any, Any]:
    application()
    with _ONE:
        return _made(name)


@cache
def _made(name: str) -> CompiledStateGraph[Any, Any, Any, Any]:
    scenario = SCENARIOS[name]
    return scenario.graph(scenario.planner(), _opened().gateway)
