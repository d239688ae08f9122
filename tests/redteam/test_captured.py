"""An answer that somebody captured on its way is worth nothing a second time: not in its thread, not in another one,
not from an old checkpoint, not at another gateway (A7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agent_guard.errors import ApprovalError
from agent_guard.gateway import Gateway
from agent_guard.nodes import GuardContext, guarded_agent
from agent_guard.testing import ScriptedModel, call
from tests.conftest import World

WON = call("crm.set_stage", id="c1", deal_id="42", stage="won")
LOST = call("crm.set_stage", id="c2", deal_id="42", stage="lost")
APPROVE = {"type": "approve"}

BY_INTERRUPT = "under its interrupt"
"""LangGraph itself drops an answer to an interrupt that does not wait, and no node hears of it."""

ANSWERS: Mapping[str, Callable[[str, str], Any]] = {
    "recorded": lambda name, _: {"approval_id": name},
    "ours": lambda name, _: {"approval_id": name, "decisions": [APPROVE]},
    "one": lambda name, _: APPROVE | {"approval_id": name},
    "list": lambda name, _: [APPROVE | {"approval_id": name}],
    "block": lambda name, _: APPROVE | {"agent_guard": {"approval_id": name}},
    BY_INTERRUPT: lambda name, interrupt: {interrupt: APPROVE | {"approval_id": name}},
    "inbox": lambda name, _: [{"type": "accept", "args": None, "approval_id": name}],
}
"""The dialects in which an answer names its question."""


class Talk:
    """One thread of a graph over a gateway."""

    def __init__(self, world: World, gateway: Gateway, thread: str, *turns: Any, saver: Any = None) -> None:
        self.config: Any = {"configurable": {"thread_id": thread}}
        self.world = world
        self.gateway = gateway
        gateway.open(world.sdr, thread_id=thread, party=world.anna)
        self.saver = saver or InMemorySaver()
        self.graph: Any = guarded_agent(ScriptedModel(*turns), gateway, checkpointer=self.saver)

    def say(self) -> Any:
        """A message; returns the interrupt it leads to."""
        return self.graph.invoke({"messages": [HumanMessage("Please.")]}, self.config)["__interrupt__"][0]

    def play(self, answer: Any, config: Any = None) -> dict[str, Any]:
        """An answer, played as the approver who gave it first."""
        context = GuardContext(approver=self.world.boss)
        return dict(self.graph.invoke(Command(resume=answer), config or self.config, context=context))


def stages(world: World) -> list[str]:
    """What was really done."""
    return [item["stage"] for item in world.desk.effects]


def captured(talk: Talk, dialect: str) -> tuple[Any, dict[str, Any]]:
    """Approves what a thread asks about; returns the answer as it went by, and what came of it."""
    asked = talk.say()
    approval_id = asked.value["agent_guard"]["approval_id"]
    answer = ANSWERS[dialect](approval_id, asked.id)
    if dialect == "recorded":
        talk.gateway.answer(approval_id, "approve", by=talk.world.boss)
    return answer, talk.play(answer)


@pytest.mark.req("A7", "A12")
@pytest.mark.databases()
@pytest.mark.parametrize("dialect", ANSWERS)
def test_a_captured_answer_runs_nothing_twice(world: World, dialect: str) -> None:
    """Played again at the end of its thread it finds no question, and the call has run once."""
    talk = Talk(world, world.gateway(), "t1", WON, "Moved.")
    answer, out = captured(talk, dialect)
    assert (out["status"], stages(world)) == ("delivered", ["won"])
    for _ in range(2):
        talk.play(answer)
    assert stages(world) == ["won"]


@pytest.mark.req("A7", "A12")
@pytest.mark.parametrize("dialect", ANSWERS)
def test_a_captured_answer_is_none_to_the_next_question(world: World, dialect: str) -> None:
    """Played while the same thread asks about something else, it is refused, and the question still waits."""
    talk = Talk(world, world.gateway(), "t1", WON, LOST, "Moved.")
    answer, out = captured(talk, dialect)
    (asked,) = out["__interrupt__"]
    for _ in range(2):
        (again,) = talk.play(answer)["__interrupt__"]
        assert again.value["agent_guard"]["approval_id"] == asked.value["agent_guard"]["approval_id"]
        assert again.value["agent_guard"]["previous_error"] or dialect == BY_INTERRUPT
    assert stages(world) == ["won"]
    assert talk.play(APPROVE | {"approval_id": asked.value["agent_guard"]["approval_id"]})["status"] == "delivered"
    assert stages(world) == ["won", "lost"]


@pytest.mark.req("A7", "A12")
@pytest.mark.parametrize("dialect", ANSWERS)
def test_a_captured_answer_is_none_to_another_thread(world: World, dialect: str) -> None:
    """A thread that asks the very same is not answered by it."""
    gateway = world.gateway()
    first = Talk(world, gateway, "t1", WON, "Moved.")
    second = Talk(world, gateway, "t2", LOST, "Moved.")
    second.say()
    answer, _ = captured(first, dialect)
    (again,) = second.play(answer)["__interrupt__"]
    assert again.value["agent_guard"]["previous_error"] or dialect == BY_INTERRUPT
    assert stages(world) == ["won"]


@pytest.mark.req("A7", "A12")
@pytest.mark.databases()
@pytest.mark.parametrize("dialect", ["recorded", "ours"])
def test_a_captured_answer_runs_nothing_from_an_old_checkpoint(world: World, dialect: str) -> None:
    """Played at the checkpoint that still asks, at this gateway and at another one of the same database."""
    saver = InMemorySaver()
    talk = Talk(world, world.gateway(file=True), "t1", WON, "Moved.", saver=saver)
    answer, _ = captured(talk, dialect)
    other = Talk(world, world.gateway(file=True), "t1", "Moved.", saver=saver)
    paused = [item.config for item in talk.graph.get_state_history(talk.config) if item.next == ("approve",)]
    assert paused
    for config in paused:
        for player in (talk, other):
            player.play(answer, config)
    assert stages(world) == ["won"]


@pytest.mark.req("A7", "A12")
@pytest.mark.databases()
def test_a_captured_answer_changes_no_answer(world: World) -> None:
    """Given to another gateway, a yes after a no is refused, and so is the same yes by somebody else."""
    first, second = world.gateway(file=True), world.gateway(file=True)
    thread = first.open(world.sdr, thread_id="t1", party=world.anna)
    asked = thread.invoke("crm.set_stage", {"deal_id": "42", "stage": "won"})
    assert asked.approval_id is not None
    first.answer(asked.approval_id, "reject", by=world.boss)
    with pytest.raises(ApprovalError) as caught:
        second.answer(asked.approval_id, "approve", by=world.boss)
    assert caught.value.code == "approval_used"
    assert stages(world) == []
