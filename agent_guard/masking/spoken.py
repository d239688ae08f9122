"""Telephone numbers in words: `four one five, five five five, two six seven one`, `восемь семьсот один ...`.

English, Russian and Polish, as a number is dictated: digits, tens and hundreds, in groups. A run of words that dials
seven digits or more is a telephone; amounts have a thousand among their words, and are shorter without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from agent_guard.types import Span

__all__ = ["dialled", "find_spoken"]

_FEWEST_DIGITS = 7
_FEWEST_WORDS = 4

_WORDS: Mapping[int, str] = {
    0: "zero oh nought ноль нуль",
    1: "one один одна одно jeden jedna jedynka",
    2: "two два две dwa dwie dwójka",
    3: "three три trzy",
    4: "four четыре cztery",
    5: "five пять pięć piec",
    6: "six шесть sześć szesc",
    7: "seven семь siedem",
    8: "eight восемь osiem",
    9: "nine девять dziewięć dziewiec",
    10: "ten десять dziesięć",
    11: "eleven одиннадцать jedenaście",
    12: "twelve двенадцать dwanaście",
    13: "thirteen тринадцать trzynaście",
    14: "fourteen четырнадцать czternaście",
    15: "fifteen пятнадцать piętnaście",
    16: "sixteen шестнадцать szesnaście",
    17: "seventeen семнадцать siedemnaście",
    18: "eighteen восемнадцать osiemnaście",
    19: "nineteen девятнадцать dziewiętnaście",
    20: "twenty двадцать dwadzieścia",
    30: "thirty тридцать trzydzieści",
    40: "forty сорок czterdzieści",
    50: "fifty пятьдесят pięćdziesiąt",
    60: "sixty шестьдесят sześćdziesiąt",
    70: "seventy семьдесят siedemdziesiąt",
    80: "eighty восемьдесят osiemdziesiąt",
    90: "ninety девяносто dziewięćdziesiąt",
    100: "сто sto",
    200: "двести dwieście",
    300: "триста trzysta",
    400: "четыреста czterysta",
    500: "пятьсот pięćset",
    600: "шестьсот sześćset",
    700: "семьсот siedemset",
    800: "восемьсот osiemset",
    900: "девятьсот dziewięćset",
}
_VALUE = {word: value for value, line in _WORDS.items() for word in line.split()}
_TIMES = {"double": 2, "triple": 3, "дважды": 2, "трижды": 3}
_WORD = re.compile(r"[^\W\d_]+")
_GAP = re.compile(r"(?:[ \t]*[,.–-][ \t]*|[ \t]+|[ \t]*\n[ \t]*)")
_PLUS = re.compile(r"(?:\+|\b(?:plus|плюс))[ \t]*$", re.IGNORECASE)


def find_spoken(text: str) -> Iterator[Span]:
    """Yields the telephones in words of a folded text."""
    run: list[re.Match[str]] = []
    for word in [*_WORD.finditer(text), None]:
        counts = word is not None and (word[0].casefold() in _VALUE or word[0].casefold() in _TIMES)
        if word is not None and counts and (not run or _GAP.fullmatch(text, run[-1].end(), word.start())):
            run.append(word)
            continue
        if len(run) >= _FEWEST_WORDS and len(dialled(text[run[0].start() : run[-1].end()])) >= _FEWEST_DIGITS:
            plus = _PLUS.search(text, max(0, run[0].start() - 8), run[0].start())
            start = plus.start() if plus else run[0].start()
            yield Span(start=start, end=run[-1].end(), type="PHONE", score=0.8, source="spoken")
        run = [word] if word is not None and counts else []


def dialled(text: str) -> str:
    """The digits that the number words of a text dial, in order; other words are passed over."""
    digits, group, times = "", 0, 1
    low = 1000  # the smallest part of the group so far: only a smaller one continues it
    for word in _WORD.findall(text.casefold()):
        if word in _TIMES:
            digits, group, low = digits + (str(group) if low < 1000 else ""), 0, 1000
            times = _TIMES[word]
            continue
        value = _VALUE.get(word)
        if value is None:
            continue
        size = 100 if value >= 100 else 10 if value >= 20 else 1
        if times == 1 and size < low and low > 1 and low < 1000 and value and not (low == 10 and value >= 10):
            group, low = group + value, size
            continue
        digits += str(group) if low < 1000 else ""
        if times > 1:
            digits, group, low, times = digits + str(value) * times, 0, 1000, 1
        else:
            group, low = value, size
    return digits + (str(group) if low < 1000 else "")
