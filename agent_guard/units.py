"""Durations, canonical JSON and text that can be stored: what must read the same everywhere."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

import orjson
import rfc8785

from agent_guard.types import JSON

__all__ = ["canonical", "parse_duration", "sha256", "storable"]

_DURATION = re.compile(r"(?P<count>[1-9][0-9]{0,5})(?P<unit>[smhd])")
_MAX = 2**53 - 1
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta:
    """Reads ``"30s"``, ``"15m"``, ``"24h"`` or ``"7d"``.

    Raises:
        ValueError: the text is none of these; the message shows the form.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a duration; write a whole number and s, m, h or d, e.g. '24h'")
    return timedelta(**{_UNITS[found["unit"]]: int(found["count"])})


def storable(text: str) -> str:
    """A text as every database takes it: U+FFFD for the character NUL, a question mark for half of a character."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def canonical(value: JSON) -> bytes:
    """Serialises JSON by RFC 8785, so that equal data are equal bytes.

    Raises:
        ValueError: NaN, an infinity, or an integer beyond 2**53 - 1, which the RFC does not know.
    """
    if _plain(value):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return rfc8785.dumps(value)


def _plain(value: JSON) -> bool:
    """Whether orjson gives the RFC's bytes, many times faster: no fractions, and keys in the order of their letters."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii() or max(value) <= "\ud7ff")
    if kind is bool or value is None:
        return True
    if kind is int:
        return bool(-_MAX <= value <= _MAX)
    if kind is dict:
        return all(type(key) is str and key.isascii() and _plain(item) for key, item in value.items())
    return kind is list and all(map(_plain, value))


def sha256(value: JSON) -> str:
    """The digest of canonical JSON, as ``"sha256:<64 hex digits>"``."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()
