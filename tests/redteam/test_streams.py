"""No raw value in any mode of any stream: the customer's, the record's, a colleague's, an outsider's or an invented one.

The graphs are streamed bare, as a LangGraph server streams them to a client that no door restores for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agent_guard.app import Application
from agent_guard.gateway import Gateway
from agent_guard.integrations.middleware import GuardMiddleware
from agent_guard.masking import Masker
from agent_guard.nodes import GuardContext, guarded_agent
from agent_guard.settings import Settings
from agent_guard.testing import ScriptedModel, call
from tests.conftest import World

pytestmark = [pytest.mark.req("A23", "B6"), pytest.mark.databases("sqlite")]

CONFIG: Any = {"configurable": {"thread_id": "t1"}}
MODES: Any = ["values", "updates", "messages", "custom", "tasks", "checkpoints", "debug"]
INVENTED = "eve@elsewhere.example"
CANARIES = (
    "Kowalska", "512 345 678", "anna@kowalska",  # the customer's, given by the host and in the record
    "Zielony",  # a colleague's, in a tool's result
    "ada@lovelace.example",  # an outsider's, in a note
    "elsewhere",  # what the model makes up
)  # fmt: skip
APPROVE: Any = Command(resume={"decisions": [{"type": "approve"}]})


def turns() -> list[Any]:
    """A read, a write that a person is asked about, a call that fails, and words, each with a value in it."""
    return [
        call("crm.read_deal", f"Because {INVENTED} asked.", deal_id="42"),
        call("crm.set_stage", "Because.", deal_id="42", stage="won"),
        call("crm.create_task", "Because.", deal_id="42", subject=f"Call Anna Kowalska, {INVENTED}"),
        f"Bye, {INVENTED}.",
    ]


def ours(gateway: Gateway) -> Any:
    return guarded_agent(ScriptedModel(*turns()), gateway, checkpointer=InMemorySaver())


def somebody_elses(gateway: Gateway) -> Any:
    guard = GuardMiddleware(gateway)
    saver = InMemorySaver()
    return create_agent(
        ScriptedModel(*turns()), [], middleware=[guard], checkpointer=saver, context_schema=GuardContext
    )


def masked(gateway: Gateway, world: World) -> tuple[Any, GuardContext]:
    """The first message as a door has masked it, and the host's own context, which holds raw values."""
    thread = gateway.open(world.sdr, party=world.anna, thread_id="t1")
    text, message_id = thread.hear("I am Anna Kowalska, anna@kowalska.example. Win deal 42.", origin="user")
    message = HumanMessage(text, id=message_id, additional_kwargs={"speaker": "user"})
    return {"messages": [message]}, GuardContext(subject=world.sdr, party=world.anna)


def searched(seen: str) -> list[str]:
    return [value for value in CANARIES if value.casefold() in seen.casefold()]


def test_the_search_finds_each_value(world: World) -> None:
    """What is looked for is what the world holds, so that finding none means something."""
    world.desk.note = "Ask ada@lovelace.example"
    everything = repr([world.anna, turns()])
    read = World.read_deal.run(World.read_deal.args_model(deal_id="42"), desk=world.desk)
    assert searched(everything + repr(read) + repr(world.desk.deals["42"])) == list(CANARIES)


@pytest.mark.parametrize("graph", [ours, somebody_elses])
def test_every_mode_of_a_stream(world: World, graph: Callable[[Gateway], Any]) -> None:
    """A conversation with a read, a question, an answer and a write: pseudonyms in every part, of every mode."""
    world.desk.note = "Ask ada@lovelace.example"
    gateway = world.gateway()
    agent, (given, context) = graph(gateway), masked(gateway, world)
    parts = list(agent.stream(given, CONFIG, context=context, stream_mode=MODES))
    assert "__interrupt__" in repr(parts)
    parts += list(agent.stream(APPROVE, CONFIG, context=GuardContext(approver=world.boss), stream_mode=MODES))
    assert {mode for mode, _ in parts} >= {"values", "updates", "messages", "tasks", "checkpoints", "debug"}
    assert [item["kind"] for item in world.desk.effects][:1] == ["stage"]
    assert searched(repr(parts)) == []
    assert "<EMAIL_" in repr(parts)


@pytest.mark.parametrize("graph", [ours, somebody_elses])
def test_the_events_of_a_run(world: World, graph: Callable[[Gateway], Any]) -> None:
    """What ``astream_events`` tells of every step, its inputs, outputs and metadata: no raw value."""
    world.desk.note = "Ask ada@lovelace.example"
    gateway = world.gateway(file=True)
    agent, (given, context) = graph(gateway), masked(gateway, world)

    async def events(said: Any, by: GuardContext) -> list[Any]:
        return [event async for event in agent.astream_events(said, CONFIG, context=by, version="v2")]

    seen = asyncio.run(events(given, context))
    seen += asyncio.run(events(APPROVE, GuardContext(approver=world.boss)))
    assert [item["kind"] for item in world.desk.effects][:1] == ["stage"]
    assert {event["event"] for event in seen} >= {"on_chain_start", "on_chain_stream", "on_chain_end"}
    assert searched(repr(seen)) == []


@pytest.fixture(name="application")
def _application(tmp_path: Path) -> Iterator[Application]:
    settings = Settings(
        database=f"sqlite:///{tmp_path}/guard.db", checkpoints=f"sqlite:///{tmp_path}/threads.db",
        systems=f"sqlite:///{tmp_path}/crm.db", environment="dev",
    )  # fmt: skip
    made = Application(settings, masker=Masker())
    yield made
    made.close()


def test_every_mode_of_a_scenarios_stream(application: Application) -> None:
    """The qualification of a lead who says a name, a phone and an address: none of them in any part."""
    name = "sdr_qualification"
    sample = Path(__file__).parents[2] / "graphs" / name / "samples" / "en_personal_data.jsonl"
    opening = application.scenario(name).read(sample, application.worlds[name])
    thread = application.gateway.open(opening.subject, scenario=name, party=opening.party)
    session = application.session(name)
    config: Any = {"configurable": {"thread_id": thread.id}}
    parts: list[Any] = []
    for line in opening.lines:
        text, message_id = thread.hear(line, origin="party")
        message = HumanMessage(text, id=message_id, additional_kwargs={"speaker": "party"})
        parts += list(session.graph.stream({"messages": [message]}, config, context=GuardContext(), stream_mode=MODES))
    values = {entry.value for entry in thread.vault().entries()}
    assert len(values) >= 4
    assert [value for value in values if value.casefold() in repr(parts).casefold()] == []
