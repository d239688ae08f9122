"""The policy's rules on arguments."""

from __future__ import annotations

import pytest

from agent_guard.gathering.where import failures
from agent_guard.policy import Where, WhereRule


def broken(rule, value):
    where = Where.model_validate({"properties": {"a": rule}})
    return [keyword for _, keyword in failures(where, {"a": value})]


@pytest.mark.req("B4")
@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ({"type": "string"}, "x", []),
        ({"type": "string"}, 1, ["type"]),
        ({"type": "integer"}, 1, []),
        ({"type": "integer"}, 1.0, ["type"]),
        ({"type": "integer"}, True, ["type"]),
        ({"type": "number"}, 1.5, []),
        ({"type": "number"}, False, ["type"]),
        ({"type": "boolean"}, False, []),
        ({"type": "boolean"}, 0, ["type"]),
        ({"type": "array"}, [], []),
        ({"type": "array"}, {}, ["type"]),
        ({"type": "object"}, {}, []),
        ({"type": "object"}, [], ["type"]),
        ({"enum": ["a", "b"]}, "a", []),
        ({"enum": ["a", "b"]}, "c", ["enum"]),
        ({"enum": ["a", "b"]}, "A", ["enum"]),
        ({"enum": []}, "a", ["enum"]),
        ({"enum": [1]}, True, ["enum"]),
        ({"enum": [True]}, 1, ["enum"]),
        ({"enum": [[1]]}, [True], ["enum"]),
        ({"enum": [{"n": 0}]}, {"n": False}, ["enum"]),
        ({"const": "a"}, "a", []),
        ({"const": "a"}, "b", ["const"]),
        ({"const": 0}, 0, []),
        ({"const": 0}, False, ["const"]),
        ({"const": False}, 0, ["const"]),
        ({"const": False}, False, []),
        ({"minimum": 2}, 2, []),
        ({"minimum": 2}, 1.99, ["minimum"]),
        ({"minimum": 2}, "3", ["minimum"]),
        ({"minimum": 0}, True, ["minimum"]),
        ({"minimum": 0}, [1], ["minimum"]),
        ({"maximum": 2}, 2, []),
        ({"maximum": 2}, 2.01, ["maximum"]),
        ({"maximum": 2}, "1", ["maximum"]),
        ({"maximum": 2}, False, ["maximum"]),
        ({"minLength": 1}, "x", []),
        ({"minLength": 1}, "", ["minLength"]),
        ({"minLength": 1}, ["x"], ["minLength"]),
        ({"maxLength": 2}, "xy", []),
        ({"maxLength": 2}, "xyz", ["maxLength"]),
        ({"maxLength": 2}, 1, ["maxLength"]),
        ({"maxLength": 0}, "x", ["maxLength"]),
        ({"maxItems": 1}, ["x"], []),
        ({"maxItems": 1}, ["x", "y"], ["maxItems"]),
        ({"maxItems": 9}, "x", ["maxItems"]),
        ({"pattern": "^[a-z]+$"}, "abc", []),
        ({"pattern": "^[a-z]+$"}, "abc\n", ["pattern"]),
        ({"pattern": "^[a-z]+$"}, "x abc", ["pattern"]),
        ({"pattern": "^[0-9]+$"}, 12, ["pattern"]),
        ({"pattern": "^a|b$"}, "a evil", ["pattern"]),
        ({"type": "string", "maxLength": 1, "pattern": "^x$"}, "abc", ["maxLength", "pattern"]),
    ],
)
def test_a_keyword_holds_or_is_named(rule, value, expected):
    """Each keyword is judged on the value's own type: what it cannot be applied to breaks it."""
    assert broken(rule, value) == expected


@pytest.mark.req("A1")
@pytest.mark.parametrize("args", [{}, {"a": None}])
def test_an_argument_that_a_rule_names_must_be_there(args):
    """Left out or null, a ruled argument fails its rule: absent means denied."""
    where = Where.model_validate({"properties": {"a": {"maxLength": 5}}})
    assert list(failures(where, args)) == [("a", "required")]


def test_a_required_argument_is_missed_once():
    """An argument that is required and ruled is reported once when it is absent."""
    where = Where.model_validate({"properties": {"a": {"maxLength": 5}}, "required": ["a", "b"]})
    assert list(failures(where, {"a": None})) == [("a", "required"), ("b", "required")]


def test_arguments_without_rules_are_not_judged():
    """A rule on one argument says nothing of the others, and an empty rule asks for presence alone."""
    where = Where(properties={"a": WhereRule()})
    assert list(failures(where, {"a": 1, "b": "anything"})) == []
