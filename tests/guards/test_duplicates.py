"""The same intent again."""

from __future__ import annotations

import pytest

from agent_guard.facts import Twin
from agent_guard.guards.duplicates import DUPLICATES
from agent_guard.types import Code
from tests.samples import call, contract, facts, policy


@pytest.mark.req("A6", "B7")
@pytest.mark.parametrize(
    ("state", "expected"),
    [("done", Code.DUPLICATE), ("claimed", Code.IN_PROGRESS), ("unknown", Code.OUTCOME_UNKNOWN)],
)
def test_an_earlier_call_that_holds_the_key_denies(state, expected):
    """Done is a duplicate; running or unknown stops the agent, because a repeat could do it twice."""
    twin = Twin(state=state, trace_id="T1", reference="task:9")
    objection = DUPLICATES.check(call(), contract(), policy(), facts(twin=twin))
    assert (objection.outcome, objection.code) == ("deny", expected)
    assert "T1" in objection.for_human
    assert objection.code.stops is (state != "done")


def test_without_an_earlier_call_there_is_no_duplicate():
    """No twin, no objection."""
    assert DUPLICATES.check(call(), contract(), policy(), facts()) is None
