"""What the English model looks at: shape, affixes and classes of words, never the identity of a name.

The windows around a word (`features`) serve the Polish and Kazakh models too, which have words of their own.
Training (`training/train_en.py`) and reading use the same code, so a change here needs a new model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

__all__ = ["Classes", "WordTable", "Words", "features", "shape_of", "tokens"]

Classes = Mapping[str, str]
"""Lower-case word without accents -> class letters: first name A B C by rank, surname L M N, place P, common word W X.
"""

_TOKEN = re.compile(r"['’]s\b|[^\W\d_]+(?=['’]s\b)|[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|\x1a+|\n|[^\w\s]|_")
_VOWEL = re.compile("[aeiouy]")
_CALENDAR = frozenset(
    {"apr", "april", "aug", "august", "dec", "december", "feb", "february", "fri", "friday", "jan", "january",
     "jul", "july", "jun", "june", "mar", "march", "mon", "monday", "nov", "november", "oct", "october", "sat",
     "saturday", "sep", "sept", "september", "sun", "sunday", "thu", "thursday", "tue", "tuesday", "wed",
     "wednesday"}
)  # fmt: skip
_TITLE = frozenset(
    {"dr", "fr", "lady", "lord", "madam", "miss", "mr", "mrs", "ms", "mx", "prof", "rev", "sir"}
)  # fmt: skip
_COMPANY = frozenset(
    {"ab", "ag", "association", "bank", "bv", "co", "college", "company", "consulting", "corp", "foundation",
     "gmbh", "group", "holdings", "hospital", "inc", "industries", "institute", "llc", "logistics", "ltd", "nv",
     "oy", "partners", "plc", "sa", "school", "services", "solutions", "systems", "technologies", "university"}
)  # fmt: skip
_STREET = frozenset(
    {"apt", "ave", "avenue", "blvd", "boulevard", "close", "court", "ct", "dr", "drive", "floor", "highway",
     "hwy", "lane", "ln", "parkway", "pkwy", "pl", "place", "rd", "road", "square", "st", "street", "suite",
     "terrace", "unit", "way"}
)  # fmt: skip


def tokens(text: str) -> list[re.Match[str]]:
    """Cuts a text into words, numbers, signs and line ends."""
    return list(_TOKEN.finditer(text))


def shape_of(word: str) -> str:
    """One letter for how a word is written: `T` Title, `U` capitals, `l` lower case, `M` and `m` mixed, `d` digits."""
    if word == "\n":
        return "n"
    if word[0] == "\x1a":
        return "z"
    if word.isdecimal():
        return "d" if len(word) < 5 else "D"
    if not word[0].isalpha():
        return "s" if word[0] in "'’" and len(word) > 1 else word[0]
    if len(word) == 1:
        return "I" if word.isupper() else "i"
    if word.isupper():
        return "U"
    if word.islower():
        return "l"
    if word[0].isupper():
        return "T" if word[1:].islower() else "M"
    return "m"


def _plain(word: str) -> str:
    lowered = word.lower().replace("’", "'")
    if lowered.isascii():
        return lowered
    return "".join(char for char in unicodedata.normalize("NFD", lowered) if not unicodedata.combining(char))


class Words:
    """The features of a word alone, kept per word."""

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self.own = lru_cache(maxsize=32768)(self._own)

    def _own(self, word: str) -> tuple[str, str, str, tuple[str, ...]]:
        """Returns (code, identity, short code, features). The identity is empty for names that are no common words."""
        shape = shape_of(word)
        plain = _plain(word)
        kinds = self._classes.get(plain, "")
        if word[0].isalpha():
            kinds += "c" if plain in _CALENDAR else ""
            kinds += "t" if plain in _TITLE else ""
            kinds += "o" if plain in _COMPANY else ""
            kinds += "r" if plain in _STREET else ""
        code = shape + kinds
        common = any(kind in kinds for kind in "WXctor")
        identity = plain if common or not word[0].isalpha() else ""
        found = [f"k={code}", f"s={shape}"]
        if word[0].isalpha():
            found += [f"e2={plain[-2:]}", f"e3={plain[-3:]}", f"p3={plain[:3]}", f"n={shape}{min(len(plain), 9)}"]
            found += [f"c={kind}" for kind in kinds]
            if not _VOWEL.search(plain):
                found.append("novowel")
            if not plain.isascii() or plain != word.lower():
                found.append("accent")
        if identity:
            found.append(f"w={identity}")
        return (
            code,
            identity,
            shape + ("N" if any(kind in "ABCLMN" for kind in kinds) else "") + ("W" if common else ""),
            tuple(found),
        )


class WordTable(Protocol):
    """What `features` asks about each word."""

    @property
    def own(self) -> Callable[[str], tuple[str, str, str, tuple[str, ...]]]:
        """Returns (code, identity, short code, features) of a word."""


def features(words: Sequence[str], table: WordTable) -> list[list[str]]:
    """Returns the features of every token of one text."""
    own = [table.own(word) for word in words]
    letters = [word for word in words if word[0].isalpha()]
    upper = sum(word.isupper() and len(word) > 1 for word in letters)
    lower = sum(word.islower() for word in letters)
    case = "u" if upper * 2 > len(letters) else "l" if lower == len(letters) else "m"
    edge = ("^", "", "^", ())
    padded = [edge, edge, edge, *own, edge, edge, edge]
    rows = []
    for place, (code, _, short, alone) in enumerate(own):
        a, b, c, d, e, f = (padded[place + offset] for offset in (0, 1, 2, 4, 5, 6))
        row = [
            *alone,
            f"{case}{code}",
            f"-1{c[0]}", f"+1{d[0]}", f"-2{b[0]}", f"+2{e[0]}", f"-3{a[2]}", f"+3{f[2]}",
            f"-1|0{c[0]}|{code}", f"0|+1{code}|{d[0]}", f"-1|0|+1{c[2]}|{code}|{d[2]}", f"-2-1|0{b[2]}|{c[2]}|{code}",
            f"0|+1+2{code}|{d[2]}|{e[2]}",
        ]  # fmt: skip
        if c[1]:
            row += [f"-1w{c[1]}", f"-1w|0{c[1]}|{short}"]
            if b[1]:
                row.append(f"-2-1w{b[1]}|{c[1]}")
        if d[1]:
            row += [f"+1w{d[1]}", f"0|+1w{short}|{d[1]}"]
        if b[1]:
            row.append(f"-2w{b[1]}")
        if e[1]:
            row.append(f"+2w{e[1]}")
        rows.append(row)
    return rows
