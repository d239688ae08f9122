"""One database behind every table of the guard: connections, transactions and the schema's revision. No queries.

SQLite in WAL mode. A write transaction begins with ``BEGIN IMMEDIATE``, so that what it reads is what it changes; the
one that claims a call is flushed to disk before it returns, because a claim that a power cut forgets is a call done
twice. Other write transactions survive a crash of the process, and may lose the last moments in a power cut.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError, TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool

from agent_guard.errors import ConfigError, StoreError

__all__ = ["LOCK_WAIT_S", "REVISION", "VERSION_TABLE", "Store", "metadata"]

metadata = sa.MetaData()
"""Every table of the guard; ``agent_guard.schema`` imports all owners."""

REVISION = "0002"
"""The migration this code was written for."""

VERSION_TABLE = "agent_guard_version"
LOCK_WAIT_S = 5.0
"""How long a transaction waits for its turn, in seconds, before it gives up."""


class Store:
    """The database of one gateway.

    Args:
        url: ``sqlite:///path.db``, or ``sqlite://`` for one that lives and dies with this object.
        lock_wait_s: how long to wait for another writer, in seconds.

    Raises:
        ConfigError: the url is not readable or names another kind of database.
    """

    def __init__(self, url: str, *, lock_wait_s: float = LOCK_WAIT_S) -> None:
        try:
            self.url = sa.make_url(url)
        except sa.exc.ArgumentError:
            raise ConfigError(f"{url!r} is not a database url; write e.g. 'sqlite:///guard.db'") from None
        if self.url.drivername not in ("sqlite", "sqlite+pysqlite"):
            raise ConfigError(
                f"the database {self.url.drivername!r} is not supported by this release; "
                "write e.g. 'sqlite:///guard.db'"
            )
        self.memory = self.url.database in (None, "", ":memory:")
        self._lock_wait_s = lock_wait_s
        self._turn: AbstractContextManager[object] = threading.RLock() if self.memory else nullcontext()
        arguments = {"check_same_thread": False, "isolation_level": None, "timeout": 0}
        if self.memory:
            self._engine = sa.create_engine(
                "sqlite://", connect_args=arguments, poolclass=StaticPool, hide_parameters=True
            )
        else:
            self._engine = sa.create_engine(
                self.url, connect_args=arguments, pool_size=8, max_overflow=56, hide_parameters=True
            )

    @property
    def path(self) -> Path | None:
        """The database's file, or None for one in memory."""
        return None if self.memory else Path(str(self.url.database))

    def open(self) -> None:
        """Creates the schema in an empty database and refuses a database of another revision.

        Raises:
            StoreError: it cannot be opened or written, or its revision is not this code's; the message says what
                to do.
        """
        if self.path is not None and not self.path.parent.is_dir():
            raise StoreError(f"the folder of the database {self.path} does not exist; make it first")
        try:
            self._ready()
        except BaseException:
            self.close()  # nobody else will
            raise

    def _ready(self) -> None:
        with self._explained(), self._turn, self._engine.connect() as connection:
            self._patiently(connection, "PRAGMA journal_mode=WAL")
        found = self.revision()
        if found is None:
            self._create()
            found = self.revision()
        if found != REVISION:
            raise StoreError(
                f"the database {self.name} has the revision {found}, this release needs {REVISION}; "
                "make a copy of it and run 'agent-guard db upgrade'"
            )

    @property
    def name(self) -> str:
        """The database without a password, for messages."""
        return self.url.render_as_string(hide_password=True)

    def revision(self) -> str | None:
        """The revision of the schema, or None where there is no schema yet.

        Raises:
            StoreError: unreadable, or tables of these names stand there that are not the guard's.
        """
        import agent_guard.schema  # noqa: F401 - the owners put their tables into metadata

        with self.read() as connection:
            tables = set(sa.inspect(connection).get_table_names())
            if VERSION_TABLE in tables:
                query = sa.select(sa.column("version_num", sa.String)).select_from(sa.table(VERSION_TABLE))
                found = connection.execute(query).scalar()
                if found is not None:
                    return found
            strangers = sorted(tables & set(metadata.tables))
            if strangers:
                raise StoreError(
                    f"the database {self.name} has a table {strangers[0]!r} that is not the guard's; "
                    "give the guard a database of its own"
                )
            return None

    def _create(self) -> None:
        with self.write() as connection:
            if VERSION_TABLE in sa.inspect(connection).get_table_names():
                return  # another process was first
            metadata.create_all(connection)
            version = sa.Table(VERSION_TABLE, sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))
            version.create(connection)
            connection.execute(version.insert().values(version_num=REVISION))

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state and changes nothing.

        Raises:
            StoreError: the database cannot be used; nothing was read.
        """
        with self._explained(), self._turn, self._engine.connect() as connection:
            _driver(connection).execute("BEGIN")
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[sa.Connection]:
        """A transaction that is alone in writing; committed at the end, undone by any exception.

        Args:
            durable: wait until it is on disk, so that a power cut cannot forget it.

        Raises:
            StoreError: another writer held the lock longer than ``lock_wait_s``, or the database cannot be used;
                nothing was written.
        """
        with self._explained(), self._turn, self._engine.connect() as connection:
            _driver(connection).execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._patiently(connection, "BEGIN IMMEDIATE")
            connection.begin()
            yield connection
            connection.commit()

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
                    raise StoreError(
                        f"the database {self.name} was locked for {self._lock_wait_s:g} seconds; "
                        "find the process that holds it, or use one with fewer writers"
                    ) from None
                time.sleep(random.uniform(0.0002, 0.002))  # noqa: S311 - no secret
            else:
                return

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise StoreError(f"the database {self.name} cannot be used: {error}; use fewer threads") from None
        except (DBAPIError, sqlite3.Error) as error:
            if isinstance(error, DBAPIError) and type(error) not in (OperationalError, DatabaseError):
                raise  # a broken constraint is the caller's to judge; a damaged file is a plain DatabaseError
            # the driver's words name the trouble and hold no values; SQLAlchemy's would repeat the parameters
            words = str(getattr(error, "orig", error))
            advice = {
                "readonly": "make the file and its folder writable for this user",
                "unable to open": "check that the folder exists and is writable for this user",
                "not a database": "it is another kind of file; choose another path",
                "malformed": "restore it from a copy",
                "locked": "find the process that holds it",
                "full": "free some disk space",
            }
            found = next((text for word, text in advice.items() if word in words), "look at the database")
            raise StoreError(f"the database {self.name} cannot be used: {words}; {found}") from None

    def close(self) -> None:
        """Closes every connection; the object cannot be used afterwards."""
        self._engine.dispose()


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    """The driver's own connection: what begins a transaction needs none of SQLAlchemy's bookkeeping."""
    return connection.connection.driver_connection  # type: ignore[return-value]
