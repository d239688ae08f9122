"""The mode of the tool in this environment: suggest, approve or execute (B9, A12)."""

from __future__ import annotations

from typing import assert_never

from agent_guard.facts import Facts
from agent_guard.guards.base import Guard, deny
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Objection, ToolCall

__all__ = ["MODE"]


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    mode = policy.tools[tool.name].mode_in(facts.environment) if tool else None
    match mode:
        case None:
            return deny(Code.TOOL_NOT_PERMITTED, "This tool cannot be used here.")
        case "execute":
            return None
        case "approve":
            return Objection(
                outcome="require_approval",
                code=Code.APPROVAL_REQUIRED,
                for_model="A person must approve this first.",
                for_human="The policy asks for a person's approval.",
            )
        case "suggest":
            return Objection(
                outcome="suggest",
                code=Code.SUGGESTED,
                for_model="Noted as a suggestion for a person; it was not done.",
                for_human="The tool is in suggest mode: recorded, never run.",
            )
        case _:
            assert_never(mode)


MODE = Guard("mode", _check)
