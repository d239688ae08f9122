"""Values that their own form gives away: e-mails, telling addresses of pages and machines, secrets, numbers, phones.

Everything reads folded text (`fold.py`). Nothing here asks a network: top-level domains are not looked up, because
reserved ones (`.example`, `.test`, RFC 2606) and internal ones carry personal data as well.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import unquote

from agent_guard.masking.identifiers import find_identifiers, find_proven_identifiers
from agent_guard.masking.phones import find_international, find_mistyped, find_phones
from agent_guard.masking.rules import Match, Rule, always, apply, before, number_windows
from agent_guard.types import Span

__all__ = ["find_patterns", "find_proven"]

_VERSION = re.compile(r"(?:\bv|version|верси\w+|wersj\w+|build|release)[ .:]*$", re.IGNORECASE)


def _ip(found: Match) -> float:
    if _VERSION.search(before(found, 12)):
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
# A page of one person: `/u/john.smith`, `/clients/anna-kowalska`; not `/users/42`, and not `/users` alone.
_PERSONAL_PATH = re.compile(
    r"/(?:u|users?|people|persons?|profiles?|contacts?|clients?|customers?|leads?|members?|employees?|staff|in)/"
    r"[^\W\d_]{2,}[._-][^\W\d_]{2,}(?=[/?#]|$)|/[^\W\d_]{2,}[._-][^\W\d_]{2,}/profile(?=[/?#]|$)",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/@?#]+@", re.IGNORECASE)


def _url(found: Match) -> float:
    """An address is personal when it carries a login, a telling query or a value that another rule knows."""
    address = found[0]
    if _USERINFO.match(address) or _PERSONAL_QUERY.search(address) or _PERSONAL_PATH.search(unquote(address)):
        return 1.0
    _, _, tail = address.partition("://")
    _, _, path = unquote(tail).partition("/")
    return (
        1.0 if any(span.type in ("EMAIL", "PHONE", "CARD", "IBAN", "SECRET") for span in find_patterns(path)) else 0.0
    )


_LOCAL = r"(?!['`*|{}/?=])[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+){0,12}"
_DOMAIN = r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24})"
_COMMON_TLD = r"(?:com|net|org|io|ai|co|uk|us|kz|ru|pl|eu|de|fr|info|biz|example|test|рф|қаз)"

_KEYS = (
    Rule(type="SECRET", name="private_key", check=always(1.0), pattern=re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]{1,8000}?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)")),
    Rule(type="SECRET", name="token", check=always(1.0), pattern=re.compile(
        r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{16,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|gh[pousr]_[A-Za-z0-9]{20,}|"
        r"github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}|xox[abeoprs]-[A-Za-z0-9-]{10,}|"
        r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|"
        r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|\d{8,10}:AA[A-Za-z0-9_-]{30,}|"
        r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*)")),
   )  # fmt: skip
# Every key begins with one of these; asking for them first is ten times cheaper than the expression.
_KEY_HINTS = (
    "PRIVATE KEY", "sk-", "sk_", "rk_", "pk_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
    "glpat-", "AKIA", "ASIA",
    "xox", "AIza", "ya29.", "hf_", "npm_", "pypi-", "SG.", ":AA", "eyJ",
)  # fmt: skip
_PASSWORDS = (
 Rule(type="SECRET", name="bearer", check=always(0.95), pattern=re.compile(
        r"\b(?:Bearer|Basic)\s+(?P<v>(?=[^\s]*[0-9=])[A-Za-z0-9._~+/=-]{12,})", re.IGNORECASE)),
    Rule(type="SECRET", name="password", check=always(0.9), pattern=re.compile(
        r"(?<!\w)(?:password|passwd|passphrase|pwd|api[_ -]?key|secret(?:[_ -]?key)?|access[_ -]?token|"
        r"auth[_ -]?token|client[_ -]?secret|"
        r"парол[ья]|секрет|ключ api|has[łl]o|құпия\s?сөз|cvv2?|cvc2?|pin[- ]?code|пин-?код)\s?(?:is|это|-|"
        r"–|to)?\s?[:=]\s?"
        r"[\"'«]?(?P<v>[^\s\"'»,;<>]{3,128})", re.IGNORECASE)),
)  # fmt: skip

_ADDRESSES = (
    Rule(type="EMAIL", name="email", check=always(1.0), pattern=re.compile(
        rf"(?<![\w.+-]){_LOCAL}(?:@| @ ){_DOMAIN}(?![\w-])")),
    Rule(type="EMAIL", name="email_words", check=always(0.85), pattern=re.compile(
        r"(?<!\w)[\w-]{2,32}(?:(?:\.|\s?[\[(]?(?:dot|точка|kropka)[\])]?\s?)[\w-]{2,32}){0,3}"
        r"(?:\s?[\[(](?:at|собака|ma[łl]pa)[\])]\s?|\s(?:at|собака|ma[łl]pa)\s)"
        rf"[\w-]{{2,32}}(?:\s?[\[(]?(?:dot|точка|kropka)[\])]?\s?){_COMMON_TLD}(?!\w)", re.IGNORECASE)),
    Rule(type="URL", name="url", check=_url, pattern=re.compile(
        r"(?<![\w@])(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>\"'«»\x1a]{3,2000}(?<![.,;:!?)\]])", re.IGNORECASE)),
)  # fmt: skip

_MACHINES = (
    Rule(type="IP", name="ip", check=_ip, pattern=re.compile(
        r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4})(?![\w:]|\.\d)", re.IGNORECASE)),
)  # fmt: skip
_HAS_DIGITS = re.compile(r"\d\D{0,3}\d\D{0,3}\d")
_EMAIL_WORD = re.compile(
    r"(?:\bat|собака|ma[łl]pa)[\])]?\s?[\w-]{2,32}(?:\.|\s?[\[(]?(?:dot|точка|kropka))", re.IGNORECASE
)
# The look-behind stands after the digits so that the expression starts with something the engine can scan for.
_LONG_NUMBER = re.compile(r"[0-9](?:[ .()\n-]{0,2}[0-9]){9}|[0-9]{2}(?<=[A-Za-z]{2}[0-9]{2})[ -]?[A-Za-z0-9]{4}")


def find_proven(text: str) -> Iterator[Span]:
    """Yields only what needs no judgement: e-mails, keys, checksummed numbers, international phones. Much cheaper."""
    if any(hint in text for hint in _KEY_HINTS):
        yield from apply(_KEYS, text)
    if "@" in text:
        yield from apply(_ADDRESSES[:1], text)
    if "+" in text or _LONG_NUMBER.search(text):
        spaced = text.replace("_", " ")
        if windows := number_windows(spaced):
            yield from find_proven_identifiers(spaced, windows)
            yield from find_international(spaced, windows)


def find_patterns(text: str) -> Iterator[Span]:
    """Yields every value of a folded text that its form gives away; spans may overlap, `resolve.py` settles it."""
    if any(hint in text for hint in _KEY_HINTS):
        yield from apply(_KEYS, text)
    yield from apply(_PASSWORDS, text)
    if "@" in text or "://" in text or "www." in text or _EMAIL_WORD.search(text):
        yield from apply(_ADDRESSES, text)
    if "::" in text or _HAS_DIGITS.search(text):
        # An underscore is a letter to `\w`; in `call_77015553322.wav` it ends a word.
        spaced = text.replace("_", " ")
        yield from apply(_MACHINES, spaced)
        if windows := number_windows(spaced):
            yield from find_identifiers(spaced, windows)
            yield from find_phones(spaced, windows)
        yield from find_mistyped(spaced)
