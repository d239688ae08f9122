"""``execute``: decide again, claim, run, verify, settle; two transactions around the run."""

from __future__ import annotations

from agent_guard.attempt import attempt
from agent_guard.claim import claim
from agent_guard.core import Core
from agent_guard.settle import settle
from agent_guard.threads import ThreadRow
from agent_guard.types import ToolCall, ToolResult
from agent_guard.waits import Waits, drive

__all__ = ["execute", "executing"]


def executing(core: Core, thread: ThreadRow, call: ToolCall) -> Waits[ToolResult]:
    """Runs a proposed call once; yields where the tool runs, see :mod:`agent_guard.waits`.

    Returns:
        the result; for a call that ran before, what it did then, as ``duplicate``.

    Raises:
        StoreError: the database cannot be used and nothing ran.
    """
    with core.watched():
        vault = core.vault.of(thread)
        gathered = core.gather(thread, call, vault)
        claimed = claim(core, gathered)
    if isinstance(claimed, ToolResult):
        return claimed
    row, facts = claimed
    outcome = yield from attempt(core, gathered, row)
    return settle(core, gathered, row, facts, outcome, vault)


def execute(core: Core, thread: ThreadRow, call: ToolCall) -> ToolResult:
    """:func:`executing` in this thread."""
    return drive(executing(core, thread, call))
