"""Polish names, places and companies: a conditional random field over Morfeusz's readings, and light rules beside it.

Trained by `training/train_pl.py` from KPWr (CC BY 3.0) and generated messages with declined names. The rules find a
common first name in any case with the capitalised words that follow it; where the model explains those words as
something else (a street, a company, a film), the model is believed.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agent_guard.errors import ConfigError
from agent_guard.masking.crf import LEAST, SPAN_TYPES, likely, open_tagger, read_classes, runs
from agent_guard.masking.crf_features import features
from agent_guard.masking.cues import is_name_like
from agent_guard.masking.features_pl import PolishWords, tokens
from agent_guard.masking.weights import ENGLISH_CLASSES, POLISH_CLASSES, POLISH_CRF, verified
from agent_guard.masking.words import words
from agent_guard.types import Span

__all__ = ["FORMS", "PolishNames", "find_polish"]

_MODELS = Path(__file__).parent / "models"

log = logging.getLogger("agent_guard")
_SURE = 0.6
"""A person is dropped when the model gives none of its words more: .6 keeps recall and gives the best precision."""

_MEN = words("men_pl")
_WOMEN = words("women_pl")
_SURNAME = re.compile(
    r"[A-ZĄĆĘŁŃÓŚŹŻ][a-ząćęłńóśźż]+(?:(?:sk|ck|dzk)(?:i|iego|iemu|im|a|iej|ą)|wicz(?:a|owi|em)?|czyk(?:a|owi|iem)?|"
    r"(?:ak|ek|ik|yk|uk|arz|ński)(?:a|owi|iem|em)?)"
)
_WORD = re.compile(r"[A-ZĄĆĘŁŃÓŚŹŻ][a-ząćęłńóśźż]+(?:-[A-ZĄĆĘŁŃÓŚŹŻ][a-ząćęłńóśźż]+)?|[A-ZĄĆĘŁŃÓŚŹŻ]{3,}")


def _forms() -> frozenset[str]:
    forms = set()
    for name in _MEN:
        stem = {"ek": name[:-2] + "k", "eł": name[:-2] + "ł"}.get(name[-2:], name)
        if name.endswith(("i", "y")):
            stem = name.removesuffix("y")
            forms |= {name, *(stem + ending for ending in ("ego", "emu", "m", "ym"))}
        else:
            forms |= {name, *(stem + ending for ending in ("a", "owi", "em", "iem", "u", "ie", "rze", "le", "owie"))}
    for name in _WOMEN:
        stem = name[:-1]
        forms |= {name, *(stem + ending for ending in ("y", "i", "ie", "ę", "ą", "o", "u", "ii"))}
        if name.endswith(("ka", "ga")):
            forms |= {stem[:-1] + ("ce" if name.endswith("ka") else "dze")}
        if name.endswith("ta"):
            forms.add(stem[:-1] + "cie")
        if name.endswith("ra"):
            forms.add(stem[:-1] + "rze")
    return frozenset(forms)


FORMS = _forms()
"""Common first names in every case, in lower case."""


def find_polish(text: str) -> Iterator[Span]:
    """Yields names of a folded text: first name and up to two words after it, or a typical surname before it."""
    words = list(_WORD.finditer(text))
    place = 0
    while place < len(words):
        word = words[place]
        if word[0].casefold().split("-")[0] not in FORMS:
            place += 1
            continue
        first = last = place
        before = words[place - 1] if place else None
        if (
            before
            and text[before.end() : word.start()] == " "
            and _SURNAME.fullmatch(before[0])
            and is_name_like(before[0])
        ):
            first = place - 1
        while last + 1 < len(words) and last - first < 2 and _follows(text, words[last], words[last + 1]):
            last += 1
        yield Span(
            start=words[first].start(),
            end=words[last].end(),
            type="PERSON",
            score=0.7 if last > first else 0.6,
            source="polish",
        )
        place = last + 1


def _follows(text: str, left: re.Match[str], right: re.Match[str]) -> bool:
    return text[left.end() : right.start()] == " " and is_name_like(right[0])


class PolishNames:
    """Finds names in Polish text; the model loads at the first one.

    Args:
        folder: where the model files lie.
        shared: where the English class table lies, which knows foreign names.
        checked: False while a model is trained, when its hash is not known yet.
        eager: words that the model only half believes to be names count too.
    """

    def __init__(
        self, folder: Path = _MODELS, shared: Path = _MODELS, checked: bool = True, eager: bool = False
    ) -> None:
        self._eager = eager
        self._folder = folder
        self._shared = shared
        self._checked = checked
        self._tagger: Any = None
        self._words: PolishWords | None = None
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Loads the model.

        Raises:
            ConfigError: python-crfsuite or morfeusz2 is missing, or the model files are not the tested ones.
        """
        with self._lock:
            self._load()

    def _file(self, path: Path, sha256: str) -> str:
        return verified(path, sha256) if self._checked else str(path)

    def _load(self) -> PolishWords:
        if self._words is None:
            try:
                from morfeusz2 import Morfeusz
            except ImportError as error:
                raise ConfigError(
                    "masking Polish names needs morfeusz2: pip install 'langgraph-agent-guard[pl]'"
                ) from error
            log.info("loading the model of Polish names")
            table = PolishWords(
                read_classes(Path(self._file(self._folder / "pl.classes.zlib", POLISH_CLASSES))),
                read_classes(Path(self._file(self._shared / "en.classes.zlib", ENGLISH_CLASSES))),
                Morfeusz(generate=False),
            )
            self._tagger = open_tagger(self._file(self._folder / "pl.crfsuite", POLISH_CRF), "pl")
            self._words = table
        return self._words

    def find(self, text: str) -> Iterator[Span]:
        """Yields persons, places and companies of a folded text; spans of the model and of the rules may overlap."""
        taken = list(self._tagged(text))
        for span in find_polish(text):
            if not any(start < span.end and span.start < end for start, end, _ in taken):
                yield span
        yield from (span for _, _, span in taken if span)

    def _tagged(self, text: str) -> Iterator[tuple[int, int, Span | None]]:
        """Yields (start, end, span) of everything the model names; the span is None where it is nothing personal."""
        found = tokens(text)
        if not found:
            return
        # One tagger holds one sequence at a time, and so does Morfeusz.
        with self._lock:
            rows = features([token[0] for token in found], self._load())
            self._tagger.set(rows)
            labels = self._tagger.tag()
            if self._eager:
                labels = likely(self._tagger, labels, LEAST)
            named = [
                (first, last, kind, self._certainty(first, last, kind))
                for first, last, kind in runs(text, found, labels)
            ]
        sure = LEAST if self._eager else _SURE
        for first, last, kind, certainty in named:
            start, end = found[first].start(), found[last - 1].end()
            pieces = [token[0] for token in found[first:last]]
            span = None
            if kind in SPAN_TYPES and (kind != "PER" or certainty >= sure) and _plausible(kind, pieces):
                span = Span(start=start, end=end, type=SPAN_TYPES[kind], score=0.75, source="crf")
            yield start, end, span

    def _certainty(self, first: int, last: int, kind: str) -> float:
        """The highest probability that the model gives to this label among the words of a run."""
        if kind != "PER":
            return 1.0
        chances = (
            self._tagger.marginal(f"B-{kind}", place) + self._tagger.marginal(f"I-{kind}", place)
            for place in range(first, last)
        )
        return float(max(chances))


def _plausible(kind: str, pieces: Sequence[str]) -> bool:
    """Refuses single signs and letters, everyday words alone, and abbreviations such as `HR` as persons."""
    if len(pieces) > 1:
        return kind != "PER" or any(len(piece) > 1 and piece[0].isalpha() for piece in pieces)
    word = pieces[0]
    if len(word) < 2 or not is_name_like(word):
        return False
    return not (kind == "PER" and word.isupper() and len(word) < 4)
