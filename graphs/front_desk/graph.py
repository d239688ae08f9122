"""Front desk: a request is routed by rules, and its thread goes into one of the five scenarios for good (A9).

    route -> sdr_qualification | account_health | support_draft | calendar_booking | forgotten_deal, or words

Each scenario is its own graph as a subgraph, under its own policy and the scope of its corridor. Destruction, rights
and injections are refused, an unclear request is asked back once and then given to a person; none of these reaches a
tool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph.state import CompiledStateGraph

from agent_guard.front_desk import router_of
from agent_guard.gateway import Gateway
from agent_guard.nodes import desk_graph
from agent_guard.router import Classifier
from graphs import FIVE
from graphs.front_desk.planner import DeskPlanner

__all__ = ["build"]


def build(
    model: BaseChatModel,
    gateway: Gateway,
    *,
    classifier: Classifier | None = None,
    mask: Callable[[str], str] | None = None,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph, without a checkpointer: a Session or a server brings its own.

    Args:
        model: of all scenarios behind the desk, or a :class:`DeskPlanner`, with which each has its embedded one.
        classifier, mask: as in :class:`~agent_guard.router.Router`.
    """
    inside = {
        name: scenario.graph(model.of(name) if isinstance(model, DeskPlanner) else model, gateway)
        for name, scenario in FIVE.items()
    }
    return desk_graph(gateway, router_of(FIVE, classifier, mask), inside, name="front_desk")
