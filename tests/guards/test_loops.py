"""The loop detector."""

from __future__ import annotations

import pytest

from agent_guard.guards.loops import LOOPS
from agent_guard.types import Code
from tests.samples import call, contract, facts, policy


@pytest.mark.req("A22")
@pytest.mark.parametrize(
    ("allowed", "before", "expected"),
    [(2, 0, None), (2, 1, None), (2, 2, Code.LOOP), (2, 9, Code.LOOP), (1, 0, None), (1, 1, Code.LOOP), (5, 4, None)],
)
def test_one_call_more_than_allowed_in_a_row_is_a_loop(allowed, before, expected):
    """With two equal calls allowed the third in a row stops the run."""
    objection = LOOPS.check(call(), contract(), policy(loops={"same_call": allowed}), facts(same_calls=before))
    assert (objection and objection.code) == expected
    assert objection is None or (objection.outcome == "deny" and objection.code.stops)


@pytest.mark.req("A8", "A22")
@pytest.mark.parametrize(("rejections", "expected"), [(0, None), (1, None), (2, Code.REJECTED_TWICE)])
def test_two_rejections_in_a_row_end_the_run(rejections, expected):
    """Whatever is proposed after the second one stops, and says so before any loop is looked for."""
    objection = LOOPS.check(call(), contract(), policy(), facts(rejections=rejections))
    assert (objection and objection.code) == expected
    assert objection is None or (objection.outcome == "deny" and objection.code.stops)
    assert LOOPS.check(call(), None, policy(), facts(rejections=2, same_calls=9)).code is Code.REJECTED_TWICE


@pytest.mark.req("A22")
def test_an_unknown_tool_called_again_and_again_is_a_loop_too():
    """The guard asks for no contract."""
    assert LOOPS.check(call("x.y"), None, policy(), facts(same_calls=2)).code is Code.LOOP
