"""The planner's view of a conversation, read from the messages alone: what is known, asked and called."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from graphs.sdr_qualification.bant import Said, qualify
from graphs.sdr_qualification.phrases import Language, Mood, language_told, letter_asked
from tools.leads import Qualification, own_words

__all__ = ["Context", "Reading"]

_CONTEXT = re.compile(r"^Context:\s*```json\s*(\{.*?\})\s*```", re.DOTALL | re.MULTILINE)
_MESSAGE_ID = re.compile(r"m[0-9]{1,4}")
_DEAL_ID = re.compile(r"[0-9]{1,12}")
# Who is greeted or thanked by name is the reader, not the writer; so a name counts in an introduction or a signature.
_NAMED = re.compile(
    r"\b(?:i am|i['’]m|my name is|my name['’]s|this is|меня зовут|мо[её] имя|это|nazywam się|mam na imię|z tej strony"
    r"|с уважением|best regards|kind regards|regards|sincerely|z poważaniem|pozdrawiam)"
    r"[\s,:—–-]*(?P<told><PERSON_\d+>)(?!['’]s)"
    r"|^\W*(?:(?:hi|hello|good \w+|привет|здравствуйте|добр\w+ \w+|dzień dobry)\W+)?(?P<here><PERSON_\d+>)"
    r"(?=\s*(?:here|from|again|тут|из)\b)"
    r"|\n\W*(?P<signed><PERSON_\d+>)[ .]*$",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the host says of the conversation: the only deal that may be named, and the present day."""

    deal_id: str
    today: date

    @classmethod
    def of(cls, messages: Sequence[BaseMessage]) -> Context | None:
        """The context block at the end of the system prompt, or None where there is none that can be read."""
        text = next((message.text for message in messages if isinstance(message, SystemMessage)), "")
        blocks = _CONTEXT.findall(text)
        try:
            data = json.loads(blocks[-1])
            deal_id, now = data["refs"]["deal_id"], datetime.fromisoformat(data["now"])
        except (IndexError, ValueError, KeyError, TypeError):
            return None
        if not isinstance(deal_id, str) or not _DEAL_ID.fullmatch(deal_id):
            return None
        return cls(deal_id=deal_id, today=now.date())

    @property
    def next_working_day(self) -> date:
        """The next day that is neither a Saturday nor a Sunday; holidays are not known here."""
        day = self.today + timedelta(days=1)
        while day.weekday() >= 5:
            day += timedelta(days=1)
        return day


@dataclass(frozen=True)
class Reading:
    """A conversation as the planner reads it; only messages marked as the party's are the client's."""

    messages: Sequence[BaseMessage]

    @cached_property
    def context(self) -> Context | None:
        """See :class:`Context`."""
        return Context.of(self.messages)

    @cached_property
    def said(self) -> tuple[Said, ...]:
        """The client's messages, each with the letter they had just been asked about."""
        found, asked = [], None
        for message in self.messages:
            if isinstance(message, AIMessage) and not message.tool_calls:
                asked = letter_asked(message.text)
            elif isinstance(message, HumanMessage) and message.additional_kwargs.get("speaker") == "party":
                if _MESSAGE_ID.fullmatch(message.id or ""):
                    found.append(Said(id=message.id or "", text=message.text, asked=asked))
                asked = None
        return tuple(found)

    @cached_property
    def last(self) -> str:
        """The client's own words in their last message."""
        return own_words(self.said[-1].text) if self.said else ""

    @cached_property
    def asked(self) -> tuple[str | None, ...]:
        """The letters of all questions so far; None stands for a question that is not one of the planner's."""
        replies = [m.text for m in self.messages if isinstance(m, AIMessage) and not m.tool_calls]
        return tuple(letter_asked(text) for text in replies if "?" in text)

    @cached_property
    def language(self) -> Language:
        """The language of the client's last message that is long enough to tell."""
        texts = (language_told(own_words(said.text)) for said in reversed(self.said))
        return next((language for language in texts if language is not None), "en")

    @cached_property
    def qualification(self) -> Qualification:
        """BANT from everything the client said so far."""
        return self._qualified(self.said)

    def _qualified(self, said: Sequence[Said]) -> Qualification:
        return Qualification() if self.context is None else qualify(said, self.context.today)

    @cached_property
    def mood(self) -> Mood:
        """How the last message is to be acknowledged."""
        if len(self.said) <= 1 and not self.asked:
            return "greeting"
        if self._qualified(self.said[:-1]) != self.qualification:
            return "noted"
        return "asked_us" if "?" in self.last else "evasive"

    @cached_property
    def person(self) -> str | None:
        """The pseudonym under which the client introduced themselves, or None."""
        for said in self.said:
            match = _NAMED.search(own_words(said.text))
            if match:
                return match["told"] or match["here"] or match["signed"]
        return None

    def result(self, tool: str) -> dict[str, Any] | None:
        """The last answer to a call of ``tool`` as a dictionary, or None where there is none yet.

        An answer that is not a JSON object with a status counts as failed.
        """
        names = {
            call["id"]: call["name"]
            for message in self.messages
            if isinstance(message, AIMessage)
            for call in message.tool_calls
        }
        for message in reversed(self.messages):
            if isinstance(message, ToolMessage) and names.get(message.tool_call_id, message.name) == tool:
                try:
                    data = json.loads(message.text)
                except ValueError:
                    data = None
                return data if isinstance(data, dict) and "status" in data else {"status": "failed"}
        return None

    @property
    def answers_tool(self) -> bool:
        """Whether the last message is a tool's answer, so that the client has not spoken since."""
        return bool(self.messages) and isinstance(self.messages[-1], ToolMessage)

    def fresh_id(self, prefix: str, used: int) -> str:
        """``prefix-<used + 1>``, or the next that no message or call of the conversation has."""
        taken = {message.id for message in self.messages}
        taken |= {
            call["id"] for message in self.messages if isinstance(message, AIMessage) for call in message.tool_calls
        }
        number = used + 1
        while f"{prefix}-{number}" in taken:
            number += 1
        return f"{prefix}-{number}"
