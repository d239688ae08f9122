"""What a form sends as text, read as the contract's types.

Agent Inbox and agent-chat-ui edit each argument in a text field and send back text, whatever it was before. A text that
an argument cannot take is read as the JSON that the form made of the value; the contract decides about it afterwards,
as about every edit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from agent_guard.tool import Tool
from agent_guard.types import JSON

__all__ = ["typed"]

_NAMES: Mapping[type, str] = {
    bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null",
}  # fmt: skip


def typed(tool: Tool | None, args: Mapping[str, JSON], shown: Mapping[str, JSON]) -> dict[str, JSON]:
    """Edited arguments with the text of a form turned back into what it stands for; everything else as it came.

    Args:
        tool: None where the gateway does not know the tool; nothing is changed then.
        args: raw or masked; screened.
        shown: the arguments that the form was filled with. A text that is one of them written out stands for it, so
            that an untouched empty field does not become the word ``null``.
    """
    if tool is None:
        return dict(args)
    schema = tool.args_schema
    definitions = schema.get("$defs", {})
    if reference := schema.get("$ref"):  # a model that is its own part
        schema = definitions[reference.rsplit("/", 1)[-1]]
    parts = schema.get("properties", {})
    return {
        name: _read(value, set(_kinds(parts[name], definitions)), shown.get(name)) if name in parts else value
        for name, value in args.items()
    }


def _read(value: JSON, kinds: set[str], before: JSON) -> JSON:
    if not isinstance(value, str):
        return value
    try:
        meant: JSON = json.loads(value)
    except (ValueError, RecursionError):
        return value
    if isinstance(meant, str):
        return value
    if "string" in kinds or "any" in kinds:
        return meant if not isinstance(before, str) and _same(meant, before) else value
    kind = _NAMES[type(meant)]
    return meant if kind in kinds or (kind == "integer" and "number" in kinds) else value


def _same(one: JSON, other: JSON) -> bool:
    """Equal as JSON, where true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _kinds(schema: Mapping[str, Any], definitions: Mapping[str, Any], seen: tuple[str, ...] = ()) -> Iterator[str]:
    """The JSON types that a part of a schema takes; ``any`` where it does not say."""
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        if name not in seen:
            yield from _kinds(definitions[name], definitions, (*seen, name))
        return
    choices = [item for word in ("anyOf", "oneOf", "allOf") for item in schema.get(word, ())]
    for item in choices:
        yield from _kinds(item, definitions, seen)
    words = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if "type" in schema:
        yield from [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    elif words:
        yield from (_NAMES[type(item)] for item in words)
    elif not choices:
        yield "any"
