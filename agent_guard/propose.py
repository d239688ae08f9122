"""``propose``: look at a call, decide it, and store it with its events and its question in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from agent_guard import approvals, calls, meter, threads
from agent_guard.approvals import Approval
from agent_guard.audit import AuditEvent
from agent_guard.calls import CallRow, State
from agent_guard.core import Core
from agent_guard.events import decided, error_json, event
from agent_guard.gather import Gathered
from agent_guard.policy import Policy
from agent_guard.preview import diff, dry_run, markdown, snapshot
from agent_guard.threads import ThreadRow
from agent_guard.types import JSON, Code, Decision, Outcome, ToolCall
from agent_guard.units import parse_duration
from agent_guard.vault import ThreadVault

__all__ = ["STATE_OF", "Proposal", "cancel", "new_row", "propose", "question", "shown_of"]

STATE_OF: Mapping[Outcome, State] = {
    "allow": "proposed",
    "require_approval": "pending",
    "suggest": "suggested",
    "deny": "denied",
}
"""The state in which a decision leaves a call."""

MINT_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What became of a proposed call.

    Args:
        row: the call as it is stored.
        decision: what was decided; for a call that was proposed before, what was decided then.
        approval: the question that waits, or None.
    """

    row: CallRow
    decision: Decision
    approval: Approval | None = None


def propose(core: Core, thread: ThreadRow, call: ToolCall) -> Proposal:
    """Decides a call and stores it; the same call proposed again is answered from its row.

    Args:
        call: with masked arguments.

    Raises:
        StoreError: the database cannot be used; nothing was decided.
    """
    for left in reversed(range(MINT_TRIES)):
        vault = core.vault.of(thread)
        gathered = core.gather(thread, call, vault)
        change = _change(core, gathered, vault)
        try:
            with core.store.write() as connection:
                stored = _stored(connection, gathered)
                return stored or _decide_and_store(core, connection, gathered, vault, change)
        except IntegrityError:
            if not left:  # another process kept minting the same pseudonym
                raise
    raise AssertionError("unreachable")


def _stored(connection: sa.Connection, gathered: Gathered) -> Proposal | None:
    for row in calls.find(connection, gathered.thread.id, gathered.call.id):
        settled = row.same == gathered.same and row.state in ("claimed", "done", "failed", "unknown")
        if row.digest == gathered.digest or settled:
            approval = approvals.find(connection, row.approval_id) if row.approval_id else None
            return Proposal(row=row, decision=_recorded(row, gathered.policy), approval=approval)
    return None


def _decide_and_store(
    core: Core, connection: sa.Connection, gathered: Gathered, vault: ThreadVault, change: Mapping[str, JSON]
) -> Proposal:
    trace_id, now = core.new_id(), core.now_ms()
    facts, decision = core.decide(gathered, connection)
    if decision.outcome == "deny":
        facts = facts.without_names()
    events = decided(gathered, trace_id, facts, decision)
    row = new_row(core, gathered, trace_id, decision)
    approval = None
    if decision.outcome == "require_approval":
        events += _replace_pending(core, connection, gathered, facts)
        approval = question(core, gathered, trace_id, shown_of(gathered, change), now)
        row = replace(row, approval_id=approval.id)
        approvals.insert(connection, approval)
        events.append(event("asked", gathered, trace_id, facts, approval_id=approval.id))
    calls.insert(connection, row)
    meter.take(connection, [f"attempts|{gathered.thread.id}"], now_ms=now, trace_id=trace_id)
    if decision.outcome != "deny":  # a record that may not be seen leaves no pseudonym that a model could use
        vault.flush(connection)
    core.audit.append(connection, events, now_ms=now)
    return Proposal(row=row, decision=decision, approval=approval)


def new_row(core: Core, gathered: Gathered, trace_id: str, decision: Decision) -> CallRow:
    """A new row for a gathered call."""
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
        state=STATE_OF[decision.outcome],
        code=decision.code,
        for_model=decision.for_model,
        for_human=decision.for_human,
        policy_hash=gathered.policy.hash,
        record_version=gathered.facts.record_version,
        key=gathered.key,
        approval_id=None,
        created=core.now_ms(),
    )


def question(core: Core, gathered: Gathered, trace_id: str, shown: Mapping[str, JSON], now: int) -> Approval:
    """A new question about a gathered call, as the policy words it."""
    approvers = gathered.policy.tools[gathered.call.tool].approvers
    if approvers is None:  # decided against where the facts were completed
        raise AssertionError("a question that nobody may answer")
    return Approval(
        id=f"apr_{core.new_id()}",
        trace_id=trace_id,
        thread=gathered.thread.id,
        tenant=gathered.thread.subject.tenant,
        requester=gathered.thread.subject.id,
        tool=gathered.call.tool,
        digest=gathered.digest,
        roles=tuple(approvers.roles),
        not_requester=approvers.not_requester,
        shown=shown,
        created=now,
        expires=now + int(parse_duration(approvers.expires).total_seconds() * 1000),
    )


def _change(core: Core, gathered: Gathered, vault: ThreadVault) -> dict[str, JSON]:
    """What the call would change, by the tool's dry run; empty where nobody will be asked. Reads the CRM, so no
    transaction is open, and only for a call that would be put before a person if it were decided now.
    """
    tool, rule = gathered.tool, gathered.policy.tools.get(gathered.call.tool)
    if tool is None or tool.dry_run is None or rule is None or rule.approvers is None:
        return {}
    with core.store.read() as connection:
        _, decision = core.decide(gathered, connection)
    predicted = dry_run(gathered, core.resources) if decision.outcome == "require_approval" else None
    if predicted is None:
        return {}
    before = gathered.descriptions.get(tool.changes) if tool.changes else None
    source = "dry run"
    return diff(snapshot(before, core.masker, vault, source), snapshot(predicted, core.masker, vault, source))


def shown_of(gathered: Gathered, change: Mapping[str, JSON]) -> dict[str, JSON]:
    """What a human is shown; pseudonyms only."""
    tool, facts = gathered.tool, gathered.facts
    shown: dict[str, JSON] = {
        "tool": gathered.call.tool,
        "effect": tool.effect if tool else None,
        "args": dict(gathered.arguments.masked),
        "args_schema": dict(tool.args_schema) if tool else {},
        "reason": gathered.call.reason,
        "requested_by": facts.subject,
        "records": [
            {"argument": name, "ref": record.ref, "name": record.name, "version": record.version}
            for name, record in facts.records.items()
        ],
        "diff": dict(change),
        "provenance": [{"argument": name, "origins": list(found)} for name, found in facts.origins.items()],
    }
    return shown | {"description": markdown(shown)}


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
