"""The user's rights, and whose the named records are. Each record is shown to the guard alone, to tell which it is."""

from __future__ import annotations

from dataclasses import replace

from agent_guard.facts import RecordFact
from agent_guard.guards.access import ACCESS
from agent_guard.guards.base import Guard
from agent_guard.guards.binding import BINDING, bound_to
from agent_guard.policies.speech import Clause
from agent_guard.policies.tellers.base import Case, Told, shown
from agent_guard.policies.tellers.values import corrected
from agent_guard.policy import ToolRule
from agent_guard.tool import Tool

__all__ = ["access", "binding"]


def access(case: Case) -> Told:
    """The user's roles, and the companies and regions of the records."""
    say, facts, rule, tool = case.speech.say, case.facts, case.rule, case.tool
    if rule is None or tool is None:
        return Told([])
    if not facts.person_found:
        return Told([say("access.nobody", subject=facts.subject)], [say("access.change_nobody")])
    told = _roles(case, rule)
    for record in facts.records.values():
        allowed = case.speech.any_of([facts.region] if rule.region == "own" else rule.region or ())
        words = {"record": shown(record), "region": record.region or say("list.unknown"), "allowed": allowed}
        if not record.found:
            told.clauses.append(say("access.missing", record=record.ref))
            told.changes.append(say("access.change_missing"))
        elif record.tenant not in (None, facts.tenant):
            told.clauses.append(say("access.other_company", record=record.ref))
            told.changes.append(say("access.change_other_company"))
        elif rule.region is not None and (record.region is None or not _passes(ACCESS, case, tool, rule, {"": record})):
            told.clauses.append(say("access.region", **words))
            nowhere = rule.region == "own" and facts.region is None
            told.changes.append(say("access.change_no_region" if nowhere else "access.change_region", **words))
        elif rule.region is not None:
            told.clauses.append(say("access.region_fine", **words))
    return told


def _roles(case: Case, rule: ToolRule) -> Told:
    say, facts = case.speech.say, case.facts
    words = {"subject": facts.subject, "tool": case.call.tool}
    enough = [role for role in facts.roles if role in rule.roles]
    if enough:
        return Told([say("access.enough", len(enough), held=case.speech.all_of(enough), **words)])
    held = say("access.no_role", **words)
    if facts.roles:
        held = say("access.held", len(facts.roles), held=case.speech.all_of(facts.roles), **words)
    needed, n = case.speech.any_of(rule.roles), len(rule.roles)
    return Told([held, say("access.needed", n, needed=needed, **words)], [say("access.change_role", n, needed=needed)])


def binding(case: Case) -> Told:
    """Whose each record is."""
    say, facts, rule, tool = case.speech.say, case.facts, case.rule, case.tool
    if rule is None or tool is None:
        return Told([])
    told = Told([])
    for argument in rule.bind:
        if argument not in facts.records and facts.problems:
            told.clauses.append(say("binding.not_read", argument=argument))
            told.changes.extend(corrected(case))
        elif argument not in facts.records:
            told.clauses.append(say("binding.no_record", argument=argument))
            told.changes.append(say("binding.change_no_record", argument=argument))
    for argument, record in facts.records.items():
        bind = bound_to(rule, tool, argument)
        if not record.found:
            told.clauses.append(say("access.missing", record=record.ref))
            told.changes.append(say("access.change_missing"))
        elif record.tenant not in (None, facts.tenant):
            told.clauses.append(say("access.other_company", record=record.ref))
            told.changes.append(say("access.change_other_company"))
        elif _passes(BINDING, case, tool, rule, {argument: record}):
            told.clauses.append(say(f"binding.{bind}", record=shown(record), subject=facts.subject))
        elif bind == "party" and not facts.party:
            told.clauses.append(say("binding.no_party", record=shown(record)))
            told.changes.append(say("binding.change_no_party"))
        else:
            told.clauses.append(_stranger(case, bind, record))
            told.changes.append(say(f"binding.change_{bind}", argument=argument))
    return told if told.clauses else Told([say("binding.none")])


def _stranger(case: Case, bind: str, record: RecordFact) -> Clause:
    facts, unknown = case.facts, case.speech.say("list.unknown")
    owner = record.party if bind == "party" else record.responsible
    return case.speech.say(
        f"binding.not_{bind}",
        record=shown(record),
        owner=owner or unknown,
        party=facts.party,
        subject=facts.subject,
        region=record.region or unknown,
        own=facts.region or unknown,
    )


def _passes(guard: Guard, case: Case, tool: Tool, rule: ToolRule, records: dict[str, RecordFact]) -> bool:
    bind = {argument: word for argument, word in rule.bind.items() if argument in records}
    alone = rule.model_copy(update={"bind": bind})
    policy = case.policy.model_copy(update={"tools": {tool.name: alone}})
    roles = (*case.facts.roles, *rule.roles)
    return guard.check(case.call, tool, policy, replace(case.facts, records=records, roles=roles)) is None
