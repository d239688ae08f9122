"""How long a text is that a pattern matches, and texts that it matches; read from Python's own parse of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from re import _parser  # type: ignore[attr-defined]  # the parse tree has no public name
from typing import Any

__all__ = ["PROBES", "texts", "width"]

PROBES = "aA0 -_.,@/<>{}:;!?'\"&#%+=*()яЯłŁéß中\t\n"
"""Letters that patterns commonly tell apart."""

_STRETCHED = 3
_LONGEST = 100_000
_TEXTS_MAX = 400


def width(pattern: str) -> tuple[int, int | None]:
    """The fewest and the most characters that a pattern matches; the most is None where there is no end."""
    low, high = _parser.parse(pattern).getwidth()
    return int(low), None if high >= _parser.MAXREPEAT or high >= 2**31 else int(high)


def texts(pattern: str, lengths: Sequence[int] = ()) -> Iterator[str]:
    """Yields texts that a pattern matches, the simplest first; there may be others.

    Args:
        lengths: lengths to try to reach as well.
    """
    tree = list(_parser.parse(pattern))
    seen: set[str] = set()
    for text in _variants(tree, lengths):
        if text not in seen and re.fullmatch(pattern, text):
            seen.add(text)
            yield text
        if len(seen) >= _TEXTS_MAX:
            return


def _variants(tree: list[Any], lengths: Sequence[int]) -> Iterator[str]:
    plain = _write(tree, {})
    if plain is None:
        return
    yield plain
    for choice in _choices(tree):
        written = _write(tree, choice)
        if written is not None:
            yield written
    for length in lengths:
        for repeat in _repeats(tree):
            more = length - len(plain)
            written = _write(tree, {repeat: more}) if more > 0 else None
            if written is not None:
                yield written


def _repeats(tree: Any, at: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Places of repeats with room."""
    for index, (op, av) in enumerate(tree):
        here = (*at, index)
        if _is_repeat(op):
            if av[1] > av[0]:
                yield here
            yield from _repeats(av[2], here)
        elif op is _parser.SUBPATTERN:
            yield from _repeats(av[3], here)
        elif op is _parser.BRANCH:
            for number, branch in enumerate(av[1]):
                yield from _repeats(branch, (*here, number))


def _choices(tree: Any, at: tuple[int, ...] = ()) -> Iterator[dict[Any, Any]]:
    """Other ways to write one place: another letter, another branch, some more repetitions."""
    for index, (op, av) in enumerate(tree):
        here = (*at, index)
        if op in (_parser.IN, _parser.ANY, _parser.NOT_LITERAL):
            for letter in _letters(op, av):
                yield {here: letter}
        elif _is_repeat(op):
            least, most, inner = av
            more = min(most, max(least, 1)) - least
            for extra in range(1, _STRETCHED):
                if least + extra <= most:
                    yield {here: extra}
            for choice in _choices(inner, here):
                yield {here: more} | choice
        elif op is _parser.SUBPATTERN:
            yield from _choices(av[3], here)
        elif op is _parser.BRANCH:
            for number, branch in enumerate(av[1]):
                yield {here: number}
                for choice in _choices(branch, (*here, number)):
                    yield {here: number} | choice


def _is_repeat(op: Any) -> bool:
    return op in (_parser.MAX_REPEAT, _parser.MIN_REPEAT, getattr(_parser, "POSSESSIVE_REPEAT", None))


def _write(tree: Any, choice: dict[Any, Any], at: tuple[int, ...] = ()) -> str | None:
    """One text of the tree, or None where it holds what cannot be written out, such as a look ahead."""
    parts = []
    for index, (op, av) in enumerate(tree):
        part = _part(op, av, choice, (*at, index))
        if part is None:
            return None
        parts.append(part)
    return "".join(parts)


def _part(op: Any, av: Any, choice: dict[Any, Any], here: tuple[int, ...]) -> str | None:
    if op is _parser.LITERAL:
        return chr(av)
    if op is _parser.AT:
        return ""
    if op in (_parser.IN, _parser.ANY, _parser.NOT_LITERAL):
        chosen: str | None = choice.get(here)
        return chosen or next(_letters(op, av), None)
    if op is _parser.SUBPATTERN:
        return _write(av[3], choice, here)
    if op is _parser.BRANCH:
        number = choice.get(here, 0)
        return _write(av[1][number], choice, (*here, number))
    if _is_repeat(op):
        part = _write(av[2], choice, here)
        if part is None:
            return None
        wanted = int(choice.get(here, 0))
        times = av[0] + (wanted if len(part) <= 1 else -(-wanted // len(part)))
        times = min(times, int(av[1]))
        return part * times if times * len(part) <= _LONGEST else None
    return None


def _letters(op: Any, av: Any) -> Iterator[str]:
    """Letters that a class takes: commonly told apart ones, then the ends of its own ranges."""
    own = [
        chr(code)
        for item, value in (av if op is _parser.IN else ())
        for code in ((value,) if item is _parser.LITERAL else value if item is _parser.RANGE else ())
    ]
    for letter in dict.fromkeys([*PROBES, *own]):
        if _takes(op, av, letter):
            yield letter


def _takes(op: Any, av: Any, letter: str) -> bool:
    if op is _parser.ANY:
        return letter != "\n"
    if op is _parser.NOT_LITERAL:
        return ord(letter) != int(av)
    negated = bool(av[0][0] is _parser.NEGATE)
    return negated != any(_in_item(item, value, letter) for item, value in av)


def _in_item(item: Any, value: Any, letter: str) -> bool:
    if item is _parser.LITERAL:
        return ord(letter) == int(value)
    if item is _parser.RANGE:
        return bool(value[0] <= ord(letter) <= value[1])
    if item is _parser.CATEGORY:
        word = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}.get(str(value).rsplit("_", 1)[-1], r"\w")
        return bool(re.fullmatch(word, letter)) != ("_NOT_" in str(value))
    return False
