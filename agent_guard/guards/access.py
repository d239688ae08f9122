"""The user's rights, not the model's: role, company and region, as the directory has them now (A10, B5)."""

from __future__ import annotations

from collections.abc import Iterable

from agent_guard.facts import Facts
from agent_guard.guards.base import Guard, deny
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Objection, ToolCall

__all__ = ["ACCESS"]

NOT_FOUND = "There is no such record."
"""Told for a missing record and for one that may not be seen alike, so that an answer betrays nothing."""


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    if tool is None:
        return None  # scope has denied it
    rule = policy.tools[tool.name]
    if not facts.person_found:
        return deny(Code.ROLE, "The user has no rights here.", f"The directory knows no user {facts.subject}.")
    if not set(rule.roles) & set(facts.roles):
        return deny(
            Code.ROLE,
            "The user may not do this.",
            f"{facts.subject} has the roles {_words(facts.roles)}; {tool.name} needs one of {_words(rule.roles)}.",
        )
    if rule.region is not None and facts.store_region is not None:
        kept_in = (facts.region,) if rule.region == "own" else rule.region
        if facts.store_region not in kept_in:
            return deny(
                Code.REGION,
                "This cannot be done from here.",
                f"This installation lies in {facts.store_region}; the data may be in {_words(kept_in)} only.",
            )
    for argument, record in facts.records.items():
        if not record.found:
            return deny(Code.RECORD_NOT_FOUND, NOT_FOUND, f"{argument}: no record {record.ref}.")
        if record.tenant is not None and record.tenant != facts.tenant:
            return deny(Code.RECORD_NOT_FOUND, NOT_FOUND, f"{argument}: {record.ref} is another company's.")
        allowed = (facts.region,) if rule.region == "own" else rule.region
        if allowed is not None and (record.region is None or record.region not in allowed):
            return deny(
                Code.REGION,
                NOT_FOUND,
                f"{record.ref} lies in the region {record.region}; {facts.subject} may use {_words(allowed)}.",
            )
    return None


def _words(names: Iterable[str | None]) -> str:
    return ", ".join(sorted(str(name) for name in names)) or "none"


ACCESS = Guard("access", _check)
