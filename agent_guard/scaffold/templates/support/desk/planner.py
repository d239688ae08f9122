"""The model that needs no key: rules. ``agent-guard run support --model provider:name`` takes a real one instead."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_guard.testing import FunctionModel, call
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

__all__ = ["planner"]

_TICKET = re.compile(r'"ticket_id": "([0-9]+)"')
_PERSON = re.compile(r"<PERSON_[0-9]+>")


def planner() -> FunctionModel:
    """The model."""
    return FunctionModel(step)


def step(messages: Sequence[BaseMessage]) -> AIMessage | str:
    """Reads the ticket, proposes an answer, says so. The same messages give the same answer, in any process."""
    last = max(place for place, message in enumerate(messages) if isinstance(message, HumanMessage))
    done = sum(len(message.tool_calls) for message in messages[last:] if isinstance(message, AIMessage))
    ticket = _TICKET.search(messages[0].text)  # the first message is the prompt, with the host's context
    if ticket is None or done > 1:
        return "The ticket is with us."
    id_ = f"call-{len(messages)}"
    if done == 0:
        return call("desk.read_ticket", "I must know what the customer asks.", id=id_, ticket_id=ticket[1])
    who = _PERSON.search(messages[-1].text)
    text = f"Hello{f' {who[0]}' if who else ''}, thank you for writing. A colleague looks after it today."
    return call("desk.answer_ticket", "The customer wants an answer.", id=id_, ticket_id=ticket[1], text=text)
