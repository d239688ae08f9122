"""The first transaction of ``execute``: verify and use the answer, decide again, and claim the call.

It is on disk before anything runs. A process that dies after it leaves a claim, and a claim is never run again by
itself.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from agent_guard import approvals, calls, meter
from agent_guard.calls import CallRow
from agent_guard.core import Core
from agent_guard.errors import StoreError
from agent_guard.facts import Facts
from agent_guard.gathering.gather import Gathered
from agent_guard.notifications.alerts import OUTCOME_UNKNOWN
from agent_guard.operations.scopes import failing_flag
from agent_guard.proposal.taking import Taken, claim_locks, is_flushed, leased
from agent_guard.recording.events import decision_json, error_json, event
from agent_guard.types import Code, Decision, Status, ToolCall, ToolResult
from agent_guard.vault import ThreadVault

__all__ = ["abandon", "claim", "ended", "is_running", "result_of", "unknown_words"]

CLAIM_TRIES = 3


def claim(core: Core, gathered: Gathered, vault: ThreadVault) -> Taken | ToolResult:
    """Claims a proposed or approved call, or says what became of it instead.

    Args:
        vault: the thread's pseudonyms as the call was gathered with them.

    Raises:
        StoreError: the database cannot be used; nothing is claimed and nothing may run.
    """
    for _ in range(CLAIM_TRIES):
        with suppress(IntegrityError):  # a unique key stopped what a lock let pass: it is decided again
            return _claim(core, gathered, vault)
    raise StoreError("others claimed the same in the same moment, again and again; nothing was run")


def _claim(core: Core, gathered: Gathered, vault: ThreadVault) -> Taken | ToolResult:
    call = gathered.call
    with core.store.write(durable=is_flushed(gathered), locks=claim_locks(gathered)) as connection:
        core.ahead_of_decision(connection, gathered, stored=True)
        rows = calls.find(connection, gathered.thread.id, call.id)
        row = next((item for item in rows if item.same == gathered.same), None)
        if row is None:
            return result_of(call, "denied", Code.APPROVAL_CHANGED, "This call was never decided. Propose it first.")
        if row.state not in ("proposed", "approved"):
            return ended(core, connection, gathered, row)
        facts, decision = core.decide(gathered, connection, row.trace_id)
        refusal = _refusal(core, connection, gathered, row, decision)
        if refusal is not None:
            return _refuse(core, connection, gathered, row, facts, decision, refusal)
        now, claimed, step = core.now_ms(), leased(core, gathered, row), _step(core, connection, gathered, row, facts)
        times = {"claimed": claimed.claimed, "lease": claimed.lease}
        if not calls.move(connection, row, "claimed", code=claimed.code, hold=True, **times, **step):
            raise StoreError("somebody else claimed this call in the same moment; nothing was run")
        meter.take(connection, gathered.places, now_ms=now, trace_id=row.trace_id)
        started = event("started", gathered, row.trace_id, facts, approval_id=row.approval_id)
        core.audit.append(connection, [started], now_ms=now)
    return Taken(gathered=gathered, row=claimed, facts=facts, vault=vault)


def _step(
    core: Core, connection: sa.Connection, gathered: Gathered, row: CallRow, facts: Facts
) -> dict[str, str | int | bool | None]:
    """The step that the call takes, of the plan of now, which may be newer than the proposal."""
    if facts.plan is None or facts.plan.step is None:
        return {"plan": None, "step": None, "unasked": None}
    return {
        "plan": core.trail(connection, gathered.thread).plan_n,
        "step": facts.plan.step,
        "unasked": bool(facts.plan.open) and row.state == "proposed",
    }


def _refusal(
    core: Core, connection: sa.Connection, gathered: Gathered, row: CallRow, decision: Decision
) -> tuple[Code, str] | None:
    """Why the call may not run now, or None. An approval satisfies ``require_approval`` and nothing else."""
    if decision.outcome in ("deny", "suggest"):
        return decision.code, decision.for_model
    if row.state == "proposed":
        if decision.outcome == "allow":
            return None
        return Code.APPROVAL_REQUIRED, "A person must approve this now. Propose it again."
    replanned = row.plan is not None and row.plan != core.trail(connection, gathered.thread).plan_n
    if row.digest != gathered.digest or replanned:
        return Code.APPROVAL_CHANGED, "The record or the policy changed after the approval. Propose it again."
    now = core.now_ms()
    used = row.approval_id is not None and (
        approvals.use(connection, row.approval_id, digest=gathered.digest, now_ms=now)
        or approvals.covers(connection, row.approval_id, digest=gathered.digest, now_ms=now)
    )
    return None if used else (Code.APPROVAL_EXPIRED, "The approval has expired. Propose it again.")


def _refuse(
    core: Core,
    connection: sa.Connection,
    gathered: Gathered,
    row: CallRow,
    facts: Facts,
    decision: Decision,
    refusal: tuple[Code, str],
) -> ToolResult:
    code, words = refusal
    asked_again = code in (Code.APPROVAL_CHANGED, Code.APPROVAL_EXPIRED, Code.APPROVAL_REQUIRED)
    calls.move(connection, row, "expired" if asked_again else "denied", code=code, for_model=words)
    happened = event(
        "expired" if asked_again else "decided",
        gathered,
        row.trace_id,
        facts,
        approval_id=row.approval_id,
        facts=facts.without_names().as_json(),
        decision=decision_json(decision),
        error=error_json(code),
    )
    core.audit.append(connection, [happened], now_ms=core.now_ms())
    if code is Code.DUPLICATE and facts.twin is not None:
        return _duplicate(connection, gathered.call, facts.twin.trace_id, row.trace_id)
    return result_of(gathered.call, "denied", code, words, trace_id=row.trace_id, decision=decision)


def _duplicate(connection: sa.Connection, call: ToolCall, twin_id: str, trace_id: str | None) -> ToolResult:
    twin = calls.by_id(connection, twin_id)
    return ToolResult(
        status="duplicate",
        code=Code.DUPLICATE,
        content=twin.result if twin and twin.thread == call.thread else None,  # another thread's pseudonyms
        tool=call.tool,
        call_id=call.id,
        trace_id=trace_id,
        reference=twin.reference if twin else None,
    )


def ended(core: Core, connection: sa.Connection, gathered: Gathered, row: CallRow) -> ToolResult:
    """The answer to a call that is not waiting to run: what became of it."""
    call = gathered.call
    match row.state:
        case "done":
            return _duplicate(connection, call, row.trace_id, row.trace_id)
        case "claimed" if is_running(core, row):
            return result_of(call, "denied", Code.IN_PROGRESS, "The same call is running.", trace_id=row.trace_id)
        case "claimed":
            row = abandon(core, connection, gathered, row)
            return result_of(call, "unknown", row.code, row.for_model, trace_id=row.trace_id)
        case "unknown":
            return result_of(call, "unknown", row.code, row.for_model, trace_id=row.trace_id)
        case "failed":
            return result_of(call, "failed", row.code, row.for_model, trace_id=row.trace_id)
        case "suggested":
            return result_of(call, "suggested", row.code, row.for_model, trace_id=row.trace_id)
        case "pending":
            return result_of(
                call,
                "denied",
                Code.APPROVAL_PENDING,
                "A person has not answered yet.",
                trace_id=row.trace_id,
                approval_id=row.approval_id,
            )
        case _:
            return result_of(call, "denied", row.code, row.for_model, trace_id=row.trace_id)


def is_running(core: Core, row: CallRow) -> bool:
    """Whether the lease of a claimed call is not over yet."""
    return (row.lease or 0) > core.now_ms()


def abandon(core: Core, connection: sa.Connection, gathered: Gathered, row: CallRow) -> CallRow:
    """A claim whose lease is over becomes unknown: whoever ran it is dead, or will find its claim too old."""
    words = "The process that ran this call died; nobody knows whether it happened. A person looks at it."
    now, flag = core.now_ms(), failing_flag(gathered.thread.scenario, row.tool)
    code = Code.OUTCOME_UNKNOWN
    if calls.move(connection, row, "unknown", code=code, for_model=words, settled=now, flag=flag):
        happened = event("unknown", gathered, row.trace_id, gathered.facts, error=error_json(code))
        core.audit.append(connection, [happened], now_ms=now)
        core.alert(OUTCOME_UNKNOWN, "critical", f"tool:{row.tool}", unknown_words(row))
    return calls.by_id(connection, row.trace_id) or row


def unknown_words(row: CallRow) -> str:
    """What operators are told of a call of which nobody knows whether it happened: no value of it."""
    return f"A call of {row.tool} may have happened; it is not repeated. agent-guard calls show {row.trace_id}"


def result_of(call: ToolCall, status: Status, code: Code, words: str, **more: Any) -> ToolResult:
    """A result that is a sentence: the call did not run to its end."""
    return ToolResult(status=status, code=code, content=words, tool=call.tool, call_id=call.id, **more)
