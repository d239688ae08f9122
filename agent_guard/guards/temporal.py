"""Temporal: what must have happened before, and what is too late. Running totals are judged with the limits."""

from __future__ import annotations

from agent_guard.facts import Facts
from agent_guard.guards.base import Guard, deny
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Objection, ToolCall

__all__ = ["TEMPORAL"]


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    if not facts.temporal:
        return None
    lines = "; ".join(f"{problem.path}: {problem.message}" for problem in facts.temporal)
    return deny(facts.temporal[0].code, f"Not now: {lines}.")


TEMPORAL = Guard("temporal", _check)
