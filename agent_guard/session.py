"""A conversation through a graph: masked before LangGraph sees it, resumed by approval, restored for its reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Interrupt, StateSnapshot

from agent_guard.approvals import Answer, Approval
from agent_guard.errors import ConfigError, PendingApproval, UnknownThread
from agent_guard.execution.undoing import finishing, is_undo
from agent_guard.gateway import Gateway
from agent_guard.graph.asking import Ask, Asks, aask, ask
from agent_guard.graph.checkpoints import Checkpoints, explained
from agent_guard.graph.closed import CLOSED_MAX, asked_in, is_open, left_at
from agent_guard.graph.interrupts import PAYLOAD_VERSION, payload
from agent_guard.graph.savers import both_doors
from agent_guard.graph.state import refuse_newer
from agent_guard.nodes import GuardContext
from agent_guard.runtime.waits import adrive, drive
from agent_guard.threads import ThreadRow
from agent_guard.types import JSON, Code, Origin, Party, Speaker, Subject, ToolResult
from agent_guard.work import turns

__all__ = ["Pending", "Reply", "Session", "origin_of", "reader_of"]

_READERS: Mapping[Speaker, Origin | None] = {"user": "user", "party": "party", "outside": None}
_ORIGINS: Mapping[Speaker, Origin] = {"user": "user", "party": "party", "outside": "untrusted"}


def origin_of(speaker: Speaker) -> Origin:
    """The origin of what a speaker says.

    Raises:
        ConfigError: there is no such speaker.
    """
    found = {str(name): origin for name, origin in _ORIGINS.items()}.get(str(speaker))
    if found is None:
        raise ConfigError(f"{str(speaker)[:40]!r} is no speaker; give one of {', '.join(_ORIGINS)}")
    return found


def reader_of(speaker: str) -> Origin | None:
    """Whose values may be put back for a speaker; see :meth:`GuardedThread.restore`."""
    return {str(name): origin for name, origin in _READERS.items()}.get(speaker)


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
        status: ``delivered``, ``pending``, ``escalated``, or ``running`` where another process lets it go on.
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
        checkpointer: a LangGraph checkpointer, ``"sqlite:///threads.db"`` or ``"postgresql://user@host/guard"``.

    Raises:
        ConfigError: no checkpointer, or a url that is not one.
        StoreError: the checkpoint database cannot be used.
    """

    def __init__(
        self,
        graph: CompiledStateGraph[Any, Any, Any, Any],
        gateway: Gateway,
        *,
        checkpointer: BaseCheckpointSaver[Any] | str | None = None,
    ) -> None:
        self.gateway = gateway
        self._opened = Checkpoints(checkpointer) if isinstance(checkpointer, str) else None
        saver: Any = self._opened.saver if self._opened else checkpointer
        saver = saver or graph.checkpointer
        if not saver:
            raise ConfigError("a Session needs a checkpointer, e.g. checkpointer='sqlite:///threads.db'")
        self.graph = graph.copy(update={"checkpointer": both_doors(saver)})

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
            ConfigError: no such scenario or speaker, or the id belongs to another conversation.
            PendingApproval: the id is of a thread that waits for an answer.
            TextTooLong: the text is larger than a conversation takes at once.
            StoreError: a database cannot be used; nothing was said to the model.
        """
        return ask(self._starting(text, subject, speaker, thread_id, party, scenario, scope))

    async def astart(
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
        """:meth:`start`, from an event loop, which it never blocks; the graph runs by its ``ainvoke``."""
        return await aask(self._starting(text, subject, speaker, thread_id, party, scenario, scope))

    def _starting(
        self,
        text: str,
        subject: Subject,
        speaker: Speaker,
        thread_id: str | None,
        party: Party | None,
        scenario: str | None,
        scope: set[str] | None,
    ) -> Asks[Reply]:
        options: dict[str, Any] = {"scenario": scenario, "party": party, "scope": scope}
        begun = self.gateway.begin(subject, text, origin=origin_of(speaker), thread_id=thread_id, **options)
        if begun is None:
            thread = self.gateway.open(subject, thread_id=thread_id, **options)
            return (yield from self._say(thread.id, text, speaker))
        thread, masked, message_id = begun
        return (yield from self._tell(thread.id, masked, message_id, speaker))

    def send(self, thread_id: str, text: str, *, speaker: Speaker, by: Subject) -> Reply:
        """Says the next message of a thread.

        Args:
            by: who brings it: of the thread's tenant, and its subject when the speaker is ``user``.

        Raises:
            UnknownThread: no such thread, or one of another tenant.
            ConfigError: a user's words brought by somebody else, or no such speaker.
            PendingApproval: the thread waits for an answer, or is just going on after one.
            StoreError: a database cannot be used.
        """
        return ask(self._sending(thread_id, text, speaker, by))

    async def asend(self, thread_id: str, text: str, *, speaker: Speaker, by: Subject) -> Reply:
        """:meth:`send`, from an event loop, as :meth:`astart`."""
        return await aask(self._sending(thread_id, text, speaker, by))

    def _sending(self, thread_id: str, text: str, speaker: Speaker, by: Subject) -> Asks[Reply]:
        row = self._row(thread_id, by)
        if speaker == "user" and by.id != row.subject.id:
            raise ConfigError(f"the user of this thread is {row.subject.id}; {by.id} cannot speak as the user")
        return (yield from self._say(thread_id, text, speaker))

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
            NewerRelease: the answer is recorded, and a process of a newer release must carry it out.
            StoreError: a database cannot be used; the answer is recorded or it is not, and may be given again.
        """
        answered = self.gateway.answer(approval_id, word, by=by, args=args, message=message)
        return self.go_on(answered.approval)

    async def aresume(
        self,
        approval_id: str,
        word: Answer,
        *,
        by: Subject,
        args: Mapping[str, JSON] | None = None,
        message: str | None = None,
    ) -> Reply:
        """:meth:`resume`, from an event loop, as :meth:`astart`."""
        answered = await self.gateway.aanswer(approval_id, word, by=by, args=args, message=message)
        return await self.ago_on(answered.approval)

    def go_on(self, approval: Approval) -> Reply:
        """Lets a thread go on after an answer that was recorded elsewhere, e.g. on the command line; see
        :meth:`take_up`.
        """
        return self.take_up(approval.thread) or _running(approval.thread)

    async def ago_on(self, approval: Approval) -> Reply:
        """:meth:`go_on`, from an event loop, as :meth:`astart`."""
        return await self.atake_up(approval.thread) or _running(approval.thread)

    def take_up(self, thread_id: str, *, again: bool = True) -> Reply | None:
        """Lets a thread go on from where it stands: after an answer that was recorded, after a question that nobody
        answered in time, and after the process that carried one of them out has died. Otherwise nothing runs.

        One process at a time takes a thread up; None where another one is at it, or has done it. A process that died
        holds its thread up to :data:`agent_guard.work.turns.LEASE_S` seconds.

        Args:
            again: do it now, also where it was tried in vain before and a pause is due, or a person.

        Raises:
            UnknownThread: the checkpoints hold no such thread; the answer stays recorded.
            NewerRelease: a newer release paused the thread; it is due until a process of that release takes it up.
            StoreError: a database cannot be used; the thread can be taken up again.
        """
        return ask(self._taking_up(thread_id, again))

    async def atake_up(self, thread_id: str, *, again: bool = True) -> Reply | None:
        """:meth:`take_up`, from an event loop, as :meth:`astart`."""
        return await aask(self._taking_up(thread_id, again))

    def _taking_up(self, thread_id: str, again: bool) -> Asks[Reply | None]:
        with turns.turn(self.gateway, thread_id, again=again) as lease:
            if lease is None:
                return None
            reply = yield from self._carry_on(thread_id)
            if reply is None and is_undo(thread_id):
                reply = yield from self._undone(thread_id)
            if reply is None:
                raise UnknownThread(
                    f"the checkpoints hold no thread {thread_id!r}, so nothing can go on with it; was it run with "
                    "another checkpoint database, or without a Session?"
                )
            return reply

    def state(self, thread_id: str, *, by: Subject) -> Reply:
        """Where a thread stands now; nothing runs. Raises as :meth:`send`."""
        return ask(self._standing(thread_id, by))

    async def astate(self, thread_id: str, *, by: Subject) -> Reply:
        """:meth:`state`, from an event loop, as :meth:`astart`."""
        return await aask(self._standing(thread_id, by))

    def _standing(self, thread_id: str, by: Subject) -> Asks[Reply]:
        row = self._row(thread_id, by)
        snapshot, _ = yield from self._standing_at(thread_id)
        reply = self._reply(thread_id, {**snapshot.values, "__interrupt__": snapshot.interrupts})
        # somebody else of the tenant may see where the thread stands, and no values
        return reply if by.id == row.subject.id else replace(reply, text=reply.masked)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the checkpoint database that this object opened; the gateway is its owner's."""
        if self._opened is not None:
            self._opened.close()

    # ---- parts

    def _row(self, thread_id: str, by: Subject) -> ThreadRow:
        row = self.gateway.thread(thread_id).row
        if row.subject.tenant != by.tenant:
            raise UnknownThread(f"there is no thread {thread_id!r}; open it with Session.start or Gateway.open")
        return row

    def _say(self, thread_id: str, text: str, speaker: Speaker) -> Asks[Reply]:
        origin = origin_of(speaker)
        yield from self._make_way(thread_id)
        masked, message_id = self.gateway.thread(thread_id).hear(text, origin=origin)
        return (yield from self._tell(thread_id, masked, message_id, speaker))

    def _tell(self, thread_id: str, masked: str, message_id: str, speaker: Speaker) -> Asks[Reply]:
        """Has the graph answer a message that was heard."""
        message = HumanMessage(masked, id=message_id, additional_kwargs={"speaker": speaker})
        out = yield from self._run(thread_id, {"messages": [message]})
        return self._reply(thread_id, out)

    def _make_way(self, thread_id: str) -> Asks[None]:
        """Sees to it that a message finds its thread where the model left it: an answer that was recorded and not
        carried out yet is carried out first, because a person was told that it counts.
        """
        now = turns.standing(self.gateway, thread_id)
        if now.waiting is not None:
            raise PendingApproval(f"the thread waits for an answer to {now.waiting.id}; answer it first")
        if now.expired and not now.due and not turns.give_way(self.gateway, thread_id):
            raise PendingApproval(f"the thread {thread_id} is just going on after an answer; say it again soon")
        if now.due:
            with turns.turn(self.gateway, thread_id, again=True) as lease:
                if lease is None:
                    raise PendingApproval(f"the thread {thread_id} is just going on after an answer; say it again soon")
                # where nothing is left of the conversation, the message ends the call and begins anew
                reply = yield from self._carry_on(thread_id)
            if reply is not None and reply.pending is not None:
                raise PendingApproval(f"the thread waits for an answer to {reply.pending.id}; answer it first")

    def _carry_on(self, thread_id: str) -> Asks[Reply | None]:
        """Takes a held thread to where it delivers, escalates or waits; None where the checkpoints do not have it."""
        snapshot, at = yield from self._standing_at(thread_id)
        if snapshot.created_at is None:
            return None
        refuse_newer(snapshot.values)
        out: dict[str, Any] = {**snapshot.values, "__interrupt__": snapshot.interrupts}
        if snapshot.tasks and not snapshot.interrupts:  # its process died between two checkpoints
            out = yield from self._run(thread_id, None)
        carried: str | None = None
        while (asked := self._over(out)) is not None and asked != carried:
            carried = asked
            out = yield from self._run(thread_id, Command(resume={"approval_id": asked}), at=at)
            at = None
        return self._reply(thread_id, out)

    def _undone(self, thread_id: str) -> Asks[Reply]:
        """Takes a thread that undoes a call, and has no graph, to its end."""
        gateway = self.gateway
        result: ToolResult = yield Ask(
            now=lambda: drive(finishing(gateway, thread_id)), later=lambda: adrive(finishing(gateway, thread_id))
        )
        asked = gateway.approvals.get(result.approval_id or "") if result.code is Code.APPROVAL_PENDING else None
        if asked is not None:
            shown = _pending(payload(asked, allow_edit=True, error=None))
            return Reply(thread_id=thread_id, status="pending", text=None, masked=None, pending=shown)
        done = result.status in ("executed", "duplicate")
        words = f"{result.tool}: {result.reference or 'done' if done else result.content}"
        status = "escalated" if result.stop else "delivered"
        return Reply(thread_id=thread_id, status=status, text=words, masked=words, code=None if done else result.code)

    def _asked(self, interrupts: Sequence[Interrupt]) -> Pending:
        """The question that a graph waits at, as this release shows it."""
        asked, value = asked_in(interrupts), interrupts[0].value
        if asked is not None and value["agent_guard"].get("v") == PAYLOAD_VERSION:
            return _pending(value)
        approval = self.gateway.approvals.get(asked) if asked else None
        if approval is None:
            raise ConfigError(
                "the thread waits at an interrupt that is none of this gateway's questions; answer it where it was made"
            )
        return _pending(payload(approval, allow_edit=True, error=None))

    def _over(self, out: Mapping[str, Any]) -> str | None:
        """The question that a graph waits at although nobody can answer it any more, or None."""
        asked = asked_in(out.get("__interrupt__") or ())
        approval = self.gateway.approvals.get(asked) if asked else None
        return asked if approval is not None and turns.ended(self.gateway, approval) else None

    def _run(self, thread_id: str, given: Any, *, at: RunnableConfig | None = None) -> Asks[dict[str, Any]]:
        graph, config = self.graph, self._config(thread_id)
        if at is not None:
            config["configurable"] |= at["configurable"]
        # "sync": the checkpoint with the call's id is stored before the call runs, so a crash cannot rename it
        options: dict[str, Any] = {"context": GuardContext(masks_answers=True), "durability": "sync"}
        with explained():
            out: dict[str, Any] = yield Ask(
                now=lambda: graph.invoke(given, config, **options),
                later=lambda: graph.ainvoke(given, config, **options),
            )
        return out

    def _snapshot(self, thread_id: str) -> Asks[StateSnapshot]:
        graph, config = self.graph, self._config(thread_id)
        with explained():
            snapshot: StateSnapshot = yield Ask(
                now=lambda: graph.get_state(config), later=lambda: graph.aget_state(config)
            )
        return snapshot

    def _standing_at(self, thread_id: str) -> Asks[tuple[StateSnapshot, RunnableConfig | None]]:
        """The newest checkpoint of a thread; or, where a client closed a question without an answer, the one that waits
        for it and its place.
        """
        newest = yield from self._snapshot(thread_id)
        if not is_open(newest):
            return newest, None
        graph, config = self.graph, self._config(thread_id)

        async def later() -> StateSnapshot | None:
            return left_at(newest, [item async for item in graph.aget_state_history(config, limit=CLOSED_MAX)])

        with explained():
            found: StateSnapshot | None = yield Ask(
                now=lambda: left_at(newest, graph.get_state_history(config, limit=CLOSED_MAX)), later=later
            )
        return (newest, None) if found is None else (found, found.config)

    def _config(self, thread_id: str) -> RunnableConfig:
        limits = self.gateway.thread(thread_id).policy.limits
        steps = len(self.graph.nodes) * limits.steps_per_thread  # an agent may have middleware around each model call
        most = 4 * limits.attempts_per_thread + steps + 20
        return {"configurable": {"thread_id": thread_id}, "recursion_limit": most}

    def _reply(self, thread_id: str, out: Mapping[str, Any]) -> Reply:
        interrupts = out.get("__interrupt__") or ()
        if interrupts:
            return Reply(thread_id=thread_id, status="pending", text=None, masked=None, pending=self._asked(interrupts))
        said = [message for message in out.get("messages", []) if isinstance(message, AIMessage)]
        masked = said[-1].text if said else ""
        # the words are for whoever spoke last, also when somebody else's answer let the thread go on
        heard = [message for message in out.get("messages", []) if isinstance(message, HumanMessage)]
        reader = reader_of(heard[-1].additional_kwargs.get("speaker", "")) if heard else None
        # an agent with GuardMiddleware has it in a place of its own
        stands: Mapping[str, Any] = out.get("guard") or out
        outcome = stands.get("outcome") or {}
        return Reply(
            thread_id=thread_id,
            status=str(stands.get("status", "delivered")),
            text=self.gateway.thread(thread_id).restore(masked, reader=reader),
            masked=masked,
            code=Code(outcome["code"]) if outcome.get("code") else None,
            reason=outcome.get("reason"),
        )


def _running(thread_id: str) -> Reply:
    return Reply(thread_id=thread_id, status="running", text=None, masked=None)


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
