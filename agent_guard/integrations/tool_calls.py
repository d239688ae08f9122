"""The tools of a custom graph: a node in place of LangGraph's ``ToolNode``, or a wrapper for one.

Both guard the calls and mask what comes back. What the graph's own model node is sent they do not see: a graph that
must not hold raw text is run by ``guarded_agent``, or with ``GuardMiddleware``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AnyMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.runtime import get_runtime
from langgraph.types import Command

from agent_guard.errors import AgentGuardError, ConfigError, StoreError, UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.graph.call_nodes import CallNodes, Node
from agent_guard.graph.state import STATE_VERSION, GuardContext, GuardState
from agent_guard.graph.wire import call_json, call_of, wire_name
from agent_guard.guarded import GuardedThread
from agent_guard.integrations.callers import context_of, thread_of
from agent_guard.integrations.marks import calls_in, last_call, result_message
from agent_guard.lint import REASON
from agent_guard.runtime.waits import aside
from agent_guard.types import Code, ToolResult

__all__ = ["awrap_tool_call", "tool_node", "wrap_tool_call"]

STOPPED = "Nothing more is done: an earlier call of this message ended the run. Do not retry; a person takes over."

Handler = Callable[[ToolCallRequest], Any]


class _Messages(TypedDict):
    """What the node shares with the graph around it."""

    messages: Annotated[list[AnyMessage], add_messages]


class _Calls(CallNodes):
    """The nodes of a guarded graph, between a model's message and its answers."""

    def take(self, state: GuardState, config: RunnableConfig) -> Command[Any]:
        """Takes the calls of the last message that have no answer yet."""
        thread = thread_of(self._gateway, config, context_of(get_runtime(GuardContext).context))
        found = last_call(state["messages"])
        if found is None:
            return Command(goto=END)
        index, message = found
        answered = {item.tool_call_id for item in state["messages"][index:] if isinstance(item, ToolMessage)}
        calls = [item for item in calls_in(self._gateway, thread, message) if item[1] not in answered]
        queue = [call_json(call, tool_call_id) for call, tool_call_id in calls]
        return Command(goto="decide" if queue else END, update={"v": STATE_VERSION, "queue": queue})

    def _next(
        self, state: GuardState, result: ToolResult, tool_call_id: str, update: dict[str, Any] | None = None
    ) -> Command[Any]:
        queue, said = state["queue"][1:], [result_message(result, tool_call_id)]
        if result.stop:
            said += [_cancelled(item) for item in queue]
            queue = []
        change = (update or {}) | {"messages": said, "queue": queue}
        return Command(goto="decide" if queue else END, update=change)

    def _escalate(self, code: Code, reason: str) -> Command[Any]:
        raise StoreError(reason) if code is Code.STORE_UNAVAILABLE else AgentGuardError(f"{code}: {reason}")


def _cancelled(data: dict[str, Any]) -> ToolMessage:
    call = call_of(data)
    result = ToolResult(status="denied", code=Code.CANCELLED, content=STOPPED, tool=call.tool, call_id=call.id)
    return result_message(result, data["tool_call_id"])


def tool_node(
    gateway: Gateway, *, allow_anonymous_approver: bool = False
) -> CompiledStateGraph[GuardState, GuardContext, Any, Any]:
    """A node for ``StateGraph.add_node`` that decides, asks about and executes the calls of the last message.

    The calls run one after another, in order. A question is an interrupt of the graph, asked one at a time; a bad
    answer is asked again. A denial is a ``ToolMessage`` with the tool's name, ``status="error"`` and what to do
    instead. The graph's ``messages`` are all that it reads and writes.

    Args:
        allow_anonymous_approver: accept answers of nobody in particular; in ``dev`` only.

    Raises:
        ConfigError: anonymous approvers outside ``dev``.
        UnknownThread: while it runs: no thread id, or a thread that nobody opened.
        StoreError: while it runs: the database cannot be used; the call did not run.
    """
    nodes = _Calls(gateway, allow_anonymous_approver=allow_anonymous_approver)
    graph = StateGraph(GuardState, input_schema=_Messages, output_schema=_Messages, context_schema=GuardContext)
    after = ("approve", "execute", "decide", END)
    graph.add_node("take", Node(nodes.take), destinations=("decide", END))
    graph.add_node("decide", Node(nodes.decide), destinations=after)
    graph.add_node("approve", Node(nodes.approve), destinations=after)
    graph.add_node("execute", Node(nodes.execute, nodes.aexecute), destinations=("decide", END))
    graph.add_edge(START, "take")
    return graph.compile(name="guarded_tools")


def wrap_tool_call(gateway: Gateway) -> Callable[[ToolCallRequest, Handler], ToolMessage]:
    """A wrapper for ``ToolNode(tools, wrap_tool_call=...)``: each call goes through the gateway, and the node's own
    tool is never run. A call that waits for a person is answered so at once; ``GuardedThread.resume`` carries it out.

    Raises:
        UnknownThread: while it runs: no thread id, or a thread that nobody opened.
    """

    def wrapper(request: ToolCallRequest, handler: Handler) -> ToolMessage:
        del handler  # the gateway runs its own tool
        thread, tool, args, reason = _asked(gateway, request)
        call_id = request.tool_call["id"]
        try:
            result = thread.invoke(tool, args, call_id=call_id, reason=reason)
        except AgentGuardError as error:
            result = _broken(error, tool, call_id)
        return result_message(result, call_id or "")

    return wrapper


def awrap_tool_call(gateway: Gateway) -> Callable[[ToolCallRequest, Handler], Awaitable[ToolMessage]]:
    """:func:`wrap_tool_call` for ``ToolNode(tools, awrap_tool_call=...)``; the event loop is never blocked."""

    async def wrapper(request: ToolCallRequest, handler: Handler) -> ToolMessage:
        del handler  # the gateway runs its own tool
        thread, tool, args, reason = await aside(_asked, gateway, request)
        call_id = request.tool_call["id"]
        try:
            result = await thread.ainvoke(tool, args, call_id=call_id, reason=reason)
        except AgentGuardError as error:
            result = _broken(error, tool, call_id)
        return result_message(result, call_id or "")

    return wrapper


def _asked(gateway: Gateway, request: ToolCallRequest) -> tuple[GuardedThread, str, dict[str, Any], str | None]:
    """The thread, the tool, its arguments and the reason of a call that a ``ToolNode`` was given."""
    runtime = request.runtime
    thread = thread_of(gateway, runtime.config, context_of(runtime.context))
    names = {wire_name(tool.name): tool.name for tool in gateway.tools.values()}
    args = dict(request.tool_call["args"])
    reason = args.pop(REASON, None)
    name = request.tool_call["name"]
    return thread, names.get(name, name), args, reason if isinstance(reason, str) else None


def _broken(error: AgentGuardError, tool: str, call_id: str | None) -> ToolResult:
    if isinstance(error, (ConfigError, UnknownThread)):
        raise error
    code = Code.STORE_UNAVAILABLE if isinstance(error, StoreError) else Code.INTERNAL
    return ToolResult(status="failed", code=code, content=str(error), tool=tool, call_id=call_id or "")
