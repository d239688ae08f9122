"""What a person corrected is read from what is stored: value by value, from either of the two calls."""

from __future__ import annotations

from typing import Any

import pytest

from agent_guard import calls
from agent_guard.corrections import Correction, corrected, differences
from tests.conftest import World


@pytest.mark.parametrize(
    ("proposed", "made", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 2}, {"b": 3, "a": 1}, [("b", 2, 3)]),
        ({"q": {"need": {"score": 3, "quote": "x"}}}, {"q": {"need": {"score": 1, "quote": "x"}}}, [("q.need.score", 3, 1)]),
        ({"q": {"need": {"score": 3}}}, {"q": {"need": None}}, [("q.need", {"score": 3}, None)]),
        ({"q": None}, {"q": {"need": 1}}, [("q", None, {"need": 1})]),
        ({"to": ["a", "b"]}, {"to": ["a", "c", "d"]}, [("to[1]", "b", "c"), ("to[2]", None, "d")]),
        ({"n": True}, {"n": "True"}, [("n", True, "True")]),
    ],
)  # fmt: skip
def test_two_documents_are_laid_side_by_side(proposed: Any, made: Any, found: Any) -> None:
    """Each value that differs is named by where it stands; what is the same is not told."""
    assert [(item.path, item.proposed, item.made) for item in differences(proposed, made)] == found


@pytest.mark.databases
@pytest.mark.req("A13", "A25")
def test_an_edit_is_told_from_both_of_its_calls(world: World) -> None:
    """Who corrected what, in whose place, with what words; a call that nobody edited was corrected by nobody."""
    thread = world.thread(world.policy({"crm.create_task": {"mode": "approve"}}))
    asked = thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call Anna Kowalska", "urgent": True})
    edit = {"deal_id": "42", "subject": "Call Anna Kowalska on Friday"}
    done = thread.resume(asked.approval_id or "", "edit", by=world.boss, args=edit, message="Not before Friday")
    plain = thread.invoke("crm.read_deal", {"deal_id": "42"})
    assert done.status == "executed"
    with thread.gateway.store.read() as connection:
        rows = [calls.by_id(connection, str(item.trace_id)) for item in (asked, done, plain)]
        found = [corrected(connection, row) for row in rows if row is not None]
    assert found[2] is None and found[0] == found[1] is not None
    told = found[0]
    assert (told.proposed, told.made, told.by, told.message) == (
        asked.trace_id, done.trace_id, "m7", "Not before Friday",
    )  # fmt: skip
    assert told.corrections == (
        Correction(path="subject", proposed="Call <PERSON_1>", made="Call <PERSON_1> on Friday"),
        Correction(path="urgent", proposed=True, made=False),
    )
