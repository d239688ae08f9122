"""The nodes that decide, ask about and execute the calls of one message, one after another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import get_runtime
from langgraph.types import Command

from agent_guard.errors import AgentGuardError, ConfigError, StoreError, UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.graph.asking import Ask, Asks, aask, ask
from agent_guard.graph.questions import answer_of, ask_a_person
from agent_guard.graph.state import GuardContext, GuardState, Step, newer, refuse_newer
from agent_guard.graph.wire import call_json, call_of, message_of
from agent_guard.guarded import GuardedThread, settled
from agent_guard.integrations.callers import context_of, thread_of
from agent_guard.runtime.waits import aside
from agent_guard.types import Code, Subject, ToolCall, ToolResult

__all__ = ["CallNodes", "Node"]


class CallNodes:
    """``decide``, ``approve`` and ``execute``; the first call of the queue is in hand.

    Args:
        allow_anonymous_approver: accept answers of nobody in particular; in ``dev`` only.

    Raises:
        ConfigError: anonymous approvers outside ``dev``.
    """

    def __init__(self, gateway: Gateway, *, allow_anonymous_approver: bool = False) -> None:
        if allow_anonymous_approver and gateway.environment != "dev":
            raise ConfigError("allow_anonymous_approver works in the environment 'dev' only")
        self._gateway = gateway
        self._anonymous = allow_anonymous_approver

    def decide(self, state: GuardState, config: RunnableConfig) -> Command[Step]:
        """Decides the call in hand; a call that was decided before is answered from its row."""
        self._admit(state, config)
        try:
            thread = self._thread(config)
            data = state["queue"][0]
            call = call_of(data)
            proposal = self._gateway.propose(thread.row, call, [call_of(item) for item in state["queue"][1:]])
        except AgentGuardError as error:
            return self._broken(error)
        except Exception as error:  # LangGraph would store what it says, which may repeat a value
            return self._escalate(Code.INTERNAL, f"the decision failed: {type(error).__name__}")
        match proposal.row.state:
            case "pending":
                return Command(goto="approve", update={"approval": proposal.row.approval_id, "error": None})
            case "denied" | "suggested" | "rejected" | "expired":
                return self._next(state, settled(self._gateway, proposal, call), data["tool_call_id"])
            case _:
                return Command(goto="execute")

    def approve(self, state: GuardState, config: RunnableConfig) -> Command[Step]:
        """Asks the human and records the answer. A bad answer is asked again, with what was wrong with it."""
        runtime = get_runtime(GuardContext)
        try:
            approval = self._gateway.approvals.get(state.get("approval") or "")
        except StoreError as error:
            return self._broken(error)
        if approval is None or approval.thread != config["configurable"]["thread_id"]:
            return self._escalate(Code.APPROVAL_UNKNOWN, "this thread has no such question")
        context = context_of(runtime.context)
        try:
            wrong = ask_a_person(
                self._gateway,
                approval,
                context,
                runtime,
                error=state.get("error"),
                refused=newer(state),
                anonymous=self._anonymous,
            )
            if wrong is not None:
                return Command(goto="approve", update={"error": wrong})
            return self._go_on(state, answer_of(self._gateway, approval))
        except StoreError as broken:
            return self._broken(broken)

    def execute(self, state: GuardState, config: RunnableConfig) -> Command[Step]:
        """Runs the call in hand, once."""
        return ask(self._executing(state, config))

    async def aexecute(self, state: GuardState, config: RunnableConfig) -> Command[Step]:
        """:meth:`execute`, from an event loop; no thread waits while an async tool runs."""
        return await aask(self._executing(state, config))

    def _executing(self, state: GuardState, config: RunnableConfig) -> Asks[Command[Step]]:
        self._admit(state, config)
        try:
            data = state["queue"][0]
            row, call = self._thread(config).row, call_of(data)
            gateway = self._gateway
            result = yield Ask(now=lambda: gateway.execute(row, call), later=lambda: gateway.aexecute(row, call))
        except AgentGuardError as error:
            return self._broken(error)
        except Exception as error:  # LangGraph would store what it says, which may repeat a value
            return self._escalate(Code.INTERNAL, f"the execution failed: {type(error).__name__}")
        return self._next(state, result, data["tool_call_id"])

    # ---- parts of them

    def _admit(self, state: GuardState, config: RunnableConfig) -> None:
        """Refuses what must leave the thread as it stands. A node raises nothing else: what it raises LangGraph keeps.

        Raises:
            NewerRelease: a newer release wrote the thread.
            ConfigError: the host names a subject of the run, and the thread is somebody else's.
        """
        refuse_newer(state)
        context = context_of(get_runtime(GuardContext).context)
        if isinstance(context.subject, Subject) and config.get("configurable", {}).get("thread_id"):
            with suppress(StoreError):  # told by the node, which cannot go on either
                thread_of(self._gateway, config, context)

    def _thread(self, config: RunnableConfig) -> GuardedThread:
        thread_id = config.get("configurable", {}).get("thread_id")
        if not thread_id:
            raise UnknownThread("the run has no thread_id; start it with Session.start")
        return self._gateway.thread(str(thread_id))

    def _go_on(self, state: GuardState, answer: ToolCall | tuple[Code, str] | None) -> Command[Step]:
        """What the recorded answer says, whoever brought it."""
        data = state["queue"][0]
        update: dict[str, Any] = {"approval": None, "error": None}
        if answer is None:
            return Command(goto="execute", update=update)
        if isinstance(answer, ToolCall):
            queue = [call_json(answer, data["tool_call_id"]), *state["queue"][1:]]
            return Command(goto="decide", update=update | {"queue": queue})
        (code, words), call = answer, call_of(data)
        result = ToolResult(status="denied", code=code, content=words, tool=call.tool, call_id=call.id)
        return self._next(state, result, data["tool_call_id"], update)

    def _next(
        self, state: GuardState, result: ToolResult, tool_call_id: str, update: dict[str, Any] | None = None
    ) -> Command[Step]:
        queue = state["queue"][1:]
        change = (update or {}) | {"messages": [message_of(result, tool_call_id)], "queue": queue}
        if result.stop:
            reason = result.content if isinstance(result.content, str) else str(result.code)
            return Command(goto="escalate", update=change | {"outcome": {"code": str(result.code), "reason": reason}})
        return Command(goto="decide" if queue else "plan", update=change)

    def _escalate(self, code: Code, reason: str) -> Command[Step]:
        return Command(goto="escalate", update={"outcome": {"code": str(code), "reason": reason}})

    def _broken(self, error: AgentGuardError) -> Command[Step]:
        code = Code.STORE_UNAVAILABLE if isinstance(error, StoreError) else Code.INTERNAL
        return self._escalate(code, str(error))


class Node(Runnable[GuardState, Any]):
    """A node with both doors. LangGraph would run a synchronous one in the event loop's own few threads.

    Args:
        now: the node.
        later: its twin where it waits for something that can be awaited; else it runs in a thread of ours.
    """

    def __init__(
        self,
        now: Callable[[Any, RunnableConfig], Any],
        later: Callable[[Any, RunnableConfig], Awaitable[Any]] | None = None,
    ) -> None:
        self._now, self._later = now, later

    def invoke(self, input: GuardState, config: RunnableConfig | None = None, **_: Any) -> Any:
        """LangGraph's synchronous door."""
        return self._now(input, config or {})

    async def ainvoke(self, input: GuardState, config: RunnableConfig | None = None, **_: Any) -> Any:
        """LangGraph's asynchronous door."""
        if self._later is not None:
            return await self._later(input, config or {})
        return await aside(self._now, input, config or {})
