"""What an argument is when a call leaves it out: its default, as JSON, at any depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, TypeAdapter

from agent_guard.types import JSON

__all__ = ["decisions", "defaults", "free_keys", "inside", "parts", "usually"]

_NONE_GIVEN = object()


@lru_cache(maxsize=256)
def defaults(model: type[BaseModel]) -> Mapping[str, JSON]:
    """What each argument is that a call leaves out, as JSON; without those that depend on others."""
    found: dict[str, JSON] = {}
    for name, field in model.model_fields.items():
        if not field.is_required():
            with suppress(Exception):  # a default that is made of other arguments is nobody's usual value
                value = field.get_default(call_default_factory=True, validated_data={})
                found[name] = TypeAdapter(Any).dump_python(value, mode="json")
    return found


def usually(whole: object, name: str) -> JSON:
    """The default of a part of an argument, or a value that equals nothing where it has none.

    Args:
        whole: the argument, or the part of it, as the args model holds it.
    """
    return defaults(type(whole)).get(name, _NONE_GIVEN) if isinstance(whole, BaseModel) else _NONE_GIVEN


def inside(whole: object, place: str | int) -> object:
    """A part of what an args model holds, by the name or the place that it has in JSON; None where there is none."""
    if isinstance(place, int):
        return whole[place] if isinstance(whole, (list, tuple)) and place < len(whole) else None
    return parts(whole).get(place)


def parts(whole: object) -> Mapping[str, object]:
    """What stands in an object that an args model holds, by the names that it has in JSON; nothing in anything else."""
    if isinstance(whole, BaseModel):
        return vars(whole)
    if isinstance(whole, Mapping):
        return {str(getattr(key, "value", key)): item for key, item in whole.items()}
    return {}


def decisions(value: JSON, whole: object, usual: JSON) -> Iterator[str]:
    """What of an argument is decided without a word or a number: switches that are turned, and what is emptied or
    taken back, wherever that is not the default.

    Args:
        value: the argument, as JSON.
        whole: the same as the args model holds it.
        usual: its default.
    """
    if isinstance(value, bool):
        if value is not usual:
            yield "yes" if value else "no"
    elif value is None:
        if usual is not None and usual is not _NONE_GIVEN:
            yield "(nothing)"
    elif value in ([], {}) or (isinstance(value, str) and not value.strip()):
        if value != usual:
            yield "(empty)"
    elif isinstance(value, Mapping):
        held = parts(whole)
        for name, item in value.items():
            yield from decisions(item, held.get(name), usually(whole, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from decisions(item, inside(whole, place), _NONE_GIVEN)


def free_keys(whole: object) -> Iterator[str]:
    """The keys that the caller chose: those of dictionaries, at any depth; a model's are the contract's."""
    if isinstance(whole, BaseModel):
        for name in type(whole).model_fields:
            yield from free_keys(getattr(whole, name))
    elif isinstance(whole, Mapping):
        for key, item in whole.items():
            yield str(getattr(key, "value", key))
            yield from free_keys(item)
    elif isinstance(whole, (list, tuple, set, frozenset)):
        for item in whole:
            yield from free_keys(item)
