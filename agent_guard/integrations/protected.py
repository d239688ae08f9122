"""Somebody else's agent with both its ends guarded: masked before the checkpointer sees anything, restored after."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, convert_to_messages
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StateSnapshot

from agent_guard.errors import ApprovalError, ConfigError, PendingApproval
from agent_guard.gateway import Gateway
from agent_guard.graph.asking import Ask, Asks, aask, ask
from agent_guard.graph.checkpoints import explained
from agent_guard.graph.closed import asked_in
from agent_guard.graph.interrupts import Unreadable, parse
from agent_guard.graph.state import GuardContext, refuse_newer
from agent_guard.guarded import GuardedThread
from agent_guard.integrations.callers import context_of, thread_of
from agent_guard.integrations.streams import Restoring, restored
from agent_guard.runtime.waits import aside
from agent_guard.session import Session, origin_of, reader_of
from agent_guard.types import Code, Origin
from agent_guard.work import turns

__all__ = ["ProtectedAgent", "protect"]


def protect(
    agent: CompiledStateGraph[Any, Any, Any, Any],
    gateway: Gateway,
    *,
    checkpointer: BaseCheckpointSaver[Any] | str | None = None,
) -> ProtectedAgent:
    """The agent with the same ``invoke``, ``ainvoke``, ``stream`` and ``astream``, whose input is masked before
    anything is stored and whose output is restored for its reader.

    Args:
        agent: of ``create_agent`` with ``GuardMiddleware``, or any graph whose calls the same gateway decides.
        checkpointer: as in :class:`~agent_guard.session.Session`; by default the agent's own.

    Raises:
        ConfigError: the agent has no checkpointer: a question to a person could not be waited for.
        StoreError: the checkpoint database cannot be used.
    """
    return ProtectedAgent(agent, gateway, checkpointer=checkpointer)


class ProtectedAgent(Session):
    """See :func:`protect`. It is a :class:`~agent_guard.session.Session` as well, so that ``resume``, the worker and
    the command line answer its questions.
    """

    def invoke(
        self, given: Any, config: RunnableConfig | None = None, *, context: Any = None, **options: Any
    ) -> dict[str, Any]:
        """Runs the agent as its own ``invoke`` does, with the same output.

        Args:
            given: ``{"messages": ...}`` with what is new: texts of people. ``Command(resume=answer)`` answers the
                question that waits, as ``context.approver``. None goes on after a crash.
            context: a :class:`~agent_guard.nodes.GuardContext` with the subject and the speaker, or an object of the
                agent's ``context_schema`` whose field ``guard`` is one.
            options: as the agent takes them; ``durability`` is ``sync`` unless it is given.

        Raises:
            ConfigError: input that could not be masked, or a thread of somebody else.
            PendingApproval: a message for a thread that waits for an answer, or an answer that another process is just
                carrying out.
            ApprovalError: the answer was refused or cannot be read; the question stays.
            NewerRelease: a newer release wrote the thread; the answer is not recorded.
            UnknownThread: no thread id, or a thread that nobody opened and no subject.
            StoreError: a database cannot be used.
        """
        return ask(self._invoking(given, config or {}, context, options))

    async def ainvoke(
        self, given: Any, config: RunnableConfig | None = None, *, context: Any = None, **options: Any
    ) -> dict[str, Any]:
        """:meth:`invoke`, from an event loop, which it never blocks."""
        return await aask(self._invoking(given, config or {}, context, options))

    def stream(
        self, given: Any, config: RunnableConfig | None = None, *, context: Any = None, **options: Any
    ) -> Iterator[Any]:
        """Streams the agent as its own ``stream`` does, in every mode. Messages are restored for their reader, also
        those that a graph gives out in chunks, and never in the middle of a pseudonym; whatever else a part holds
        (interrupts, tasks, state, a node's ``custom`` data) stays masked. What a guarded model says comes in whole
        messages: its tokens are not masked yet. Raises as :meth:`invoke`, when the first part is asked for.
        """
        thread, passed, reader, settings = ask(self._prepared(given, config or {}, context, options))
        restoring = Restoring(partial(thread.restore, reader=reader))
        with self._held(thread.id, passed), explained():
            for part in self.graph.stream(passed, **settings):
                yield restoring.part(part)
        yield from restoring.end()

    async def astream(
        self, given: Any, config: RunnableConfig | None = None, *, context: Any = None, **options: Any
    ) -> AsyncIterator[Any]:
        """:meth:`stream`, from an event loop, which it never blocks."""
        thread, passed, reader, settings = await aask(self._prepared(given, config or {}, context, options))
        restoring = Restoring(partial(thread.restore, reader=reader))
        async with _aheld(self._held(thread.id, passed)):
            async for part in self.graph.astream(passed, **settings):
                yield await aside(restoring.part, part)
        for part in restoring.end():
            yield part

    async def astream_events(
        self, given: Any, config: RunnableConfig | None = None, *, context: Any = None, **options: Any
    ) -> AsyncIterator[Any]:
        """The events of a run as the agent's own ``astream_events`` gives them, restored as in :meth:`stream`.

        Args:
            options: as the agent takes them; ``version`` is ``v2`` unless it is given.
        """
        thread, passed, reader, settings = await aask(self._prepared(given, config or {}, context, options))
        restoring = Restoring(partial(thread.restore, reader=reader))
        async with _aheld(self._held(thread.id, passed)):
            async for event in self.graph.astream_events(passed, **{"version": "v2", **settings}):
                yield await aside(restoring.part, event)
        for event in restoring.end():
            yield event

    # ---- parts

    def _invoking(
        self, given: Any, config: RunnableConfig, context: Any, options: dict[str, Any]
    ) -> Asks[dict[str, Any]]:
        thread, passed, reader, settings = yield from self._prepared(given, config, context, options)
        graph = self.graph
        with self._held(thread.id, passed), explained():
            out = yield Ask(
                now=lambda: graph.invoke(passed, **settings), later=lambda: graph.ainvoke(passed, **settings)
            )
        answer: dict[str, Any] = restored(out, thread.restorer(reader=reader))
        return answer

    def _prepared(
        self, given: Any, config: RunnableConfig, context: Any, options: dict[str, Any]
    ) -> Asks[tuple[GuardedThread, Any, Origin | None, dict[str, Any]]]:
        """The thread, the input as it may be stored, who reads the output, and what else the graph is given."""
        guard = context_of(context)
        masking = _masking(context, guard)
        passed: Any = None
        place: Mapping[str, Any] = {}
        if given is None or isinstance(given, Command):
            thread = thread_of(self.gateway, config, guard)
            snapshot, at = yield from self._standing_at(thread.id)
            reader = _last_reader(snapshot)
            if given is not None:
                passed = self._answer(given, guard, snapshot)
                if at is not None:  # a client closed the question without an answer
                    place = {"configurable": {**config["configurable"], **at["configurable"]}}
        else:
            thread, passed = yield from self._said(_texts(given), config, guard)
            reader = reader_of(guard.speaker)
        settings = {"durability": "sync", **options, "context": masking}
        settings["config"] = {"recursion_limit": self._config(thread.id)["recursion_limit"], **config, **place}
        return thread, passed, reader, settings

    def _said(
        self, texts: Sequence[str], config: RunnableConfig, guard: GuardContext
    ) -> Asks[tuple[GuardedThread, dict[str, Any]]]:
        """The thread, which the first message opens where it is new, and the messages as they may be stored."""
        thread_id, origin = (config.get("configurable") or {}).get("thread_id"), origin_of(guard.speaker)
        begun = None
        if texts and thread_id and guard.subject is not None:
            begun = self.gateway.begin(
                guard.subject,
                texts[0],
                origin=origin,
                thread_id=str(thread_id),
                scenario=guard.scenario,
                party=guard.party,
                scope=None if guard.scope is None else set(guard.scope),
            )
        if begun is None:
            thread, heard = thread_of(self.gateway, config, guard), []
            yield from self._make_way(thread.id)
        else:
            thread, heard = begun[0], [begun[1:]]
        heard += [thread.hear(text, origin=origin) for text in texts[len(heard) :]]
        messages = [HumanMessage(text, id=id_, additional_kwargs={"speaker": guard.speaker}) for text, id_ in heard]
        return thread, {"messages": messages}

    def _answer(self, given: Command[Any], guard: GuardContext, snapshot: StateSnapshot) -> Command[Any]:
        """Records an answer before LangGraph stores anything of it; returns what the graph is given.

        Args:
            snapshot: where the thread stands.
        """
        if given.resume is None or given.update is not None or given.goto or given.graph is not None:
            raise ConfigError("protect() takes Command(resume=...) alone: an update would be stored unmasked")
        refuse_newer(snapshot.values)
        approval = self.gateway.approvals.get(asked_in(snapshot.interrupts) or "")
        if approval is None:
            raise ApprovalError("no question of this thread waits for an answer", code=Code.APPROVAL_UNKNOWN)
        try:
            parsed = parse(given.resume, tool=approval.tool)
        except Unreadable as error:
            raise ApprovalError(str(error), code=Code.ANSWER_UNREADABLE) from None
        if parsed.approval_id not in (None, approval.id):
            raise ApprovalError(f"the question that waits is {approval.id}", code=Code.APPROVAL_UNKNOWN)
        if parsed.word is not None:
            if guard.approver is None:
                words = "nobody is known to answer: pass context=GuardContext(approver=...)"
                raise ApprovalError(words, code=Code.APPROVER_UNKNOWN)
            if parsed.approval_id is None and self.gateway.thread_row(approval.thread, fresh=True).replaced:
                words = "an earlier question of this thread was replaced; name the approval_id you answer"
                raise ApprovalError(words, code=Code.ANSWER_UNREADABLE)
            self.gateway.answer(approval.id, parsed.word, by=guard.approver, args=parsed.args, message=parsed.message)
        return Command(resume={"approval_id": approval.id})

    @contextmanager
    def _held(self, thread_id: str, passed: Any) -> Iterator[None]:
        """Holds a thread while it goes on after an answer: where this process dies, a worker carries the answer out."""
        if not isinstance(passed, Command):
            yield
            return
        with turns.turn(self.gateway, thread_id, again=True) as lease:
            if lease is None:
                raise PendingApproval(f"the thread {thread_id} is just going on after an answer; look again soon")
            yield


@asynccontextmanager
async def _aheld(held: AbstractContextManager[None]) -> AsyncIterator[None]:
    """:meth:`ProtectedAgent._held`, from an event loop, which it never blocks."""
    await aside(held.__enter__)
    try:
        with explained():
            yield
    except BaseException as error:
        await aside(held.__exit__, type(error), error, error.__traceback__)
        raise
    await aside(held.__exit__, None, None, None)


def _texts(given: Any) -> list[str]:
    """What people say in an input.

    Raises:
        ConfigError: there is something else in it, which could not be masked.
    """
    if not isinstance(given, Mapping) or set(given) != {"messages"}:
        raise ConfigError("protect() takes {'messages': ...} alone: nothing else of the input can be masked")
    said: Any = given["messages"]
    one = isinstance(said, (str, Mapping, BaseMessage))
    messages = convert_to_messages([said] if one else list(said))
    for message in messages:
        if not isinstance(message, HumanMessage):
            raise ConfigError(f"protect() takes new messages of people, not one of type {message.type!r}")
        if not isinstance(message.content, str):
            raise ConfigError("protect() takes texts: nothing else in a message can be masked")
    return [message.text for message in messages]


def _last_reader(snapshot: StateSnapshot) -> Origin | None:
    """Whoever spoke last: the words are for them, also when somebody else's answer let the thread go on."""
    heard = [item for item in snapshot.values.get("messages", []) if isinstance(item, HumanMessage)]
    return reader_of(heard[-1].additional_kwargs.get("speaker", "")) if heard else None


def _masking(context: Any, guard: GuardContext) -> Any:
    """The context for the run: this door masks answers."""
    masking = replace(guard, masks_answers=True)
    if context is None or isinstance(context, GuardContext):
        return masking
    if isinstance(context, Mapping):
        return {**context, "guard": masking}
    if is_dataclass(context) and not isinstance(context, type) and "guard" in {item.name for item in fields(context)}:
        return replace(context, guard=masking)
    return context
