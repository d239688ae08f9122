"""``langgraph_sdk``, in Python and in JavaScript: a program that answers, by the interrupt's id or without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from langgraph_sdk.schema import Command

from agent_guard.types import Subject
from tests.clients.server import EDITED, TERMS, Served, proposal
from tests.conftest import World

pytestmark = [pytest.mark.req("A12"), pytest.mark.databases("sqlite")]


class Sdk:
    """``client.runs.wait(thread_id, assistant, command={"resume": ...})``.

    Args:
        by_id: answers under the interrupt's id, as LangChain's documentation has it for several.
        script: JavaScript's spelling.
    """

    words = ("approve", "edit", "reject", "respond")

    def __init__(
        self, server: Served, *, by_id: bool = True, script: bool = False, by: Subject | None = World.boss
    ) -> None:
        self._server, self._by_id, self._script, self._by = server, by_id, script, by

    def sees(self) -> dict[str, Any]:
        """The one interrupt: ``{value, id}``."""
        (interrupts,) = self._server.thread()["interrupts"].values()
        (found,) = interrupts
        return dict(found)

    def answer(self, word: str, *, args: Mapping[str, Any] | None = None, text: str = "") -> dict[str, Any]:
        """One decision, as its type says it."""
        asked = self.sees()
        decision: dict[str, Any] = {"type": word}
        if word == "edit":
            name = asked["value"]["action_requests"][0]["name"]
            decision["editedAction" if self._script else "edited_action"] = {"name": name, "args": dict(args or {})}
        if word in ("reject", "respond"):
            decision["message"] = text
        resume: Any = {"decisions": [decision]}
        command: Command = {"resume": {asked["id"]: resume} if self._by_id else resume}
        return self._server.run(command, by=self._by)

    def close(self) -> None:
        """``client.threads.update_state(thread_id, None, as_node="__end__")``."""
        self._server.update_state(None, as_node="__end__")


@pytest.mark.parametrize("script", [False, True], ids=["Python", "JavaScript"])
@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("word", Sdk.words)
def test_every_word(world: World, word: str, by_id: bool, script: bool) -> None:
    """By the interrupt's id and without, in snake case and in camel case: the same."""
    server = Served(world, "guarded_agent", proposal(), "Done.")
    server.say()
    sdk = Sdk(server, by_id=by_id, script=script)
    assert sdk.answer(word, args=EDITED, text="They are on leave.")["status"] == "idle"
    assert server.done == {"approve": [TERMS], "edit": [EDITED]}.get(word, [])
    assert server.approvals[0].answer == word
    server.close()


@pytest.mark.parametrize(
    "named",
    [
        {"approval_id": "ID"}, {"approvalId": "ID"}, {"agent_guard": {"approval_id": "ID"}},
        {"agentGuard": {"approvalId": "ID"}},
    ],
    ids=repr,
)  # fmt: skip
def test_the_question_may_be_named(world: World, named: dict[str, Any]) -> None:
    """In both spellings, beside the decision; another question's name is refused."""
    server = Served(world, "guarded_agent", proposal(), "Done.")
    server.say()
    (asked,) = server.approvals

    def put(value: Any, name: str) -> Any:
        return {key: put(item, name) for key, item in value.items()} if isinstance(value, dict) else name

    assert server.run({"resume": {"type": "approve", **put(named, "apr_other")}})["status"] == "interrupted"
    assert asked.id in Sdk(server).sees()["value"]["agent_guard"]["previous_error"]
    assert server.run({"resume": {"type": "approve", **put(named, asked.id)}})["status"] == "idle"
    assert server.done == [TERMS]
    server.close()


def test_an_interrupt_that_does_not_wait(world: World) -> None:
    """LangGraph drops an answer under the id of another interrupt: the question stays, and can be answered."""
    server = Served(world, "guarded_agent", proposal(), "Done.")
    server.say()
    assert server.run({"resume": {"0" * 32: {"type": "approve"}}})["status"] == "interrupted"
    assert (server.done, server.approvals[0].answer) == ([], None)
    assert Sdk(server).answer("approve")["status"] == "idle"
    assert server.done == [TERMS]
    server.close()


@pytest.mark.parametrize("by", [None, World.sdr, World.stranger, Subject(id="x", tenant="acme", roles={"sdr"})])
def test_who_is_signed_in_decides(world: World, by: Subject | None) -> None:
    """A program with a right to resume is no approver: nobody, the requester, another company and another role."""
    server = Served(world, "guarded_agent", proposal(), "Done.")
    server.say()
    assert Sdk(server, by=by).answer("approve")["status"] == "interrupted"
    assert Sdk(server).sees()["value"]["agent_guard"]["previous_error"]
    assert (server.done, server.approvals[0].answer) == ([], None)
    assert Sdk(server).answer("approve")["status"] == "idle"
    assert server.done == [TERMS]
    server.close()
