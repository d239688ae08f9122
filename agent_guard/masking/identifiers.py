"""Numbers that name a person, a company, an account or a card: a checksum proves them, or a word before them does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent_guard.masking import checksums
from agent_guard.masking.rules import Match, Rule, Windows, always, apply, before, digits_of, word_before
from agent_guard.types import Span

__all__ = ["find_identifiers", "find_proven_identifiers"]

_CARD_WORDS = word_before(
    "card", "visa", "mastercard", "amex", "cc", "карт[аыуе]", "картой", "kart[aąęy]", "debit", "credit"
)
_IBAN_WORDS = word_before("iban", "иик", "ибан")
_ACCOUNT_WORDS = word_before("kont[oau]", "kontem", "rachun\\w+", "nrb", "account", "сч[её]т\\w*", "iban")
_TWELVE_WORDS = word_before("иин", "бин", "жсн", "бсн", "инн", "iin", "bin")
_PESEL_WORDS = word_before("pesel\\w*", "песель")
_NIP_WORDS = word_before("nip", "nip-u", "vat", "vat id", "tax id")
_REGON_WORDS = word_before("regon\\w*")
_INN_WORDS = word_before("инн", "inn")
_SNILS_WORDS = word_before("снилс", "snils")
_PASSPORT_WORDS = word_before(
    "passport", "паспорт\\w*", "paszport\\w*", "удостоверени\\w+", "уд\\. ?личн\\w+", "dow[oó]d\\w*(?: osobist\\w+)?",
    "id card", "identity card", "driv\\w+(?:['’]s)? licen[sc]e", "права", "prawo jazdy",
)  # fmt: skip
# An id of a person; `ID` alone is a deal's as often.
_PERSON_ID_WORDS = word_before(
    "(?:patient|national|tax|taxpayer|personal|citizen|medical record|insurance)(?:'s)? (?:id|number|no\\.?)",
    "numer (?:pacjenta|ubezpieczenia|identyfikacyjny)", "номер (?:пациента|полиса|медкарты)", "полис(?:а)?(?: омс)?",
)  # fmt: skip
_BIRTH_WORDS = word_before(
    "dob", "d\\.o\\.b\\.?", "date of birth", "birth ?da(?:te|y)", "born(?: on)?", "д\\.? ?р\\.?", "дата рождения",
    "родил(?:ся|ась)", "туған күні", "ur\\.", "urodz\\w+", "data urodzenia",
)  # fmt: skip
_SSN_WORDS = word_before("ssn", "social security", "social")
_ACCOUNT_NUMBER_WORDS = word_before(
    "account (?:number|no\\.?|num)",
    "acct\\.?",
    "р/с",
    "расч[её]тный сч[её]т",
    "numer (?:konta|rachunku)",
    "nr (?:konta|rachunku)",
)


def _card(found: Match) -> float:
    digits = digits_of(found)
    if _IBAN_WORDS.search(before(found)):
        return 0.0
    if len(digits) > 12 and checksums.luhn(digits) and digits[0] in "23456":
        return 0.95
    return 0.8 if _CARD_WORDS.search(before(found)) else 0.0


_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d\d(?=[ -]?[A-Za-z0-9])")
_GROUP_END = re.compile(r"[ -]?([A-Za-z0-9])")


def _find_ibans(text: str) -> Iterator[Span]:
    """The country tells the length, so words behind the number are not read as part of it."""
    for found in _IBAN_START.finditer(text):
        length = checksums.IBAN_LENGTHS.get(found[0][:2].upper())
        if length is None:
            continue
        compact, end = found[0].upper(), found.end()
        while len(compact) < length and (char := _GROUP_END.match(text, end)):
            compact, end = compact + char[1].upper(), char.end()
        if len(compact) < length or text[end : end + 1].isalnum():
            continue
        score = 1.0 if checksums.iban(compact) else 0.8 if _IBAN_WORDS.search(before(found)) else 0.0
        if score:
            yield Span(start=found.start(), end=end, type="IBAN", score=score, source="iban")


def _polish_account(found: Match) -> float:
    if checksums.iban("PL" + digits_of(found)):
        return 0.95
    return 0.8 if _ACCOUNT_WORDS.search(before(found)) else 0.0


def _twelve_digits(found: Match) -> float:
    digits = digits_of(found)
    if checksums.iin(digits) or checksums.bin_kz(digits):
        return 0.9
    if _TWELVE_WORDS.search(before(found)):
        return 0.85
    return 0.0


def _pesel(found: Match) -> float:
    if _PESEL_WORDS.search(before(found)):
        return 0.95
    return 0.85 if checksums.pesel(digits_of(found)) else 0.0


def _nip(found: Match) -> float:
    words = before(found)
    if _NIP_WORDS.search(words):
        return 0.95
    if _INN_WORDS.search(words):
        return 0.9
    grouped = "-" in found[0] or " " in found[0]
    return 0.85 if grouped and checksums.nip(digits_of(found)) else 0.0


def _regon(found: Match) -> float:
    return 0.9 if _REGON_WORDS.search(before(found)) else 0.0


def _snils(found: Match) -> float:
    if _SNILS_WORDS.search(before(found)):
        return 0.95
    return 0.9 if "-" in found[0] and checksums.snils(digits_of(found)) else 0.0


def _ssn(found: Match) -> float:
    # 000, 666 and 9xx are never issued (US Social Security Administration).
    area, group, serial = found[0][:3], found[0][4:6], found[0][7:]
    if _SSN_WORDS.search(before(found)):
        return 0.9
    return 0.8 if area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000" else 0.0


def _ssn_bare(found: Match) -> float:
    return 0.85 if _SSN_WORDS.search(before(found)) else 0.0


def _document(found: Match) -> float:
    return 0.85 if _PASSPORT_WORDS.search(before(found)) else 0.0


def _person_id(found: Match) -> float:
    return 0.85 if _PERSON_ID_WORDS.search(before(found)) else 0.0


def _polish_document(found: Match) -> float:
    return 0.85 if checksums.polish_id_card(found[0].replace(" ", "").upper()) else 0.0


def _birth_date(found: Match) -> float:
    return 0.85 if _BIRTH_WORDS.search(before(found)) else 0.0


def _account_number(found: Match) -> float:
    return 0.7 if _ACCOUNT_NUMBER_WORDS.search(before(found)) else 0.0


_RULES = (
    Rule(type="IBAN", name="polish_account", digits=26, check=_polish_account, pattern=re.compile(
        r"(?<![\w-])\d{2}(?:[ -]?\d{4}){6}(?!\d)")),
    Rule(type="CARD", name="card", digits=12, check=_card, pattern=re.compile(
        r"(?<![\w+-])\d(?:[ -]?\d){11,18}(?![\d-])")),
    Rule(type="ID", name="kz_id", digits=12, check=_twelve_digits, pattern=re.compile(
        r"(?<![\w+.])\d{6}[ \n-]?\d{6}(?!\d)")),
    Rule(type="ID", name="pesel", digits=11, check=_pesel, pattern=re.compile(
        r"(?<![\w+.])(?:\d{11}|\d{6}[ -]\d{5}|\d{2} \d{2} \d{2} \d{5})(?!\d)")),
    Rule(type="ID", name="nip", digits=10, check=_nip, pattern=re.compile(
        r"(?<![\w+.-])(?<!\d )(?:PL ?)?(?:\d{3}[- ]\d{3}[- ]\d{2}[- ]\d{2}|"
        r"\d{3}[- ]\d{2}[- ]\d{2}[- ]\d{3}|\d{10})(?!\d)")),
    Rule(type="ID", name="regon", digits=9, check=_regon, pattern=re.compile(
        r"(?<![\w+.])(?:\d[ -]?){8}\d(?:[ -]?\d{5})?(?!\d)")),
    Rule(type="ID", name="snils", digits=11, check=_snils, pattern=re.compile(
        r"(?<![\w+.])\d{3}-?\d{3}-?\d{3}[ -]?\d{2}(?!\d)")),
    Rule(type="ID", name="ssn", digits=9, check=_ssn, pattern=re.compile(r"(?<![\w+.-])\d{3}-\d{2}-\d{4}(?![\d-])")),
    Rule(type="ID", name="ssn_bare", digits=9, check=_ssn_bare, pattern=re.compile(
        r"(?<![\w+.-])\d{3} ?\d{2} ?\d{4}(?![\d-])")),
    Rule(type="ID", name="nino", digits=6, check=always(0.8), pattern=re.compile(
        r"(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?\d\d){3} ?[A-D](?![A-Za-z0-9])")),
    Rule(type="ID", name="polish_id_card", digits=6, check=_polish_document, pattern=re.compile(
        r"(?<![A-Za-z0-9])[A-Z]{3} ?\d{6}(?!\w)")),
    Rule(type="ID", name="document", digits=5, check=_document, pattern=re.compile(
        r"(?<![A-Za-z0-9])(?:[A-Z]{1,3} ?\d{5,9}|\d{2} ?\d{2} ?\d{6}|\d{7,9}|\d{4}-\d{2}-\d{4}|[A-Z]\d{11,14}|"
        r"[A-Z]\d{3,4}-?\d{4,5}(?:-?\d{4,5})?)(?!\w)")),
    Rule(type="ID", name="person_id", digits=6, check=_person_id, pattern=re.compile(
        r"(?<![\w+.-])\d(?:[ -]?\d){5,15}(?![\w-])")),
    Rule(type="ID", name="birth_date", check=_birth_date, pattern=re.compile(
        r"(?<![\w.-])(?:(?:19|20)\d\d[-./]\d\d?[-./]\d\d?|\d\d?[-./]\d\d?[-./](?:19|20)?\d\d)(?!\w)")),
    Rule(type="ID", name="account_number", digits=8, check=_account_number, pattern=re.compile(
        r"(?<![\w+.])\d(?:[ -]?\d){7,19}(?!\w)")),
)  # fmt: skip
_PROVEN = tuple(rule for rule in _RULES if rule.name in ("polish_account", "card", "kz_id", "pesel", "nip"))
_SURE = 0.85


def find_identifiers(text: str, windows: Windows) -> Iterator[Span]:
    """Yields every identifier of a folded text; ``windows`` are its long numbers."""
    yield from _find_ibans(text)
    yield from apply(_RULES, text, windows)


def find_proven_identifiers(text: str, windows: Windows) -> Iterator[Span]:
    """Yields only those that their checksum, or their own name before them, proves."""
    for span in (*_find_ibans(text), *apply(_PROVEN, text, windows)):
        if span.score >= _SURE:
            yield span
