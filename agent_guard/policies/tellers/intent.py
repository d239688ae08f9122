"""The plan, and where each value comes from. Each value is shown to the guard alone, to tell which it is."""

from __future__ import annotations

from dataclasses import replace

from agent_guard.facts import RENDERED, ValueFact
from agent_guard.guards.base import effect_of
from agent_guard.guards.plan import asked_about
from agent_guard.guards.provenance import PROVENANCE, allowed_origins
from agent_guard.policies.speech import Clause
from agent_guard.policies.tellers.base import Case, Told
from agent_guard.types import Code

__all__ = ["plan", "provenance"]

_SHOWN = 8
_CHANGES = {Code.VALUE_SECRET: "secret", Code.VALUE_INVENTED: "invented", Code.VALUE_ORIGIN: "doubtful"}


def plan(case: Case) -> Told:
    """How the call stands to the plan."""
    say, found = case.speech.say, case.facts.plan
    if found is None:
        return Told([say("plan.none")])
    if found.step is None:
        if case.objection is None:
            return Told([say("plan.lookup")])
        return Told([say("plan.outside", why=found.why)], [say("plan.change_outside")])
    told = Told([say("plan.step", step=found.step)])
    if case.tool is not None and effect_of(case.tool, case.facts) != case.tool.effect:
        told.clauses.append(say("plan.alone"))
    if found.open:
        listed = [_open(case, item.kind, item.argument) for item in found.open]
        told.clauses.append(say("plan.open", len(listed), open="; ".join(listed)))
        if case.objection is None:
            told.clauses.append(say("plan.open_fine"))
        else:
            told.changes.append(say("plan.change_open"))
    return told


def _open(case: Case, kind: str, argument: str) -> str:
    key = f"plan.{kind}"
    return case.speech.say(key, argument=argument) if case.speech.has(key) else argument


def provenance(case: Case) -> Told:
    """Where each value that could be somebody else's will was seen before."""
    say, told = case.speech.say, Told([])
    changes: dict[str, list[str]] = {}
    for value in case.facts.values:
        clause, change = _value(case, value)
        told.clauses.append(clause)
        if change:
            changes.setdefault(change, []).append(value.argument)
    del told.clauses[_SHOWN:]
    for change, names in changes.items():
        told.changes.append(say(f"provenance.change_{change}", arguments=case.speech.all_of(dict.fromkeys(names))))
    return told if told.clauses else Told([say("provenance.none")])


def _value(case: Case, value: ValueFact) -> tuple[Clause, str | None]:
    """One value in words, and what kind of change it needs."""
    if case.tool is None or case.rule is None:
        return Clause(value.argument), None
    objection = PROVENANCE.check(case.call, case.tool, case.policy, replace(case.facts, values=(value,)))
    allowed = allowed_origins(case.rule, value.argument)
    if objection is None:
        key, change = _why_fine(case, value), None
    else:
        key = change = _CHANGES.get(objection.code, "doubtful")
    words = {
        "argument": value.argument,
        "shown": value.shown,
        "origins": case.speech.all_of(_origins(case, value)),
        "allowed": case.speech.any_of(case.speech.say(f"origin.{origin}") for origin in allowed),
    }
    return case.speech.say(f"provenance.{key}", **words), change


def _why_fine(case: Case, value: ValueFact) -> str:
    facts, rule = case.facts, case.rule
    if rule is None or set(value.origins) & set(allowed_origins(rule, value.argument)):
        return "fine"
    without_plan = replace(facts, plan=None, values=(value,))
    if PROVENANCE.check(case.call, case.tool, case.policy, without_plan) is None:
        return "own"
    left_open = {item.argument.split(".")[0] for item in facts.plan.open} if facts.plan else set()
    if value.argument not in left_open:
        return "planned"
    asked = {item.argument.split(".")[0] for item in asked_about(case.tool, facts)} if case.tool else set()
    return "open" if value.argument in asked else "written"


def _origins(case: Case, value: ValueFact) -> list[str]:
    sources = [*value.sources, *([""] * len(value.origins))]
    pairs = zip(value.origins, sources, strict=False)
    unknown = "template" if value.argument.startswith(RENDERED) else "invented"  # nobody named it; somebody wrote it
    words = ((unknown if origin == "invented" else origin, source) for origin, source in pairs)
    said = ((case.speech.say(f"origin.{word}"), source) for word, source in words)
    return [f"{word} ({source})" if source else str(word) for word, source in said]
