"""The loop detector: the same call proposed too often in a row stops the run (A22)."""

from __future__ import annotations

from agent_guard.facts import Facts
from agent_guard.guards.base import Guard, deny
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Objection, ToolCall

__all__ = ["LOOPS"]


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    if facts.same_calls < policy.loops.same_call:
        return None
    return deny(
        Code.LOOP,
        "You have proposed this same call again and again. Stop; a person takes over.",
        f"The same call came {facts.same_calls + 1} times in a row; the policy allows {policy.loops.same_call}.",
    )


LOOPS = Guard("loops", _check)
