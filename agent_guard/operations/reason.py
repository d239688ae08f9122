"""The reason that a person gives for what is done to a whole system; it stands in the record."""

from __future__ import annotations

from agent_guard.errors import ConfigError

__all__ = ["REASON_MAX", "check_reason"]

REASON_MAX = 500
"""Longest reason, in characters."""


def check_reason(reason: str) -> None:
    """Refuses no reason, and one that is too long.

    Raises:
        ConfigError: it says how long a reason is.
    """
    if not isinstance(reason, str) or not reason.strip() or len(reason) > REASON_MAX:
        raise ConfigError(f"give a reason of 1 to {REASON_MAX} characters; it stands in the record")
