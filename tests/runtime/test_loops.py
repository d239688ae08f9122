"""The event loop of our own: always there, never held by a job that blocks it."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from agent_guard.runtime.loops import LOOPS_MOST, LoopThread, keep
from agent_guard.runtime.workers import Workers

CALLER = contextvars.ContextVar("CALLER", default="nobody")
WORKERS = Workers("test loop's", 4)


@pytest.fixture
def thread():
    made = LoopThread("test", WORKERS, stuck_s=0.05)
    yield made
    made.close()


def heard(thread, work=lambda: None):
    """Lets the loop do something; returns the loop and what came out."""
    done, found = threading.Event(), []

    def job():
        found.append(work())
        done.set()

    loop = thread.soon(job)
    assert done.wait(5)
    return loop, found[0]


def test_it_starts_when_it_is_needed_and_stays(thread):
    """Every job meets the same loop, in a daemon thread of the given name."""
    loop, who = heard(thread, threading.current_thread)
    assert (who.name, who.daemon, loop.is_running()) == ("test", True, True)
    assert heard(thread)[0] is loop


def test_after_it_was_closed_a_new_one_starts(thread):
    """Closing ends the loop and its thread; whoever comes later is served by another one."""
    loop, who = heard(thread, threading.current_thread)
    thread.close()
    assert loop.is_closed() and not who.is_alive()
    assert heard(thread)[0] is not loop


def test_closing_cancels_what_runs(thread):
    """A task may put things in order before its loop ends."""
    begun, cancelled = threading.Event(), threading.Event()

    async def waits():
        begun.set()
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.set()

    thread.soon(lambda: keep(asyncio.get_running_loop().create_task(waits())))
    assert begun.wait(5)
    thread.close()
    assert cancelled.is_set()


@pytest.mark.req("A8", "A20")
def test_a_job_that_blocks_the_loop_does_not_hold_the_next_ones(thread):
    """What comes when the loop has not answered for long gets a new loop; the old one ends when it is free again."""
    end, blocked = threading.Event(), threading.Event()

    def blocks():
        blocked.set()
        end.wait(30)

    old = thread.soon(blocks)
    assert blocked.wait(5)
    lost, late = threading.Event(), threading.Event()
    assert thread.soon(lost.set) is old  # nobody can know yet
    while thread._here.late() < 0.05:
        late.wait(0.01)
    new, _ = heard(thread)
    assert new is not old and not lost.is_set()
    assert heard(thread)[0] is new
    end.set()
    assert lost.wait(5), "what waited for the old loop is done there"
    while not old.is_closed():
        late.wait(0.01)


def test_so_many_loops_may_be_stuck_and_no_more(thread):
    """A process does not get a loop for each of a hundred jobs that hang."""
    end, loops, tick = threading.Event(), set(), threading.Event()
    for _ in range(LOOPS_MOST + 3):
        loops.add(thread.soon(lambda: end.wait(30)))
        thread.soon(lambda: None)
        while thread._here.late() < 0.06:
            tick.wait(0.01)
    assert len(loops) == LOOPS_MOST
    end.set()
    heard(thread)


def test_a_job_sees_no_context_of_whoever_hands_it_over(thread):
    """No context variable, unless it is given on purpose."""
    token = CALLER.set("caller")
    try:
        assert heard(thread, CALLER.get)[1] == "nobody"
    finally:
        CALLER.reset(token)


def test_of_jobs_from_many_threads_none_is_lost(thread):
    """Each is done once, those of one thread in their order, also while others come."""
    done, over = [], threading.Barrier(5)

    def gives(who):
        for n in range(500):
            thread.soon(lambda n=n: done.append((who, n)))
        over.wait(10)

    threads = [threading.Thread(target=gives, args=(who,)) for who in range(4)]
    for item in threads:
        item.start()
    over.wait(10)
    heard(thread)
    assert [[n for who, n in done if who == one] for one in range(4)] == [list(range(500))] * 4
    for item in threads:
        item.join()


def test_jobs_that_come_at_once_wake_the_loop_once(thread, monkeypatch):
    """A loop that is busy finds the next jobs by itself; waking it is a system call."""
    held, end, woken = threading.Event(), threading.Event(), []
    loop, _ = heard(thread)
    thread.soon(lambda: (held.set(), end.wait(10)))
    assert held.wait(5)
    wake = loop.call_soon_threadsafe
    monkeypatch.setattr(
        loop, "call_soon_threadsafe", lambda *given, **options: woken.append(1) or wake(*given, **options)
    )
    done = []
    for n in range(100):
        thread.soon(lambda n=n: done.append(n))
    end.set()
    heard(thread)
    assert done == list(range(100)) and len(woken) <= 2


def test_a_job_that_raises_does_not_hold_the_next_ones(thread):
    """Its error goes to the loop's handler, and what was given after it is done."""
    loop, _ = heard(thread)
    told, held = [], threading.Event()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    thread.soon(held.wait)
    thread.soon(lambda: int("x"))
    held.set()
    heard(thread)
    assert [type(item) for item in told] == [ValueError]


def test_without_workers_it_is_an_ordinary_loop():
    """The house's own loop knows no families, and its tasks are nobody's."""
    made = LoopThread("test")
    loop, _ = heard(made)
    assert loop.get_task_factory() is None
    made.close()
