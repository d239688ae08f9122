"""How many days lie before the time a text names: a date, a month, a quarter, a season or a span.

A period counts by its middle, unless the text says its start or its end. English, Russian, and basic Polish.
"""

# ruff: noqa: E501, ISC004  one form of naming a time is one entry

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

__all__ = ["Named", "days_until"]


@dataclass(frozen=True, kw_only=True)
class Named:
    """A time that a text names, in days from today, and where it stands."""

    days: int
    start: int
    end: int


_MONTHS = (
    "jan(?:uary)?|январ[ьяею]|stycz\\w+", "feb(?:ruary)?|феврал[ьяею]|lut\\w+", "march|mar|март[аеу]?|marc\\w+",
    "april|apr|апрел[ьяею]|kwie\\w+", "may|ма[йяею]|maj[au]?", "june|jun|июн[ьяею]|czerw\\w+", "july|jul|июл[ьяею]|lip\\w+",
    "august|aug|август[аеу]?|sierp\\w+", "sept?(?:ember)?|сентябр[ьяею]|wrze\\w+", "oct(?:ober)?|октябр[ьяею]|październik\\w*",
    "nov(?:ember)?|ноябр[ьяею]|listopad\\w*", "dec(?:ember)?|декабр[ьяею]|grud\\w+",
)  # fmt: skip
_MONTH = "|".join(f"(?P<m{number}>{names})" for number, names in enumerate(_MONTHS, 1))
_COUNTS: dict[str, float] = {
    "a": 1, "an": 1, "one": 1, "a couple of": 2, "couple of": 2, "two": 2, "a few": 3, "few": 3, "three": 3, "four": 4, "five": 5,
    "six": 6, "eight": 8, "ten": 10, "twelve": 12, "half a": 0.5, "один": 1, "одну": 1, "два": 2, "две": 2, "пару": 2, "три": 3,
    "четыре": 4, "пять": 5, "шесть": 6, "восемь": 8, "десять": 10, "несколько": 3, "полтора": 1.5, "полторы": 1.5, "dwa": 2,
    "dwie": 2, "trzy": 3, "cztery": 4, "sześć": 6, "kilka": 3, "parę": 2, "pół": 0.5, "": 1,
}  # fmt: skip
_COUNT = "|".join(sorted((re.escape(word) for word in _COUNTS if word), key=len, reverse=True))
_UNITS = (
    (r"days?|дн\w*|день|dni|dzień", 1.0), (r"weeks?|недел\w*|tydzień|tygodn\w*", 7.0), (r"quarters?|квартал\w*|kwartał\w*", 91.0),
    (r"months?|месяц\w*|miesi\w*", 30.4), (r"years?|год\w*|лет|rok|roku|lata?", 365.0),
)  # fmt: skip
_UNIT = "|".join(f"(?P<u{number}>{names})" for number, (names, _) in enumerate(_UNITS))
_SEASONS = (
    (r"spring|весн\w+|wiosn\w+", 4), (r"summer|лет(?:о|ом|у|а)|lat(?:o|em)", 7),
    (r"autumn|fall|осен\w+|jesie\w+", 10), (r"winter|зим\w+|zim\w+", 1),
)  # fmt: skip
_SEASON = "|".join(f"(?P<s{number}>{names})" for number, (names, _) in enumerate(_SEASONS))
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4}
_ORDINALS = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "last": 4,
    "перв": 1,
    "втор": 2,
    "трет": 3,
    "четв": 4,
    "послед": 4,
}
_EDGE = r"(?P<edge>(?:the )?(?:early|beginning of|start of|mid|middle of|late|end of|начал\w+|середин\w+|кон(?:ец|ца|це|цу)|koniec|końca|końcu|początk\w+)[ -](?:the )?)?"


def _edge(match: re.Match[str]) -> int:
    """-1 where the start of a period is named, 1 where its end is, else 0."""
    word = (match.groupdict().get("edge") or "").lower().removeprefix("the ")
    if word.startswith(("early", "begin", "start", "начал", "początk")):
        return -1
    return 1 if word.startswith(("late", "end", "кон", "koniec", "końc")) else 0


def _within(first: date, last: date, edge: int) -> date:
    return last if edge > 0 else first + (last - first) / (6 if edge < 0 else 2)


def _group(match: re.Match[str], letter: str) -> int | None:
    return next((int(k[1:]) for k, v in match.groupdict().items() if v and k[0] == letter and k[1:].isdigit()), None)


def _period(today: date, months: int, length: int, edge: int) -> date:
    """A point of the period of ``length`` months that begins ``months`` after the first of this month."""
    first, last = _first(today, months), _first(today, months + length) - timedelta(days=1)
    return _within(first, last, edge)


def _first(today: date, months: int) -> date:
    years, month = divmod(today.month - 1 + months, 12)
    return date(today.year + years, month + 1, 1)


def _iso(match: re.Match[str], _: date) -> date:
    return date(int(match["y"]), int(match["mo"]), int(match["d"]))


def _dotted(match: re.Match[str], today: date) -> date:
    day, month = int(match["d"]), int(match["mo"])
    if month > 12:
        day, month = month, day
    year = int(match["y"]) if match["y"] else today.year
    found = date(year + 2000 if year < 100 else year, month, day)
    return date(found.year + 1, month, day) if not match["y"] and found < today else found


def _month(match: re.Match[str], today: date) -> date:
    number = _group(match, "m") or 1
    year = next((int(match[name]) for name in ("y", "y2") if match.groupdict().get(name)), None)
    ahead = (number - today.month) % 12 if year is None else (year - today.year) * 12 + number - today.month
    day = next((int(match[name]) for name in ("d", "d2") if match.groupdict().get(name)), None)
    if day:
        first = _first(today, ahead)
        found = date(first.year, first.month, day)
        return date(found.year + 1, found.month, day) if year is None and found < today else found
    return _period(today, ahead, 1, _edge(match))


def _span(match: re.Match[str], today: date) -> date:
    unit = _UNITS[_group(match, "u") or 0][1]
    word = " ".join((match["n"] or "").lower().split())
    count = _COUNTS[word] if word in _COUNTS else float(word.split("-")[-1].split("–")[-1])
    return today + timedelta(days=min(round(count * unit), 36_500))


def _quarter(match: re.Match[str], today: date) -> date:
    word = match["q"].lower()
    number = _ROMAN.get(word) or next((n for stem, n in _ORDINALS.items() if word.startswith(stem)), 0) or int(word)
    year = int(match["y"]) if match["y"] else None
    begin = (number - 1) * 3 + 1
    ahead = (begin - today.month) if year is None else (year - today.year) * 12 + begin - today.month
    if year is None and ahead < -2:
        ahead += 12
    return _period(today, ahead, 3, _edge(match))


def _this(match: re.Match[str], today: date) -> date:
    edge, unit = _edge(match), _group(match, "u")
    later = 1 if re.match(r"next|coming|следующ|будущ|przyszł", match["which"], re.IGNORECASE) else 0
    if unit in (0, 1):
        return today + timedelta(days=(7 if unit == 1 else 1) * (later + 1))
    if unit == 2:
        return _period(today, 3 * later - (today.month - 1) % 3, 3, edge if later else 1)
    if unit == 3:
        return _period(today, later, 1, edge if later else 1)
    return _period(today, 12 * later - today.month + 1, 12, edge if later else 1)


def _end(match: re.Match[str], today: date) -> date:
    unit = _group(match, "u")
    if unit in (0, 1):
        return today + timedelta(days=7)
    back, length = {2: ((today.month - 1) % 3, 3), 3: (0, 1)}.get(unit or 4, (today.month - 1, 12))
    return _period(today, -back, length, 1)


def _season(match: re.Match[str], today: date) -> date:
    number = _SEASONS[_group(match, "s") or 0][1]
    return _period(today, (number - today.month) % 12, 1, 0)


def _new_year(_: re.Match[str], today: date) -> date:
    return date(today.year, 12, 31)


_NUMBER = rf"(?P<n>\d{{1,3}}(?:[-–]\d{{1,3}})?|{_COUNT})"
_YEAR = r"(?P<y>20\d\d)"
_FORMS: tuple[tuple[str, Callable[[re.Match[str], date], date]], ...] = (
    (rf"{_YEAR}-(?P<mo>\d\d)-(?P<d>\d\d)", _iso),
    (r"(?P<d>\d{1,2})[./](?P<mo>\d{1,2})(?:[./](?P<y>20\d\d|\d\d))?(?!\d| ?%)(?=\W|$)", _dotted),
    (rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th|-?го|-?е)? (?:of )?(?:{_MONTH})(?!\w)(?:,? {_YEAR})?", _month),
    (rf"(?:{_MONTH})(?!\w) (?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,? {_YEAR})?", _month),
    (rf"(?:{_EDGE}(?:q(?P<q>[1-4])|(?:the )?)(?(q)|(?!))(?: (?:of )?{_YEAR})?)(?!\w)", _quarter),
    (rf"{_EDGE}(?:the )?(?P<q>first|second|third|fourth|last|i{{1,3}}|iv|[1-4]|перв\w+|втор\w+|трет\w+|четв\w+)(?:-?(?:м|й|го|ом))?"
     rf" (?:quarter|квартал\w*|kwarta\w+)(?: (?:of )?{_YEAR})?", _quarter),
    (rf"{_EDGE}(?P<which>this|next|the coming|эт\w+|текущ\w+|следующ\w+|будущ\w+|przyszł\w+|tym|tego) (?:{_UNIT})(?!\w)", _this),
    (rf"(?:by |the |to |к |до |в |do |pod )*(?:end of|year-?end|кон(?:ец|ца|цу|це)|końca|koniec)(?: of)?(?: the| this)? ?(?:{_UNIT})(?!\w)",
     _end),
    (r"(?:before|by|until|till|after|до|к|после|przed) (?:the )?(?:new year|christmas|holidays|нов\w+ год\w*|праздник\w*|świętami)"
     r"|by (?:the )?year-?end", _new_year),
    (rf"(?:in|within|over|under|the next|for the next|less than|through|через|в течение|в ближайш\w+|за|w ciągu) (?:about |around |the next |"
     rf"примерно |ближайш\w+ |около )?(?:{_NUMBER} )?(?:or two |or so |good )?(?:{_UNIT})(?!\w)", _span),
    (r"(?P<n>полгода|half a year|pół roku)(?P<u3>)", lambda _, today: today + timedelta(days=182)),
    (rf"(?:in|by|before|until|till|from|around|for|during|в|к|до|с|на|w|do|od|во)(?: about| the| this| next)* (?:{_EDGE})(?:{_MONTH})(?!\w)"
     rf"(?:,? (?:of )?{_YEAR})?", _month),
    (rf"(?:{_EDGE[:-1]})(?:{_MONTH})(?!\w)(?:,? (?:of )?{_YEAR})?", _month),
    (rf"(?:{_MONTH}),? (?:of )?{_YEAR}", _month),
    (rf"^\W*(?:{_MONTH})\W*$", _month),
    (rf"(?:(?:in|by|this|next|before|until|к|до|этой|следующей|na|w|do) )?(?:the )?(?:{_SEASON})(?!\w)", _season),
    (r"(?:by|before|until|on|до|к|в|во|do|przed) (?:next )?(?:mon|tues|wednes|thurs|fri|satur|sun)day"
     r"|(?:до|к|в|во) (?:понедельник\w*|вторник\w*|сред\w|четверг\w*|пятниц\w|выходны\w+)|tomorrow|завтра|jutro",
     lambda _, today: today + timedelta(days=7)),
)  # fmt: skip
_COMPILED = tuple((re.compile(rf"(?<![\w.,]){pattern}", re.IGNORECASE), point) for pattern, point in _FORMS)


def days_until(text: str, today: date) -> Named | None:
    """Finds the first time named in ``text``, by the most exact form; a day that has passed counts as none."""
    for pattern, point in _COMPILED:
        for match in pattern.finditer(text):
            try:
                days = (point(match, today) - today).days
            except ValueError:  # no such day
                continue
            if days >= 0:
                return Named(days=days, start=match.start(), end=match.end())
    return None
