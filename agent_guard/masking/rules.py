"""What a rule is: an expression, the type it finds, and a check that may refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agent_guard.types import EntityType, Span

__all__ = ["Match", "Rule", "Windows", "always", "apply", "before", "digits_of", "number_windows", "word_before"]

Match = re.Match[str]
Windows = Sequence[tuple[int, int, int]]
"""Ranges of a text that hold long numbers, each with its count of digits; the rest need not be searched for them."""

_RUN = re.compile(r"\d(?:[^\w\n]{0,3}\d|\n\d)*")
_LEFT, _RIGHT = 6, 16
_FEWEST = 5


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One expression.

    Args:
        pattern: group ``v``, where there is one, is the value.
        check: returns a score, 0 to refuse.
        digits: the fewest digits a match can have; a window with fewer is not searched.
    """

    type: EntityType
    name: str
    pattern: re.Pattern[str]
    check: Callable[[Match], float]
    digits: int = 0


def always(score: float) -> Callable[[Match], float]:
    """A check that never refuses."""
    return lambda _: score


def before(found: Match, size: int = 40) -> str:
    """The text in front of a match, at most ``size`` characters."""
    return found.string[max(0, found.start() - size) : found.start()]


def digits_of(found: Match) -> str:
    """The digits of a match."""
    return "".join(char for char in found[0] if char.isdecimal())


def word_before(*words: str) -> re.Pattern[str]:
    """An expression for `before`: one of the words, and no digit or line end between it and the number."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})[^\d\n]{{0,24}}$", re.IGNORECASE)


def apply(rules: Sequence[Rule], text: str, within: Windows | None = None) -> Iterator[Span]:
    """Yields what the rules find, in the whole text or inside windows only."""
    for first, last, count in within or [(0, len(text), len(text))]:
        for rule in rules:
            if count < rule.digits:
                continue
            for found in rule.pattern.finditer(text, first, last):
                score = rule.check(found)
                if score:
                    start, end = found.span("v" if "v" in rule.pattern.groupindex else 0)
                    yield Span(start=start, end=end, type=rule.type, score=score, source=rule.name)


def number_windows(text: str) -> Windows:
    """Ranges around runs of at least five digits, wide enough for the letters and extensions that belong to them."""
    windows: list[tuple[int, int, int]] = []
    for run in _RUN.finditer(text):
        if run.end() - run.start() < _FEWEST or sum(map(str.isdecimal, run[0])) < _FEWEST:
            continue
        first, last = max(0, run.start() - _LEFT), min(len(text), run.end() + _RIGHT)
        # A window never ends inside a number: half of one could look like a whole.
        while last < len(text) and text[last - 1].isdecimal() and text[last].isdecimal():
            last += 1
        if windows and windows[-1][1] >= first:
            first = windows.pop()[0]
        windows.append((first, last, sum(map(str.isdecimal, text[first:last]))))
    return windows
