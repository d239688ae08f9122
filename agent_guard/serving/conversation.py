"""A thread as one caller may use it: whose it is, what is said in it, and how its questions are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_guard import calls
from agent_guard.approvals import Approval
from agent_guard.errors import ApprovalError, PendingApproval, UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.graph.interrupts import Unreadable, parse
from agent_guard.guarded import GuardedThread
from agent_guard.serving.identity import Caller
from agent_guard.serving.opening import Receive
from agent_guard.serving.refused import Refused
from agent_guard.session import origin_of, reader_of
from agent_guard.types import Code, Origin
from agent_guard.work import turns

__all__ = ["Conversation"]

NO_QUESTION = "no question of this thread waits for an answer"

_NODES = 12
"""Most nodes that a model's turn passes through in a graph that is served."""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A stored thread and who calls."""

    gateway: Gateway
    thread: GuardedThread
    caller: Caller

    @classmethod
    def find(cls, gateway: Gateway, thread_id: str, caller: Caller) -> Conversation | None:
        """The conversation of this id, or None where nobody opened it.

        Raises:
            Refused: it is another tenant's; the same words as of one that there is not.
            StoreError: the database cannot be read.
        """
        try:
            thread = gateway.thread(thread_id)
        except UnknownThread:
            return None
        if thread.subject.tenant != caller.subject.tenant:
            raise Refused(404, "thread_unknown", "there is no such thread")
        return cls(gateway=gateway, thread=thread, caller=caller)

    @classmethod
    def open(
        cls, gateway: Gateway, thread_id: str, caller: Caller, receive: Receive, graph: str, about: Mapping[str, str],
        texts: Sequence[str],
    ) -> Conversation:  # fmt: skip
        """The conversation of this id, opened now.

        Raises:
            Refused: the host does not receive it, or receives it for another tenant.
            ConfigError: no policy for its scenario, or somebody else opened it in this moment.
            StoreError: the database cannot be used.
        """
        new = receive(caller, graph, about, "\n".join(texts))
        if new.subject.tenant != caller.subject.tenant:
            raise Refused(404, "about_unknown", "there is no such record")
        scope = None if new.scope is None else set(new.scope)
        thread = gateway.open(new.subject, thread_id=thread_id, scenario=new.scenario, party=new.party, scope=scope)
        return cls(gateway=gateway, thread=thread, caller=caller)

    @property
    def owns(self) -> bool:
        """Whether the caller may speak in it: as its subject, or as a channel that brings the words of others."""
        return self.caller.speaker != "user" or self.caller.subject.id == self.thread.subject.id

    @property
    def reader(self) -> Origin | None:
        """Whose values are put back for the caller; None where it reads pseudonyms."""
        return reader_of(self.caller.speaker) if self.owns else None

    @property
    def steps_most(self) -> int:
        """How many steps of LangGraph one run may take."""
        limits = self.thread.policy.limits
        return 4 * limits.attempts_per_thread + _NODES * limits.steps_per_thread + 20

    def check(self, graph: str) -> None:
        """Holds a run against the thread it wants to go on with.

        Raises:
            Refused: it is of another graph.
        """
        mine = self.thread.row.graph
        if mine not in (None, graph):
            raise Refused(409, "other_graph", f"this thread is of the graph {mine}")

    def hear(self, texts: Sequence[str]) -> dict[str, Any]:
        """New messages as the server may store them: masked, marked as ours.

        Raises:
            Refused: the thread is somebody else's.
            PendingApproval: it waits for an answer, or for one to be carried out.
            ErasedThread, TextTooLong, StoreError: as :meth:`GuardedThread.hear`.
        """
        if not self.owns:
            raise Refused(403, "other_subject", "only its own user speaks in this thread")
        self._make_way()
        speaker, origin, messages = self.caller.speaker, origin_of(self.caller.speaker), []
        for text in texts:
            masked, id_ = self.thread.hear(text, origin=origin)
            kwargs = {"speaker": speaker}
            messages.append({"type": "human", "content": masked, "id": id_, "additional_kwargs": kwargs})
        return {"messages": messages}

    def answer(self, value: Any) -> dict[str, str]:
        """Records an answer before the server stores anything of it; returns what the graph is resumed with.

        An answer that only names its approval was recorded before, by anybody: it lets the thread go on.

        Raises:
            ApprovalError: unknown, expired, used or replaced, unreadable, or a person who may not answer.
            StoreError: the database cannot be used; the answer is recorded or it is not, and may be given again.
        """
        waiting = turns.standing(self.gateway, self.thread.id).waiting
        try:
            parsed = parse(value, tool=waiting.tool if waiting else "")
        except Unreadable as error:
            if waiting is None:
                raise Refused(409, "no_question", NO_QUESTION) from None
            raise ApprovalError(str(error), code=Code.ANSWER_UNREADABLE) from None
        approval = waiting if parsed.approval_id is None else self._named(parsed.approval_id)
        if approval is None:
            raise Refused(409, "no_question", NO_QUESTION)
        if parsed.word is None:
            if not turns.ended(self.gateway, approval):
                raise ApprovalError(f"{approval.id} has no answer yet", code=Code.ANSWER_UNREADABLE)
        elif approval.answer is not None:
            words = f"{approval.id} was answered already: {approval.answer} by {approval.answered_by}"
            raise ApprovalError(words, code=Code.APPROVAL_USED)
        elif parsed.approval_id is None and self.gateway.thread_row(self.thread.id, fresh=True).replaced:
            words = "an earlier question of this thread was replaced; name the approval_id you answer"
            raise ApprovalError(words, code=Code.ANSWER_UNREADABLE)
        else:
            by = self.caller.subject
            self.gateway.answer(approval.id, parsed.word, by=by, args=parsed.args, message=parsed.message, taken=True)
        return {"approval_id": approval.id}

    # ---- parts

    def _named(self, id_: str) -> Approval:
        approval = self.gateway.approvals.get(id_)
        if approval is None or approval.thread != self.thread.id:
            raise ApprovalError("this thread has no such question", code=Code.APPROVAL_UNKNOWN)
        return approval

    def _make_way(self) -> None:
        """Sees to it that a message finds its thread where the model left it."""
        now = turns.standing(self.gateway, self.thread.id)
        if now.waiting is not None:
            raise PendingApproval(f"the thread waits for an answer to {now.waiting.id}; answer it first")
        with self.gateway.store.read() as connection:
            approved = [row for row in calls.unfinished(connection, self.thread.id) if row.state == "approved"]
        if approved:
            words = f"{{'resume': {{'approval_id': '{approved[0].approval_id}'}}}}"
            raise PendingApproval(f"an answer was recorded and is not carried out yet; send the command {words} first")
        if now.expired and not turns.give_way(self.gateway, self.thread.id):
            raise PendingApproval("the thread is just going on after an answer; say it again soon")
