"""Stop-words and domains as a guard; what they find is tested where they look."""

from __future__ import annotations

import pytest

from agent_guard.facts import Problem
from agent_guard.guards.content import CONTENT
from agent_guard.types import Code
from tests.samples import call, contract, facts, policy

WORD = Problem(code=Code.STOP_WORD, path="subject", message="holds 'guarantee', a stop-word (en)")
HOST = Problem(code=Code.DOMAIN, path="to", message="evil.example is not among the allowed domains")


@pytest.mark.req("A18", "B13")
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((), None),
        ((WORD,), Code.STOP_WORD),
        ((HOST,), Code.DOMAIN),
        ((HOST, WORD), Code.DOMAIN),
        ((WORD, HOST), Code.STOP_WORD),
    ],
)
@pytest.mark.parametrize("effect", ["read", "egress", "draft", "write", "send", "delete"])
def test_what_was_found_denies_with_its_code(found, expected, effect):
    """Any find denies whatever the effect, the first one gives the code, and the agent may go on without it."""
    objection = CONTENT.check(call(), contract(effect=effect), policy(), facts(content=found))
    assert (objection and objection.code) == expected
    assert objection is None or (objection.outcome == "deny" and not objection.code.stops)


@pytest.mark.req("A18")
def test_each_find_is_told_and_not_more_than_five():
    """The model and the human read the argument and the sentence of each find, up to five."""
    many = tuple(Problem(code=Code.STOP_WORD, path=f"a{index}", message="holds it") for index in range(9))
    objection = CONTENT.check(call(), contract(), policy(), facts(content=(WORD, HOST)))
    assert objection.for_model == objection.for_human
    assert "subject: holds 'guarantee'" in objection.for_model
    assert "to: evil.example is not" in objection.for_model
    words = CONTENT.check(call(), contract(), policy(), facts(content=many)).for_model
    assert ("a4: " in words, "a5: " in words) == (True, False)


def test_content_is_judged_without_a_contract_as_well():
    """The guard asks for no contract: a find denies whatever else is known."""
    assert CONTENT.check(call("x.y"), None, policy(), facts(content=(HOST,))).code is Code.DOMAIN
