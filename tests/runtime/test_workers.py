"""Threads of our own: used again, bounded, daemons, and no job is lost."""

from __future__ import annotations

import contextvars
import threading
import time

import pytest

from agent_guard.runtime.workers import NoThread, Workers

CALLER = contextvars.ContextVar("CALLER", default="nobody")


def test_there_are_as_many_threads_as_are_needed_and_no_more():
    """A job takes a free thread, then a new one, and where all are busy it waits for the first that is free."""
    workers, end = Workers("test", 2), threading.Event()
    first = workers.call(threading.current_thread)
    thread = first.result(5)
    assert (thread.name, thread.daemon, workers.living) == ("test", True, 1)
    waiting = [workers.call(lambda: end.wait(30)) for _ in range(5)]
    assert workers.living <= 2
    end.set()
    assert [item.result(5) for item in waiting] == [True] * 5


def test_a_thread_that_has_nothing_to_do_ends_and_a_later_job_gets_a_new_one():
    """Idle threads leave; what comes afterwards is done all the same."""
    workers = Workers("test", 3, idle_s=0.01)
    thread = workers.call(threading.current_thread).result(5)
    thread.join(5)
    assert not thread.is_alive()
    assert workers.call(lambda: "done").result(5) == "done"


@pytest.mark.parametrize(("most", "few"), [(1, 1), (3, 3), (3, 1)])
def test_no_job_is_lost_while_threads_come_and_go(most, few):
    """Jobs that come just when the last thread leaves are done."""
    workers = Workers("test", most, few=few, idle_s=0.0002)
    futures = []
    for n in range(600):
        futures.append(workers.call(lambda n=n: n))
        if n % 3 == 0:
            time.sleep(0.0002)  # not to wait for anything: so that threads leave
    assert [item.result(10) for item in futures] == list(range(600))
    assert workers.living <= most


def test_jobs_that_compute_are_done_by_a_few_threads(monkeypatch):
    """However many wait, no further thread is started while these get on, and each job is done."""
    monkeypatch.setattr("agent_guard.runtime.workers.LOOK_S", 5.0)
    workers, seen = Workers("test", 8, few=2), set()

    def computes(n):
        seen.add(threading.get_ident())
        return sum(range(n))

    assert [workers.call(lambda n=n: computes(n)) for n in range(2000)][-1].result(10) == sum(range(1999))
    assert len(seen) <= 2
    assert workers.living <= 2


def test_jobs_that_wait_keep_no_other_one_waiting():
    """Where the few are kept by what they do, others are started, up to the most, and leave when nothing waits."""
    workers, end = Workers("test", 6, few=2), threading.Event()
    kept = [workers.call(lambda: end.wait(30)) for _ in range(5)]
    assert workers.call(lambda: "done").result(10) == "done", "a sixth thread took it"
    assert workers.living <= 6
    end.set()
    assert [item.result(5) for item in kept] == [True] * 5
    deadline = time.monotonic() + 5
    while workers.living > 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert workers.living <= 2


def test_slow_ports_are_asked_by_many_threads_soon():
    """Jobs that wait get as many threads as there may be, long before the first of them are done."""
    workers, end = Workers("test", 32, few=2), threading.Event()
    kept = [workers.call(lambda: end.wait(30)) for _ in range(32)]
    deadline = time.monotonic() + 10
    while workers.living < 32 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert workers.living == 32
    end.set()
    assert all(item.result(5) for item in kept)


def test_a_job_sees_the_context_it_is_given():
    """No context variable of whoever hands the job over, unless it is given on purpose."""
    workers = Workers("test", 1)
    token = CALLER.set("caller")
    try:
        assert workers.call(CALLER.get).result(5) == "nobody"
        assert workers.call(CALLER.get, contextvars.copy_context()).result(5) == "caller"
        assert workers.call(CALLER.get).result(5) == "nobody"
    finally:
        CALLER.reset(token)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_what_a_job_raises_is_for_whoever_waits(error):
    """The thread goes on to the next job."""
    workers = Workers("test", 1)

    def raises():
        raise error

    with pytest.raises(error):
        workers.call(raises).result(5)
    assert workers.call(lambda: "done").result(5) == "done"


def test_a_job_that_nobody_waits_for_any_more_is_not_begun():
    """A cancelled future that still waited for a thread runs nothing."""
    workers, end, done = Workers("test", 1), threading.Event(), []
    busy = workers.call(lambda: end.wait(30))
    given_up = workers.call(lambda: done.append(1))
    assert given_up.cancel()
    end.set()
    assert busy.result(5)
    assert workers.call(lambda: "done").result(5) == "done"
    assert done == []


def test_a_system_without_threads_is_told(monkeypatch):
    """Where no thread can be started a job waits for one that lives, and is refused where there is none."""
    workers, end = Workers("test", 5), threading.Event()
    busy = workers.call(lambda: end.wait(30))

    def refuses(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuses)
    waits = workers.call(lambda: "later")
    other, done = Workers("other", 5), []
    with pytest.raises(NoThread, match="can't start new thread"):
        other.call(lambda: done.append(1))
    monkeypatch.undo()
    assert other.call(lambda: "next").result(5) == "next"
    assert done == [], "who was refused is not surprised later"
    end.set()
    assert (busy.result(5), waits.result(5)) == (True, "later")
