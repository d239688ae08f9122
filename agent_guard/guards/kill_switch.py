"""The red button: a pressed flag that covers the call denies it (A31)."""

from __future__ import annotations

from agent_guard.facts import Facts
from agent_guard.guards.base import Guard, deny
from agent_guard.operations.scopes import revoked
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Objection, ToolCall

__all__ = ["KILL_SWITCH"]


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    if not facts.pressed:
        return None
    return deny(
        Code.KILLED,
        "Tool calling is switched off. Stop; a person takes over.",
        f"The red button is pressed for: {', '.join(facts.pressed)}.{_revoked(facts)}",
    )


def _revoked(facts: Facts) -> str:
    found = [revoked(scope) for scope in facts.pressed]
    return "".join(f" The agent {item[1]} was revoked in {item[0]}." for item in found if item)


KILL_SWITCH = Guard("kill_switch", _check)
