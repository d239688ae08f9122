"""agent-chat-ui: when it knows our question for one, and what it sends.

Modelled after langchain-ai/agent-chat-ui, ``lib/agent-inbox-interrupt.ts`` (what it recognises) and ``components/thread/
agent-inbox`` (the form and its decisions). It names no interrupt, and answers the first action alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from agent_guard.types import Subject
from tests.clients.server import EDITED, TERMS, TOOL, Served, as_text, proposal
from tests.conftest import World

pytestmark = [pytest.mark.req("A12"), pytest.mark.databases("sqlite")]


def recognised(interrupt: Any) -> bool:
    """Whether it shows its form, and not the raw JSON."""
    value = interrupt.get("value")
    if not isinstance(value, dict):
        return False
    actions, reviews = value.get("action_requests"), value.get("review_configs")
    return (
        isinstance(actions, list)
        and isinstance(reviews, list)
        and bool(actions and reviews)
        and all(isinstance(item.get("name"), str) and isinstance(item.get("args"), dict) for item in actions)
        and all(
            isinstance(item.get("action_name"), str) and isinstance(item.get("allowed_decisions"), list)
            for item in reviews
        )
    )


class AgentChatUi:
    """One person at agent-chat-ui."""

    words = ("approve", "edit", "reject")

    def __init__(self, server: Served, *, by: Subject | None = World.boss) -> None:
        self._server, self._by = server, by
        self.sent: list[dict[str, Any]] = []

    def sees(self) -> dict[str, Any]:
        """The first action with what may be decided of it."""
        ((first, *_),) = self._server.thread()["interrupts"].values()
        assert recognised(first)
        action = first["value"]["action_requests"][0]
        (review,) = [item for item in first["value"]["review_configs"] if item["action_name"] == action["name"]]
        return action | {"allowed": review["allowed_decisions"]}

    def answer(self, word: str, *, args: Mapping[str, Any] | None = None, text: str = "") -> dict[str, Any]:
        """Presses a button; a rejection without words is not sent."""
        shown = self.sees()
        assert word in shown["allowed"]
        decision: dict[str, Any] = {"type": word}
        if word == "edit":
            typed = as_text(args or {}, shown["args"])
            decision["edited_action"] = {"name": shown["name"], "args": shown["args"] | typed}
        if word == "reject":
            assert text.strip(), "Please provide a rejection reason."
            decision["message"] = text.strip()
        return self._submit({"resume": {"decisions": [decision]}})

    def close(self) -> dict[str, Any]:
        """Presses "Resolve"."""
        return self._submit({"goto": "__end__"})

    def _submit(self, command: dict[str, Any]) -> dict[str, Any]:
        """``thread.submit({}, {command})``: the empty input says nothing where there is a command."""
        self.sent.append(command)
        return self._server.run(command, by=self._by)


def test_it_shows_its_form(server: Served) -> None:
    """It knows the question for one of LangChain's, with every argument."""
    shown = AgentChatUi(server).sees()
    assert (shown["name"], shown["args"]) == (TOOL, TERMS)
    assert shown["allowed"] == ["approve", "edit", "reject"]


SENT: dict[str, Any] = {
    "approve": {"type": "approve"},
    "edit": {
        "type": "edit",
        "edited_action": {
            "name": TOOL,
            "args": TERMS
            | {"discount": "8", "urgent": "true", "tags": '["fleet","vip"]', "seats": "12", "stage": "lost"},
        },
    },
    "reject": {"type": "reject", "message": "Not before Friday."},
}


@pytest.mark.parametrize("word", AgentChatUi.words)
def test_the_exact_json_of_every_button(world: World, word: str) -> None:
    """What it sends, letter by letter, and what becomes of it."""
    server = Served(world, "guarded_agent", proposal(), "Done.")
    server.say()
    chat = AgentChatUi(server)
    assert chat.answer(word, args=EDITED, text=" Not before Friday. ")["status"] == "idle"
    assert chat.sent == [{"resume": {"decisions": [SENT[word]]}}]
    assert server.done == {"approve": [TERMS], "edit": [EDITED]}.get(word, [])
    assert server.approvals[0].answer == word
    server.close()


def test_resolve_decides_nothing(server: Served) -> None:
    """LangGraph knows no such way out of the pause: the same question is asked again, and can be answered."""
    chat = AgentChatUi(server)
    before = server.approvals
    for _ in range(2):
        assert chat.close()["status"] == "interrupted"
        assert (server.approvals, server.done, server.waits) == (before, [], True)
        assert chat.sees()["args"] == TERMS
    assert chat.answer("approve")["status"] == "idle"
    assert server.done == [TERMS]


def test_a_message_typed_instead_of_an_answer(world: World) -> None:
    """Below the form stands the field for the next message: in a graph of its own it replaces the question."""
    server = Served(world, "guarded_agent", proposal(), proposal("c2", stage="lost"), "Done.")
    server.say()
    (old,) = server.approvals
    server.say("No, they are lost.")
    chat = AgentChatUi(server)
    assert chat.sees()["args"]["stage"] == "lost"
    assert chat.answer("approve")["status"] == "interrupted"
    assert "name the approval_id" in chat.sees()["description"]
    assert (server.done, server.gateway.approvals.get(old.id)) == ([], server.approvals[0])
    server.close()
