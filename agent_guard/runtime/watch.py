"""The red button while calls run: the flags are read again and again, and what they cover is cut (A31).

One thread a gateway and one query an interval, while calls of the gateway run; none otherwise. The flags may be pressed
in any process. A store that cannot be read, or does not answer, counts as pressed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, wait

from agent_guard.codes import Code
from agent_guard.errors import ToolUnavailable
from agent_guard.runtime.running import Cut, Running
from agent_guard.runtime.workers import NoThread, Workers

__all__ = ["INTERVAL_S", "LATE_S", "Watch"]

INTERVAL_S = 0.5
"""How often the flags are read while calls run, in seconds: whatever is pressed cuts within a second."""

LATE_S = 3.0
"""How long the flags may take to be read, in seconds. A server behind a network that swallows what is sent answers
after half a minute at best, when every call has ended by itself.
"""

LOOK_S = 0.1
"""How long one look takes whether they are read, in seconds."""

IDLE_ROUNDS = 10
"""How many intervals the thread stays when nothing runs any more."""

EVERYTHING = "*"

_NOTHING: frozenset[str] = frozenset()

_READERS = Workers("agent_guard flags", 256)
"""One for each gateway at most; threads of others may all hang."""

log = logging.getLogger("agent_guard")


class Watch:
    """Cuts the running calls of one gateway.

    Args:
        pressed: reads every pressed flag; may raise anything, and then everything is cut.
        interval_s: how often, in seconds.
        late_s: what takes longer to be read counts as unreadable, in seconds.
    """

    def __init__(
        self, pressed: Callable[[], Collection[str]], *, interval_s: float = INTERVAL_S, late_s: float = LATE_S
    ) -> None:
        self.interval_s = interval_s
        self._late_s = late_s
        self._pressed = pressed
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._running: dict[Running, frozenset[str]] = {}
        self._thread: threading.Thread | None = None
        self._reading: Future[Collection[str]] | None = None
        self._closed = threading.Event()

    def add(self, running: Running, scopes: Iterable[str]) -> None:
        """Watches a run until it ends.

        Args:
            scopes: the flags that cover it, besides the one for everything.

        Raises:
            ToolUnavailable: no thread can be had to watch it; it must not begin.
        """
        if self._process != os.getpid():  # the threads of the process that this one was forked from are not here
            self._begin()
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                thread = threading.Thread(target=self._watch, name="agent_guard watch", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    raise ToolUnavailable(f"nobody can watch the red button: {error}", code="tools_busy") from None
                self._thread = thread
            self._running[running] = frozenset((EVERYTHING, *scopes))
        running.answer.add_done_callback(lambda _: self._running.pop(running, None))

    def close(self) -> None:
        """Ends the watching. What still runs goes on, unwatched."""
        self._closed.set()

    def _watch(self) -> None:
        idle = 0
        while not self._closed.wait(self.interval_s):
            with self._lock:
                running = list(self._running)  # not the pairs: one may end while they are made, and none be listed
                idle = 0 if running else idle + 1
                if idle > IDLE_ROUNDS:
                    self._thread = None
                    return
            if running:
                self._look(running)

    def _look(self, running: list[Running]) -> None:
        try:
            pressed = frozenset(self._answer())
        except Exception as error:  # whatever it is, nobody can say that these may go on
            log.warning("the red button cannot be read, so what runs is cut: %s", type(error).__name__)
            for item in running:
                item.cut(Cut(Code.KILLED, "unreadable"))
            return
        for item in running:
            found = sorted(pressed & self._running.get(item, _NOTHING))
            if found:
                item.cut(Cut(Code.KILLED, ", ".join(found)))

    def _answer(self) -> Collection[str]:
        """What is pressed, read in another thread; one that hangs is waited for, and no second one is sent after it.

        Raises:
            Exception: it cannot be read, or not in time.
        """
        if self._reading is None or self._reading.done():
            try:
                self._reading = _READERS.call(self._asked)
            except NoThread:
                return self._asked()
        for _ in range(max(1, round(self._late_s / LOOK_S))):  # a process that was stopped meanwhile loses one look
            if wait([self._reading], timeout=LOOK_S).done:
                break
        return self._reading.result(timeout=0)

    def _asked(self) -> Collection[str]:
        try:
            return self._pressed()
        except Exception:  # once more: what runs is lost when it is cut, and a connection may just have been renewed
            return self._pressed()
