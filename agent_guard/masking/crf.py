"""A conditional random field over the tokens of a text (python-crfsuite): opening one, and from labels to spans."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from agent_guard.errors import ConfigError
from agent_guard.types import EntityType

__all__ = ["LEAST", "SPAN_TYPES", "likely", "open_tagger", "read_classes", "runs"]

LEAST = 0.2
"""How likely a word must be a name for the profile ``recall`` to take it for one."""

_MISSED = ("PER", "LOC")

SPAN_TYPES: dict[str, EntityType] = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORG"}
"""Labels of the models and what they are to us; a model's other label, MISC, keeps brands and films out of these."""


@cache
def read_classes(path: Path) -> Mapping[str, str]:
    """Reads a table of word classes: zlib, a line `classes<TAB>word word ...` each. Kept: two languages share one."""
    table = {}
    for line in zlib.decompress(path.read_bytes()).decode("utf-8").splitlines():
        kinds, _, words = line.partition("\t")
        for word in words.split():
            table[word] = kinds
    return table


def open_tagger(path: str, language: str) -> Any:
    """Opens a model file; one tagger holds one sequence at a time, so its user needs a lock.

    Raises:
        ConfigError: python-crfsuite is missing; ``language`` is the extra that brings it.
    """
    try:
        from pycrfsuite import Tagger
    except ImportError as error:
        raise ConfigError(
            f"masking names in {language!r} needs python-crfsuite: pip install 'langgraph-agent-guard[{language}]'"
        ) from error
    tagger = Tagger()
    tagger.open(path)
    return tagger


def likely(
    tagger: Any,
    labels: Sequence[str],
    least: float,
    kinds: Sequence[str] = _MISSED,
    among: Sequence[bool] | None = None,
) -> list[str]:
    """The labels, and for each word that the best sequence leaves out the person or place that it may be.

    Args:
        tagger: which has just labelled these words.
        least: how likely it must be, 0 to 1.
        kinds: what may have been left out.
        among: for each word whether it is asked about; None asks about all.
    """
    found = list(labels)
    for place, label in enumerate(labels):
        if label == "O" and (among is None or among[place]):
            chances = {k: tagger.marginal(f"B-{k}", place) + tagger.marginal(f"I-{k}", place) for k in kinds}
            kind = max(chances, key=chances.__getitem__)
            if chances[kind] >= least:
                found[place] = f"I-{kind}"
    return found


def runs(text: str, found: Sequence[re.Match[str]], labels: Sequence[str]) -> Iterator[tuple[int, int, str]]:
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


def _ends_name(found: Sequence[re.Match[str]], place: int) -> bool:
    """A line end ends a name, and so does a full stop that stands behind more than an initial."""
    word = found[place][0]
    return word == "\n" or (word == "." and place > 0 and len(found[place - 1][0]) > 3)
