"""CTRLRun's rows, by the names of its package's front door; it is imported in CTRLRun's environment only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ctrlrun import (
    Authority,
    Control,
    Event,
    JSONLEventSink,
    LocalApprovalProvider,
    Policy,
    SQLiteStateStore,
    context,
    protect,
)

from benchmarks.protect.rows import Row, System
from benchmarks.protect.statements import Statements

__all__ = ["make"]

_POLICY = """
schema: ctrlrun.policy/v8
actions:
  noop.write:
    effect: "noop.write:{text}"
    rules: [{decision: allow}]
"""
_AUTHORITY = """
authority:
  grants:
    - id: may-write
      subject: {agent: u1}
      actions: [noop.write]
      budgets: [{metric: count, limit: 1000000, window: PT1M}]
"""


class _ClaimFlushed(SQLiteStateStore):
    """Flushes what was written before the function runs: ``EXECUTION_STARTED`` is the last event before it."""

    def append_event(self, event: Event) -> Event:
        if event.type != "EXECUTION_STARTED":
            return super().append_event(event)
        connection = self._connection()
        connection.execute("PRAGMA synchronous=FULL")
        try:
            return super().append_event(event)
        finally:
            connection.execute("PRAGMA synchronous=NORMAL")


def make(row: Row, folder: Path) -> System:
    """The row, on a new file in a folder."""
    return _Protected(row, folder)


class _Protected:
    def __init__(self, row: Row, folder: Path) -> None:
        kind = _ClaimFlushed if row.flushed == "claim" else SQLiteStateStore
        self._store = kind(folder / "state.db")
        if row.flushed == "all":  # the store keeps one connection a thread, and this process has one thread
            self._store._connection().execute("PRAGMA synchronous=FULL")
        text = _POLICY + (_AUTHORITY if row.limited else "")
        control = Control(  # as Control.from_file does it
            Policy.from_yaml(text),
            self._store,
            LocalApprovalProvider(self._store),
            sinks=[JSONLEventSink(folder)],
            authority=Authority.from_yaml(text) if row.limited else None,
        )

        @protect("noop.write", control=control)
        def write(text: str) -> dict[str, str]:
            return {"id": text}

        self._write = write

    def begin(self) -> Callable[[str], None]:
        def call(text: str) -> None:
            with context(agent="u1"):
                if self._write(text=text) != {"id": text}:
                    raise AssertionError("not written")

        return call

    def count(self, work: Callable[[], None]) -> tuple[int, int]:
        connection = self._store._connection()
        full = connection.execute("PRAGMA synchronous").fetchone()[0] >= 2
        found = Statements(full=full)
        connection.set_trace_callback(found)
        work()
        connection.set_trace_callback(None)
        return found.written, found.flushed

    def close(self) -> None:
        self._store.close()
