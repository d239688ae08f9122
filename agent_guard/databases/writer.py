"""The one writer of a SQLite file in this process: those who write at the same time share a transaction and its flush.

SQLite has one writer at a time, and a durable commit waits for the disk. So whoever is done while others wait for their
turn leaves the transaction open to the next one, and the last of them commits for all: each is told that its write
stands when it does. What one of them undoes is undone alone, behind its savepoint; where the commit fails, or SQLite
gives the whole transaction up, nothing of any of them stands, and each is told.

Whoever has the turn may be interrupted at any line (Ctrl-C in a notebook). What was left half done is then undone by
whoever comes next, and is never committed: a transaction in which somebody's writes are neither kept nor undone is
given up whole. A turn lasts no longer than the generator that took it, whose end Python itself sees to: one that was
interrupted again and again before it could give its turn back has none any more.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, _GeneratorContextManager, contextmanager, suppress
from typing import Any, TypeVar
from weakref import ref

import sqlalchemy as sa

__all__ = ["BATCH_MOST", "BATCH_S", "Writer"]

BATCH_MOST = 64
"""How many may write in one transaction."""

BATCH_S = 0.02
"""How long a transaction may have been open when the next one may still join, in seconds."""

UNATTENDED_S = 0.1

LEAVES_MOST = 8
"""How often a turn is given back anew where an interrupt came in between."""

GIVEN_UP = "the transaction was given up, because a write in it failed"


T = TypeVar("T")


class _Turn:
    """The right to write, of one thread that has it or waits for it, as long as a generator goes on."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.over = False
        self._generator: Callable[[], Any] | None = None

    def within(self, manager: _GeneratorContextManager[T]) -> _GeneratorContextManager[T]:
        """Ends with this one's generator."""
        self._generator = ref(manager.gen)  # weak, so that one that is let go of half way is ended at once
        return manager

    def beside(self) -> _Turn:
        """Another one of the same generator."""
        other = _Turn()
        other._generator = self._generator
        return other

    @property
    def gone(self) -> bool:
        """Whether nobody is left who would give it back."""
        if self._generator is None:
            return False
        generator = self._generator()
        return generator is None or generator.gi_frame is None


class _Batch:
    """One transaction and those who write in it.

    Args:
        durable: it is flushed when it is committed.
        most: how many may write in it.

    ``open`` tells that one of them has neither kept nor undone what it wrote; ``committing`` that its commit was begun;
    ``stands``, when it is ``over``, that it was committed, and ``error`` else why not, where that is known.
    """

    def __init__(self, *, durable: bool, most: int) -> None:
        self.durable = durable
        self.most = most
        self.members = 0
        self.open = False
        self.committing = False
        self.stands = False
        self.began = time.monotonic()
        self.error: str | None = None
        self.over = threading.Event()


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
        self._lock = threading.Lock()
        self._door = threading.Condition(self._lock)
        self._turn: _Turn | None = None
        self._waiting: set[_Turn] = set()
        self._connection: sa.Connection | None = None
        self._driver: sqlite3.Connection | None = None
        """The connection's own, which tells what stands also where an interrupt made SQLAlchemy give it up."""
        self._batch: _Batch | None = None
        self._parents = False

    def writing(self, *, durable: bool, alone: bool = False) -> AbstractContextManager[sa.Connection]:
        """A turn in a transaction; left when what was written stands.

        Args:
            alone: share the transaction with nobody. For what takes long, or writes much: others would wait for it,
                and lose their writes where it does not fit on the disk.

        Raises:
            Exception: as ``locked``; or ``sqlite3.Error``: nothing stands of what was written here.
            RuntimeError: this thread writes already; nothing was written.
            BaseException: what interrupted this thread. Where it did so during the commit, all stands, or nothing.
        """
        turn = _Turn()
        return turn.within(self._writing(turn, durable, alone))

    @contextmanager
    def _writing(self, turn: _Turn, durable: bool, alone: bool) -> Iterator[sa.Connection]:
        batch = None
        try:
            self._take(turn)
            batch, connection = self._join(durable, alone)
            yield connection
            self._keep(batch)
        except BaseException as error:
            if batch is not None and not self._parents:
                self._undo(batch, error)
            raise
        finally:
            try:
                self._give_back(turn)
            finally:
                self._give_back(turn)  # where the first one was interrupted before it began; else it does nothing
        self._await(batch, turn)

    def alone(self) -> AbstractContextManager[None]:
        """A turn without a transaction.

        Raises:
            Exception: as ``locked``.
            RuntimeError: this thread writes already.
        """
        turn = _Turn()
        return turn.within(self._alone(turn))

    @contextmanager
    def _alone(self, turn: _Turn) -> Iterator[None]:
        try:
            self._take(turn)
            self._end()
            yield
        finally:
            try:
                self._give_back(turn)
            finally:
                self._give_back(turn)

    def close(self) -> None:
        """Closes the connection, once whoever uses it is done."""
        with suppress(Exception), self.alone():
            self._drop()

    def forked(self) -> None:
        """Tells that this is the copy of a parent's writer: what is open in it is the parent's to end."""
        self._parents = True

    def _take(self, turn: _Turn) -> None:
        deadline = time.monotonic() + self._wait_s()
        with self._lock:
            if self._taken() and self._turn is not None and self._turn.thread == turn.thread:
                raise RuntimeError("a write inside another write of the same thread would wait for itself")
            self._waiting.add(turn)
            while self._taken():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise self._locked()
                self._door.wait(min(left, UNATTENDED_S))  # who is gone wakes nobody
            self._turn = turn
            self._waiting.discard(turn)

    def _taken(self) -> bool:
        return self._turn is not None and not self._turn.gone

    def _awaited(self) -> bool:
        """Whether somebody waits who will come."""
        return not all(turn.gone for turn in tuple(self._waiting))

    def _join(self, durable: bool, alone: bool) -> tuple[_Batch, sa.Connection]:
        batch = self._batch
        if batch is not None and (alone or not _is_whole(batch) or (durable and not batch.durable)):
            self._end()  # how it is flushed was settled when it began
        connection, driver = self._opened()
        batch = self._batch
        if batch is None:
            batch = self._batch = _Batch(durable=durable, most=1 if alone else BATCH_MOST)
            batch.open = True  # before it begins: whoever leaves ends it, however far it came
            try:
                self._begin(connection, durable)
                connection.begin()
            except BaseException:
                self._drop()
                raise
        else:
            batch.open = True
            driver.execute("SAVEPOINT member")
        batch.members += 1
        return batch, connection

    def _opened(self) -> tuple[sa.Connection, sqlite3.Connection]:
        if self._batch is None and self._connection is not None and self._connection.in_transaction():
            self._drop()  # whoever ended it was interrupted before SQLAlchemy had noted it
        if self._connection is None or self._driver is None:
            self._connection = self._connect()
            self._driver = self._connection.connection.driver_connection
        if self._driver is None:
            raise sqlite3.OperationalError("no connection")
        return self._connection, self._driver

    def _keep(self, batch: _Batch) -> None:
        if self._parents:
            raise RuntimeError("this process was forked in the midst of a write, which is its parent's to end")
        driver = self._driver
        if driver is None or not driver.in_transaction:  # SQLite undid all, and nobody noticed
            raise sqlite3.OperationalError(GIVEN_UP)
        if batch.members > 1:
            driver.execute("RELEASE member")
        batch.open = False

    def _undo(self, batch: _Batch, error: BaseException) -> None:
        """Undoes what this one wrote. What cannot be undone alone, because nobody else wrote or because SQLite gave the
        whole transaction up, stays open, and all of it is undone where it ends.
        """
        if batch.members > 1 and self._driver is not None:
            try:
                self._driver.execute("ROLLBACK TO member")
                self._driver.execute("RELEASE member")
                batch.open = False
            except sqlite3.Error:
                batch.error = _words(error)

    def _give_back(self, turn: _Turn) -> None:
        """Leaves, again and again where an interrupt comes in between; it goes on when the turn is somebody else's."""
        interrupt: BaseException | None = None
        for _ in range(LEAVES_MOST):
            try:
                self._leave(turn)
            except BaseException as error:
                interrupt = error
            else:
                break
        if interrupt is not None:
            raise interrupt

    def _leave(self, turn: _Turn) -> None:
        """Leaves the transaction open where somebody waits who may join it; else ends it. The next one's turn comes,
        also where this one was called and interrupted before it began.
        """
        if turn.over:
            return
        if self._turn is turn and self._batch is not None and not self._may_be_joined(self._batch):
            self._end()
        with self._lock:
            self._waiting.discard(turn)
            if self._turn is turn:
                self._turn = None
            if self._turn is None:
                self._door.notify()
            turn.over = True

    def _may_be_joined(self, batch: _Batch) -> bool:
        if not self._awaited() or not _is_whole(batch):
            return False
        return batch.members < batch.most and time.monotonic() - batch.began < BATCH_S

    def _end(self) -> None:
        """Commits what is open, or undoes it where somebody's writes are neither kept nor undone, and tells those who
        wait for it. Called by whoever has the turn; once more where it was interrupted.
        """
        batch = self._batch
        if batch is None or self._parents:
            return
        if not batch.over.is_set():
            self._settle(batch)
            batch.over.set()
        self._batch = None

    def _settle(self, batch: _Batch) -> None:
        connection, driver = self._connection, self._driver
        if batch.stands or connection is None or driver is None:
            return
        try:
            if batch.open:
                driver.rollback()
                connection.rollback()  # SQLAlchemy's notes, here and below
            else:
                batch.committing = True
                driver.commit()
                batch.stands = True
                connection.commit()
        except BaseException as trouble:
            interrupted = not isinstance(trouble, Exception)
            if interrupted and batch.committing and not batch.stands:
                batch.stands = not driver.in_transaction  # before the commit, or behind it
            batch.error = batch.error or _words(trouble)
            self._drop()
            if interrupted:
                raise

    def _await(self, batch: _Batch, mine: _Turn) -> None:
        while not batch.over.wait(UNATTENDED_S):
            turn = mine.beside()
            try:
                with self._lock:
                    if not self._taken() and not self._awaited():
                        self._turn = turn  # whoever was to come has been interrupted
            finally:
                try:
                    self._give_back(turn)
                finally:
                    self._give_back(turn)
        if not batch.stands:
            raise sqlite3.OperationalError(batch.error or GIVEN_UP)

    def _drop(self) -> None:
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            with suppress(Exception):
                connection.close()


def _is_whole(batch: _Batch) -> bool:
    """Whether all that was written in it is kept or undone, and it goes on."""
    return not batch.open and not batch.committing and not batch.over.is_set()


def _words(error: BaseException) -> str:
    """What may be told to others of the transaction: the driver's words hold no values, anybody else's might."""
    cause = getattr(error, "orig", error)
    return str(cause) if isinstance(cause, sqlite3.Error) else GIVEN_UP
