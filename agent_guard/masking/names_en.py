"""English names, places and companies: a small conditional random field (python-crfsuite) with its own word classes.

Trained by `training/train_en.py` from WNUT-17 and the Broad Twitter Corpus (CC BY 4.0) and generated messages; no vectors,
no pipeline, one thread.
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
        start: int | None = None
        for place, label in enumerate([*labels, "O"]):
            ends = place < len(labels) and _ends_name(found, place)
            if start is not None and (ends or not (label[0] == "I" and label[2:] == labels[start][2:])):
                kind = _TYPES.get(labels[start][2:])
                first, last = found[start], found[place - 1]
                if kind and last.end() - first.start() > 1 and first[0][0] not in "'’":
                    yield Span(start=first.start(), end=last.end(), type=kind, score=0.75, source="crf")
                start = None
            if not ends and (label[0] == "B" or (label[0] == "I" and start is None)):
                start = place


def _ends_name(found: Sequence[re.Match[str]], place: int) -> bool:
    """A line end ends a name, and so does a full stop that stands behind more than an initial."""
    token = found[place][0]
    return token == "\n" or (token == "." and place > 0 and len(found[place - 1][0]) > 3)
