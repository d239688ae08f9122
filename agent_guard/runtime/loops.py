"""An event loop of our own in a daemon thread, for as long as the process lives.

Adapters keep connection pools, and a pool belongs to one event loop: a loop for each call, as ``asyncio.run`` makes it,
would break every pool at the second call. What runs here sees nothing of its caller's loop, which may end at any time.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from weakref import WeakSet

from agent_guard.runtime.workers import Workers, after_fork

__all__ = ["FAMILY", "Family", "LoopThread", "keep"]

STUCK_S = 3.0
"""How long a loop may leave a new job untouched before the next one is given to a new loop, in seconds."""

LOOPS_MOST = 8
"""How many loops one process may have, the stuck ones counted."""

LEAVE_S = 1.0
"""How long the tasks of a loop have to end when the process does, in seconds."""


class Family:
    """The tasks of one job: the first one, and each that any of them starts."""

    def __init__(self) -> None:
        self._tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._over = False

    def join(self, task: asyncio.Task[Any]) -> None:
        """Adds a task; one that comes after the cut is cut at once."""
        self._tasks.add(task)
        if self._over:
            task.cancel()

    def cancel(self) -> None:
        """Cancels all of them. Called on their loop."""
        self._over = True
        for task in list(self._tasks):
            task.cancel()


FAMILY: contextvars.ContextVar[Family | None] = contextvars.ContextVar("agent_guard_family", default=None)
"""The job that the running task belongs to."""


class LoopThread:
    """A loop that is started when it is first needed, again after a fork, and closed when the process ends.

    Where a job blocks the loop, the next jobs get a new one: what hangs must not stop what does not.

    Args:
        name: of its thread.
        workers: where ``asyncio.to_thread`` of a job goes. Without them the loop is the house's own: nothing that runs
            on it blocks it, and its tasks belong to no job.
        stuck_s: how long a job may lie untouched before the loop counts as stuck, in seconds.
    """

    def __init__(self, name: str, workers: Workers | None = None, *, stuck_s: float = STUCK_S) -> None:
        self.name = name
        self._workers = workers
        self._stuck_s = stuck_s
        self._lock = threading.Lock()
        self._here: _Loop | None = None
        self._stuck: list[_Loop] = []
        self._parents: list[_Loop | None] = []
        after_fork(self._forked)
        atexit.register(self.close)

    def _forked(self) -> None:
        # the parent's loops are kept and left alone: to close one here would reach into the parent's selector
        self._parents += [self._here, *self._stuck]
        self._lock, self._here, self._stuck = threading.Lock(), None, []

    def soon(self, job: Callable[[], object], context: contextvars.Context | None = None) -> asyncio.AbstractEventLoop:
        """Lets the loop call a function; returns the loop.

        Args:
            context: the context variables that it sees; by default none at all.

        Raises:
            RuntimeError: the system gives this process no thread.
        """
        here = self._here
        if here is None or self._is_stuck(here):
            here = self._renewed()
        here.soon(job, context or contextvars.Context())
        return here.loop

    def _renewed(self) -> _Loop:
        with self._lock:
            here = self._here
            if here is not None and not self._is_stuck(here):
                return here
            fresh = _Loop(self.name, self._workers)
            if here is not None:
                self._stuck = [*(item for item in self._stuck if not item.loop.is_closed()), here]
                here.soon(here.leave, contextvars.Context())
            self._here = fresh
            return fresh

    def _is_stuck(self, here: _Loop) -> bool:
        if self._workers is None or here.late() <= self._stuck_s:
            return False
        return sum(not item.loop.is_closed() for item in self._stuck) < LOOPS_MOST - 1

    def close(self) -> None:
        """Ends the loop and waits a moment for its tasks; what hangs is left to end with the process."""
        with self._lock:
            here, self._here = self._here, None
        if here is not None:
            here.close()


_KEPT: set[asyncio.Task[Any]] = set()


def keep(task: asyncio.Task[Any]) -> None:
    """Holds a task until it is done: asyncio itself keeps tasks only weakly."""
    _KEPT.add(task)
    task.add_done_callback(_KEPT.discard)


class _Loop:
    """One loop and its thread."""

    def __init__(self, name: str, workers: Workers | None) -> None:
        self.loop = asyncio.new_event_loop()
        if workers is not None:
            self.loop.set_task_factory(_task)
            self.loop.set_default_executor(_Executor(workers))
        self._asked: deque[tuple[float, Callable[[], object], contextvars.Context]] = deque()
        """The jobs that the loop has not come to yet, and when each was given."""
        self._called = False
        """Whether the loop was woken, or comes by itself: a system call for each of many jobs would cost more than
        they do.
        """
        self._over = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self.loop.close()
            raise

    def late(self) -> float:
        """How long the oldest job has been left untouched, in seconds."""
        try:
            return time.monotonic() - self._asked[0][0]
        except IndexError:
            return 0.0

    def soon(self, job: Callable[[], object], context: contextvars.Context) -> None:
        self._asked.append((time.monotonic(), job, context))
        if not self._called or self.loop.is_closed():
            self._called = True
            self.loop.call_soon_threadsafe(self._come, context=contextvars.Context())

    def _come(self) -> None:
        """On the loop: does the oldest job, and comes again for the next."""
        try:
            _, job, context = self._asked.popleft()
        except IndexError:  # called once more than there were jobs
            return
        self._called = False  # before it looks: whoever gives a job later calls
        if self._asked:
            self._called = True
            self.loop.call_soon(self._come)
        context.run(job)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while not self._over:
            try:
                self.loop.run_forever()
            except BaseException:  # noqa: S112 - a task that exits ends itself, and never the loop of all others
                continue
        self._leave_nothing()
        self.loop.close()

    def _leave_nothing(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=LEAVE_S))

    def leave(self) -> None:
        """Ends the loop as soon as it has nothing to do; called on it."""
        if asyncio.all_tasks():
            self.loop.call_later(1.0, self.leave)
        else:
            self._stop()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self._stop)
        if self.late() < LEAVE_S:
            self._thread.join(2 * LEAVE_S)

    def _stop(self) -> None:
        self._over = True
        self.loop.stop()


def _task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """Makes a task, and adds it to the family of whoever starts it."""
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
    context: contextvars.Context | None = options.get("context")
    family = FAMILY.get() if context is None else context.get(FAMILY)
    if family is not None:
        family.join(task)
    return task


class _Executor(ThreadPoolExecutor):
    """asyncio takes no other kind; its own threads are joined when the process ends, and one that hangs holds it."""

    def __init__(self, workers: Workers) -> None:
        super().__init__(max_workers=1)  # never started
        self._ours = workers

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Gives the job to our threads."""
        return self._ours.call(lambda: fn(*args, **kwargs))
