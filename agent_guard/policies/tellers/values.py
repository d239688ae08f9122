"""What is wrong with the arguments, with their wording, and with the order of things."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_guard.facts import Problem
from agent_guard.policies.speech import Clause
from agent_guard.policies.tellers.base import Case, Told
from agent_guard.policy import ToolRule
from agent_guard.types import Code

__all__ = ["arguments", "content", "corrected", "temporal"]

_KEYWORD = re.compile(r"the policy's (\w+) does not hold")
_SHOWN = 5


def arguments(case: Case) -> Told:
    """Contract, ``args`` and ``where``."""
    problems = case.facts.problems
    if not problems:
        return Told([case.speech.say("arguments.fine")])
    return Told([_refused(case, "arguments.problems", problems)], corrected(case))


def corrected(case: Case) -> list[Clause]:
    """What would have to change in the arguments."""
    closed = [problem for problem in case.facts.problems if _closed(case, problem)]
    wrong = [problem for problem in case.facts.problems if not _closed(case, problem)]
    pairs = (("arguments.change", wrong), ("arguments.change_closed", closed))
    return [case.speech.say(key, paths=_paths(case, problems)) for key, problems in pairs if problems]


def _closed(case: Case, problem: Problem) -> bool:
    """Whether an argument is refused because the policy lets no call set it, and not for its value."""
    permitted = case.rule.args if case.rule else None
    by_value = problem.code is not Code.ARGUMENT_NOT_PERMITTED or _KEYWORD.fullmatch(problem.message)
    return permitted is not None and not by_value and problem.path not in permitted


def content(case: Case) -> Told:
    """Stop-words and domains."""
    found = case.facts.content
    if found:
        change = case.speech.say("content.change", paths=_paths(case, found))
        return Told([_refused(case, "content.refused", found)], [change])
    rule, tool = case.rule, case.tool
    looked = rule is not None and (rule.domains is not None or (tool and tool.writes and case.policy.stop_words))
    return Told([case.speech.say("content.fine" if looked else "content.none")])


def temporal(case: Case) -> Told:
    """Calls that must have come before, and moments that are too late."""
    say, rule = case.speech.say, case.rule
    if rule is None or not case.facts.temporal:
        looked = rule is not None and (rule.requires or rule.not_after)
        return Told([say("temporal.fine" if looked else "temporal.none")])
    told = Told([])
    for problem in case.facts.temporal:
        told.clauses.append(_too_early(case, rule, problem) or _late(case, rule, problem))
        word = "requires" if problem.code is Code.REQUIRES else "not_after"
        told.changes.append(say(f"temporal.change_{word}", tool=problem.path, argument=problem.path))
    return told


def _refused(case: Case, key: str, problems: Sequence[Problem]) -> Clause:
    listed = "; ".join(_problem(case, problem) for problem in problems[:_SHOWN])
    return case.speech.say(key, len(problems), problems=listed)


def _paths(case: Case, problems: Sequence[Problem]) -> str:
    return case.speech.all_of(dict.fromkeys(problem.path for problem in problems))


def _problem(case: Case, problem: Problem) -> Clause:
    key = "problem.argument_closed" if _closed(case, problem) else f"problem.{problem.code}"
    keyword = _KEYWORD.fullmatch(problem.message)
    detail = keyword[1] if keyword else problem.message
    return case.speech.say(key if case.speech.has(key) else "problem.other", path=problem.path, detail=detail)


def _too_early(case: Case, rule: ToolRule, problem: Problem) -> Clause | None:
    wanted = [item for item in rule.requires if item.tool == problem.path and problem.code is Code.REQUIRES]
    # where one tool is required twice, the fact's own words tell which is meant
    exact = [item for item in wanted if item.within in problem.message and (item.same or "") in problem.message]
    for item in sorted(exact or wanted, key=lambda item: item.same is None):
        key = "temporal.requires_same" if item.same else "temporal.requires"
        return case.speech.say(key, tool=item.tool, duration=case.speech.duration(item.within), same=item.same)
    return None


def _late(case: Case, rule: ToolRule, problem: Problem) -> Clause:
    latest = rule.not_after.get(problem.path)
    if problem.code is not Code.NOT_AFTER or latest is None:
        return _problem(case, problem)
    if "-" in latest:
        return case.speech.say("temporal.not_after_day", argument=problem.path, day=latest)
    duration = case.speech.duration(latest)
    return case.speech.say("temporal.not_after_ahead", argument=problem.path, duration=duration)
