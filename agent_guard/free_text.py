"""What a contract may not take: text of any length, which neither its args model nor the policy bounds (B12, B18)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DecimalSchema, DictSchema

from agent_guard.errors import ConfigError
from agent_guard.policy import ToolRule
from agent_guard.tool import Tool

__all__ = ["refuse_free_text"]

_BOUNDED_FORMATS = ("date", "date-time", "time", "duration", "uuid", "ipv4")


class _Schema(GenerateJsonSchema):
    def decimal_schema(self, schema: DecimalSchema) -> JsonSchemaValue:  # noqa: ARG002
        return {"type": "number"}  # it may be written as text, but only of digits

    def dict_schema(self, schema: DictSchema) -> JsonSchemaValue:
        made = super().dict_schema(schema)  # which does not tell keys that are numbers
        made.pop("patternProperties", None)
        keys = self.generate_inner(schema["keys_schema"]) if "keys_schema" in schema else {}
        values = self.generate_inner(schema["values_schema"]) if "values_schema" in schema else {}
        return made | {"propertyNames": keys, "additionalProperties": values}


_LENGTH = (
    "give it a max_length, an enum or a closed pattern in the args model, or a maxLength under 'where' in the policy"
)
_NUMBER = (
    "it takes any number of short ones: give the list a max_length in the args model, or a maxItems under 'where' in "
    "the policy"
)
_KEYS = "it takes any number of short ones: give the dict a max_length in the args model"


def refuse_free_text(tool: Tool, rule: ToolRule) -> None:
    """Refuses a tool that takes text of any length: neither its args model nor the policy bounds it (B12, B18).

    Any number of short texts is one, in a list, as keys or in objects. A list of closed values (numbers, days, words of
    an enum) may have any length: nobody writes a letter with it, and the size of all arguments is bounded.

    Raises:
        ConfigError: names the tool and the argument.
    """
    schema = tool.args_model.model_json_schema(schema_generator=_Schema)
    definitions = schema.get("$defs", {})
    if reference := schema.get("$ref"):  # a model that is its own part
        schema = definitions[reference.rsplit("/", 1)[-1]]
    for name, part in schema.get("properties", {}).items():
        where = rule.where.properties.get(name)
        if where and (where.max_length is not None or where.enum is not None or where.const is not None):
            continue
        counted = where is not None and where.max_items is not None
        for path, remedy in _unbounded(part, definitions, name, (), counted=counted):
            raise ConfigError(f"tool {tool.name!r}: argument {path!r} is text of any length; {remedy}")


def _unbounded(
    schema: Mapping[str, Any],
    definitions: Mapping[str, Any],
    path: str,
    seen: tuple[str, ...],
    *,
    counted: bool = False,
) -> Iterator[tuple[str, str]]:
    """Where text of any length can stand, and what to do about it.

    Args:
        counted: the policy bounds how many items the argument has; it takes nothing but a list then.
    """
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        if name not in seen:
            yield from _unbounded(definitions[name], definitions, path, (*seen, name), counted=counted)
        return
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or []
    for choice in choices:
        yield from _unbounded(choice, definitions, path, seen, counted=counted)
    if schema.get("type") == "string" and not _bounded(schema):
        yield path, _LENGTH
    if not choices and not ({"type", "enum", "const"} & schema.keys()):
        yield path, _LENGTH  # any value at all
    for items in (schema.get("items"), *schema.get("prefixItems", ())):
        if isinstance(items, Mapping):
            yield from _unbounded(items, definitions, f"{path}[]", seen)
            if not counted and "maxItems" not in schema and _wordy(items, definitions, ()):
                yield path, _NUMBER
    extra = schema.get("additionalProperties")
    if schema.get("type") == "object" and "properties" not in schema:  # a dict, whose keys are text as well
        keys = schema.get("propertyNames", {"type": "string"})
        yield from _unbounded(keys, definitions, f"{path}.*", seen)
        words = any(_wordy(part, definitions, ()) for part in (keys, extra) if isinstance(part, Mapping))
        if words and "maxProperties" not in schema and not _closed(keys, definitions):
            yield path, _KEYS
    if isinstance(extra, Mapping):
        yield from _unbounded(extra, definitions, f"{path}.*", seen)
    for name, part in schema.get("properties", {}).items():
        yield from _unbounded(part, definitions, f"{path}.{name}", seen)


def _wordy(schema: Mapping[str, Any], definitions: Mapping[str, Any], seen: tuple[str, ...]) -> bool:
    """Whether somebody's own words can stand in a value, however few."""
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        return name not in seen and _wordy(definitions[name], definitions, (*seen, name))
    if "enum" in schema or "const" in schema or schema.get("format") in _BOUNDED_FORMATS:
        return False
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or []
    if schema.get("type") == "string" or not (choices or "type" in schema):
        return True
    inner = [schema.get(name) for name in ("items", "propertyNames", "additionalProperties")]
    inner += [*choices, *schema.get("prefixItems", ()), *schema.get("properties", {}).values()]
    return any(isinstance(part, Mapping) and _wordy(part, definitions, seen) for part in inner)


def _closed(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
    """Whether a key is one of so many words."""
    if reference := schema.get("$ref"):
        return _closed(definitions[reference.rsplit("/", 1)[-1]], definitions)
    return "enum" in schema or "const" in schema


def _bounded(schema: Mapping[str, Any]) -> bool:
    pattern = schema.get("pattern", "")
    closed = pattern.startswith("^") and pattern.endswith("$") and not re.search(r"[*+|]|\{\d+,\}|\(\?|\\\$$", pattern)
    return (
        "maxLength" in schema
        or "enum" in schema
        or "const" in schema
        or schema.get("format") in _BOUNDED_FORMATS
        or closed
    )
