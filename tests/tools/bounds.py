"""Finds what a contract leaves unbounded, by its JSON schema: what a registration would refuse."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

BOUNDS = {
    "string": ("maxLength", "pattern", "enum", "const", "format"),
    "array": ("maxItems",),
}


def unbounded(model: type[BaseModel]) -> list[str]:
    """Paths of unbounded texts and lists and of open objects; empty when the contract is closed."""
    schema = model.model_json_schema()
    return list(_walk(schema, model.__name__)) + [
        problem for name, definition in schema.get("$defs", {}).items() for problem in _walk(definition, name)
    ]


def _walk(schema: dict[str, Any], path: str) -> list[str]:
    problems = []
    kind = schema.get("type")
    if kind in BOUNDS and not any(bound in schema for bound in BOUNDS[kind]):
        problems.append(path)
    if kind == "object" and schema.get("additionalProperties") is not False:
        problems.append(path)
    if kind is None and not {"$ref", "anyOf", "enum", "const"} & set(schema):
        problems.append(path)
    for name, inner in schema.get("properties", {}).items():
        problems += _walk(inner, f"{path}.{name}")
    if "items" in schema:
        problems += _walk(schema["items"], f"{path}[]")
    for inner in schema.get("anyOf", ()):
        problems += _walk(inner, path)
    return problems
