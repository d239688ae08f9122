"""Binding: the record a call names must be the thread's customer's, the subject's own, or in the subject's region.

One deterministic rule that stopped every cross-customer write tried in the study of attacks, at no approval.
"""

from __future__ import annotations

from agent_guard.facts import Facts, RecordFact
from agent_guard.guards.access import NOT_FOUND
from agent_guard.guards.base import Guard, deny
from agent_guard.policy import Policy, ToolRule
from agent_guard.tool import Tool
from agent_guard.types import Code, Objection, ToolCall

__all__ = ["BINDING", "bound_to"]


def bound_to(rule: ToolRule, tool: Tool, argument: str) -> str:
    """What an argument's record must be: the policy's word, else ``party`` for a tool with effects, else ``region``."""
    return rule.bind.get(argument, "party" if tool.writes else "region")


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    if tool is None:
        return None  # scope has denied it
    rule = policy.tools[tool.name]
    for argument in rule.bind:
        if argument not in facts.records:
            return deny(Code.BINDING, NOT_FOUND, f"{argument} is bound to {rule.bind[argument]}, and names no record.")
    for argument, record in facts.records.items():
        bind = bound_to(rule, tool, argument)
        if bind == "party" and not facts.party:
            return deny(
                Code.BINDING,
                "This conversation is about no customer, so nothing can be done to a customer's record.",
                f"{argument} is bound to the thread's customer, and the thread has none.",
            )
        if not _holds(bind, rule, record, facts):
            return deny(Code.BINDING, NOT_FOUND, f"{record.ref} is not what {argument} is bound to: {bind}.")
    return None


def _holds(bind: str, rule: ToolRule, record: RecordFact, facts: Facts) -> bool:
    if bind == "party":
        return record.party == facts.party
    if bind == "subject":
        return record.responsible == facts.subject
    # a list of regions in the policy has been judged by access; without one the subject's own region counts
    return rule.region is not None or record.region == facts.region


BINDING = Guard("binding", _check)
