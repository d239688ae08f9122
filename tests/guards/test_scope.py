"""The allowlist: gateway, policy, environment and thread must all name the tool."""

from __future__ import annotations

import pytest

from agent_guard.guards.scope import SCOPE
from agent_guard.types import Code
from tests.samples import TOOL, call, contract, facts, policy, rule


@pytest.mark.req("A1", "A9")
@pytest.mark.parametrize(
    ("tool", "known", "tools", "environment", "scope", "expected"),
    [
        (TOOL, True, {TOOL: rule()}, "prod", None, None),
        (TOOL, True, {TOOL: rule()}, "prod", (TOOL,), None),
        (TOOL, True, {TOOL: rule()}, "prod", (), Code.OUT_OF_SCOPE),
        (TOOL, True, {TOOL: rule()}, "prod", ("crm.create",), Code.OUT_OF_SCOPE),
        (TOOL, True, {"crm.create_tas": rule()}, "prod", None, Code.TOOL_NOT_PERMITTED),
        (TOOL, True, {"crm.*": rule()}, "prod", None, Code.TOOL_NOT_PERMITTED),
        (TOOL, True, {TOOL: rule(mode={"dev": "execute"})}, "dev", None, None),
        (TOOL, True, {TOOL: rule(mode={"dev": "execute"})}, "prod", None, Code.TOOL_NOT_PERMITTED),
        (TOOL, True, {TOOL: rule(mode={})}, "dev", None, Code.TOOL_NOT_PERMITTED),
        (None, True, {TOOL: rule()}, "prod", None, Code.TOOL_UNKNOWN),
        (TOOL, False, {TOOL: rule()}, "prod", None, Code.TOOL_UNKNOWN),
    ],
)
def test_a_tool_is_in_scope_where_everything_names_it(tool, known, tools, environment, scope, expected):
    """A missing name anywhere denies: names are exact, and nothing is a pattern."""
    given = facts(known=known, environment=environment, scope=scope)
    objection = SCOPE.check(call(), tool and contract(tool), policy(tools), given)
    assert (objection and objection.code) == expected
    assert objection is None or objection.outcome == "deny"


def test_an_unknown_and_a_forbidden_tool_read_alike_for_the_model():
    """The model does not learn which tools exist outside its policy."""
    unknown = SCOPE.check(call(), None, policy(), facts())
    forbidden = SCOPE.check(call("a.b"), contract("a.b"), policy(), facts())
    assert unknown.for_model == forbidden.for_model
