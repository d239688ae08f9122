"""What the store asks of a database."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

import sqlalchemy as sa

__all__ = ["UNCOMMITTED", "Database"]

T = TypeVar("T")

UNCOMMITTED = "agent_guard.uncommitted"
"""In a connection's ``info``: the threads whose trails were written in its transaction, and may yet be undone. A
database empties it where a transaction begins.
"""


class Database(Protocol):
    """One database: how its transactions begin and end, and what its errors mean."""

    errors: type[Exception]
    """Base of the driver's own errors."""

    @property
    def name(self) -> str:
        """The database without a password, for messages."""
        ...

    @property
    def path(self) -> Path | None:
        """The database's file, or None where it has none."""
        ...

    @property
    def key_file(self) -> Path | None:
        """Where a master key lies that is made on first use, or None for a database that dies with the process."""
        ...

    def prepare(self) -> None:
        """Checks the place, and sets what the database keeps for ever.

        Raises:
            StoreError: the guard cannot live there; the message says what to do.
        """
        ...

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that sees one state and changes nothing."""
        ...

    def ask(self, question: Callable[[sa.Connection], T]) -> T:
        """The answer to a question that is one SELECT: it sees one state without a transaction around it."""
        ...

    def writing(
        self, locks: Collection[str], *, durable: bool, alone: bool = False
    ) -> AbstractContextManager[sa.Connection]:
        """A transaction that is alone on what ``locks`` name; committed at the end, undone by any exception.

        Args:
            alone: nobody shares it, where a kind of database has several share one.
        """
        ...

    def await_writers(self, connection: sa.Connection, table: str) -> None:
        """Waits until every other transaction that wrote to this table is over; who comes later waits for this one."""
        ...

    def told(self, error: Exception) -> Exception | None:
        """What to raise for an error of the driver, wrapped by SQLAlchemy or not: a sentence that says what to do and
        holds no value. None for an error that is raised as it is.
        """
        ...

    def scrub(self, tables: Collection[str]) -> bool:
        """Overwrites what deleted rows left behind, outside any transaction, as far as this kind of database can.

        Args:
            tables: where they were.

        Returns:
            whether it was done; somebody else may have been in the way, or the user may lack the rights.
        """
        ...

    def forked(self) -> None:
        """Tells that this process was forked: a connection serves the one that made it, so the parent's are left to
        it, neither used nor closed.
        """
        ...

    def close(self) -> None:
        """Closes every connection."""
        ...
