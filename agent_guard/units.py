"""Durations and canonical JSON: the two notations that must read the same everywhere."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

import rfc8785

from agent_guard.types import JSON

__all__ = ["canonical", "parse_duration", "sha256"]

_DURATION = re.compile(r"(?P<count>[1-9][0-9]{0,5})(?P<unit>[smhd])")
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
    return rfc8785.dumps(value)


def sha256(value: JSON) -> str:
    """The digest of canonical JSON, as ``"sha256:<64 hex digits>"``."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()
