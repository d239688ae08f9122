"""What the model is shown and what it answered: tool schemas, message views, and its tool calls made safe to store."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from agent_guard.gathering.arguments import screen
from agent_guard.lint import REASON
from agent_guard.tool import Tool
from agent_guard.types import JSON, Code, ToolCall, ToolResult

__all__ = ["answered", "hide", "message_of", "proposals", "schema", "spent", "texts", "view", "wire_name"]

DO_NOT_RETRY = "Do not retry this call as it is."

_AGAIN = frozenset({Code.APPROVAL_CHANGED, Code.APPROVAL_EXPIRED, Code.APPROVAL_REQUIRED, Code.APPROVAL_PENDING})
"""Codes of calls that may be proposed again as they are."""

CALLS_MAX = 32
"""Most tool calls of one message that are looked at; the others are refused unread."""


def wire_name(name: str) -> str:
    """A tool's name as model providers accept it: ``crm.read_deal`` becomes ``crm__read_deal``."""
    return name.replace(".", "__")


def schema(tool: Tool) -> dict[str, Any]:
    """A tool as the model is told of it, in the OpenAI form that every chat model's ``bind_tools`` takes. ``reason`` is
    required: a plan before the call (A24).
    """
    parameters = copy.deepcopy(dict(tool.args_schema))
    if reference := parameters.pop("$ref", None):  # a model that is its own part
        parameters = {**parameters, **copy.deepcopy(parameters["$defs"][reference.rsplit("/", 1)[-1]])}
    parameters.pop("title", None)
    parameters["properties"] = {
        REASON: {"type": "string", "maxLength": 300, "description": "Why you call this tool now, in one sentence."},
        **parameters.get("properties", {}),
    }
    parameters["required"] = [REASON, *parameters.get("required", [])]
    parameters["additionalProperties"] = False
    return {
        "type": "function",
        "function": {"name": wire_name(tool.name), "description": tool.description, "parameters": parameters},
    }


def proposals(message: AIMessage, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yields the tool calls of a message as plain data: id, tool, args, reason, problem.

    Args:
        names: wire name -> tool name. An unknown name is kept as it is, for the record.
    """
    seen: set[str] = set()
    raw: list[tuple[str, Any, str | None, Code | None]] = [
        (call["name"], call["args"], call["id"], None) for call in message.tool_calls
    ]
    raw += [(call["name"] or "", {}, call["id"], Code.ARGUMENTS_MALFORMED) for call in message.invalid_tool_calls]
    for index, (name, given, call_id, unread) in enumerate(raw[:CALLS_MAX]):
        unique = call_id or f"{message.id or 'call'}-{index}"  # not the same again in the next message
        while unique in seen:
            unique = f"{unique}-{index}"
        seen.add(unique)
        problem = unread or screen(given)
        args = {} if problem else dict(given)
        reason = args.pop(REASON, None)
        if problem is None and not (isinstance(reason, str) and reason.strip()):
            problem = Code.REASON_MISSING
        yield {
            "id": unique,
            "tool": names.get(name, name),
            "args": args,
            "reason": reason if isinstance(reason, str) and reason.strip() else None,
            "problem": problem,
        }


def spent(message: AIMessage, shown: Sequence[BaseMessage]) -> int:
    """The tokens of one model call: as the provider counted them, else one for four characters."""
    if message.usage_metadata is not None:
        return message.usage_metadata["total_tokens"]
    return sum(len(item.text) for item in [*shown, message]) // 4 + 1


def answered(message: AIMessage, text: str, calls: Sequence[ToolCall]) -> AIMessage:
    """The model's message as it may be stored: masked text, masked calls, nothing else of the provider's but usage."""
    return AIMessage(
        content=text,
        id=message.id,
        tool_calls=[
            {
                "name": wire_name(call.tool),
                "args": {**({REASON: call.reason} if call.reason else {}), **call.args},
                "id": call.id,
                "type": "tool_call",
            }
            for call in calls
        ],
        usage_metadata=message.usage_metadata,
    )


def message_of(result: ToolResult, tool_call_id: str) -> ToolMessage:
    """A result as the model reads it: JSON, the status first. A denial is an error, so that no client shows success."""
    content: dict[str, JSON] = {"status": result.status, "code": str(result.code)}
    if result.reference:
        content["reference"] = result.reference
    if result.differs:
        content["not_as_asked"] = dict(result.differs)
    content["result" if result.status in ("executed", "duplicate") else "message"] = result.content
    if result.status in ("denied", "failed", "unknown") and result.code not in _AGAIN:
        content["then"] = DO_NOT_RETRY
    return ToolMessage(
        content=json.dumps(content, ensure_ascii=False),
        name=wire_name(result.tool),
        tool_call_id=tool_call_id,
        status="success" if result.status in ("executed", "duplicate", "suggested") else "error",
    )


def view(system: str, messages: Sequence[AnyMessage]) -> list[BaseMessage]:
    """A copy of the conversation that every provider accepts: each call is followed by its answer, and one that was
    cut off by a new message is answered as cancelled.
    """
    shown: list[BaseMessage] = [SystemMessage(system)]
    for index, message in enumerate(messages):
        if isinstance(message, ToolMessage):
            continue
        shown.append(message)
        if not isinstance(message, AIMessage):
            continue
        answers = _answers(messages[index + 1 :])
        for call in message.tool_calls:
            call_id = call["id"] or ""
            shown.append(answers.get(call_id) or _cancelled(call["name"], call_id))
    return shown


def _answers(messages: Sequence[AnyMessage]) -> dict[str, ToolMessage]:
    """The answers up to the model's next message: a provider may number its calls anew in each."""
    found = {}
    for message in messages:
        if isinstance(message, AIMessage):
            break
        if isinstance(message, ToolMessage):
            found[message.tool_call_id] = message
    return found


def _cancelled(name: str, call_id: str) -> ToolMessage:
    content = json.dumps({"status": "denied", "code": str(Code.CANCELLED), "message": "A newer message replaced it."})
    return ToolMessage(content=content, name=name, tool_call_id=call_id, status="error")


def hide(message: AnyMessage, mask: Callable[[str], str]) -> AnyMessage:
    """A copy of a message with its text and its calls' arguments masked once more; the message itself where nothing
    changes.
    """
    text = message.text
    update: dict[str, Any] = {}
    if (masked := mask(text)) != text:
        update["content"] = masked
    if isinstance(message, AIMessage) and message.tool_calls:
        calls = [{**call, "args": _hidden(call["args"], mask)} for call in message.tool_calls]
        if calls != message.tool_calls:
            update["tool_calls"] = calls
    return message.model_copy(update=update) if update else message


def _hidden(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {key: _hidden(item, mask) for key, item in value.items()}
    return [_hidden(item, mask) for item in value] if isinstance(value, list) else value


def texts(messages: Sequence[BaseMessage]) -> Iterator[str]:
    """Yields all text that a model would be sent, the values of arguments included; their names are the contract's."""
    for message in messages:
        yield message.text if isinstance(message.content, str) else json.dumps(message.content, ensure_ascii=False)
        if isinstance(message, AIMessage):
            for call in message.tool_calls:
                yield from _strings(call["args"])


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def call_json(call: ToolCall, tool_call_id: str) -> dict[str, JSON]:
    """A call as graph state holds it."""
    data = asdict(call)
    data["args"] = dict(call.args)
    data["problem"] = None if call.problem is None else str(call.problem)
    return data | {"tool_call_id": tool_call_id}


def call_of(data: Mapping[str, Any]) -> ToolCall:
    """The call of :func:`call_json`, of this release or an earlier one."""
    fields = {name: data[name] for name in ("id", "tool", "args", "thread")}
    problem = data.get("problem")
    return ToolCall(**fields, reason=data.get("reason"), problem=None if problem is None else Code(problem))


def is_masked(message: BaseMessage) -> bool:
    """Whether a Session masked this message before the graph saw it."""
    return not isinstance(message, HumanMessage) or "speaker" in message.additional_kwargs
