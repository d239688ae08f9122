"""Texts for calls that do nothing. Standard library only: CTRLRun's environment reads them too."""

from __future__ import annotations

from itertools import count

__all__ = ["new_text", "text_of"]

_WORDS = ("ash", "birch", "cedar", "elder", "hazel", "larch", "maple", "oak", "pine", "willow")
_NUMBERS = count()


def text_of(n: int) -> str:
    """A text of its own for each number below ten million, in words: digits could be somebody's telephone."""
    return "planted " + " ".join(_WORDS[int(digit)] for digit in f"{n:07}")


def new_text() -> str:
    """A text that no call of this process has had: one that was seen before would be read from a cache."""
    return text_of(next(_NUMBERS))
