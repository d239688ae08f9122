"""Jobs that are done one after another beside the call that gave them, so that no call waits for a receiver."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from weakref import WeakSet

from tenacity import (
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    stop_any,
    stop_when_event_set,
    wait_random_exponential,
)

from agent_guard.errors import DeliveryError
from agent_guard.runtime.workers import after_fork

__all__ = ["Courier"]

TRIES = 3
"""How often a delivery is tried within seconds."""

PAUSE_S = 0.5
"""The longest pause before the second try, in seconds; doubled before each further one."""

log = logging.getLogger("agent_guard")


class Courier:
    """Does jobs in a daemon thread of its own, which lives as long as there are any. A forked process begins with none:
    what waited is done by its parent, once.

    Args:
        name: of the thread.
        most: how many jobs may wait; a job beyond that is not taken.
    """

    def __init__(self, name: str, *, most: int) -> None:
        self._name = name
        self._most = most
        self._begin()
        _COURIERS.add(self)

    def _begin(self) -> None:
        self._jobs: deque[Callable[[], object]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._hurry = threading.Event()

    def forked(self) -> None:
        """Tells that this process was forked: no lock of the parent's is waited for, and none of its jobs done."""
        self._begin()

    def hand(self, job: Callable[[], object]) -> bool:
        """Takes a job, or says false where too many wait or no thread can be had. Never waits, never raises."""
        with self._changed:
            if len(self._jobs) >= self._most:
                return False
            self._jobs.append(job)
            if self._thread is not None and self._thread.is_alive():
                return True
            # a new thread has no context variables, so no tracer of the caller's sees what is sent
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is going down, or the machine has no thread left
                self._thread = None
                self._jobs.pop()
                return False
        return True

    def steadily(self, send: Callable[[], None]) -> None:
        """Sends, and sends again after a pause where that may help.

        Raises:
            Exception: what ``send`` raised at last.
        """
        Retrying(
            stop=stop_any(stop_after_attempt(TRIES), stop_when_event_set(self._hurry)),
            wait=wait_random_exponential(multiplier=PAUSE_S, max=10),
            retry=retry_if_exception(_may_help),
            sleep=sleep_using_event(self._hurry),
            reraise=True,
        )(send)

    def drain(self, wait_s: float) -> bool:
        """Lets what waits be done once each, without pauses, and says whether all of it was within ``wait_s`` seconds.

        What is not done by then is forgotten; the job that is at work goes on by itself.
        """
        self._hurry.set()
        try:
            with self._changed:
                done = self._changed.wait_for(self._is_idle, wait_s)
                self._jobs.clear()
            return done
        finally:
            self._hurry.clear()

    def _is_idle(self) -> bool:
        return self._thread is None or not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._jobs:
                    self._thread = None
                    self._changed.notify_all()
                    return
                job = self._jobs.popleft()
            try:
                job()
            except Exception as error:  # a job that fails must not end the others; its words may hold anything
                log.error("%s: a job failed: %s", self._name, type(error).__name__)  # noqa: TRY400


_COURIERS: WeakSet[Courier] = WeakSet()


def _forked() -> None:
    for courier in list(_COURIERS):
        courier.forked()


after_fork(_forked)


def _may_help(error: BaseException) -> bool:
    return error.soon if isinstance(error, DeliveryError) else isinstance(error, OSError)
