"""The red button as a guard."""

from __future__ import annotations

import pytest

from agent_guard.guards.kill_switch import KILL_SWITCH
from agent_guard.types import Code
from tests.samples import call, contract, facts, policy


@pytest.mark.req("A31")
@pytest.mark.parametrize(
    ("pressed", "expected"),
    [
        ((), None),
        (("*",), Code.KILLED),
        (("tenant:acme",), Code.KILLED),
        (("tool:crm.create_task", "agent:default"), Code.KILLED),
    ],
)
@pytest.mark.parametrize("tool", [contract(), None])
def test_a_pressed_flag_denies(pressed, expected, tool):
    """Any flag that covers the call denies it, whether the gateway knows the tool or not."""
    objection = KILL_SWITCH.check(call(), tool, policy(), facts(pressed=pressed))
    assert (objection and objection.code) == expected
    if objection:
        assert objection.outcome == "deny"
        assert all(flag in objection.for_human for flag in pressed)
        assert objection.code.stops
