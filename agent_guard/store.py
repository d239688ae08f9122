"""One database behind every table of the guard: transactions, and the schema's revision. No queries.

A write transaction is alone on what it names (``agent_guard.databases.locks``): what it reads is what it changes.
SQLite in WAL mode has one writer at a time, whatever it names; PostgreSQL lets writers pass that name nothing in
common.

A durable write is on disk before it returns. The one that claims a call is, because a claim that is forgotten is a call
done twice. Other writes survive a crash of the process that made them. What may forget the last moments of them is a
power cut with SQLite (``synchronous=NORMAL``), and a crash of the server with PostgreSQL (``synchronous_commit=off``,
about half a second); a later durable write to the same database keeps all that came before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from agent_guard.databases import database_of
from agent_guard.databases.locks import SCHEMA
from agent_guard.databases.port import Database
from agent_guard.errors import AgentGuardError, StoreError

__all__ = ["LOCK_WAIT_S", "REVISION", "VERSION_TABLE", "Store", "metadata"]

T = TypeVar("T")

metadata = sa.MetaData()
"""Every table of the guard; ``agent_guard.schema`` imports all owners."""

REVISION = "0005"
"""The migration this code was written for."""

VERSION_TABLE = "agent_guard_version"
_AFTER = "agent_guard.after"
LOCK_WAIT_S = 5.0
"""How long a transaction waits for its turn, in seconds, before it gives up."""


class Store:
    """The database of one gateway.

    Args:
        url: ``sqlite:///path.db``, or ``sqlite://`` for one that lives and dies with this object, or
            ``postgresql+psycopg://user:password@host/database``.
        lock_wait_s: how long to wait for another writer, and for a server to answer, in seconds.

    Raises:
        ConfigError: the url is not readable or names another kind of database.
    """

    def __init__(self, url: str, *, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self._database = database_of(url, lock_wait_s=lock_wait_s)
        self._explained = _Explained(self._database)

    @property
    def path(self) -> Path | None:
        """The database's file, or None for one in memory or on a server."""
        return self._database.path

    @property
    def key_file(self) -> Path | None:
        """Where a master key lies that is made on first use; None for a database in memory."""
        return self._database.key_file

    @property
    def name(self) -> str:
        """The database without a password, for messages."""
        return self._database.name

    def open(self) -> None:
        """Creates the schema in an empty database and refuses a database of another revision.

        Raises:
            StoreError: it cannot be opened or written, or its revision is not this code's; the message says what to
                do.
        """
        try:
            self._ready()
        except BaseException:
            self.close()  # nobody else will
            raise

    def _ready(self) -> None:
        with self._explained:
            self._database.prepare()
        found = self.revision()
        if found is None:
            self._create()
            found = self.revision()
        if found != REVISION:
            newer = found is not None and found > REVISION
            advice = "make a copy of it and run 'agent-guard db upgrade'"
            raise StoreError(
                f"the database {self.name} has the revision {found}, this release needs {REVISION}; "
                f"{'a newer release wrote it: use that one' if newer else advice}"
            )

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

    def found(self) -> str | None:
        """As :meth:`revision`, of what is there already: looking for a file makes none."""
        return None if self.path is not None and not self.path.is_file() else self.revision()

    def _create(self) -> None:
        with self.write(durable=True, locks=[SCHEMA]) as connection:
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
            RuntimeError: the database is in memory, and this thread is inside another transaction.
        """
        with self._explained, self._database.reading() as connection:
            yield connection

    def ask(self, question: Callable[[sa.Connection], T]) -> T:
        """The answer to a question that is one SELECT of ``agent_guard.databases.query``; on a server it needs no
        transaction.

        Args:
            question: asked again where a server has dropped the connection before it answered.

        Raises:
            StoreError: the database cannot be used; nothing was read.
            RuntimeError: as :meth:`read`.
        """
        with self._explained:
            return self._database.ask(question)

    @contextmanager
    def write(self, *, locks: Collection[str], durable: bool = False, alone: bool = False) -> Iterator[sa.Connection]:
        """A transaction that is alone in writing what it names; committed at the end, undone by any exception.

        Args:
            locks: what it reads in order to change it, by the names of ``agent_guard.databases.locks``.
            durable: wait until it is on disk, so that nothing can forget it.
            alone: it takes long or writes much; with SQLite others of this process do not share the transaction then,
                so they neither wait for it nor lose their writes with it.

        Raises:
            StoreError: another writer held a lock longer than ``lock_wait_s``, or the database cannot be used. Nothing
                was written, unless a server was lost in the very moment of the commit: then all of it was, or nothing.
            KeyboardInterrupt: and the like; nothing was written, unless it came during the commit: then all of it was,
                or nothing.
            RuntimeError: with SQLite, this thread is inside another write; nothing was written.
            ValueError: no lock is named.
        """
        if not locks or isinstance(locks, str):
            raise ValueError("a write names what it must be alone on, as a list; see agent_guard.databases.locks")
        later: list[Callable[[bool], object]] = []
        committed = False
        try:
            with self._explained, self._database.writing(locks, durable=durable, alone=alone) as connection:
                connection.info[_AFTER] = later
                yield connection
            committed = True
        finally:
            for call in later:
                call(committed)

    def after(self, connection: sa.Connection, call: Callable[[bool], object]) -> None:
        """Notes what is called when the write transaction of this connection has ended, with whether it was committed.
        It must not raise.
        """
        connection.info[_AFTER].append(call)

    def await_writers(self, connection: sa.Connection, table: str) -> None:
        """Waits, in a write transaction, until every transaction that has written to a table and is not over is over;
        whoever writes to it from now on waits for the end of this one.
        """
        self._database.await_writers(connection, table)

    def scrub(self, tables: Collection[str]) -> bool:
        """Overwrites what deleted rows of these tables left in the database's files, as far as it can; false where
        somebody was in the way. Of copies and of a server's own logs it knows nothing.

        Raises:
            StoreError: the database cannot be used.
        """
        with self._explained:
            return self._database.scrub(tables)

    def close(self) -> None:
        """Closes every connection; the object cannot be used afterwards."""
        self._database.close()


class _Explained:
    """Raises what a database's own errors mean instead of them, where it can be said."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PoolTimeout):
            raise StoreError(f"the database {self._database.name} cannot be used: {error}; use fewer threads") from None
        if isinstance(error, UnicodeEncodeError):
            words = "a text holds half of a letter (bytes that are no UTF-8), which no database takes"
            raise AgentGuardError(f"{words}; nothing was changed") from None
        if isinstance(error, (DBAPIError, self._database.errors)) and (told := self._database.told(error)):
            raise told from None
