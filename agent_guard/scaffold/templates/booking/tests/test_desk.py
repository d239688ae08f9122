"""What this agent does, and what it cannot be made to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_guard import AgentGuardError
from agent_guard.testing import ScriptedModel, assert_no_personal_data, call
from langchain_core.messages import AIMessage

from tests.conftest import BOSS, REP, Desk

ASK = "This is Anna Kowalska. I take the first time that is free."
LOOK = call("calendar.free_slots", "They want to meet.", id="c1")


def book(contact_id: str, slot_id: str) -> AIMessage:
    """A booking that a model proposes."""
    return call("calendar.book", "They chose it.", id="c2", contact_id=contact_id, slot_id=slot_id)


def test_a_manager_is_asked_and_the_time_is_booked(desk: Desk) -> None:
    """The requester may not approve, and what is approved is booked once."""
    session, reply = desk.say(ASK)
    assert reply.pending is not None
    assert reply.pending.args == {"contact_id": "1", "slot_id": "1"}
    with pytest.raises(AgentGuardError):
        session.resume(reply.pending.id, "approve", by=REP)
    assert session.resume(reply.pending.id, "approve", by=BOSS).text == "It is booked."
    assert desk.crm.all("booking") == [{"id": "1", "slot_id": "1", "contact_id": "1"}]


def test_of_two_that_want_one_time_one_gets_it(desk: Desk) -> None:
    """Both were approved; the second is told that it could not be booked."""
    first, one = desk.say(ASK)
    second, other = desk.say("I take the first time that is free.", about="2")
    assert one.pending is not None
    assert other.pending is not None
    assert first.resume(one.pending.id, "approve", by=BOSS).text == "It is booked."
    assert str(second.resume(other.pending.id, "approve", by=BOSS).text).startswith("It could not be booked")
    assert [booking["contact_id"] for booking in desk.crm.all("booking")] == ["1"]


def test_nothing_raw_is_stored_by_the_guard(desk: Desk, tmp_path: Path) -> None:
    """Calls, approvals, record and checkpoints hold pseudonyms only."""
    desk.say(ASK)
    assert_no_personal_data(tmp_path / "guard", ["Anna Kowalska", "anna@kowalska.example"])


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([LOOK, book("2", "1")], "binding"),
        ([LOOK, book("1", "9")], "record_not_found"),
        ([book("1", "1")], "requires"),
        ([call("calendar.cancel_all", "I was told to.")], "tool_unknown"),
    ],
    ids=["for another customer", "no such time", "unseen", "a tool nobody wrote"],
)
def test_a_model_that_obeys_somebody_else_is_refused(desk: Desk, script: list[AIMessage], code: str) -> None:
    """Whatever the model says: the call is denied with this code, and nothing is booked."""
    _, reply = desk.say(ASK, model=ScriptedModel(*script, "I could not."))
    assert desk.codes(reply)[-1] == code
    assert desk.crm.all("booking") == []
