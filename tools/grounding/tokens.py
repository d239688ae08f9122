"""A text in tokens that can be compared: words by stems, numbers by value, addresses and codes as they are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from agent_guard.text.stems import keys
from tools.grounding.language import NUMBER_WORDS, Language

__all__ = ["Token", "clauses", "quotes", "sentences", "tokens", "unquoted"]

TokenKind = Literal["word", "number", "code", "address"]

_TOKEN = re.compile(
    r"(?P<address>https?://[^\s<>\"»”]+[^\s<>\"»”.,;:!?)]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<number>(?:\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)|\d+(?:[.,:]\d+)*(?![\w-]*[^\W\d_]))(?:[ \u00a0]?%)?)"
    r"|(?P<code>(?=[\w-]*\d)(?=[\w-]*[^\W_])[^\W_]+(?:-\w+)*)"
    r"|(?P<word>[^\W\d_]+(?:[-'’][^\W\d_]+)*)"
)
_GROUPED = re.compile(r"\d{1,3}(?:[., \u00a0\u202f]\d{3})+")
_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»]{1,200})[\"”»]")
_MARKS = ".!?…\n"
_ENDS = re.compile(r"(?<=[.!?;…])\s+|\n+")
_CLAUSES = re.compile(r"[,:]\s+|\s+(?:and|but|so that|и|но|а|i|ale|oraz)\s+|\s+(?=(?:if|unless|если|jeśli|jeżeli)\s)")


@dataclass(frozen=True, kw_only=True)
class Token:
    """One piece of a text.

    Args:
        same: what it is compared by: two tokens are the same where one of these is common.
        named: it is written as a name is, in a place where other words are not.
        first: it begins a sentence.
    """

    kind: TokenKind
    text: str
    same: frozenset[str]
    named: bool
    first: bool


@lru_cache(maxsize=4096)
def tokens(text: str, language: Language) -> tuple[Token, ...]:
    """The tokens of a text in order. Linear in its length."""
    return tuple(_tokens(unicodedata.normalize("NFKC", text), language))


def _tokens(text: str, language: Language) -> Iterator[Token]:
    over = 0
    for found in _TOKEN.finditer(text):
        kind: TokenKind = found.lastgroup  # type: ignore[assignment]
        written = found[0]
        first = over == 0 or any(mark in text[over : found.start()] for mark in _MARKS)
        over = found.end()
        match kind:
            case "number":
                same = _values(written)
            case "word":
                same = _stems(written.casefold(), language)
            case _:
                same = frozenset({written.casefold()})
        yield Token(kind=kind, text=written, same=same, named=kind == "word" and _named(written, first), first=first)


def _values(written: str) -> frozenset[str]:
    """The readings of a number: ``1.200`` may be 1200 or 1.2."""
    number, percent = (written[:-1].rstrip(), "%") if written.endswith("%") else (written, "")
    found = {number.replace(",", ".")}
    if _GROUPED.fullmatch(number):
        found.add(re.sub(r"\D", "", number))
    return frozenset(item.removesuffix(".00").removesuffix(".0") + percent for item in found)


@lru_cache(maxsize=65536)
def _stems(word: str, language: Language) -> frozenset[str]:
    number = NUMBER_WORDS[language].get(word)
    if number is not None:
        return frozenset({number, word})
    parts = word.split("-") if "-" in word else [word]
    return frozenset(key for part in [word, *parts] for key in keys(part, language))


def _named(written: str, first: bool) -> bool:
    letters = [letter for letter in written if letter.isalpha()]
    if len(letters) > 1 and any(letter.isupper() for letter in letters[1:]):
        return True  # in capitals, or with one inside: a name wherever it stands
    return not first and bool(letters) and letters[0].isupper()  # a numeral that is no digit is no letter either


def clauses(text: str) -> list[str]:
    """The clauses of a sentence, as far as commas and a few conjunctions tell."""
    return [part for part in _CLAUSES.split(text) if part.strip()]


def sentences(text: str) -> list[str]:
    """The sentences of a text; a semicolon ends one too, because what it parts says two things."""
    return [part for part in _ENDS.split(text) if part.strip()]


def quotes(text: str) -> list[str]:
    """What stands in quotation marks."""
    return _QUOTED.findall(text)


def unquoted(text: str) -> str:
    """A text without what it quotes: the words on a button are nobody's statement."""
    return _QUOTED.sub(" ", text)
