"""What tells our messages from anybody else's in a conversation that others write to as well.

A mark says that a message was masked, and holds a digest of what was masked, so that a message which somebody changed
is read as a new one. It is no signature: whoever can write the state can write a mark, and gains nothing but that his
own text is not masked once more; the tripwire and the gateway look at it all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from agent_guard.gateway import Gateway
from agent_guard.graph.wire import is_masked, message_of, proposals, wire_name
from agent_guard.guarded import GuardedThread
from agent_guard.types import Code, ToolCall, ToolResult
from agent_guard.units import sha256

__all__ = ["calls_in", "is_ours", "last_call", "marked", "remarked", "result_message", "stop_in"]

KEY = "agent_guard"


def _digest(message: BaseMessage) -> str | None:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    try:
        return sha256([message.text, [[call["name"], call["args"], call["id"]] for call in calls]])
    except (TypeError, ValueError):  # no JSON: nobody's but the sender's
        return None


def marked(message: Any, calls: Sequence[ToolCall] = (), **more: Any) -> Any:
    """A copy of a masked message with its mark.

    Args:
        calls: the calls in it, for what could not be read of them.
        more: JSON that is kept in the mark.
    """
    problems = {call.id: str(call.problem) for call in calls if call.problem is not None}
    mark = {"digest": _digest(message), **({"problems": problems} if problems else {}), **more}
    return message.model_copy(update={"additional_kwargs": {KEY: mark}})


def _mark(message: BaseMessage) -> dict[str, Any]:
    mark = message.additional_kwargs.get(KEY)
    return mark if isinstance(mark, dict) else {}


def is_ours(message: BaseMessage) -> bool:
    """Whether a message was masked by a door of ours, and nobody has changed it since."""
    if message.type == "human":
        return is_masked(message)
    digest = _digest(message)
    return digest is not None and _mark(message).get("digest") == digest


def remarked(message: Any) -> Any:
    """A copy of a message of ours in which more was masked."""
    mark = _mark(message) | {"digest": _digest(message)}
    return message if message.type == "human" else message.model_copy(update={"additional_kwargs": {KEY: mark}})


def result_message(result: ToolResult, tool_call_id: str) -> ToolMessage:
    """A result as the model reads it, with its mark; it remembers where the run must stop."""
    made = message_of(result, tool_call_id)
    marks = marked(made, stop=[str(result.code), str(result.content)]) if result.stop else marked(made)
    return made.model_copy(update={"additional_kwargs": marks.additional_kwargs})


def stop_in(messages: Sequence[BaseMessage]) -> tuple[Code, str] | None:
    """Why the run must stop, as the answers to the last message say; or None."""
    for message in reversed(messages):
        if not isinstance(message, ToolMessage):
            return None
        found = _mark(message).get("stop")
        if isinstance(found, list) and len(found) == 2 and found[0] in list(Code):
            return Code(found[0]), str(found[1])
    return None


def calls_in(gateway: Gateway, thread: GuardedThread, message: AIMessage) -> list[tuple[ToolCall, str]]:
    """The calls of a model's message with their ids in it; masked now, where it is not ours."""
    names = {wire_name(tool.name): tool.name for tool in gateway.tools.values()}
    ours, problems = is_ours(message), _mark(message).get("problems", {})
    return [
        (_call(thread, item, problems if ours else None), tool_call_id)
        for item, tool_call_id in zip(proposals(message, names), _ids(message), strict=False)
    ]


def _call(thread: GuardedThread, item: dict[str, Any], problems: dict[str, str] | None) -> ToolCall:
    if problems is None:
        made = thread.masked_call(item["tool"], item["args"], item["id"], item["reason"])
        return replace(made, problem=item["problem"] or made.problem)
    stored = problems.get(item["id"])
    return ToolCall(
        id=item["id"],
        tool=item["tool"],
        args=item["args"],
        thread=thread.id,
        reason=item["reason"],
        problem=Code(stored) if stored in list(Code) else item["problem"],
    )


def _ids(message: AIMessage) -> Iterator[str]:
    for index, call in enumerate([*message.tool_calls, *message.invalid_tool_calls]):
        yield call["id"] or f"{message.id or 'call'}-{index}"


def last_call(messages: Sequence[BaseMessage]) -> tuple[int, AIMessage] | None:
    """The last message of the model and its place, or None."""
    for index in reversed(range(len(messages))):
        message = messages[index]
        if isinstance(message, AIMessage):
            return index, message
    return None
