"""``explain``: why a call would be decided so, told to somebody who runs a sales team and not a computer.

``decide`` stops at the first deny; here every guard is asked, so that a call is not repaired one refusal at a time.
Nothing is restored: values are told by their pseudonyms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent_guard.decide import decide
from agent_guard.facts import Facts
from agent_guard.guards import GUARDS, Guard
from agent_guard.policies.speech import Clause, Language, Speech
from agent_guard.policies.tellers import NEEDS_RULE, TELLERS, Case, Told
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Decision, Objection, Outcome, ToolCall

__all__ = ["Explanation", "Line", "explain"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One guard.

    Args:
        label: the guard's name in the language.
        outcome: what it said, or None where there was nothing that it could look at.
        text: one sentence: what it looked at and what it found.
        asked: whether the decision asked it; those behind the first deny are asked here only.
        changes: what would have to change for it to have nothing against the call.
    """

    guard: str
    label: str
    outcome: Outcome | None
    code: Code | None
    text: str
    asked: bool
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A decision in words.

    Args:
        decision: as ``decide`` gives it.
        summary: the decision in one sentence.
        lines: every guard, in the order in which they are asked.
        changes: everything that would have to change for the call to pass, in that order.
        headings: the words above ``lines`` and ``changes``.
    """

    language: Language
    decision: Decision
    summary: str
    lines: tuple[Line, ...]
    changes: tuple[str, ...]
    headings: tuple[str, str]


def explain(
    call: ToolCall,
    tool: Tool | None,
    policy: Policy,
    facts: Facts,
    *,
    extra_guards: Sequence[Guard] = (),
    language: Language = "en",
) -> Explanation:
    """Explains how a call would be decided.

    Args:
        tool: the contract, or None where the gateway has no tool of this name.
        facts: as they were gathered, or as the audit recorded them.
        extra_guards: those of the gateway; told of in their own words.
        language: what it is told in; technical details inside brackets stay English.

    Raises:
        ConfigError: no such language.
    """
    speech = Speech(language)
    case = Case(call=call, tool=tool, policy=policy, facts=facts, speech=speech)
    decision = decide(call, tool, policy, facts, extra_guards)
    asked = {item.guard for item in decision.guards}
    own = {guard.name for guard in GUARDS}
    lines = tuple(
        _line(case, guard, asked=guard.name in asked, extra=guard.name not in own or guard in extra_guards)
        for guard in (*GUARDS, *extra_guards)
    )
    clauses = [speech.say(f"summary.{decision.outcome}")]
    changes = [change for line in lines for change in line.changes]
    rule = case.rule
    if decision.outcome == "require_approval" and (rule is None or rule.approvers is None):
        clauses = [speech.say("summary.nobody")]  # a gateway denies it then: absent means denied
        changes.append(speech.say("summary.nobody_change"))
    return Explanation(
        language=language,
        decision=decision,
        summary=speech.sentence(clauses),
        lines=lines,
        changes=tuple(dict.fromkeys(changes)),
        headings=(speech.say("heading.guards"), speech.say("heading.changes")),
    )


def _line(case: Case, guard: Guard, *, asked: bool, extra: bool) -> Line:
    speech = case.speech
    key = f"guard.{guard.name}"
    label = speech.say(key) if speech.has(key) and not extra else Clause(guard.name)
    if not extra and guard.name in NEEDS_RULE and case.rule is None:
        text = speech.sentence([speech.say("extra.skipped", guard=label)])
        return Line(guard=guard.name, label=label, outcome=None, code=None, text=text, asked=asked)
    objection = _objection(case, guard)
    failed = objection is not None and objection.code is Code.INTERNAL and not objection.for_model
    teller = None if extra or failed else TELLERS.get(guard.name)
    told = teller(replace(case, objection=objection)) if teller else Told(*_own_words(case, guard, objection))
    return Line(
        guard=guard.name,
        label=label,
        outcome=objection.outcome if objection else "allow",
        code=objection.code if objection else Code.ALLOWED,
        text=speech.sentence(told.clauses),
        asked=asked,
        changes=tuple(told.changes) if objection else (),
    )


def _objection(case: Case, guard: Guard) -> Objection | None:
    try:
        return guard.check(case.call, case.tool, case.policy, case.facts)
    except Exception as error:  # as in decide: a guard that cannot answer has not allowed anything
        return Objection(outcome="deny", code=Code.INTERNAL, for_model="", for_human=type(error).__name__)


def _own_words(case: Case, guard: Guard, objection: Objection | None) -> Iterator[list[Clause]]:
    say = case.speech.say
    if objection is None:
        yield [say("extra.fine", guard=guard.name)]
        return
    if objection.code is Code.INTERNAL and not objection.for_model:
        yield [say("extra.failed", guard=guard.name)]
    else:
        yield [say("extra.objects", guard=guard.name, words=objection.for_human.rstrip("."))]
    yield [say("extra.change", guard=guard.name)]
