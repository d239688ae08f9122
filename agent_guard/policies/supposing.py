"""A recorded call under another policy: its facts as they would have been, and what the record does not tell.

Most facts do not depend on the policy and are taken as they are. Those that do are worked out anew where the record
holds what that takes; a rule that stands in both policies keeps its outcome of then. What is left is a doubt: the facts
as they would be if that rule objected. The call is told where it makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from agent_guard.facts import RENDERED, Facts, PlanFact, Problem, RecordFact, ValueFact
from agent_guard.gathering.arguments import TOKEN, strings
from agent_guard.gathering.gather import in_time
from agent_guard.gathering.recall import missing
from agent_guard.gathering.where import failures
from agent_guard.guards.provenance import ADDRESSES, SECRETS
from agent_guard.policies.bounds import Known, bounds
from agent_guard.policies.tallies import Tallies
from agent_guard.policy import Policy, Requires, ToolRule
from agent_guard.recording.rulebook import KnownPolicy
from agent_guard.text import stop_words
from agent_guard.text.domains import refused
from agent_guard.tool import Tool
from agent_guard.types import JSON, Code, ToolCall
from agent_guard.usual import defaults

__all__ = ["Doubt", "Earlier", "Supposed", "supposed"]

Earlier = Callable[[Requires], bool]
"""Whether a call that a policy requires had run before this one."""

HIDDEN = "(derived)"
_SHAPES = frozenset({"type", "required", "maxItems"})
"""Rules on an argument that a pseudonym does not hide."""


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Something that the record does not tell.

    Args:
        reason: what is not known, as a sentence.
        otherwise: the facts if it stood against the call.
    """

    reason: str
    otherwise: Facts


@dataclass(frozen=True, kw_only=True)
class Supposed:
    """Facts under another policy, and every doubt about them."""

    facts: Facts
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Case:
    """A recorded call beside the policy of then and another one."""

    call: ToolCall
    tool: Tool
    facts: Facts
    then: KnownPolicy
    now: Policy
    tallies: Tallies
    earlier: Earlier
    at_ms: int
    doubts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def was(self) -> ToolRule | None:
        """The rule of then."""
        return self.then.policy.tools.get(self.tool.name)

    @cached_property
    def rule(self) -> ToolRule:
        """The rule now."""
        return self.now.tools[self.tool.name]

    @cached_property
    def read(self) -> bool:
        """Whether the arguments were accepted then; else no record was looked up, and no origin."""
        return all(problem.code is Code.TOOL_UNAVAILABLE for problem in self.facts.problems)

    def hidden(self, name: str) -> bool:
        """Whether a value of an argument stands behind a pseudonym."""
        return any(TOKEN.search(text) or HIDDEN in text for text in strings(self.call.args.get(name)))

    def doubt(self, reason: str, **otherwise: Any) -> None:
        """Notes that something is not known."""
        self.doubts.append((reason, otherwise))


def supposed(
    call: ToolCall,
    tool: Tool,
    facts: Facts,
    then: KnownPolicy,
    now: Policy,
    *,
    tallies: Tallies,
    earlier: Earlier,
    at_ms: int,
) -> Supposed:
    """What the facts of a recorded call would have been under another policy, on the history as it was.

    Args:
        call: as it was recorded, masked.
        then: the policy of then; the facts were gathered under it.
        now: the other policy.
        tallies: what ran before, for limits that nobody had then.
        earlier: asked where the other policy requires a call that the one of then did not.
        at_ms: when the call was decided, in milliseconds since 1970.
    """
    rule = now.tools.get(tool.name)
    if rule is None or rule.mode_in(facts.environment) is None:
        return Supposed(facts=facts)  # scope denies it, whatever else is known
    case = Case(call=call, tool=tool, facts=facts, then=then, now=now, tallies=tallies, earlier=earlier, at_ms=at_ms)
    found = replace(facts, problems=tuple(_problems(case)))
    if not case.read and not found.problems:
        reason = "its arguments were refused then, so that neither its records nor earlier equal calls were looked up"
        case.doubt(reason, records={"(not looked up)": RecordFact(ref="(not looked up)", found=False)})
    found = replace(
        found,
        values=tuple(_values(case)),
        plan=_plan(case),
        content=tuple(_content(case)),
        temporal=tuple(_temporal(case)),
        limits=tuple(_limits(case)),
    )
    _loops(case)
    doubts = tuple(Doubt(reason=reason, otherwise=replace(found, **other)) for reason, other in case.doubts)
    return Supposed(facts=found, doubts=doubts)


# ---- arguments


def _problems(case: Case) -> Iterator[Problem]:
    kept = [problem for problem in case.facts.problems if problem.code is not Code.ARGUMENT_NOT_PERMITTED]
    yield from kept
    if any(problem.code is not Code.TOOL_UNAVAILABLE for problem in kept):
        return  # the contract refused them, before any policy was asked
    args = case.call.args
    for name, keyword in failures(case.rule.where, args):
        if keyword in _SHAPES or not case.hidden(name):
            yield _refused(name, f"the policy's {keyword} does not hold")
    for name, rule in case.rule.where.properties.items():
        if not case.hidden(name):
            continue
        was = case.was.where.properties.get(name) if case.was else None
        rules = rule.model_dump(by_alias=True, exclude_none=True)
        before = was.model_dump(by_alias=True, exclude_none=True) if was else {}
        for keyword in rules.keys() - _SHAPES:
            problem = _refused(name, f"the policy's {keyword} does not hold")
            if rules[keyword] == before.get(keyword):
                if problem in case.facts.problems:
                    yield problem
            else:
                case.doubt(
                    f"{name} holds a pseudonym, and nobody asked then whether {keyword} holds for what it hides",
                    problems=(*kept, problem),
                )
    yield from _not_permitted(case, kept)


def _not_permitted(case: Case, kept: Sequence[Problem]) -> Iterator[Problem]:
    allowed = case.rule.args
    if allowed is None:
        return
    usual = defaults(case.tool.args_model)
    for name, value in case.call.args.items():
        if name in allowed or name not in case.tool.args_model.model_fields:
            continue
        problem = _refused(name, "the policy does not let you set it")
        if case.facts.given is None and name in usual and value == usual[name]:
            case.doubt(f"the record does not tell whether {name} was set or left out", problems=(*kept, problem))
        elif case.facts.given is None or name in case.facts.given:
            yield problem


def _refused(name: str, message: str) -> Problem:
    return Problem(code=Code.ARGUMENT_NOT_PERMITTED, path=name, message=message)


# ---- where values come from, and the plan


def _judged(tool: Tool, rule: ToolRule | None) -> frozenset[str]:
    named = frozenset(rule.origins) if rule else frozenset()
    return named | (tool.sensitive if tool.writes else frozenset())


def _values(case: Case) -> Iterator[ValueFact]:
    tool, was, values = case.tool, case.was, case.facts.values
    judged, before = _judged(tool, case.rule), _judged(tool, was)
    if not judged and not tool.writes:
        return
    others: frozenset[str]
    if was is None:
        others = frozenset(name for name, value in case.call.args.items() if value not in (None, "", [], {}))
        other_text = tool.render is not None
    else:
        others = judged ^ before
        other_text = tool.render is not None and case.rule.domains != was.domains
    for value in values:
        said = value.argument.startswith(RENDERED)
        if other_text if said else value.argument in others and value.kind not in ADDRESSES | SECRETS:
            continue
        yield value
    for name in sorted(others):
        shown = ("(not recorded)", "<PERSON_0>") if case.hidden(name) else ("(not recorded)",)
        for item in shown if case.call.args.get(name) not in (None, "", [], {}) else ():
            unseen = ValueFact(argument=name, shown=item, kind="text", origins=("invented",))
            case.doubt(f"nobody looked then where {name} comes from", values=(*values, unseen))
    if other_text:
        unseen = ValueFact(argument=RENDERED, shown="(not recorded)", kind="URL", origins=("invented",))
        case.doubt("the text that would be sent is not in the record", values=(*values, unseen))


def _plan(case: Case) -> PlanFact | None:
    plan = case.facts.plan
    outside = PlanFact(step=None, why="the record does not tell", outside_read=True)
    if plan is None:
        if case.now.plan is not None and case.then.policy.plan is None:
            case.doubt("the new policy has the model plan first, and this conversation had no plan", plan=outside)
        return None
    if case.now.plan is None and case.then.policy.plan is not None:
        case.doubt("without 'plan' in the policy this conversation would have had none", plan=None)
    fixed = case.tool.sensitive - case.tool.closed
    if {*fixed, *(case.was.origins if case.was else ())} != {*fixed, *case.rule.origins}:
        reason = "which values the plan fixes depends on 'from', which names other arguments now"
        case.doubt(reason, plan=outside)
        case.doubt(reason, plan=replace(plan, step=plan.step or "(any)", open=()))
    return plan


# ---- what is said, and when


def _content(case: Case) -> Iterator[Problem]:
    tool, rule, was = case.tool, case.rule, case.was
    asked_then = was is not None and (tool.writes or was.domains is not None)
    if not (tool.writes or rule.domains is not None):
        return
    before: dict[Code, list[Problem]] = {}
    for problem in case.facts.content if asked_then else ():
        before.setdefault(problem.code, []).append(problem)
    found: dict[str, list[Problem]] = {}
    yield from before.get(Code.RENDER_FAILED, ())
    same_domains = asked_then and was is not None and was.domains == rule.domains
    same_words = asked_then and case.then.stop_words == case.now.rules.get("stop_words")
    hosts = before.get(Code.DOMAIN, [])
    for problem in (
        *(hosts if same_domains else _hosts(case, refused_then=bool(hosts))),
        *(before.get(Code.STOP_WORD, ()) if same_words else _words(case)),
    ):
        found.setdefault(problem.path, []).append(problem)
    fields = tool.args_model.model_fields  # a record keeps its keys sorted, and they were looked at in this order
    places = [*fields, *(path for path in found if path not in fields)]
    for place in places:
        yield from found.get(place, ())


def _hosts(case: Case, *, refused_then: bool) -> Iterator[Problem]:
    allowed = case.rule.domains
    if allowed is None:
        return
    was = case.was.domains if case.was else None
    wider = was is not None and set(was) <= set(allowed) and not refused_then
    for name, value in case.call.args.items():
        for host in refused(_bare(value), allowed):
            yield Problem(code=Code.DOMAIN, path=name, message=f"{host} is not among the allowed domains")
        if case.hidden(name) and not wider:
            _unsaid(case, Code.DOMAIN, name, f"{name} holds a pseudonym, and nobody compared its host with 'domains'")
    if case.tool.render is not None and not wider:
        _unsaid(case, Code.DOMAIN, RENDERED, "the text that would be sent is not in the record")


def _words(case: Case) -> Iterator[Problem]:
    if not case.now.stop_words:
        return
    for name, value in case.call.args.items():
        for text in strings(_bare(value)):
            for hit in stop_words.found(text, case.now.stop_lists):
                message = f"holds {hit.entry!r}, a stop-word ({hit.language})"
                yield Problem(code=Code.STOP_WORD, path=name, message=message)
        if case.hidden(name):
            reason = f"{name} holds a pseudonym, and nobody looked for these stop-words in what it hides"
            _unsaid(case, Code.STOP_WORD, name, reason)
    if case.tool.render is not None:
        _unsaid(case, Code.STOP_WORD, RENDERED, "the text that would be sent is not in the record")


def _unsaid(case: Case, code: Code, path: str, reason: str) -> None:
    case.doubt(reason, content=(Problem(code=code, path=path, message="the record does not tell"),))


def _bare(value: JSON) -> JSON:
    """A value without its pseudonyms, whose own words say nothing."""
    if isinstance(value, str):
        return TOKEN.sub("\n", value)
    if isinstance(value, Mapping):
        return {TOKEN.sub("\n", key): _bare(item) for key, item in value.items()}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def _temporal(case: Case) -> Iterator[Problem]:
    was, before = case.was, case.facts.temporal
    if not case.read:
        return
    for name, latest in case.rule.not_after.items():
        if was is not None and was.not_after.get(name) == latest:
            yield from (item for item in before if item.code is Code.NOT_AFTER and item.path == name)
        elif case.hidden(name):
            late = Problem(code=Code.NOT_AFTER, path=name, message="the record does not tell")
            case.doubt(f"{name} holds a pseudonym, so its day is not known", temporal=(late,))
        elif not in_time(case.call.args.get(name), str(latest), datetime.fromisoformat(case.facts.at)):
            yield Problem(code=Code.NOT_AFTER, path=name, message=f"must be a day, and not after {latest}")
    for wanted in case.rule.requires:
        problem = missing(wanted)
        stood = was is not None and wanted in was.requires
        if problem in before if stood else not case.earlier(wanted):
            yield problem


# ---- how often


def _limits(case: Case) -> Iterator[Any]:
    known = Known(
        call=case.call, tool=case.tool, facts=case.facts, then=case.then.policy, now=case.now,
        tallies=case.tallies, at_ms=case.at_ms, hidden=case.hidden,
    )  # fmt: skip
    made = bounds(known)
    for reason, fact in made.doubts:
        case.doubt(reason, limits=(*made.limits, fact))
    yield from made.limits


def _loops(case: Case) -> None:
    """Doubts about how often calls were repeated: the policy of then says how far anybody looked back."""
    was, now, facts = case.then.policy.loops, case.now.loops, case.facts
    if was == now:
        return
    seen, asked = (max(4 * item.cycle, item.same_call * item.cycle, item.same_call) for item in (was, now))
    attempts = [item.used for item in facts.limits if item.code is Code.LIMIT_ATTEMPTS and item.used is not None]
    whole = bool(attempts) and attempts[0] <= min(seen, asked)
    reason = "the policy of then looked back less far for repeated calls"
    if not whole and seen <= facts.same_calls < now.same_call:
        case.doubt(reason, same_calls=now.same_call)
    if not whole and seen // 4 <= facts.cycles < now.cycle:
        case.doubt(reason, cycles=now.cycle)
    idle = now.same_call * now.cycle
    if not whole and facts.idle >= idle and asked < seen:
        case.doubt("the policy of then looked back further for repeated calls", idle=0)
    if not whole and facts.idle < idle and asked > seen:
        case.doubt(reason, idle=idle)
