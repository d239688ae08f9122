"""The rows, and what a worker measures. Standard library only: it is read in CTRLRun's environment too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["CTRLRUN", "OURS", "ROWS", "Row", "System"]

OURS, CTRLRUN = "agent_guard", "ctrlrun"


class System(Protocol):
    """One row, in its worker."""

    def begin(self) -> Callable[[str], None]:
        """A new conversation; what is returned makes one call with a text."""
        ...

    def count(self, work: Callable[[], None]) -> tuple[int, int]:
        """Does the work; how many transactions wrote meanwhile, and how many of them were flushed."""
        ...

    def close(self) -> None:
        """Gives the file back."""
        ...


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row.

    Args:
        flushed: ``claim``: what is written before the tool runs; ``all``; ``none``.
        beside: our row of the same durability, that this one is compared with.
    """

    title: str
    system: str
    flushed: str
    limited: bool = True
    beside: str = ""


ROWS = {
    "ours": Row(title="agent_guard, claim flushed", system=OURS, flushed="claim"),
    "ours-none": Row(title="agent_guard, nothing flushed", system=OURS, flushed="none"),
    "claim": Row(title="CTRLRun, claim flushed", system=CTRLRUN, flushed="claim", beside="ours"),
    "all": Row(title="CTRLRun, all flushed", system=CTRLRUN, flushed="all", beside="ours"),
    "none": Row(title="CTRLRun, nothing flushed", system=CTRLRUN, flushed="none", beside="ours-none"),
    "unlimited": Row(
        title="CTRLRun, no limit counted", system=CTRLRUN, flushed="none", limited=False, beside="ours-none"
    ),
}
"""Name -> row, in the order of the table."""
