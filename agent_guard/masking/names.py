"""The name models and name rules of every language behind one call."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec

from agent_guard.errors import ConfigError
from agent_guard.masking.cues import find_cued
from agent_guard.masking.names_en import EnglishNames
from agent_guard.masking.names_kk import find_kazakh
from agent_guard.masking.names_pl import find_polish
from agent_guard.masking.names_ru import RussianNames
from agent_guard.masking.routing import blocks
from agent_guard.types import Span

__all__ = ["NameFinder", "require"]

_NEEDED = {"ru": ("natasha", "slovnet", "navec", "razdel"), "en": ("pycrfsuite",), "pl": ()}


def require(languages: Iterable[str]) -> None:
    """Checks that what the name models of these languages need is installed.

    Raises:
        ConfigError: a package is missing; the message names the extra.
    """
    for language in languages:
        for package in _NEEDED[language]:
            if find_spec(package) is None:
                raise ConfigError(
                    f"masking names in {language!r} needs the package {package!r}: "
                    f"pip install 'langgraph-agent-guard[{language}]', or use Masker(profile=\"patterns\")"
                )


# Two capitalised Latin words inside Russian text may be a foreign customer.
_LATIN_NAME = re.compile(r"(?<!\w)[A-Z][a-z]+ [A-Z][a-z]+")


class NameFinder:
    """Finds names and places with the engine of each line's language; engines load at their first text."""

    def __init__(self, languages: Sequence[str]) -> None:
        require(languages)
        self._languages = tuple(languages)
        self._russian = RussianNames() if "ru" in languages else None
        self._english = EnglishNames() if "en" in languages else None

    def find(self, text: str, hint: str | None) -> Iterator[Span]:
        """Yields names of a folded text; spans may overlap."""
        yield from find_cued(text)
        for block in blocks(text, hint, self._languages):
            piece = text[block.start : block.end]
            for span in self._of_language(piece, block.language):
                yield replace(span, start=span.start + block.start, end=span.end + block.start) if block.start else span

    def _of_language(self, text: str, language: str) -> Iterator[Span]:
        if language == "ru" and self._russian:
            yield from self._russian.find(text)
            yield from find_kazakh(text)
        if self._english and (language == "en" or (language == "ru" and _LATIN_NAME.search(text))):
            yield from self._english.find(text)

        if language == "pl":
            yield from find_polish(text)

    def warm(self) -> None:
        """Loads every model now."""
        if self._russian:
            self._russian.warm()
        if self._english:
            self._english.warm()
