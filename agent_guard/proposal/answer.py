"""A human's answer: who may give it, and what it does, recorded once before anything runs on it (laws L2, L6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from agent_guard import approvals, calls, suggestions, threads
from agent_guard.approvals import ANSWERS, Answer, Approval
from agent_guard.audit import AuditEvent
from agent_guard.calls import CallRow
from agent_guard.core import Core
from agent_guard.databases.locks import CROWDED, chain_lock
from agent_guard.errors import ApprovalError, StoreError
from agent_guard.gathering.arguments import screen
from agent_guard.gathering.gather import Gathered
from agent_guard.proposal.answerer import elsewhere, may_not, person_of, words_of
from agent_guard.proposal.form import typed
from agent_guard.proposal.propose import new_row
from agent_guard.proposal.pseudonymise import MINT_TRIES, masked_args, minting
from agent_guard.proposal.shown import question, shown_of, suggestion
from agent_guard.proposal.viewing import must_look
from agent_guard.recording.events import decided, error_json, event
from agent_guard.threads import ThreadRow
from agent_guard.types import JSON, Code, Decision, Subject, ToolCall
from agent_guard.vault import ThreadVault

__all__ = ["Answered", "answer", "edited_call", "preview"]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An answer that was recorded.

    Args:
        approval: the question with its answer.
        call: after an edit: the new call, decided already; propose it to learn how.
    """

    approval: Approval
    word: Answer
    call: ToolCall | None = None


def answer(
    core: Core,
    approval_id: str,
    word: Answer,
    *,
    by: Subject,
    args: Mapping[str, JSON] | None,
    message: str | None,
    taken: bool = False,
) -> Answered:
    """Records one answer. The same answer by the same person again is the same answer.

    An edit is a new call of the same tool: it is decided again, and where the decision asks for a human the editor's
    answer stands for it, unless the record changed since the editor saw it.

    Args:
        by: the person who answers, authenticated by the host. With a directory its roles count, not these.
        args: with ``edit``: the new arguments, raw or masked; text where the contract takes none is read as JSON.
        message: masked before it is stored.
        taken: the caller itself lets the thread go on; else a worker does.

    Raises:
        ApprovalError: unknown, expired, used or replaced question, a person who may not answer, or an answer that
            cannot be read. Nothing is recorded but the refusal.
        StoreError: the database cannot be used; nothing is recorded.
    """
    approval = core.approvals.get(approval_id)
    if approval is None or approval.tenant != by.tenant:
        raise ApprovalError(f"there is no approval {approval_id!r}", code=Code.APPROVAL_UNKNOWN)
    if word not in ANSWERS:
        raise ApprovalError(f"{word!r} is no answer; give one of {', '.join(ANSWERS)}", code=Code.ANSWER_UNREADABLE)
    if message is not None and not isinstance(message, str):
        raise ApprovalError("the message of an answer is a text", code=Code.ANSWER_UNREADABLE)
    if word == "edit":
        if args is None:
            raise ApprovalError("an edit needs the new 'args'", code=Code.ANSWER_UNREADABLE)
        args = _typed(core, approval, args)
    person = person_of(core, by)
    for left in reversed(range(MINT_TRIES)):
        try:
            return _answered(core, approval, word, by=by, person=person, args=args, message=message, taken=taken)
        except IntegrityError:  # another process minted the same pseudonym; nothing was recorded
            if not left:
                raise StoreError(CROWDED) from None
    raise AssertionError("unreachable")


def _answered(
    core: Core,
    approval: Approval,
    word: Answer,
    *,
    by: Subject,
    person: Subject | None,
    args: Mapping[str, JSON] | None,
    message: str | None,
    taken: bool,
) -> Answered:
    thread = core.thread_row(approval.thread)
    masked, given = None, None
    if (message or word == "edit") and elsewhere(core, approval) is None and _may_not(approval, by, person) is None:
        masked, given = minting(
            core,
            thread,
            lambda vault: (
                words_of(core, message, vault, approval.id) if message else None,
                masked_args(core, approval.tool, args, vault, "untrusted")
                if word == "edit" and args is not None
                else None,
            ),
        )
    vault = core.vault.of(thread)
    edited = None if given is None else _edited(core, thread, approval, given, vault)
    asked: Approval | None = None
    with core.store.write(durable=True, locks=[chain_lock(thread.id)]) as connection:
        approval = approvals.find(connection, approval.id) or approval
        row = calls.by_id(connection, approval.trace_id)
        refusal = (
            elsewhere(core, approval)
            or _refusal(core, approval, row, word, by, person, edited)
            or _unseen(core, connection, approval, thread, word, by)
        )
        now = core.now_ms()
        if refusal is not None:
            if refusal.code is Code.APPROVAL_EXPIRED and row is not None and row.state == "pending":
                calls.move(connection, row, "expired", code=Code.APPROVAL_EXPIRED)
                threads.set_replaced(connection, approval.thread, True)  # others may still answer it, without its id
            core.audit.append(connection, [_event("refused", core, approval, by, refusal.code)], now_ms=now)
        elif approval.answer is None and row is not None:
            asked = _record(
                connection, core, approval, row, word,
                by=by, person=person, message=masked, edited=edited, vault=vault, taken=taken,
            )  # fmt: skip
            threads.set_replaced(connection, approval.thread, False)
            approval = approvals.find(connection, approval.id) or approval
        elif taken and approval.resumed is None:
            approvals.resumed(connection, approval.thread, now_ms=now)
    if refusal is not None:
        raise refusal
    if asked is not None:
        core.notices.asked(asked)
    return Answered(approval=approval, word=word, call=edited_call(approval))


def preview(core: Core, approval: Approval, args: Mapping[str, JSON]) -> Decision:
    """What would be decided of an edit; nothing is recorded, and no pseudonym is kept.

    Args:
        args: the new arguments, raw or masked.

    Raises:
        ApprovalError: they cannot be read.
        StoreError: the database cannot be read.
    """
    args = _typed(core, approval, args)
    thread = core.thread_row(approval.thread)
    vault = core.vault.of(thread)
    masked = masked_args(core, approval.tool, args, vault, "untrusted")
    gathered = _edited(core, thread, approval, masked, vault)
    with core.store.read() as connection:
        return core.decide(gathered, connection)[1]


def _typed(core: Core, approval: Approval, args: Mapping[str, JSON]) -> dict[str, JSON]:
    """Edited arguments as data of sane size, the text of a form read as what it stands for."""
    unread = "the edited 'args' cannot be read as JSON data of this size"
    if screen(args) is not None:
        raise ApprovalError(unread, code=Code.ANSWER_UNREADABLE)
    before = approval.shown.get("args")
    read = typed(core.tools.get(approval.tool), args, before if isinstance(before, Mapping) else {})
    if screen(read) is not None:  # what stands in a text may be deeper than the text
        raise ApprovalError(unread, code=Code.ANSWER_UNREADABLE)
    return read


def edited_call(approval: Approval) -> ToolCall | None:
    """The call that an edit made of the one that was asked about, or None."""
    if approval.edited_call is None:
        return None
    return ToolCall(
        id=str(approval.edited_call["id"]),
        tool=approval.tool,
        args=approval.edited_call["args"],
        thread=approval.thread,
        reason=f"Edited by {approval.answered_by}.",
    )


def _edited(
    core: Core, thread: ThreadRow, approval: Approval, args: Mapping[str, JSON], vault: ThreadVault
) -> Gathered:
    with core.store.read() as connection:
        row = calls.by_id(connection, approval.trace_id)
    call = ToolCall(
        id=f"{row.call_id if row else approval.trace_id}~{approval.id[-6:].lower()}",
        tool=approval.tool,
        args=args,
        thread=approval.thread,
    )
    return core.gather(thread, call, vault)


def _refusal(
    core: Core,
    approval: Approval,
    row: CallRow | None,
    word: Answer,
    by: Subject,
    person: Subject | None,
    edited: Gathered | None,
) -> ApprovalError | None:
    refusal = _may_not(approval, by, person)
    if refusal is not None:
        return refusal
    if approval.answer is not None:
        other = edited is not None and _new(edited) != approval.edited_call
        if (approval.answer, approval.answered_by) == (word, by.id) and not other:
            return None
        return ApprovalError(
            f"{approval.id} was answered already: {approval.answer} by {approval.answered_by}",
            code=Code.APPROVAL_USED,
        )
    if row is None or row.state != "pending" or approval.expires <= core.now_ms():
        return ApprovalError(f"{approval.id} has expired or was replaced", code=Code.APPROVAL_EXPIRED)
    return None


def _unseen(
    core: Core, connection: sa.Connection, approval: Approval, thread: ThreadRow, word: Answer, by: Subject
) -> ApprovalError | None:
    """Why this person may not approve yet: the policy wants them to see the values first."""
    if approval.answer is not None or word not in ("approve", "edit"):
        return None
    if not must_look(connection, approval, core.policy_of(thread.scenario), by):
        return None
    return ApprovalError(
        f"the policy wants {by.id} to see the values of {approval.id} before approving it: "
        f"agent-guard approvals review {approval.id}, key v; or Gateway.reveal",
        code=Code.APPROVAL_UNSEEN,
    )


def _may_not(approval: Approval, by: Subject, person: Subject | None) -> ApprovalError | None:
    """Why this person may not answer this question, or None."""
    requester = approval.requester if approval.not_requester else None
    return may_not(by, person, roles=approval.roles, requester=requester)


def _record(
    connection: sa.Connection,
    core: Core,
    approval: Approval,
    row: CallRow,
    word: Answer,
    *,
    by: Subject,
    person: Subject | None,
    message: str | None,
    edited: Gathered | None,
    vault: ThreadVault,
    taken: bool,
) -> Approval | None:
    """Records an answer; returns the new question where an edit has to be asked about again."""
    now, asked = core.now_ms(), None
    new = _new(edited) if edited else None
    approvals.answer(connection, approval.id, word, by=by.id, now_ms=now, message=message, edited_call=new, taken=taken)
    events = [_event("edited" if word == "edit" else "answered", core, approval, by, None, word, message)]
    match word:
        case "approve":
            calls.move(connection, row, "approved", code=Code.APPROVAL_REQUIRED)
        case "reject" | "respond":
            calls.move(connection, row, "rejected", code=Code.REJECTED)
        case "edit":
            calls.move(connection, row, "rejected", code=Code.EDITED)
            if edited is not None:
                more, asked = _decide_edited(connection, core, approval, row, edited, by, person, vault)
                events += more
        case _:
            assert_never(word)
    core.audit.append(connection, events, now_ms=now)
    return asked


def _new(edited: Gathered) -> dict[str, JSON]:
    return {"id": edited.call.id, "args": dict(edited.call.args)}


def _decide_edited(
    connection: sa.Connection,
    core: Core,
    approval: Approval,
    old: CallRow,
    edited: Gathered,
    by: Subject,
    person: Subject | None,
    vault: ThreadVault,
) -> tuple[list[AuditEvent], Approval | None]:
    trace_id, now, asked = core.new_id(), core.now_ms(), None
    facts, decision = core.decide(edited, connection)
    if decision.outcome == "deny":
        facts = facts.without_names()
    else:  # a record that may not be seen leaves no pseudonym that a model could use
        vault.flush(connection)
    events = decided(edited, trace_id, facts, decision, approver=by.id)
    step = facts.plan.step if facts.plan is not None and decision.outcome != "deny" else None
    trail = core.trail(connection, edited.thread)
    row = new_row(core, edited, trace_id, decision, step=step, plan=trail.plan_n)
    if decision.outcome == "require_approval":
        shown = shown_of(edited, facts) | {"edited_from": approval.id}
        asked = question(core, edited, trace_id, shown, now, said=trail.said)
        # the policy may have changed since: who may answer is asked of the new question; a text that other arguments
        # make nobody has read
        if facts.record_version == old.record_version and not edited.text and _may_not(asked, by, person) is None:
            # answered before anybody could wait for it
            asked = replace(asked, answer="approve", answered_by=by.id, answered=now, resumed=now)
            row = replace(row, state="approved")
        row = replace(row, approval_id=asked.id)
        approvals.insert(connection, asked)
        events.append(
            event("asked", edited, trace_id, facts, approval_id=asked.id)
            if asked.answer is None
            else event("answered", edited, trace_id, facts, approval_id=asked.id, approver=by.id, note="approve")
        )
    calls.insert(connection, row)
    if decision.outcome == "suggest":  # the policy became stricter while the question waited
        suggestions.insert(connection, suggestion(edited, facts, row, shown_of(edited, facts)))
    return events, asked if asked is not None and asked.answer is None else None


def _event(
    kind: str,
    core: Core,
    approval: Approval,
    by: Subject,
    code: str | None,
    word: str | None = None,
    message: str | None = None,
) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        timestamp=core.now().isoformat(timespec="milliseconds"),
        thread=approval.thread,
        tenant=approval.tenant,
        trace_id=approval.trace_id,
        environment=core.environment,
        agent=core.agent,
        tool=approval.tool,
        digest=approval.digest,
        approval_id=approval.id,
        approver=by.id,
        reason=message,
        error=error_json(Code(code)) if code else None,
        note=word,
    )
