"""Args models made of a JSON Schema, for tools that come with nothing else, such as those of an MCP server.

What cannot be read is refused, so that nothing passes unread: references in a circle, unknown types, patterns that
pydantic does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import reduce
from operator import or_
from types import NoneType
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, create_model, model_serializer
from pydantic.errors import PydanticUserError
from pydantic_core import SchemaError

from agent_guard.errors import ConfigError

__all__ = ["ITEMS_MOST", "json_model", "wordless"]

ITEMS_MOST = 100
"""Most items of a list or a dict of texts, where a tool with a ``text_limit`` does not say how many."""

_SCALARS: Mapping[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
_BOUNDS: Mapping[str, str] = {
    "minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt", "multipleOf": "multiple_of",
    "minLength": "min_length", "maxLength": "max_length", "pattern": "pattern",
}  # fmt: skip
_SIZES: Mapping[str, str] = {"minItems": "min_length", "maxItems": "max_length"}
_KEYS: Mapping[str, str] = {"minProperties": "min_length", "maxProperties": "max_length"}


class _Object(BaseModel):
    """An object of the schema. What may be left out and was left out is not handed over as null."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())
    left_out: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        return {name: value for name, value in data.items() if value is not None or name not in self.left_out}


def json_model(schema: Mapping[str, Any], name: str, *, text_limit: int | None) -> type[BaseModel]:
    """Makes the args model of a JSON Schema; closed, whatever its ``additionalProperties`` says.

    Args:
        name: of the tool, for messages.
        text_limit: the most letters of a text whose length the schema does not bound. With it, a list or a dict of
            texts has at most ``ITEMS_MOST``, where the schema does not say how many.

    Raises:
        ConfigError: a part of the schema cannot be read; the message names it.
    """
    definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    return _Reader(definitions, name, text_limit).object(schema, "(all)", ())


def wordless(kind: Any) -> bool:
    """Whether a type has no room for anybody's own words: numbers, moments and closed words, in any nesting."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return wordless(inner[0])
    if origin is Literal:
        return True
    if origin is not None:
        return bool(inner) and all(item is ... or wordless(item) for item in inner)
    return isinstance(kind, type) and issubclass(kind, (int, float, Decimal, Enum, date, time, timedelta, NoneType))


class _Reader:
    def __init__(self, definitions: Mapping[str, Any], name: str, text_limit: int | None) -> None:
        self._definitions = definitions
        self._name = name
        self._limit = text_limit

    def object(self, schema: Mapping[str, Any], path: str, seen: tuple[str, ...]) -> type[BaseModel]:
        """The model of an object with named properties."""
        required = set(schema.get("required", ()))
        fields: dict[str, Any] = {}
        left_out = set()
        for name, given in schema.get("properties", {}).items():
            part = given if isinstance(given, Mapping) else {}
            kind = self._type(part, f"{path}.{name}" if path != "(all)" else name, seen)
            if name not in required and "default" not in part:
                left_out.add(name)
                kind = kind | None if kind is not None else None
            default = ... if name in required else part.get("default")
            fields[name] = (kind, Field(default, description=part.get("description")))
        title = "".join(letter if letter.isalnum() else "_" for letter in f"{self._name}_{path.strip('()')}")
        try:
            made: type[BaseModel] = create_model(title, __base__=_Object, **fields)
            made.model_json_schema()
        except (PydanticUserError, SchemaError, NameError, ValueError) as error:
            raise self._refused(path, type(error).__name__) from None
        made.left_out = frozenset(left_out)
        return made

    def _type(self, part: Mapping[str, Any], path: str, seen: tuple[str, ...]) -> Any:
        if reference := part.get("$ref"):
            name = str(reference).rsplit("/", 1)[-1]
            if name in seen or name not in self._definitions:
                raise self._refused(path, f"the reference {reference!r} leads in a circle or nowhere")
            return self._type(self._definitions[name], path, (*seen, name))
        if "const" in part or "enum" in part:
            words = [part["const"]] if "const" in part else list(part["enum"])
            return self._words(words, path)
        for key in ("anyOf", "oneOf", "allOf"):
            if choices := part.get(key):
                if key == "allOf" and len(choices) > 1:
                    raise self._refused(path, "allOf of several schemas")
                return reduce(or_, [self._type(choice, path, seen) for choice in choices])
        kind = part.get("type")
        if isinstance(kind, list):
            return reduce(or_, [self._type({**part, "type": one}, path, seen) for one in kind])
        return self._plain(kind, part, path, seen)

    def _plain(self, kind: Any, part: Mapping[str, Any], path: str, seen: tuple[str, ...]) -> Any:
        if kind == "array":
            items = part.get("items")
            inner = self._type(items, f"{path}[]", seen) if isinstance(items, Mapping) else Any
            if self._limit is not None and not wordless(inner):
                part = {"maxItems": ITEMS_MOST, **part}
            return self._with(list[inner], part, _SIZES)  # type: ignore[valid-type]
        if kind == "object" or (kind is None and "properties" in part):
            extra = part.get("additionalProperties")
            if "properties" not in part and isinstance(extra, Mapping):
                keys = Annotated[str, Field(max_length=self._limit)]
                if self._limit is not None:
                    part = {"maxProperties": ITEMS_MOST, **part}
                return self._with(dict[keys, self._type(extra, f"{path}.*", seen)], part, _KEYS)  # type: ignore[misc]
            return self.object(part, path, seen) if "properties" in part else dict[str, Any]
        if kind is None:
            return Any  # refused with the tool, because nothing bounds it
        if kind not in _SCALARS:
            raise self._refused(path, f"type {kind!r}")
        if kind == "string" and "maxLength" not in part and self._limit is not None:
            part = {**part, "maxLength": self._limit}
        scalar = _SCALARS[kind]
        return None if scalar is None else self._with(scalar, part, _BOUNDS)

    def _words(self, words: list[Any], path: str) -> Any:
        if not words or not all(word is None or isinstance(word, (str, int, bool)) for word in words):
            raise self._refused(path, "enum of something else than texts, whole numbers, true and false")
        return Literal[tuple(words)]

    @staticmethod
    def _with(kind: Any, part: Mapping[str, Any], names: Mapping[str, str]) -> Any:
        bounds = {ours: part[theirs] for theirs, ours in names.items() if theirs in part}
        return Annotated[kind, Field(**bounds)] if bounds else kind

    def _refused(self, path: str, what: str) -> ConfigError:
        return ConfigError(
            f"tool {self._name!r}: argument {path!r} cannot be read ({what}); write its contract by hand"
        )
