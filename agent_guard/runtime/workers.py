"""Daemon threads of our own, used again: whatever keeps one of them waiting never keeps the process from ending.

``concurrent.futures`` has none of this: its threads are joined when the process ends, so one tool that hangs would hold
it for ever. Handing over a job takes no lock and never waits, so it may be done on an event loop.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

__all__ = ["NoThread", "Workers", "after_fork"]

T = TypeVar("T")

IDLE_S = 10.0
"""How long a thread without a job stays, in seconds."""

LOOK_S = 0.01
"""How often somebody looks whether the first few threads get on, while jobs wait, in seconds."""

SPARE_S = 0.5
"""How long a thread beyond the first few stays without a job, in seconds."""

BUSY = 0.6
"""From what share of the time on the process computes too much for another thread to help."""


def after_fork(begin: Callable[[], None]) -> None:
    """Has a function called in each process that is forked from this one, where the system forks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=begin)


_Job = tuple[Callable[[], None], contextvars.Context]


class NoThread(RuntimeError):
    """The system gives this process no thread, and there is none that could do the job."""


class Workers:
    """Threads that are started as they are needed and work on one job after another. A job that finds all of them busy
    waits for one; a thread that hangs counts as busy until it comes back. A forked process begins with none.

    Args:
        name: of the threads.
        most: the largest number of threads.
        few: how many are started at once; further ones only while jobs wait and these wait for something themselves.
            For jobs that compute more than they wait: threads that compute at the same time take the interpreter from
            each other at every statement of a database, and from the event loops. By default ``most``.
        idle_s: how long a thread without a job stays, in seconds.
    """

    def __init__(self, name: str, most: int, *, few: int | None = None, idle_s: float = IDLE_S) -> None:
        self.name = name
        self.most = most
        self._few = most if few is None else few
        self._idle_s = idle_s
        self._begin()
        after_fork(self._begin)

    def _begin(self) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._free: SimpleQueue[None] = SimpleQueue()
        """One item for each thread that waits for a job and that nobody counts on yet."""
        self._permits: SimpleQueue[None] = SimpleQueue()
        for _ in range(self.most):
            self._permits.put(None)
        self._taken = 0
        """How many jobs were begun, or nearly so many: it only tells whether any was."""
        self._looking = threading.Lock()

    @property
    def living(self) -> int:
        """How many threads there are now."""
        return self.most - self._permits.qsize()

    def submit(self, job: Callable[[], None], context: contextvars.Context | None = None) -> None:
        """Hands over a job, which must not raise.

        Args:
            context: the context variables that it sees; by default none at all.

        Raises:
            NoThread: it is not done now; a thread that comes later may take it.
        """
        self._jobs.put((job, context or contextvars.Context()))
        try:
            self._free.get_nowait()  # that thread, or one that is faster, takes it
        except Empty:
            if self.living < self._few:
                self._grow()
            elif self._few < self.most:
                self._look()

    def call(self, function: Callable[[], T], context: contextvars.Context | None = None) -> Future[T]:
        """Hands over a function whose answer somebody waits for.

        Args:
            context: as in :meth:`submit`.

        Raises:
            NoThread: it is not done, and never will be.
        """
        future: Future[T] = Future()
        try:
            self.submit(partial(_fill, future, function), context)
        except NoThread:
            if future.cancel():
                raise
        return future

    def _grow(self) -> None:
        try:
            self._permits.get_nowait()
        except Empty:
            return  # as many as there may be: the job waits for one of them
        try:
            threading.Thread(target=self._work, name=self.name, daemon=True).start()
        except RuntimeError as error:
            self._permits.put(None)
            if not self.living:
                raise NoThread(str(error)) from None

    def _look(self) -> None:
        """Has somebody look whether the threads get on, for as long as jobs wait."""
        if not self._looking.acquire(blocking=False):
            return  # somebody does
        try:
            threading.Thread(target=self._see, name=f"{self.name} look-out", daemon=True).start()
        except RuntimeError:  # the jobs wait for the threads that there are
            self._looking.release()

    def _see(self) -> None:
        """Doubles the threads as long as jobs wait and the process does not compute, or none of them gets on."""
        while not self._jobs.empty():
            taken, began, computed = self._taken, time.monotonic(), time.process_time()
            time.sleep(LOOK_S)
            busy = (time.process_time() - computed) / (time.monotonic() - began)
            if busy < BUSY or self._taken == taken:
                for _ in range(min(max(1, self.living), self._jobs.qsize())):
                    with suppress(NoThread):
                        self._grow()
        self._looking.release()
        if not self._jobs.empty():  # a job came in between, and found somebody looking
            self._look()

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            self._taken += 1
            job, context = taken
            context.run(job)
            del taken, job, context  # nothing of a job stays alive in a thread that waits

    def _next(self) -> _Job | None:
        """The next job, or None where there was none for long; the thread must end then."""
        while True:
            try:
                return self._jobs.get_nowait()
            except Empty:
                pass
            self._free.put(None)
            try:
                return self._jobs.get(timeout=self._idle_s if self.living <= self._few else min(SPARE_S, self._idle_s))
            except Empty:
                pass
            try:
                self._free.get_nowait()
            except Empty:
                continue  # somebody counted on this thread: the job is there, because it came first, or another has it
            self._permits.put(None)
            if self._jobs.empty():
                return None
            try:  # a job came in between, and found no permit to start a thread for it
                self._permits.get_nowait()
            except Empty:
                return None


def _fill(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return  # whoever asked has gone, and nothing was begun
    try:
        answer = function()
    except BaseException as error:  # for whoever waits, whatever it is; the thread goes on
        future.set_exception(error)
    else:
        future.set_result(answer)
