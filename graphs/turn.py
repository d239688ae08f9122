"""The turn of a conversation with a member of staff as a planner of rules reads it, from the messages alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from graphs.sdr_qualification.phrases import Language, language_told
from tools.leads import own_words

__all__ = ["Result", "Turn"]

_CONTEXT = re.compile(r"^Context:\s*```json\s*(\{.*?\})\s*```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One call of this turn with its answer.

    Args:
        args: as they were proposed.
        data: the result's fields, or None where it did not run.
    """

    tool: str
    args: Mapping[str, Any]
    status: str
    code: str
    data: Mapping[str, Any] | None


@dataclass(frozen=True)
class Turn:
    """What was said and called since the user last spoke."""

    messages: Sequence[BaseMessage]

    @cached_property
    def context(self) -> Mapping[str, Any]:
        """What the host says: the user's region and the present; empty where it cannot be read."""
        text = next((message.text for message in self.messages if isinstance(message, SystemMessage)), "")
        try:
            found = json.loads(_CONTEXT.findall(text)[-1])
        except (IndexError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def region(self) -> str | None:
        """The user's region."""
        region = self.context.get("region")
        return region if isinstance(region, str) else None

    @cached_property
    def words(self) -> str:
        """The user's own words in their last message, in small letters; what they quote or forward is left out."""
        said = [message.text for message in self.messages if isinstance(message, HumanMessage)]
        return own_words(said[-1]).casefold() if said else ""

    @cached_property
    def language(self) -> Language:
        """The language of the last message that is long enough to tell."""
        said = [message.text for message in self.messages if isinstance(message, HumanMessage)]
        told = (language_told(own_words(text)) for text in reversed(said))
        return next((language for language in told if language is not None), "en")

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """The calls of this turn that were answered, in order."""
        last = max((place for place, item in enumerate(self.messages) if isinstance(item, HumanMessage)), default=-1)
        calls = {
            call["id"]: call
            for message in self.messages[last + 1 :]
            if isinstance(message, AIMessage)
            for call in message.tool_calls
        }
        answers = [item for item in self.messages[last + 1 :] if isinstance(item, ToolMessage)]
        return tuple(_result(calls[item.tool_call_id], item) for item in answers if item.tool_call_id in calls)

    def of(self, tool: str) -> list[Result]:
        """The results of one tool."""
        return [item for item in self.results if item.tool == tool]

    def fresh_id(self) -> str:
        """An id that no call of the conversation has."""
        used = sum(len(message.tool_calls) for message in self.messages if isinstance(message, AIMessage))
        return f"call-{used + 1}"


def _result(call: Mapping[str, Any], answer: ToolMessage) -> Result:
    try:
        found = json.loads(answer.text)
    except ValueError:
        found = {}
    found = found if isinstance(found, dict) else {}
    data = found.get("result")
    return Result(
        tool=call["name"],
        args=call["args"],
        status=str(found.get("status", "failed")),
        code=str(found.get("code", "")),
        data=data if isinstance(data, dict) else None,
    )
