"""How the router reads a request: lower case, one script, no marks, words in clauses; pseudonyms are neutral words.

Patterns and requests go through the same :func:`letters`, so a letter swapped for its twin changes nothing. What was
disguised on purpose (digits for letters, points inside words, an encoding) is read once more in the ways of
:mod:`agent_guard.routing.disguise`, for dangers alone.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

from agent_guard.masking.tokens import PSEUDONYM
from agent_guard.text.spelling import skeleton

__all__ = ["NEUTRAL", "WORD_MAX", "Reading", "letters", "read"]

NEUTRAL = "\ue000"
"""The word that stands for a pseudonym; a private character, so nobody means anything by it."""

WORD_MAX = 40
"""Longer words are cut: no pattern needs more, and the work for one word stays bounded."""

# What a keyboard without the letter types instead, and what a skeleton unifies inside words of two scripts only.
_PAIRS = "вb нh ьb пn гr иi қk ңh ғr үy ұy өo ɵo әa əa һh łl øo đd"
_LOOSE = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")
_REPEATED = re.compile(r"([^\W\d_])\1{2,}")
_PIECE = re.compile(rf"[^\W_]+|{NEUTRAL}|[^\w{NEUTRAL}]+|_+")
_BREAK = re.compile(r"[.!?;:,\n()\"¶…\[\]{}<>#|]|\s-")


def letters(text: str) -> str:
    """The text in the router's alphabet: its skeleton, without marks, and with one sign for letters that a missing
    keyboard layout replaces (Kazakh and Polish ones). Lines stay apart.
    """
    if text.isascii():
        return text.lower()
    form = unicodedata.normalize("NFKD", "\n".join(skeleton(line) for line in text.splitlines()))
    return "".join(char for char in form if not unicodedata.combining(char)).translate(_LOOSE)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A request as patterns see it.

    Args:
        words: in order, in the router's alphabet.
        clauses: for each word the number of its clause; a comma begins a new one.
    """

    words: tuple[str, ...]
    clauses: tuple[int, ...]

    @cached_property
    def text(self) -> str:
        """All words between single spaces, clauses ignored."""
        return f" {' '.join(self.words)} " if self.words else " "

    @cached_property
    def _starts(self) -> list[int]:
        starts, at = [], 1
        for word in self.words:
            starts.append(at)
            at += len(word) + 1
        return starts

    def word_at(self, offset: int) -> int:
        """The index of the word at an offset of :attr:`text`."""
        return max(0, bisect_right(self._starts, offset) - 1)

    def before(self, index: int, *, most: int) -> str:
        """At most so many words of the same clause before a word, between single spaces."""
        first = index
        while first > max(0, index - most) and self.clauses[first - 1] == self.clauses[index]:
            first -= 1
        return f" {' '.join(self.words[first:index])} " if first < index else " "

    @cached_property
    def beginnings(self) -> frozenset[str]:
        """Every beginning of every word."""
        return frozenset(word[:size] for word in set(self.words) for size in range(1, len(word) + 1))

    @cached_property
    def by_clause(self) -> list[str]:
        """The words of each clause, between single spaces."""
        parts: dict[int, list[str]] = {}
        for word, clause in zip(self.words, self.clauses, strict=True):
            parts.setdefault(clause, []).append(word)
        return [f" {' '.join(words)} " for words in parts.values()]


def read(text: str, *, turns: Collection[str] = (), spell: Callable[[str], str] = str) -> Reading:
    """Reads a text of any length in one pass.

    Args:
        turns: words that begin a new clause, e.g. "but"; in the router's alphabet.
        spell: gives a misspelt word as it was meant.
    """
    plain = letters(PSEUDONYM.sub(f" {NEUTRAL} ", text) if "<" in text else text)
    plain = _REPEATED.sub(r"\1", _APOSTROPHE.sub("", plain))
    words: list[str] = []
    clauses: list[int] = []
    clause = 0
    for found in _PIECE.finditer(plain):
        piece = found[0]
        if piece == NEUTRAL or piece[0].isalnum():
            word = spell(piece[:WORD_MAX])
            if word in turns:
                clause += 1
            words.append(word)
            clauses.append(clause)
        elif _BREAK.search(piece):
            clause += 1
    return Reading(words=tuple(words), clauses=tuple(clauses))
