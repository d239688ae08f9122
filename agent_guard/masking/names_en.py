"""English names, places and companies: a small conditional random field (python-crfsuite) with its own word classes.

Trained by `training/train_en.py` from WNUT-17 and the Broad Twitter Corpus (CC BY 4.0) and generated messages; no
vectors, no pipeline, one thread.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from agent_guard.masking.crf import LEAST, SPAN_TYPES, likely, open_tagger, read_classes, runs
from agent_guard.masking.crf_features import Classes, Words, features, tokens
from agent_guard.masking.cues import is_name_like
from agent_guard.masking.lowercase import find_lower, is_surname
from agent_guard.masking.weights import ENGLISH_CLASSES, ENGLISH_CRF, verified
from agent_guard.types import Span

__all__ = ["EnglishNames"]

_MODELS = Path(__file__).parent / "models"

log = logging.getLogger("agent_guard")

_MAYBE = 0.4
"""How likely a word that is capitalised inside a sentence must be a person to be taken for one where the best sequence
of labels has nothing."""

# Whoever is thanked or answered is spoken to by the first name: `Sure, Emily!`
_SPOKEN_TO = re.compile(
    r"\b(?:agreed|good|great|no|no problem|of course|ok|okay|perfect|sorry|sure|thanks|thank you|yes|"
    r"you['’]re welcome),[ \t]+(?P<name>[A-Z][^\W\d_]+)(?=[!.?,])",
    re.IGNORECASE,
)


class EnglishNames:
    """Finds names in English text; the model loads at the first one.

    Args:
        eager: words that the model only half believes to be names count too.
    """

    def __init__(self, eager: bool = False) -> None:
        self._eager = eager
        self._tagger: Any = None
        self._words: Words | None = None
        self._classes: Classes = {}
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Loads the model.

        Raises:
            ConfigError: python-crfsuite is missing, or the model files are not the tested ones.
        """
        with self._lock:
            self._load()

    def _load(self) -> Words:
        if self._words is None:
            log.info("loading the model of English names")
            self._classes = read_classes(Path(verified(_MODELS / "en.classes.zlib", ENGLISH_CLASSES)))
            table = Words(self._classes)
            self._tagger = open_tagger(verified(_MODELS / "en.crfsuite", ENGLISH_CRF), "en")
            self._words = table
        return self._words

    def find(self, text: str) -> Iterator[Span]:
        """Yields persons, places and companies of a text."""
        found = tokens(text)
        if not found:
            return
        # One tagger holds one sequence at a time.
        with self._lock:
            rows = features([token[0] for token in found], self._load())
            labels = self._tagger.tag(rows)
            if self._eager:
                labels = likely(self._tagger, labels, LEAST)
            else:
                labels = likely(self._tagger, labels, _MAYBE, ("PER",), _inside(found))
        table = self._classes
        yield from find_lower(text, partial(_is_first, table), partial(_is_last, table))
        for spoken in _SPOKEN_TO.finditer(text):
            name = spoken["name"]
            if name[0].isupper() and is_name_like(name) and not {"A", "B", "C"}.isdisjoint(table.get(name.lower(), "")):
                start, end = spoken.span("name")
                yield Span(start=start, end=end, type="PERSON", score=0.7, source="cue")
        for first, last, kind in runs(text, found, labels):
            words = [token[0] for token in found[first:last]]
            if kind in SPAN_TYPES and _plausible(kind, words):
                yield Span(
                    start=found[first].start(),
                    end=found[last - 1].end(),
                    type=SPAN_TYPES[kind],
                    score=0.75,
                    source="crf",
                )


def _inside(found: Sequence[re.Match[str]]) -> list[bool]:
    """For each word whether it is capitalised where others are not: the first of a sentence says nothing by it."""
    before = [".", *(token[0] for token in found)]
    return [token[0][0].isupper() and last not in ".!?:" for last, token in zip(before, found, strict=False)]


def _is_first(table: Classes, word: str) -> bool:
    kinds = table.get(word, "")
    return "A" in kinds and "W" not in kinds


def _is_last(table: Classes, word: str) -> bool:
    kinds = table.get(word, "")
    return is_surname(word) or (not {"L", "M"}.isdisjoint(kinds) and {"W", "X"}.isdisjoint(kinds))


def _plausible(kind: str, words: Sequence[str]) -> bool:
    """Refuses single signs, everyday words alone, and places made of codes such as `ISO 27001`."""
    if len(words) == 1 and (len(words[0]) < 2 or not is_name_like(words[0])):
        return False
    if kind == "PER":
        return words[0][0] not in "'’"
    return kind != "LOC" or not (words[-1].isdecimal() and words[0].isupper())
