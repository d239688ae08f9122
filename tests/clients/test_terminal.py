"""``agent-guard approvals review``: a person at a terminal answers what a graph anywhere waits for."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import pytest

from agent_guard.cli import review
from agent_guard.cli.output import console
from agent_guard.types import Subject
from tests.clients.server import EDITED, TERMS, TOOL, Served, proposal
from tests.conftest import World

pytestmark = [pytest.mark.req("A12"), pytest.mark.databases("sqlite")]


class Terminal:
    """One person at a terminal. It asks the guard's table, not LangGraph."""

    words = ("approve", "edit", "reject", "respond")

    def __init__(self, server: Served, *, by: Subject = World.boss) -> None:
        self._server, self._by = server, by
        self.shown = ""

    def of(self, _: Any) -> Any:
        """The session in which a question's thread goes on."""
        return self._server.session

    def answer(self, word: str, *, args: Mapping[str, Any] | None = None, text: str = "") -> dict[str, Any]:
        """Types what the word takes; the editor saves the arguments as JSON, which is YAML."""
        lines = {"approve": ["a"], "reject": ["r", text], "respond": ["n", text], "edit": ["e", "a"]}[word]
        with (
            patch("sys.stdin", io.StringIO("".join(f"{line}\n" for line in [*lines, "q"]))),
            patch.object(review, "in_editor", lambda _: json.dumps(dict(args or {}))),
            console.capture() as captured,
        ):
            review.Review(self._server.gateway, self, self._by).walk()  # type: ignore[arg-type]
        self.shown = captured.get()
        return self._server.thread()


@pytest.mark.parametrize("graph", ["guarded_agent", "scenario", "create_agent"])
@pytest.mark.parametrize("word", Terminal.words)
def test_every_word(world: World, graph: str, word: str) -> None:
    """The four words, in every graph."""
    server = Served(world, graph, proposal(), "Done.")
    server.say()
    terminal = Terminal(server)
    assert terminal.answer(word, args=EDITED, text="They are on leave.")["status"] == "idle"
    assert TOOL in terminal.shown
    assert server.done == {"approve": [TERMS], "edit": [EDITED]}.get(word, [])
    assert server.approvals[0].answer == word
    if word in ("reject", "respond"):
        assert "They are on leave." in server.told[0]["message"]
    server.close()


def test_a_value_that_was_written_as_text(world: World) -> None:
    """A number in quotes is the number, as in every other client."""
    server = Served(world, "guarded_agent", proposal(), "Done.")
    server.say()
    Terminal(server).answer("edit", args=TERMS | {"discount": "8", "urgent": "true"})
    assert server.done == [TERMS | {"discount": 8, "urgent": True}]
    server.close()
