"""English names, places and companies: a small conditional random field (python-crfsuite) with its own word classes.

Trained by `training/train_en.py` from WNUT-17 and the Broad Twitter Corpus (CC BY 4.0) and generated messages; no
vectors, no pipeline, one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agent_guard.masking.crf import SPAN_TYPES, open_tagger, read_classes, runs
from agent_guard.masking.crf_features import Words, features, tokens
from agent_guard.masking.cues import is_name_like
from agent_guard.masking.weights import ENGLISH_CLASSES, ENGLISH_CRF, verified
from agent_guard.types import Span

__all__ = ["EnglishNames"]

_MODELS = Path(__file__).parent / "models"


class EnglishNames:
    """Finds names in English text; the model loads at the first one."""

    def __init__(self) -> None:
        self._tagger: Any = None
        self._words: Words | None = None
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
            table = Words(read_classes(Path(verified(_MODELS / "en.classes.zlib", ENGLISH_CLASSES))))
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


def _plausible(kind: str, words: Sequence[str]) -> bool:
    """Refuses single signs, everyday words alone, and places made of codes such as `ISO 27001`."""
    if len(words) == 1 and (len(words[0]) < 2 or not is_name_like(words[0])):
        return False
    if kind == "PER":
        return words[0][0] not in "'’"
    return kind != "LOC" or not (words[-1].isdecimal() and words[0].isupper())
