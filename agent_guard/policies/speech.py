"""Sentences in one language: phrases by key, plural forms, lists. The phrases are data, in ``words/``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, Self, get_args

import yaml

from agent_guard.errors import ConfigError
from agent_guard.units import parse_duration

__all__ = ["Clause", "Language", "Speech", "phrases", "plural"]

Language = Literal["en", "ru", "pl"]
"""The languages that phrases are written in."""

Phrase = str | Mapping[str, str]

_DURATION_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


class Clause(str):
    """A phrase with its values.

    Args:
        own: it begins with a word of the phrase and not with a value, so it may be capitalised.
    """

    __slots__ = ("own",)
    own: bool

    def __new__(cls, text: str, *, own: bool = True) -> Self:
        made = super().__new__(cls, text)
        made.own = own
        return made


@lru_cache(maxsize=8)
def phrases(language: str) -> Mapping[str, Phrase]:
    """Every phrase of a language by its key, e.g. ``"mode.approve"``; one that counts has a text for each form."""
    text = (files("agent_guard.policies") / "words" / f"{language}.yaml").read_text(encoding="utf-8")
    return dict(_flat(yaml.safe_load(text), ""))


def _flat(data: Mapping[str, Any], path: str) -> Iterator[tuple[str, Phrase]]:
    for key, value in data.items():
        if isinstance(value, str) or "many" in value or "one" in value:
            yield f"{path}{key}", value
        else:
            yield from _flat(value, f"{path}{key}.")


def plural(language: Language, n: int) -> str:
    """The plural category of a whole number, by Unicode's CLDR: ``one``, ``few``, ``many`` or ``other``."""
    tens, ones = abs(n) % 100, abs(n) % 10
    if language == "en":
        return "one" if n == 1 else "other"
    if n == 1 or (language == "ru" and ones == 1 and tens != 11):
        return "one"
    return "few" if ones in (2, 3, 4) and tens not in (12, 13, 14) else "many"


class Speech:
    """One language.

    Args:
        language: one of ``Language``.

    Raises:
        ConfigError: no such language; the message names those there are.
    """

    def __init__(self, language: Language) -> None:
        if language not in get_args(Language):
            raise ConfigError(f"there is no language {language!r}; there is: {', '.join(get_args(Language))}")
        self.language: Language = language
        self._phrases = phrases(language)

    def say(self, key: str, n: int | None = None, /, **values: object) -> Clause:
        """A phrase with its values.

        Args:
            n: what it counts.
        """
        phrase = self._phrases[key]
        if not isinstance(phrase, str):
            phrase = phrase[plural(self.language, n or 0)]
        return Clause(phrase.format(n=n, **values), own=not phrase.startswith("{"))

    def has(self, key: str) -> bool:
        """Whether there is such a phrase."""
        return key in self._phrases

    def any_of(self, items: Iterable[object]) -> str:
        """``a, b or c``."""
        return self._listed(items, "list.or")

    def all_of(self, items: Iterable[object]) -> str:
        """``a, b and c``."""
        return self._listed(items, "list.and")

    def duration(self, text: str) -> str:
        """A duration such as ``"24h"`` in words."""
        seconds = int(parse_duration(text).total_seconds())
        unit, size = next((unit, size) for unit, size in _DURATION_UNITS if text.endswith(unit))
        return self.say(f"duration.{unit}", seconds // size)

    def sentence(self, clauses: Iterable[Clause]) -> str:
        """Clauses as one sentence."""
        listed = list(clauses)
        text = "; ".join(listed)
        if listed and listed[0].own:
            text = text[0].upper() + text[1:]
        return f"{text}."

    def _listed(self, items: Iterable[object], last: str) -> str:
        words = [self._phrases["list.none"] if item is None else str(item) for item in items]
        if not words:
            return str(self._phrases["list.none"])
        head = ", ".join(str(word) for word in words[:-1])
        return f"{head} {self._phrases[last]} {words[-1]}" if head else str(words[-1])
