"""The mode of a tool."""

from __future__ import annotations

import pytest

from agent_guard.guards.mode import MODE
from agent_guard.types import Code
from tests.samples import TOOL, call, contract, facts, policy, rule

BY_PLACE = {"dev": "execute", "stage": "approve", "prod": "suggest"}


@pytest.mark.req("B9", "A4", "A12")
@pytest.mark.parametrize(
    ("mode", "environment", "outcome", "code"),
    [
        ("execute", "prod", None, None),
        ("approve", "prod", "require_approval", Code.APPROVAL_REQUIRED),
        ("suggest", "prod", "suggest", Code.SUGGESTED),
        (BY_PLACE, "dev", None, None),
        (BY_PLACE, "stage", "require_approval", Code.APPROVAL_REQUIRED),
        (BY_PLACE, "prod", "suggest", Code.SUGGESTED),
        (BY_PLACE, "test", "deny", Code.TOOL_NOT_PERMITTED),
        (BY_PLACE, "", "deny", Code.TOOL_NOT_PERMITTED),
        ({}, "prod", "deny", Code.TOOL_NOT_PERMITTED),
    ],
)
def test_a_mode_is_an_outcome(mode, environment, outcome, code):
    """Execute objects to nothing, approve asks a human, suggest records, and no mode denies."""
    permission = rule(mode=mode, approvers={"roles": ["manager"]})
    objection = MODE.check(call(), contract(), policy({TOOL: permission}), facts(environment=environment))
    assert (objection and objection.outcome) == outcome
    assert (objection and objection.code) == code


def test_without_a_contract_there_is_no_mode():
    """A tool that is not there is denied."""
    assert MODE.check(call(), None, policy(), facts()).outcome == "deny"
