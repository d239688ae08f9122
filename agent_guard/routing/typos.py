"""Misspelt words: one slip (a letter missing, added, wrong, or two swapped) from a word that patterns are made of."""

from __future__ import annotations

from collections.abc import Iterable

from agent_guard.routing.pattern import Pattern

__all__ = ["Vocabulary"]

SHORTEST = 5
"""Shorter words are taken as they are: too many of them are one slip from each other."""


class Vocabulary:
    """The words and stems of all patterns.

    Args:
        known: words that are right as they are, though one slip from a word of a pattern; as patterns, ``expert*``.
    """

    def __init__(self, patterns: Iterable[Pattern], known: Iterable[Pattern] = ()) -> None:
        patterns, known = list(patterns), list(known)
        self._words = {word for item in [*patterns, *known] for word in item.words}
        self._stems = {stem for item in [*patterns, *known] for stem in item.stems}
        self._near: dict[str, list[str]] = {}
        for item in patterns:
            for word in sorted(item.words | item.stems):
                if len(word) >= SHORTEST and word.isalpha():
                    for form in {word, *_without_one(word)}:
                        self._near.setdefault(form, []).append(word)
        self._lengths = sorted({len(stem) for item in patterns for stem in item.stems if len(stem) >= SHORTEST})

    def spell(self, word: str) -> str:
        """The word of a pattern that was meant, or the word itself."""
        if len(word) < SHORTEST or not word.isalpha() or word in self._words:
            return word
        if any(word[:size] in self._stems for size in range(2, len(word) + 1)):
            return word
        best = ""
        for size in {len(word), *(size + more for size in self._lengths for more in (-1, 0, 1))}:
            if size > len(word):
                continue
            head = word[:size]
            for form in {head, *_without_one(head)}:
                for candidate in self._near.get(form, ()):
                    whole = candidate in self._words and candidate not in self._stems
                    if whole and size != len(word):
                        continue
                    if len(candidate) > len(best) and _same_start(head, candidate) and _one_slip(head, candidate):
                        best = candidate
        return best or word


def _without_one(word: str) -> set[str]:
    return {word[:at] + word[at + 1 :] for at in range(len(word))}


def _same_start(one: str, other: str) -> bool:
    # an unstressed vowel is misspelt at the beginning as anywhere; another first letter is another word
    return one[0] == other[0] or {one[0], other[0]} <= set("aoeiy") or (len(one) > 1 and one[1::-1] == other[:2])


def _one_slip(one: str, other: str) -> bool:
    if one == other:
        return True
    if len(one) == len(other):
        wrong = [at for at in range(len(one)) if one[at] != other[at]]
        swapped = len(wrong) == 2 and wrong[1] - wrong[0] == 1
        return len(wrong) == 1 or (swapped and one[wrong[0]] == other[wrong[1]] and one[wrong[1]] == other[wrong[0]])
    short, long = sorted((one, other), key=len)
    return len(long) - len(short) == 1 and short in _without_one(long)
