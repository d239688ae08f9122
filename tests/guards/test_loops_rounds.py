"""Going round in circles, seen in the calls that a thread really made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from agent_guard.errors import ToolRejected
from agent_guard.guarded import GuardedThread
from agent_guard.types import Code

READ, TASK, STAGE = "crm.read_deal", "crm.create_task", "crm.set_stage"
LETTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "a": (READ, {"deal_id": "42"}),
    "b": (READ, {"deal_id": "45"}),  # there is none: denied
    "c": (READ, {"deal_id": "44"}),  # in another region: denied
    "d": (READ, {"deal_id": "43"}),
    "e": (READ, {"deal_id": "46"}),
    "n": ("messages.send", {"text": "Hello"}),
}


def played(thread: GuardedThread, letters: Sequence[str], start: int = 0) -> list[Code]:
    """The codes of calls made one after another; an upper-case letter makes a new task."""
    codes = []
    for index, letter in enumerate(letters, start):
        name, args = LETTERS.get(letter, (TASK, {"deal_id": "42", "subject": f"Call {index}"}))
        codes.append(thread.invoke(name, args, call_id=f"c{index}").code)
    return codes


def first_loop(codes: Sequence[Code]) -> int | None:
    """Which call was stopped first, counted from 1."""
    return next((index for index, found in enumerate(codes, 1) if found is Code.LOOP), None)


@pytest.mark.req("A22", "A3")
@pytest.mark.parametrize(
    ("letters", "loops", "stopped"),
    [
        ("aaa", {}, 3),
        ("aa", {}, None),
        ("aba", {}, None),
        ("aabaab", {}, None),
        ("aaaa", {"same_call": 3}, 4),
        ("aa", {"same_call": 1, "cycle": 9}, 2),
        ("bbb", {}, 3),
        ("abababa", {}, 7),
        ("ababab", {}, None),
        ("ababa", {"cycle": 2}, 5),
        ("abcabcabca", {}, 10),
        ("abcabcabc", {}, None),
        ("abcdabcdabcda", {}, 13),
        ("abcabca", {"cycle": 2}, 7),
        ("aabaabaab", {"cycle": 2}, 7),
        ("dababab", {}, None),
        ("dabababa", {}, 8),
        ("abacabadabacaba", {}, 13),
        ("abababa", {"cycle": 4}, None),
    ],
)
def test_the_same_few_calls_in_turn_are_stopped(world, letters, loops, stopped):
    """The same call in a row, two, three or four calls in turn: the call that would begin one round too many is a loop,
    whether the calls before it ran or were denied.
    """
    thread = world.thread(world.policy(loops=loops))
    assert first_loop(played(thread, letters)) == stopped


@pytest.mark.req("A22")
@pytest.mark.parametrize(
    ("letters", "loops", "stopped"),
    [
        ("abcadeabcea", {}, None),
        ("abacadaeacabada", {}, 13),
        ("abacadaeacabada", {"same_call": 9}, None),
        ("abacXadaeacXabada", {}, None),
        ("abacadaeacXaX", {}, None),
        ("abacada", {"same_call": 1, "cycle": 3}, 7),
    ],
)
def test_calls_that_come_back_while_nothing_changes_are_stopped(world, letters, loops, stopped):
    """A call that came as often as ``same_call * cycle`` since anything was changed is a loop, whatever came between;
    a change begins the count anew.
    """
    thread = world.thread(world.policy(loops=loops))
    assert first_loop(played(thread, letters)) == stopped


@pytest.mark.req("A22", "A6")
def test_a_double_click_is_a_duplicate_and_the_third_is_a_loop(world):
    """An equal write is answered, not repeated; the next one stops the run, and nothing was done twice."""
    thread = world.thread()
    results = [thread.invoke(TASK, {"deal_id": "42", "subject": "Call"}, call_id=f"c{index}") for index in range(4)]
    assert [item.status for item in results] == ["executed", "duplicate", "denied", "denied"]
    assert [item.code for item in results[2:]] == [Code.LOOP, Code.LOOP]
    assert all(item.stop for item in results[2:])
    assert len(world.desk.effects) == 1


@pytest.mark.req("A22")
def test_a_call_that_fails_again_and_again_is_a_loop(world):
    """A failure changes nothing: the third try is stopped."""

    def fails() -> None:
        raise ToolRejected(code="closed")

    world.desk.before = fails
    thread = world.thread()
    results = [thread.invoke(TASK, {"deal_id": "42", "subject": "Call"}, call_id=f"c{index}") for index in range(3)]
    assert [item.code for item in results] == [Code.TOOL_REJECTED, Code.TOOL_REJECTED, Code.LOOP]


@pytest.mark.req("A22", "A6")
@pytest.mark.parametrize(
    "spellings",
    [
        ["Call back", "call  BACK", "Call\tback", "Ｃall back", "Саll bасk", "Call back "],
        ["It's due", "It’s due", "ITʼS DUE"],
        ["first - then", "first – then", "first — then"],
        ["café", "CAFE\u0301", "Cafe\u0301"],
    ],
)
def test_spellings_that_look_alike_are_one_call(world, spellings):
    """Case, width, spaces, dashes, quotes and look-alike letters make no other call: not another task, and a loop."""
    thread = world.thread()
    results = [
        thread.invoke(TASK, {"deal_id": "42", "subject": text}, call_id=f"c{index}")
        for index, text in enumerate(spellings)
    ]
    assert [item.status for item in results[:2]] == ["executed", "duplicate"]
    assert {item.code for item in results[2:]} == {Code.LOOP}
    assert len(world.desk.effects) == 1


@pytest.mark.req("A22")
@pytest.mark.parametrize("unseen", ["\u200b", "\u2060", "\u00ad", "\u202e"])
def test_a_character_that_nobody_sees_makes_no_other_call_either(world, unseen):
    """It is denied outright, and counts as the same call all the same."""
    thread = world.thread()
    subjects = [f"Call{unseen * count} back" for count in (1, 2, 3)]
    codes = [
        thread.invoke(TASK, {"deal_id": "42", "subject": text}, call_id=f"c{index}").code
        for index, text in enumerate(subjects)
    ]
    assert codes == [Code.ARGUMENTS_INVALID, Code.ARGUMENTS_INVALID, Code.LOOP]


@pytest.mark.req("A22")
@pytest.mark.parametrize(
    "pair", [("Call 1", "Call l"), ("Call back", "Call  the back"), ("мир", "mир1"), ("a.b", "a b")]
)
def test_what_does_not_look_alike_is_another_call(world, pair):
    """Other words, a digit for a letter or a missing sign are another intent."""
    thread = world.thread()
    results = [thread.invoke(TASK, {"deal_id": "42", "subject": text}) for text in pair]
    assert [item.status for item in results] == ["executed", "executed"]


@pytest.mark.req("A22")
def test_a_loop_is_a_loop_of_one_thread(world):
    """The calls of another conversation are not counted."""
    gateway = world.gateway()
    first, second = (gateway.open(world.sdr, party=world.anna) for _ in range(2))
    assert first_loop(played(first, "aa") + played(second, "aa")) is None
    assert played(first, "a", start=9) == [Code.LOOP]


@pytest.mark.req("A22")
def test_looking_at_a_decision_is_no_call(world):
    """``check`` counts for nothing, however often it is asked."""
    thread = world.thread()
    for _ in range(9):
        assert thread.check(*LETTERS["a"]).allowed
    assert thread.invoke(*LETTERS["a"]).status == "executed"


@pytest.mark.req("A22")
def test_the_same_call_id_is_the_same_call(world):
    """A retry of one call is answered from its row and is no repetition."""
    thread = world.thread()
    for _ in range(5):
        assert thread.invoke(*LETTERS["a"], call_id="c1").code is not Code.LOOP


@pytest.mark.req("A22")
@pytest.mark.parametrize(
    ("letters", "loops", "stopped"),
    [
        ("a" * 31, {"same_call": 30}, 31),
        pytest.param("a" * 45, {"same_call": 40}, 41),
        pytest.param("ab" * 25, {"same_call": 99, "cycle": 20}, 41),
        pytest.param("abcd" * 12, {"same_call": 99, "cycle": 9}, 37),
    ],
)
def test_every_number_that_the_policy_takes_is_enforced(world, letters, loops, stopped):
    """``same_call`` and ``cycle`` go up to 100, and what the policy says is what stops the run."""
    thread = world.thread(world.policy(loops=loops, limits={"actions_per_thread": 500}))
    assert first_loop(played(thread, letters)) == stopped
