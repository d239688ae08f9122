"""Limits: actions, attempts and tokens a thread, each rate and running total, and contacts of a customer (A3, B7)."""

from __future__ import annotations

from agent_guard.facts import Facts
from agent_guard.guards.base import Guard, deny
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Objection, ToolCall

__all__ = ["LIMITS"]

_FOR_MODEL = {
    Code.LIMIT_ACTIONS: "This conversation has used all its actions. Finish without tools.",
    Code.LIMIT_ATTEMPTS: "Too many calls were tried in this conversation. Stop; a person takes over.",
    Code.LIMIT_RATE: "This tool was used too often just now. Do not try again at once.",
    Code.LIMIT_TOTAL: "The sum of what was asked for is too large now. Do not try again at once.",
    Code.LIMIT_CONTACTS: "This customer was contacted often enough for now. Do not try again at once.",
    Code.LIMIT_TOKENS: "This conversation has used all its tokens. Stop; a person takes over.",
}


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    for limit in facts.limits:
        if limit.reached:
            return deny(limit.code, _FOR_MODEL[limit.code], f"The limit {limit.limit} is reached.")
    return None


LIMITS = Guard("limits", _check)
