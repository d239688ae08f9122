"""Our rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.noop import counted, gateway, invoke, opened
from benchmarks.protect.rows import Row, System

__all__ = ["make"]


def make(row: Row, folder: Path) -> System:
    """The row, on a new file in a folder."""
    return _Ours(row, folder)


class _Ours:
    def __init__(self, row: Row, folder: Path) -> None:
        self._guard = gateway(f"sqlite:///{folder}/guard.db")
        self._made = counted(self._guard, durable=row.flushed != "none")

    def begin(self) -> Callable[[str], None]:
        thread = opened(self._guard)
        return lambda text: invoke(thread, text=text)

    def count(self, work: Callable[[], None]) -> tuple[int, int]:
        before = self._made.written, self._made.flushed
        work()
        return self._made.written - before[0], self._made.flushed - before[1]

    def close(self) -> None:
        self._guard.close()
