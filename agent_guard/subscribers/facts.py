"""What the shipped subscribers pass on of an event: words of closed sets, numbers, times, and ids of the guard's own.

Whatever a person, a model or a host could have put a value into is left out: arguments, reasons, notes, differences,
facts, the ids of threads, calls, parties and staff that others made up, and names of tools that no contract bears.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from ulid import ULID

from agent_guard.audit import AuditEvent
from agent_guard.types import Code

__all__ = ["OTHER", "Told", "Tools", "milliseconds"]

OTHER = "other"
"""Stands for a tool that is no contract's, as far as this process knows."""

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_TOOLS_MAX = 1000


class Tools:
    """The names of tools that contracts bear. One that a model made up comes without the version of a contract.

    Args:
        names: those known from the beginning.
    """

    def __init__(self, names: Collection[str] = ()) -> None:
        self._known = set(names)

    def name(self, event: AuditEvent) -> str | None:
        """The tool of an event, :data:`OTHER` where that is no contract's, or None for an event of no call."""
        if event.tool is None:
            return None
        if event.tool_version is not None and len(self._known) < _TOOLS_MAX:
            self._known.add(event.tool)
        return event.tool if event.tool in self._known else OTHER


@dataclass(frozen=True, kw_only=True)
class Told:
    """What may be told of one event.

    Args:
        at_ms: milliseconds since 1970.
        code: of its error, else of its decision.
        answer: of an answered question: approve, edit, reject or respond.
        waited_s: of an answered question: since it was asked.
    """

    kind: str
    at_ms: int
    tool: str | None
    environment: str | None
    outcome: str | None
    code: str | None
    error: str | None
    answer: str | None
    trace_id: str | None
    approval_id: str | None
    thread: str | None
    latency_ms: int | None
    attempts: int | None
    waited_s: float | None

    @classmethod
    def of(cls, event: AuditEvent, tools: Tools) -> Told:
        """What may be told of an event."""
        decision, error, result = event.decision or {}, event.error or {}, event.result_meta or {}
        code = error.get("code") or decision.get("code")
        at_ms = milliseconds(event.timestamp)
        approval = event.approval_id if _is_ours(event.approval_id, "apr_") else None
        answered = event.kind in ("answered", "edited") and event.note in ("approve", "edit", "reject", "respond")
        return cls(
            kind=event.kind,
            at_ms=at_ms,
            tool=tools.name(event),
            environment=event.environment if event.environment in ("dev", "stage", "prod") else None,
            outcome=decision.get("outcome"),
            code=str(code) if code in Code.__members__.values() else None,
            error=error.get("class"),
            answer=event.note if answered else None,
            trace_id=event.trace_id if _is_ours(event.trace_id) else None,
            approval_id=approval,
            thread=event.thread if _is_ours(event.thread) else None,
            latency_ms=_number(result.get("latency_ms")),
            attempts=_number(result.get("attempts")),
            waited_s=_waited(approval, at_ms) if answered else None,
        )


def milliseconds(timestamp: str) -> int:
    """An event's time in milliseconds since 1970."""
    return int(datetime.fromisoformat(timestamp).timestamp() * 1000)


def _is_ours(id: str | None, prefix: str = "") -> bool:
    """Whether an id has the form of those that the guard makes; another one may hold anything."""
    return id is not None and id.startswith(prefix) and _ULID.fullmatch(id.removeprefix(prefix)) is not None


def _waited(approval: str | None, at_ms: int) -> float | None:
    """Since when a question waited: its id is a ULID, which begins with the time it was asked."""
    if approval is None:
        return None
    return max(0, at_ms - ULID.from_str(approval.removeprefix("apr_")).milliseconds) / 1000


def _number(value: object) -> int | None:
    return value if type(value) is int else None
