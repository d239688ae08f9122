"""``propose``: look at a call, decide it, and store it with its events and its question in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from agent_guard.gathering.preview import diff, dry_run, markdown, snapshot
from agent_guard.gathering.recall import places
from agent_guard.policy import Policy
from agent_guard.proposal.taking import Taken, claim_locks, is_flushed, leased
from agent_guard.provenance import shown_values
from agent_guard.recording.events import decided, error_json, event
from agent_guard.suggestions import Suggestion
from agent_guard.threads import ThreadRow
from agent_guard.types import JSON, Code, Decision, Outcome, ToolCall
from agent_guard.units import parse_duration
from agent_guard.vault import ThreadVault

__all__ = [
    "STATE_OF",
    "Preview",
    "Proposal",
    "cancel",
    "new_row",
    "propose",
    "question",
    "shown_of",
    "suggestion",
]

STATE_OF: Mapping[Outcome, State] = {
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


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a human will be shown besides the call: what it would change, and the calls of the same plan that an
    approval of it holds for as well.
    """

    change: Mapping[str, JSON] = field(default_factory=dict)
    covered: tuple[tuple[Gathered, Facts, Mapping[str, JSON]], ...] = ()


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
        preview = _preview(core, gathered, vault, along)
        locks = claim_locks(gathered) if claiming else [chain_lock(thread.id)]
        try:
            with core.store.write(locks=locks, durable=claiming and is_flushed(gathered)) as connection:
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
    approval, taking = None, {f"attempts|{gathered.thread.id}": 1}
    if claiming and decision.outcome == "allow":
        row = leased(core, gathered, row)
        events.append(event("started", gathered, trace_id, facts))
        taking |= places(gathered)
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
        state=STATE_OF[decision.outcome],
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


def question(
    core: Core, gathered: Gathered, trace_id: str, shown: Mapping[str, JSON], now: int, *, said: int
) -> Approval:
    """A new question about a gathered call, as the policy words it.

    Args:
        said: the place in the trail of the subject's newest words.
    """
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
        said=said,
    )


_NOT_JUDGED = ("args_schema", "description")
"""Of what an approver is shown: what nobody edits, and the same once more as Markdown."""


def suggestion(gathered: Gathered, facts: Facts, row: CallRow, shown: Mapping[str, JSON]) -> Suggestion:
    """A new suggestion of a gathered call, for whoever judges it."""
    tool, policy = gathered.tool, gathered.policy
    if tool is None:  # denied long before
        raise AssertionError("a suggestion of no tool")
    return Suggestion(
        trace_id=row.trace_id,
        thread=row.thread,
        tenant=row.tenant,
        scenario=gathered.thread.scenario,
        environment=facts.environment,
        requester=gathered.thread.subject.id,
        tool=row.tool,
        tool_version=tool.version,
        policy_hash=policy.hash,
        rule_hash=policy.hash_of(row.tool),
        digest=row.digest,
        shown={name: item for name, item in shown.items() if name not in _NOT_JUDGED},
        created=row.created,
    )


def _preview(core: Core, gathered: Gathered, vault: ThreadVault, along: Sequence[ToolCall]) -> Preview:
    """Empty where nobody will be asked or judge. Reads the CRM, so no transaction is open, and only for a call that
    would be put before a person if it were decided now.
    """
    tool, rule = gathered.tool, gathered.policy.tools.get(gathered.call.tool)
    if tool is None or rule is None or not (tool.dry_run or along):
        return Preview()
    suggested = rule.mode_in(core.environment) == "suggest" or bool(core.extra_guards)
    if rule.approvers is None and not suggested:
        return Preview()
    with core.store.read() as connection:
        facts, decision = core.decide(gathered, connection)
    if decision.outcome == "suggest":
        return Preview(change=_change(core, gathered, vault))
    if decision.outcome != "require_approval":
        return Preview()
    planned = facts.plan is not None and facts.plan.step is not None
    covered = tuple(_covered(core, gathered, vault, along)) if planned else ()
    return Preview(change=_change(core, gathered, vault), covered=covered)


def _change(core: Core, gathered: Gathered, vault: ThreadVault) -> dict[str, JSON]:
    """What a call would change, by the tool's dry run; empty where it has none, or it fails."""
    tool = gathered.tool
    predicted = dry_run(gathered, core.resources, core.secrets())
    if tool is None or predicted is None:
        return {}
    before = gathered.descriptions.get(tool.changes) if tool.changes else None
    source = "dry run"
    return diff(snapshot(before, core.masker, vault, source), snapshot(predicted, core.masker, vault, source))


def _covered(
    core: Core, asked: Gathered, vault: ThreadVault, along: Sequence[ToolCall]
) -> Iterator[tuple[Gathered, Facts, Mapping[str, JSON]]]:
    """The calls of the same message that are planned, would be asked about, and may be answered by the same people."""
    approvers = asked.policy.tools[asked.call.tool].approvers
    for call in along:
        if call.problem is not None or call.id == asked.call.id:
            continue
        gathered = core.gather(asked.thread, call, vault)
        rule = gathered.policy.tools.get(call.tool)
        if rule is None or rule.approvers != approvers:
            continue
        with core.store.read() as connection:
            facts, decision = core.decide(gathered, connection)
        if decision.outcome == "require_approval" and facts.plan is not None and facts.plan.step is not None:
            yield gathered, facts, _change(core, gathered, vault)


def shown_of(gathered: Gathered, facts: Facts, preview: Preview | None = None) -> dict[str, JSON]:
    """What a human is shown; pseudonyms only."""
    preview = preview or Preview()
    shown = _one(gathered, facts) | {
        "args_schema": dict(gathered.tool.args_schema) if gathered.tool else {},
        "reason": gathered.call.reason,
        "requested_by": facts.subject,
        "diff": dict(preview.change),
        "also": [_one(other, found) | {"diff": dict(change)} for other, found, change in preview.covered],
    }
    return shown | {"description": markdown(shown)}


def _one(gathered: Gathered, facts: Facts) -> dict[str, JSON]:
    """One call as it is shown: what, on which records, where its values come from, what the plan left open."""
    return {
        "tool": gathered.call.tool,
        "effect": gathered.tool.effect if gathered.tool else None,
        "args": dict(gathered.arguments.masked),
        "text": dict(gathered.text),
        "records": [
            {"argument": name, "ref": record.ref, "name": record.name, "version": record.version}
            for name, record in facts.records.items()
        ],
        "provenance": [{"argument": name, "origins": list(found)} for name, found in facts.origins.items()],
        "values": shown_values(facts.values),
        "open": [{"argument": item.argument, "why": item.kind} for item in (facts.plan.open if facts.plan else ())],
    }


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
