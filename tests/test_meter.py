"""Counting by ordinals: the edges of a window, a clock that is set back, and a naive model."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, strategies as st
from sqlalchemy.exc import IntegrityError

from agent_guard.meter import METER, reached, take
from tests.samples import NOW_MS, opened

pytestmark = pytest.mark.databases


@pytest.fixture
def store(database):
    with opened(database.new()) as made:
        yield made


def full(store, count, now_ms, window_s=60, key="k"):
    with store.read() as connection:
        return reached(connection, key, count, now_ms=now_ms, window_s=window_s)


def tick(store, *moments, key="k"):
    for now_ms in moments:
        with store.write(locks=["test"]) as connection:
            take(connection, {key: 1}, now_ms=now_ms, trace_id="T")


@pytest.mark.req("A3")
@pytest.mark.parametrize(
    ("moments", "count", "now", "expected"),
    [
        ([], 1, 0, False),
        ([0], 1, 0, True),
        ([0], 2, 0, False),
        ([0], 1, 59_999, True),
        ([0], 1, 60_000, False),
        ([0, 1, 2], 3, 59_999, True),
        ([0, 1, 2], 3, 60_000, False),
        ([0, 1, 2], 2, 60_000, True),
        ([0, 50_000, 59_000], 3, 59_999, True),
        ([0, 50_000, 59_000], 3, 60_000, False),
        ([0, 50_000, 59_000], 2, 60_000, True),
        ([0] * 5, 3, 59_999, True),
        ([0] * 5, 3, 60_000, False),
    ],
)
def test_a_window_is_open_at_its_old_end(store, moments, count, now, expected):
    """A call counts for exactly the window: it is inside one millisecond before its end, and outside at its end."""
    tick(store, *(NOW_MS + moment for moment in moments))
    assert full(store, count, NOW_MS + now) is expected


@pytest.mark.req("A3")
def test_without_a_window_a_place_is_taken_for_ever(store):
    """A limit of a thread has no window: its places never come back."""
    tick(store, 0, 0, 0)
    assert full(store, 3, NOW_MS * 2, window_s=None)
    assert not full(store, 4, NOW_MS * 2, window_s=None)


@pytest.mark.parametrize("back_ms", [1, 30_000, 3_600_000])
@pytest.mark.req("A3")
def test_a_clock_that_is_set_back_frees_no_place(store, back_ms):
    """After the clock went back the places are still taken, and nothing is counted before what is there."""
    tick(store, NOW_MS, NOW_MS)
    assert full(store, 2, NOW_MS - back_ms)
    tick(store, NOW_MS - back_ms)
    assert full(store, 3, NOW_MS - back_ms)
    assert full(store, 3, NOW_MS + 59_999)
    assert not full(store, 3, NOW_MS + 60_000)


def test_keys_are_counted_apart_and_one_call_takes_one_place_of_each(store):
    """A key that is named twice is taken once, and keys do not know of each other."""
    with store.write(locks=["test"]) as connection:
        take(connection, {"a": 1, "b": 1}, now_ms=NOW_MS, trace_id="T")
        take(connection, {}, now_ms=NOW_MS, trace_id="T")
    assert full(store, 1, NOW_MS, key="a")
    assert not full(store, 2, NOW_MS, key="a")
    assert full(store, 1, NOW_MS, key="b")
    assert not full(store, 1, NOW_MS, key="c")


def test_the_ordinal_itself_stops_a_race(store):
    """Two that take the same place collide in the database, whoever counted what."""
    tick(store, NOW_MS)
    with pytest.raises(IntegrityError), store.write(locks=["test"]) as connection:
        connection.execute(METER.insert().values(key="k", n=1, at=NOW_MS, trace_id="T"))


@pytest.mark.req("A3", "B7")
def test_no_thread_goes_over_a_limit(database):
    """Of forty threads that ask and take in one transaction exactly as many pass as the limit says."""
    with opened(database.shared, lock_wait_s=20) as store:
        passed = []

        def work():
            with store.write(locks=["test"]) as connection:
                if not reached(connection, "k", 5, now_ms=NOW_MS, window_s=60):
                    take(connection, {"k": 1}, now_ms=NOW_MS, trace_id="T")
                    passed.append(1)

        workers = [threading.Thread(target=work) for _ in range(40)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(20)
        assert len(passed) == 5


class Naive:
    """The same by a list: each call is noted at the latest moment seen so far."""

    def __init__(self):
        self.at = []

    def take(self, now_ms):
        self.at.append(max([now_ms, *self.at]))

    def reached(self, count, now_ms, window_s):
        inside = [at for at in self.at if window_s is None or at > now_ms - window_s * 1000]
        return len(inside) >= count


@pytest.mark.req("A3")
@given(
    st.lists(st.tuples(st.integers(-90_000, 90_000), st.booleans()), max_size=25),
    st.integers(1, 4),
    st.sampled_from([None, 1, 60]),
)
def test_the_meter_counts_as_a_list_would(steps, count, window_s):
    """Whatever the clock does, asking and taking agree with a list of moments."""
    naive, now = Naive(), NOW_MS
    with opened() as store, store.write(locks=["test"]) as connection:
        for delta, takes in steps:
            now += delta
            if takes:
                take(connection, {"k": 1}, now_ms=now, trace_id="T")
                naive.take(now)
            assert reached(connection, "k", count, now_ms=now, window_s=window_s) == naive.reached(count, now, window_s)
