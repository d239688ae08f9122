"""``decide``: a pure function of the call, the contract, the policy and the facts (law L3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from agent_guard.facts import Facts
from agent_guard.guards import GUARDS, Guard
from agent_guard.guards.loops import LOOPS
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Decision, GuardTrace, Objection, Outcome, ToolCall

__all__ = ["answerable", "decide"]

_STRICTNESS: dict[Outcome, int] = {"allow": 0, "require_approval": 1, "suggest": 2, "deny": 3}


def decide(
    call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts, extra_guards: Sequence[Guard] = ()
) -> Decision:
    """Asks the guards in order until the first deny; otherwise the strictest objection wins, and without one the
    call is allowed. A denial does not hide a loop: after it the loop guard alone is still asked, and wins.

    Args:
        tool: the contract, or None where the gateway has no tool of this name.
        extra_guards: asked after the built-in ones; they can only tighten.
    """
    objections: list[Objection] = []
    trace: list[GuardTrace] = []
    denied = False
    for guard in (*GUARDS, *extra_guards):
        if denied and guard is not LOOPS:
            continue
        objection = _asked(guard, call, tool, policy, facts)
        if objection is None:
            trace.append(_allowed(guard.name))
            continue
        objections.append(objection)
        trace.append(GuardTrace(guard=guard.name, outcome=objection.outcome, code=objection.code))
        denied = denied or objection.outcome == "deny"
        if objection.outcome == "deny" and objection.code.stops:
            break  # the run ends in any case
    return _sum_up(objections, trace, policy)


@lru_cache(maxsize=256)
def _allowed(guard: str) -> GuardTrace:
    return GuardTrace(guard=guard, outcome="allow", code=Code.ALLOWED)


def answerable(decision: Decision, call: ToolCall, policy: Policy) -> Decision:
    """The same decision, or a denial where a person would have to approve and the policy names nobody who may: absent
    means denied. Every decision of a gateway has passed this.
    """
    rule = policy.tools.get(call.tool)
    if decision.outcome != "require_approval" or (rule is not None and rule.approvers is not None):
        return decision
    words = "A person would have to approve this, and the policy names nobody who may."
    return replace(decision, outcome="deny", code=Code.APPROVER_UNKNOWN, for_model=words, for_human=words)


def _asked(guard: Guard, call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    try:
        said: object = guard.check(call, tool, policy, facts)
    except Exception as error:  # a guard that cannot answer has not allowed anything
        said = error
    if said is None or (isinstance(said, Objection) and isinstance(said.code, Code)):
        return said
    did = "raised" if isinstance(said, Exception) else "returned"
    words = f"The guard {guard.name} failed: it {did} {type(said).__name__}, not None or an Objection with a Code."
    return Objection(outcome="deny", code=Code.INTERNAL, for_model="It cannot be decided.", for_human=words)


def _sum_up(objections: Sequence[Objection], trace: Sequence[GuardTrace], policy: Policy) -> Decision:
    if not objections:
        outcome: Outcome = "allow"
        code, for_model, for_human = Code.ALLOWED, "Allowed.", "No guard objects."
    else:
        strictest = max(objections, key=lambda objection: _STRICTNESS[objection.outcome])
        if objections[-1].outcome == "deny":
            strictest = objections[-1]  # the loop behind another denial
        same = [objection for objection in objections if objection.outcome == strictest.outcome]
        outcome, code, for_model = strictest.outcome, strictest.code, strictest.for_model
        for_human = " ".join(dict.fromkeys(objection.for_human for objection in same))
    return Decision(
        outcome=outcome,
        code=code,
        for_model=for_model,
        for_human=for_human,
        policy=policy.name,
        policy_hash=policy.hash,
        guards=tuple(trace),
    )
