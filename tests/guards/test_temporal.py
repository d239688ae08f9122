"""What must have happened before, and what is too late, as a guard."""

from __future__ import annotations

import pytest

from agent_guard.facts import Problem
from agent_guard.guards.temporal import TEMPORAL
from agent_guard.types import Code
from tests.samples import call, contract, facts, policy

FIRST = Problem(code=Code.REQUIRES, path="crm.read_deal", message="must have run in the last 1h")
LATE = Problem(code=Code.NOT_AFTER, path="due", message="must be a day, and not after 30d")


@pytest.mark.req("A10", "B4")
@pytest.mark.parametrize(
    ("found", "expected"),
    [((), None), ((FIRST,), Code.REQUIRES), ((LATE,), Code.NOT_AFTER), ((LATE, FIRST), Code.NOT_AFTER)],
)
@pytest.mark.parametrize("effect", ["read", "draft", "send"])
def test_what_is_missing_or_too_late_denies(found, expected, effect):
    """Each problem denies whatever the effect, the first one gives the code, and the agent may do what is missing."""
    objection = TEMPORAL.check(call(), contract(effect=effect), policy(), facts(temporal=found))
    assert (objection and objection.code) == expected
    assert objection is None or (objection.outcome == "deny" and not objection.code.stops)


def test_every_problem_is_told():
    """The model reads what it should have done, and which moment is too late."""
    words = TEMPORAL.check(call(), contract(), policy(), facts(temporal=(LATE, FIRST))).for_model
    assert words == ("Not now: due: must be a day, and not after 30d; crm.read_deal: must have run in the last 1h.")


def test_it_asks_for_no_contract():
    """A problem denies a tool that is not there as well."""
    assert TEMPORAL.check(call("x.y"), None, policy(), facts(temporal=(FIRST,))).code is Code.REQUIRES
