"""Values that their own form gives away: e-mails, cards, accounts, identity numbers, addresses of machines, secrets.

One table of rules; a rule is an expression, the type it finds and a check (a checksum, or a word before the number).
Everything reads folded text (`fold.py`). Nothing here asks a network: top-level domains are not looked up, because
reserved ones (`.example`, `.test`, RFC 2606) and internal ones carry personal data as well.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from agent_guard.masking import checksums
from agent_guard.masking.phones import find_international, find_phones
from agent_guard.types import EntityType, Span

__all__ = ["find_patterns", "find_proven"]

Match = re.Match[str]


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """One expression; group ``v``, where there is one, is the value. ``check`` returns a score, 0 to refuse."""

    type: EntityType
    name: str
    pattern: re.Pattern[str]
    check: Callable[[Match], float]


def _before(found: Match, size: int = 40) -> str:
    return found.string[max(0, found.start() - size) : found.start()]


def _digits(found: Match) -> str:
    return "".join(char for char in found[0] if char.isdecimal())


def _always(score: float) -> Callable[[Match], float]:
    return lambda _: score


_NEAR = r"[^\d\n]{0,24}$"


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)}){_NEAR}", re.IGNORECASE)


_CARD_WORDS = _words("card", "visa", "mastercard", "amex", "карт[аыуе]", "картой", "kart[aąęy]", "debit", "credit")
_IBAN_WORDS = _words("iban", "иик", "ибан")
_ACCOUNT_WORDS = _words("kont[oau]", "kontem", "rachun\\w+", "nrb", "account", "сч[её]т\\w*", "iban")
_TWELVE_WORDS = _words("иин", "бин", "жсн", "бсн", "инн", "iin", "bin")
_PESEL_WORDS = _words("pesel\\w*", "песель")
_NIP_WORDS = _words("nip", "nip-u", "vat", "vat id", "tax id")
_REGON_WORDS = _words("regon\\w*")
_INN_WORDS = _words("инн", "inn")
_SNILS_WORDS = _words("снилс", "snils")
_PASSPORT_WORDS = _words(
    "passport", "паспорт\\w*", "paszport\\w*", "удостоверени\\w+", "уд\\. ?личн\\w+", "dow[oó]d\\w*(?: osobist\\w+)?",
    "id card", "identity card", "driv\\w+ licen[sc]e", "права", "prawo jazdy",
)  # fmt: skip
_SSN_WORDS = _words("ssn", "social security", "social")
_ACCOUNT_NUMBER_WORDS = _words(
    "account (?:number|no\\.?|num)", "acct\\.?", "р/с", "расч[её]тный сч[её]т", "numer (?:konta|rachunku)", "nr (?:konta|rachunku)"
)


def _card(found: Match) -> float:
    digits = _digits(found)
    if _IBAN_WORDS.search(_before(found)):
        return 0.0
    if len(digits) > 12 and checksums.luhn(digits) and digits[0] in "23456":
        return 0.95
    return 0.8 if _CARD_WORDS.search(_before(found)) else 0.0


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
        score = 1.0 if checksums.iban(compact) else 0.8 if _IBAN_WORDS.search(_before(found)) else 0.0
        if score:
            yield Span(start=found.start(), end=end, type="IBAN", score=score, source="iban")


def _polish_account(found: Match) -> float:
    if checksums.iban("PL" + _digits(found)):
        return 0.95
    return 0.8 if _ACCOUNT_WORDS.search(_before(found)) else 0.0


def _twelve_digits(found: Match) -> float:
    digits = _digits(found)
    if checksums.iin(digits) or checksums.bin_kz(digits):
        return 0.9
    if _TWELVE_WORDS.search(_before(found)):
        return 0.85
    return 0.0


def _pesel(found: Match) -> float:
    if _PESEL_WORDS.search(_before(found)):
        return 0.95
    return 0.85 if checksums.pesel(_digits(found)) else 0.0


def _nip(found: Match) -> float:
    before = _before(found)
    if _NIP_WORDS.search(before):
        return 0.95
    if _INN_WORDS.search(before):
        return 0.9
    grouped = "-" in found[0] or " " in found[0]
    return 0.85 if grouped and checksums.nip(_digits(found)) else 0.0


def _regon(found: Match) -> float:
    return 0.9 if _REGON_WORDS.search(_before(found)) else 0.0


def _snils(found: Match) -> float:
    if _SNILS_WORDS.search(_before(found)):
        return 0.95
    return 0.9 if "-" in found[0] and checksums.snils(_digits(found)) else 0.0


def _ssn(found: Match) -> float:
    # 000, 666 and 9xx are never issued (US Social Security Administration).
    area, group, serial = found[0][:3], found[0][4:6], found[0][7:]
    if _SSN_WORDS.search(_before(found)):
        return 0.9
    return 0.8 if area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000" else 0.0


def _ssn_bare(found: Match) -> float:
    return 0.85 if _SSN_WORDS.search(_before(found)) else 0.0


def _document(found: Match) -> float:
    return 0.85 if _PASSPORT_WORDS.search(_before(found)) else 0.0


def _polish_document(found: Match) -> float:
    return 0.85 if checksums.polish_id_card(found[0].replace(" ", "").upper()) else 0.0


def _account_number(found: Match) -> float:
    return 0.7 if _ACCOUNT_NUMBER_WORDS.search(_before(found)) else 0.0


_VERSION = re.compile(r"(?:\bv|version|верси\w+|wersj\w+|build|release)[ .:]*$", re.IGNORECASE)


def _ip(found: Match) -> float:
    if _VERSION.search(_before(found, 12)):
        return 0.0
    try:
        address = ipaddress.ip_address(found[0])
    except ValueError:
        return 0.0
    # Loopback and "any" name no machine and no person.
    return 0.0 if address.is_loopback or address.is_unspecified else 0.9


_PERSONAL_QUERY = re.compile(
    r"[?&#;](?:\w+[_.-])?(?:name|first|last|surname|fio|phone|tel|mobile|msisdn|e-?mail|login|user|iin|pesel|nip|inn|passport|"
    r"address|token|key|secret|password|sig|signature|session\w*|auth|code)=[^&#\s]+",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/@?#]+@", re.IGNORECASE)


def _url(found: Match) -> float:
    """An address is personal when it carries a login, a telling query or a value that another rule knows."""
    address = found[0]
    if _USERINFO.match(address) or _PERSONAL_QUERY.search(address):
        return 0.95
    _, _, tail = address.partition("://")
    _, _, path = unquote(tail).partition("/")
    return 0.95 if any(span.type in ("EMAIL", "PHONE", "CARD", "IBAN", "SECRET") for span in find_patterns(path)) else 0.0


_LOCAL = r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+){0,12}"
_DOMAIN = r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24})"
_COMMON_TLD = r"(?:com|net|org|io|ai|co|uk|us|kz|ru|pl|eu|de|fr|info|biz|example|test|рф|қаз)"

_SECRETS = (
    _Rule(type="SECRET", name="private_key", check=_always(1.0), pattern=re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]{1,8000}?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)")),
    _Rule(type="SECRET", name="token", check=_always(1.0), pattern=re.compile(
        r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{16,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|gh[pousr]_[A-Za-z0-9]{20,}|"
        r"github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}|xox[abeoprs]-[A-Za-z0-9-]{10,}|"
        r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|"
        r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|\d{8,10}:AA[A-Za-z0-9_-]{30,}|"
        r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*)")),
    _Rule(type="SECRET", name="bearer", check=_always(0.95), pattern=re.compile(
        r"\b(?:Bearer|Basic)\s+(?P<v>(?=[^\s]*[0-9=])[A-Za-z0-9._~+/=-]{12,})", re.IGNORECASE)),
    _Rule(type="SECRET", name="password", check=_always(0.9), pattern=re.compile(
        r"(?<!\w)(?:password|passwd|passphrase|pwd|api[_ -]?key|secret(?:[_ -]?key)?|access[_ -]?token|auth[_ -]?token|client[_ -]?secret|"
        r"парол[ья]|секрет|ключ api|has[łl]o|құпия\s?сөз|cvv2?|cvc2?|pin[- ]?code|пин-?код)\s?(?:is|это|-|–|to)?\s?[:=]\s?"
        r"[\"'«]?(?P<v>[^\s\"'»,;<>]{3,128})", re.IGNORECASE)),
)  # fmt: skip

_WITHOUT_DIGITS = (
    _Rule(type="EMAIL", name="email", check=_always(1.0), pattern=re.compile(
        rf"(?<![\w.+-]){_LOCAL}(?:@| @ ){_DOMAIN}(?![\w-])")),
    _Rule(type="EMAIL", name="email_words", check=_always(0.85), pattern=re.compile(
        r"(?<!\w)[\w-]{2,32}(?:(?:\.|\s?[\[(]?(?:dot|точка|kropka)[\])]?\s?)[\w-]{2,32}){0,3}"
        r"(?:\s?[\[(](?:at|собака|ma[łl]pa)[\])]\s?|\s(?:at|собака|ma[łl]pa)\s)"
        rf"[\w-]{{2,32}}(?:\s?[\[(]?(?:dot|точка|kropka)[\])]?\s?){_COMMON_TLD}(?!\w)", re.IGNORECASE)),
    _Rule(type="URL", name="url", check=_url, pattern=re.compile(
        r"(?<![\w@])(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>\"'«»\x1a]{3,2000}(?<![.,;:!?)\]])", re.IGNORECASE)),
)  # fmt: skip

_WITH_DIGITS = (
    _Rule(type="IBAN", name="polish_account", check=_polish_account, pattern=re.compile(
        r"(?<![\w-])\d{2}(?:[ -]?\d{4}){6}(?!\d)")),
    _Rule(type="CARD", name="card", check=_card, pattern=re.compile(r"(?<![\w+-])\d(?:[ -]?\d){11,18}(?![\d-])")),
    _Rule(type="ID", name="kz_id", check=_twelve_digits, pattern=re.compile(r"(?<![\w+.])\d{6}[ \n-]?\d{6}(?!\d)")),
    _Rule(type="ID", name="pesel", check=_pesel, pattern=re.compile(r"(?<![\w+.])(?:\d{11}|\d{6}[ -]\d{5}|\d{2} \d{2} \d{2} \d{5})(?!\d)")),
    _Rule(type="ID", name="nip", check=_nip, pattern=re.compile(
        r"(?<![\w+.-])(?<!\d )(?:PL ?)?(?:\d{3}[- ]\d{3}[- ]\d{2}[- ]\d{2}|\d{3}[- ]\d{2}[- ]\d{2}[- ]\d{3}|\d{10})(?!\d)")),
    _Rule(type="ID", name="regon", check=_regon, pattern=re.compile(r"(?<![\w+.])(?:\d[ -]?){8}\d(?:[ -]?\d{5})?(?!\d)")),
    _Rule(type="ID", name="snils", check=_snils, pattern=re.compile(r"(?<![\w+.])\d{3}-?\d{3}-?\d{3}[ -]?\d{2}(?!\d)")),
    _Rule(type="ID", name="ssn", check=_ssn, pattern=re.compile(r"(?<![\w+.-])\d{3}-\d{2}-\d{4}(?![\d-])")),
    _Rule(type="ID", name="ssn_bare", check=_ssn_bare, pattern=re.compile(r"(?<![\w+.-])\d{3} ?\d{2} ?\d{4}(?![\d-])")),
    _Rule(type="ID", name="nino", check=_always(0.8), pattern=re.compile(
        r"(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?\d\d){3} ?[A-D](?![A-Za-z0-9])")),
    _Rule(type="ID", name="polish_id_card", check=_polish_document, pattern=re.compile(r"(?<![A-Za-z0-9])[A-Z]{3} ?\d{6}(?!\w)")),
    _Rule(type="ID", name="document", check=_document, pattern=re.compile(
        r"(?<![A-Za-z0-9])(?:[A-Z]{1,3} ?\d{5,9}|\d{2} ?\d{2} ?\d{6}|\d{8,9}|[A-Z]\d{3,4}-?\d{4,5}(?:-?\d{4,5})?)(?!\w)")),
    _Rule(type="ID", name="account_number", check=_account_number, pattern=re.compile(r"(?<![\w+.])\d(?:[ -]?\d){7,19}(?!\w)")),
    _Rule(type="IP", name="ip", check=_ip, pattern=re.compile(
        r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4})(?![\w:]|\.\d)", re.IGNORECASE)),
)  # fmt: skip

_HAS_DIGITS = re.compile(r"\d\D{0,3}\d\D{0,3}\d")


def _apply(rules: tuple[_Rule, ...], text: str) -> Iterator[Span]:
    for rule in rules:
        for found in rule.pattern.finditer(text):
            score = rule.check(found)
            if score:
                start, end = found.span("v" if "v" in rule.pattern.groupindex else 0)
                yield Span(start=start, end=end, type=rule.type, score=score, source=rule.name)


_PROVEN = tuple(rule for rule in _WITH_DIGITS if rule.name in ("polish_account", "card", "kz_id", "pesel", "nip"))
# The look-behind stands after the digits so that the expression starts with something the engine can scan for.
_LONG_NUMBER = re.compile(r"\d(?:[ .()\n-]{0,2}\d){9}|\d\d(?<=[A-Za-z]{2}\d\d)[ -]?[A-Za-z0-9]{4}")


def find_proven(text: str) -> Iterator[Span]:
    """Yields only what needs no judgement: e-mails, keys, checksummed numbers, international phones. Much cheaper."""
    yield from _apply(_SECRETS[:2], text)
    if "@" in text:
        yield from _apply(_WITHOUT_DIGITS[:1], text)
    if "+" in text or _LONG_NUMBER.search(text):
        text = text.replace("_", " ")
        yield from (span for span in (*_find_ibans(text), *_apply(_PROVEN, text)) if span.score >= 0.85)
        yield from find_international(text)


def find_patterns(text: str) -> Iterator[Span]:
    """Yields every value of a folded text that its form gives away; spans may overlap, `resolve.py` settles it."""
    yield from _apply(_SECRETS, text)
    if "@" in text or "://" in text or "www." in text or _EMAIL_WORD.search(text):
        yield from _apply(_WITHOUT_DIGITS, text)
    if _HAS_DIGITS.search(text):
        # An underscore is a letter to `\w`; in `call_77015553322.wav` it ends a word.
        spaced = text.replace("_", " ")
        yield from _find_ibans(spaced)
        yield from _apply(_WITH_DIGITS, spaced)
        yield from find_phones(spaced)


_EMAIL_WORD = re.compile(
    r"(?:\bat|собака|ma[łl]pa)[\])]?\s?[\w-]{2,32}(?:\.|\s?[\[(]?(?:dot|точка|kropka))", re.IGNORECASE
)
