"""Whether a tool is tried again, and after how long."""

from __future__ import annotations

import pytest

from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from agent_guard.runtime.retries import FIRST_S, JITTER_S, MOST_S, Tries
from agent_guard.runtime.running import Cut
from agent_guard.types import Code
from tests.samples import contract

EFFECTS = ("read", "egress", "draft", "write", "send", "delete")


def pause(error, *, effect="read", made=1, left_s=10.0, retries=2):
    """What is said after so many tries."""
    tries = Tries(contract(effect=effect, retries=retries))
    tries.made = made
    return tries.again_in(error, left_s)


@pytest.mark.req("B7", "B17")
@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize(
    ("error", "read", "others"),
    [
        (ToolUnavailable(code="dns"), True, True),
        (OutcomeUnknown(code="reset"), True, False),
        (ConnectionResetError(104), True, False),
        (TimeoutError("its own"), True, False),
        (ToolUnavailable(code="secret_missing"), False, False),
        (ToolUnavailable(code="secret_withheld"), False, False),
        (ToolUnavailable(code="tools_busy"), False, False),
        (ToolRejected(code="closed"), False, False),
        (ValueError("x"), False, False),
        (TypeError("a.b returned str, not X"), False, False),
        (Cut(Code.KILLED, "*", begun=True), False, False),
        (Cut(Code.CALLER_GONE, "cancelled"), False, False),
    ],
    ids=lambda item: getattr(item, "code", type(item).__name__) if isinstance(item, Exception) else None,
)
def test_only_what_changed_nothing_is_tried_again(effect, error, read, others):
    """A write only where it was not sent; a read also where its answer was lost; an answer and a bug never."""
    assert (pause(error, effect=effect) is not None) == (read if effect == "read" else others)


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_a_contract_says_how_often(retries):
    """``retries`` counts the tries after the first one."""
    again = [pause(ToolUnavailable(), made=made, retries=retries) is not None for made in range(1, 8)]
    assert again == [True] * retries + [False] * (7 - retries)


@pytest.mark.parametrize("made", range(1, 6))
def test_pauses_grow_with_some_chance_and_have_a_bound(made):
    """Each pause is twice the one before, plus at most the jitter."""
    shortest = min(FIRST_S * 2 ** (made - 1), MOST_S)
    found = {pause(ToolUnavailable(), made=made, retries=5) for _ in range(20)} - {None}
    assert all(shortest <= item <= shortest + JITTER_S for item in found)
    assert len(found) > 1


@pytest.mark.req("A20")
def test_a_pause_ends_before_the_tools_time_does():
    """What would begin when the time is over does not begin."""
    assert pause(ToolUnavailable(), left_s=FIRST_S + JITTER_S + 0.001) is not None
    assert pause(ToolUnavailable(), left_s=FIRST_S - 0.001) is None
    assert pause(ToolUnavailable(), left_s=-1.0) is None


@pytest.mark.parametrize("retries", [-1, 6, 1.0, "2", None, True])
def test_another_number_is_refused(retries):
    """A contract takes 0 to 5."""
    with pytest.raises(ConfigError, match=r"retries is .*; give 0 to 5"):
        contract(retries=retries)
