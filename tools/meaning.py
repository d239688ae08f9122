"""What a text means, as a vector: finds passages that say the same in other words. Off unless a knowledge base asks.

Of vectors that a package index carries whole there are Russian ones: navec's, inside the natasha wheel, which masking
uses too. So Russian has them, and English and Polish are found by words alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from agent_guard.errors import ConfigError
from agent_guard.masking.weights import NAVEC, verified
from tools.grounding.language import EMPTY, Language
from tools.grounding.tokens import tokens

__all__ = ["Meaning", "RussianWords", "Vector", "nearness"]

Vector = Sequence[float]


class Meaning(Protocol):
    """Port of whoever knows what a text means."""

    def of(self, text: str, language: Language) -> Vector | None:
        """A vector of length one, all of one size; None where nothing is known of this text or language."""
        ...


class RussianWords:
    """Navec's word vectors (natasha 1.6.0, MIT; Global Vectors on news and fiction), a text as the mean of its words'.

    Raises:
        ConfigError: natasha is not installed (extra ``ru``), or its file is not the tested one.
    """

    def __init__(self) -> None:
        spec = find_spec("natasha")
        if spec is None or spec.origin is None:
            raise ConfigError("vectors of Russian words need natasha: pip install 'langgraph-agent-guard[ru]'")
        from navec import Navec

        file = Path(spec.origin).parent / "data" / "emb" / "navec_news_v1_1B_250K_300d_100q.tar"
        self._vectors: Any = Navec.load(verified(file, NAVEC))
        self._word = lru_cache(maxsize=4096)(self._found)

    def of(self, text: str, language: Language) -> Vector | None:
        """See :class:`Meaning`. Small words count for nothing."""
        if language != "ru":
            return None
        words = [token.text.casefold() for token in tokens(text, language) if token.kind == "word"]
        known = [found for word in words if word not in EMPTY["ru"] and (found := self._word(word)) is not None]
        return _unit([sum(column) for column in zip(*known, strict=True)]) if known else None

    def _found(self, word: str) -> Vector | None:
        for spelled in (word, word.replace("ё", "е")):
            if spelled in self._vectors:
                return _unit([float(value) for value in self._vectors[spelled]])
        return None


def nearness(one: Vector, other: Vector) -> float:
    """The cosine of two vectors of length one: 1 where they mean the same."""
    return sum(left * right for left, right in zip(one, other, strict=True))


def _unit(vector: Iterable[float]) -> Vector | None:
    values = tuple(vector)
    length = math.sqrt(sum(value * value for value in values))
    return tuple(value / length for value in values) if length else None
