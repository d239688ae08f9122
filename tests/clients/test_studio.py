"""LangGraph Studio: it shows the question as JSON, and sends whatever JSON a person writes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from agent_guard.types import Subject
from tests.clients.server import EDITED, TERMS, TOOL, Served, proposal
from tests.conftest import World

pytestmark = [pytest.mark.req("A12"), pytest.mark.databases("sqlite")]


class Studio:
    """One person at LangGraph Studio.

    Args:
        as_text: the field was sent as the text that it is, not as the JSON in it.
    """

    words = ("approve", "edit", "reject", "respond")

    def __init__(self, server: Served, *, as_text: bool = False, by: Subject | None = World.boss) -> None:
        self._server, self._as_text, self._by = server, as_text, by

    def sees(self) -> dict[str, Any]:
        """The interrupt's JSON, as it stands there."""
        ((first, *_),) = self._server.thread()["interrupts"].values()
        value: dict[str, Any] = first["value"]
        return value

    def answer(self, word: str, *, args: Mapping[str, Any] | None = None, text: str = "") -> dict[str, Any]:
        """What LangChain's documentation has people write there."""
        decision: dict[str, Any] = {"type": word}
        if word == "edit":
            decision["edited_action"] = {"name": self.sees()["action_requests"][0]["name"], "args": dict(args or {})}
        if word in ("reject", "respond"):
            decision["message"] = text
        return self.paste(json.dumps({"decisions": [decision]}, indent=2))

    def paste(self, text: str) -> dict[str, Any]:
        """What was written there, sent."""
        return self._server.run({"resume": text if self._as_text else json.loads(text)}, by=self._by)

    def close(self) -> None:
        """It has a state that can be edited as well; as the end of the graph it is what "Mark resolved" does."""
        self._server.update_state(None, as_node="__end__")


@pytest.fixture
def server(world: World) -> Any:
    """A thread that waits for a manager."""
    made = Served(world, "guarded_agent", proposal(), "Done.", "Done.")
    made.say()
    yield made
    made.close()


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("word", Studio.words)
def test_every_word(world: World, word: str, as_text: bool) -> None:
    """The four words of LangChain, as JSON and as the text of it."""
    server = Served(world, "guarded_agent", proposal(), "Done.")
    server.say()
    assert Studio(server, as_text=as_text).answer(word, args=EDITED, text="They are on leave.")["status"] == "idle"
    assert server.done == {"approve": [TERMS], "edit": [EDITED]}.get(word, [])
    assert server.approvals[0].answer == word
    if word in ("reject", "respond"):
        assert "They are on leave." in server.told[0]["message"]
    server.close()


def test_what_it_shows_says_how_to_answer(server: Served) -> None:
    """Everything that an answer needs stands in the JSON: the words, the tool, its arguments and the question's id."""
    value = Studio(server).sees()
    (review,) = value["review_configs"]
    assert (review["action_name"], review["allowed_decisions"]) == (TOOL, ["approve", "edit", "reject"])
    assert set(review["args_schema"]["properties"]) == set(TERMS)
    block = value["agent_guard"]
    assert (
        Studio(server).paste(json.dumps({"type": "approve", "approval_id": block["approval_id"]}))["status"] == "idle"
    )
    assert server.done == [TERMS]


BAD = [
    "approve",
    "yes",
    "",
    "{",
    "[",
    "{}",
    "[]",
    "null",
    '{"type": "yes"}',
    '"{\\"type\\": \\"approve\\"}"',
    "[" * 9_000,
]


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:20])
def test_what_is_no_answer_is_asked_again(server: Served, text: str) -> None:
    """Words that are no JSON, and JSON that is no answer: the same question with what was wrong, and nothing ran."""
    studio = Studio(server, as_text=True)
    before = studio.sees()["agent_guard"]["approval_id"]
    assert studio.paste(text)["status"] == "interrupted"
    block = studio.sees()["agent_guard"]
    assert (block["approval_id"], server.done, server.approvals[0].answer) == (before, [], None)
    assert block["previous_error"]
    assert studio.answer("approve")["status"] == "idle"
    assert server.done == [TERMS]


def test_a_state_that_is_edited_there(server: Served) -> None:
    """Studio can write the state of a paused thread: the call in hand becomes another one, and does not ride on the
    answer.
    """
    queue = server.session.graph.get_state(server.config).values["queue"]
    other = [queue[0] | {"args": TERMS | {"stage": "lost"}}]
    server.session.graph.update_state(server.config, {"queue": other}, as_node="decide")
    server.session.graph.update_state(server.config, {"queue": other}, as_node="approve")
    Studio(server).answer("approve") if server.thread()["status"] == "interrupted" else server.run({"goto": "execute"})
    assert server.done in ([], [TERMS])
    assert [item for item in server.done if item["stage"] == "lost"] == []
