"""The model that needs no key: rules. ``agent-guard run lead --model provider:name`` takes a real one instead."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_guard.testing import FunctionModel, call
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

__all__ = ["planner"]

_DEAL = re.compile(r'"deal_id": "([0-9]+)"')
_PERSON = re.compile(r"<PERSON_[0-9]+>")


def planner() -> FunctionModel:
    """The model."""
    return FunctionModel(step)


def step(messages: Sequence[BaseMessage]) -> AIMessage | str:
    """Reads the deal, proposes a task, says so. The same messages give the same answer, in any process."""
    last = max(place for place, message in enumerate(messages) if isinstance(message, HumanMessage))
    done = sum(len(message.tool_calls) for message in messages[last:] if isinstance(message, AIMessage))
    deal = _DEAL.search(messages[0].text)  # the first message is the prompt, with the host's context
    if deal is None or done > 1:
        return "Thank you. A colleague will call you back."
    id_ = f"call-{len(messages)}"
    if done == 0:
        return call("crm.read_deal", "I need to know what the deal is about.", id=id_, deal_id=deal[1])
    who = _PERSON.search(messages[last].text)
    subject = f"Call {who[0] if who else 'the customer'} back"
    return call("crm.create_task", "The customer wants an answer.", id=id_, deal_id=deal[1], subject=subject)
