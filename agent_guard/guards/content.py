"""Content: stop-words in what would be said, and addresses outside the domains that the policy allows (A18, B13)."""

from __future__ import annotations

from agent_guard.facts import Facts
from agent_guard.guards.base import Guard, deny
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Objection, ToolCall

__all__ = ["CONTENT"]


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    if not facts.content:
        return None
    lines = "; ".join(f"{problem.path}: {problem.message}" for problem in facts.content[:5])
    return deny(facts.content[0].code, f"The content was refused: {lines}.")


CONTENT = Guard("content", _check)
