"""LangChain's agent with the middleware that it ships, driven by a scripted chat model, on an in-memory checkpointer.

How a need is said:

- a permitted tool is one that the agent is given; one that the policy forgot is given as well, because the toolbox is
  all there is; a forbidden one is not given.
- rules on arguments are the tool's ``args_schema``: ``Literal``, ``pattern`` as it was written, bounds, lengths.
- an approval is ``HumanInTheLoopMiddleware`` with all four decisions; nothing in it says who may answer or until when.
- a limit is ``ToolCallLimitMiddleware(tool_name=..., thread_limit=N)``.
- a check of the team's own is the ``when`` predicate of the approval.
- "the same call runs once" has no counterpart.
- a changed policy is the agent built again over the same checkpointer.
- a race is several ``invoke`` of one thread at once, which LangGraph itself does not forbid and its server serialises.

``Strict``: schemas forbid further arguments and do not convert, and ``interrupt_mode="per_call"``, which pins an edit
to its tool. ``Defaults``: pydantic's ordinary schemas and the default ``"batched"`` mode.
"""

from __future__ import annotations

import os

os.environ["LANGSMITH_TRACING"] = "false"

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Annotated, Any, Literal

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, ToolCallLimitMiddleware
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.output_parsers.openai_tools import parse_tool_call
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import AwareDatetime, ConfigDict, Field, ValidationError, create_model

from agent_guard.testing import FunctionModel
from benchmarks.bypass.handle import BOSS, Answer, CannotExpress, Handle, Person, Question
from benchmarks.bypass.need import REQUIRED, Arg, Need, Tool

__all__ = ["Defaults", "Strict"]

_EVERY = ["approve", "edit", "reject", "respond"]


class _Handle(Handle):
    def __init__(self, need: Need, *, strict: bool) -> None:
        super().__init__(need)
        self._strict = strict
        self._said: dict[str, AIMessage] = {}
        self._model = FunctionModel(self._next)
        self._saver = InMemorySaver()
        self._config: dict[str, Any] = {"configurable": {"thread_id": "t1"}}
        self._paused: dict[str, Any] = self._config
        self._turns = 0
        self._answers: dict[str, dict[int, Any]] = {}
        self._agent = self._build(need)

    def _build(self, need: Need) -> Any:
        tools = [self._tool(tool) for tool in need.tools if tool.permitted != "never"]
        return create_agent(self._model, tools, middleware=self._middleware(need), checkpointer=self._saver)

    def _next(self, messages: Sequence[BaseMessage]) -> AIMessage | str:
        """For each message of the user what was written for it, then that it is done; safe in many threads."""
        last = messages[-1]
        return self._said[last.text] if isinstance(last, HumanMessage) else "Done."

    def _middleware(self, need: Need) -> list[Any]:
        if need.policy == "missing":
            raise CannotExpress("a policy is code; there is no file to miss")
        if need.policy == "none":
            return []
        limits = [
            ToolCallLimitMiddleware(tool_name=tool.name, thread_limit=tool.limit)
            for tool in need.tools
            if tool.limit is not None
        ]
        asked: dict[str, Any] = {tool.name: _review(tool, need) for tool in need.tools if _asks(tool, need)}
        mode: Literal["per_call", "batched"] = "per_call" if self._strict else "batched"
        return [*limits, HumanInTheLoopMiddleware(asked, interrupt_mode=mode)]

    def _tool(self, tool: Tool) -> StructuredTool:
        if tool.once_by:
            raise CannotExpress("nothing makes a call happen once")
        config = ConfigDict(extra="forbid") if self._strict else ConfigDict()
        fields: dict[str, Any] = {name: _field(arg, strict=self._strict) for name, arg in tool.open_args.items()}
        return StructuredTool.from_function(
            self.desk.function(tool),
            name=tool.name,
            description=f"Does {tool.name}.",
            args_schema=create_model(f"{tool.name}_args", __config__=config, **fields),
        )

    # ---- the conversation

    def ask(self, tool: str, args: Mapping[str, Any] | str, call_id: str | None) -> Answer:
        return self._turn([self._call(tool, args, call_id)])

    def batch(self, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        self._caught(lambda: self._turn([self._call(tool, args, None) for tool, args in calls]))

    def _call(self, tool: str, args: Mapping[str, Any] | str, call_id: str | None) -> dict[str, Any]:
        self._turns += 1
        made = call_id or f"call-{self._turns}"
        if isinstance(args, str):  # as a provider sends it
            raw = {"id": made, "function": {"name": tool, "arguments": args}}
            return dict(parse_tool_call(raw, strict=False, return_id=True) or {})
        return {"name": tool, "args": args, "id": made, "type": "tool_call"}

    def _turn(self, calls: list[dict[str, Any]]) -> Answer:
        key = f"turn {id(calls)} {calls[0]['id']}"
        self._said[key] = AIMessage("Calling.", tool_calls=calls)
        before = len(self.desk.ran)
        quick: Any = {"durability": "exit"} if len(calls) > 10 else {}  # a long conversation, only to get there
        out = self._agent.invoke({"messages": [HumanMessage(key)]}, self._config, **quick)
        if out.get("__interrupt__"):
            self._paused = self._agent.get_state(self._config).config
            return Answer("pending", f"{out['__interrupt__'][-1].id}/0")
        return Answer("executed" if len(self.desk.ran) > before else "refused")

    def pending(self) -> list[Question]:
        found = []
        for interrupt in self._agent.get_state(self._config).interrupts:
            requests = interrupt.value.get("action_requests", [interrupt.value])
            answered = self._answers.get(interrupt.id, {})
            found += [
                Question(f"{interrupt.id}/{n}", request["name"], request["args"])
                for n, request in enumerate(requests)
                if n not in answered
            ]
        return found

    def agree(self, question: str, by: Person, edit: tuple[str, Mapping[str, Any]] | None) -> Answer:
        if edit is None:
            return self._decide(question, {"type": "approve"})
        return self._decide(question, {"type": "edit", "edited_action": {"name": edit[0], "args": dict(edit[1])}})

    def reject(self, question: str, by: Person = BOSS) -> None:
        self._decide(question, {"type": "reject", "message": "No."})

    def _decide(self, question: str, decision: dict[str, Any]) -> Answer:
        interrupt, _, place = question.partition("/")
        before = len(self.desk.ran)
        if self._strict:
            answer: Any = decision
        else:
            given = self._answers.setdefault(interrupt, {})
            given[int(place or 0)] = decision
            if any(item.id.startswith(f"{interrupt}/") for item in self.pending()):
                return Answer("pending")
            answer = {"decisions": [given[n] for n in sorted(given)]}
        try:
            self._agent.invoke(Command(resume={interrupt: answer}), self._config)
        except ValidationError:  # how per-call mode refuses an answer, which is then not saved
            return Answer("refused")
        return Answer("executed" if len(self.desk.ran) > before else "refused")

    def rewind(self) -> None:
        self._config = self._paused

    def change(self, need: Need) -> None:
        self._agent = self._build(need)

    def wait(self, seconds: int) -> None:
        raise CannotExpress("a question does not expire")


def _asks(tool: Tool, need: Need) -> bool:
    return need.policy == "given" and tool.permitted == "yes" and (tool.approval is not None or need.broken)


def _review(tool: Tool, need: Need) -> dict[str, Any]:
    said = tool.approval
    if said and (said.role or said.not_requester):
        raise CannotExpress("whoever resumes the thread is the approver")
    if said and said.expires_s:
        raise CannotExpress("a question does not expire")
    return {"allowed_decisions": _EVERY} | ({"when": _fail} if need.broken else {})


def _fail(_: Any) -> bool:
    raise RuntimeError("this check is broken")


def _field(arg: Arg, *, strict: bool) -> tuple[Any, Any]:
    kind: Any = {"text": str, "integer": int, "number": float, "moment": AwareDatetime}[arg.kind]
    bounds: dict[str, Any] = {
        "ge": arg.minimum,
        "le": arg.maximum,
        "pattern": arg.pattern,
        "max_length": arg.max_length,
    }
    bounds = {name: value for name, value in bounds.items() if value is not None}
    if strict and arg.kind in ("integer", "number"):
        bounds |= {"strict": True, "allow_inf_nan": False}
    if arg.one_of:
        kind = Literal[arg.one_of]
    kind = Annotated[kind, Field(**bounds)]
    if arg.default is REQUIRED or (arg.default is not None and (arg.one_of or bounds)):
        return kind, ...  # a default of the tool's own that the rule forbids is not offered
    return (kind | None, arg.default) if arg.default is None else (kind, arg.default)


class Strict:
    """LangChain with its strictest settings."""

    name = "langchain"

    def about(self) -> str:
        return f"langchain {version('langchain')}, langgraph {version('langgraph')}, per_call, closed schemas"

    def open(self, need: Need) -> Handle:
        return _Handle(need, strict=True)


class Defaults:
    """LangChain as it comes."""

    name = "langchain_defaults"

    def about(self) -> str:
        return f"langchain {version('langchain')}, langgraph {version('langgraph')}, defaults"

    def open(self, need: Need) -> Handle:
        return _Handle(need, strict=False)
