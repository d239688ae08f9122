"""Work that asks a model or a graph on its way: written once, asked from this thread or awaited on an event loop.

A generator does its own work in plain synchronous code and yields an :class:`Ask` where it needs an answer. :func:`ask`
goes through it in the caller's thread. :func:`aask` does the work between two questions in threads of our own, and
awaits the answers on the caller's loop, which is where the clients of models and graphs live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from agent_guard.runtime.waits import aside

__all__ = ["Ask", "Asks", "aask", "ask"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One question.

    Args:
        now: asks it, and returns the answer.
        later: asks it on the running event loop.
    """

    now: Callable[[], Any]
    later: Callable[[], Awaitable[Any]]


Asks = Generator[Ask, Any, T]
"""Work that yields what it asks, and returns a ``T``. The answer, or its exception, comes back at the ``yield``."""


def ask(work: Asks[T]) -> T:
    """Does the work in this thread."""
    step: Callable[[], Ask] = partial(next, work)
    while True:
        try:
            question = step()
        except StopIteration as done:
            answer: T = done.value
            return answer
        try:
            step = partial(work.send, question.now())
        except BaseException as error:  # the work may have something to put in order
            step = partial(work.throw, error)


async def aask(work: Asks[T]) -> T:
    """Does the work from an event loop, which it never blocks. A cancellation reaches the work as CancelledError where
    it waits for an answer; work under way in a thread is brought to its next question first.
    """
    step: Callable[[], Ask] = partial(next, work)
    while True:
        piece = asyncio.ensure_future(aside(_piece, step))
        cancelled = await _done(piece)
        found = piece.result()
        if isinstance(found, BaseException):
            raise found
        if not isinstance(found, Ask):
            if cancelled is not None:
                raise cancelled
            answer: T = found[0]
            return answer
        if cancelled is not None:
            step = partial(work.throw, cancelled)
            continue
        try:
            step = partial(work.send, await found.later())
        except BaseException as error:  # as above
            step = partial(work.throw, error)


def _piece(step: Callable[[], Ask]) -> Ask | tuple[Any] | BaseException:
    """In a thread: the work up to its next question, its end, or what it raises."""
    try:
        return step()
    except StopIteration as done:
        return (done.value,)
    except BaseException as error:  # a future cannot carry each of them
        return error


async def _done(piece: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Waits for it, and returns the cancellation that came meanwhile, if any."""
    cancelled = None
    while not piece.done():
        try:
            await asyncio.wait([piece])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
