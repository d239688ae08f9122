"""One host name: its strict form, and what is a public suffix.

Names follow IDNA 2008 with the mapping of UTS 46; addresses are read as browsers read them (WHATWG URL). Suffixes come
from the snapshot of the Public Suffix List inside tldextract: nothing is fetched, and nothing is written.
"""

from __future__ import annotations

import ipaddress
import re
from functools import cache, lru_cache
from typing import Any

import idna

__all__ = ["DOTS", "ip_address", "is_public_suffix", "is_suffix", "strict_host"]

DOTS = str.maketrans("。．｡․", "....")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")


@lru_cache(maxsize=4096)
def strict_host(name: str) -> str | None:
    """Returns a name as lower-case A-labels without a trailing dot, an address in its usual form, or None."""
    name = name.translate(DOTS).removesuffix(".")
    if not name or len(name) > 253:
        return None
    if address := ip_address(name):
        return address
    if _NUMBER.fullmatch(name.rsplit(".", 1)[-1]):
        return _number_address(name)
    try:
        host = idna.encode(name, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError, ValueError, IndexError):
        return None
    # Full-width digits may only now have become an address.
    return host if not _NUMBER.fullmatch(host.rsplit(".", 1)[-1]) else _number_address(host)


def ip_address(text: str) -> str | None:
    """Returns an IPv4 address in four decimal parts, or an IPv6 address, in its usual form, or None."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _number_address(name: str) -> str | None:
    """Reads an IPv4 address in one to four parts, decimal, octal or hexadecimal, as browsers do (WHATWG URL)."""
    parts = name.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) and len(part) < 40 for part in parts):
        return None
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        return None
    if any(number > 255 for number in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        return None
    value = numbers[-1] + sum(number << (8 * (3 - at)) for at, number in enumerate(numbers[:-1]))
    return str(ipaddress.IPv4Address(value))


def _number(part: str) -> int:
    if part[:2].lower() == "0x":
        return int(part[2:] or "0", 16)
    return int(part, 8) if len(part) > 1 and part[0] == "0" else int(part)


@cache
def _extract(*, private: bool) -> Any:
    # tldextract takes a tenth of a second to import, and most calls need no suffix.
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=private)


@cache
def _suffixes() -> frozenset[str]:
    last = {suffix.rsplit(".", 1)[-1] for suffix in _extract(private=False).tlds}
    return frozenset(last | {host for name in last if not name.isascii() and (host := strict_host(name))})


def is_suffix(label: str) -> bool:
    """Tells whether a label is a known top-level domain, as letters or as an A-label."""
    return label.casefold() in _suffixes()


def is_public_suffix(host: str, *, private: bool) -> bool:
    """Tells whether anyone can register a name right below a host; ``private`` counts hosters' names (github.io)."""
    parts = _extract(private=private).extract_str(host)
    return bool(parts.suffix) and not parts.domain
