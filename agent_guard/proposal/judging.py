"""What a person says of a suggestion: whether they would have approved it. Nothing runs on it, now or later."""

from __future__ import annotations

from agent_guard import suggestions
from agent_guard.audit import AuditEvent
from agent_guard.core import Core
from agent_guard.databases.locks import chain_lock
from agent_guard.errors import ApprovalError, UnknownCall
from agent_guard.proposal.answerer import ANONYMOUS, may_not, person_of, words_of
from agent_guard.proposal.pseudonymise import minting
from agent_guard.recording.events import error_json
from agent_guard.suggestions import VERDICTS, Suggestion, Verdict
from agent_guard.types import Code, Subject

__all__ = ["judge"]


def judge(core: Core, trace_id: str, verdict: Verdict, *, by: Subject, reason: str | None = None) -> Suggestion:
    """Records a verdict on a suggestion. The first one counts; the same of the same person again is the same verdict.

    Args:
        trace_id: of the suggestion's call.
        verdict: ``approve`` or ``reject``: what the person would have answered.
        by: the person, authenticated by the host: of the suggestion's tenant, with a role among the policy's approvers
            of the tool, and not the requester where the policy wants another person. With a directory its roles count.
        reason: needed with ``reject``; masked before it is stored.

    Returns:
        the suggestion with its verdict.

    Raises:
        UnknownCall: no suggestion of the person's tenant has this trace.
        ApprovalError: it was refused; ``code`` says why. The suggestion stays as it is; that somebody without the right
            tried is in the record.
        StoreError: the database cannot be used; nothing is recorded.
        ConfigError: the gateway has no policy for the call's scenario any more.
    """
    if verdict not in VERDICTS:
        words = f"{verdict!r} is no verdict; give {' or '.join(VERDICTS)}"
        raise ApprovalError(words, code=Code.ANSWER_UNREADABLE)
    reason = reason.strip() if isinstance(reason, str) else None
    if verdict == "reject" and not reason:
        raise ApprovalError("a reason is missing: say what is wrong with it", code=Code.REASON_MISSING)
    found = core.suggestions.get(trace_id)
    if found is None or found.tenant != by.tenant:
        raise _unknown(trace_id)
    refusal = _refused(core, found, by)
    if refusal is not None:
        with core.store.write(locks=[chain_lock(found.thread)]) as connection:
            core.audit.append(connection, [_event("refused", core, found, by, refusal)], now_ms=core.now_ms())
        raise refusal
    masked = None
    if reason and found.verdict is None:
        source = f"judged {trace_id}"
        masked = minting(core, core.thread_row(found.thread), lambda vault: words_of(core, reason, vault, source))
    with core.store.write(durable=True, locks=[chain_lock(found.thread)]) as connection:
        now = core.now_ms()
        if suggestions.judge(connection, trace_id, verdict, by=by.id, reason=masked, now_ms=now):
            event = _event("judged", core, found, by, note=verdict, reason=masked)
            core.audit.append(connection, [event], now_ms=now)
        found = suggestions.find(connection, trace_id)
    if found is None:  # its customer's data was erased meanwhile
        raise _unknown(trace_id)
    if (found.verdict, found.judged_by) != (verdict, by.id):
        words = f"{trace_id} was judged already: {found.verdict} by {found.judged_by}"
        raise ApprovalError(words, code=Code.APPROVAL_USED)
    return found


def _unknown(trace_id: str) -> UnknownCall:
    return UnknownCall(f"there is no suggestion {trace_id!r}; see: agent-guard suggestions list")


def _refused(core: Core, found: Suggestion, by: Subject) -> ApprovalError | None:
    """Why this person may not judge this suggestion here, or None."""
    if found.environment != core.environment:  # who somebody is may be pretended in dev
        words = f"it was made in {found.environment}, and this is {core.environment}; judge it there"
        return ApprovalError(words, code=Code.APPROVER_NOT_PERMITTED)
    if by.id == ANONYMOUS:
        return ApprovalError("nobody in particular cannot judge a suggestion", code=Code.APPROVER_UNKNOWN)
    rule = core.policy_of(found.scenario).tools.get(found.tool)
    if rule is None or rule.approvers is None:
        words = f"the policy names nobody who may judge suggestions of {found.tool}; add 'approvers' to it"
        return ApprovalError(words, code=Code.APPROVER_UNKNOWN)
    requester = found.requester if rule.approvers.not_requester else None
    return may_not(by, person_of(core, by), roles=rule.approvers.roles, requester=requester)


def _event(
    kind: str,
    core: Core,
    found: Suggestion,
    by: Subject,
    refusal: ApprovalError | None = None,
    *,
    note: str = "judge",
    reason: str | None = None,
) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        timestamp=core.now().isoformat(timespec="milliseconds"),
        thread=found.thread,
        tenant=found.tenant,
        trace_id=found.trace_id,
        scenario=found.scenario,
        environment=core.environment,
        agent=core.agent,
        tool=found.tool,
        tool_version=found.tool_version,
        digest=found.digest,
        approver=by.id,
        reason=reason,
        error=error_json(Code(refusal.code)) if refusal else None,
        note=note,
    )
