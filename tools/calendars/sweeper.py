"""Ends holds whose time is over, again and again: for a process that stays. Nothing depends on it but tidiness.

A hold that is over takes no slot even where nobody sweeps. So a sweeper that is down harms nobody, and two of them do
each other no harm: what is confirmed is never touched.
"""

from __future__ import annotations

import logging
import threading

from agent_guard.errors import ToolError
from tools.calendars.port import Calendar

__all__ = ["Sweeper"]

log = logging.getLogger("agent_guard")


class Sweeper:
    """Sweeps one port's calendars in a thread of its own, from its making until it is closed.

    Args:
        every_s: seconds between two sweeps.
    """

    def __init__(self, calendar: Calendar, *, every_s: float = 60.0) -> None:
        self._calendar, self._every_s, self._over = calendar, every_s, threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it, after the sweep that is going on."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._calendar.sweep()
            except ToolError as error:
                log.warning("holds were not swept: %s", error.code)
            except Exception as error:  # the thread goes on, whatever an adapter does; its words could hold a value
                log.warning("holds were not swept: %s", type(error).__name__)
            self._over.wait(self._every_s)
