"""A rule is a score and a pattern; this file is the small notation the word lists are written in.

``~`` stands for a few words in between, never across a clause that was blanked; ``'`` for either apostrophe;
``{money}`` for a sum with a currency or a scale; ``{number}`` for a sum without. A pattern begins at a word's start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

__all__ = ["BLANK", "Cue", "Rule", "Rules", "compile_all"]

BLANK = "\x00"
"""Stands for every character of a clause that proves nothing; no pattern crosses it."""

Rules = Sequence[tuple[int, Sequence[str]]]
"""Scores with their patterns, in the order in which they are tried."""

_NUMBER = r"(?:\d{1,3}(?:[ \u00a0,.']\d{3})+|\d+(?:[.,]\d+)?)"
_WORD = (
    r"(?:ten|twenty|thirty|forty|fifty|sixty|hundred|two hundred|five hundred|a couple of|a few|десять|двадцать"
    r"|тридцать|сорок|пятьдесят|сто|двести|триста|пятьсот|пару|несколько|dziesięć|dwadzieścia|pięćdziesiąt|sto|kilka)"
)
_SCALE = (
    r"(?:k|m|mln|mio|thousand|grand|million|к|тыс\.?|тысяч\w*|млн\.?|миллион\w*|лям\w*"
    r"|tys\.?|tysi\w+|mili?on\w*)(?!\w)"
)
_CURRENCY = (
    r"(?:[$€£₸₽]|zł(?!\w)|(?:usd|eur|gbp|kzt|rub|pln|chf|dollars?|euros?|pounds?|bucks|tenge|rou?bles?|доллар\w*|евро"
    r"|тенге|тг|руб\w*|zlot\w*|złot\w*)(?!\w))"  # codespell:ignore zlot
)
_MONEY = (
    rf"(?:(?:[$€£₸₽]|(?:usd|eur|gbp|kzt|rub|pln) ?) ?{_NUMBER}(?: ?{_SCALE})?"
    rf"|{_NUMBER} ?(?:{_SCALE})?[ .]{{0,2}}{_CURRENCY}"
    rf"|{_NUMBER} ?{_SCALE}|{_WORD} (?:thousand|grand|million|тысяч\w*|миллион\w*|tysi\w+))"
)
_BARE = r"(?<![\d.,])(?!(?:19|20)\d\d(?![\d ]))(?:\d{1,3}(?:[ \u00a0,.']\d{3})+|\d{3,9})(?![\d%:/-])"
_GAP = rf"(?:[^\n{BLANK};!?]{{0,40}}?)"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A score and the pattern that earns it."""

    score: int
    pattern: re.Pattern[str]


@dataclass(frozen=True, kw_only=True)
class Cue:
    """A score and where its words stand in the sentence."""

    score: int
    start: int
    end: int


@cache
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    parts = (
        pattern.replace("{money}", "\ue000").replace("{number}", "\ue001").replace("'", "['’]").replace("~", _GAP)
        for pattern in patterns
    )
    source = "|".join(parts).replace("\ue000", _MONEY).replace("\ue001", _BARE)
    return re.compile(rf"(?<!\w)(?:{source})", re.IGNORECASE)


def compile_all(rules: Rules) -> Iterable[Rule]:
    """Compiles the rules of one letter in one language, once a process."""
    return tuple(Rule(score=score, pattern=_compiled(tuple(patterns))) for score, patterns in rules)
