"""Telephone numbers: which runs of digits are one, and which two notations are the same number.

A number is taken when its shape says so (`+`, `00`, brackets, a national grouping) or when a word before it does
(`tel`, `моб.`, `zadzwoń`). Amounts, dates, order and account numbers have those shapes too and are refused by what
stands around them. Numbering plans: ITU-T E.164 and, for comparison, the `phonenumbers` package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import phonenumbers

from agent_guard.masking.rules import Match, Windows
from agent_guard.masking.spoken import dialled
from agent_guard.types import Span

__all__ = ["find_international", "find_mistyped", "find_phones", "phone_key"]

_CUE = re.compile(
    r"(?:phone|\btel\b|telephone|\bmob\b|mobile|\bcell|\bcall|\bring\b|\bfax|whats\s?app|viber|telegram|"
    r"\bsms\b|\btext(?:ed)? |"
    r"reach|\bnumber|hotline|\bdesk\b|answer(?:s|ing)? at\b|"
    r"\bтел|телефон|\bмоб|мобильн|звон|набер|\bсот\b|сотов|вотсап|"
    r"ватсап|\bномер[ау]?\b|факс|"
    r"байланыс|telefon|\bkom\b|kom[óo]rk|dzwo[nń]|numer(?:em)?\b|\bnr tel)(?:[^\n]{0,24}|[^\n\d]{0,48}:[ \t]?)$",
    re.IGNORECASE,
)
_OTHER_NUMBER = re.compile(
    r"(?:order|invoice|ticket|case|deal|ref(?:erence)?|tracking|serial|account|acct|policy|licen[sc]e|student|customer|"
    r"transaction|confirmation|booking|parcel|model|version|article|sku|isbn|"
    r"\bid\b|заказ\w*|сч[её]т\w*|сделк\w*|договор\w*|накладн\w*|артикул\w*|трек\w*|заявк\w*|"
    r"zam[óo]wieni\w*|faktur\w*|umow\w*|konto|przesy[łl]k\w*|zlecen\w*|"
    r"\bnip|\bregon|\bpesel|иин|бин|жсн|инн|снилс|ssn|iban|паспорт\w*|passport|paszport\w*|social security)"
    r"(?:\s+(?:number|no|num|nr|id|номер))?\s*[.:#№-]*\s*(?:(?:no|nr|is|was|to)\b\.?)?\s*[#№]?\s*$",
    re.IGNORECASE,
)
_NUMBER_SIGN = re.compile(r"(?:[#№]|\bNo\.?)\s?$")
_MONEY_BEFORE = re.compile(r"(?:[$€£₸₽]|\b(?:USD|EUR|PLN|KZT|RUB|GBP|zł))\s?$", re.IGNORECASE)
_MONEY_AFTER = re.compile(
    r"\s?(?:[$€£₸₽%]|(?:usd|eur|pln|kzt|rub|gbp|z[łl]|тг|тенге|теңге|руб|тыс|млн|млрд|шт|units|pcs|sztuk|km|kg|км|кг)\b|[.,]\d)",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:(?:19|20)\d\d[-./](?:0?[1-9]|1[0-2])[-./](?:0?[1-9]|[12]\d|3[01])|(?:0?[1-9]|[12]\d|3[01])[-./](?:0?[1-9]|1[0-2])[-./](?:19|20)\d\d)"
    r"(?!\d)"
)
_CUE_AFTER = re.compile(r"[ -]{0,3}\(?(?:office|fax|home|cell|mobile|work|direct|моб|раб|дом|kom)\b", re.IGNORECASE)
_SHORT = re.compile(r"(?<![\w.+/-])\d{3}-\d{4}(?![\w-])")
_FAR_CUE = re.compile(r"\b(?:number|phone|call|text|tel|cell|mobile|dial)\b", re.IGNORECASE)
_SHORTEST = 7
_EXTENSION = r"(?:\s?(?:x|ext\.?|extension|доб\.?|вн\.?|wew\.?)\s?\d{1,6}\b)?"
_GAP = r"[ .\-–‑/]{1,2}"

# A bracket or a plus is proof of intent; the country decides nothing. No country's code begins with 0 (ITU-T E.164).
_STRONG = re.compile(
    rf"(?<![\w+.])(?:\+\(?\d|00 ?\(?[1-9])(?:[ .\-–‑/()]{{0,2}}\d){{6,14}}{_EXTENSION}(?!\d)"
    rf"|(?<![\w.])(?:[1-9]\d{{0,2}}{_GAP})?\(0?\d{{2,5}}\)(?:[ .\-–‑/]{{0,2}}\d){{5,8}}{_EXTENSION}(?!\d)"
    rf"|(?<![\w.])[78][ .\-–‑]?\(?\d{{3}}\)?(?:[ .\-–‑]{{0,2}}\d){{7}}{_EXTENSION}(?!\d)"
)
# National groupings, written as the sizes of their groups.
_GROUPINGS = (
    "3-3-4", "1-3-3-4", "3-3-2-2", "3-3-3", "2-3-2-2", "2-2-2-2-2", "2-4-4", "3-4-4", "4-3-3", "4-3-4", "5-3-3", "5-6",
    "4-4-4", "3-3-3-1", "2-3-4", "3-2-2-2", "4-3-2", "4-2-2-2", "3-3-3-3", "3-3-3-4", "2-2-3-3", "2-4-3", "4-6", "3-7",
    "4-7", "3-8", "5-5", "3-6", "2-8", "2-7", "1-4-4", "4-3-2-2", "2-3-3-4",
)  # fmt: skip
_GROUPED = re.compile(rf"(?<![\w.,+/-])\d{{1,5}}(?:{_GAP}\d{{2,8}}){{1,4}}{_EXTENSION}(?![\w/-]*\d)")
_CUED = re.compile(rf"(?<![\w.+])\d(?:[ .\-–‑/]{{0,2}}\d){{6,13}}{_EXTENSION}(?!\d)")
_SEPARATOR = re.compile(r"[ .\-–‑/]+")
_EXTENSION_TAIL = re.compile(r"\s?(?:x|ext\.?|extension|доб\.?|вн\.?|wew\.?)\s?(\d{1,6})$", re.IGNORECASE)
_RU_KZ = re.compile(r"[78](?:[3489]\d\d|7[0-9]\d)\d{7}")


def _around_forbids(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 40) : start]
    return bool(
        _MONEY_BEFORE.search(before)
        or _MONEY_AFTER.match(text, end)
        or _OTHER_NUMBER.search(before)
        or _NUMBER_SIGN.search(before)
    )


def _grouping_fits(value: str) -> bool:
    body = _EXTENSION_TAIL.sub("", value)
    groups = _SEPARATOR.split(body)
    sizes = "-".join(str(len(group)) for group in groups)
    if sizes not in _GROUPINGS or _DATE.search(body):
        return False
    digits = "".join(groups)
    if len(groups) == 2:
        # Two groups are also `2024-123456` and `12-3456789`: a trunk zero tells a phone.
        return digits[0] == "0"
    if sizes == "3-3-3":
        return body[3] in " -" and digits[0] != "0"
    return True


def _matches(pattern: re.Pattern[str], text: str, windows: Windows) -> Iterator[Match]:
    for first, last, digits in windows:
        if digits >= _SHORTEST:
            yield from pattern.finditer(text, first, last)


def find_international(text: str, windows: Windows) -> Iterator[Span]:
    """Yields the numbers whose own form is proof: a plus, a double zero, brackets, the Russian and Kazakh 7 or 8."""
    for found in _matches(_STRONG, text, windows):
        value = found[0]
        digits = "".join(filter(str.isdecimal, value))
        if value[0] == "+":
            refused = bool(_MONEY_AFTER.match(text, found.end()))
        elif value.startswith("00") or "(" in value or _RU_KZ.fullmatch(digits[:11]):
            # ids begin with two zeros as well: those of Kazakhstan with the year of birth
            refused = _around_forbids(text, found.start(), found.end())
        else:
            continue
        if not refused:
            yield Span(start=found.start(), end=found.end(), type="PHONE", score=0.9, source="phone")


def find_phones(text: str, windows: Windows) -> Iterator[Span]:
    """Yields the telephone numbers of a folded text; spans may overlap."""
    yield from find_international(text, windows)
    for found in _matches(_GROUPED, text, windows):
        if _grouping_fits(found[0]) and not _around_forbids(text, found.start(), found.end()):
            yield Span(start=found.start(), end=found.end(), type="PHONE", score=0.7, source="phone")
    for found in _matches(_CUED, text, windows):
        before = text[max(0, found.start() - 64) : found.start()]
        if (
            (_CUE.search(before) or _CUE_AFTER.match(text, found.end()))
            and not _DATE.search(found[0])
            and not _around_forbids(text, found.start(), found.end())
        ):
            yield Span(start=found.start(), end=found.end(), type="PHONE", score=0.75, source="phone")
    for found in _matches(_SHORT, text, windows):
        # Seven digits are a phone only where somebody talks about one.
        if _FAR_CUE.search(text, max(0, found.start() - 90), found.start()) and not _around_forbids(
            text, *found.span()
        ):
            yield Span(start=found.start(), end=found.end(), type="PHONE", score=0.6, source="phone")


# What scanners and hasty hands write for a digit; the sizes of the groups are Poland's.
_SIGN = r"[0-9OoQDlIi|!ZzEASsbGTBgq]"
_MISTYPED = re.compile(
    rf"(?<![\w.,/+@-])(?:(?:\+|00) ?{_SIGN}{{2}}[ -]?|\({_SIGN}{{2}}\) ?)?"
    rf"(?:{_SIGN}{{3}}([ -]?){_SIGN}{{3}}\1{_SIGN}{{3}}|{_SIGN}{{2}} {_SIGN}{{3}} {_SIGN}{{2}} {_SIGN}{{2}})"
    r"(?![\w@/]|-\w)"
)
_MOST_LETTERS = 3
# A digit and a look-alike side by side: without one the expression above cannot match what is looked for.
_MIXED = re.compile(r"[0-9](?=[OoQDlIi|!ZzEASsbGTBgq])|(?<=[OoQDlIi|!ZzEASsbGTBgq])[0-9]")


def find_mistyped(text: str) -> Iterator[Span]:
    """Yields Polish numbers of nine digits in which up to three signs are look-alikes of digits (`T37 41O 190`).

    Such a run is a number when it is grouped or begins with a plus, or when a word before it says so: nine signs
    without a gap are order codes more often.
    """
    if not _MIXED.search(text):
        return
    for found in _MISTYPED.finditer(text):
        letters = sum(not char.isdecimal() for char in found[0] if char not in " +-()")
        before = text[max(0, found.start() - 64) : found.start()]
        grouped = found[0][0] in "+(" or " " in found[0] or "-" in found[0]
        if 0 < letters <= _MOST_LETTERS and (grouped or _CUE.search(before)):
            groups = [group for group in _SEPARATOR.split(found[0].strip("+()")) if group]
            if all(any(map(str.isdecimal, group)) for group in groups) and not _around_forbids(
                text, found.start(), found.end()
            ):
                # above what a part of it scores as a number of its own
                score = 0.92 if found[0][0] in "+0" else 0.8
                yield Span(start=found.start(), end=found.end(), type="PHONE", score=score, source="phone")


@lru_cache(maxsize=2048)
def _canonical(digits: str, international: bool) -> str:
    if international:
        return "+" + digits
    if _RU_KZ.fullmatch(digits):
        return "+7" + digits[1:]
    # 701 555 33 22 is Kazakh or Russian where it is no valid number of North America.
    if len(digits) == 10 and digits[0] in "79" and _e164(digits, "US") is None:
        return "+7" + digits
    found = (_e164(digits, region) for region in ("PL", "US", "GB"))
    return next(filter(None, found), digits)


def _e164(digits: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def phone_key(value: str) -> str:
    """Returns what all notations of one number share: E.164 where the country is known, else the digits.

    The extension belongs to the key: another extension is another person.
    """
    if not any(char.isdecimal() for char in value):
        value = ("+" if value.lstrip().startswith("+") else "") + dialled(value)
    tail = _EXTENSION_TAIL.search(value)
    extension = f"x{tail[1]}" if tail else ""
    body = value[: tail.start()] if tail else value
    body = body.replace("(0)", "")
    digits = "".join(char for char in body if char.isdecimal())
    international = body.lstrip(" (").startswith("+")
    if not international and digits.startswith("00"):
        digits, international = digits[2:], True
    return _canonical(digits, international) + extension
