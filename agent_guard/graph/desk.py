"""The front desk as a graph: a request is routed first, and its thread goes into one scenario's graph for good.

    route -> one scenario's graph, or END with words

A thread is opened at the desk, whose policy permits nothing. The route is decided once, by rules, over the newest words
of the person; what is then written in the thread's row, not the graph's state, says where every later message goes.

The rules read those words as they were said: a masker that takes the verb of "Erase the base" for a name would hide
from them what is asked. The values are put back for as long as the rules look, and nothing of them is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from agent_guard.databases.locks import chain_lock
from agent_guard.errors import AgentGuardError, ConfigError, StoreError
from agent_guard.gateway import Gateway
from agent_guard.graph.call_nodes import Node
from agent_guard.graph.model_turn import WORDS
from agent_guard.graph.state import STATE_VERSION, GuardContext, GuardState
from agent_guard.guarded import GuardedThread
from agent_guard.routed import admitted, route_json, routed
from agent_guard.router import Route, Router
from agent_guard.routing.language import language_of
from agent_guard.types import JSON, Code

__all__ = ["DeskState", "desk_graph"]

Graph = CompiledStateGraph[Any, Any, Any, Any]

log = logging.getLogger("agent_guard")


class DeskState(GuardState, total=False):
    """State of a front desk: what its scenarios' graphs share, and the last route.

    Args:
        route: as :func:`agent_guard.routed.route_json` gives it; None before the first. Only the desk writes it.
    """

    route: dict[str, JSON] | None


class _Desk:
    """The one node of a front desk.

    Args:
        scenarios: the names of the graphs behind the desk.
    """

    def __init__(self, gateway: Gateway, router: Router, scenarios: frozenset[str]) -> None:
        self._gateway = gateway
        self._router = router
        self._scenarios = scenarios

    def route(self, state: DeskState, config: RunnableConfig) -> Command[str]:
        """Sends a thread into its scenario, asks once what is meant, refuses, or calls a person."""
        try:
            thread = self._gateway.thread(str(config.get("configurable", {}).get("thread_id")))
            if self._gateway.at_desk(thread.row):
                return self._at_desk(thread, state)
            return self._into(thread.row.scenario)
        except AgentGuardError as error:
            code = Code.STORE_UNAVAILABLE if isinstance(error, StoreError) else Code.INTERNAL
            return self._call_a_person(code, str(error), state)
        except Exception as error:  # LangGraph would store what it says, which may repeat a value
            return self._call_a_person(Code.INTERNAL, f"the routing failed: {type(error).__name__}", state)

    def _at_desk(self, thread: GuardedThread, state: DeskState) -> Command[str]:
        refused = self._gateway.step(thread.row)
        if refused is not None:
            return self._call_a_person(refused, WORDS.get(refused, str(refused)), state)
        route = self._decided(thread, state)
        if route.scenario is not None:
            gateway = self._gateway
            sent = gateway.send_on(
                thread.row, route.scenario, scope=route.scope, record=lambda row: routed(gateway, row, route)
            )
            return self._into(sent.scenario, route)
        with self._gateway.store.write(locks=[chain_lock(thread.id)]) as connection:
            event = routed(self._gateway, thread.row, route)
            self._gateway.audit.append(connection, [event], now_ms=self._gateway.now_ms())
        if route.outcome == "human":
            return self._call_a_person(None, route.rule, state, route)
        return self._say(self._router.words(route), "delivered", route=route_json(route), outcome=None)

    def _decided(self, thread: GuardedThread, state: DeskState) -> Route:
        """Where the newest words go. What was given to a person stays with that person."""
        last = state.get("route") or {}
        text = thread.restore(_newest(state), reader="user")
        route = self._router.route(text, asked=last.get("outcome") == "clarify")
        if last.get("outcome") == "human":
            return route.to_human("given to a person before")
        return admitted(route, thread.row.party)

    def _into(self, scenario: str | None, route: Route | None = None) -> Command[str]:
        if scenario not in self._scenarios:
            raise ConfigError(f"there is no graph for the scenario {scenario!r} behind this desk")
        return Command(goto=scenario, update={"v": STATE_VERSION} | ({"route": route_json(route)} if route else {}))

    def _call_a_person(
        self, code: Code | None, reason: str, state: DeskState, route: Route | None = None
    ) -> Command[str]:
        log.warning("escalated: %s: %s", code or "routed", reason)
        shown = route or Route(outcome="human", rule=reason, language=language_of(_newest(state)))
        more: dict[str, Any] = {"route": route_json(route)} if route else {}
        outcome = {"code": None if code is None else str(code), "reason": reason}
        return self._say(self._router.words(shown), "escalated", outcome=outcome, **more)

    def _say(self, words: str | None, status: str, **more: Any) -> Command[str]:
        message = AIMessage(words or "")
        return Command(
            goto=END, update={"v": STATE_VERSION, "messages": [message], "queue": [], "status": status} | more
        )


def desk_graph(gateway: Gateway, router: Router, scenarios: Mapping[str, Graph], *, name: str) -> Graph:
    """A front desk, without a checkpointer: a Session or a server brings its own.

    Its threads are opened with a scenario whose policy permits nothing (``tools: {}``).

    Args:
        router: its installed scenarios are those of the graphs. It reads the words unmasked, so a classifier of it
            needs a ``mask`` that masks.
        scenarios: scenario -> its guarded graph, made without a checkpointer.

    Raises:
        ConfigError: the router sends requests where there is no graph, or would show its classifier unmasked text.
    """
    if router.shows_texts:
        raise ConfigError("at a front desk the router reads the words as they were said: give it a mask that masks")
    if without := sorted(router.installed - set(scenarios)):
        raise ConfigError(f"the router sends requests into {without[0]!r}, for which there is no graph")
    desk = _Desk(gateway, router, frozenset(scenarios))
    graph = StateGraph(DeskState, context_schema=GuardContext, input_schema=GuardState)
    graph.add_node("route", Node(desk.route), destinations=(*scenarios, END))
    for scenario, inside in scenarios.items():
        # each keeps its own half of the conversation, also of a turn that a newer message cut short
        graph.add_node(scenario, inside.copy(update={"checkpointer": True}))
        graph.add_edge(scenario, END)
    graph.add_edge(START, "route")
    return graph.compile(name=name)


def _newest(state: DeskState) -> str:
    """What was said since the desk last answered."""
    said: list[str] = []
    for message in reversed(state.get("messages") or []):
        if not isinstance(message, HumanMessage):
            break
        said.append(message.text)
    return "\n".join(reversed(said))
