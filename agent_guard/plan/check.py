"""Whether a plan can be believed to say what the user asked: its spans, tools, types, values and order. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agent_guard.gathering.arguments import TOKEN
from agent_guard.plan import STEPS_MAX, Const, Extract, Has, Late, Lit, Plan, Rec, Sel, Span, Step, Tmpl, leaves
from agent_guard.policy import Policy
from agent_guard.text.atoms import BREAK, atoms, day_of, time_of, words
from agent_guard.tool import Tool
from agent_guard.types import JSON

__all__ = ["check", "said"]

LEAVES_MAX = 400
"""Most values that a plan gives."""
CLAUSE_MAX = 2000
"""Longest clause that a value or a step is found in, in characters."""

_PARTED = ("LOCATION", "ORG", "PERSON")


def check(
    plan: Plan,
    text: str,
    tools: Mapping[str, Tool],
    policy: Policy,
    *,
    environment: str,
    scope: tuple[str, ...] | None,
    reveal: Callable[[str], str] = str,
) -> tuple[str, ...]:
    """Returns what is wrong with a plan, one sentence each; empty for a plan that may be followed. A plan
    without steps lets nothing through.

    Args:
        plan: its values masked, as the text is.
        text: the user's masked text, which the offsets count in.
        tools: the gateway's contracts.
        scope: the tools this thread may use, or None for all of the policy.
        reveal: puts values for pseudonyms; raw, to compare with.
    """
    if len(plan.steps) > STEPS_MAX:
        return (f"a plan has at most {STEPS_MAX} steps",)
    if sum(len(leaves(list(step.args.values()))) for step in plan.steps) > LEAVES_MAX:
        return (f"a plan has at most {LEAVES_MAX} values",)
    problems: list[str] = []
    earlier: dict[str, Tool] = {}
    for step in plan.steps:
        tool, rule = tools.get(step.tool), policy.tools.get(step.tool)
        here = f"step {step.id}"
        if step.id in earlier:
            problems.append(f"{here}: there is another step of this id")
        if (
            tool is None
            or rule is None
            or rule.mode_in(environment) is None
            or not (scope is None or step.tool in scope)
        ):
            problems.append(f"{here}: there is no tool {step.tool!r} here")
            continue
        if not _clause(step.evidence, text):
            problems.append(f"{here}: evidence {list(step.evidence)} is no clause of the user's text")
        problems += [f"{here}: {problem}" for problem in _arguments(step, tool, text, earlier, reveal)]
        earlier[step.id] = tool
    return tuple(problems)


def said(value: str | float, clause: str) -> bool:
    """Whether a clause holds a value: as its words in a row, as a number, or as a day and time in whatever form."""
    read = atoms(clause)
    if isinstance(value, (int, float)):
        return Decimal(str(value)).normalize() in read.numbers
    phrase = [word for word in words(value) if word != BREAK]
    starts = range(len(read.words) - len(phrase) + 1)
    if phrase and any(list(read.words[start : start + len(phrase)]) == phrase for start in starts):
        return True
    day, time = day_of(value), time_of(value)
    if day is None:
        return time is not None and time in read.times
    return (day in read.days or (None, *day[1:]) in read.days) and (time in (None, (0, 0)) or time in read.times)


def _clause(span: Span, text: str) -> bool:
    start, end = span
    return 0 <= start < end <= min(len(text), start + CLAUSE_MAX) and any(
        letter.isalnum() for letter in text[start:end]
    )


def _arguments(
    step: Step, tool: Tool, text: str, earlier: Mapping[str, Tool], reveal: Callable[[str], str]
) -> Iterator[str]:
    fields = tool.args_model.model_fields
    for name in step.args.keys() - fields.keys():
        yield f"{step.tool} has no argument {name!r}"
    for name, field in fields.items():
        if field.is_required() and name not in step.args:
            yield f"{name} is required and has no source"
    for name, source in step.args.items():
        for leaf in leaves(source):
            yield from _leaf(name, leaf, text, earlier, reveal)
        if isinstance(source, (Lit, Const)) and name in fields:
            value = source.lit if isinstance(source, Lit) else source.const
            if not _fits(fields[name], value):
                yield f"{name}: the value is not of the argument's type"


def _leaf(name: str, leaf: Any, text: str, earlier: Mapping[str, Tool], reveal: Callable[[str], str]) -> Iterator[str]:
    match leaf:
        case Lit():
            if not _clause(leaf.span, text):
                yield f"{name}: span {list(leaf.span)} lies outside the user's text"
            elif not (said(leaf.lit, text[slice(*leaf.span)]) or _part(leaf.lit, text[slice(*leaf.span)], reveal)):
                yield f"{name}: the user's text does not say that value at {list(leaf.span)}"
        case Rec():
            yield from _selection(name, leaf.rec.step, _beside(leaf.rec.field, leaf.rec.where), earlier)
            yield from _unsaid(name, leaf.rec.where, text)
        case Sel():
            paths = (leaf.sel.by, *_beside(leaf.sel.field, leaf.sel.where))
            yield from _selection(name, leaf.sel.over, paths, earlier)
            yield from _unsaid(name, leaf.sel.where, text)
            if leaf.sel.field.split(".")[:-1] != leaf.sel.by.split(".")[:-1]:
                yield f"{name}: {leaf.sel.field!r} and {leaf.sel.by!r} are not fields of one record"
        case Tmpl():
            yield from _template(name, leaf)
        case Extract():
            if leaf.extract.step not in earlier:
                yield f"{name}: no earlier step {leaf.extract.step!r}"
        case _:
            return


def _part(value: str | float, clause: str, reveal: Callable[[str], str]) -> bool:
    """Whether a value is a part of a place, firm or name in a clause: who said an address has said its street."""
    if not isinstance(value, str):
        return False
    wholes = [found for found in TOKEN.findall(clause) if found[1:].rsplit("_", 1)[0] in _PARTED]
    return len(words(reveal(value))) > 1 and any(said(reveal(value), reveal(whole)) for whole in wholes)


def _template(name: str, leaf: Tmpl) -> Iterator[str]:
    holes = re.findall(r"\{([^{}]*)\}", leaf.tmpl)
    if set(holes) != set(leaf.parts):
        yield f"{name}: the template names {sorted(set(holes))} and 'with' gives {sorted(leaf.parts)}"
    if any(isinstance(part, (Late, Extract, list)) for part in leaf.parts.values()):
        yield f"{name}: a part of a template is a lit, rec, const, sel or expr; for anything else the whole is 'late'"


def _unsaid(name: str, where: Mapping[str, Any], text: str) -> Iterator[str]:
    for path, wanted in where.items():
        if isinstance(wanted, Has) and not said(wanted.has, text):
            yield f"{name}: the user's text does not say what {path!r} is to hold"


def _beside(field: str, where: Collection[str]) -> tuple[str, ...]:
    """The path of a field, and of those that are compared in the same record."""
    above = field.rpartition(".")[0]
    return (field, *(f"{above}.{key}" if above else key for key in where))


def _selection(name: str, step: str, paths: Sequence[str], earlier: Mapping[str, Tool]) -> Iterator[str]:
    tool = earlier.get(step)
    if tool is None:
        yield f"{name}: no earlier step {step!r}"
        return
    for path in paths:
        head = path.split(".")[0]
        looked_into = head not in tool.result_model.model_fields and tool.untrusted
        if head in tool.untrusted or looked_into:
            yield f"{name}: {path!r} of {tool.name} is outside text; its source is 'extract'"


def _fits(field: Any, value: JSON) -> bool:
    if isinstance(value, str) and TOKEN.search(value):
        return True  # the contract is asked with the value it stands for, when the call comes
    try:
        TypeAdapter(field.rebuild_annotation()).validate_json(_json(value), strict=True)
    except ValidationError:
        return False
    except Exception:  # a validator that needs its neighbours; the call itself is read by the whole model
        return True
    return True


def _json(value: JSON) -> str:
    return str(TypeAdapter(Any).dump_json(value), "utf-8")
