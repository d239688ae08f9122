"""Streams of a protected graph: chunks of a message are restored whole, in every shape in which LangGraph gives them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph

from agent_guard.integrations.protected import ProtectedAgent, protect
from agent_guard.integrations.streams import Restoring
from agent_guard.nodes import GuardContext
from tests.conftest import World

pytestmark = [pytest.mark.req("A9", "A23"), pytest.mark.databases("sqlite")]

CONFIG: Any = {"configurable": {"thread_id": "t1"}}
GIVEN = {"messages": "Write to Anna Kowalska."}
SAID = "Done for <PERSON_1>, <PERSON_9> <"


class Split(GenericFakeChatModel):
    """Says its text in pieces of three letters."""

    def _stream(self, *args: Any, **options: Any) -> Any:
        message = self._generate(*args).generations[0].message
        for start in range(0, len(message.text), 3):
            piece = AIMessageChunk(content=message.text[start : start + 3], id="m1")
            chunk = ChatGenerationChunk(message=piece)
            if options.get("run_manager"):
                options["run_manager"].on_llm_new_token(piece.text, chunk=chunk)
            yield chunk


def agent(world: World) -> ProtectedAgent:
    """A graph of somebody else's, whose model streams what it says; it was shown pseudonyms."""

    def speak(state: MessagesState) -> dict[str, Any]:
        get_stream_writer()({"about": "<PERSON_1>"})
        return {"messages": Split(messages=iter([AIMessage(SAID)])).invoke(state["messages"])}

    graph = StateGraph(MessagesState, context_schema=GuardContext).add_node(speak).add_edge(START, "speak")
    return protect(graph.compile(checkpointer=InMemorySaver()), world.gateway())


def context(world: World, speaker: Any = "user") -> GuardContext:
    return GuardContext(subject=world.sdr, party=world.anna, speaker=speaker)


def chunks(parts: list[Any]) -> list[str]:
    """The texts of all chunks anywhere in the parts, in order."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, AIMessageChunk):
            found.append(value.text)
        elif isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list | tuple):
            for item in value:
                walk(item)

    walk(parts)
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"stream_mode": "messages"},
        {"stream_mode": ["messages", "values"]},
        {"stream_mode": ["messages"], "subgraphs": True},
        {"stream_mode": ["messages"], "version": "v2"},
    ],
    ids=["one", "several", "subgraphs", "v2"],
)
def test_chunks_are_restored_and_never_split(world: World, options: dict[str, Any]) -> None:
    """The pieces give the whole text, and no piece holds half a pseudonym."""
    parts = list(agent(world).stream(GIVEN, CONFIG, context=context(world), **options))
    texts = chunks(parts)
    assert "".join(texts) == "Done for Anna Kowalska, <PERSON_9> <"
    assert len(texts) > 5
    assert any("Anna Kowalska" in text for text in texts)


def test_a_reader_who_may_not_see_a_value_gets_whole_pseudonyms(world: World) -> None:
    """A customer who did not say the name itself is shown the pseudonym, in one piece."""
    world.desk.note = ""
    given = {"messages": "Write to her."}
    parts = list(agent(world).stream(given, CONFIG, context=context(world, "party"), stream_mode="messages"))
    texts = chunks(parts)
    assert "".join(texts) == SAID
    assert any("<PERSON_1>" in text for text in texts)


def test_other_data_of_a_stream_stays_masked(world: World) -> None:
    """What a node writes into the ``custom`` stream is no message."""
    parts = list(agent(world).stream(GIVEN, CONFIG, context=context(world), stream_mode="custom"))
    assert parts == [{"about": "<PERSON_1>"}]


def test_from_an_event_loop_and_as_events(world: World) -> None:
    """``astream`` and ``astream_events`` do the same."""

    async def both() -> tuple[list[Any], list[Any]]:
        safe = agent(world)
        parts = [p async for p in safe.astream(GIVEN, CONFIG, context=context(world), stream_mode="messages")]
        events = [p async for p in safe.astream_events(GIVEN, CONFIG, context=context(world))]
        return parts, events

    parts, events = asyncio.run(both())
    assert "".join(chunks(parts)) == "Done for Anna Kowalska, <PERSON_9> <"
    told = [event for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(chunks(told)) == "Done for Anna Kowalska, <PERSON_9> <"


def test_blocks_of_content_are_texts_of_their_own() -> None:
    """Text blocks of one message are restored by their index; what is no text is left alone."""
    restoring = Restoring(lambda text: text.replace("<PERSON_1>", "Anna"))

    def part(*blocks: dict[str, Any]) -> Any:
        return restoring.part((AIMessageChunk(content=list(blocks), id="m"), {}))[0].content

    first = part({"type": "text", "text": "a <PERS", "index": 0}, {"type": "text", "text": "b <", "index": 1})
    assert [block["text"] for block in first] == ["a ", "b "]
    second = part({"type": "text", "text": "ON_1>", "index": 0}, {"type": "image", "url": "<PERSON_1>"})
    assert second == [{"type": "text", "text": "Anna", "index": 0}, {"type": "image", "url": "<PERSON_1>"}]
    ((left, _),) = restoring.end()
    assert left.content == [{"type": "text", "text": "<", "index": 1}]
