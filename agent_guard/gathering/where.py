"""The policy's rules on arguments: a closed list of JSON Schema keywords, evaluated on the values that would run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from agent_guard.policy import Where, WhereRule
from agent_guard.types import JSON

__all__ = ["failures"]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def failures(where: Where, args: Mapping[str, JSON]) -> Iterator[tuple[str, str]]:
    """Yields (argument, keyword) for each rule that does not hold. An argument that a rule names and the call leaves
    out, or leaves null, fails the rule: absent means denied.

    Args:
        args: the real values, defaults filled.
    """
    for name in where.required:
        if args.get(name) is None:
            yield name, "required"
    for name, rule in where.properties.items():
        value = args.get(name)
        if value is None:
            if name not in where.required:
                yield name, "required"
            continue
        for keyword in _broken(rule, value):
            yield name, keyword


def _broken(rule: WhereRule, value: JSON) -> Iterator[str]:
    if rule.type and not _is(rule.type, value):
        yield "type"
    if rule.enum is not None and not any(_same(value, item) for item in rule.enum):
        yield "enum"
    if rule.const is not None and not _same(value, rule.const):
        yield "const"
    number = value if _is("number", value) else None
    if rule.minimum is not None and (number is None or number < rule.minimum):
        yield "minimum"
    if rule.maximum is not None and (number is None or number > rule.maximum):
        yield "maximum"
    length = len(value) if isinstance(value, str) else None
    if rule.min_length is not None and (length is None or length < rule.min_length):
        yield "minLength"
    if rule.max_length is not None and (length is None or length > rule.max_length):
        yield "maxLength"
    if rule.max_items is not None and (not isinstance(value, list) or len(value) > rule.max_items):
        yield "maxItems"
    if rule.pattern is not None and not (isinstance(value, str) and re.fullmatch(rule.pattern, value)):
        yield "pattern"


def _is(name: str, value: JSON) -> bool:
    # bool is an int in Python and not in JSON
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _same(left: JSON, right: JSON) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)
