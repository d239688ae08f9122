"""The allowlist: a tool that the gateway has, the policy names, the environment permits, the thread may use (A1). A
thread whose customer's data was erased may use none.
"""

from __future__ import annotations

from agent_guard.facts import Facts
from agent_guard.guards.base import Guard, deny
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Objection, ToolCall

__all__ = ["SCOPE"]


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    if facts.erased:
        return deny(
            Code.ERASED,
            "This conversation was closed. Stop; a new one may be begun.",
            "The data of this conversation's customer was erased; nothing goes on in it.",
        )
    if tool is None or not facts.known:
        return deny(Code.TOOL_UNKNOWN, "There is no such tool. Use only the tools you were given.")
    rule = policy.tools.get(tool.name)
    if rule is None:
        return deny(
            Code.TOOL_NOT_PERMITTED,
            "There is no such tool. Use only the tools you were given.",
            f"The policy {policy.name} does not name {tool.name}.",
        )
    if rule.mode_in(facts.environment) is None:
        return deny(
            Code.TOOL_NOT_PERMITTED,
            "This tool cannot be used here.",
            f"The policy {policy.name} gives {tool.name} no mode in the environment {facts.environment}.",
        )
    if facts.scope is not None and tool.name not in facts.scope:
        return deny(
            Code.OUT_OF_SCOPE,
            "This tool does not belong to this conversation.",
            f"{tool.name} is outside the scope that was fixed when the thread was opened.",
        )
    return None


SCOPE = Guard("scope", _check)
