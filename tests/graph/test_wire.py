"""What the model is shown, and what it says, made safe to store."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.utils.function_calling import convert_to_openai_tool

from agent_guard.graph.wire import (
    CALLS_MAX,
    answered,
    call_json,
    call_of,
    is_masked,
    message_of,
    proposals,
    schema,
    texts,
    view,
    wire_name,
)
from agent_guard.types import Code, Status, ToolCall, ToolResult
from tests.conftest import World

NAMES = {"crm__read_deal": "crm.read_deal", "crm__create_task": "crm.create_task"}


def said(*calls: Any, invalid: Any = (), text: str = "") -> AIMessage:
    """A model's message."""
    return AIMessage(text, tool_calls=list(calls), invalid_tool_calls=list(invalid))


def one(args: Any, name: str = "crm__read_deal", id: str | None = "c1") -> dict[str, Any]:
    """What becomes of a message with one call."""
    message = said()
    message.tool_calls = [{"name": name, "args": args, "id": id, "type": "tool_call"}]
    (found,) = proposals(message, NAMES)
    return found


# ---- schemas


@pytest.mark.req("A24", "B3")
def test_a_schema_demands_a_reason_first_and_is_closed(world: World) -> None:
    """Every tool is shown with a required ``reason`` before its own arguments, and no other argument is allowed."""
    shown = schema(world.create_task)
    function = shown["function"]
    assert (shown["type"], function["name"]) == ("function", "crm__create_task")
    assert function["description"] == "Makes a draft task at a deal."
    assert list(function["parameters"]["properties"]) == ["reason", "deal_id", "subject", "urgent"]
    assert function["parameters"]["required"] == ["reason", "deal_id", "subject"]
    assert function["parameters"]["additionalProperties"] is False
    assert convert_to_openai_tool(shown) == shown


def test_a_schema_is_a_copy(world: World) -> None:
    """What a caller does to a schema does not reach the contract."""
    schema(world.create_task)["function"]["parameters"]["properties"].clear()
    assert "deal_id" in schema(world.create_task)["function"]["parameters"]["properties"]


@pytest.mark.parametrize("name", ["crm.read_deal", "a", "messages.send_template"])
def test_a_wire_name_is_what_providers_accept(name: str) -> None:
    """Letters, digits and underscores: ``^[a-zA-Z0-9_-]{1,64}$`` is OpenAI's rule."""
    assert wire_name(name).replace("_", "").isalnum()


# ---- proposals


@pytest.mark.req("A24")
def test_a_call_is_read_with_its_reason(world: World) -> None:
    """The reason is taken out of the arguments, and the tool gets its own name back."""
    assert one({"reason": "She asked.", "deal_id": "42"}) == {
        "id": "c1",
        "tool": "crm.read_deal",
        "args": {"deal_id": "42"},
        "reason": "She asked.",
        "problem": None,
    }


@pytest.mark.req("A24")
@pytest.mark.parametrize("reason", [None, "", "   ", 7, ["x"], {"a": 1}])
def test_a_missing_reason_is_a_problem(reason: Any) -> None:
    """A call without words of why is refused, whatever stands in their place."""
    assert one({"deal_id": "42", "reason": reason})["problem"] is Code.REASON_MISSING
    assert one({"deal_id": "42"})["problem"] is Code.REASON_MISSING


@pytest.mark.req("B1", "B4")
@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({"reason": "x", "deal_id": math.nan}, Code.ARGUMENTS_MALFORMED),
        ({"reason": "x", "deal_id": math.inf}, Code.ARGUMENTS_MALFORMED),
        ({"reason": "x", "deal_id": 2**53}, Code.ARGUMENTS_MALFORMED),
        ({"reason": "x", "deal_id": "\udfff"}, Code.ARGUMENTS_MALFORMED),
        ({"reason": "x", 7: "42"}, Code.ARGUMENTS_MALFORMED),
        ({"reason": "x", "deal_id": {1}}, Code.ARGUMENTS_MALFORMED),
        ({"reason": "x", "deal_id": "x" * 1_000_000}, Code.ARGUMENTS_TOO_LARGE),
        (["reason"], Code.ARGUMENTS_MALFORMED),
        (None, Code.ARGUMENTS_MALFORMED),
    ],
    ids=["nan", "inf", "big int", "surrogate", "int key", "set", "1 MB", "list", "none"],
)
def test_unreadable_arguments_are_dropped_and_told(args: Any, problem: Code) -> None:
    """Arguments that cannot be stored never are: the call goes on without them, with the problem's code."""
    found = one(args)
    assert (found["args"], found["problem"]) == ({}, problem)
    json.dumps(found, allow_nan=False)


def test_arguments_a_thousand_deep_are_dropped() -> None:
    """Deep nesting is refused without recursion."""
    value: Any = "x"
    for _ in range(1000):
        value = {"a": value}
    assert one({"reason": "x", "deal_id": value})["problem"] is Code.ARGUMENTS_TOO_LARGE


@pytest.mark.req("B4")
def test_a_call_that_was_no_json_is_kept_as_malformed() -> None:
    """What a provider's parser could not read becomes a call with a problem, not a lost one."""
    broken = invalid_tool_call(name="crm__read_deal", args='{"deal_id": ', id="c2", error="no JSON")
    nameless = invalid_tool_call(name=None, args="{", id=None, error=None)
    first, second, third = proposals(
        said(tool_call(name="crm__read_deal", args={"reason": "x"}, id="c1"), invalid=[broken, nameless]), NAMES
    )
    assert (first["id"], first["problem"]) == ("c1", None)
    assert (second["id"], second["tool"], second["problem"]) == ("c2", "crm.read_deal", Code.ARGUMENTS_MALFORMED)
    assert (third["tool"], third["problem"], bool(third["id"])) == ("", Code.ARGUMENTS_MALFORMED, True)


def test_an_unknown_tool_keeps_its_name() -> None:
    """The record says what the model asked for."""
    assert one({"reason": "x"}, name="crm__drop_all")["tool"] == "crm__drop_all"


@pytest.mark.parametrize(
    "ids",
    [["c", "c", "c"], [None, None, None], ["c", "c-1", "c"], ["c", None, "call-1"], ["", "", "c"], ["c-2", "c", "c"]],
)
def test_every_call_of_a_message_has_an_id_of_its_own(ids: list[str | None]) -> None:
    """Missing and repeated ids are made different, so that each call has its answer."""
    message = said(*(tool_call(name="x", args={"reason": "x"}, id=id) for id in ids))
    found = [item["id"] for item in proposals(message, {})]
    assert len(set(found)) == len(ids)
    assert all(found)


@pytest.mark.req("B1")
def test_a_flood_of_calls_is_cut_off() -> None:
    """At most ``CALLS_MAX`` calls of one message are looked at."""
    message = said(*(tool_call(name="x", args={"reason": "x"}, id=f"c{n}") for n in range(500)))
    assert len(list(proposals(message, {}))) == CALLS_MAX


# ---- what is stored


@pytest.mark.req("B6", "B16")
def test_nothing_of_the_provider_is_stored_but_usage() -> None:
    """Raw content, metadata and unread calls of the model's message do not reach the state."""
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    message = AIMessage(
        "Call Anna",
        id="m1",
        name="Anna",
        additional_kwargs={"raw": "Anna"},
        response_metadata={"raw": "Anna"},
        usage_metadata=usage,
        invalid_tool_calls=[invalid_tool_call(name="x", args="Anna", id="c2", error="Anna")],
        tool_calls=[tool_call(name="x", args={"who": "Anna"}, id="c1")],
    )
    kept = answered(message, "Call <PERSON_1>", [ToolCall(id="c1", tool="a.x", args={"who": "<PERSON_1>"}, thread="t")])
    assert "Anna" not in kept.model_dump_json()
    assert (kept.id, kept.text, kept.usage_metadata) == ("m1", "Call <PERSON_1>", usage)
    assert kept.tool_calls == [tool_call(name="a__x", args={"who": "<PERSON_1>"}, id="c1")]


def test_the_reason_stays_with_the_stored_call() -> None:
    """The model reads its own reason back in the place where it wrote it."""
    call = ToolCall(id="c1", tool="a.x", args={"n": 1}, thread="t", reason="She asked.")
    assert answered(said(), "", [call]).tool_calls[0]["args"] == {"reason": "She asked.", "n": 1}


@pytest.mark.parametrize("problem", [None, Code.ARGUMENTS_MALFORMED])
def test_a_call_survives_the_state(problem: Code | None) -> None:
    """A call as graph state holds it is JSON and reads back equal."""
    call = ToolCall(id="c1", tool="a.x", args={"n": [1, {"b": None}]}, thread="t", reason="r", problem=problem)
    data = json.loads(json.dumps(call_json(call, "tc1")))
    assert data["tool_call_id"] == "tc1"
    assert call_of(data) == call


@pytest.mark.parametrize(
    ("status", "shown", "key"),
    [
        ("executed", "success", "result"),
        ("duplicate", "success", "result"),
        ("suggested", "success", "message"),
        ("denied", "error", "message"),
        ("failed", "error", "message"),
        ("unknown", "error", "message"),
    ],
)
def test_a_result_is_read_as_json(status: Status, shown: str, key: str) -> None:
    """The model reads status, code and reference first; only what was done is a success to a client."""
    result = ToolResult(status=status, code=Code.ALLOWED, content="ż", tool="a.x", call_id="c1", reference="task:1")
    message = message_of(result, "tc1")
    refused = {"then": "Do not retry this call as it is."} if status in ("denied", "failed", "unknown") else {}
    told = {"status": status, "code": "allowed", "reference": "task:1", key: "ż"}
    assert json.loads(str(message.content)) == told | refused
    assert (message.status, message.tool_call_id, message.name) == (shown, "tc1", "a__x")


# ---- the view


def answer(id: str, text: str = "done") -> ToolMessage:
    """A tool's answer."""
    return ToolMessage(text, tool_call_id=id)


def test_every_call_is_followed_by_its_answer() -> None:
    """Providers demand each call's answer right after its message, in order."""
    first = said(tool_call(name="x", args={}, id="a"), tool_call(name="x", args={}, id="b"))
    shown = view("S", [HumanMessage("hi"), first, answer("b"), answer("a"), AIMessage("bye")])
    assert [type(item) for item in shown] == [
        SystemMessage, HumanMessage, AIMessage, ToolMessage, ToolMessage, AIMessage,
    ]  # fmt: skip
    assert [item.tool_call_id for item in shown if isinstance(item, ToolMessage)] == ["a", "b"]


def test_a_call_that_was_cut_off_is_answered_as_cancelled() -> None:
    """A call whose answer never came is shown as cancelled, and the newer message stands behind it."""
    shown = view("S", [said(tool_call(name="x", args={}, id="a")), HumanMessage("stop")])
    assert isinstance(shown[2], ToolMessage)
    assert json.loads(str(shown[2].content))["code"] == "cancelled"
    assert shown[2].status == "error"
    assert isinstance(shown[3], HumanMessage)


def test_an_id_used_again_keeps_its_own_answer() -> None:
    """A provider that numbers its calls anew in every message gets each answer with its own call."""
    first, second = (said(tool_call(name="x", args={"n": n}, id="call-0"), text=str(n)) for n in (1, 2))
    shown = view("S", [first, answer("call-0", "one"), HumanMessage("again"), second, answer("call-0", "two")])
    assert [item.text for item in shown] == ["S", "1", "one", "again", "2", "two"]
    shown = view("S", [first, answer("call-0", "one"), HumanMessage("again"), second])
    assert [item.text for item in shown[:5]] == ["S", "1", "one", "again", "2"]
    assert json.loads(shown[5].text)["code"] == "cancelled"


def test_an_answer_without_a_call_is_not_shown() -> None:
    """A stray tool message would be refused by every provider."""
    assert [type(item) for item in view("S", [HumanMessage("hi"), answer("a")])] == [SystemMessage, HumanMessage]


def test_all_text_is_listed() -> None:
    """The tripwire sees contents, blocks and arguments."""
    blocks = HumanMessage([{"type": "text", "text": "b1"}, {"type": "image_url", "image_url": {"url": "https://u"}}])
    found = list(texts([SystemMessage("s"), blocks, said(tool_call(name="x", args={"n": "ж"}, id="a"), text="t")]))
    assert any("https://u" in item for item in found)
    assert any("ж" in item for item in found)
    assert {"s", "t"} <= set(found)


def test_a_message_of_a_bare_client_is_not_masked_yet() -> None:
    """Only a human's message that a Session marked with its speaker counts as masked."""
    assert not is_masked(HumanMessage("hi"))
    assert is_masked(HumanMessage("hi", additional_kwargs={"speaker": "user"}))
    assert is_masked(AIMessage("hi"))
