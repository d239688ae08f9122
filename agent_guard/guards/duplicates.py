"""The same intent again inside its window: answered with what the first call did, never run twice (A6, B7)."""

from __future__ import annotations

from agent_guard.facts import Facts
from agent_guard.guards.base import Guard, deny
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Objection, ToolCall

__all__ = ["DUPLICATES"]


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    if facts.twin is None:
        return None
    twin = facts.twin
    if twin.state == "done":
        return deny(
            Code.DUPLICATE,
            "This was already done; nothing was done again.",
            f"The same intent ran as {twin.trace_id} and made {twin.reference or 'no record'}.",
        )
    if twin.state == "claimed":
        return deny(
            Code.IN_PROGRESS,
            "The same action is running. Stop; a person looks at it.",
            f"The same intent was claimed as {twin.trace_id} and has not ended.",
        )
    return deny(
        Code.OUTCOME_UNKNOWN,
        "The same action was tried and nobody knows whether it happened. Stop; a person looks at it.",
        f"The outcome of {twin.trace_id} is unknown; it must be settled first.",
    )


DUPLICATES = Guard("duplicates", _check)
