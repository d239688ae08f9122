"""What the laws are checked with: a moment, a deal and a draft that are given, and short words for asking a CRM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Protocol

import pytest

from agent_guard.errors import ToolRejected
from agent_guard.types import Description, Ref
from tools.crm.port import CRM, TaskDraft

__all__ = [
    "DEAL",
    "DRAFT",
    "NOW",
    "NOWHERE",
    "OTHER_BODIES",
    "Store",
    "described",
    "fixed_clock",
    "open_tasks",
    "refused",
]

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""The moment at which the laws are checked; the anchors' ages count back from it."""

DEAL = Ref(kind="deal", id="1001")
DRAFT = TaskDraft(
    deal_id="1001",
    kind="call",
    subject="Price for 120 trucks",
    due=date(2026, 3, 4),
    qualification={"need": {"score": 2, "evidence": {"message_id": "m1", "quote": "the tracker loses signal"}}},
)
OTHER_BODIES = {
    "deal": replace(DRAFT, deal_id="1002"),
    "subject": replace(DRAFT, subject="Price for 121 trucks"),
    "due": replace(DRAFT, due=date(2026, 3, 5)),
    "no qualification": replace(DRAFT, qualification=None),
    "qualification": replace(DRAFT, qualification={"need": None}),
}
NOWHERE = ("999999", "", "x", "1001 ", "-1", "9" * 30, "1001\x00", "1001; --", "\ud800")
"""Ids that name nothing, whatever their form."""


def fixed_clock() -> datetime:
    """The clock of every CRM under test; a function of a module, so that another process can have it."""
    return NOW


class Store(CRM, Protocol):
    """A CRM that can be closed."""

    def close(self) -> None:
        """Gives its connections back; the data stay."""
        ...


def described(crm: CRM, ref: Ref) -> Description:
    """The description of a record that must be there."""
    record = crm.describe(ref)
    assert record is not None, f"{ref} is not described"
    return record


def open_tasks(crm: CRM, deal_id: str = "1001") -> int:
    """How many drafts a deal shows."""
    count = described(crm, Ref(kind="deal", id=deal_id)).snapshot["open_tasks"]
    assert isinstance(count, int)
    return count


def refused(act: Callable[[], object]) -> str:
    """The code with which the CRM refuses."""
    with pytest.raises(ToolRejected) as caught:
        act()
    return caught.value.code
