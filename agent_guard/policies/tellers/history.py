"""What was done before: the same thing, the same call again and again, and places of limits that are taken."""

from __future__ import annotations

from itertools import chain

from agent_guard.facts import LimitFact
from agent_guard.policies.speech import Clause
from agent_guard.policies.tellers.base import Case, Told
from agent_guard.policy import RateLimit, Total
from agent_guard.types import Code

__all__ = ["duplicates", "limits", "loops"]

_UNITS = {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}
_BY_TIME = (Code.LIMIT_RATE, Code.LIMIT_TOTAL)


def duplicates(case: Case) -> Told:
    """An earlier call with the same intent."""
    say, twin = case.speech.say, case.facts.twin
    if twin is None:
        return Told([say("duplicates.none")])
    state = twin.state if twin.state in ("done", "claimed") else "unknown"
    words = {"trace": twin.trace_id, "reference": twin.reference or say("list.none")}
    return Told([say(f"duplicates.{state}", **words)], [say(f"duplicates.change_{state}", **words)])


def loops(case: Case) -> Told:
    """Equal calls in a row, a few calls in turn, equal calls that change nothing."""
    say, facts, bounds = case.speech.say, case.facts, case.policy.loops
    if case.objection is None:
        if not facts.same_calls:
            return Told([say("loops.first")])
        return Told([say("loops.again", facts.same_calls, allowed=bounds.same_call)])
    if facts.same_calls >= bounds.same_call:
        told = say("loops.same", facts.same_calls + 1, allowed=bounds.same_call)
    elif facts.cycles >= bounds.cycle:
        told = say("loops.cycle", facts.cycles, allowed=bounds.cycle)
    else:
        told = say("loops.idle", facts.idle + 1)
    return Told([told], [say("loops.change")])


def limits(case: Case) -> Told:
    """Every limit that holds, those that are used up first."""
    say = case.speech.say
    full = [limit for limit in case.facts.limits if limit.reached]
    free = [limit for limit in case.facts.limits if not limit.reached]
    told = Told([])
    for key, listed in (("limits.reached", full), ("limits.free", free)):
        if listed:
            told.clauses.append(say(key, limits=", ".join(_named(case, limit) for limit in listed)))
    words = ["limits.change_window" if limit.code in _BY_TIME else "limits.change_thread" for limit in full]
    told.changes.extend(say(key) for key in dict.fromkeys(words))
    return told if told.clauses else Told([say("limits.none")])


def _named(case: Case, limit: LimitFact) -> Clause:
    say, rule = case.speech.say, case.rule
    match limit.code:
        case Code.LIMIT_ACTIONS:
            return say("limit.actions", limit.count)
        case Code.LIMIT_ATTEMPTS:
            return say("limit.attempts", limit.count)
        case Code.LIMIT_TOKENS:
            return say("limit.tokens_tenant" if limit.limit.endswith("tenant") else "limit.tokens", limit.count)
        case _:
            rates = (_rate(case, rate) for rate in (rule.rates if rule else ()) if limit.limit == rate.text)
            totals = (_total(case, total) for total in (rule.totals if rule else ()) if limit.limit == _written(total))
            return next(chain(rates, totals), say("limit.other", text=limit.limit))


def _rate(case: Case, rate: RateLimit) -> Clause:
    say = case.speech.say
    return say("limit.rate", rate.count, unit=say(f"unit.{_UNITS[rate.window_s]}"), scope=say(f"whose.{rate.scope}"))


def _written(total: Total) -> str:
    return f"{total.max} of {total.arg} per {total.per}"


def _total(case: Case, total: Total) -> Clause:
    say = case.speech.say
    unit = say("unit.always" if total.window_s is None else f"unit.{_UNITS[int(total.window_s)]}")
    return say("limit.total", most=total.max, argument=total.arg, unit=unit, scope=say(f"whose.{total.scope}"))
