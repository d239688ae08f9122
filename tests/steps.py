"""The steps of a gateway: what it does outside its own memory. A test may stop the world at any of them.

A step is a transaction that is about to begin, about to be committed or over, a question to a port that is about to be
asked or was answered, and a checkpoint that is about to be stored or is. Steps are found by running, not listed by
hand: a call that gets one more transaction gets three more steps, and every test that goes through the steps meets them.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Steps"]

CHECKPOINTS = ("put", "put_writes")
"""What LangGraph stores through; in its asynchronous door by the twins of these, ``aput`` and ``aput_writes``."""


class Steps:
    """Counts the steps of whatever is watched.

    Args:
        hook: called at each step with its number from 0, its name and whether a write transaction is open or a checkpoint is
            being stored. It may raise or end the process: that is a crash between two steps.
    """

    def __init__(self, hook: Callable[[int, str, bool], object] | None = None) -> None:
        self.hook = hook
        self.names: list[str] = []
        self._writing = 0
        self._lock = threading.Lock()

    def reach(self, name: str) -> None:
        """One step."""
        n = len(self.names)
        self.names.append(name)
        if self.hook is not None:
            self.hook(n, name, self._writing > 0)

    @contextmanager
    def nobody_writes(self) -> Iterator[bool]:
        """Whether nothing is being written in any thread; until the end nothing begins to be."""
        with self._lock:
            yield self._writing == 0

    def transactions(self, store: Any) -> None:
        """Watches a store of the guard."""
        store.read = self._spanned(store.read, "read", writes=0)
        store.write = self._spanned(store.write, "write", writes=1)

    def port(self, owner: Any, *methods: str) -> None:
        """Watches methods of an object: before each and after each."""
        for name in methods:
            setattr(owner, name, self._around(getattr(owner, name), name))

    def checkpoints(self, saver: Any) -> None:
        """Watches a LangGraph checkpointer, which writes in threads of its own."""
        for name in CHECKPOINTS:
            setattr(saver, name, self._around(getattr(saver, name), name, writes=1))
            setattr(saver, f"a{name}", self._around_later(getattr(saver, f"a{name}"), name, writes=1))

    def _around(self, real: Callable[..., Any], name: str, *, writes: int = 0) -> Callable[..., Any]:
        def watched(*given: Any, **options: Any) -> Any:
            with self._written(writes):
                self.reach(f"{name} begins")
                answer = real(*given, **options)
            self.reach(f"{name} is over")
            return answer

        return watched

    def _around_later(
        self, real: Callable[..., Awaitable[Any]], name: str, *, writes: int
    ) -> Callable[..., Awaitable[Any]]:
        async def watched(*given: Any, **options: Any) -> Any:
            with self._written(writes):
                self.reach(f"{name} begins")
                answer = await real(*given, **options)
            self.reach(f"{name} is over")
            return answer

        return watched

    @contextmanager
    def _written(self, writes: int) -> Iterator[None]:
        with self._lock:
            self._writing += writes
        try:
            yield
        finally:
            with self._lock:
                self._writing -= writes

    def _spanned(self, real: Callable[..., Any], name: str, *, writes: int) -> Callable[..., Any]:
        @contextmanager
        def watched(*given: Any, **options: Any) -> Iterator[Any]:
            self.reach(f"{name} begins")
            with real(*given, **options) as connection:
                with self._written(writes):
                    yield connection
                    self.reach(f"{name} ends")
            self.reach(f"{name} is over")

        return watched
