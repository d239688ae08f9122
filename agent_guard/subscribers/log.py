"""Events as lines of a log: one JSON object each, by the standard library's logging.

Whatever structures logs reads it: structlog's ``ProcessorFormatter`` takes foreign records, a collector takes the line.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import orjson

from agent_guard.audit import AuditEvent
from agent_guard.subscribers.facts import Told, Tools

__all__ = ["LogSubscriber"]


class LogSubscriber:
    """Writes each event to a logger, ``agent_guard.events`` by default, at the level INFO; failures at WARNING.

    Args:
        logger: another one.
        tools: names of tools that are known before their first event.
    """

    def __init__(self, logger: logging.Logger | None = None, *, tools: Collection[str] = ()) -> None:
        self._log = logger or logging.getLogger("agent_guard.events")
        self._tools = Tools(tools)

    def on_event(self, event: AuditEvent) -> None:
        """See :class:`agent_guard.subscribers.hub.Subscriber`."""
        told = Told.of(event, self._tools)
        data = {"timestamp": event.timestamp} | {
            name: value for name, value in vars(told).items() if value is not None and name != "at_ms"
        }
        level = logging.WARNING if told.kind in ("failed", "unknown", "killed") else logging.INFO
        self._log.log(level, "%s", orjson.dumps(data).decode())
