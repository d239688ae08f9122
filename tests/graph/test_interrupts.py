"""The question as it goes out, and every dialect in which its answer may come in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent_guard.approvals import Approval
from agent_guard.graph.interrupts import Parsed, Unreadable, parse, payload
from tests.conftest import World

TOOL = "crm.create_task"
ARGS = {"deal_id": "42", "subject": "Call"}
INTERRUPT = "0123456789abcdef0123456789abcdef"


def question(world: World) -> Approval:
    """A stored question."""
    thread = world.thread()
    thread.invoke("crm.set_stage", {"deal_id": "42", "stage": "won"}, call_id="c1", reason="She asked.")
    found = thread.gateway.approvals.waiting(thread.id, now_ms=thread.gateway.now_ms())
    assert found is not None
    return found


# ---- out


@pytest.mark.req("A12")
def test_the_payload_is_one_action_and_a_block_of_our_own(world: World) -> None:
    """The form that LangChain's, Agent Inbox's and agent-chat-ui's clients show: one action, its arguments twice."""
    asked = question(world)
    out = payload(asked, allow_edit=True, error=None)
    assert set(out) == {"action_requests", "review_configs", "agent_guard"}
    (action,), (review,) = out["action_requests"], out["review_configs"]
    assert set(action) == {"name", "args", "arguments", "description"}
    assert action["name"] == review["action_name"] == "crm.set_stage"
    assert action["args"] == action["arguments"] == {"deal_id": "42", "stage": "won"}
    assert "| stage | new | won |" in action["description"]
    assert "She asked." in action["description"]
    assert set(review) == {"action_name", "allowed_decisions", "args_schema"}
    assert review["allowed_decisions"] == ["approve", "edit", "reject"]
    assert set(review["args_schema"]["properties"]) == {"deal_id", "stage"}
    block = out["agent_guard"]
    assert set(block) == {
        "v", "approval_id", "digest", "expires_at", "effect", "requested_by", "diff", "provenance", "text", "values",
        "also", "previous_error",
    }  # fmt: skip
    assert block["v"] == 1
    assert block["approval_id"] == asked.id
    assert block["approval_id"].startswith("apr_")
    assert block["digest"].startswith("sha256:")
    assert block["expires_at"] == "2026-01-06T11:20:04+00:00"
    assert (block["effect"], block["requested_by"], block["previous_error"]) == ("write", "u1", None)
    assert block["diff"] == [{"field": "stage", "before": "new", "after": "won"}]
    assert json.loads(json.dumps(out)) == out


def test_the_payload_holds_pseudonyms_only(world: World) -> None:
    """Nothing of what the human is shown in a client that stores it is a raw value."""
    thread = world.thread(world.policy({TOOL: {"mode": "approve"}}))
    thread.invoke(TOOL, {"deal_id": "42", "subject": "Call Anna Kowalska"}, reason="Write to anna@kowalska.example")
    asked = thread.gateway.approvals.waiting(thread.id, now_ms=thread.gateway.now_ms())
    assert asked is not None
    text = json.dumps(payload(asked, allow_edit=True, error=None))
    assert "<PERSON_1>" in text
    assert "Kowalska" not in text
    assert "anna@" not in text


def test_an_edit_is_offered_only_where_it_is_masked(world: World) -> None:
    """A door that would store an answer as it comes offers no edit."""
    out = payload(question(world), allow_edit=False, error=None)
    assert out["review_configs"][0]["allowed_decisions"] == ["approve", "reject"]


def test_what_was_wrong_with_the_last_answer_is_shown(world: World) -> None:
    """An answer that could not be read stands in the block for machines and in the description for people."""
    out = payload(question(world), allow_edit=True, error="one question takes one decision, not 2")
    assert out["agent_guard"]["previous_error"] == "one question takes one decision, not 2"
    assert "one question takes one decision, not 2" in out["action_requests"][0]["description"]


# ---- in

EDITED = {"name": TOOL, "args": ARGS}

READABLE: list[tuple[str, Any, Parsed]] = [
    # LangChain: HumanInTheLoopMiddleware, LangGraph Studio, agent-chat-ui
    ("approve", {"decisions": [{"type": "approve"}]}, Parsed(approval_id=None, word="approve")),
    (
        "edit",
        {"decisions": [{"type": "edit", "edited_action": EDITED}]},
        Parsed(approval_id=None, word="edit", args=ARGS),
    ),
    (
        "reject",
        {"decisions": [{"type": "reject", "message": "Too early"}]},
        Parsed(approval_id=None, word="reject", message="Too early"),
    ),
    (
        "respond",
        {"decisions": [{"type": "respond", "message": "On leave"}]},
        Parsed(approval_id=None, word="respond", message="On leave"),
    ),
    ("reject without a message", {"decisions": [{"type": "reject"}]}, Parsed(approval_id=None, word="reject")),
    # LangChain's per_call form, and what people paste
    ("a decision", {"type": "approve"}, Parsed(approval_id=None, word="approve")),
    ("a list of one decision", [{"type": "approve"}], Parsed(approval_id=None, word="approve")),
    ("a tuple of one decision", ({"type": "approve"},), Parsed(approval_id=None, word="approve")),
    # JavaScript clients
    (
        "camelCase",
        {"decisions": [{"type": "edit", "editedAction": EDITED}]},
        Parsed(approval_id=None, word="edit", args=ARGS),
    ),
    # Agent Inbox, and langgraph.prebuilt's classic HumanResponse
    ("inbox accept", [{"type": "accept", "args": None}], Parsed(approval_id=None, word="approve")),
    (
        "inbox accept with the action",
        [{"type": "accept", "args": {"action": TOOL, "args": ARGS}}],
        Parsed(approval_id=None, word="approve"),
    ),
    (
        "inbox edit",
        [{"type": "edit", "args": {"action": TOOL, "args": ARGS}}],
        Parsed(approval_id=None, word="edit", args=ARGS),
    ),
    (
        "inbox response",
        [{"type": "response", "args": "Too early"}],
        Parsed(approval_id=None, word="reject", message="Too early"),
    ),
    ("inbox ignore", [{"type": "ignore", "args": None}], Parsed(approval_id=None, word="reject")),
    ("inbox without its list", {"type": "accept", "args": None}, Parsed(approval_id=None, word="approve")),
    # ours
    ("recorded", {"approval_id": "apr_1"}, Parsed(approval_id="apr_1", word=None)),
    ("recorded, in the block", {"agent_guard": {"approval_id": "apr_1"}}, Parsed(approval_id="apr_1", word=None)),
    ("named", {"type": "approve", "approval_id": "apr_1"}, Parsed(approval_id="apr_1", word="approve")),
    ("named, in JavaScript", {"type": "approve", "approvalId": "apr_1"}, Parsed(approval_id="apr_1", word="approve")),
    ("recorded, in JavaScript", {"agentGuard": {"approvalId": "apr_1"}}, Parsed(approval_id="apr_1", word=None)),
    # LangGraph Studio, where a field of text came as it is; the newer Agent Inbox
    ("pasted", ' {"decisions": [{"type": "approve"}]}', Parsed(approval_id=None, word="approve")),
    ("pasted list", '[{"type": "accept", "args": null}]', Parsed(approval_id=None, word="approve")),
    (
        "inbox edit in decisions",
        {"decisions": [{"type": "edit", "args": {"action": TOOL, "args": ARGS}}]},
        Parsed(approval_id=None, word="edit", args=ARGS),
    ),
    (
        "inbox response in decisions",
        {"decisions": [{"type": "reject", "args": "Too early"}]},
        Parsed(approval_id=None, word="reject", message="Too early"),
    ),
    (
        "named beside the decisions",
        {"decisions": [{"type": "approve"}], "approval_id": "apr_1"},
        Parsed(approval_id="apr_1", word="approve"),
    ),
    (
        "named in the block beside the decisions",
        {"decisions": [{"type": "approve"}], "agent_guard": {"approval_id": "apr_1"}},
        Parsed(approval_id="apr_1", word="approve"),
    ),
    (
        "named in the decision",
        {"decisions": [{"type": "approve", "approval_id": "apr_1"}]},
        Parsed(approval_id="apr_1", word="approve"),
    ),
]


@pytest.mark.req("A12")
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "under an interrupt id"])
@pytest.mark.parametrize(("value", "parsed"), [case[1:] for case in READABLE], ids=[case[0] for case in READABLE])
def test_every_dialect_is_read(value: Any, parsed: Parsed, wrapped: bool) -> None:
    """Each client's own form of an answer says what its person meant, alone or under the interrupt's id."""
    assert parse({INTERRUPT: value} if wrapped else value, tool=TOOL) == parsed


@pytest.mark.parametrize("value", [case[1] for case in READABLE], ids=[case[0] for case in READABLE])
def test_an_answer_survives_json(value: Any) -> None:
    """Every dialect means the same after a journey as JSON."""
    assert parse(json.loads(json.dumps(value)), tool=TOOL) == parse(value, tool=TOOL)


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = {"type": "approve"}
    for _ in range(depth):
        value = [value]
    return value


UNREADABLE: list[Any] = [
    None, True, 0, 1.5, "", "approve", "yes", b"approve", [], {}, (),
    "{", "[", "{}", '"approve"', '{"type": "yes"}', "[" * 9_000, '[{"type": "approve"}' + " " * 100_000 + "]",
    [None], ["approve"], [[]], [{}], [[{"type": "approve"}]], nested(50),
    {"type": None}, {"type": ""}, {"type": "yes"}, {"type": "APPROVE"}, {"type": 1}, {"type": ["approve"]},
    {"type": {"approve": 1}}, {"Type": "approve"}, {"approve": True}, {"decision": "approve"},
    {"decisions": None}, {"decisions": []}, {"decisions": {}}, {"decisions": "approve"}, {"decisions": [None]},
    {"decisions": [{"type": "approve"}, {"type": "approve"}]},
    [{"type": "accept"}, {"type": "accept"}],
    {"decisions": [{"decisions": [{"type": "approve"}]}]},
    {"type": "approve", "approval_id": 7}, {"type": "approve", "approval_id": ["apr_1"]},
    {"type": "approve", "approvalId": "\ud800"}, {"type": "approve", "agent_guard": {"approval_id": "apr\0"}},
    {"approval_id": "apr_1", "decisions": [{"type": "approve", "approval_id": "apr_2"}]},
    {"type": "approve", "approval_id": "apr_1", "agentGuard": {"approvalId": "apr_2"}},
    {"approval_id": None}, {"approval_id": 7}, {"approval_id": ""}, {"approval_id": ["apr_1"]}, {"agent_guard": "apr_1"},
    {"type": "edit"}, {"type": "edit", "args": None}, {"type": "edit", "args": "text"}, {"type": "edit", "args": ARGS},
    {"type": "edit", "edited_action": "x"}, {"type": "edit", "edited_action": {"name": TOOL}},
    {"type": "edit", "edited_action": {"name": TOOL, "args": "x"}},
    {"type": "edit", "edited_action": {"name": TOOL, "args": None}},
    {INTERRUPT: None}, {INTERRUPT: "approve"}, {"x": {"type": "approve"}},
    {INTERRUPT: {"type": "approve"}, "f" * 32: {"type": "approve"}}, {1: {"type": "approve"}},
]  # fmt: skip


@pytest.mark.req("A8")
@pytest.mark.parametrize("value", UNREADABLE, ids=lambda value: repr(value)[:50])
def test_anything_else_is_unreadable(value: Any) -> None:
    """Whatever is none of the dialects is told to be so, in words, and approves nothing."""
    with pytest.raises(Unreadable) as error:
        parse(value, tool=TOOL)
    assert str(error.value)


@pytest.mark.req("A12")
@pytest.mark.parametrize(
    "value",
    [
        {"type": "edit", "edited_action": {"name": "crm.delete", "args": ARGS}},
        {"type": "edit", "editedAction": {"name": "crm.delete", "args": ARGS}},
        [{"type": "edit", "args": {"action": "crm.delete", "args": ARGS}}],
    ],
)
def test_an_edit_cannot_change_the_tool(value: Any) -> None:
    """An edit that names another tool is unreadable in every dialect."""
    with pytest.raises(Unreadable, match=r"crm\.create_task was asked about"):
        parse(value, tool=TOOL)


def test_the_words_of_an_unreadable_answer_are_not_repeated() -> None:
    """What a client sent may be personal; the error says what was expected instead."""
    for value in ({"type": "Anna Kowalska"}, {"decisions": ["Anna Kowalska"]}, "Anna Kowalska"):
        with pytest.raises(Unreadable) as error:
            parse(value, tool=TOOL)
        assert "Anna" not in str(error.value)
