"""The contract's view of the arguments, closed world (B3, B4, B12)."""

from __future__ import annotations

from agent_guard.facts import Facts
from agent_guard.guards.base import Guard, deny
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Objection, ToolCall

__all__ = ["ARGUMENTS"]

_SHOWN = 5

ONE_AT_A_TIME = (
    "One approval at a time: another call of this message was put before a person. Propose this one in your next "
    "message."
)
_ORDER = (
    Code.ARGUMENTS_MALFORMED,
    Code.ARGUMENTS_TOO_LARGE,
    Code.ARGUMENT_UNKNOWN,
    Code.PSEUDONYM_UNKNOWN,
    Code.PSEUDONYM_NOT_PERMITTED,
    Code.ARGUMENTS_INVALID,
    Code.ARGUMENT_NOT_PERMITTED,
    Code.REASON_MISSING,
    Code.TOOL_UNAVAILABLE,
)

_RANK = {code: rank for rank, code in enumerate(_ORDER)}


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    if not facts.problems:
        return None
    problems = sorted(facts.problems, key=lambda problem: (_RANK.get(problem.code, len(_RANK)), problem.path))
    if problems[0].code is Code.APPROVAL_PENDING:
        return deny(Code.APPROVAL_PENDING, ONE_AT_A_TIME)
    lines = "; ".join(f"{problem.path}: {problem.message}" for problem in problems[:_SHOWN])
    return deny(problems[0].code, f"The arguments were refused: {lines}.")


ARGUMENTS = Guard("arguments", _check)
