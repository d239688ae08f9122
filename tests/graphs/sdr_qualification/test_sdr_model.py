"""The planner's contract as a LangChain chat model: tools, streams, ids, usage."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from graphs.sdr_qualification.planner import CREATE_TASK, READ_DEAL, SdrPlanner
from tests.graphs.sdr_qualification.talk import TOOLS, Talk, client, system

pytestmark = pytest.mark.req("A25")


@tool(READ_DEAL)
def _read_deal(deal_id: str, reason: str) -> str:
    """Reads a deal."""
    return deal_id + reason


class _Task(BaseModel):
    """Creates a task."""

    deal_id: str
    reason: str = Field(max_length=300)


_Task.__name__ = CREATE_TASK
MESSAGES: list[BaseMessage] = [system(), client("I want a human")]


@pytest.mark.parametrize("offered", [TOOLS[0], _read_deal])
def test_tools_are_bound_in_any_form(offered: Any) -> None:
    """A dictionary, a tool and a pydantic class end as the same kind of schema, which the planner keeps."""
    bound: Any = SdrPlanner().bind_tools([offered, _Task])
    assert [schema["function"]["name"] for schema in bound.kwargs["tools"]] == [READ_DEAL, CREATE_TASK]
    assert "reason" in bound.kwargs["tools"][1]["function"]["parameters"]["properties"]
    assert bound.invoke(MESSAGES).tool_calls[0]["name"] == READ_DEAL


@pytest.mark.parametrize("choice", ["any", "required", READ_DEAL])
def test_a_call_cannot_be_forced(choice: str) -> None:
    """A forced choice is refused when the tools are bound, not ignored."""
    with pytest.raises(ValueError, match="chooses its calls itself"):
        SdrPlanner().bind_tools(TOOLS, tool_choice=choice)


def test_no_tools_no_calls() -> None:
    """Without tools, or with the choice "none", there is an answer and no call."""
    assert SdrPlanner().invoke(MESSAGES).tool_calls == []
    assert SdrPlanner().bind_tools(TOOLS, tool_choice="none").invoke(MESSAGES).tool_calls == []


def test_it_is_a_chat_model_of_its_own_kind() -> None:
    """It names its type and says which model it is."""
    model = SdrPlanner()
    assert isinstance(model, BaseChatModel)
    assert model._llm_type == "sdr-planner"
    assert model.invoke(MESSAGES).response_metadata["model_name"] == "sdr-planner-1"


def test_every_door_gives_the_same_answer() -> None:
    """invoke, ainvoke, batch, abatch, stream and astream agree in text, calls, id and usage."""
    model = SdrPlanner().bind_tools(TOOLS)

    async def doors() -> list[AIMessage]:
        joined: AIMessageChunk | None = None
        async for chunk in model.astream(MESSAGES):
            assert isinstance(chunk, AIMessageChunk)
            joined = chunk if joined is None else joined + chunk
        assert joined is not None
        return [joined, await model.ainvoke(MESSAGES), *await model.abatch([MESSAGES])]

    streamed: AIMessageChunk | None = None
    for chunk in model.stream(MESSAGES):
        assert isinstance(chunk, AIMessageChunk)
        streamed = chunk if streamed is None else streamed + chunk
    assert streamed is not None
    answers = [model.invoke(MESSAGES), streamed, *model.batch([MESSAGES, MESSAGES]), *asyncio.run(doors())]
    first = answers[0]
    for answer in answers:
        assert (answer.text, answer.tool_calls, answer.id) == (first.text, first.tool_calls, first.id)
        assert answer.usage_metadata == first.usage_metadata
        assert answer.response_metadata["finish_reason"] == "tool_calls"


def test_a_call_is_streamed_in_pieces() -> None:
    """The name and id come with the first piece of a call, the arguments in several."""
    chunks = list(SdrPlanner().bind_tools(TOOLS).stream(MESSAGES))
    pieces = [piece for chunk in chunks for piece in getattr(chunk, "tool_call_chunks", [])]
    assert len(pieces) > 1
    assert [piece["name"] for piece in pieces] == [READ_DEAL] + [None] * (len(pieces) - 1)
    assert json.loads("".join(piece["args"] or "" for piece in pieces))["deal_id"] == "1001"
    assert sum(bool(chunk.text) for chunk in chunks) > 5


def test_usage_is_an_estimate_that_grows_with_the_conversation() -> None:
    """Tokens are counted the same way each time, add up, and grow with what is read."""
    model = SdrPlanner().bind_tools(TOOLS)
    short, again = model.invoke(MESSAGES).usage_metadata, model.invoke(MESSAGES).usage_metadata
    long = model.invoke([system(), client("I want a human. " * 50)]).usage_metadata
    assert short is not None and long is not None
    assert short == again
    assert short["total_tokens"] == short["input_tokens"] + short["output_tokens"]
    assert long["input_tokens"] > short["input_tokens"] > 0


def test_ids_are_counted_in_the_conversation() -> None:
    """Message and call ids come from the conversation alone and never collide with one that is there."""
    talk = Talk().say_all(["Hello", "I want a human"])
    spoken = [message for message in talk.messages if isinstance(message, AIMessage)]
    assert [message.id for message in spoken] == [f"sdr-{n}" for n in range(1, len(spoken) + 1)]
    assert [call["id"] for message in spoken for call in message.tool_calls] == ["call-1", "call-2"]
    taken = AIMessage("", id="sdr-2", tool_calls=[{"name": "other", "args": {}, "id": "call-2", "type": "tool_call"}])
    answer = SdrPlanner().bind_tools(TOOLS).invoke([system(), taken, client("Hello")])
    assert (answer.id, answer.tool_calls[0]["id"]) == ("sdr-3", "call-3")


def test_stop_words_cut_the_text() -> None:
    """A stop word ends the text before it."""
    assert (
        SdrPlanner().invoke([system(), client("Hello")], stop=["budget"]).text == "Thank you for writing to us. Has a "
    )
