"""The rules of the interview that hold whatever the model says: a pure correction of its message before it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.messages.tool import ToolCall
from pydantic import ValidationError

from agent_guard.nodes import GuardState
from graphs.sdr_qualification.phrases import CLOSINGS, language_of
from tools.leads import MAX_QUESTIONS, Qualification, one_question, opted_out, own_words, verified

__all__ = ["interviewed"]


def interviewed(state: GuardState, message: AIMessage) -> AIMessage:
    """Holds the model to the interview: nothing after an opt-out, evidence that stands verbatim in the client's own
    words, one question a turn, six in all.
    """
    messages = state["messages"]
    said = {item.id or "": item.text for item in messages if _from_client(item)}
    last = next(reversed(said.values()), "")
    if opted_out(last):
        return _without_calls(message, CLOSINGS[language_of(own_words(last))]["opt_out"])
    calls = [_with_evidence(call, said) for call in message.tool_calls]
    text = message.text if calls else one_question(message.text)
    if not calls and "?" in text and _asked(messages) >= MAX_QUESTIONS:
        text = CLOSINGS[language_of(own_words(last))]["informed"]
    return message.model_copy(update={"content": text, "tool_calls": calls})


def _from_client(message: AnyMessage) -> bool:
    return isinstance(message, HumanMessage) and message.additional_kwargs.get("speaker") == "party"


def _without_calls(message: AIMessage, text: str) -> AIMessage:
    return message.model_copy(update={"content": text, "tool_calls": [], "invalid_tool_calls": []})


def _with_evidence(call: ToolCall, said: Mapping[str, str]) -> ToolCall:
    """The call with every score dropped whose quote the client did not write: unknown, which is not "no"."""
    given: Any = call["args"].get("qualification") if isinstance(call["args"], dict) else None
    if not isinstance(given, dict):
        return call
    try:
        found = verified(Qualification.model_validate(given, strict=True), said)
    except ValidationError:
        return call  # the gateway refuses it with the argument's name
    kept = {name: letter.model_dump(mode="json") for name, letter in found.letters().items()}
    return {**call, "args": {**call["args"], "qualification": kept}}


def _asked(messages: Sequence[AnyMessage]) -> int:
    return sum(isinstance(item, AIMessage) and not item.tool_calls and "?" in item.text for item in messages)
