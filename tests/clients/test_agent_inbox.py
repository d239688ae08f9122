"""Agent Inbox: what it shows of our question, and what it sends.

Modelled after langchain-ai/agent-inbox, ``contexts/utils.ts`` (reading), ``utils.ts`` (the form), ``contexts/
ThreadContext.tsx`` (sending). Two generations are about: one sends its own ``HumanResponse`` list, one wraps the same in
LangChain's ``decisions``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import pytest

from agent_guard.types import Subject
from tests.clients.server import EDITED, TERMS, TOOL, Served, as_text, proposal
from tests.conftest import World

pytestmark = [pytest.mark.req("A12"), pytest.mark.databases("sqlite")]

APPROVE_ONLY = ("approve", "reject", "ignore")


class AgentInbox:
    """One person at Agent Inbox.

    Args:
        wraps: the generation that knows LangChain's ``HITLRequest`` and sends ``decisions``; it reads ``args`` first,
            the one before read ``arguments`` alone.
    """

    words = ("approve", "edit", "reject", "ignore")

    def __init__(self, server: Served, *, wraps: bool = False, by: Subject | None = World.boss) -> None:
        self._server, self._wraps, self._by = server, wraps, by
        self.sent: list[dict[str, Any]] = []

    def sees(self) -> dict[str, Any]:
        """``{action_request: {action, args}, config: {allow_*}, description}`` of the first interrupt."""
        ((first, *_),) = self._server.thread()["interrupts"].values()
        value = first["value"]
        action, review = value["action_requests"][0], value["review_configs"][0]
        allowed = review["allowed_decisions"]
        args = action.get("args", action.get("arguments", {})) if self._wraps else action.get("arguments", {})
        return {
            "action_request": {"action": action["name"], "args": args},
            "config": {
                "allow_accept": "approve" in allowed,
                "allow_edit": "edit" in allowed,
                "allow_respond": "reject" in allowed,
                "allow_ignore": False,
            },
            "description": action.get("description"),
        }

    def answer(self, word: str, *, args: Mapping[str, Any] | None = None, text: str = "") -> dict[str, Any]:
        """Presses a button. What is typed into the form's fields leaves it as text; untouched fields stay as they were."""
        shown = self.sees()
        request = shown["action_request"]
        match word:
            case "approve":
                kind, given = "accept", request if shown["config"]["allow_edit"] else None
            case "edit":
                assert shown["config"]["allow_edit"], "the form is read-only"
                typed = as_text(args or {}, request["args"])
                kind, given = "edit", {"action": request["action"], "args": request["args"] | typed}
            case "reject":
                assert shown["config"]["allow_respond"]
                kind, given = "response", text
            case _:
                kind, given = "ignore", None  # its button is there whatever the configuration says
        return self._send({"type": kind, "args": given})

    def close(self) -> None:
        """Presses "Mark resolved"."""
        self._server.update_state(None, as_node="__end__")

    def _send(self, response: dict[str, Any]) -> dict[str, Any]:
        resume: Any = [response]
        if self._wraps:
            kinds = {"accept": "approve", "response": "reject"}
            resume = {"decisions": [response | {"type": kinds.get(response["type"], response["type"])}]}
        command = {"resume": resume}
        self.sent.append(command)
        return self._server.run(command, by=self._by)


@pytest.mark.parametrize("wraps", [False, True])
def test_it_shows_the_whole_call(server: Served, wraps: bool) -> None:
    """Action, arguments, what may be pressed, and the description with the change."""
    shown = AgentInbox(server, wraps=wraps).sees()
    assert shown["action_request"] == {"action": TOOL, "args": TERMS}
    assert shown["config"] == {"allow_accept": True, "allow_edit": True, "allow_respond": True, "allow_ignore": False}
    assert "The user asked for it." in shown["description"]


SENT: dict[tuple[str, bool], Any] = {
    ("approve", False): [{"type": "accept", "args": {"action": TOOL, "args": TERMS}}],
    ("approve", True): {"decisions": [{"type": "approve", "args": {"action": TOOL, "args": TERMS}}]},
    ("reject", False): [{"type": "response", "args": "Not before Friday."}],
    ("reject", True): {"decisions": [{"type": "reject", "args": "Not before Friday."}]},
    ("ignore", False): [{"type": "ignore", "args": None}],
    ("ignore", True): {"decisions": [{"type": "ignore", "args": None}]},
}
TEXTS = {"discount": "8", "urgent": "true", "tags": '["fleet","vip"]', "seats": "12", "stage": "lost"}
for _wraps in (False, True):
    _edit = {"type": "edit", "args": {"action": TOOL, "args": TERMS | TEXTS}}
    SENT["edit", _wraps] = {"decisions": [_edit]} if _wraps else [_edit]


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize("word", AgentInbox.words)
def test_the_exact_json_of_every_button(world: World, word: Literal["approve"], wraps: bool) -> None:
    """What it sends, letter by letter, and what becomes of it: edited fields come as text and run as what they are."""
    server = Served(world, "guarded_agent", proposal(), "Done.")
    server.say()
    inbox = AgentInbox(server, wraps=wraps)
    assert inbox.answer(word, args=EDITED, text="Not before Friday.")["status"] == "idle"
    assert inbox.sent == [{"resume": SENT[word, wraps]}]
    assert server.done == {"approve": [TERMS], "edit": [EDITED]}.get(word, [])
    (asked,) = [item for item in server.approvals if "edited_from" not in item.shown]
    assert asked.answer == {"ignore": "reject"}.get(word, word)
    assert asked.message == ("Not before Friday." if word == "reject" else None)
    server.close()


def test_a_field_that_was_reset_is_what_it_was(world: World) -> None:
    """A "Reset" writes every field out as text; an empty one does not become the word ``null``, a list stays a list."""
    server = Served(world, "guarded_agent", proposal(), "Done.")
    server.say()
    written = {name: value if isinstance(value, str) else json.dumps(value) for name, value in TERMS.items()}
    assert written["note"] == "null"
    args = {"action": TOOL, "args": written | {"discount": "8"}}
    server.run({"resume": [{"type": "edit", "args": args}]})
    assert server.done == [TERMS | {"discount": 8}]
    server.close()


@pytest.mark.parametrize(
    "texts",
    [
        {"discount": "a lot"},
        {"discount": "80"},
        {"discount": "8.5"},
        {"discount": "true"},
        {"urgent": "yes"},
        {"urgent": "1"},
        {"tags": "fleet"},
        {"tags": "[1]"},
        {"tags": '{"a": 1}'},
        {"seats": "0"},
        {"stage": "maybe"},
        {"discount": "NaN"},
        {"discount": "[" * 100 + "]" * 100},
    ],
    ids=repr,
)
def test_a_text_that_is_nothing_of_the_kind_is_refused(world: World, texts: dict[str, str]) -> None:
    """A value that the contract does not take runs nothing: the edit is denied and the model told, or asked again."""
    server = Served(world, "guarded_agent", proposal(), "Done.")
    server.say()
    server.run({"resume": [{"type": "edit", "args": {"action": TOOL, "args": TERMS | texts}}]})
    assert server.done == []
    assert server.waits or [item["code"] for item in server.told] == ["arguments_invalid"]
    server.close()


def test_without_masking_no_edit_is_offered(world: World) -> None:
    """A server that stores an answer as it comes offers none; one that comes all the same is asked again."""
    server = Served(world, "guarded_agent", proposal(), "Done.", masked=False)
    server.say()
    inbox = AgentInbox(server)
    assert not inbox.sees()["config"]["allow_edit"]
    server.run({"resume": [{"type": "edit", "args": {"action": TOOL, "args": EDITED}}]})
    assert "an edit is not accepted here" in inbox.sees()["description"]
    assert (server.done, server.waits) == ([], True)
    assert inbox.answer("approve")["status"] == "idle"
    assert inbox.sent == [{"resume": [{"type": "accept", "args": None}]}]
    assert server.done == [TERMS]
    server.close()


def test_mark_resolved_records_nothing(server: Served) -> None:
    """The thread is idle for Agent Inbox, and has left its list; the question waits, nothing ran, nothing was approved."""
    inbox = AgentInbox(server)
    inbox.close()
    assert server.thread()["status"] == "idle"
    assert (server.done, server.told, server.waits) == ([], [], True)
    (asked,) = server.approvals
    assert (asked.answer, asked.used) == (None, None)
    standing = server.session.state("t1", by=server.world.sdr)
    assert standing.pending is not None
    assert (standing.status, standing.pending.id) == ("pending", asked.id)
