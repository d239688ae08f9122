"""Work that is written once and waits in two ways.

A generator does its work between its ``yield``s, in plain synchronous code, and yields where a tool runs: there it
waits. :func:`drive` goes through it in the caller's thread. :func:`adrive` goes through it from an event loop: the work
is done in threads of our own, and no thread is held while a tool runs. What the generator owns (a claimed call) is
never left half done: whoever waits may be cancelled, and its event loop may end; the generator goes on to its end.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future, wait as wait_for_all
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from agent_guard.codes import Code
from agent_guard.runtime.loops import LoopThread
from agent_guard.runtime.running import Cut, Running
from agent_guard.runtime.workers import NoThread, Workers, after_fork

__all__ = ["DOORS_MOST", "Pause", "Run", "Waits", "adrive", "aside", "drive", "twin"]

T = TypeVar("T")
S = TypeVar("S")
P = ParamSpec("P")

DOORS_MOST = 32
"""How many threads do the synchronous work of the async doors of one process where databases and ports are slow."""

DOORS_FEW = 2
"""How many do it where they are not: one computes while the other's statement is on its way."""

SETTLE_S = 3.0
"""How long a process that ends waits for the calls that its event loops left behind, in seconds."""

DOORS = Workers("agent_guard door", DOORS_MOST, few=DOORS_FEW)
HOUSE = LoopThread("agent_guard house")  # nothing of others runs on it


@dataclass(frozen=True, kw_only=True)
class Run:
    """Start this, and wait for its answer.

    Args:
        start: starts it and returns at once.
        seconds: the most it may take; then it is cut.
        running: what ``start`` returns, where it is known before: who is interrupted while it starts can tell from it
            whether it began.
    """

    start: Callable[[], Running]
    seconds: float
    running: Running | None = None


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Wait this long."""

    seconds: float


Waits = Generator[Run | Pause, Any, T]
"""Work that yields where it waits, and returns a ``T``. What a run gives or raises comes back at the ``yield``."""

_Step = Callable[[], Run | Pause]


def drive(work: Waits[T], *, sleep: Callable[[float], None] = time.sleep) -> T:
    """Does the work in this thread.

    A KeyboardInterrupt, or whatever else ends the waiting, cuts what runs; the work is brought to its end before it is
    raised again.
    """
    ended: BaseException | None = None
    step: _Step = partial(next, work)
    while True:
        try:
            request = step()
        except StopIteration as done:
            if ended is not None:
                raise ended from None
            answer: T = done.value
            return answer
        running = request.running if isinstance(request, Run) else None
        try:
            if ended is None and isinstance(request, Run):
                running = request.start()
                _await(running, request.seconds)
            elif ended is None:
                sleep(request.seconds)
        except Exception as error:  # it could not be started
            step = partial(work.throw, error)
            continue
        except BaseException as error:  # the caller is told to end; a call that it began is not left open
            ended = error
        step = _resumed(work, running, stopped=ended is not None)


def _await(running: Running, seconds: float) -> None:
    try:
        running.answer.exception(timeout=seconds)
    except TimeoutError:
        running.late(seconds)  # does nothing where the answer came in this moment


def _resumed(work: Waits[Any], running: Running | None, *, stopped: bool) -> _Step:
    """The next piece of the work, with what came out of what it waited for."""
    if running is None:
        return partial(work.throw, _cancelled()) if stopped else partial(next, work)
    if stopped:
        running.cut(_cancelled())
    error = running.answer.exception()
    return partial(work.send, running.answer.result()) if error is None else partial(work.throw, error)


def _cancelled() -> Cut:
    return Cut(Code.CALLER_GONE, "cancelled")


async def adrive(work: Waits[T]) -> T:
    """Does the work from an event loop, which it never blocks.

    When the caller is cancelled, what runs is cut, the work is brought to its end, and then CancelledError goes on. A
    second cancellation, or the end of the caller's loop, ends the waiting and not the work.
    """
    driven = _Driven(work)
    HOUSE.soon(driven.begin)
    try:
        return await asyncio.wrap_future(driven.done)
    except asyncio.CancelledError:
        driven.stop()
        with suppress(Exception):  # whatever came out, the caller has ended
            await asyncio.wrap_future(driven.done)
        raise


class _Driven(Generic[T]):
    """Work on its way: its pieces are done in threads of the doors, what lies between them on the house's loop."""

    def __init__(self, work: Waits[T]) -> None:
        self._work = work
        self._context = contextvars.copy_context()
        self._running: Running | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self.done: Future[T] = Future()
        self.done.set_running_or_notify_cancel()  # from now on nobody's cancellation reaches it

    def begin(self) -> None:
        """On the house's loop."""
        _UNDER_WAY.add(self)
        self._go_on(partial(next, self._work))

    def _go_on(self, step: _Step) -> None:
        """On the house's loop: has the next piece done."""
        context = self._context.copy()
        try:
            DOORS.call(partial(self._piece, step), context)
        except NoThread:
            context.run(self._piece, step)  # the house's loop is held for a moment; no call is left half done

    def _piece(self, step: _Step) -> None:
        """In a thread: one piece of the work, and the start of what it waits for."""
        try:
            request = self._started(step)
            HOUSE.soon(partial(self._wait, request))
        except StopIteration as over:
            self.done.set_result(over.value)
        except BaseException as error:
            self.done.set_exception(error)
        else:
            return
        _UNDER_WAY.discard(self)

    def _started(self, step: _Step) -> Run | Pause:
        while True:
            request = step()
            self._running = None
            try:
                if isinstance(request, Run) and not self._stopped:
                    self._running = request.start()
            except Exception as error:  # it could not be started
                step = partial(self._work.throw, error)
                continue
            return request

    def _wait(self, request: Run | Pause) -> None:
        """On the house's loop: comes back with what the work waits for."""
        loop, running = asyncio.get_running_loop(), self._running
        if running is None:
            loop.call_later(0 if self._stopped else request.seconds, self._resume)
            return
        if self._stopped:  # while it was being started
            running.cut(_cancelled())
        self._timer = loop.call_later(request.seconds, running.late, request.seconds)
        running.answer.add_done_callback(lambda _: loop.call_soon_threadsafe(self._resume))

    def _resume(self) -> None:
        """On the house's loop."""
        running, self._running = self._running, None  # it holds us: what it gave would stay until garbage is collected
        if self._timer is not None:
            self._timer.cancel()
        self._go_on(_resumed(self._work, running, stopped=self._stopped))

    def stop(self) -> None:
        """Cuts what runs, and lets nothing more begin. From any thread."""
        self._stopped = True
        running = self._running
        if running is not None:
            running.cut(_cancelled())


_UNDER_WAY: set[_Driven[Any]] = set()
after_fork(_UNDER_WAY.clear)


@atexit.register
def _settle() -> None:
    """The process ends: what still runs for an event loop that is gone is cut and settled."""
    left = list(_UNDER_WAY)
    for driven in left:
        driven.stop()
    wait_for_all([driven.done for driven in left], timeout=SETTLE_S)


async def _in_a_thread(function: Callable[[], T]) -> T:
    return await asyncio.wrap_future(DOORS.call(function, contextvars.copy_context()))


async def aside(function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Does synchronous work in a thread of the async doors, with the caller's context variables. When the caller is
    cancelled the work is brought to its end, unless it has not begun.
    """
    return await _in_a_thread(partial(function, *args, **options))


def twin(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """The asynchronous twin of a method that waits for nothing but databases and ports."""
    name = method.__name__

    @wraps(method)
    async def twinned(self: S, /, *args: P.args, **options: P.kwargs) -> T:
        found: Callable[P, T] = getattr(self, name)
        return await aside(found, *args, **options)

    twinned.__name__ = f"a{name}"
    twinned.__qualname__ = method.__qualname__.replace(name, f"a{name}")
    twinned.__doc__ = f":meth:`{name}`, from an event loop; it never blocks the loop."
    return twinned
