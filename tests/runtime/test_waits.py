"""Work that waits in two ways: the same steps, the same answers, and never left half done."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import weakref
from concurrent import futures

import pytest
from blockbuster import blockbuster_ctx

from agent_guard.codes import Code
from agent_guard.errors import ToolUnavailable
from agent_guard.runtime import waits
from agent_guard.runtime.running import Cut, Running, start
from agent_guard.runtime.waits import DOORS_MOST, Pause, Run, adrive, aside, drive, twin
from agent_guard.runtime.workers import NoThread

CALLER = contextvars.ContextVar("CALLER", default="nobody")


def run(job, seconds=10.0, *, asynchronous=False):
    """A request that runs this job."""
    return Run(start=lambda: start(job, "job", asynchronous=asynchronous), seconds=seconds)


def on_a_loop(work):
    """Through :func:`adrive`, from a loop that must not be blocked."""

    async def main():
        with blockbuster_ctx():
            return await adrive(work)

    return asyncio.run(main())


BOTH = pytest.mark.parametrize("through", [drive, on_a_loop], ids=["sync", "async"])


class Calls:
    """What ran, in order; jobs that can be held."""

    def __init__(self):
        self.log = []
        self.begun = threading.Event()
        self.cancelled = threading.Event()

    async def hangs(self):
        self.begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def work(self, *requests, after=lambda: "settled"):
        """Goes through the requests, notes what came out of each, and puts something in order at the end."""

        def steps():
            for request in requests:
                try:
                    self.log.append((yield request))
                except Exception as error:
                    self.log.append(error)
            return after()

        return steps()


@BOTH
def test_what_a_run_gives_comes_back_and_what_the_work_returns_is_the_answer(through):
    """Sync jobs, async ones and pauses, one after another."""

    async def later():
        return "async"

    calls = Calls()
    work = calls.work(run(lambda: "sync"), Pause(seconds=0.001), run(later, asynchronous=True))
    assert through(work) == "settled"
    assert calls.log == ["sync", None, "async"]


@BOTH
def test_what_a_run_raises_comes_back_too(through):
    """The work may catch it and go on."""
    error = ValueError("x")

    def raises():
        raise error

    calls = Calls()
    assert through(calls.work(run(raises), run(lambda: "next"))) == "settled"
    assert calls.log == [error, "next"]


@BOTH
@pytest.mark.parametrize("error", [ValueError, KeyError, ToolUnavailable])
def test_what_the_work_itself_raises_reaches_its_caller(through, error):
    """Before it waits, and after."""

    def fails():
        raise error("x")

    for requests in ([], [run(lambda: 1)]):
        with pytest.raises(error):
            through(Calls().work(*requests, after=fails))


@BOTH
@pytest.mark.parametrize(
    "error", [futures.CancelledError, futures.InvalidStateError, StopIteration, StopAsyncIteration]
)
def test_errors_that_mean_something_to_asyncio_are_only_the_jobs(through, error):
    """A job that raises one of them has failed; nobody else was cancelled, and the work goes on."""

    def raises():
        raise error

    def steps():
        try:
            yield run(raises)
        except Exception as found:
            return type(found)

    assert through(steps()) is error


@BOTH
@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_run_that_takes_too_long_is_cut(through, asynchronous):
    """The time-out is a TimeoutError at the yield, and the work goes on."""
    calls, end = Calls(), threading.Event()
    job = calls.hangs if asynchronous else lambda: end.wait(30)
    assert through(calls.work(run(job, 1.0, asynchronous=asynchronous), run(lambda: "next"))) == "settled"
    end.set()
    assert isinstance(calls.log[0], TimeoutError) and calls.log[1] == "next"
    assert calls.cancelled.wait(5) == asynchronous


@BOTH
def test_somebody_else_may_cut_a_run(through):
    """The cut comes back at the yield as it was made, and says whether the job had begun."""
    calls, runs = Calls(), []

    def begin():
        runs.append(start(calls.hangs, "job", asynchronous=True))
        threading.Thread(target=lambda: calls.begun.wait(10) and runs[0].cut(Cut(Code.KILLED, "*"))).start()
        return runs[0]

    assert through(calls.work(Run(start=begin, seconds=30))) == "settled"
    (error,) = calls.log
    assert (error.code, error.detail, error.begun) == (Code.KILLED, "*", True)
    assert calls.cancelled.wait(5)


class Given:
    """What a run gives."""


@BOTH
def test_what_a_run_gave_is_gone_with_the_work(through):
    """Raw values live for the length of one call: nothing keeps them until garbage is collected."""
    left, gone = [], threading.Event()

    async def gives():
        await asyncio.sleep(0.05)  # until it is waited for
        return Given()

    def steps():
        given = yield run(gives, asynchronous=True)
        left.append(weakref.ref(given, lambda _: gone.set()))

    gc.disable()
    try:
        through(steps())
        assert gone.wait(5)
    finally:
        gc.enable()


# ---- cut from outside


class Interrupted(Running):
    """A run during whose waiting somebody presses Ctrl-C."""

    def __init__(self, name):
        super().__init__(name)
        real, self.answer.exception = self.answer.exception, self._exception
        self._real = real

    def _exception(self, timeout=None):
        if timeout is not None:
            raise KeyboardInterrupt
        return self._real()


def test_an_interrupt_at_the_keyboard_brings_the_work_to_its_end():
    """What runs is cut, nothing more begins, and only then the interrupt goes on."""
    calls, begun = Calls(), []

    def begin():
        running = Interrupted("job")
        assert running.begin()
        return running

    def never():
        begun.append(1)
        return start(lambda: 1, "job", asynchronous=False)

    work = calls.work(
        Run(start=begin, seconds=10),
        Run(start=never, seconds=10),
        Pause(seconds=60),
        after=lambda: calls.log.append("settled"),
    )
    with pytest.raises(KeyboardInterrupt):
        drive(work)
    first, second, third, last = calls.log
    assert (first.code, first.begun) == (Code.CALLER_GONE, True)
    assert (second.begun, third.begun, last) == (False, False, "settled")
    assert begun == []


@pytest.mark.req("A8")
@pytest.mark.parametrize("begun", [True, False])
def test_an_interrupt_while_a_job_is_started_tells_whether_it_began(begun):
    """Who is interrupted before a start has returned knows the run all the same, and it begins no more."""
    calls, running = Calls(), Running("job")

    def begin():
        if begun:
            assert running.begin()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(calls.work(Run(start=begin, seconds=10, running=running)))
    (error,) = calls.log
    assert (error.code, error.begun) == (Code.CALLER_GONE, begun)
    assert not running.begin()


async def cancelled(task):
    """Cancels a task and waits for its end."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(event):
    """Waits for an event of another thread without blocking the loop."""
    assert await aside(event.wait, 10)


async def test_a_cancelled_caller_cuts_what_runs_and_waits_for_the_end():
    """CancelledError goes on when the work is settled, not before."""
    calls = Calls()
    task = asyncio.create_task(
        adrive(calls.work(run(calls.hangs, asynchronous=True), after=lambda: calls.log.append("settled")))
    )
    await until(calls.begun)
    await cancelled(task)
    error, last = calls.log
    assert (error.code, error.begun, last) == (Code.CALLER_GONE, True, "settled")
    assert await aside(calls.cancelled.wait, 5)


async def test_a_caller_that_is_cancelled_before_anything_runs_runs_nothing():
    """What the work does in its own thread is brought to its end, and the job after it never begins."""
    reading, go_on, ran, ended, calls = threading.Event(), threading.Event(), [], threading.Event(), Calls()

    def steps():
        reading.set()
        go_on.wait(10)
        yield from calls.work(run(lambda: ran.append(1)))
        ended.set()

    task = asyncio.create_task(adrive(steps()))
    await until(reading)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set() and ran == [] and calls.log[0].begun is False


async def test_a_second_cancellation_ends_the_waiting_and_not_the_work():
    """Whoever is in a hurry goes; the call is settled without them."""
    calls, settling, go_on, settled = Calls(), threading.Event(), threading.Event(), threading.Event()

    def settle():
        settling.set()
        go_on.wait(10)
        settled.set()

    task = asyncio.create_task(adrive(calls.work(run(calls.hangs, asynchronous=True), after=settle)))
    await until(calls.begun)
    task.cancel()
    await until(settling)
    await cancelled(task)
    assert not settled.is_set()
    go_on.set()
    await until(settled)


async def test_a_pause_ends_with_its_caller():
    """Nobody waits out a pause for a call that was given up; what comes after it is a cut that did not begin."""
    calls = Calls()
    task = asyncio.create_task(
        adrive(calls.work(run(lambda: calls.begun.set()), Pause(seconds=0.5), run(lambda: "never")))
    )
    await until(calls.begun)
    await cancelled(task)
    assert [getattr(item, "begun", item) for item in calls.log][-1] is False


def test_a_loop_that_ends_leaves_the_work_to_its_end():
    """A loop that is closed over a running call does not leave it half done: it ends as if nobody had asked."""
    calls, end, settled = Calls(), threading.Event(), threading.Event()
    loop = asyncio.new_event_loop()

    def job():
        calls.begun.set()
        end.wait(10)

    async def begin():
        begin.task = asyncio.create_task(adrive(calls.work(run(job), after=settled.set)))
        await until(calls.begun)

    loop.run_until_complete(begin())
    loop.close()
    end.set()
    assert settled.wait(10)
    begin.task._log_destroy_pending = False  # that the caller left its task is meant here
    del begin.task
    gc.collect()
    assert calls.log == [None]


def test_asyncio_run_that_cancels_everything_settles_everything():
    """``asyncio.run`` ends its tasks when its coroutine is over: a call among them is cut and settled."""
    calls, settled = Calls(), threading.Event()

    async def main():
        main.task = asyncio.create_task(adrive(calls.work(run(calls.hangs, asynchronous=True), after=settled.set)))
        await until(calls.begun)

    asyncio.run(main())
    assert settled.is_set() and main.task.cancelled()
    assert calls.log[0].code is Code.CALLER_GONE


ENDS = """
import asyncio, sys, threading
from agent_guard.runtime.running import start
from agent_guard.runtime.waits import Run, adrive

begun = threading.Event()

async def hangs():
    begun.set()
    await asyncio.sleep(600)

def work():
    try:
        yield Run(start=lambda: start(hangs, "job", asynchronous=True), seconds=600)
    except Exception as error:
        print("settled:", error, flush=True)

loop = asyncio.new_event_loop()
task = loop.create_task(adrive(work()))
task._log_destroy_pending = False
while not begun.is_set():
    loop.run_until_complete(asyncio.sleep(0.01))
"""


def test_a_process_that_ends_settles_what_runs():
    """A script that stops with a call in flight does not leave it claimed."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", ENDS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "settled: caller_gone: cancelled\n"), done.stderr


# ---- how much of a process it takes


async def test_no_thread_is_held_while_async_jobs_run():
    """Three times as many calls as there are threads are in flight at once."""
    most, here, all_here, end = 3 * DOORS_MOST, [], threading.Event(), threading.Event()

    async def job():
        here.append(1)
        if len(here) == most:
            all_here.set()
        while not end.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(adrive(Calls().work(run(job, 30, asynchronous=True)))) for _ in range(most)]
    await until(all_here)
    end.set()
    assert await asyncio.gather(*tasks) == ["settled"] * most


async def test_aside_keeps_the_context_of_its_caller():
    """Ports may look at context variables as they do in a synchronous call; they change none of the caller's."""
    CALLER.set("caller")

    def port(n):
        seen = CALLER.get()
        CALLER.set("port")
        return seen, n, threading.current_thread().name

    assert await aside(port, n=1) == ("caller", 1, "agent_guard door")
    assert CALLER.get() == "caller"


class Thing:
    """Something with a method."""

    def do(self, a, *, b=0):
        """Does it."""
        return (a, b, threading.current_thread().name)

    ado = twin(do)


class Other(Thing):
    """One that does it otherwise."""

    def do(self, a, *, b=0):
        return ("other", *super().do(a, b=b))


async def test_a_twin_is_its_method_in_a_thread():
    """The same arguments, the same answer, also of a subclass that changed the method."""
    assert await Thing().ado(1, b=2) == (1, 2, "agent_guard door")
    assert await Other().ado(1) == ("other", 1, 0, "agent_guard door")
    assert (Thing.ado.__name__, Thing.ado.__qualname__) == ("ado", "Thing.ado")
    assert "do" in Thing.ado.__doc__


# ---- a system without threads


@BOTH
def test_what_cannot_be_started_is_told_where_it_waits(through):
    """An error of the start comes back at the yield; the work goes on, and is not taken for cancelled."""
    error, calls = ToolUnavailable("x", code="tools_busy"), Calls()

    def refuses():
        raise error

    assert through(calls.work(Run(start=refuses, seconds=5), run(lambda: "next"))) == "settled"
    assert calls.log == [error, "next"]


def test_without_threads_for_the_doors_the_work_is_done_all_the_same(monkeypatch):
    """No call is left half done because the system has run out of threads."""
    calls, refused = Calls(), []

    def refuses(*given):
        refused.append(given)
        raise NoThread("can't start new thread")

    async def main():
        task = asyncio.create_task(adrive(calls.work(run(calls.hangs, 0.2, asynchronous=True))))
        await until(calls.begun)
        monkeypatch.setattr(waits.DOORS, "call", refuses)
        return await task

    assert asyncio.run(main()) == "settled"
    assert refused and isinstance(calls.log[0], TimeoutError)
