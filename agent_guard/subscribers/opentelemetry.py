"""Events as OpenTelemetry spans (extra ``opentelemetry``): one span for one call's life, its events on it.

Names follow the semantic conventions for generative AI where they have any (``execute_tool``, ``gen_ai.tool.name``,
``error.type``); they are in development there, so they may change with a release. Arguments and results, which the
conventions leave to the instrumentation, are never set.
Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-agent-spans/#execute-tool-span
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from agent_guard.audit import AuditEvent
from agent_guard.errors import ConfigError
from agent_guard.subscribers.facts import OTHER, Told, Tools

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

__all__ = ["OpenTelemetrySubscriber"]

OPEN_MAX = 10_000
"""How many calls' lives are remembered until they end; beyond that the oldest is sent as it is."""

_ENDS = frozenset({"finished", "failed", "unknown", "reconciled", "suggested", "expired", "edited"})
_ATTRIBUTES = {
    "outcome": "agent_guard.decision.outcome",
    "code": "agent_guard.code",
    "answer": "agent_guard.approval.answer",
    "waited_s": "agent_guard.approval.wait_seconds",
    "latency_ms": "agent_guard.latency_ms",
    "attempts": "agent_guard.attempts",
    "approval_id": "agent_guard.approval.id",
}


class OpenTelemetrySubscriber:
    """Makes one span of what this process saw of a call: from the first event to the one that ends it. A call whose
    question is answered in another process is a span in each, with the same ``agent_guard.trace_id``. May be shared by
    gateways; what is open when one of them closes is sent as it is.

    Args:
        provider: where spans go; the process's own by default. Without a configured one nothing is sent.
        tools: names of tools that are known before their first event.

    Raises:
        ConfigError: opentelemetry-api is not installed.
    """

    def __init__(self, provider: TracerProvider | None = None, *, tools: Collection[str] = ()) -> None:
        try:
            from opentelemetry import trace
        except ImportError:
            raise ConfigError("OpenTelemetry needs: pip install 'langgraph-agent-guard[opentelemetry]'") from None
        self._trace = trace
        self._tracer = (provider or trace.get_tracer_provider()).get_tracer("agent_guard")
        self._tools = Tools(tools)
        self._open: dict[str, list[Told]] = {}
        self._turn = threading.Lock()

    def on_event(self, event: AuditEvent) -> None:
        """See :class:`agent_guard.subscribers.hub.Subscriber`."""
        told = Told.of(event, self._tools)
        if told.trace_id is None:
            return  # of no call
        with self._turn:
            self._open.setdefault(told.trace_id, []).append(told)
            if _is_last(told):
                self._send(told.trace_id)
            elif len(self._open) > OPEN_MAX:
                self._send(next(iter(self._open)))

    def close(self) -> None:
        """Sends the calls whose end this process has not seen."""
        with self._turn:
            for trace_id in list(self._open):
                self._send(trace_id)

    def _send(self, trace_id: str) -> None:
        seen = self._open.pop(trace_id)
        last, tool = seen[-1], next((item.tool for item in seen if item.tool), OTHER)
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "gen_ai.tool.type": "function",
            "agent_guard.trace_id": trace_id,
            "agent_guard.status": last.kind,
        }
        thread, environment = last.thread, next((item.environment for item in seen if item.environment), None)
        attributes |= {"gen_ai.conversation.id": thread} if thread else {}
        attributes |= {"deployment.environment.name": environment} if environment else {}
        for item in seen:
            attributes |= _said(item)
        span = self._tracer.start_span(
            f"execute_tool {tool}",
            context=self._trace.set_span_in_context(self._trace.INVALID_SPAN),  # a root: nobody's request runs here
            kind=self._trace.SpanKind.INTERNAL,
            attributes=attributes,
            start_time=_ns(seen[0]),
        )
        for item in seen:
            span.add_event(item.kind, attributes=_said(item), timestamp=_ns(item))
        if last.kind in ("failed", "unknown"):
            span.set_attribute("error.type", last.code or "_OTHER")
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        span.end(end_time=max(_ns(item) for item in seen))


def _is_last(told: Told) -> bool:
    return (
        told.kind in _ENDS
        or (told.kind == "decided" and told.outcome == "deny")
        or (told.kind == "answered" and told.answer in ("reject", "respond"))
    )


def _said(told: Told) -> dict[str, Any]:
    values = {name: getattr(told, name) for name in _ATTRIBUTES}
    return {_ATTRIBUTES[name]: value for name, value in values.items() if value is not None}


def _ns(told: Told) -> int:
    return told.at_ms * 1_000_000
