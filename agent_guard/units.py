"""Durations and canonical JSON: the two notations that must read the same everywhere."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta

import rfc8785

from agent_guard.types import JSON

__all__ = ["canonical", "parse_duration", "sha256"]

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


def canonical(value: JSON) -> bytes:
    """Serialises JSON by RFC 8785, so that equal data are equal bytes.

    Raises:
        ValueError: NaN, an infinity, or an integer beyond 2**53 - 1, which the RFC does not know.
    """
    if _plain(value):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return rfc8785.dumps(value)


def _plain(value: JSON) -> bool:
    """Whether Python's own writer gives the RFC's bytes: no fractions, and keys in the order of their letters."""
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
