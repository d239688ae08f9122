"""``where`` in two versions. Lists of values are compared value by value, bounds by their ends, patterns not at all:
a pattern that is written otherwise counts as wider, because which texts it matches cannot be compared in general.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pydantic import BaseModel

from agent_guard.gathering.where import failures
from agent_guard.policies.shapes import closed_values, nullable
from agent_guard.policies.shifts.base import Shift, both, ordered
from agent_guard.policy import Where, WhereRule
from agent_guard.types import JSON

__all__ = ["PATTERN_NOTE", "where_shifts"]

PATTERN_NOTE = "a changed pattern counts as wider"
_NOTHING = WhereRule()
_UPPER = (("maximum", "maximum"), ("max_length", "maxLength"), ("max_items", "maxItems"))
_LOWER = (("minimum", "minimum"), ("min_length", "minLength"))


def where_shifts(old: Where, new: Where, model: type[BaseModel] | None) -> Iterator[Shift]:
    """Compares two ``where``, argument by argument.

    Args:
        model: the tool's arguments, where they are known: then closed words are compared exactly.
    """
    names = dict.fromkeys([*old.properties, *old.required, *new.properties, *new.required])
    for name in names:
        needed = [name in where.properties or name in where.required for where in (old, new)]
        if needed[0] != needed[1] and (model is None or nullable(model, name)):
            aspect = f"where.{name}.required"
            yield from both(aspect, *needed, wider=needed[0], narrower=needed[1], argument=name)
        universe = None if model is None else closed_values(model, name)
        rules = [where.properties.get(name, _NOTHING) for where in (old, new)]
        if rules[0] != rules[1]:
            yield from _values(name, rules[0], rules[1], universe)


def _values(name: str, old: WhereRule, new: WhereRule, universe: list[JSON] | None) -> Iterator[Shift]:
    before, after = _listed(old, universe), _listed(new, universe)
    if before is None and after is None:
        yield from _keywords(name, old, new)
        return
    wider = before is not None if after is None else not all(_passes(old, universe, value) for value in after)
    narrower = after is not None if before is None else not all(_passes(new, universe, value) for value in before)
    shown = [_shown(rule, listed) for rule, listed in ((old, before), (new, after))]
    yield from both(f"where.{name}", *shown, wider=wider, narrower=narrower, argument=name)


def _listed(rule: WhereRule, universe: list[JSON] | None) -> list[JSON] | None:
    """Every value that a rule lets through, or None where they cannot be listed."""
    listed = universe
    if rule.const is not None:
        listed = [rule.const]
    elif rule.enum is not None:
        listed = rule.enum
    return None if listed is None else [value for value in listed if _passes(rule, universe, value)]


def _passes(rule: WhereRule, universe: list[JSON] | None, value: JSON) -> bool:
    known = universe is None or not list(failures(Where(properties={"x": WhereRule(enum=universe)}), {"x": value}))
    # null is judged as 'required'
    return known and (value is None or not list(failures(Where(properties={"x": rule}), {"x": value})))


def _shown(rule: WhereRule, listed: list[JSON] | None) -> JSON:
    return listed if listed is not None else rule.model_dump(by_alias=True, exclude_none=True) or None


def _keywords(name: str, old: WhereRule, new: WhereRule) -> Iterator[Shift]:
    for field, written in _UPPER:
        before, after = getattr(old, field), getattr(new, field)
        yield from ordered(f"where.{name}.{written}", before, after, float, none=math.inf, argument=name)
    for field, written in _LOWER:
        before, after = getattr(old, field), getattr(new, field)
        yield from ordered(
            f"where.{name}.{written}", before, after, lambda end: -float(end), none=math.inf, argument=name
        )
    if old.type != new.type:
        wider = old.type is not None and not _includes(old.type, new.type)
        narrower = new.type is not None and not _includes(new.type, old.type)
        yield from both(f"where.{name}.type", old.type, new.type, wider=wider, narrower=narrower, argument=name)
    if old.pattern != new.pattern:
        yield from both(
            f"where.{name}.pattern",
            old.pattern,
            new.pattern,
            wider=old.pattern is not None,
            narrower=new.pattern is not None,
            argument=name,
            note=PATTERN_NOTE if old.pattern is not None and new.pattern is not None else "",
        )


def _includes(outer: str, inner: str | None) -> bool:
    return outer == inner or (outer, inner) == ("number", "integer")
