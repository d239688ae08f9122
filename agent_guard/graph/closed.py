"""A question that a client closed without an answer, found again.

Agent Inbox's "Mark resolved" moves a thread to its end (``update_state(None, as_node="__end__")``): LangGraph forgets
what it waited for. The question waits in the guard's table all the same, nothing was approved, and a later answer goes
on from the checkpoint at which the thread paused. Nothing happens twice by that: the calls' rows see to it (law L5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.types import Interrupt, StateSnapshot

__all__ = ["CLOSED_MAX", "asked_in", "is_open", "left_at"]

CLOSED_MAX = 20
"""How many checkpoints are looked back: each "Mark resolved" and each run without a message in between makes one."""


def asked_in(interrupts: Sequence[Interrupt]) -> str | None:
    """The id of the approval that a graph waits for, or None where it waits for nothing, or for something not ours."""
    value = interrupts[0].value if interrupts else None
    block = value.get("agent_guard") if isinstance(value, Mapping) else None
    found = block.get("approval_id") if isinstance(block, Mapping) else None
    return found if isinstance(found, str) else None


def is_open(newest: StateSnapshot) -> bool:
    """Whether a thread is at its end although a call of the model's last message has no answer."""
    if newest.tasks or newest.created_at is None:
        return False
    answered: set[str] = set()
    for message in reversed(_messages(newest)):
        if isinstance(message, ToolMessage):
            answered.add(message.tool_call_id)
        elif isinstance(message, AIMessage):
            return any(call["id"] not in answered for call in message.tool_calls)
        else:
            return False
    return False


def left_at(newest: StateSnapshot, history: Iterable[StateSnapshot]) -> StateSnapshot | None:
    """The checkpoint at which a thread waited for an answer before a client moved it to its end; None where there is
    none, or something was said since.

    Args:
        history: the newest first.
    """
    said = [message.id for message in _messages(newest)]
    for snapshot in history:
        if [message.id for message in _messages(snapshot)] != said:
            return None
        if asked_in(snapshot.interrupts) is not None:
            return snapshot
    return None


def _messages(snapshot: StateSnapshot) -> list[BaseMessage]:
    values: Any = snapshot.values
    found = values.get("messages") if isinstance(values, Mapping) else None
    return [item for item in found if isinstance(item, BaseMessage)] if isinstance(found, list) else []
