"""A conversation through a graph: masked before LangGraph sees it, resumed by approval, restored for its reader."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from agent_guard.approvals import Answer, Approval
from agent_guard.errors import ConfigError, PendingApproval, StoreError, UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.nodes import GuardContext
from agent_guard.threads import ThreadRow
from agent_guard.types import JSON, Code, Origin, Party, Speaker, Subject

__all__ = ["Pending", "Reply", "Session"]

_READERS: Mapping[Speaker, Origin | None] = {"user": "user", "party": "party", "outside": None}
_ORIGINS: Mapping[Speaker, Origin] = {"user": "user", "party": "party", "outside": "untrusted"}


@dataclass(frozen=True, kw_only=True)
class Pending:
    """The question a thread waits for; pseudonyms only.

    Args:
        id: of the approval.
        payload: what clients of LangGraph are shown.
    """

    id: str
    tool: str
    args: Mapping[str, JSON]
    description: str
    expires_at: str
    payload: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Where a thread stands after a message or an answer.

    Args:
        status: ``delivered``, ``pending`` or ``escalated``.
        text: the model's last words with the values this reader may see. Raw; None while a question waits.
        masked: the same words with pseudonyms.
        pending: the question that waits, or None.
        code, reason: why a person was called, where one was.
    """

    thread_id: str
    status: str
    text: str | None = field(repr=False)
    masked: str | None
    pending: Pending | None = None
    code: Code | None = None
    reason: str | None = None


class Session:
    """Conversations of one graph at one gateway. Threads live in the databases; the object may be made anew anywhere.

    Args:
        graph: a guarded graph; its own checkpointer is used unless one is given here.
        checkpointer: a LangGraph checkpointer, or ``"sqlite:///threads.db"``.

    Raises:
        ConfigError: no checkpointer, or a url that is not one.
    """

    def __init__(
        self,
        graph: CompiledStateGraph[Any, Any, Any, Any],
        gateway: Gateway,
        *,
        checkpointer: BaseCheckpointSaver[Any] | str | None = None,
    ) -> None:
        self.gateway = gateway
        self._connection: sqlite3.Connection | None = None
        saver: Any = self._saver(checkpointer) if isinstance(checkpointer, str) else checkpointer
        saver = saver or graph.checkpointer
        if not saver:
            raise ConfigError("a Session needs a checkpointer, e.g. checkpointer='sqlite:///threads.db'")
        self.graph = graph.copy(update={"checkpointer": saver})

    def start(
        self,
        text: str,
        subject: Subject,
        *,
        speaker: Speaker,
        thread_id: str | None = None,
        party: Party | None = None,
        scenario: str | None = None,
        scope: set[str] | None = None,
    ) -> Reply:
        """Opens a thread with its first message.

        Args:
            text: raw; it is masked before LangGraph stores it.
            subject: the user on whose behalf.
            speaker: whose words they are: the subject's, the customer's or anybody else's.
            thread_id: a new id by default.
            party: the customer the thread is about.
            scope: the tools this thread may use.

        Raises:
            ConfigError: no such scenario, or the id belongs to another conversation.
            PendingApproval: the id is of a thread that waits for an answer.
            TextTooLong: the text is larger than a conversation takes at once.
            StoreError: a database cannot be used; nothing was said to the model.
        """
        guarded = self.gateway.open(subject, thread_id=thread_id, scenario=scenario, party=party, scope=scope)
        return self._say(guarded.id, text, speaker, new=thread_id is None)

    def send(self, thread_id: str, text: str, *, speaker: Speaker, by: Subject) -> Reply:
        """Says the next message of a thread.

        Args:
            by: who brings it: of the thread's tenant, and its subject when the speaker is ``user``.

        Raises:
            UnknownThread: no such thread, or one of another tenant.
            ConfigError: a user's words brought by somebody else.
            PendingApproval: the thread waits for an answer.
            StoreError: a database cannot be used.
        """
        row = self._row(thread_id, by)
        if speaker == "user" and by.id != row.subject.id:
            raise ConfigError(f"the user of this thread is {row.subject.id}; {by.id} cannot speak as the user")
        return self._say(thread_id, text, speaker)

    def resume(
        self,
        approval_id: str,
        word: Answer,
        *,
        by: Subject,
        args: Mapping[str, JSON] | None = None,
        message: str | None = None,
    ) -> Reply:
        """Records a human's answer and lets the thread go on.

        Args:
            word: ``approve``, ``edit`` (with ``args``), ``reject`` or ``respond``.
            by: the authenticated person who answers.
            args, message: raw; masked before anything is stored.

        Raises:
            ApprovalError: unknown, expired, used or replaced, or a person who may not answer; nothing ran.
            StoreError: a database cannot be used; the answer is recorded or it is not, and may be given again.
        """
        answered = self.gateway.answer(approval_id, word, by=by, args=args, message=message)
        return self.go_on(answered.approval)

    def go_on(self, approval: Approval) -> Reply:
        """Lets a thread go on after an answer that was recorded elsewhere, e.g. on the command line."""
        out = self._invoke(approval.thread, Command(resume={"approval_id": approval.id}))
        return self._reply(approval.thread, out)

    def state(self, thread_id: str, *, by: Subject) -> Reply:
        """Where a thread stands now; nothing runs. Raises as :meth:`send`."""
        row = self._row(thread_id, by)
        snapshot = self.graph.get_state(self._config(thread_id))
        reply = self._reply(thread_id, {**snapshot.values, "__interrupt__": snapshot.interrupts})
        # somebody else of the tenant may see where the thread stands, and no values
        return reply if by.id == row.subject.id else replace(reply, text=reply.masked)

    async def astart(self, text: str, subject: Subject, **options: Any) -> Reply:
        """:meth:`start` from an event loop, in a worker thread."""
        return await asyncio.to_thread(self.start, text, subject, **options)

    async def asend(self, thread_id: str, text: str, *, speaker: Speaker, by: Subject) -> Reply:
        """:meth:`send` from an event loop, in a worker thread."""
        return await asyncio.to_thread(self.send, thread_id, text, speaker=speaker, by=by)

    async def aresume(self, approval_id: str, word: Answer, *, by: Subject, **options: Any) -> Reply:
        """:meth:`resume` from an event loop, in a worker thread."""
        return await asyncio.to_thread(self.resume, approval_id, word, by=by, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the checkpoint database that this object opened; the gateway is its owner's."""
        if self._connection is not None:
            self._connection.close()

    # ---- parts

    def _saver(self, url: str) -> BaseCheckpointSaver[Any]:
        prefix, path = "sqlite:///", url.removeprefix("sqlite:///")
        if not url.startswith(prefix) or not path:
            raise ConfigError(f"{url!r} is no checkpoint database; write e.g. 'sqlite:///threads.db'")
        try:
            from langgraph.checkpoint.sqlite import SqliteSaver
        except ImportError:
            raise ConfigError("checkpoints in SQLite need: pip install 'langgraph-agent-guard[sqlite]'") from None
        if not Path(path).parent.is_dir():
            raise ConfigError(f"the folder of {path} does not exist; make it first")
        with _explained():
            connection = sqlite3.connect(path, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                # the guard's claim is flushed; a checkpoint that a power cut forgets costs a question asked twice
                connection.execute("PRAGMA synchronous=NORMAL")
                saver = SqliteSaver(connection)
                saver.setup()
            except BaseException:
                connection.close()
                raise
        self._connection = connection
        return saver

    def _row(self, thread_id: str, by: Subject) -> ThreadRow:
        row = self.gateway.thread(thread_id).row
        if row.subject.tenant != by.tenant:
            raise UnknownThread(f"there is no thread {thread_id!r}; open it with Session.start or Gateway.open")
        return row

    def _say(self, thread_id: str, text: str, speaker: Speaker, *, new: bool = False) -> Reply:
        waiting = None if new else self.gateway.approvals.waiting(thread_id, now_ms=self.gateway.now_ms())
        if waiting is not None:
            raise PendingApproval(f"the thread waits for an answer to {waiting.id}; answer it first")
        masked, message_id = self.gateway.thread(thread_id).hear(text, origin=_ORIGINS[speaker])
        message = HumanMessage(masked, id=message_id, additional_kwargs={"speaker": speaker})
        out = self._invoke(thread_id, {"messages": [message]})
        return self._reply(thread_id, out)

    def _invoke(self, thread_id: str, given: Any) -> dict[str, Any]:
        # "sync": the checkpoint with the call's id is stored before the call runs, so a crash cannot rename it
        with _explained():
            out: dict[str, Any] = self.graph.invoke(
                given, self._config(thread_id), context=GuardContext(masks_answers=True), durability="sync"
            )
        return out

    def _config(self, thread_id: str) -> RunnableConfig:
        limits = self.gateway.thread(thread_id).policy.limits
        most = 4 * limits.attempts_per_thread + 2 * limits.steps_per_thread + 20
        return {"configurable": {"thread_id": thread_id}, "recursion_limit": most}

    def _reply(self, thread_id: str, out: Mapping[str, Any]) -> Reply:
        interrupts = out.get("__interrupt__") or ()
        if interrupts:
            return Reply(
                thread_id=thread_id, status="pending", text=None, masked=None, pending=_pending(interrupts[0].value)
            )
        said = [message for message in out.get("messages", []) if isinstance(message, AIMessage)]
        masked = said[-1].text if said else ""
        # the words are for whoever spoke last, also when somebody else's answer let the thread go on
        heard = [message for message in out.get("messages", []) if isinstance(message, HumanMessage)]
        reader = _READERS.get(heard[-1].additional_kwargs.get("speaker", "")) if heard else None
        outcome = out.get("outcome") or {}
        return Reply(
            thread_id=thread_id,
            status=str(out.get("status", "delivered")),
            text=self.gateway.thread(thread_id).restore(masked, reader=reader),
            masked=masked,
            code=Code(outcome["code"]) if outcome else None,
            reason=outcome.get("reason"),
        )


@contextmanager
def _explained() -> Iterator[None]:
    """Names a checkpoint database that cannot be used; nothing of it is lost, and running again does nothing twice."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"the checkpoint database cannot be used: {error}; make it writable, or free it from another process"
        ) from None


def _pending(payload: Mapping[str, Any]) -> Pending:
    action, block = payload["action_requests"][0], payload["agent_guard"]
    return Pending(
        id=block["approval_id"],
        tool=action["name"],
        args=action["args"],
        description=action["description"],
        expires_at=block["expires_at"],
        payload=payload,
    )
