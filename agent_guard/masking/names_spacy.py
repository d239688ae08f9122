"""A spaCy pipeline that the host has installed, beside our own English model; for the profile ``recall``.

Only what is needed for names is loaded of it. Nothing is downloaded, and spaCy alone, which comes with Presidio, is no
pipeline.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from agent_guard.errors import ConfigError
from agent_guard.types import EntityType, Span

__all__ = ["SpacyNames"]

log = logging.getLogger("agent_guard")

_TYPES: dict[str, EntityType] = {
    "PERSON": "PERSON", "PER": "PERSON", "GPE": "LOCATION", "LOC": "LOCATION", "FAC": "LOCATION", "ORG": "ORG",
}  # fmt: skip


class SpacyNames:
    """Finds names in English text; the pipeline loads at the first one.

    Args:
        model: the package of the pipeline.

    Raises:
        ConfigError: it is not installed.
    """

    def __init__(self, model: str) -> None:
        if not model.isidentifier() or find_spec(model) is None:
            raise ConfigError(
                f"the spaCy pipeline {model!r} is not installed, and nothing is downloaded; install it beside "
                "agent_guard, or leave 'spacy' out"
            )
        self._model = model
        self._pipeline: Any = None
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Loads the pipeline.

        Raises:
            ConfigError: the package is no pipeline.
        """
        with self._lock:
            if self._pipeline is None:
                import spacy

                log.info("loading the spaCy pipeline %s", self._model)
                try:
                    self._pipeline = spacy.load(
                        self._model, exclude=["parser", "tagger", "lemmatizer", "attribute_ruler", "senter"]
                    )
                except (OSError, ValueError, AttributeError) as error:
                    raise ConfigError(f"{self._model!r} is no spaCy pipeline ({type(error).__name__})") from None

    def find(self, text: str) -> Iterator[Span]:
        """Yields persons, places and companies of a text."""
        self.warm()
        for found in self._pipeline(text).ents:
            kind = _TYPES.get(found.label_)
            if kind is not None:
                yield Span(start=found.start_char, end=found.end_char, type=kind, score=0.7, source="spacy")
