"""What a text says, in pieces that can be found again: its words in order, its numbers, dates and times of day.

Two spellings of one thing are one piece: ``1,200`` and ``1200``, ``May 15th`` and ``2024-05-15``. Letters that only
look alike are not: ``bob`` with a Cyrillic ``о`` is another word. English, Russian and Polish month names are known.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from agent_guard.text.spelling import unpiled

__all__ = [
    "BREAK",
    "Atoms",
    "Day",
    "atoms",
    "day_of",
    "moment_of",
    "plain",
    "same_moment",
    "same_text",
    "time_of",
    "words",
]

BREAK = "\n"
"""Stands between the lines of a text: no phrase reaches over it."""

Day = tuple[int | None, int, int]
"""Year (None where the text names none), month and day."""

_WORD = re.compile(r"\n|<[a-z]+_[0-9]+>|(?<!\w)\d+(?:[.,:/-]\d+)+(?!\w)|\w+")
_LINES = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_NUMBER = re.compile(
    r"(?<![\w.,])[-+]?\d+(?:[.,\u00a0 ]\d+)*(?!\w|[.,]\d|[ \u00a0]\d{3})|(?<=[$€£₽₸])\d+(?:[.,]\d+)*(?![.,]?\d)"
)
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:([., ])\d{3})(?:\1\d{3})*")
_ISO = re.compile(
    r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?:[t ](\d{2}):(\d{2})(?::\d{2}(?:\.\d+)?)?(z|[+-]\d{2}:?\d{2})?)?(?!\d)"
)
_NUMERIC_DAY = re.compile(r"(?<![\w.])(\d{1,2})[./](\d{1,2})(?:[./](\d{4}|\d{2}))?(?![\d])")
_CLOCK = re.compile(
    r"(?<![\d:])(\d{1,2})(?::(\d{2}))?(?::\d{2})? ?(am|pm|a\.m\.|p\.m\.)(?!\w)|(?<![\d:])(\d{1,2}):(\d{2})"
)
_FORMS = (
    "jan january январь января январе styczeń stycznia styczniu",
    "feb february февраль февраля феврале luty lutego lutym",
    "mar march март марта марте marzec marca marcu",
    "apr april апрель апреля апреле kwiecień kwietnia kwietniu",
    "may май мая мае maj maja maju",
    "jun june июнь июня июне czerwiec czerwca czerwcu",
    "jul july июль июля июле lipiec lipca lipcu",
    "aug august август августа августе sierpień sierpnia sierpniu",
    "sep sept september сентябрь сентября сентябре wrzesień września wrześniu",
    "oct october октябрь октября октябре październik października październiku",
    "nov november ноябрь ноября ноябре listopad listopada listopadzie",
    "dec december декабрь декабря декабре grudzień grudnia grudniu",
)
_MONTH = {form: month for month, forms in enumerate(_FORMS, 1) for form in forms.split()}
_NUMBERED = frozenset(
    (
        "order", "deal", "invoice", "ticket", "contact", "task", "id", "no", "nr", "number", "account", "room", "item",
        "заказ", "заказа", "заказу", "счет", "счёт", "сделка", "сделку", "сделке", "номер", "договор", "тикет",
        "zamówienie", "zamówienia", "faktura", "faktury", "numer", "umowa", "zlecenie", "konto",
    )
)  # fmt: skip
"""Words after which a number names a thing, and does not belong to the number that follows."""
_NAMED = "|".join(sorted(_MONTH, key=len, reverse=True))
_MONTH_DAY = re.compile(rf"(?<!\w)({_NAMED})\.? +(\d{{1,2}})(?:st|nd|rd|th)?(?:,? +(\d{{4}}))?(?!\w)")
_DAY_MONTH = re.compile(rf"(?<!\w)(\d{{1,2}})(?:st|nd|rd|th|-?го|-?е)?(?: of)? +({_NAMED})(?:,? +(\d{{4}}))?(?!\w)")


@dataclass(frozen=True, kw_only=True)
class Atoms:
    """The pieces of one text."""

    words: tuple[str, ...]
    numbers: frozenset[Decimal]
    days: frozenset[Day]
    times: frozenset[tuple[int, int]]


def plain(text: str) -> str:
    """One form for comparison: NFKC, casefolded, lines ended alike."""
    if text.isascii() and text.isprintable():
        return text.casefold()
    return _LINES.sub(BREAK, unicodedata.normalize("NFKC", unpiled(text)).casefold())


def words(text: str) -> tuple[str, ...]:
    """The words of a text in order, pseudonyms, numbers, days and times whole, :data:`BREAK` between lines."""
    return tuple(_WORD.findall(plain(text)))


def same_text(left: str, right: str) -> bool:
    """Whether two texts are the same but for case, width and spaces."""
    return plain(left).split() == plain(right).split()


@lru_cache(maxsize=2048)
def atoms(text: str) -> Atoms:
    """Reads a text. Linear in its length."""
    folded = plain(text)
    return Atoms(
        words=tuple(_WORD.findall(folded)),
        numbers=frozenset(_numbers(folded)),
        days=frozenset(_days(folded)),
        times=frozenset(_times(folded)),
    )


def day_of(value: str) -> Day | None:
    """The day of a value that is an ISO date or date and time, or None."""
    found = _ISO.fullmatch(plain(value).strip())
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def time_of(value: str) -> tuple[int, int] | None:
    """The time of day of an ISO date and time, or of ``HH:MM``; None for anything else."""
    text = plain(value).strip()
    found = _ISO.fullmatch(text)
    if found:
        return (int(found[4]), int(found[5])) if found[4] else None
    clock = re.fullmatch(r"(\d{1,2}):(\d{2})(?::\d{2})?", text)
    return (int(clock[1]), int(clock[2])) if clock else None


def same_moment(left: str, right: str) -> bool:
    """Whether two texts are the same ISO date, or date and time. A zone that only one of them names makes another."""
    one, other = moment_of(left), moment_of(right)
    return one is not None and other is not None and (one.tzinfo is None) == (other.tzinfo is None) and one == other


def moment_of(value: str) -> datetime | None:
    """An ISO date, or date and time, as a moment; None for anything else."""
    if not _ISO.fullmatch(plain(value).strip()):
        return None
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None


_PERCENT = re.compile(r"(?<![\w.,])(\d{1,3}(?:[.,]\d{1,6})?) ?%")


def _numbers(text: str) -> Iterator[Decimal]:
    for found in _PERCENT.finditer(text):
        for number in _readings(found[1]):
            yield (number / 100).normalize()
    for found in _NUMBER.finditer(text):
        written = found[0].replace("\u00a0", " ")
        before = _WORD.findall(text[max(0, found.start() - 20) : found.start()])
        named = bool(before) and before[-1] in _NUMBERED  # "order 17 120 EUR" is not seventeen thousand
        for piece in written.split(" ") if named else [written]:
            yield from _readings(piece)


def _readings(written: str) -> Iterator[Decimal]:
    """What a number may mean: ``1,200`` is twelve hundred, and in other countries one and a fifth."""
    marks = re.findall(r"[., ]", written)
    if not marks:
        yield from _decimal(written)
        return
    whole, fraction = written.rsplit(marks[-1], 1)
    grouped = re.fullmatch(r"[-+]?\d{1,3}(?:([., ])\d{3})*", whole)
    if len(set(marks)) == 1 and _GROUPED.fullmatch(written):
        yield from _decimal(written.replace(marks[0], ""))
    if marks[-1] != " " and (len(marks) == 1 or (grouped and grouped[1] not in (None, marks[-1]))):
        yield from _decimal(re.sub("[., ]", "", whole) + "." + fraction)
    elif " " in marks and not _GROUPED.fullmatch(written):
        for piece in written.split(" "):
            yield from _readings(piece)


def _decimal(text: str) -> Iterator[Decimal]:
    try:
        yield Decimal(text).normalize()
    except InvalidOperation:
        return


def _days(text: str) -> Iterator[Day]:
    for found in _ISO.finditer(text):
        yield int(found[1]), int(found[2]), int(found[3])
    for found in _MONTH_DAY.finditer(text):
        yield _year(found[3]), _MONTH[found[1]], int(found[2])
    for found in _DAY_MONTH.finditer(text):
        yield _year(found[3]), _MONTH[found[2]], int(found[1])
    for found in _NUMERIC_DAY.finditer(text):
        first, second = int(found[1]), int(found[2])
        if 1 <= second <= 12:
            yield _year(found[3]), second, first
        if 1 <= first <= 12:
            yield _year(found[3]), first, second


def _year(text: str | None) -> int | None:
    if text is None:
        return None
    return int(text) if len(text) == 4 else 2000 + int(text)


def _times(text: str) -> Iterator[tuple[int, int]]:
    for found in _ISO.finditer(text):
        if found[4]:
            yield int(found[4]), int(found[5])
    for found in _CLOCK.finditer(_ISO.sub(" ", text)):
        if found[4]:
            yield int(found[4]), int(found[5])
        else:
            hour = int(found[1]) % 12 + (12 if found[3].startswith("p") else 0)
            yield hour, int(found[2] or 0)
