"""Arguments that a tool would take: made of its JSON Schema and of the policy's rules, the same every time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import ValidationError

from agent_guard.gathering.where import failures
from agent_guard.policies.regexes import PROBES, texts
from agent_guard.policies.shapes import Shape, leaf_shapes, shapes
from agent_guard.policy import ToolRule, Where, WhereRule
from agent_guard.tool import Tool
from agent_guard.types import JSON

__all__ = ["example"]

_FORMATS = {
    "date": "2026-01-05", "date-time": "2026-01-05T09:00:00Z", "time": "09:00:00", "duration": "P1D",
    "email": "name@example.com", "uri": "https://example.com/", "ipv4": "192.0.2.1", "hostname": "example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
}  # fmt: skip
_PLAIN = ("a", "1", "0.01", "2026-01-05", *_FORMATS.values(), "")
_TRIES = 400
_DEEPEST = 4
_LONGEST = 5_000


@dataclass(frozen=True, kw_only=True)
class _Search:
    """What is looked for: arguments that ``args`` and ``where`` of one entry take and, if given, another's refuse."""

    tool: Tool | None
    takes: ToolRule
    refuses: ToolRule | None
    hints: Sequence[Where]

    def settable(self, name: str) -> bool:
        """Whether the call that is looked for may set an argument."""
        return self.takes.args is None or name in self.takes.args


def example(
    tool: Tool | None, takes: ToolRule, refuses: ToolRule | None = None, *, argument: str | None = None
) -> dict[str, JSON] | None:
    """Arguments that the tool's model and the entry ``takes`` accept and ``refuses`` does not, or None where none was
    found.

    Args:
        tool: its contract; without it only the arguments that the rules name are given.
        argument: the one that makes the difference.
    """
    search = _Search(tool=tool, takes=takes, refuses=refuses, hints=[rule.where for rule in (takes, refuses) if rule])
    base = _base(search, argument)
    if argument is None:
        return base if _fits(search, base, argument) else None
    for value in islice(_values(search, argument), _TRIES) if search.settable(argument) else ():
        args = {**base, argument: value}
        if _fits(search, args, argument):
            return args
    left_out = {name: value for name, value in base.items() if name != argument}
    return left_out if _fits(search, left_out, argument) else None


def _fits(search: _Search, args: Mapping[str, JSON], argument: str | None) -> bool:
    real = _read(search.tool, args)
    if real is None or _refused(search.takes, args, real):
        return False
    if search.refuses is None:
        return True
    broken = _refused(search.refuses, args, real)
    return bool(broken) if argument is None else argument in broken


def _refused(rule: ToolRule, args: Mapping[str, JSON], real: Mapping[str, JSON]) -> list[str]:
    """The arguments that an entry refuses: those that a call may not set, and those whose value does not pass."""
    closed = [name for name in args if rule.args is not None and name not in rule.args]
    return closed + [name for name, _ in failures(rule.where, real)]


def _read(tool: Tool | None, args: Mapping[str, JSON]) -> Mapping[str, JSON] | None:
    """The arguments as they would run, or None where the model refuses them."""
    if tool is None:
        return args
    try:
        model = tool.args_model.model_validate_json(json.dumps(args), strict=True)
        dumped: dict[str, JSON] = model.model_dump(mode="json", round_trip=True)
    except Exception:  # whatever a validator of the model's own raises, it refuses
        return None
    return dumped


def _base(search: _Search, but: str | None) -> dict[str, JSON]:
    """The first value that will do for each argument that must be given."""
    base: dict[str, JSON] = {}
    for name in _needed(search):
        if name == but:
            base.setdefault(name, next(_values(search, name), None))
            continue
        rule = search.takes.where.properties.get(name)
        for value in islice(_values(search, name), _TRIES):
            alone = Where(properties={name: rule} if rule else {})
            if not list(failures(alone, {name: value})) and not _blamed(search.tool, {**base, name: value}, name):
                base[name] = value
                break
    return base


def _needed(search: _Search) -> list[str]:
    ruled = [*search.takes.where.properties, *search.takes.where.required]
    fields = search.tool.args_model.model_fields if search.tool else {}
    needed = [name for name, item in fields.items() if item.is_required()] + ruled
    return [name for name in dict.fromkeys(needed) if search.settable(name)]


def _blamed(tool: Tool | None, args: Mapping[str, JSON], name: str) -> bool:
    """Whether the model refuses this argument, whatever it says of the others."""
    if tool is None:
        return False
    try:
        tool.args_model.model_validate_json(json.dumps(args), strict=True)
    except ValidationError as error:
        return any(item["loc"][:1] == (name,) for item in error.errors(include_input=False, include_context=False))
    except Exception:  # a validator that breaks takes nothing
        return True
    return False


def _values(search: _Search, name: str) -> Iterator[JSON]:
    """Values to try for an argument, each once: listed ones, then ends of bounds, then what patterns match."""
    rules = [where.properties[name] for where in search.hints if name in where.properties]
    found = shapes(search.tool.args_model, name) if search.tool else [{}]
    seen: set[str] = set()
    for shape in found or [{}]:
        for value in _of_shape(shape, rules, search, 0):
            key = json.dumps(value, sort_keys=True)
            if key not in seen:
                seen.add(key)
                yield value


def _of_shape(shape: Shape, rules: Sequence[WhereRule], search: _Search, depth: int) -> Iterator[JSON]:
    for rule in rules:
        yield from rule.enum or ()
        if rule.const is not None:
            yield rule.const
    if "const" in shape or "enum" in shape:
        yield from [shape["const"]] if "const" in shape else shape["enum"]
        return
    kinds = {shape.get("type"), *(rule.type for rule in rules)} - {None}
    if not kinds & {"integer", "number", "boolean", "array", "object"}:
        yield from _texts(shape, rules)
    if kinds & {"integer", "number"} or not kinds:
        yield from _numbers(shape, rules)
    if "boolean" in kinds or not kinds:
        yield from (True, False)
    if "array" in kinds or not kinds:
        yield from _lists(shape, rules, search, depth)
    if "object" in kinds or not kinds:
        yield from _objects(shape, search, depth)


def _numbers(shape: Shape, rules: Sequence[WhereRule]) -> Iterator[JSON]:
    ends = [shape.get(key) for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")]
    ends += [end for rule in rules for end in (rule.minimum, rule.maximum)]
    known = [end for end in ends if end is not None]
    for value in dict.fromkeys(
        [*known, *(end + step for end in known for step in (1, -1, 0.5, -0.5)), 1, 0, -1, 10**6]
    ):
        yield int(value) if float(value).is_integer() else value


def _texts(shape: Shape, rules: Sequence[WhereRule]) -> Iterator[JSON]:
    ends = [shape.get(key) for key in ("minLength", "maxLength")]
    ends += [end for rule in rules for end in (rule.min_length, rule.max_length)]
    lengths = sorted(
        {end + step for end in ends if end is not None for step in (0, 1, -1) if 0 <= end + step <= _LONGEST}
    )
    patterns = [rule.pattern for rule in rules if rule.pattern] + ([shape["pattern"]] if "pattern" in shape else [])
    if shape.get("format") in _FORMATS:
        yield _FORMATS[shape["format"]]
    for pattern in dict.fromkeys(patterns):
        with suppress(re.error):  # another dialect
            yield from texts(pattern, lengths)
    yield from _PLAIN
    yield from PROBES
    yield from (f"{text}{letter}" for letter in PROBES for text in ("a", "1"))
    yield from ("a" * length for length in lengths)


def _lists(shape: Shape, rules: Sequence[WhereRule], search: _Search, depth: int) -> Iterator[JSON]:
    if depth > _DEEPEST:
        return
    least = shape.get("minItems", 0)
    most = [rule.max_items for rule in rules if rule.max_items is not None]
    items = leaf_shapes(search.tool.args_model, shape.get("items", {})) if search.tool else [{"type": "string"}]
    item = next((value for part in items for value in _of_shape(part, (), search, depth + 1)), "a")
    for count in dict.fromkeys([least, 1, *(end + step for end in most for step in (0, 1))]):
        if count <= _LONGEST:
            yield [item] * count


def _objects(shape: Shape, search: _Search, depth: int) -> Iterator[JSON]:
    if depth > _DEEPEST or search.tool is None:
        yield {}
        return
    made: dict[str, Any] = {}
    for name in shape.get("required", ()):
        parts = leaf_shapes(search.tool.args_model, shape.get("properties", {}).get(name, {}))
        made[name] = next((value for part in parts for value in _of_shape(part, (), search, depth + 1)), None)
    yield made
