"""Events as Prometheus metrics (extra ``prometheus``).

Labels are of closed sets, so that the number of series is bounded: tools of contracts, kinds, outcomes, codes,
environments. No person, party, tenant or thread is a label.
Source: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from agent_guard.audit import AuditEvent
from agent_guard.errors import ConfigError
from agent_guard.subscribers.facts import OTHER, Told, Tools

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["PrometheusSubscriber", "registry", "serve"]

_CALL_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WAIT_S = (10, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 72 * 3600)
_MISSING = "Prometheus needs: pip install 'langgraph-agent-guard[prometheus]'"
_ENDS = ("finished", "failed", "unknown", "reconciled")


class PrometheusSubscriber:
    """Counts events, decisions and calls, and measures how long calls and answers take.

    agent_guard_events_total {kind, environment}; agent_guard_decisions_total {tool, outcome, code, environment};
    agent_guard_calls_total {tool, outcome, code, environment}, outcome being finished, failed, unknown or reconciled;
    agent_guard_call_seconds {tool, environment}; agent_guard_approval_wait_seconds {tool, outcome, environment},
    outcome being the answer.

    ``registry`` is where they are kept.

    Args:
        registry: where the metrics are kept; the process's own by default, where they can be registered once.
        tools: names of tools that are known before their first event.

    Raises:
        ConfigError: prometheus_client is not installed, or the registry has these metrics already.
    """

    def __init__(self, registry: CollectorRegistry | None = None, *, tools: Collection[str] = ()) -> None:
        try:
            from prometheus_client import REGISTRY, Counter, Histogram
        except ImportError:
            raise ConfigError(_MISSING) from None
        self.registry = kept = registry or REGISTRY
        self._tools = Tools(tools)
        try:
            self._events = Counter(
                "agent_guard_events", "Events of the record.", ("kind", "environment"), registry=kept
            )
            self._decisions = Counter(
                "agent_guard_decisions",
                "Decisions on proposed calls.",
                ("tool", "outcome", "code", "environment"),
                registry=kept,
            )
            self._calls = Counter(
                "agent_guard_calls", "Calls that ran.", ("tool", "outcome", "code", "environment"), registry=kept
            )
            self._call_s = Histogram(
                "agent_guard_call_seconds",
                "How long calls took, all attempts together.",
                ("tool", "environment"),
                registry=kept,
                buckets=_CALL_S,
            )
            self._wait_s = Histogram(
                "agent_guard_approval_wait_seconds",
                "How long questions waited for their answer.",
                ("tool", "outcome", "environment"),
                registry=kept,
                buckets=_WAIT_S,
            )
        except ValueError:
            raise ConfigError("these metrics are in the registry already; make one subscriber a registry") from None

    def on_event(self, event: AuditEvent) -> None:
        """See :class:`agent_guard.subscribers.hub.Subscriber`."""
        told = Told.of(event, self._tools)
        tool, environment = told.tool or OTHER, told.environment or OTHER
        self._events.labels(told.kind, environment).inc()
        if told.outcome is not None and told.kind in ("decided", "suggested"):
            self._decisions.labels(tool, told.outcome, told.code or OTHER, environment).inc()
        if told.kind in _ENDS:
            self._calls.labels(tool, told.kind, told.code or "allowed", environment).inc()
            if told.latency_ms is not None:
                self._call_s.labels(tool, environment).observe(told.latency_ms / 1000)
        if told.waited_s is not None and told.answer is not None:
            self._wait_s.labels(tool, told.answer, environment).observe(told.waited_s)


def registry() -> CollectorRegistry:
    """A registry of its own, so that several gateways of one process do not meet in one.

    Raises:
        ConfigError: prometheus_client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry
    except ImportError:
        raise ConfigError(_MISSING) from None
    return CollectorRegistry()


def serve(registry: CollectorRegistry, *, port: int, address: str = "127.0.0.1") -> bool:
    """Serves the metrics of a registry at ``http://address:port/metrics``, in a daemon thread; false where another
    process holds the port, so that a command beside the worker does its work all the same.
    """
    from prometheus_client import start_http_server

    try:
        start_http_server(port, addr=address, registry=registry)
    except OSError:
        return False
    return True
