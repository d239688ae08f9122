"""The values that travel: subjects, codes, results and the vocabulary of a decision."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import get_args

import pytest

from agent_guard import codes, types
from agent_guard.types import (
    ENTITY_TYPES,
    Code,
    Decision,
    EntityType,
    ErrorClass,
    Party,
    Ref,
    Subject,
    ToolResult,
    utc_now,
)

NO_ERRORS = {Code.ALLOWED, Code.APPROVAL_REQUIRED, Code.SUGGESTED}


@pytest.mark.req("B14")
@pytest.mark.parametrize("code", Code)
def test_every_code_that_is_an_error_has_a_class(code):
    """A code belongs to one class of the closed taxonomy exactly where it is an error."""
    assert (code.error_class is None) == (code in NO_ERRORS)
    assert code.error_class is None or code.error_class in get_args(ErrorClass)


@pytest.mark.req("B14")
def test_every_class_has_a_code_and_no_code_has_two():
    """The taxonomy is a partition: no class is empty and no code stands in two."""
    listed = [code for group in codes._BY_CLASS.values() for code in group]
    assert set(codes._BY_CLASS) == set(get_args(ErrorClass))
    assert all(codes._BY_CLASS.values())
    assert len(listed) == len(set(listed))


@pytest.mark.req("A8")
@pytest.mark.parametrize(
    ("status", "code", "stop"),
    [
        ("executed", Code.ALLOWED, False),
        ("pending", Code.APPROVAL_REQUIRED, False),
        ("suggested", Code.SUGGESTED, False),
        ("duplicate", Code.DUPLICATE, False),
        ("denied", Code.ROLE, False),
        ("denied", Code.LIMIT_RATE, False),
        ("denied", Code.LIMIT_ACTIONS, False),
        ("denied", Code.REJECTED, False),
        ("failed", Code.TOOL_REJECTED, False),
        ("denied", Code.KILLED, True),
        ("failed", Code.KILLED, True),
        ("denied", Code.LOOP, True),
        ("denied", Code.LIMIT_ATTEMPTS, True),
        ("denied", Code.LIMIT_STEPS, True),
        ("denied", Code.IN_PROGRESS, True),
        ("failed", Code.TIMEOUT, True),
        ("failed", Code.RESULT_INVALID, True),
        ("unknown", Code.OUTCOME_UNKNOWN, True),
        ("unknown", Code.TIMEOUT, True),
        ("unknown", Code.POST_CHECK_FAILED, True),
        ("unknown", Code.STORE_UNAVAILABLE, True),
    ],
)
def test_a_result_says_when_the_agent_must_stop(status, code, stop):
    """An unknown outcome and a stopping code call a human; an ordinary refusal lets the agent go on."""
    result = ToolResult(status=status, code=code, content=None, tool="t", call_id="c")
    assert result.stop is stop


@pytest.mark.parametrize("outcome", ["allow", "require_approval", "suggest", "deny"])
def test_only_allow_is_allowed(outcome):
    """A decision lets a call run without a human for the outcome allow and no other."""
    decision = Decision(
        outcome=outcome, code=Code.ALLOWED, for_model="", for_human="", policy="p", policy_hash="sha256:0"
    )
    assert decision.allowed is (outcome == "allow")


@pytest.mark.parametrize("roles", ["admin", ""])
def test_roles_written_as_one_text_are_refused(roles):
    """A text of roles is refused: it would become a set of its letters."""
    with pytest.raises(TypeError, match="roles"):
        Subject(id="u1", tenant="acme", roles=roles)


@pytest.mark.parametrize("field", ["id", "tenant"])
@pytest.mark.parametrize("value", ["", None, 7])
def test_a_subject_without_a_name_is_refused(field, value):
    """A subject has an id and a tenant, both text that is not empty."""
    with pytest.raises(ValueError, match=field):
        Subject(**{"id": "u1", "tenant": "acme", field: value})


@pytest.mark.parametrize("value", ["a\0b", "a\ud83d", "\0"])
def test_a_name_that_no_database_keeps_is_refused(value):
    """What one database would store as another name, or not at all, would make two people one."""
    for field in ("id", "tenant", "region"):
        with pytest.raises(ValueError, match=rf"Subject\.{field} holds a character"):
            Subject(**{"id": "u1", "tenant": "acme", field: value})
    with pytest.raises(ValueError, match=r"Party\.id holds a character"):
        Party(id=value)
    assert Party(id="контакт 🚚:17").id == "контакт 🚚:17"


def test_equal_roles_are_equal_whatever_their_collection():
    """Roles are a set: a list, a tuple and a set of the same names make equal subjects."""
    made = {Subject(id="u1", tenant="a", roles=roles) for roles in (["x", "y"], ("y", "x"), {"x", "y"})}
    assert len(made) == 1


def test_a_subject_has_no_roles_by_default():
    """Nobody has a right that was not given."""
    assert Subject(id="u1", tenant="a").roles == frozenset()


@pytest.mark.parametrize(
    "kind", [item for item in vars(types).values() if dataclasses.is_dataclass(item)], ids=lambda kind: kind.__name__
)
def test_values_are_frozen_and_named_by_keyword(kind):
    """No value changes after it was made, and no field is filled by position."""
    assert kind.__dataclass_params__.frozen
    assert all(field.kw_only for field in dataclasses.fields(kind))


def test_entity_types_are_written_once_for_people_and_once_for_the_type_checker():
    """The tuple of entity types and the Literal name the same types in the same order."""
    assert get_args(EntityType) == ENTITY_TYPES


def test_a_ref_reads_as_kind_and_id():
    """The text of a reference is what the audit and the model are shown."""
    assert str(Ref(kind="task", id="9")) == "task:9"


def test_the_clock_is_aware_and_in_utc():
    """The default clock gives aware UTC, so that no comparison with stored moments can fail."""
    assert utc_now().utcoffset() == timedelta(0)
