"""``where`` against itself and against the args model: what no value satisfies, and what restricts nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from agent_guard.gathering.where import failures
from agent_guard.policies.finding import Finding, Rule
from agent_guard.policies.house import Entry
from agent_guard.policies.regexes import width
from agent_guard.policies.shapes import Shape, closed_values, fits, shapes
from agent_guard.policy import Where, WhereRule
from agent_guard.types import JSON

__all__ = ["amounts", "values"]

_REPAIR = "correct the rule, or take the tool out of the policy: so every call of it is denied"
_FAMILIES = {
    "number": ("minimum", "maximum"),
    "string": ("min_length", "max_length", "pattern"),
    "array": ("max_items",),
}
_WRITTEN = {"min_length": "minLength", "max_length": "maxLength", "max_items": "maxItems"}
_BOUNDS = (  # of the policy, of the args model, and whether the policy's is the upper end
    ("maximum", "maximum", True), ("minimum", "minimum", False), ("max_length", "maxLength", True),
    ("min_length", "minLength", False), ("max_items", "maxItems", True),
)  # fmt: skip


def values(entry: Entry) -> Iterator[Finding]:
    """Compares each argument's rule with itself, then with each thing that the argument may be."""
    for argument, rule in entry.rule.where.properties.items():
        if argument not in entry.tool.args_model.model_fields:
            continue
        path = ("where", "properties", argument)
        found = shapes(entry.tool.args_model, argument)
        listed = _listed(rule)
        if listed is not None:
            yield from _list(entry, argument, rule, listed, found)
            continue
        reasons = [_contradiction(rule) or _impossible(rule, shape) for shape in found]
        if reasons and all(reasons):
            yield entry.error(Rule.NEVER_ALLOWS, *path, says=f"{argument}: {reasons[0]}", hint=_REPAIR)
        else:
            yield from _loose(entry, argument, rule, found)


def amounts(entry: Entry) -> Iterator[Finding]:
    """``totals`` on what is no number, and ``not_after`` on what is no day: both refuse every value."""
    rule = entry.rule
    keys: list[tuple[tuple[str | int, ...], str, bool]] = [
        *((("totals", index), total.arg, True) for index, total in enumerate(rule.totals)),
        *((("not_after", argument), argument, False) for argument in rule.not_after),
    ]
    for path, argument, sums in keys:
        found = shapes(entry.tool.args_model, argument)
        if found and not any((_counts if sums else _is_day)(shape) for shape in found):
            says = f"{argument} is never {'an amount' if sums else 'a day'}, and what is none is refused"
            yield entry.error(Rule.NEVER_ALLOWS, *path, says=says, hint=_REPAIR)


def _counts(shape: Shape) -> bool:
    return shape.get("type", "number") in ("integer", "number") or _plain_text(shape)


def _is_day(shape: Shape) -> bool:
    return "type" not in shape or shape.get("format") in ("date", "date-time") or _plain_text(shape)


def _plain_text(shape: Shape) -> bool:
    return shape.get("type") == "string" and not {"format", "enum", "const"} & shape.keys()


def _listed(rule: WhereRule) -> list[JSON] | None:
    if rule.const is not None:
        return [rule.const]
    return None if rule.enum is None else list(rule.enum)


def _list(entry: Entry, argument: str, rule: WhereRule, listed: list[JSON], found: list[Shape]) -> Iterator[Finding]:
    path = ("where", "properties", argument)
    where = Where(properties={argument: rule})
    passing = [value for value in listed if not list(failures(where, {argument: value}))]
    known = [value for value in passing if any(fits(shape, value) for shape in found)]
    if not passing:
        says = f"{argument}: none of {_words(listed)} passes the other keywords of the same rule"
        yield entry.error(Rule.NEVER_ALLOWS, *path, says=says, hint=_REPAIR)
    elif not known:
        says = f"{argument}: the tool's args model refuses {_words(passing)}; it takes {_takes(entry, argument)}"
        yield entry.error(Rule.NEVER_ALLOWS, *path, says=says, hint=_REPAIR)
    elif dead := [value for value in (rule.enum or ()) if value not in known]:
        says = f"{argument}: {_words(dead)} can never pass; the argument takes {_takes(entry, argument)}"
        hint = "is it misspelt? Take it out, or correct it"
        yield entry.error(Rule.VALUE_REFUSED, *path, "enum", says=says, hint=hint)


def _takes(entry: Entry, argument: str) -> str:
    closed = closed_values(entry.tool.args_model, argument)
    return _words(closed) if closed else "other values"


def _words(listed: list[JSON]) -> str:
    return ", ".join(json.dumps(value, ensure_ascii=False) for value in listed[:8]) or "an empty list"


def _contradiction(rule: WhereRule) -> str | None:
    if rule.minimum is not None and rule.maximum is not None and rule.minimum > rule.maximum:
        return f"the minimum {rule.minimum} is above the maximum {rule.maximum}"
    low, high = rule.min_length, rule.max_length
    if low is not None and high is not None and low > high:
        return f"minLength {low} is above maxLength {high}"
    kinds = [kind for kind, keywords in _FAMILIES.items() if any(_given(rule, name) for name in keywords)]
    if rule.type is not None and any(not _same_kind(rule.type, kind) for kind in kinds):
        kinds.append(rule.type)
    if len(kinds) > 1:
        return f"its keywords want {' and '.join(kinds)} at once"
    return None


def _given(rule: WhereRule, name: str) -> bool:
    return getattr(rule, name) is not None


def _same_kind(left: str, right: str) -> bool:
    numbers = ("integer", "number")
    return left == right or (left in numbers and right in numbers)


def _impossible(rule: WhereRule, shape: Shape) -> str | None:
    """Why no value of this shape passes, or None where one may."""
    listed = [shape["const"]] if "const" in shape else shape.get("enum")
    if listed:
        where = Where(properties={"x": rule})
        passing = [value for value in listed if not list(failures(where, {"x": value}))]
        return None if passing else f"none of the values that the args model knows passes: {_words(list(listed))}"
    kind = shape.get("type")
    if kind is None:
        return None
    for family, keywords in _FAMILIES.items():
        name = next((name for name in keywords if _given(rule, name)), None)
        if name and not _same_kind(kind, family):
            return f"{_WRITTEN.get(name, name)} is a rule on a {family}, and what the tool would get is a {kind}"
    if rule.type is not None and not _same_kind(rule.type, kind):
        return f"the policy wants a {rule.type}, and what the tool would get is a {kind}"
    return _empty_range(rule, shape) or _empty_length(rule, shape)


def _empty_range(rule: WhereRule, shape: Shape) -> str | None:
    if rule.minimum is None and rule.maximum is None:
        return None
    whole = "integer" in (shape.get("type"), rule.type)
    lows = [(rule.minimum, False), (shape.get("minimum"), False), (shape.get("exclusiveMinimum"), True)]
    highs = [(rule.maximum, False), (shape.get("maximum"), False), (shape.get("exclusiveMaximum"), True)]
    low = max((_inside(bound, open_, whole, 1) for bound, open_ in lows if bound is not None), default=(-math.inf, 0))
    high = min((_inside(bound, open_, whole, -1) for bound, open_ in highs if bound is not None), default=(math.inf, 0))
    if low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1])):
        return f"no number lies between {low[0]:g} and {high[0]:g}, what the policy and the args model leave together"
    return None


def _inside(bound: float, open_: bool, whole: bool, step: int) -> tuple[float, int]:
    """The nearest permitted end of a range, and which way it is still open; a whole number is never open."""
    if not whole:
        return bound, step * open_
    end = math.ceil(bound) if step > 0 else math.floor(bound)
    return (end + step if open_ and end == bound else end), 0


def _empty_length(rule: WhereRule, shape: Shape) -> str | None:
    if rule.max_items is not None and shape.get("minItems", 0) > rule.max_items:
        return f"the args model wants at least {shape['minItems']} items, the policy at most {rule.max_items}"
    low = max(rule.min_length or 0, shape.get("minLength", 0))
    highs = [bound for bound in (rule.max_length, shape.get("maxLength")) if bound is not None]
    high = min(highs, default=None)
    if shape.get("type") != "string":
        return None
    if high is not None and low > high:
        return f"no text has at least {low} and at most {high} characters"
    if rule.pattern is None:
        return None
    shortest, longest = width(rule.pattern)
    if high is not None and shortest > high:
        return f"the pattern wants at least {shortest} characters, and {high} is the most that is allowed"
    if longest is not None and longest < low:
        return f"the pattern matches at most {longest} characters, and at least {low} are wanted"
    return None


def _loose(entry: Entry, argument: str, rule: WhereRule, found: list[Shape]) -> Iterator[Finding]:
    for name, keyword, upper in _BOUNDS:
        bound = getattr(rule, name)
        if bound is None or not found or not all(keyword in shape for shape in found):
            continue
        ends = [shape[keyword] for shape in found]
        if bound > max(ends) if upper else bound < min(ends):
            written = _WRITTEN.get(name, name)
            yield entry.warning(
                Rule.NEVER_FIRES,
                "where", "properties", argument, written,
                says=f"{argument}: {written} {bound} never refuses anything; the args model ends at {ends[0]} already",
                hint="tighten it, or take it out",
            )  # fmt: skip
