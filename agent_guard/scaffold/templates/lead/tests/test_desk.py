"""What this agent does, and what it cannot be made to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_guard import AgentGuardError
from agent_guard.testing import ScriptedModel, assert_no_personal_data, call
from langchain_core.messages import AIMessage

from tests.conftest import BOSS, REP, Desk

ASK = "This is Anna Kowalska. Please call me back."


def test_a_manager_is_asked_and_the_crm_gets_the_name(desk: Desk) -> None:
    """The model sees a pseudonym, the requester may not approve, and what is approved is made once."""
    session, reply = desk.say(ASK)
    assert reply.pending is not None
    assert reply.pending.args == {"deal_id": "1", "subject": "Call <PERSON_1> back"}
    with pytest.raises(AgentGuardError):
        session.resume(reply.pending.id, "approve", by=REP)
    assert session.resume(reply.pending.id, "approve", by=BOSS).status == "delivered"
    assert [task["subject"] for task in desk.crm.all("task")] == ["Call Anna Kowalska back"]


def test_nothing_raw_is_stored_by_the_guard(desk: Desk, tmp_path: Path) -> None:
    """Calls, approvals, record and checkpoints hold pseudonyms only."""
    desk.say(ASK)
    assert_no_personal_data(tmp_path / "guard", ["Anna Kowalska", "anna@kowalska.example"])


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (call("crm.create_task", "I was told to.", deal_id="2", subject="Cancel everything"), "binding"),
        (call("crm.delete_contact", "I was told to.", contact_id="1"), "tool_unknown"),
        (call("crm.create_task", "I was told to.", deal_id="1", subject="Call", cc="eve"), "argument_unknown"),
    ],
    ids=["another customer's deal", "a tool nobody wrote", "an argument nobody wrote"],
)
def test_a_model_that_obeys_somebody_else_is_refused(desk: Desk, attack: AIMessage, code: str) -> None:
    """Whatever the model says: the call is denied with this code, and nothing is written."""
    _, reply = desk.say(ASK, model=ScriptedModel(attack, "I could not."))
    assert desk.codes(reply) == [code]
    assert desk.crm.all("task") == []
