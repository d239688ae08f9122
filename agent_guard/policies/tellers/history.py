"""What was done before: the same thing, the same call again and again, and places of limits that are taken."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain
from typing import Literal

from agent_guard.facts import AMOUNT_SCALE, LimitFact
from agent_guard.guards.loops import REJECTIONS_MAX
from agent_guard.policies.speech import Clause
from agent_guard.policies.tellers.base import Case, Told
from agent_guard.policy import RateLimit, Total
from agent_guard.types import Code

__all__ = ["duplicates", "limits", "loops"]

_UNITS = {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}
_BY_TIME = (Code.LIMIT_RATE, Code.LIMIT_TOTAL, Code.LIMIT_CONTACTS)

State = Literal["reached", "short", "left", "free"]
_STATES: tuple[State, ...] = ("reached", "short", "left", "free")
"""``short`` has something left and too little for this call; ``free`` was not counted."""


def duplicates(case: Case) -> Told:
    """An earlier call with the same intent."""
    say, twin = case.speech.say, case.facts.twin
    if twin is None:
        return Told([say("duplicates.none")])
    state = twin.state if twin.state in ("done", "claimed") else "unknown"
    words = {"trace": twin.trace_id, "reference": twin.reference or say("list.none")}
    return Told([say(f"duplicates.{state}", **words)], [say(f"duplicates.change_{state}", **words)])


def loops(case: Case) -> Told:
    """Equal calls in a row, a few calls in turn, equal calls that change nothing, rejections in a row."""
    say, facts, bounds = case.speech.say, case.facts, case.policy.loops
    if facts.rejections >= REJECTIONS_MAX:
        return Told([say("loops.rejected")], [say("loops.change_rejected", subject=facts.subject)])
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
    """Every limit that holds, those that are used up first, and how much of each is left."""
    say = case.speech.say
    told = Told([])
    for state in _STATES:
        if listed := [limit for limit in case.facts.limits if _state(limit) == state]:
            told.clauses.append(say(f"limits.{state}", limits=", ".join(_named(case, limit) for limit in listed)))
    full = [limit for limit in case.facts.limits if limit.reached]
    words = ["limits.change_window" if limit.code in _BY_TIME else "limits.change_thread" for limit in full]
    told.changes.extend(say(key) for key in dict.fromkeys(words))
    return told if told.clauses else Told([say("limits.none")])


def _state(limit: LimitFact) -> State:
    if limit.reached:
        return "short" if _left(limit) else "reached"
    return "free" if limit.used is None else "left"


def _left(limit: LimitFact) -> int:
    return 0 if limit.used is None else max(limit.count - limit.used, 0)


def _named(case: Case, limit: LimitFact) -> Clause:
    """A limit in words; with what is left of it where that is told."""
    say, rule, left = case.speech.say, case.rule, _left(limit)
    family = "left" if _state(limit) in ("short", "left") else "limit"
    match limit.code:
        case Code.LIMIT_ACTIONS:
            return say(f"{family}.actions", limit.count, left=left)
        case Code.LIMIT_ATTEMPTS:
            return say(f"{family}.attempts", limit.count, left=left)
        case Code.LIMIT_TOKENS:
            whose = "tokens_tenant" if limit.limit.endswith("tenant") else "tokens"
            return say(f"{family}.{whose}", limit.count, left=left)
        case Code.LIMIT_CONTACTS:
            caps = (cap for cap in case.policy.caps if cap.text == limit.limit)
            units = (say(f"unit.{_UNITS[cap.window_s]}") for cap in caps)
            told = (say(f"{family}.contacts", limit.count, unit=unit, left=left) for unit in units)
            return next(told, say(f"{family}.other", text=limit.limit, left=left))
        case _:
            amount = _amount(left) if limit.code is Code.LIMIT_TOTAL else str(left)
            rates = (rate for rate in (rule.rates if rule else ()) if limit.limit == rate.text)
            totals = (total for total in (rule.totals if rule else ()) if limit.limit == _written(total))
            listed = chain(
                (_rate(case, f"{family}.rate", rate, amount) for rate in rates),
                (_total(case, f"{family}.total", total, amount) for total in totals),
            )
            return next(listed, say(f"{family}.other", text=limit.limit, left=amount))


def _amount(scaled: int) -> str:
    """A total's amount as it is written: ``12.5``."""
    whole = scaled % AMOUNT_SCALE == 0
    return str(scaled // AMOUNT_SCALE) if whole else f"{(Decimal(scaled) / AMOUNT_SCALE).normalize():f}"


def _rate(case: Case, key: str, rate: RateLimit, left: str) -> Clause:
    say = case.speech.say
    unit, scope = say(f"unit.{_UNITS[rate.window_s]}"), say(f"whose.{rate.scope}")
    return say(key, rate.count, unit=unit, scope=scope, left=left)


def _written(total: Total) -> str:
    return f"{total.max} of {total.arg} per {total.per}"


def _total(case: Case, key: str, total: Total, left: str) -> Clause:
    say = case.speech.say
    unit = say("unit.always" if total.window_s is None else f"unit.{_UNITS[int(total.window_s)]}")
    return say(key, most=total.max, argument=total.arg, unit=unit, scope=say(f"whose.{total.scope}"), left=left)
