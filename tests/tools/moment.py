"""The moment at which all tests of the tools take place."""

from __future__ import annotations

from datetime import UTC, datetime

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def fixed_clock() -> datetime:
    """The clock of every CRM under test; a function of a module, so that another process can have it."""
    return NOW
