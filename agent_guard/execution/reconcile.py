"""What became of a call whose outcome nobody knows: the system of record is asked by its key, or a person says (L5).

    unknown -> done     it is there: settled as any call, with what can be read of it now
            -> failed   it is not there and can no longer come: its key is free, and it may be proposed again

Nothing is ever repeated here. Whatever does not answer leaves the call unknown, and then a person must look. The places
that the call took in the limits stay taken. A change's "before" died with the process that ran the call: where it is
found, the record is shown whole as it is now.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, replace
from typing import Literal, get_args

from sqlalchemy.exc import IntegrityError

from agent_guard import calls
from agent_guard.audit import AuditEvent
from agent_guard.calls import CallRow
from agent_guard.core import Core
from agent_guard.databases.locks import chain_lock
from agent_guard.errors import ApprovalError, StoreError, UnknownCall
from agent_guard.execution.attempt import Outcome, verified, word_of
from agent_guard.execution.claim import abandon, ended, is_running, result_of
from agent_guard.execution.settle import Reconciled, settle_once
from agent_guard.gathering.arguments import DERIVED, read, strings
from agent_guard.gathering.gather import Gathered
from agent_guard.operations.scopes import agent_flags
from agent_guard.proposal.answerer import ANONYMOUS, may_not, person_of, words_of
from agent_guard.proposal.pseudonymise import MINT_TRIES, minting
from agent_guard.recording.events import error_json
from agent_guard.runtime.run import look_up
from agent_guard.runtime.waits import Waits
from agent_guard.types import Code, Description, Ref, Subject, ToolCall, ToolResult
from agent_guard.vault import ThreadVault

__all__ = ["Word", "reconciling", "resolve"]

Word = Literal["done", "failed"]
"""What a person can say of a call: it happened, or it did not."""

_REFERENCE = re.compile(r"([a-z][a-z0-9_]{0,39}):(\S{1,150})")

log = logging.getLogger("agent_guard")


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One call as it is stored, read again by its contract; nobody decides on it."""

    row: CallRow
    gathered: Gathered
    vault: ThreadVault


def reconciling(core: Core, trace_id: str) -> Waits[ToolResult]:
    """Asks the system of record what became of a call, and settles it; yields where the look-up runs.

    A claim whose lease is over becomes unknown first. A call that was settled before is answered from its row, and one
    that may still be under way as ``in_progress``. A look-up changes nothing, so a pressed button does not stop it,
    unless it is the agent's own: then its keys are not used.

    Returns:
        ``executed``, or ``failed`` with the code ``not_executed``, where it is settled now; ``unknown`` where the tool
        has no ``lookup``, the answer is not sure, or the call was made in another environment, with a sentence that
        says why.

    Raises:
        UnknownCall: no call has this trace.
        StoreError: the database cannot be used; the call stays as it is.
        ConfigError: the gateway has no policy for the call's scenario any more.
    """
    case = _case(core, trace_id)
    row = _unknown(core, case)
    if row is None:
        return _answered(core, case)
    made = _made_elsewhere(core, row)
    if made is not None:
        return result_of(case.gathered.call, "unknown", row.code, f"It was {made}.", trace_id=row.trace_id)
    case = replace(case, row=row)
    outcome = yield from _looked_up(core, case)
    if isinstance(outcome, str):
        log.warning("call %s stays unknown: %s", row.trace_id, outcome)
        words = f"Nobody knows whether it happened: {outcome}. A person must look."
        return result_of(case.gathered.call, "unknown", row.code, words, trace_id=row.trace_id)
    try:
        return _settled(core, case, outcome, Reconciled()) or _answered(core, case)
    except StoreError:
        raise
    except Exception as error:  # an answer that cannot be written down settles nothing; its words may hold values
        log.error("call %s: what was found cannot be recorded: %s", row.trace_id, type(error).__name__)  # noqa: TRY400
        words = "Nobody knows whether it happened: what was found cannot be recorded. A person must look."
        return result_of(case.gathered.call, "unknown", row.code, words, trace_id=row.trace_id)


def resolve(
    core: Core, trace_id: str, word: Word, *, by: Subject, reason: str, reference: str | None = None
) -> ToolResult:
    """Records what a person found out about a call whose outcome nobody knows.

    Args:
        word: ``done`` or ``failed``.
        by: the person, authenticated by the host: of the call's tenant, with a role among the policy's approvers of the
            tool, and not the requester where the policy wants another person. With a directory its roles count.
        reason: how the person knows; masked before it is stored.
        reference: with ``done``: the record that the call made or changed, ``kind:id``. It must exist, and be the
            thread's customer's, where there is a system of record to ask.

    Raises:
        UnknownCall: no call of the person's tenant has this trace.
        ApprovalError: it was refused; ``code`` says why. The call stays as it is; that somebody without the right tried
            is in the record.
        StoreError: the database cannot be used; nothing is recorded.
        ConfigError: the gateway has no policy for the call's scenario any more.
    """
    if word not in get_args(Word):
        raise ApprovalError(f"{word!r} is no answer; give done or failed", code=Code.ANSWER_UNREADABLE)
    if not isinstance(reason, str) or not reason.strip():
        raise ApprovalError("a reason is missing: say how you know", code=Code.REASON_MISSING)
    case = _case(core, trace_id, tenant=by.tenant)
    refusal = _refused(core, case, by)
    if refusal is not None:
        with core.store.write(locks=[chain_lock(case.row.thread)]) as connection:
            core.audit.append(connection, [_refusal_event(core, case, by, refusal)], now_ms=core.now_ms())
        raise refusal
    ref, found = _record_named(core, case, word, reference)
    row = _unknown(core, case)
    if row is None:
        raise _not_open(core, case)
    if word == "failed" and _may_come(row, core.now_ms()):
        raise _running(row, core.now_ms())
    thread = case.gathered.thread
    masked = minting(core, thread, lambda vault: words_of(core, reason, vault, f"reconciled {row.trace_id}"))
    outcome = (
        Outcome(state="done", code=Code.ALLOWED, ref=ref, after=found, verified=found is not None)
        if word == "done"
        else Outcome(state="failed", code=Code.NOT_EXECUTED)
    )
    case = replace(case, row=row, vault=core.vault.of(thread))
    done = _settled(core, case, outcome, Reconciled(by=by.id, reason=masked))
    if done is None:
        raise ApprovalError(f"{row.trace_id} was settled by somebody else just now", code=Code.APPROVAL_USED)
    return done


def _case(core: Core, trace_id: str, *, tenant: str | None = None) -> _Case:
    with core.store.read() as connection:
        row = calls.by_id(connection, trace_id)
    if row is None or tenant not in (None, row.tenant):
        raise UnknownCall(f"there is no call {trace_id!r}; see: agent-guard calls list")
    thread = core.thread_row(row.thread)
    vault = core.vault.of(thread)
    call = ToolCall(id=row.call_id, tool=row.tool, args=row.args, thread=row.thread, reason=row.reason)
    gathered = core.gather(thread, call, vault)
    if gathered.tool is not None:
        # by the contract alone: what the policy forbids by now is no reason not to look
        gathered = replace(gathered, arguments=read(gathered.tool, None, row.args, vault.find))
    facts = replace(gathered.facts, record_version=row.record_version)
    # what a record is now is not what it was before the call
    gathered = replace(gathered, descriptions={}, key=row.key, facts=facts)
    return _Case(row=row, gathered=gathered, vault=vault)


def _unknown(core: Core, case: _Case) -> CallRow | None:
    """The call in state unknown, or None where it is in another. A claim whose lease is over becomes unknown here."""
    row = case.row
    if row.state == "claimed" and not is_running(core, row):
        with core.store.write(locks=[chain_lock(row.thread)]) as connection:
            row = calls.by_id(connection, row.trace_id) or row
            row = abandon(core, connection, case.gathered, row) if row.state == "claimed" else row
    return row if row.state == "unknown" else None


def _answered(core: Core, case: _Case) -> ToolResult:
    """What became of a call that is not to be settled, as whoever executes it again is told."""
    with core.store.write(locks=[chain_lock(case.row.thread)]) as connection:
        row = calls.by_id(connection, case.row.trace_id) or case.row
        if row.state in ("proposed", "approved"):
            words = "It has not run, so there is nothing to look up."
            return result_of(case.gathered.call, "denied", Code.NOT_EXECUTED, words, trace_id=row.trace_id)
        return ended(core, connection, case.gathered, row)


def _looked_up(core: Core, case: _Case) -> Waits[Outcome | str]:
    """What the system of record says became of the call, or why it is not known."""
    row, gathered = case.row, case.gathered
    tool, model = gathered.tool, gathered.arguments.model
    if tool is None or row.tool not in gathered.policy.tools:
        return "the gateway has no such tool any more"
    if not tool.writes:
        return Outcome(state="failed", code=Code.NOT_EXECUTED)  # a read leaves nothing behind
    if tool.lookup is None or row.key is None:
        return "the tool has no look-up"
    if model is None or any(DERIVED in text for text in strings(row.args)):
        return "its arguments cannot be read any more"
    own = agent_flags(core.environment, core.agent)
    if set(core.kill_switch.pressed(own)) & set(own):
        return f"the agent {core.agent} is switched off"
    began, asked_ms = time.monotonic(), core.now_ms()
    subject, secrets = gathered.thread.subject, core.secrets()
    try:
        result = yield from look_up(
            tool, model, core.resources, idempotency_key=row.key, subject=subject, secrets=secrets
        )
    except Exception as error:  # whatever it is, nobody knows more than before
        return f"the system of record cannot tell ({word_of(error)})"
    latency_ms = int((time.monotonic() - began) * 1000)
    if result is None and _may_come(row, asked_ms):
        return "there is nothing yet, and it may still come"
    if result is None:
        return Outcome(state="failed", code=Code.NOT_EXECUTED, latency_ms=latency_ms)
    outcome = verified(core, gathered, tool, model, result, latency_ms)
    return outcome if outcome.state == "done" else f"what was found is not right ({outcome.detail})"


def _may_come(row: CallRow, now_ms: int) -> bool:
    """Whether the request may still be under way: a run that was cut off ends with its claim's lease at the latest."""
    return row.lease is not None and now_ms <= row.lease


def _settled(core: Core, case: _Case, outcome: Outcome, reconciled: Reconciled) -> ToolResult | None:
    vault, gathered = case.vault, case.gathered
    for left in reversed(range(MINT_TRIES)):
        try:
            return settle_once(core, gathered, case.row, gathered.facts, outcome, vault, reconciled)
        except IntegrityError:  # another process minted the same pseudonym
            if not left:
                raise
            vault = core.vault.of(gathered.thread)
    raise AssertionError("unreachable")


def _made_elsewhere(core: Core, row: CallRow) -> str | None:
    """Where a call was made, if not in this environment: another environment's systems know nothing of it, and what
    they do not know would be done again. None where it was made here, or its events are not kept any more.
    """
    made = next((event.data["environment"] for event in core.audit.events(trace_id=row.trace_id)), core.environment)
    return None if made == core.environment else f"made in {made}, and this is {core.environment}; settle it there"


def _refused(core: Core, case: _Case, by: Subject) -> ApprovalError | None:
    """Why this person may not say what became of the call, or None."""
    made = _made_elsewhere(core, case.row)
    if made is not None:
        return ApprovalError(f"{case.row.trace_id} was {made}", code=Code.APPROVER_NOT_PERMITTED)
    tool = case.row.tool
    rule = case.gathered.policy.tools.get(tool)
    if rule is None or rule.approvers is None:
        words = f"the policy names nobody who may say what became of a call of {tool}; add 'approvers' to it"
        return ApprovalError(words, code=Code.APPROVER_UNKNOWN)
    if by.id == ANONYMOUS:
        return ApprovalError("nobody in particular cannot say what became of a call", code=Code.APPROVER_UNKNOWN)
    requester = case.gathered.thread.subject.id if rule.approvers.not_requester else None
    return may_not(by, person_of(core, by), roles=rule.approvers.roles, requester=requester)


def _record_named(core: Core, case: _Case, word: Word, reference: str | None) -> tuple[Ref | None, Description | None]:
    """The record that a person names, and what it is now. No message repeats its id: it may be somebody's address."""
    if reference is None:
        return None, None
    found = _REFERENCE.fullmatch(reference)
    if found is None or word != "done":
        words = "a reference is the record that a done call made or changed, written kind:id, e.g. task:9"
        raise ApprovalError(words, code=Code.ANSWER_UNREADABLE)
    ref, tool, thread = Ref(kind=found[1], id=found[2]), case.gathered.tool, case.gathered.thread
    kinds = sorted({*tool.result_refs.values(), *tool.refs.values()}) if tool else []
    if kinds and ref.kind not in kinds:
        words = f"{case.row.tool} makes and changes no {ref.kind}; it is about: {', '.join(kinds)}"
        raise ApprovalError(words, code=Code.RECORD_NOT_FOUND)
    if core.sources.records is None:
        return ref, None
    try:
        record = core.sources.records.describe(ref)
    except Exception as error:  # an adapter may fail in any way
        words = f"the system of record does not answer ({word_of(error)}); say so again later"
        raise ApprovalError(words, code=Code.TOOL_UNAVAILABLE) from None
    if record is None or record.tenant not in (None, thread.subject.tenant):
        raise ApprovalError(f"the system of record has no such {ref.kind}", code=Code.RECORD_NOT_FOUND)
    if thread.party is not None and record.party not in (None, thread.party):
        raise ApprovalError(f"this {ref.kind} is another customer's", code=Code.BINDING)
    return ref, record


def _not_open(core: Core, case: _Case) -> ApprovalError:
    with core.store.read() as connection:
        row = calls.by_id(connection, case.row.trace_id) or case.row
    if row.state == "claimed":
        return _running(row, core.now_ms())
    words = f"{row.trace_id} is {row.state}; only a call whose outcome is unknown is resolved"
    return ApprovalError(words, code=Code.APPROVAL_USED)


def _running(row: CallRow, now_ms: int) -> ApprovalError:
    seconds = max(0, (row.lease or now_ms) - now_ms) // 1000 + 1
    words = f"{row.trace_id} may still be under way; say so in {seconds} seconds"
    return ApprovalError(words, code=Code.IN_PROGRESS)


def _refusal_event(core: Core, case: _Case, by: Subject, refusal: ApprovalError) -> AuditEvent:
    row = case.row
    return AuditEvent(
        kind="refused",
        timestamp=core.now().isoformat(timespec="milliseconds"),
        thread=row.thread,
        tenant=row.tenant,
        trace_id=row.trace_id,
        environment=core.environment,
        agent=core.agent,
        tool=row.tool,
        digest=row.digest,
        approver=by.id,
        error=error_json(Code(refusal.code)),
        note="reconcile",
    )
