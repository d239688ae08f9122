"""``propose``: look at a call, decide it, and store it with its events and its question in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from agent_guard import approvals, calls, meter, suggestions, threads
from agent_guard.approvals import Approval
from agent_guard.audit import AuditEvent
from agent_guard.calls import CallRow, State
from agent_guard.core import Core
from agent_guard.databases.locks import CROWDED, chain_lock
from agent_guard.errors import StoreError
from agent_guard.facts import Facts
from agent_guard.gathering.gather import Gathered
from agent_guard.gathering.limits import attempts_key
from agent_guard.policy import Policy
from agent_guard.proposal.shown import Preview, preview_of, question, shown_of, suggestion
from agent_guard.proposal.taking import Taken, claim_locks, is_flushed, leased
from agent_guard.recording.events import decided, error_json, event
from agent_guard.threads import ThreadRow
from agent_guard.types import Code, Decision, Outcome, ToolCall
from agent_guard.vault import ThreadVault

__all__ = ["Proposal", "cancel", "new_row", "propose"]

_STATE_OF: Mapping[Outcome, State] = {
    "allow": "proposed",
    "require_approval": "pending",
    "suggest": "suggested",
    "deny": "denied",
}
"""The state in which a decision leaves a call."""

MINT_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What became of a proposed call.

    Args:
        row: the call as it is stored.
        decision: what was decided; for a call that was proposed before, what was decided then.
        approval: the question that waits, or None.
        taken: the claim, where the call was claimed at once and must be run now; else None.
    """

    row: CallRow
    decision: Decision
    approval: Approval | None = None
    taken: Taken | None = field(default=None, repr=False)


def propose(
    core: Core,
    thread: ThreadRow,
    call: ToolCall,
    along: Sequence[ToolCall] = (),
    *,
    claiming: bool = False,
    vault: ThreadVault | None = None,
) -> Proposal:
    """Decides a call and stores it; the same call proposed again is answered from its row.

    Args:
        call: with masked arguments.
        along: the calls that follow it in the same message. Those that are steps of the plan and would be asked about
            too are shown with its question, so that a human is asked once.
        claiming: the caller runs a call that nothing objects to, now: it is claimed in the same transaction, because
            nobody thinks about it in between.
        vault: the thread's pseudonyms where they were just read.

    Raises:
        StoreError: the database cannot be used; nothing was decided.
    """
    with core.watched():
        proposal, is_new = _proposed(core, thread, call, along, claiming, vault)
    if is_new and proposal.row.state == "pending" and proposal.approval is not None:
        core.notices.asked(proposal.approval)
    return proposal


def _proposed(
    core: Core,
    thread: ThreadRow,
    call: ToolCall,
    along: Sequence[ToolCall],
    claiming: bool,
    vault: ThreadVault | None,
) -> tuple[Proposal, bool]:
    """What became of a call, and whether it was proposed for the first time; committed when it returns."""
    for left in reversed(range(MINT_TRIES)):
        vault = vault or core.vault.of(thread)
        gathered = core.gather(thread, call, vault)
        preview = preview_of(core, gathered, vault, along)
        locks = claim_locks(gathered) if claiming else [chain_lock(thread.id)]
        try:
            with core.store.write(locks=locks, durable=claiming and is_flushed(gathered)) as connection:
                core.ahead_of_decision(connection, gathered, stored=False)
                stored = _stored(connection, gathered)
                made = stored or _decide_and_store(core, connection, gathered, vault, preview, claiming)
                return made, stored is None
        except IntegrityError:
            if not left:  # another process kept minting the same pseudonym
                raise StoreError(CROWDED) from None
            vault = None
    raise AssertionError("unreachable")


def _stored(connection: sa.Connection, gathered: Gathered) -> Proposal | None:
    for row in calls.find(connection, gathered.thread.id, gathered.call.id):
        settled = row.same == gathered.same and row.state in ("claimed", "done", "failed", "unknown")
        if row.digest == gathered.digest or settled:
            approval = approvals.find(connection, row.approval_id) if row.approval_id else None
            return Proposal(row=row, decision=_recorded(row, gathered.policy), approval=approval)
    return None


def _decide_and_store(
    core: Core, connection: sa.Connection, gathered: Gathered, vault: ThreadVault, preview: Preview, claiming: bool
) -> Proposal:
    trace_id, now = core.new_id(), core.now_ms()
    trail = core.trail(connection, gathered.thread)
    facts, decision = core.decide(gathered, connection, trail=trail)
    if decision.outcome == "deny":
        facts = facts.without_names()
    events = decided(gathered, trace_id, facts, decision, preview.change)
    plan, said = trail.plan_n, trail.said
    unasked = bool(facts.plan and facts.plan.open) and decision.outcome == "allow"
    row = new_row(core, gathered, trace_id, decision, step=_step(facts, decision), plan=plan, unasked=unasked)
    approval, taking = None, {attempts_key(gathered.thread): 1}
    if claiming and decision.outcome == "allow":
        row = leased(core, gathered, row)
        events.append(event("started", gathered, trace_id, facts))
        taking |= gathered.places
    if decision.outcome == "require_approval" and row.step is not None:
        approval = approvals.covering(connection, row.thread, row.digest, plan=plan, now_ms=now)
    if approval is not None:
        row = replace(row, state="approved", approval_id=approval.id)
        events.append(event("answered", gathered, trace_id, facts, approval_id=approval.id, note="covered"))
    elif decision.outcome == "require_approval":
        events += _replace_pending(core, connection, gathered, facts)
        approval = question(core, gathered, trace_id, shown_of(gathered, facts, preview), now, said=said)
        approval = replace(approval, covers=tuple(item.digest for item, *_ in preview.covered), plan=plan)
        row = replace(row, approval_id=approval.id)
        approvals.insert(connection, approval)
        events.append(event("asked", gathered, trace_id, facts, approval_id=approval.id))
    calls.insert(connection, row)
    if decision.outcome == "suggest":
        suggestions.insert(connection, suggestion(gathered, facts, row, shown_of(gathered, facts, preview)))
    meter.take(connection, taking, now_ms=now, trace_id=trace_id)
    if decision.outcome != "deny":  # a record that may not be seen leaves no pseudonym that a model could use
        vault.flush(connection)
    core.audit.append(connection, events, now_ms=now)
    claimed = row.state == "claimed"
    taken = Taken(gathered=gathered, row=row, facts=facts, vault=vault) if claimed else None
    return Proposal(row=row, decision=decision, approval=approval, taken=taken)


def _step(facts: Facts, decision: Decision) -> str | None:
    return facts.plan.step if facts.plan is not None and decision.outcome != "deny" else None


def new_row(
    core: Core,
    gathered: Gathered,
    trace_id: str,
    decision: Decision,
    *,
    step: str | None = None,
    plan: int | None = None,
    unasked: bool | None = None,
) -> CallRow:
    """A new row for a gathered call, with the step of the plan that it takes."""
    return CallRow(
        trace_id=trace_id,
        thread=gathered.thread.id,
        call_id=gathered.call.id,
        digest=gathered.digest,
        same=gathered.same,
        tenant=gathered.thread.subject.tenant,
        tool=gathered.call.tool,
        args=gathered.arguments.masked,
        reason=gathered.call.reason,
        state=_STATE_OF[decision.outcome],
        code=decision.code,
        for_model=decision.for_model,
        for_human=decision.for_human,
        policy_hash=gathered.policy.hash,
        record_version=gathered.facts.record_version,
        key=gathered.key,
        approval_id=None,
        plan=plan if step is not None else None,
        step=step,
        unasked=unasked,
        created=core.now_ms(),
    )


def _replace_pending(core: Core, connection: sa.Connection, gathered: Gathered, facts: Any) -> list[AuditEvent]:
    waiting = calls.pending(connection, gathered.thread.id)
    return [cancel(core, connection, row, gathered.thread, facts.at) for row in waiting]


def cancel(core: Core, connection: sa.Connection, row: CallRow, thread: ThreadRow, at: str) -> AuditEvent:
    """Ends a pending call that a newer message replaced; its question can no longer be answered."""
    calls.move(connection, row, "expired", code=Code.CANCELLED)
    if row.approval_id:
        approvals.close(connection, row.approval_id, now_ms=core.now_ms())
    threads.set_replaced(connection, thread.id, True)
    return AuditEvent(
        kind="expired",
        timestamp=at,
        thread=thread.id,
        tenant=thread.subject.tenant,
        trace_id=row.trace_id,
        agent=core.agent,
        tool=row.tool,
        tool_call_id=row.call_id,
        approval_id=row.approval_id,
        error=error_json(Code.CANCELLED),
    )


def _recorded(row: CallRow, policy: Policy) -> Decision:
    """The decision of a call that was proposed before, as far as its row tells it; the audit has the whole."""
    outcome = {
        "proposed": "allow",
        "claimed": "allow",
        "done": "allow",
        "failed": "allow",
        "unknown": "allow",
        "pending": "require_approval",
        "approved": "require_approval",
        "suggested": "suggest",
    }.get(row.state, "deny")
    return Decision(
        outcome=outcome,  # type: ignore[arg-type]
        code=row.code,
        for_model=row.for_model,
        for_human=row.for_human,
        policy=policy.name,
        policy_hash=row.policy_hash,
    )
