"""LangChain's ``create_agent`` behind the gateway: one middleware, and the conversation around it.

    wrap_model_call  what the model is sent is masked and looked at once more; only permitted tools are bound; what it
                     says is masked before it is stored or streamed
    after_model      each call of the message is decided and stored; one question a turn is asked
    wrap_tool_call   the call is executed by the gateway; the agent's own tools are never run

Needs the extra ``langchain``. The middleware protects what the model sees, whatever the input was. That nothing raw is
stored either takes :func:`protect` around the agent, or a :class:`~agent_guard.session.Session`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any, NotRequired
from uuid import UUID

from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    hook_config,
)
from langchain.agents.middleware.types import OmitFromInput
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.config import get_config
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.runtime import Runtime
from langgraph.types import Command

from agent_guard.errors import AgentGuardError, ConfigError, StoreError, UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.graph.asking import Ask, Asks, aask, ask
from agent_guard.graph.model_turn import ModelTurn, Shown, Stop, Tripwire
from agent_guard.graph.questions import answer_of, ask_a_person
from agent_guard.graph.state import STATE_VERSION, newer, refuse_newer
from agent_guard.graph.wire import answered
from agent_guard.guarded import GuardedThread, settled
from agent_guard.integrations.callers import context_of, thread_of
from agent_guard.integrations.marks import calls_in, is_ours, last_call, marked, remarked, result_message, stop_in
from agent_guard.integrations.protected import ProtectedAgent, protect
from agent_guard.nodes import DEFAULT_PROMPT
from agent_guard.runtime.waits import aside
from agent_guard.types import Code, ToolCall, ToolResult

__all__ = ["GuardMiddleware", "GuardedAgentState", "ProtectedAgent", "protect"]

log = logging.getLogger("agent_guard")

_Handler = Callable[[ModelRequest[Any]], Any]


class GuardedAgentState(AgentState[Any]):
    """The agent's state with where the guard stands: ``{v, status, outcome, error, again}``, as in ``GuardState``."""

    guard: NotRequired[Annotated[dict[str, Any], OmitFromInput]]


class GuardMiddleware(AgentMiddleware[Any, Any, Any]):
    """Puts a gateway between an agent of ``create_agent`` and the world.

    The agent needs no tools of its own: the model is bound to the gateway's that the policy permits in this thread.
    Tools that the agent or other middleware brings are neither bound nor run. List it last; in any other place nothing
    gets past the gateway either, and text that a middleware behind it adds to a model call stops the call where it is
    raw.

    The calls of one message run at the same time, as ``create_agent`` has it, after all of them were decided and the
    one that needs a person was answered; other calls that need one are told to wait for the next turn.

    Args:
        prompt: used where the agent has no system prompt.
        model_region: where the model's endpoint lies.
        handover, stopped: what is said when a person takes over, or has stopped the run.
        allow_anonymous_approver: accept answers of nobody in particular; in ``dev`` only.

    Raises:
        ConfigError: anonymous approvers outside ``dev``, or a model where no policy lets data go; while it runs: an
            agent with ``response_format``, or a thread of somebody else.
        UnknownThread: while it runs: no thread id, or a thread that nobody opened; nothing was sent to the model.
        NewerRelease: while it runs: a newer release wrote the thread; nothing was sent to the model.
    """

    state_schema = GuardedAgentState

    def __init__(
        self,
        gateway: Gateway,
        *,
        prompt: str = DEFAULT_PROMPT,
        model_region: str | None = None,
        handover: str = "I am handing this over to a person.",
        stopped: str = "A person stopped this. I do nothing more here until you tell me what else to do.",
        allow_anonymous_approver: bool = False,
    ) -> None:
        super().__init__()
        if allow_anonymous_approver and gateway.environment != "dev":
            raise ConfigError("allow_anonymous_approver works in the environment 'dev' only")
        self.tools = []
        self._gateway = gateway
        self._turn = ModelTurn(gateway, model_region=model_region, mine=is_ours)
        self._prompt = prompt
        self._handover = handover
        self._stopped = stopped
        self._anonymous = allow_anonymous_approver
        self._told: set[str] = set()

    # ---- around the model

    def wrap_model_call(self, request: ModelRequest[Any], handler: _Handler) -> Any:
        """Masks what goes to the model and what comes from it."""
        return ask(self._calling(request, handler))

    async def awrap_model_call(self, request: ModelRequest[Any], handler: _Handler) -> Any:
        """:meth:`wrap_model_call`, from an event loop, on which the model is awaited."""
        return await aask(self._calling(request, handler))

    def _calling(self, request: ModelRequest[Any], handler: _Handler) -> Asks[ExtendedModelResponse[Any]]:
        if request.response_format is not None:
            raise ConfigError("GuardMiddleware cannot mask a structured response before it is stored; drop it")
        state: Mapping[str, Any] = request.state
        guard = dict(state.get("guard") or {})
        again = last_call(request.messages)
        if guard.get("again") and again is not None and not _human_after(request.messages, again[0]):
            return _response([again[1]], guard | {"again": False})
        refuse_newer(state)
        stop = stop_in(request.messages)
        if stop is not None:
            return self._escalated(*stop)
        try:
            thread = thread_of(self._gateway, get_config(), context_of(request.runtime.context))
            refused = self._turn.begin(thread)
            if refused is not None:
                return self._escalated(refused.code, refused.reason)
            left = self._left_behind(thread, request.messages)
            messages: list[AnyMessage] = [*request.messages, *left]
            prompt = request.system_message.text if request.system_message is not None else self._prompt
            shown = yield from self._turn.show(thread, messages, request.model, prompt)
            if isinstance(shown, Stop):
                return self._escalated(shown.code, shown.reason)
            self._tell_of(request)
            response = yield self._asking(request, handler, shown)
            return self._said(thread, response, shown, left)
        except (ConfigError, UnknownThread):
            raise
        except _Leak as found:
            return self._escalated(Code.INTERNAL, f"the tripwire found {found} in what the model would be sent")
        except AgentGuardError as error:
            return self._escalated(_code(error), str(error))

    def _asking(self, request: ModelRequest[Any], handler: _Handler, shown: Shown) -> Ask:
        """The model call itself: without the run's callbacks, because what the model says is raw until it is masked,
        also in a stream of its tokens; and with our own, which looks at what is sent, whoever sends it.
        """
        system, *rest = shown.messages
        messages: list[Any] = [*rest]
        tools: list[Any] = [*shown.tools]
        given = request.override(
            messages=messages,
            system_message=SystemMessage(system.text),
            tools=tools,
        )

        def now() -> Any:
            with _watched(shown.tripwire):
                return handler(given)

        async def later() -> Any:
            with _watched(shown.tripwire):
                return await handler(given)

        return Ask(now=now, later=later)

    def _said(
        self, thread: GuardedThread, response: Any, shown: Shown, left: Sequence[AnyMessage]
    ) -> ExtendedModelResponse[Any]:
        found = last_call(response.result if isinstance(response, ModelResponse) else [response])
        if found is None:
            return self._escalated(Code.INTERNAL, "the model said nothing")
        self._turn.spend(thread, found[1], shown)
        said = self._turn.said(thread, found[1], shown.vault)
        message = marked(said.message, said.calls)
        changed = [remarked(item) for item in shown.changed]
        stands = {"v": STATE_VERSION, "status": "delivered", "outcome": None}
        return _response([*left, message], stands, changed)

    def _left_behind(self, thread: GuardedThread, messages: Sequence[AnyMessage]) -> list[AnyMessage]:
        """Calls of the last message that a newer one cut off, and that ran or may have, are answered with what is known
        of them: to tell the model that they were cancelled would have them done twice.
        """
        found = last_call(messages)
        if found is None or not _human_after(messages, found[0]):
            return []
        return [
            result_message(self._gateway.execute(thread.row, call), tool_call_id)
            for call, tool_call_id in self._unanswered(thread, messages)
            if self._gateway.was_claimed(thread.row, call)
        ]

    def _tell_of(self, request: ModelRequest[Any]) -> None:
        """Says once that tools of the agent's own are left out."""
        given = {tool.get("name", "") if isinstance(tool, dict) else tool.name for tool in request.tools}
        if unknown := sorted(str(name) for name in given - self._told):
            self._told |= given
            log.warning("not bound, because they are not the gateway's: %s", ", ".join(unknown))

    # ---- after the model

    @hook_config(can_jump_to=["model", "end"])
    def after_model(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Decides the calls of the message and asks the one question."""
        try:
            return self._decided(state, runtime)
        except (ConfigError, UnknownThread, GraphBubbleUp):
            raise
        except AgentGuardError as error:
            return self._ended(_code(error), str(error), [])
        except Exception as error:  # LangGraph would store what it says, which may repeat a value
            return self._ended(Code.INTERNAL, f"the decision failed: {type(error).__name__}", [])

    @hook_config(can_jump_to=["model", "end"])
    async def aafter_model(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """:meth:`after_model`, from an event loop, which it never blocks."""
        return await aside(self.after_model, state, runtime)

    def _decided(self, state: Mapping[str, Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        context, guard = context_of(runtime.context), dict(state.get("guard") or {})
        found = last_call(state["messages"])
        if found is None or not (found[1].tool_calls or found[1].invalid_tool_calls):
            return None
        thread = thread_of(self._gateway, get_config(), context)
        pairs = self._unanswered(thread, state["messages"])
        said: list[BaseMessage] = []
        asked = None  # the question of this message
        for index, (call, tool_call_id) in enumerate(pairs):
            others = [other for other, _ in pairs[index + 1 :]]
            if asked is not None and self._would_ask(thread, call, asked):
                call = replace(call, problem=Code.APPROVAL_PENDING)  # noqa: PLW2901 - the same call, put off
            proposal = self._gateway.propose(thread.row, call, others)
            row = proposal.row
            asked = asked or row.approval_id
            if row.approval_id is not None and row.state in ("pending", "approved", "rejected", "expired"):
                approval = self._gateway.approvals.get(row.approval_id)
                if approval is None:
                    return self._ended(Code.APPROVAL_UNKNOWN, "this thread has no such question", said)
                wrong = None
                if row.state == "pending":
                    wrong = ask_a_person(
                        self._gateway,
                        approval,
                        context,
                        runtime,
                        error=guard.get("error"),
                        refused=newer(state),
                        anonymous=self._anonymous,
                    )
                if wrong is not None:  # asked again by a run of its own: a node that asks twice mixes its answers up
                    return {"jump_to": "model", "messages": said, "guard": guard | {"error": wrong, "again": True}}
                answer = answer_of(self._gateway, approval)
                if isinstance(answer, ToolCall):
                    every = calls_in(self._gateway, thread, found[1])
                    edited = _edited(found[1], every, tool_call_id, answer)
                    guard |= {"error": None, "again": True}
                    return {"jump_to": "model", "messages": [edited, *said], "guard": guard}
                if answer is None:
                    continue
                code, words = answer
                result = ToolResult(status="denied", code=code, content=words, tool=call.tool, call_id=call.id)
            elif row.state in ("denied", "suggested", "rejected", "expired"):
                result = settled(self._gateway, proposal, call)
            else:
                continue
            said.append(result_message(result, tool_call_id))
            if result.stop:
                return self._ended(result.code, str(result.content), said)
        return {"messages": said, "guard": guard | {"error": None}}

    def _unanswered(self, thread: GuardedThread, messages: Sequence[AnyMessage]) -> list[tuple[ToolCall, str]]:
        found = last_call(messages)
        if found is None:
            return []
        answered = {item.tool_call_id for item in messages[found[0] :] if isinstance(item, ToolMessage)}
        return [pair for pair in calls_in(self._gateway, thread, found[1]) if pair[1] not in answered]

    def _would_ask(self, thread: GuardedThread, call: ToolCall, asked: str) -> bool:
        """Whether a call would need a person of its own, after the question of this message."""
        vault = thread.vault()
        gathered = self._gateway.gather(thread.row, call, vault)
        question = self._gateway.approvals.get(asked)
        if question is not None and gathered.digest in question.covers:
            return False
        with self._gateway.store.read() as connection:
            return self._gateway.decide(gathered, connection)[1].outcome == "require_approval"

    # ---- around a tool

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]) -> ToolMessage:
        """Executes the call at the gateway. A call that was not decided, or is not what was decided, does not run."""
        del handler  # the gateway runs its own tool
        return ask(self._executing(request))

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> ToolMessage:
        """:meth:`wrap_tool_call`, from an event loop; no thread waits while an async tool runs."""
        del handler  # the gateway runs its own tool
        return await aask(self._executing(request))

    def _executing(self, request: ToolCallRequest) -> Asks[ToolMessage]:
        data = request.tool_call
        gateway, call_id = self._gateway, data["id"] or ""
        tool = data["name"]
        try:
            config = request.runtime.config
            thread = thread_of(gateway, config, context_of(request.runtime.context))
            call = self._asked(thread, request)
            tool = call.tool
            result = yield Ask(
                now=lambda: gateway.execute(thread.row, call), later=lambda: gateway.aexecute(thread.row, call)
            )
        except (ConfigError, UnknownThread):
            raise
        except AgentGuardError as error:
            result = ToolResult(status="failed", code=_code(error), content=str(error), tool=tool, call_id=call_id)
        except Exception as error:  # LangGraph would store what it says, which may repeat a value
            words = f"the execution failed: {type(error).__name__}"
            result = ToolResult(status="failed", code=Code.INTERNAL, content=words, tool=tool, call_id=call_id)
        return result_message(result, call_id)

    def _asked(self, thread: GuardedThread, request: ToolCallRequest) -> ToolCall:
        """The call as it stands in the conversation; one that is not there, or was changed since, is another call."""
        data = request.tool_call
        state = request.state if isinstance(request.state, Mapping) else {}
        found = last_call(state.get("messages") or [])
        if found is not None:
            for call in found[1].tool_calls:
                if (call["id"], call["name"], call["args"]) == (data["id"], data["name"], data["args"]):
                    pairs = calls_in(self._gateway, thread, found[1])
                    ours = next((made for made, call_id in pairs if call_id == data["id"]), None)
                    return ours or self._other(thread, data)
        return self._other(thread, data)

    def _other(self, thread: GuardedThread, data: Any) -> ToolCall:
        message = AIMessage("", tool_calls=[data])
        ((call, _),) = calls_in(self._gateway, thread, message)
        return call

    # ---- ends

    def _words(self, code: Code) -> str:
        return self._stopped if code is Code.REJECTED_TWICE else self._handover

    def _escalated(self, code: Code, reason: str) -> ExtendedModelResponse[Any]:
        log.warning("escalated: %s: %s", code, reason)
        return _response([marked(AIMessage(self._words(code)))], _outcome(code, reason))

    def _ended(self, code: Code, reason: str, said: Sequence[BaseMessage]) -> dict[str, Any]:
        log.warning("escalated: %s: %s", code, reason)
        messages = [*said, marked(AIMessage(self._words(code)))]
        return {"messages": messages, "guard": _outcome(code, reason), "jump_to": "end"}


def _outcome(code: Code, reason: str) -> dict[str, Any]:
    return {"v": STATE_VERSION, "status": "escalated", "outcome": {"code": str(code), "reason": reason}}


def _code(error: AgentGuardError) -> Code:
    return Code.STORE_UNAVAILABLE if isinstance(error, StoreError) else Code.INTERNAL


def _response(
    result: Sequence[BaseMessage], guard: Mapping[str, Any], changed: Sequence[AnyMessage] = ()
) -> ExtendedModelResponse[Any]:
    update: dict[str, Any] = {"guard": dict(guard)}
    if changed:
        update["messages"] = list(changed)
    return ExtendedModelResponse(model_response=ModelResponse(result=list(result)), command=Command(update=update))


def _human_after(messages: Sequence[AnyMessage], index: int) -> bool:
    return any(isinstance(item, HumanMessage) for item in messages[index + 1 :])


def _edited(message: AIMessage, pairs: Sequence[tuple[ToolCall, str]], tool_call_id: str, call: ToolCall) -> AIMessage:
    """The model's message with a call as a person wrote it."""
    calls = [call if name == tool_call_id else other for other, name in pairs]
    made: AIMessage = marked(answered(message, message.text, calls), calls)
    return made


class _Leak(Exception):
    """A raw value in what a model is about to be sent; the text says of which kind."""


class _AtTheModel(BaseCallbackHandler):
    """Looks at what any model is sent in our model call, at the last moment, and stops it."""

    raise_error = True
    run_inline = True

    def __init__(self, tripwire: Tripwire) -> None:
        self._tripwire = tripwire

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        **_: Any,
    ) -> None:
        """Raises where the tripwire finds something."""
        del serialized, run_id
        for batch in messages:
            found = self._tripwire.leak(batch)
            if found is not None:
                raise _Leak(found)


@contextmanager
def _watched(tripwire: Tripwire) -> Iterator[None]:
    """Model calls inside have no callbacks but the tripwire."""
    config: Any = {**(var_child_runnable_config.get() or {}), "callbacks": [_AtTheModel(tripwire)]}
    token = var_child_runnable_config.set(config)
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)
