"""The state machine of a call."""

from __future__ import annotations

import threading
from itertools import takewhile
from typing import get_args

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from agent_guard import calls
from agent_guard.calls import CALLS, MOVES, State
from agent_guard.types import Code
from tests.samples import NOW_MS, opened, row

pytestmark = pytest.mark.databases

STATES = get_args(State)
ALLOWED = {
    ("proposed", "denied"), ("proposed", "suggested"), ("proposed", "pending"), ("proposed", "claimed"),
    ("proposed", "expired"), ("pending", "approved"), ("pending", "rejected"), ("pending", "expired"),
    ("approved", "claimed"), ("approved", "denied"), ("approved", "expired"), ("claimed", "done"),
    ("claimed", "failed"), ("claimed", "unknown"), ("unknown", "done"), ("unknown", "failed"),
}  # fmt: skip
DAY_MS = 86_400_000


@pytest.fixture
def connection(database):
    with opened(database.new()) as store, store.write(locks=["test"]) as made:
        yield made


def stored(connection, trace_id="A", **options):
    made = row(trace_id, **options)
    calls.insert(connection, made)
    return made


def fresh(connection, trace_id):
    return calls.by_id(connection, trace_id)


def claim(connection, trace_id="A", **options):
    made = stored(connection, trace_id, **({"key": "k"} | options))
    assert calls.move(connection, made, "claimed", code=Code.ALLOWED, hold=True, claimed=NOW_MS, lease=NOW_MS + 1)
    return fresh(connection, trace_id)


@pytest.mark.req("A6")
def test_the_table_of_moves_is_this_one():
    """The state machine is closed and known."""
    assert {(before, after) for before, those in MOVES.items() for after in those} == ALLOWED


@pytest.mark.req("A6")
@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_every_move_is_done_or_refused(connection, before, after):
    """An allowed move changes the state and its code; any other is an error and changes nothing."""
    made = stored(connection, state=before)
    if (before, after) in ALLOWED:
        assert calls.move(connection, made, after, code=Code.TOOL_FAILED) is True
        assert (fresh(connection, "A").state, fresh(connection, "A").code) == (after, Code.TOOL_FAILED)
        return
    with pytest.raises(ValueError, match=f"from {before} to {after}"):
        calls.move(connection, made, after, code=Code.TOOL_FAILED)
    assert fresh(connection, "A") == made


@pytest.mark.req("A6", "B7")
@pytest.mark.parametrize(("before", "after"), sorted(ALLOWED))
def test_a_move_is_done_once(connection, before, after):
    """Whoever comes second with the same row changes nothing and is told so."""
    made = stored(connection, state=before)
    assert calls.move(connection, made, after, code=Code.ALLOWED, for_model="first")
    assert not calls.move(connection, made, after, code=Code.REJECTED, for_model="second")
    assert fresh(connection, "A").for_model == "first"


@pytest.mark.req("A6", "B7")
def test_of_many_workers_one_claims(database):
    """Twenty threads claim one row of one database; one of them is told yes."""
    with opened(database.shared, lock_wait_s=20) as store:
        with store.write(locks=["test"]) as connection:
            made = stored(connection, key="k")
        won = []

        def work(index):
            with store.write(locks=["test"]) as connection:
                if calls.move(connection, made, "claimed", code=Code.ALLOWED, hold=True, claimed=index):
                    won.append(index)

        workers = [threading.Thread(target=work, args=(index,)) for index in range(20)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(20)
        with store.read() as connection:
            assert [fresh(connection, "A").claimed] == won


def test_a_call_is_read_back_as_it_was_stored(connection):
    """Arguments and results are JSON and survive as they are."""
    made = stored(connection, args={"a": [1, {"b": "ż"}]}, reason="r", key="k", approval_id="apr_1")
    assert fresh(connection, "A") == made
    assert fresh(connection, "B") is None
    for result in ({"a": [1.5, None]}, [], "x", None, False):
        held = claim(connection, f"C{result}", key=None)
        assert calls.move(connection, held, "done", code=Code.ALLOWED, result=result, reference="task:9", settled=1)
        back = fresh(connection, held.trace_id)
        assert (back.result, back.reference, back.settled) == (result, "task:9", 1)


def test_the_same_proposal_is_stored_once(connection):
    """Thread, call id and digest name one row; another digest is another row, the newest first."""
    stored(connection, "A", call_id="c1", digest="sha256:1", created=1)
    with pytest.raises(IntegrityError), connection.begin_nested():
        stored(connection, "B", call_id="c1", digest="sha256:1")
        fresh(connection, "B")  # to a server the row goes with what follows it
    stored(connection, "C", call_id="c1", digest="sha256:2", created=2)
    stored(connection, "D", call_id="c1", digest="sha256:1", thread="t2")
    assert [item.trace_id for item in calls.find(connection, "t1", "c1")] == ["C", "A"]
    assert calls.find(connection, "t1", "c2") == []


# ---- the key


@pytest.mark.req("A6", "B7")
@pytest.mark.parametrize("state", ["claimed", "unknown"])
def test_a_key_that_is_held_cannot_be_taken(connection, state):
    """The constraint itself stops a second claim of an intent that runs or may have happened, whoever decided what."""
    held = claim(connection, "A")
    if state == "unknown":
        assert calls.move(connection, held, "unknown", code=Code.OUTCOME_UNKNOWN)
    second = stored(connection, "B", key="k")
    with pytest.raises(IntegrityError), connection.begin_nested():
        calls.move(connection, second, "claimed", code=Code.ALLOWED, hold=True)
    assert calls.twin(connection, "acme", "k", since_ms=None, but="B").trace_id == "A"


@pytest.mark.req("A6")
@pytest.mark.parametrize(
    ("ends", "settled", "since", "twin"),
    [
        ("claimed", None, NOW_MS + 9 * DAY_MS, True),
        ("unknown", NOW_MS, NOW_MS + 9 * DAY_MS, True),
        ("failed", NOW_MS, None, False),
        ("done", NOW_MS, None, True),
        ("done", NOW_MS, NOW_MS - 1, True),
        ("done", NOW_MS, NOW_MS, False),
        ("done", NOW_MS, NOW_MS + 1, False),
        ("done", NOW_MS + DAY_MS, NOW_MS, True),
    ],
)
def test_an_equal_intent_counts_inside_its_window(connection, ends, settled, since, twin):
    """Done counts until its window is over; running and unknown count for ever; failed counts for nothing."""
    held = claim(connection)
    if ends != "claimed":
        assert calls.move(connection, held, ends, code=Code.ALLOWED, settled=settled)
    found = calls.twin(connection, "acme", "k", since_ms=since, but="B")
    assert (found is not None) is twin


@pytest.mark.req("A6")
def test_a_call_is_no_twin_of_itself_and_tenants_have_their_own_keys(connection):
    """The own trace is left out, and equal keys of two tenants are two keys."""
    claim(connection, "A")
    claim(connection, "B", tenant="other")
    assert calls.twin(connection, "acme", "k", since_ms=None, but="A") is None
    assert calls.twin(connection, "acme", "k", since_ms=None, but=None).trace_id == "A"
    assert calls.twin(connection, "other", "k", since_ms=None, but=None).trace_id == "B"
    assert calls.twin(connection, "acme", "k2", since_ms=None, but=None) is None


@pytest.mark.req("A6")
def test_a_failed_call_frees_its_key(connection):
    """After a failure the same intent may be claimed again, by another call."""
    held = claim(connection, "A")
    assert calls.move(connection, held, "failed", code=Code.TOOL_REJECTED)
    claim(connection, "B")
    assert calls.twin(connection, "acme", "k", since_ms=None, but=None).trace_id == "B"


@pytest.mark.req("A6")
def test_a_key_whose_window_is_over_goes_to_the_next(connection):
    """The new claim takes the key, the old row stays what it was."""
    held = claim(connection, "A")
    assert calls.move(connection, held, "done", code=Code.ALLOWED, settled=NOW_MS)
    assert calls.twin(connection, "acme", "k", since_ms=NOW_MS, but=None) is None
    claim(connection, "B")
    assert fresh(connection, "A").state == "done"
    held_keys = dict(connection.execute(sa.select(CALLS.c.trace_id, CALLS.c.held_key)).all())
    assert held_keys == {"A": None, "B": "k"}


def test_calls_without_a_key_hold_none(connection):
    """Reads stop nobody."""
    for name in ("A", "B"):
        claim(connection, name, key=None)
    assert connection.scalar(sa.select(sa.func.count()).where(CALLS.c.held_key.is_not(None))) == 0


# ---- what a thread did


@pytest.mark.req("A22")
@pytest.mark.parametrize(
    ("before", "but", "most", "expected"),
    [
        ("", None, 2, 0),
        ("x", None, 2, 1),
        ("xx", None, 2, 2),
        ("xxxxx", None, 2, 2),
        ("xxxxx", None, 4, 4),
        ("xy", None, 2, 0),
        ("yx", None, 2, 1),
        ("xyx", None, 2, 1),
        ("xyxx", None, 2, 2),
        ("xx", "B", 2, 1),
        ("x", "A", 2, 0),
        ("xxx", "C", 2, 2),
        ("xyx", "C", 2, 0),
        ("xxx", "A", 2, 0),
        ("xxyyy", "B", 2, 1),
        ("yxx", "B", 2, 0),
    ],
)
def test_equal_calls_directly_before_are_counted(connection, before, but, most, expected):
    """Only calls before this one count, without a different one in between, and no more than asked for."""
    for index, same in enumerate(before):
        stored(connection, "ABCDE"[index], same=same, created=NOW_MS + index)
    before = calls.recent(connection, "t1", most=most, but=but)
    assert len(list(takewhile(lambda item: item.same == "x", before))) == expected


def test_another_threads_calls_are_not_counted(connection):
    """A loop is a loop of one thread."""
    for index in range(3):
        stored(connection, f"A{index}", same="x", thread="t2", call_id=f"c{index}")
    assert calls.recent(connection, "t1", most=2, but=None) == []


def test_waiting_and_executed_calls_of_a_thread_are_found(connection):
    """Pending are those that wait; executed are those that ran to their end, in order."""
    for index, state in enumerate(STATES):
        stored(connection, f"S{index}", state=state, call_id=state, created=NOW_MS - index)
        stored(connection, f"T{index}", state=state, call_id=state, thread="t2")
    stored(connection, "Z", state="done", call_id="later", created=NOW_MS + 1)
    assert [item.call_id for item in calls.pending(connection, "t1")] == ["pending"]
    assert [item.call_id for item in calls.executed(connection, "t1")] == ["done", "later"]
