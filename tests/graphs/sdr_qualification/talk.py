"""A conversation with the planner, without a gateway: every call is answered with a status, as the graph would."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from graphs.sdr_qualification.conversation import read
from graphs.sdr_qualification.planner import CREATE_TASK, READ_DEAL, SdrPlanner

SAMPLES = Path(__file__).parents[3] / "graphs" / "sdr_qualification" / "samples"
NOW = "2026-11-22T10:00:00+00:00"
_REASON = {"type": "string", "maxLength": 300}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "A tool.",
            "parameters": {
                "type": "object",
                "properties": {"deal_id": {"type": "string"}, "reason": _REASON},
                "required": ["deal_id", "reason"],
            },
        },
    }
    for name in (READ_DEAL, CREATE_TASK)
]
_MASKS = (
    (
        (
            r"emily carter|james o'connor|priya nair|thomas becker|айгерим сатыбалдиев\w+|иван\w? петров\w?"
            r"|ольг\w смирнов\w+|нурлан\w? ахметов\w?|agnieszka kowalska|rafał kamiński"
        ),
        "<PERSON_1>",
    ),
    (r"\+\d[\d ]+\d", "<PHONE_1>"),
    (r"[\w.]+@[\w.]+\.example", "<EMAIL_1>"),
    (r"\b\d{12}\b", "<ID_1>"),
)


def masked(text: str) -> str:
    """The text with the samples' fictional people replaced by pseudonyms."""
    for pattern, token in _MASKS:
        text = re.sub(pattern, token, text, flags=re.IGNORECASE)
    return text


def system(deal_id: str = "1001", now: str = NOW) -> SystemMessage:
    """The system prompt with its context block."""
    context = json.dumps({"refs": {"deal_id": deal_id}, "now": now})
    return SystemMessage(f"You qualify leads.\n\nContext:\n```json\n{context}\n```")


def client(text: str, number: int = 1) -> HumanMessage:
    """The client's message of this number."""
    return HumanMessage(text, id=f"m{number}", additional_kwargs={"speaker": "party"})


class Talk:
    """One conversation; ``statuses`` says what becomes of the calls of each tool."""

    def __init__(self, deal_id: str = "1001", statuses: Mapping[str, str] | None = None, now: str = NOW) -> None:
        self.model = SdrPlanner().bind_tools(TOOLS)
        self.messages: list[BaseMessage] = [system(deal_id, now)]
        self.statuses = dict(statuses or {})
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.replies: list[str] = []
        self.plans: list[str] = []

    def say(self, text: str) -> str:
        """Says one thing as the client and returns the answer after all tool calls."""
        number = 1 + sum(isinstance(message, HumanMessage) for message in self.messages)
        self.messages.append(client(text, number))
        for _ in range(5):
            answer = self.model.invoke(self.messages)
            assert isinstance(answer, AIMessage)
            self.messages.append(answer)
            if not answer.tool_calls:
                self.replies.append(str(answer.text))
                return self.replies[-1]
            self.plans.append(str(answer.text))
            for call in answer.tool_calls:
                self.calls.append((call["name"], call["args"]))
                content = json.dumps({"status": self.statuses.get(call["name"], "executed")})
                self.messages.append(ToolMessage(content, tool_call_id=call["id"] or ""))
        raise AssertionError("the planner calls tools without end")

    def say_all(self, texts: Iterable[str]) -> Talk:
        """Says several things in turn."""
        for text in texts:
            self.say(text)
        return self

    @property
    def questions(self) -> list[str]:
        """The answers that ask something."""
        return [reply for reply in self.replies if "?" in reply]

    def made(self, tool: str) -> Sequence[dict[str, Any]]:
        """The arguments of all calls of one tool."""
        return [args for name, args in self.calls if name == tool]


def walked(sample: str) -> Talk:
    """A whole sample conversation."""
    conversation = read(SAMPLES / f"{sample}.jsonl")
    return Talk(conversation.deal_id).say_all(masked(line.text) for line in conversation.messages)
