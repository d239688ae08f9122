"""The values behind a question's pseudonyms, for the person who may answer it; who looked at what is recorded first."""

from __future__ import annotations

from collections.abc import Mapping

from agent_guard.approvals import Approval
from agent_guard.audit import AuditEvent
from agent_guard.core import Core
from agent_guard.databases.locks import chain_lock
from agent_guard.errors import ApprovalError
from agent_guard.proposal.answerer import elsewhere, may_not, person_of
from agent_guard.proposal.viewing import masked_in
from agent_guard.types import Code, Subject

__all__ = ["objection", "reveal"]


def objection(core: Core, approval: Approval, by: Subject) -> ApprovalError | None:
    """Why a person may not answer a question, and may not see its values either; None where they may.

    Raises:
        ApprovalError: the directory does not answer.
    """
    if approval.tenant != by.tenant:
        return ApprovalError(f"there is no approval {approval.id!r}", code=Code.APPROVAL_UNKNOWN)
    there = elsewhere(core, approval)
    if there is not None:
        return there
    requester = approval.requester if approval.not_requester else None
    return may_not(by, person_of(core, by), roles=approval.roles, requester=requester)


def reveal(core: Core, approval: Approval, *, by: Subject) -> Mapping[str, str]:
    """The values behind the pseudonyms of a question: pseudonym -> value. Raw: for the eyes of an authenticated person
    at a terminal or a console, and for nothing that is kept. A secret is shown to nobody.

    That the person saw them is in the record, on disk, before they are returned (``viewed``).

    Args:
        by: the authenticated person.

    Raises:
        ApprovalError: the person may not answer this question.
        StoreError: the database cannot be used; nothing is shown.
    """
    refusal = objection(core, approval, by)
    if refusal is not None:
        raise refusal
    vault = core.vault.of(core.thread_row(approval.thread))
    entries = [entry for token in masked_in(approval) if (entry := vault.find(token)) is not None]
    shown = {entry.token: entry.value for entry in entries if entry.type != "SECRET"}
    event = AuditEvent(
        kind="viewed",
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
        note=" ".join(shown),
    )
    with core.store.write(durable=True, locks=[chain_lock(approval.thread)]) as connection:
        core.audit.append(connection, [event], now_ms=core.now_ms())
    return shown
