"""The name models and name rules of every language behind one call."""

from __future__ import annotations

import platform
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import Any, TypeVar

from agent_guard.errors import ConfigError
from agent_guard.masking.cues import find_cued
from agent_guard.masking.lowercase import find_slavic_lower
from agent_guard.masking.names_en import EnglishNames
from agent_guard.masking.names_kk import KazakhNames, find_kazakh, has_kazakh, is_kazakh
from agent_guard.masking.names_pl import PolishNames, find_polish
from agent_guard.masking.names_ru import RussianNames
from agent_guard.masking.names_spacy import SpacyNames
from agent_guard.masking.routing import blocks
from agent_guard.types import Span

__all__ = ["NameFinder", "require"]

# Kazakh comes with Russian: its lines are found among Russian ones.
_NEEDED = {
    "ru": ("natasha", "slovnet", "navec", "razdel", "pycrfsuite"),
    "en": ("pycrfsuite",),
    "pl": ("morfeusz2", "pycrfsuite"),
}


def require(languages: Iterable[str]) -> None:
    """Checks that what the name models of these languages need is installed.

    Raises:
        ConfigError: a package is missing; the message names the extra.
    """
    for language in languages:
        for package in _NEEDED[language]:
            if find_spec(package) is None and not (package == "morfeusz2" and _without_morfeusz()):
                raise ConfigError(
                    f"masking names in {language!r} needs the package {package!r}: "
                    f"pip install 'langgraph-agent-guard[{language}]', or leave the language out of "
                    f'Masker(languages=...), or use Masker(profile="patterns")'
                )


def _without_morfeusz() -> bool:
    """Whether morfeusz2 publishes no wheel for this machine: Linux on ARM. Its project offers no source package."""
    return platform.system() == "Linux" and platform.machine() not in ("x86_64", "AMD64")


# Two capitalised Latin words inside Russian text may be a foreign customer.
_LATIN_NAME = re.compile(r"(?<!\w)[A-Z][a-z]+ [A-Z][a-z]+")
_LINE = re.compile(r"[^\r\n]+")


_Engine = TypeVar("_Engine")


@cache
def _shared(engine: Callable[..., _Engine], **options: Any) -> _Engine:
    """The one engine of its kind: models are read-only, take seconds to load and tens of megabytes each."""
    return engine(**options)


class NameFinder:
    """Finds names and places with the engine of each line's language; engines load at their first text, once in a
    process.

    Args:
        eager: words that a model only half believes to be names count too.
        spacy: a spaCy pipeline that is installed; it reads English lines as well.
    """

    def __init__(self, languages: Sequence[str], eager: bool = False, spacy: str | None = None) -> None:
        require(languages)
        self._languages = tuple(languages)
        how = {"eager": True} if eager else {}
        self._russian = _shared(RussianNames, **how) if "ru" in languages else None
        self._kazakh = _shared(KazakhNames, **how) if "ru" in languages else None
        self._english = _shared(EnglishNames, **how) if "en" in languages else None
        self._polish = _shared(PolishNames, **how) if "pl" in languages and find_spec("morfeusz2") else None
        self._spacy = _shared(SpacyNames, model=spacy) if spacy else None
        if "pl" in languages and not self._polish:
            warnings.warn(
                "morfeusz2 has no package for this machine: Polish names are found by light rules only",
                RuntimeWarning,
                stacklevel=3,
            )

    def find(self, text: str, hint: str | None) -> Iterator[Span]:
        """Yields names of a folded text; spans may overlap."""
        yield from find_cued(text)
        yield from find_slavic_lower(text)
        for block in blocks(text, hint, self._languages):
            piece = text[block.start : block.end]
            for span in self._of_language(piece, block.language):
                yield replace(span, start=span.start + block.start, end=span.end + block.start) if block.start else span

    def _of_language(self, text: str, language: str) -> Iterator[Span]:
        if language == "ru" and self._russian and self._kazakh:
            yield from self._russian.find(text)
            for line in _LINE.finditer(text):
                if has_kazakh(line[0]):
                    whole = is_kazakh(line[0])
                    for span in self._kazakh.find(line[0]):
                        name = line[0][span.start : span.end]
                        # in a Russian line with a Kazakh name the places and single Russian words are slovnet's
                        if whole or (span.type == "PERSON" and (has_kazakh(name) or " " in name)):
                            yield replace(span, start=span.start + line.start(), end=span.end + line.start())
            yield from find_kazakh(text)
        if self._english and language == "en":
            yield from self._english.find(text)
        if self._spacy and language == "en":
            yield from self._spacy.find(text)
        if self._english and language == "ru" and _LATIN_NAME.search(text):
            # one Latin word among Cyrillic ones is a brand or a program, and the model cannot read Cyrillic
            yield from (span for span in self._english.find(text) if _LATIN_NAME.match(text, span.start))
        if language == "pl" and "pl" in self._languages:
            yield from self._polish.find(text) if self._polish else find_polish(text)

    def warm(self) -> None:
        """Loads every model now."""
        if self._russian:
            self._russian.warm()
        for finder in (self._kazakh, self._english, self._polish, self._spacy):
            if finder:
                finder.warm()
