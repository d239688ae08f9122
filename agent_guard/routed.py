"""A route once it is known who asks: what holds for a request before it goes anywhere, and how it is recorded."""

from __future__ import annotations

from agent_guard.audit import AuditEvent
from agent_guard.core import Core
from agent_guard.recording.events import thread_event
from agent_guard.router import Route
from agent_guard.threads import ThreadRow
from agent_guard.types import JSON

__all__ = ["admitted", "route_json", "routed"]


def admitted(route: Route, party: str | None) -> Route:
    """The route, or a person's where the scenario needs an authenticated customer and there is none.

    Args:
        party: the customer's id, from the host.
    """
    return route.to_human("party missing") if route.needs_party and party is None else route


def routed(core: Core, thread: ThreadRow, route: Route) -> AuditEvent:
    """The event of a route, in the chain of the thread that it is about. Holds nothing of the request's text."""
    return thread_event(
        "routed",
        thread,
        at=core.now(),
        environment=core.environment,
        agent=core.agent,
        facts=route_json(route),
        note=f"{route.outcome}: {route.rule}",
    )


def route_json(route: Route) -> dict[str, JSON]:
    """A route as the audit and the command line show it."""
    return {
        "outcome": route.outcome,
        "scenario": route.scenario,
        "rule": route.rule,
        "confidence": route.confidence,
        "scope": None if route.scope is None else sorted(route.scope),
        "needs_party": route.needs_party,
        "language": route.language,
        "candidates": list(route.candidates),
    }
