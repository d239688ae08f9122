"""The plan: a call that is no step of it is refused, not offered, so that a tired human cannot be talked into it.

Denying outside the plan took a yes-saying human's damage from 98 % to 6 % in the study of attacks.
"""

from __future__ import annotations

from agent_guard.facts import Facts, OpenFact
from agent_guard.guards.base import Guard, deny, effect_of
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Objection, ToolCall

__all__ = ["PLAN", "asked_about"]

_KINDS = {
    "extract": "read out of text of outsiders",
    "late": "written after the plan",
    "undetermined": "one of several records fits, or none",
}


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    if tool is None or facts.plan is None:
        return None
    if facts.plan.step is None:
        return _outside(tool, policy, facts)
    left = asked_about(tool, facts)
    if not left:
        return None
    parts = "; ".join(f"{item.argument}: {_KINDS.get(item.kind, item.kind)}" for item in left)
    return Objection(
        outcome="require_approval",
        code=Code.PLAN_VALUES,
        for_model="A person must look at the values that the plan left open.",
        for_human=f"The plan's step {facts.plan.step} left open: {parts}.",
    )


def asked_about(tool: Tool, facts: Facts) -> tuple[OpenFact, ...]:
    """The open values that a human is asked about: none of a read, which changes nothing, and of a draft, which can be
    thrown away, only what is read out of text of outsiders. A call without an audience is a draft.
    """
    effect = effect_of(tool, facts)
    if facts.plan is None or effect == "read":
        return ()
    return tuple(item for item in facts.plan.open if effect != "draft" or item.kind == "extract")


def _outside(tool: Tool, policy: Policy, facts: Facts) -> Objection | None:
    plan = facts.plan
    if plan is None or (tool.effect == "read" and not plan.outside_read):
        return None  # looking things up in the system of record, while nobody else has spoken
    words = f"It is no step of the plan: {plan.why}."
    if effect_of(tool, facts) == "draft" and policy.plan is not None and policy.plan.outside == "ask":
        return Objection(
            outcome="require_approval", code=Code.PLAN_OUTSIDE, for_model="This is not in your plan.", for_human=words
        )
    return deny(
        Code.PLAN_OUTSIDE, "This is not in your plan. Do what you planned, or tell the user what is missing.", words
    )


PLAN = Guard("plan", _check)
