"""English names, places and companies: a small conditional random field (python-crfsuite) with its own word classes.

Trained by `training/train_en.py` from WNUT-17 and the Broad Twitter Corpus (CC BY 4.0) and generated messages; no
vectors, no pipeline, one thread.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agent_guard.errors import ConfigError
from agent_guard.masking.crf_features import Words, features, tokens
from agent_guard.masking.cues import is_name_like
from agent_guard.masking.weights import ENGLISH_CLASSES, ENGLISH_CRF, verified
from agent_guard.types import EntityType, Span

__all__ = ["EnglishNames", "read_classes"]

_MODELS = Path(__file__).parent / "models"
_TYPES: dict[str, EntityType] = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORG"}


def read_classes(path: Path) -> dict[str, str]:
    """Reads the table of word classes: zlib, a line `classes<TAB>word word ...` each."""
    table = {}
    for line in zlib.decompress(path.read_bytes()).decode("utf-8").splitlines():
        kinds, _, words = line.partition("\t")
        for word in words.split():
            table[word] = kinds
    return table


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
            try:
                from pycrfsuite import Tagger
            except ImportError as error:
                raise ConfigError(
                    "masking English names needs python-crfsuite: pip install 'langgraph-agent-guard[en]'"
                ) from error
            table = Words(read_classes(Path(verified(_MODELS / "en.classes.zlib", ENGLISH_CLASSES))))
            tagger = Tagger()
            tagger.open(verified(_MODELS / "en.crfsuite", ENGLISH_CRF))
            self._tagger, self._words = tagger, table
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
        for first, last, kind in _runs(text, found, labels):
            words = [token[0] for token in found[first:last]]
            if kind in _TYPES and _plausible(kind, words):
                yield Span(
                    start=found[first].start(), end=found[last - 1].end(), type=_TYPES[kind], score=0.75, source="crf"
                )


def _runs(text: str, found: Sequence[re.Match[str]], labels: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Yields (first token, token after the last, label) of every labelled run."""
    start, kind = 0, ""
    for place, label in enumerate([*labels, "O"]):
        ends = place == len(labels) or _ends_name(found, place)
        begins = not ends and label != "O"
        if kind and begins and label[2:] == kind:
            # A person that begins one space behind another is the rest of the same name: `Nguyen` `Van An`.
            close = kind == "PER" and text[found[place - 1].end() : found[place].start()] == " "
            if label[0] == "I" or close:
                continue
        if kind:
            yield start, place, kind
        start, kind = place, label[2:] if begins else ""


def _plausible(kind: str, words: Sequence[str]) -> bool:
    """Refuses single signs, everyday words alone, and places made of codes such as `ISO 27001`."""
    if len(words) == 1 and (len(words[0]) < 2 or not is_name_like(words[0])):
        return False
    if kind == "PER":
        return words[0][0] not in "'’"
    return kind != "LOC" or not (words[-1].isdecimal() and words[0].isupper())


def _ends_name(found: Sequence[re.Match[str]], place: int) -> bool:
    """A line end ends a name, and so does a full stop that stands behind more than an initial."""
    word = found[place][0]
    return word == "\n" or (word == "." and place > 0 and len(found[place - 1][0]) > 3)
