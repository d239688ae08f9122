"""Counting transactions by the statements that SQLite reports. Standard library only."""

from __future__ import annotations

__all__ = ["Statements"]

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class Statements:
    """A trace callback of one ``sqlite3`` connection.

    Args:
        full: whether the connection is at ``synchronous=FULL`` now.

    Attributes:
        written: transactions that wrote; a write outside a transaction is one of its own.
        flushed: those of them that ended at ``FULL``: in WAL mode SQLite then flushes the log before it goes on.
    """

    def __init__(self, *, full: bool) -> None:
        self.written = self.flushed = 0
        self._full, self._open, self._wrote = full, False, False

    def __call__(self, statement: str) -> None:
        words = statement.upper()
        verb = words.split(None, 1)[0]
        if words.startswith("PRAGMA SYNCHRONOUS="):
            self._full = words.endswith("=FULL")
        elif verb == "BEGIN":
            self._open = True
        elif verb in _WRITES:
            self._wrote = True
        if verb in ("COMMIT", "END") or (self._wrote and not self._open):
            self.written += self._wrote
            self.flushed += self._wrote and self._full
            self._open = self._wrote = False
        elif verb == "ROLLBACK":
            self._open = self._wrote = False
