"""The limits as a guard."""

from __future__ import annotations

import pytest

from agent_guard.facts import LimitFact
from agent_guard.guards.limits import LIMITS
from agent_guard.types import Code
from tests.samples import call, contract, facts, policy


def limit(code=Code.LIMIT_RATE, reached=True, text="3/minute/subject"):
    return LimitFact(limit=text, code=code, count=3, reached=reached)


@pytest.mark.req("A3", "B7")
@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((), None),
        ((limit(reached=False),), None),
        ((limit(),), Code.LIMIT_RATE),
        ((limit(reached=False), limit()), Code.LIMIT_RATE),
        ((limit(Code.LIMIT_ACTIONS),), Code.LIMIT_ACTIONS),
        ((limit(Code.LIMIT_CONTACTS),), Code.LIMIT_CONTACTS),
        ((limit(Code.LIMIT_CONTACTS, reached=False),), None),
        ((limit(Code.LIMIT_ATTEMPTS),), Code.LIMIT_ATTEMPTS),
        ((limit(Code.LIMIT_ATTEMPTS), limit(Code.LIMIT_ACTIONS)), Code.LIMIT_ATTEMPTS),
    ],
)
def test_the_first_limit_that_is_reached_denies(limits, expected):
    """A limit with a free place passes; a full one denies with its code and its text."""
    objection = LIMITS.check(call(), contract(), policy(), facts(limits=limits))
    assert (objection and objection.code) == expected
    assert objection is None or objection.outcome == "deny"


def test_a_human_reads_which_limit_it_was():
    """The text of the policy stands in the reason for a human and not in the one for the model."""
    objection = LIMITS.check(call(), contract(), policy(), facts(limits=(limit(),)))
    assert "3/minute/subject" in objection.for_human
    assert "3/minute/subject" not in objection.for_model
