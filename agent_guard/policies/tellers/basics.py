"""The stop button, the list of permitted tools, and the mode."""

from __future__ import annotations

from agent_guard.policies.tellers.base import Case, Told

__all__ = ["kill_switch", "mode", "scope"]

_EVERYTHING = "*"


def kill_switch(case: Case) -> Told:
    """Which flags are pressed."""
    say = case.speech.say
    if case.objection is None:
        return Told([say("kill_switch.fine")])
    names = [say("kill_switch.everything") if name == _EVERYTHING else name for name in case.facts.pressed]
    return Told([say("kill_switch.pressed", scopes=", ".join(names))], [say("kill_switch.change")])


def scope(case: Case) -> Told:
    """Whether the tool exists, is named, has a mode here and belongs to the conversation."""
    say, facts = case.speech.say, case.facts
    words = {"tool": case.call.tool, "policy": case.policy.name, "environment": facts.environment}
    if case.objection is None:
        return Told([say("scope.fine", **words)])
    if case.tool is None or not facts.known:
        why = "unknown"
    elif case.rule is None:
        why = "unnamed"
    elif case.rule.mode_in(facts.environment) is None:
        why = "no_mode"
    else:
        why = "outside"
    tools = case.speech.all_of(facts.scope or ())
    return Told([say(f"scope.{why}", tools=tools, **words)], [say(f"scope.change_{why}", **words)])


def mode(case: Case) -> Told:
    """Whether it runs by itself, asks a person or is only suggested."""
    say, rule = case.speech.say, case.rule
    found = rule.mode_in(case.facts.environment) if rule else None
    words = {"tool": case.call.tool, "environment": case.facts.environment}
    if rule is None or found is None:
        return Told([say("mode.none", **words)], [say("mode.change_none", **words)])
    if found == "execute" or case.objection is None:
        return Told([say("mode.execute", **words)])
    if found == "suggest" or rule.approvers is None:
        return Told([say("mode.suggest", **words)], [say("mode.change_suggest", **words)])
    roles, n = case.speech.any_of(rule.approvers.roles), len(rule.approvers.roles)
    clauses = [say("mode.approve", n, roles=roles, duration=case.speech.duration(rule.approvers.expires), **words)]
    if rule.approvers.not_requester:
        clauses.append(say("mode.not_requester"))
    return Told(clauses, [say("mode.change_approve", n, roles=roles)])
