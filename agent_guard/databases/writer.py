"""The one writer of a SQLite file in this process: those who write at the same time share a transaction and its flush.

SQLite has one writer at a time, and a durable commit waits for the disk. So whoever is done while others wait for their
turn leaves the transaction open to the next one, and the last of them commits for all: each is told that its write
stands when it does. What one of them undoes is undone alone, behind its savepoint; where the commit fails, or SQLite
gives the whole transaction up, nothing of any of them stands, and each is told.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

__all__ = ["BATCH_MOST", "BATCH_S", "Writer"]

BATCH_MOST = 64
"""How many may write in one transaction."""

BATCH_S = 0.02
"""How long a transaction may have been open when the next one may still join, in seconds."""

UNATTENDED_S = 0.1


class _Batch:
    """One transaction and those who write in it.

    Args:
        durable: it is flushed when it is committed.
    """

    def __init__(self, *, durable: bool) -> None:
        self.durable = durable
        self.members = 0
        self.began = time.monotonic()
        self.error: str | None = None
        self.over = threading.Event()

    def end(self, error: BaseException | None = None) -> None:
        self.error = None if error is None else str(getattr(error, "orig", error))
        self.over.set()


class Writer:
    """Lets writers in one by one.

    Args:
        connect: opens a connection.
        begin: begins a transaction on it; tells whether it is durable.
        wait_s: how long a writer waits for its turn, in seconds.
        locked: the error of one that waited longer.
    """

    def __init__(
        self,
        connect: Callable[[], sa.Connection],
        begin: Callable[[sa.Connection, bool], None],
        *,
        wait_s: Callable[[], float],
        locked: Callable[[], Exception],
    ) -> None:
        self._connect, self._begin, self._wait_s, self._locked = connect, begin, wait_s, locked
        self._door = threading.Condition(threading.Lock())
        self._busy = False
        self._waiting = 0
        self._connection: sa.Connection | None = None
        self._batch: _Batch | None = None

    @contextmanager
    def writing(self, *, durable: bool) -> Iterator[sa.Connection]:
        """A turn in a transaction; left when what was written stands.

        Raises:
            Exception: as ``locked``; or ``sqlite3.Error``: nothing stands of what was written here.
        """
        self._take_turn()
        try:
            batch, connection = self._join(durable)
        except BaseException:
            self._pass_on()
            raise
        try:
            yield connection
            if batch.members > 1:
                _driver(connection).execute("RELEASE member")
        except BaseException as error:
            self._undo(batch, connection, error)
            raise
        finally:
            self._leave()
        self._await(batch)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A turn without a transaction.

        Raises:
            Exception: as ``locked``.
        """
        self._take_turn()
        try:
            self._commit()
            yield
        finally:
            self._pass_on()

    def close(self) -> None:
        """Closes the connection, once whoever uses it is done."""
        with suppress(Exception), self.alone():
            self._drop()

    def _take_turn(self) -> None:
        with self._door:
            self._waiting += 1
            try:
                if not self._door.wait_for(lambda: not self._busy, self._wait_s()):
                    raise self._locked()
                self._busy = True
            finally:
                self._waiting -= 1

    def _pass_on(self) -> None:
        with self._door:
            self._busy = False
            self._door.notify()

    def _join(self, durable: bool) -> tuple[_Batch, sa.Connection]:
        if self._batch is not None and durable and not self._batch.durable:
            self._commit()  # how it is flushed was settled when it began
        if self._batch is None or self._connection is None:
            if self._connection is None:
                self._connection = self._connect()
            try:
                self._begin(self._connection, durable)
                self._connection.begin()
            except BaseException:
                self._drop()
                raise
            self._batch = _Batch(durable=durable)
        else:
            _driver(self._connection).execute("SAVEPOINT member")
        self._batch.members += 1
        return self._batch, self._connection

    def _undo(self, batch: _Batch, connection: sa.Connection, error: BaseException) -> None:
        """Undoes what this one wrote: all there is where nobody else wrote, or where SQLite has undone it already."""
        try:
            if batch.members > 1:
                _driver(connection).execute("ROLLBACK TO member")
                _driver(connection).execute("RELEASE member")
                return
        except sqlite3.Error:
            pass  # SQLite gave the whole transaction up
        self._batch = None
        batch.end(error)
        try:
            connection.rollback()
        except Exception:  # a connection that cannot even do this is used no more
            self._drop()

    def _leave(self) -> None:
        """Leaves the transaction open where somebody waits who may join it; else commits. The next one's turn comes."""
        batch = self._batch
        try:
            if batch is not None and not (
                self._waiting and batch.members < BATCH_MOST and time.monotonic() - batch.began < BATCH_S
            ):
                self._commit()
        finally:
            self._pass_on()

    def _commit(self) -> None:
        """Commits what is open, and tells those who wait for it. Called by whoever has the turn."""
        batch, connection, self._batch = self._batch, self._connection, None
        if batch is None or connection is None:
            return
        try:
            connection.commit()
        except BaseException as error:
            batch.end(error)
            self._drop()
            if not isinstance(error, Exception):
                raise
        else:
            batch.end()

    def _await(self, batch: _Batch) -> None:
        while not batch.over.wait(UNATTENDED_S):
            with self._door:
                if self._busy or self._waiting:
                    continue
                self._busy = True  # whoever was to come has been interrupted
            self._leave()
        if batch.error is not None:
            raise sqlite3.OperationalError(batch.error)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    return connection.connection.driver_connection  # type: ignore[return-value]
