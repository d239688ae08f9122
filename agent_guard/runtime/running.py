"""A function of a tool under way: started beside its caller, and cut off where it must be.

A sync function runs in one of our daemon threads, an async one on our own event loop. Both see no context variable of
the caller's, so that no tracer which hangs there sees raw arguments.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any

from agent_guard.codes import Code
from agent_guard.errors import ToolUnavailable
from agent_guard.runtime.loops import FAMILY, Family, LoopThread, keep
from agent_guard.runtime.workers import Workers

__all__ = ["THREADS_MOST", "Cut", "Running", "is_async", "start"]

THREADS_MOST = 256
"""How many sync functions of tools one process runs at a time, those that hang counted."""

THREADS = Workers("agent_guard tool", THREADS_MOST)
LOOP = LoopThread("agent_guard tools", THREADS)


class Cut(Exception):
    """A function was cut off by somebody else than itself.

    Args:
        code: why.
        detail: a word for the audit.
    ``begun`` tells whether it may have done something by then.
    """

    def __init__(self, code: Code, detail: str, *, begun: bool = False) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.begun = begun


class Running:
    """One run. Its ``answer`` is what came first: the function's end, or a cut. Safe to use from any thread.

    Args:
        name: for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.answer: Future[Any] = Future()
        self.begun = False
        self._lock = threading.Lock()
        self._over = False
        self._stop: Callable[[], object] = lambda: None

    def begin(self, stop: Callable[[], object] = lambda: None) -> bool:
        """Tells that the function begins now; false where it was cut before, and must not.

        Args:
            stop: stops it; called at a cut, from any thread.
        """
        with self._lock:
            if self._over:
                return False
            self.begun, self._stop = True, stop
            return True

    def end(self, answer: Any = None, error: BaseException | None = None) -> None:
        """Tells what came out; too late after a cut."""
        with self._lock:
            if self._over:
                return
            self._over = True
        if error is None:
            self.answer.set_result(answer)
        else:  # a function that exits, or is cancelled inside, must not end its caller
            self.answer.set_exception(error if isinstance(error, Exception) else RuntimeError(type(error).__name__))

    def cut(self, error: Exception) -> None:
        """Ends it for its caller, at once: an async function is cancelled with all tasks that it started, a sync one
        is left behind in its thread, and one that has not begun never does.
        """
        self._cut(error, error)

    def late(self, seconds: float) -> None:
        """Cuts it because its time is over: a TimeoutError, or ToolUnavailable where it never began.

        Args:
            seconds: how long it had.
        """
        self._cut(
            TimeoutError(f"{self.name} took longer than {seconds:g} seconds"),
            ToolUnavailable(
                f"{self.name} was not started within {seconds:g} seconds: the threads for tools (at most "
                f"{THREADS_MOST}), or their event loop, are busy or hang",
                code="tools_busy",
            ),
        )

    def _cut(self, begun: Exception, waiting: Exception) -> None:
        with self._lock:
            if self._over:
                return
            self._over = True
            error, stop = begun if self.begun else waiting, self._stop
        if isinstance(error, Cut):
            error.begun = self.begun  # no longer changes
        self.answer.set_exception(error)
        stop()


def start(
    job: Callable[[], Any],
    name: str,
    *,
    asynchronous: bool,
    workers: Workers | None = None,
    watched: Callable[[Running], object] | None = None,
    running: Running | None = None,
) -> Running:
    """Starts a function without arguments and returns at once. Its answer, or what it gives to await, is the answer.

    Args:
        name: for messages, e.g. ``"crm.create_task"``.
        asynchronous: it is a coroutine function, and begins on the event loop.
        workers: the threads for a sync function; by default those of the tools.
        watched: is told the run before it begins, so that somebody else can cut it. Where it raises nothing begins.
        running: the run, of that name, where whoever waits must know it also when this function is interrupted.
    """
    running = running or Running(name)
    if watched is not None:
        watched(running)
    try:
        if asynchronous:
            LOOP.soon(partial(_start_task, running, job))
        else:
            (workers or THREADS).submit(partial(_work, running, job))
    except RuntimeError:  # the system gives no more threads
        running.cut(ToolUnavailable(f"{name} was not started: no thread could be made", code="tools_busy"))
    return running


def is_async(function: object) -> bool:
    """Whether calling it gives something to await."""
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _work(running: Running, job: Callable[[], Any]) -> None:
    """In a thread: the whole of a sync function."""
    if not running.begin():
        return
    try:
        answer = job()
        if inspect.isawaitable(answer):  # a sync function that gave something to await
            LOOP.soon(partial(_start_task, running, job, answer))
            return
    except BaseException as error:  # for whoever waits, whatever it is
        running.end(error=error)
    else:
        running.end(answer)


def _start_task(running: Running, job: Callable[[], Any], given: Awaitable[Any] | None = None) -> None:
    """On the tools' loop: the function as a task, with everything that it starts.

    Args:
        given: what it gave before, to be awaited.
    """
    loop, family, context = asyncio.get_running_loop(), Family(), Context()
    context.run(FAMILY.set, family)

    def stop() -> None:
        with suppress(RuntimeError):  # the loop has ended, and the task with it
            loop.call_soon_threadsafe(family.cancel, context=Context())

    async def go() -> None:
        try:
            answer = job() if given is None else given
            if inspect.isawaitable(answer):
                answer = await answer
        except BaseException as error:
            running.end(error=error)
        else:
            running.end(answer)

    if running.begin(stop):
        keep(loop.create_task(go(), context=context))
    elif inspect.iscoroutine(given):
        given.close()
