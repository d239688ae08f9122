"""``execute``: claim, run, verify, settle; two transactions around the run."""

from __future__ import annotations

from agent_guard.core import Core
from agent_guard.execution.attempt import attempt
from agent_guard.execution.claim import claim
from agent_guard.execution.settle import settle
from agent_guard.proposal.taking import Taken
from agent_guard.runtime.waits import Waits, drive
from agent_guard.threads import ThreadRow
from agent_guard.types import ToolCall, ToolResult

__all__ = ["execute", "executing", "running"]


def executing(core: Core, thread: ThreadRow, call: ToolCall) -> Waits[ToolResult]:
    """Runs a proposed call once; yields where the tool runs, see :mod:`agent_guard.runtime.waits`.

    Returns:
        the result; for a call that ran before, what it did then, as ``duplicate``.

    Raises:
        StoreError: the database cannot be used and nothing ran.
    """
    with core.watched():
        vault = core.vault.of(thread)
        gathered = core.gather(thread, call, vault)
        taken = claim(core, gathered, vault)
    return taken if isinstance(taken, ToolResult) else (yield from running(core, taken))


def running(core: Core, taken: Taken) -> Waits[ToolResult]:
    """Runs a call that is claimed; yields where the tool runs. Never raises: anything is an outcome."""
    outcome = yield from attempt(core, taken.gathered, taken.row)
    return settle(core, taken.gathered, taken.row, taken.facts, outcome, taken.vault)


def execute(core: Core, thread: ThreadRow, call: ToolCall) -> ToolResult:
    """:func:`executing` in this thread."""
    return drive(executing(core, thread, call))
