"""SQLite, in a file or in memory: one writer at a time, whatever it names."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.pool import NullPool, StaticPool

from agent_guard.databases.port import UNCOMMITTED
from agent_guard.databases.query import RUNNER, refused
from agent_guard.databases.writer import Writer
from agent_guard.errors import StoreError

__all__ = ["SQLite"]

T = TypeVar("T")

IDLE_MOST = 8
"""How many readers' connections are kept."""

_ADVICE = {
    "readonly": "make the file and its folder writable for this user",
    "unable to open": "check that the folder exists and is writable for this user",
    "not a database": "it is another kind of file; choose another path",
    "malformed": "restore it from a copy",
    "locked": "find the process that holds it",
    "full": "free some disk space",
    "given up": "try again",
}


class SQLite:
    """One SQLite database; see :class:`agent_guard.databases.port.Database`."""

    errors: type[Exception] = sqlite3.Error

    def __init__(self, url: sa.URL, *, lock_wait_s: float) -> None:
        self._url = url
        self._lock_wait_s = lock_wait_s
        self._memory = url.database in (None, "", ":memory:")
        self._turn: AbstractContextManager[object] = threading.RLock() if self._memory else nullcontext()
        self._file: tuple[int, int] | None = None
        arguments = {"check_same_thread": False, "isolation_level": None, "timeout": 0}
        if self._memory:
            self._engine = sa.create_engine(
                "sqlite://", connect_args=arguments, poolclass=StaticPool, hide_parameters=True
            )
        else:
            self._engine = sa.create_engine(url, connect_args=arguments, poolclass=NullPool, hide_parameters=True)
        sa.event.listen(self._engine, "connect", _connected)
        self._closed = False
        self._parents: list[object] = []
        self._begin()

    def _begin(self) -> None:
        self._idle: deque[sa.Connection] = deque()
        """Readers' connections that nobody uses: SQLAlchemy's pool takes as long as a short query does."""
        self._writer = Writer(self._engine.connect, self._write, wait_s=lambda: self._lock_wait_s, locked=self._locked)

    @property
    def name(self) -> str:
        """The url."""
        return self._url.render_as_string(hide_password=True)

    @property
    def path(self) -> Path | None:
        """The file, or None in memory."""
        return None if self._memory else Path(str(self._url.database))

    @property
    def key_file(self) -> Path | None:
        """Beside the file."""
        return None if self._memory else Path(f"{self._url.database}.key")

    def prepare(self) -> None:
        """Refuses a missing folder, and turns the write-ahead log on: readers then wait for nobody."""
        if self.path is not None and not self.path.parent.is_dir():
            raise StoreError(f"the folder of the database {self.path} does not exist; make it first")
        with self._turn:
            connection = self._reader()
            try:
                self._patiently(connection, "PRAGMA journal_mode=WAL")
            finally:  # kept: the last one to be closed locks the file for a moment
                self._give_back(connection, self._idle)
        self._file = self._identity()

    def _reader(self) -> sa.Connection:
        """A connection for reading. In WAL mode it waits for nobody, but for those who open or close the file."""
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._engine.connect()
            _driver(connection).execute(f"PRAGMA busy_timeout={int(1000 * self._lock_wait_s)}")
            return connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """``BEGIN``."""
        self._look()
        with self._turn:
            idle = self._idle
            connection = self._reader()
            if self._memory and _driver(connection).in_transaction:  # there is one connection
                idle.append(connection)
                raise RuntimeError("a database in memory cannot be read inside a transaction of the same thread")
            try:
                _driver(connection).execute("BEGIN")
                connection.info[UNCOMMITTED] = set()
                yield connection
            finally:
                self._give_back(connection, idle)

    def ask(self, question: Callable[[sa.Connection], T]) -> T:
        """Without ``BEGIN``: one SELECT sees one state by itself."""
        if self._memory:  # its one connection may be inside a transaction
            with self.reading() as connection:
                return question(connection)
        self._look()
        idle, connection = self._idle, self._reader()
        try:
            return question(connection)
        finally:
            self._give_back(connection, idle)

    def _give_back(self, connection: sa.Connection, idle: deque[sa.Connection]) -> None:
        if idle is not self._idle:
            idle.append(connection)  # this process was forked meanwhile: it is the parent's, as those beside it
            return
        try:
            connection.rollback()
            _driver(connection).rollback()
        except Exception:  # it could not end: the next reader gets another one
            connection.close()
            return
        if self._closed or len(idle) >= IDLE_MOST:
            connection.close()
        else:
            idle.append(connection)

    @contextmanager
    def writing(
        self,
        locks: Collection[str],  # noqa: ARG002 - one writer
        *,
        durable: bool,
        alone: bool = False,
    ) -> Iterator[sa.Connection]:
        """``BEGIN IMMEDIATE``, flushed with ``synchronous=FULL`` where it is durable; shared by those of this process
        who write at the same time, see :mod:`agent_guard.databases.writer`.
        """
        self._look()
        with self._turn, self._writer.writing(durable=durable, alone=alone) as connection:
            yield connection

    def _write(self, connection: sa.Connection, durable: bool) -> None:
        _driver(connection).execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        self._patiently(connection, "BEGIN IMMEDIATE")
        connection.info[UNCOMMITTED] = set()

    def _look(self) -> None:
        """Refuses to go on with a file that lost its name: SQLite would write to it, and nobody would find it again.
        Source: https://www.sqlite.org/howtocorrupt.html, section 4.2.
        """
        if self._file is not None and self._identity() != self._file:
            raise StoreError(
                f"the file of the database {self.name} was removed or replaced while it was open; put the file back "
                "that was there, with its -wal, and start again"
            )

    def _identity(self) -> tuple[int, int] | None:
        """Which file stands under the name, or None where none can be looked at."""
        if self._memory:
            return None
        try:
            found = os.stat(self._url.database or "")  # noqa: PTH116 - asked at each transaction; a Path takes thrice as long
        except OSError:  # gone, or its folder is: no other error may come out of a transaction
            return None
        return found.st_dev, found.st_ino

    def _locked(self) -> StoreError:
        return StoreError(
            f"the database {self.name} was locked for {self._lock_wait_s:g} seconds; "
            "find the process that holds it, or use one with fewer writers"
        )

    def _patiently(self, connection: sa.Connection, statement: str) -> None:
        # SQLite's own busy handler backs off and starves a writer under load; short random sleeps do not
        driver = _driver(connection)
        deadline = time.monotonic() + self._lock_wait_s
        while True:
            try:
                driver.execute(statement)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) and "busy" not in str(error):
                    raise
                if time.monotonic() > deadline:
                    raise self._locked() from None
                time.sleep(random.uniform(0.0002, 0.002))  # noqa: S311 - no secret
            else:
                return

    def told(self, error: Exception) -> Exception | None:
        """The driver's words name the trouble and hold no values; SQLAlchemy's would repeat the parameters."""
        if isinstance(error, DBAPIError) and type(error) not in (OperationalError, DatabaseError):
            return None  # a broken constraint is the caller's to judge; a damaged file is a plain DatabaseError
        words = str(getattr(error, "orig", error))
        advice = next((text for word, text in _ADVICE.items() if word in words), "look at the database")
        return StoreError(f"the database {self.name} cannot be used: {words}; {advice}")

    def scrub(self, tables: Collection[str]) -> bool:  # noqa: ARG002 - one log for all
        """Empties the write-ahead log into the file. There the rows are zeros already (``secure_delete``). A reader
        that sees an older state keeps the log as it is.
        """
        if self._memory:
            return True
        with self._turn, self._writer.alone(), self._engine.connect() as connection:
            busy, *_ = _driver(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def forked(self) -> None:
        """A database in memory is a copy by now; of a file the parent's connections are kept, so that nothing closes
        them here. Source: https://www.sqlite.org/howtocorrupt.html, section 2.6.
        """
        self._writer.forked()
        self._parents.append((self._engine.pool, self._idle, self._writer))
        if self._memory:
            self._turn = threading.RLock()
        else:
            self._engine.dispose(close=False)
        self._begin()

    def await_writers(self, connection: sa.Connection, table: str) -> None:
        """Nothing: a transaction that may write is the only one."""

    def close(self) -> None:
        """Closes every connection; one that a reader still uses is closed when it comes back."""
        self._closed = True
        self._writer.close()
        while self._idle:
            self._idle.pop().close()
        self._engine.dispose()


class _Runner:
    """Runs statements on one connection; see :class:`agent_guard.databases.query.Runner`."""

    dialect = SQLiteDialect_pysqlite()
    remote = False

    def __init__(self, driver: sqlite3.Connection) -> None:
        self._driver = driver

    def rows(self, text: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return self._driver.execute(text, values).fetchall()

    def rows_of(self, asked: Sequence[tuple[str, Sequence[Any]]]) -> list[Sequence[Sequence[Any]]]:
        return [self.rows(text, values) for text, values in asked]

    def run(self, text: str, values: Sequence[Any]) -> int:
        try:
            return self._driver.execute(text, values).rowcount
        except sqlite3.IntegrityError as error:
            raise refused(error) from None

    def many(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            self._driver.executemany(text, rows)
        except sqlite3.IntegrityError as error:
            raise refused(error) from None


def _connected(driver: sqlite3.Connection, record: sa.pool.ConnectionPoolEntry) -> None:
    """What is deleted is overwritten with zeros. Source: https://www.sqlite.org/pragma.html#pragma_secure_delete"""
    driver.execute("PRAGMA secure_delete=ON")
    record.info[RUNNER] = _Runner(driver)


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    """The driver's own connection: what begins a transaction needs none of SQLAlchemy's bookkeeping."""
    return connection.connection.driver_connection  # type: ignore[return-value]
