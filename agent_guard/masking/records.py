"""Structured data: the name of a field is the first evidence of what it holds.

Recognizers see 19 to 88 percent of the names in CRM fields; a field's own name tells all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from agent_guard.masking.words import words
from agent_guard.types import ENTITY_TYPES, EntityType

__all__ = ["check_fields", "rule_of", "sensitive_type"]

_TYPES: tuple[EntityType, ...] = ("EMAIL", "PHONE", "IBAN", "CARD", "ID", "LOCATION", "PERSON", "IP", "SECRET")
_BY_WORD: dict[str, EntityType] = {word: kind for kind in _TYPES for word in words(f"field_{kind.lower()}")}
# Names of things, not of people.
_NOT_PERSON = re.compile(
    r"(?:^|_)(?:company|organi[sz]ation|org|product|deal|stage|pipeline|event|file|template|field|table|tool|model|brand|campaign|"
    r"project|task|status|type|category|group|team|role|region|country|currency|calendar|source|plan|page|tag|list|host|domain|"
    r"service|компани\w*|продукт\w*|товар\w*|сделк\w*|файл\w*|firmy?|produktu?|pliku)_(?:name|title|id|имя|nazwa)$"
)
_WHICH = words("field_which")
_CAMEL = re.compile(r"(?<=[a-zа-я0-9])(?=[A-ZА-Я])")
_BREAK = re.compile(r"[^\w]+|_+")


def _normal(key: str) -> str:
    return "_".join(part for part in _BREAK.split(_CAMEL.sub("_", key)) if part).casefold().replace("ё", "е")


@lru_cache(maxsize=4096)
def sensitive_type(key: str) -> EntityType | None:
    """Returns the type a field's own name promises (``clientPhone``, ``фамилия``, ``kod_pocztowy``), or None."""
    name = _normal(key)
    if name in _BY_WORD:
        return _BY_WORD[name]
    if _NOT_PERSON.search(name):
        return None
    parts = [bare for part in name.split("_") if (bare := part.rstrip("0123456789"))]
    # The end of a name says what it is (`client_phone`); words that only say which one are passed over (`phone_home`).
    while parts:
        for size in (3, 2, 1):
            found = _BY_WORD.get("_".join(parts[-size:]))
            if found:
                return found
        if parts[-1] not in _WHICH:
            return None
        parts.pop()
    return None


def check_fields(fields: Mapping[str, str]) -> None:
    """Checks a field policy.

    Raises:
        ValueError: a rule is none of plain, text, drop or an entity type.
    """
    for key, rule in fields.items():
        if rule not in ("plain", "text", "drop") and rule not in ENTITY_TYPES:
            raise ValueError(f"field {key!r}: {rule!r} is not plain, text, drop or one of {', '.join(ENTITY_TYPES)}")


def rule_of(path: str, fields: Mapping[str, str]) -> str | None:
    """Returns the rule of a dotted path: the longest named ending of it, or None. List places are not part of paths."""
    rest = path
    while rest:
        if rest in fields:
            return fields[rest]
        _, _, rest = rest.partition(".")
    return None
