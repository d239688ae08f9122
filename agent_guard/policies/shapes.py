"""What an args model lets an argument be, as the flat JSON Schemas of the values that would run.

A policy's ``where`` is evaluated on the arguments as they are written out again, so a decimal is text here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from agent_guard.types import JSON

__all__ = ["Shape", "closed_values", "fits", "leaf_shapes", "leaves", "nullable", "properties", "shapes"]

Shape = Mapping[str, Any]
"""A JSON Schema without references, choices and null."""

_DEEPEST = 6
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,),
    "object": (dict,), "null": (type(None),),
}  # fmt: skip


@lru_cache(maxsize=256)
def _schema(model: type[BaseModel]) -> Shape:
    try:
        return model.model_json_schema(mode="serialization")
    except Exception:  # a serializer of the model's own that tells no schema
        return model.model_json_schema()


def properties(model: type[BaseModel]) -> Mapping[str, Shape]:
    """The arguments of a model, as their schemas are written, references put in their place."""
    schema = _schema(model)
    definitions = schema.get("$defs", {})
    found = _resolved(schema, definitions).get("properties", {})
    return {name: found[name] for name in model.model_fields if name in found}


def shapes(model: type[BaseModel], argument: str) -> list[Shape]:
    """Each thing that an argument may be, besides null."""
    part = properties(model).get(argument)
    return [] if part is None else _alternatives(part, _schema(model).get("$defs", {}), 0)


def leaf_shapes(model: type[BaseModel], part: Shape) -> list[Shape]:
    """Each thing that a part of a model's schema may be, besides null."""
    return _alternatives(part, _schema(model).get("$defs", {}), 0)


def nullable(model: type[BaseModel], argument: str) -> bool:
    """Whether a call may leave the argument null; of what is not known it is said to be."""
    part = properties(model).get(argument, {})
    flat = _all(part, _schema(model).get("$defs", {}), 0)
    return not flat or any(shape.get("type") == "null" or not shape or None in _words(shape) for shape in flat)


def closed_values(model: type[BaseModel], argument: str) -> list[JSON] | None:
    """Every value that an argument may have besides null, or None where they cannot be listed."""
    values: list[JSON] = []
    for shape in shapes(model, argument):
        listed = [True, False] if shape.get("type") == "boolean" and not _words(shape) else _words(shape)
        if not listed:
            return None
        values += listed
    return values or None


def leaves(model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], Shape]]:
    """Every value inside the arguments with its path; the items of a list have the path of the list."""
    definitions = _schema(model).get("$defs", {})
    for name, part in properties(model).items():
        yield from _leaves((name,), part, definitions, 0)


def fits(shape: Shape, value: JSON) -> bool:
    """Whether nothing that is surely known of a shape forbids a value."""
    listed = _words(shape)
    if listed and not any(value == item and isinstance(value, bool) == isinstance(item, bool) for item in listed):
        return False
    kind = shape.get("type")
    if isinstance(kind, str) and not _is(kind, value):
        return False
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, (int, float)):
        return _in_range(shape, value)
    if isinstance(value, str):
        return _in_length(shape, value)
    return True


def _is(kind: str, value: JSON) -> bool:
    if kind == "boolean" or not isinstance(value, bool):
        return isinstance(value, _TYPES.get(kind, (object,)))
    return False


def _in_range(shape: Shape, value: float) -> bool:
    return not (
        value < shape.get("minimum", value)
        or value > shape.get("maximum", value)
        or value <= shape.get("exclusiveMinimum", value - 1)
        or value >= shape.get("exclusiveMaximum", value + 1)
    )


def _in_length(shape: Shape, value: str) -> bool:
    if not shape.get("minLength", 0) <= len(value) <= shape.get("maxLength", len(value)):
        return False
    try:
        return "pattern" not in shape or re.search(shape["pattern"], value) is not None
    except re.error:
        return True  # another dialect


def _words(shape: Shape) -> list[JSON]:
    return [shape["const"]] if "const" in shape else list(shape.get("enum", ()))


def _alternatives(part: Shape, definitions: Shape, depth: int) -> list[Shape]:
    return [shape for shape in _all(part, definitions, depth) if shape.get("type") != "null"]


def _all(part: Shape, definitions: Shape, depth: int) -> list[Shape]:
    part = _resolved(part, definitions)
    if depth > _DEEPEST:
        return [{}]
    choices = part.get("anyOf") or part.get("oneOf")
    if choices:
        return [shape for choice in choices for shape in _all(choice, definitions, depth + 1)]
    return [part]


def _resolved(part: Shape, definitions: Shape) -> Shape:
    seen: list[str] = []
    while reference := part.get("$ref") or (len(part.get("allOf", ())) == 1 and part["allOf"][0].get("$ref")):
        if reference in seen:
            return {}
        seen.append(reference)
        beside = {key: value for key, value in part.items() if key not in ("$ref", "allOf")}
        part = {**definitions.get(reference.rsplit("/", 1)[-1], {}), **beside}
    return part


def _leaves(
    path: tuple[str, ...], part: Shape, definitions: Shape, depth: int
) -> Iterator[tuple[tuple[str, ...], Shape]]:
    if depth > _DEEPEST:
        return
    for shape in _alternatives(part, definitions, depth):
        items = shape.get("items")
        if isinstance(items, Mapping):
            yield from _leaves(path, items, definitions, depth + 1)
        elif shape.get("properties"):
            for name, inner in shape["properties"].items():
                yield from _leaves((*path, name), inner, definitions, depth + 1)
        else:
            yield path, shape
