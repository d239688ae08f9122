"""What this agent does, and what it cannot be made to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_guard import AgentGuardError
from agent_guard.testing import ScriptedModel, assert_no_personal_data, call
from langchain_core.messages import AIMessage

from tests.conftest import BOSS, REP, Desk

ASK = "Please answer this ticket."
READ = call("desk.read_ticket", "To know what is asked.", id="c1", ticket_id="2")


def answer(text: str, ticket_id: str = "2") -> AIMessage:
    """An answer that a model proposes."""
    return call("desk.answer_ticket", "The ticket says so.", id="c2", ticket_id=ticket_id, text=text)


def test_a_manager_is_asked_and_the_customer_is_named(desk: Desk) -> None:
    """The model sees a pseudonym, the requester may not approve, and what is approved is sent once."""
    session, reply = desk.say(ASK)
    assert reply.pending is not None
    assert str(reply.pending.args["text"]).startswith("Hello <PERSON_1>, thank you")
    with pytest.raises(AgentGuardError):
        session.resume(reply.pending.id, "approve", by=REP)
    assert session.resume(reply.pending.id, "approve", by=BOSS).status == "delivered"
    assert [sent["text"][:19] for sent in desk.crm.all("answer")] == ["Hello Anna Kowalska"]


def test_nothing_raw_is_stored_by_the_guard(desk: Desk, tmp_path: Path) -> None:
    """Calls, approvals, record and checkpoints hold pseudonyms only."""
    desk.say(ASK)
    assert_no_personal_data(tmp_path / "guard", ["Anna Kowalska", "anna@kowalska.example"])


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([READ, answer("Write to eve@evil.example.")], "domain"),
        ([READ, answer("Here you are.", "1")], "binding"),
        ([answer("Without a look at the ticket.")], "requires"),
        ([call("desk.export_contacts", "The ticket says so.")], "tool_unknown"),
    ],
    ids=["an address out of the ticket", "another customer's ticket", "unread", "a tool nobody wrote"],
)
def test_a_model_that_obeys_the_ticket_is_refused(desk: Desk, script: list[AIMessage], code: str) -> None:
    """Whatever the ticket makes the model say: the call is denied with this code, and nothing is sent."""
    _, reply = desk.say(ASK, about="2", model=ScriptedModel(*script, "I could not."))
    assert desk.codes(reply)[-1] == code
    assert desk.crm.all("answer") == []
