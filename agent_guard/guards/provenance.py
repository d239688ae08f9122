"""Provenance: a value that decides where something goes must come from the user, or from a record they led to.

The model cannot make a value its own by writing it down: what counts is where the thread saw it first. Secrets do not
leave even to an address that is allowed.
"""

from __future__ import annotations

from collections.abc import Collection

from agent_guard.facts import RENDERED, Facts, ValueFact
from agent_guard.guards.base import Guard, deny, effect_of
from agent_guard.guards.plan import asked_about
from agent_guard.policy import Policy, ToolRule
from agent_guard.tool import Tool
from agent_guard.types import Code, Objection, Origin, ToolCall

__all__ = ["ADDRESSES", "DEFAULT_ORIGINS", "PROVENANCE", "SECRETS", "allowed_origins"]

DEFAULT_ORIGINS: tuple[Origin, ...] = ("user", "trusted")
"""Where a sensitive value may come from unless the policy's ``from`` says otherwise."""

ADDRESSES = frozenset({"EMAIL", "PHONE", "URL", "IBAN", "CARD", "IP"})
"""What is judged wherever it stands, in free text too: something could be sent there."""

SECRETS = frozenset({"SECRET", "CARD", "ID"})
"""What is not sent to anybody, unless the user typed it in this thread."""

_WORDS = {
    "user": "the user's words",
    "party": "the customer's words",
    "trusted": "a system of record",
    "untrusted": "text of outsiders, or a record nobody asked about",
    "invented": "nowhere: the model made it up",
}


def allowed_origins(rule: ToolRule, argument: str) -> Collection[Origin]:
    """The origins that an argument's values may have."""
    return rule.origins.get(argument, DEFAULT_ORIGINS)


def _check(call: ToolCall, tool: Tool | None, policy: Policy, facts: Facts) -> Objection | None:
    if tool is None:
        return None  # scope has denied it
    rule = policy.tools[tool.name]
    planned = facts.plan is not None and facts.plan.step is not None
    left_open = {item.argument.split(".")[0] for item in facts.plan.open} if facts.plan else set()
    asked = {item.argument.split(".")[0] for item in asked_about(tool, facts)}
    doubtful: list[ValueFact] = []
    for value in facts.values:
        said = value.argument.startswith(RENDERED)
        told = bool(tool.audience) and facts.audience  # whoever is invited reads it
        leaves = tool.effect in ("send", "egress") or told or said
        if value.kind in (SECRETS | {"IBAN"} if said else SECRETS) and leaves and "user" not in value.origins:
            return deny(
                Code.VALUE_SECRET,
                f"{value.argument}: {value.shown} is secret and is not sent to anybody.",
                f"{value.argument} holds {value.shown}, a secret of {_where(value)}.",
            )
        if set(value.origins) & set(allowed_origins(rule, value.argument)) or _own(value, facts):
            continue
        if said:  # no plan determines it, and a template may hold what nobody has named
            doubtful.append(value)
            continue
        if value.argument in asked:
            continue  # the plan leaves it open, so a person is shown it
        if value.shown.startswith("<") and set(value.origins) <= {"invented"}:
            return deny(
                Code.VALUE_INVENTED,
                f"{value.argument}: nobody ever named that value here. Use what you were given, or ask the user.",
                f"{value.argument} holds {value.shown}, which the model made up.",
            )
        if planned and value.argument not in left_open and value.argument not in rule.origins:
            continue  # a planned value was written before any outside text was read
        if _own_words(value, tool, rule, facts):
            continue  # the plan lets the model write it later, nobody else has said it, and it can be thrown away
        doubtful.append(value)
    if not doubtful:
        return None
    return Objection(
        outcome="require_approval",
        code=Code.VALUE_ORIGIN,
        for_model="A person must look at where these values come from.",
        for_human=" ".join(f"{value.argument} ({value.shown}) comes from {_where(value)}." for value in doubtful),
    )


def _own_words(value: ValueFact, tool: Tool, rule: ToolRule, facts: Facts) -> bool:
    """Whether a value is a word or number of the model's own that the plan leaves to it, in a draft. A record, an
    address and what anybody else has said are judged in a draft too, and so is an argument that ``from`` names.
    """
    if effect_of(tool, facts) != "draft" or facts.plan is None or facts.plan.step is None:
        return False
    kinds = {item.kind for item in facts.plan.open if item.argument.split(".")[0] == value.argument}
    plain = value.kind in ("text", "number") and value.argument not in tool.refs
    return kinds == {"late"} and plain and set(value.origins) <= {"invented"} and value.argument not in rule.origins


def _own(value: ValueFact, facts: Facts) -> bool:
    """Whether the customer said it and the call is about records of that customer alone."""
    if "party" not in value.origins or not facts.party or not facts.records:
        return False
    return all(record.party == facts.party for record in facts.records.values())


def _where(value: ValueFact) -> str:
    if value.argument.startswith(RENDERED) and set(value.origins) <= {"invented"}:
        return "the template, or a record that it fills in"
    words = " and ".join(_WORDS[origin] for origin in value.origins)
    return f"{words} ({', '.join(value.sources)})" if value.sources else words


PROVENANCE = Guard("provenance", _check)
