"""A question to a person from inside a graph: asked by an interrupt, its answer recorded, and what the answer says.

Every graph comes here: the nodes, the middleware and the tool node. There is one interrupt a run of a node, so that
running it again asks again and does nothing twice.
"""

from __future__ import annotations

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agent_guard.approvals import Approval
from agent_guard.errors import ApprovalError
from agent_guard.gateway import Gateway
from agent_guard.graph.approver import approver_of
from agent_guard.graph.interrupts import Parsed, Unreadable, parse, payload
from agent_guard.graph.state import GuardContext
from agent_guard.guarded import rejection
from agent_guard.proposal.answer import edited_call
from agent_guard.types import Code, ToolCall
from agent_guard.work import turns

__all__ = ["answer_of", "ask_a_person"]


def ask_a_person(
    gateway: Gateway,
    approval: Approval,
    context: GuardContext,
    runtime: Runtime[GuardContext],
    *,
    error: str | None,
    refused: str | None = None,
    anonymous: bool = False,
) -> str | None:
    """Asks, and records the answer. Returns what was wrong with it, or None where there is one now, or the question has
    expired.

    Args:
        context: what the host says of this run.
        runtime: its ``server_info`` names the person whom a server authenticated.
        error: what was wrong with the answer before, or None.
        refused: why this process takes no answer, whoever gives it, or None.
        anonymous: take answers of nobody in particular.

    Raises:
        GraphInterrupt: nobody has answered yet.
        StoreError: the database cannot be used; the answer is not recorded.
    """
    value = interrupt(payload(approval, allow_edit=context.masks_answers, error=error))
    if refused is not None:
        return refused
    try:
        parsed = parse(value, tool=approval.tool)
        _record(gateway, approval, parsed, context, runtime, anonymous=anonymous)
    except Unreadable as wrong:
        return str(wrong)
    except ApprovalError as wrong:
        if wrong.code not in (Code.APPROVAL_EXPIRED, Code.APPROVAL_USED):
            return str(wrong)
    return None


def answer_of(gateway: Gateway, approval: Approval) -> ToolCall | tuple[Code, str] | None:
    """What the recorded answer says, whoever brought it: the edited call, why nothing may run, or None where the call
    was approved as it is.

    Raises:
        StoreError: the database cannot be used.
    """
    stored = approval if approval.answer else gateway.approvals.get(approval.id) or approval
    turns.mark_resumed(gateway, stored)
    if stored.answer == "approve":
        return None
    edited = edited_call(stored)
    if edited is not None:
        return edited
    if stored.answer is None:
        return Code.APPROVAL_EXPIRED, "Nobody answered in time, or a newer message replaced it. It was not done."
    return rejection(gateway, stored)


def _record(
    gateway: Gateway,
    approval: Approval,
    parsed: Parsed,
    context: GuardContext,
    runtime: Runtime[GuardContext],
    *,
    anonymous: bool,
) -> None:
    """Records an answer that came through this door; one that only names its approval was recorded before."""
    if parsed.approval_id is not None and parsed.approval_id != approval.id:
        raise Unreadable(f"the question that waits is {approval.id}")
    if parsed.word is None:
        if not turns.ended(gateway, approval):
            raise Unreadable(f"{approval.id} has no answer yet")
        return
    if parsed.word == "edit" and not context.masks_answers:
        raise Unreadable("an edit is not accepted here: its values would be stored unmasked; use the Session")
    if parsed.approval_id is None and gateway.thread_row(approval.thread, fresh=True).replaced:
        raise Unreadable(
            "an earlier question of this thread was replaced, and the answer may have been meant for it; name the "
            f"approval_id you answer, or answer with: agent-guard approvals review {approval.id}"
        )
    user = runtime.server_info.user if runtime.server_info is not None else None
    by = approver_of(approval, user, context.approver, anonymous=anonymous)
    gateway.answer(approval.id, parsed.word, by=by, args=parsed.args, message=parsed.message, taken=True)
