"""The model that needs no key: rules. ``agent-guard run booking --model provider:name`` takes a real one instead."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from agent_guard.testing import FunctionModel, call
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

__all__ = ["planner"]

_CONTACT = re.compile(r'"contact_id": "([0-9]+)"')
_CHOICE = re.compile(r"\b(first|second|third)\b", re.IGNORECASE)
_WORDS = ("first", "second", "third")


def planner() -> FunctionModel:
    """The model."""
    return FunctionModel(step)


def step(messages: Sequence[BaseMessage]) -> AIMessage | str:
    """Offers times, books the chosen one, says so. The same messages give the same answer, in any process."""
    last = max(place for place, message in enumerate(messages) if isinstance(message, HumanMessage))
    answers = [message for message in messages[last:] if isinstance(message, ToolMessage)]
    contact = _CONTACT.search(messages[0].text)  # the first message is the prompt, with the host's context
    if contact is None:
        return "I do not know who you are. A colleague will write to you."
    id_ = f"call-{len(messages)}"
    if not answers:
        return call("calendar.free_slots", "The customer wants to meet.", id=id_)
    slots = _slots(answers[0])
    chosen = _CHOICE.search(messages[last].text)
    if chosen is None or not slots:
        return "These times are free: " + ", ".join(slots.values()) + ". Which one, the first?"
    if len(answers) == 1:
        slot = list(slots)[min(_WORDS.index(chosen[1].casefold()), len(slots) - 1)]
        return call("calendar.book", "They chose this one.", id=id_, contact_id=contact[1], slot_id=slot)
    done = json.loads(answers[-1].text)["status"] in ("executed", "duplicate")
    return "It is booked." if done else "It could not be booked. A colleague will write to you."


def _slots(answer: ToolMessage) -> dict[str, str]:
    """The free times that were read: id -> start."""
    result = json.loads(answer.text).get("result")
    return {slot["id"]: slot["start"] for slot in result["slots"]} if isinstance(result, dict) else {}
