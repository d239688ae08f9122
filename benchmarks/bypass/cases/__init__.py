"""The attacks as data."""

from __future__ import annotations

from benchmarks.bypass.cases import approvals, arguments, equality, history, names
from benchmarks.bypass.suite import Case

__all__ = ["cases"]


def cases(*, long: int = 10_000) -> list[Case]:
    """Every case, in the order of the table.

    Args:
        long: calls of a long conversation.
    """
    return [*arguments.CASES, *names.CASES, *approvals.CASES, *equality.CASES, *history.cases(long)]
