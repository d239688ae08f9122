"""The loop detector (A22): the same call again and again, a few calls in turn, calls that change nothing, or one
proposal after another that a person rejects.
"""

from __future__ import annotations

from agent_guard.facts import Facts
from agent_guard.guards.base import Guard, deny
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Objection, ToolCall

__all__ = ["LOOPS", "REJECTIONS_MAX"]

REJECTIONS_MAX = 2
"""How many rejections in a row end a run."""


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    loops = policy.loops
    if facts.rejections >= REJECTIONS_MAX:
        return deny(
            Code.REJECTED_TWICE,
            "A person said no twice in a row. Stop, and wait until the user says something new.",
            f"A person rejected two questions of this thread in a row, and {facts.subject} has said nothing since.",
        )
    if facts.same_calls >= loops.same_call:
        found = f"The same call came {facts.same_calls + 1} times in a row; the policy allows {loops.same_call}."
    elif facts.cycles >= loops.cycle:
        found = f"The same few calls were repeated {facts.cycles} times; the policy allows {loops.cycle}."
    elif facts.idle >= loops.same_call * loops.cycle:
        found = f"The same call came {facts.idle + 1} times and nothing has changed since the first."
    else:
        return None
    return deny(Code.LOOP, "You are going round in circles. Stop; a person takes over.", found)


LOOPS = Guard("loops", _check)
