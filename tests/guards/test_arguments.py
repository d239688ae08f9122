"""What is wrong with the arguments, as a decision."""

from __future__ import annotations

import pytest

from agent_guard.codes import _BY_CLASS, Code
from agent_guard.facts import Problem
from agent_guard.guards.arguments import ARGUMENTS
from tests.samples import call, contract, facts, policy


def judged(*problems):
    return ARGUMENTS.check(call(), contract(), policy(), facts(problems=problems))


def problem(code, path="a", message="is wrong"):
    return Problem(code=code, path=path, message=message)


def test_arguments_without_problems_pass():
    """No problem, no objection."""
    assert judged() is None


@pytest.mark.req("B4")
@pytest.mark.parametrize("code", [*_BY_CLASS["validation"], Code.TOOL_UNAVAILABLE])
def test_every_problem_denies_with_its_code(code):
    """Whatever problem can be found denies, and its code is the decision's."""
    objection = judged(problem(code))
    assert (objection.outcome, objection.code) == ("deny", code)


@pytest.mark.parametrize(
    ("problems", "expected"),
    [
        ((Code.ARGUMENTS_INVALID, Code.ARGUMENTS_MALFORMED), Code.ARGUMENTS_MALFORMED),
        ((Code.ARGUMENTS_INVALID, Code.ARGUMENTS_TOO_LARGE), Code.ARGUMENTS_TOO_LARGE),
        ((Code.ARGUMENTS_INVALID, Code.ARGUMENT_UNKNOWN), Code.ARGUMENT_UNKNOWN),
        ((Code.ARGUMENT_NOT_PERMITTED, Code.PSEUDONYM_UNKNOWN), Code.PSEUDONYM_UNKNOWN),
        ((Code.PSEUDONYM_NOT_PERMITTED, Code.PSEUDONYM_UNKNOWN), Code.PSEUDONYM_UNKNOWN),
        ((Code.ARGUMENT_NOT_PERMITTED, Code.ARGUMENTS_INVALID), Code.ARGUMENTS_INVALID),
        ((Code.TOOL_UNAVAILABLE, Code.ARGUMENT_NOT_PERMITTED), Code.ARGUMENT_NOT_PERMITTED),
    ],
)
def test_the_gravest_problem_names_the_decision(problems, expected):
    """Of several problems the one that must be mended first gives the code, whatever their order."""
    made = [problem(code) for code in problems]
    assert judged(*made).code == judged(*reversed(made)).code == expected


def test_a_few_problems_are_shown_and_the_words_do_not_depend_on_their_order():
    """At most five problems are told, in a fixed order, so that equal facts read equal."""
    made = [problem(Code.ARGUMENTS_INVALID, path=f"p{index}") for index in range(9)]
    words = judged(*made).for_model
    assert words == judged(*reversed(made)).for_model
    assert words.count("is wrong") == 5
