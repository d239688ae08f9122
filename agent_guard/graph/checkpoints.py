"""LangGraph's checkpoints in a database that the guard opens: SQLite or PostgreSQL, by url."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

from langgraph.checkpoint.base import BaseCheckpointSaver

from agent_guard.databases.postgres import lock_number, meaning
from agent_guard.errors import ConfigError, StoreError
from agent_guard.runtime.workers import after_fork

__all__ = ["Checkpoints", "explained"]

WAIT_S = 5.0
"""How long a server, a connection and a lock are waited for, in seconds."""

GIVE_UP_S = 1.0
"""How long the pool tries by itself to reach a server that went, in seconds: its pauses double, and whoever asks while
one lasts waits for its end, although the server may be back. After this each who asks tries at once.
"""

STATEMENT_S = 30.0
"""How long one statement may take, in seconds."""

CONNECTIONS = 2
"""LangGraph's saver uses one at a time; the other one takes its place at once where the server has dropped it."""

_SETUP = lock_number("checkpoints")


class Checkpoints:
    """An open checkpoint database; ``saver`` is LangGraph's. In a forked process it has connections of its own.

    Args:
        url: ``sqlite:///threads.db`` or ``postgresql://user:password@host/database``; the guard's own database will do.

    Raises:
        ConfigError: it is no such url, or LangGraph's package for it is not installed.
        StoreError: the database cannot be used.
    """

    def __init__(self, url: str) -> None:
        self.saver: Any
        self._connect: Callable[[], Any]
        scheme, _, rest = url.partition("://")
        with explained():
            if scheme == "sqlite" and rest.startswith("/") and rest != "/":
                self.saver, self._connect = _in_file(rest.removeprefix("/"))
            elif scheme in ("postgresql", "postgresql+psycopg") and rest.partition("/")[2]:
                self.saver, self._connect = _on_server(f"postgresql://{rest}")
            else:
                shown = repr(url) if "@" not in url else f"a url of {scheme}"
                raise ConfigError(
                    f"{shown} is no checkpoint database; write e.g. 'sqlite:///threads.db' or "
                    "'postgresql://user@host/guard'"
                )
        _OPENED.add(self)

    def close(self) -> None:
        """Closes it."""
        _OPENED.discard(self)
        self.saver.conn.close()

    def forked(self) -> None:
        """Tells that this process was forked: the parent's connections are left alone, and kept, so that nothing closes
        them in its name.
        """
        self._parents = self.saver.conn
        self.saver.conn, self.saver.lock = self._connect(), threading.Lock()


_OPENED: WeakSet[Checkpoints] = WeakSet()


def _forked() -> None:
    for opened in list(_OPENED):
        opened.forked()


after_fork(_forked)


def _in_file(path: str) -> tuple[BaseCheckpointSaver[Any], Callable[[], Any]]:
    try:
        from langgraph.checkpoint.sqlite import SqliteSaver
    except ImportError:
        raise ConfigError("checkpoints in SQLite need: pip install 'langgraph-agent-guard[sqlite]'") from None
    if not Path(path).parent.is_dir():
        raise ConfigError(f"the folder of {path} does not exist; make it first")

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, check_same_thread=False)
        # the guard's claim is flushed; a checkpoint that a power cut forgets costs a question asked twice
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    connection = connect()
    try:
        _patiently(lambda: connection.execute("PRAGMA journal_mode=WAL"))
        saver = SqliteSaver(connection)
        _patiently(saver.setup)
    except BaseException:
        connection.close()
        raise
    return saver, connect


def _patiently(work: Callable[[], object]) -> None:
    """Waits for others that make the file in the same moment: SQLite itself waits for no change of the journal mode."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            work()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.001)
        else:
            return


def _on_server(url: str) -> tuple[BaseCheckpointSaver[Any], Callable[[], Any]]:
    try:
        import psycopg
        from langgraph.checkpoint.postgres import PostgresSaver
        from psycopg.rows import dict_row
        from psycopg_pool import ConnectionPool
    except ImportError:
        raise ConfigError("checkpoints in PostgreSQL need: pip install 'langgraph-agent-guard[postgres]'") from None

    class Pool(ConnectionPool):
        """Opened at its first use: a process that was just forked asks no server for anything."""

        def connection(self, timeout: float | None = None) -> Any:
            self.open()
            return super().connection(timeout)

    options: dict[str, Any] = {
        "autocommit": True,
        "prepare_threshold": 0,
        "row_factory": dict_row,
        "connect_timeout": int(WAIT_S),
        "tcp_user_timeout": int(1000 * STATEMENT_S),
    }
    with psycopg.connect(url, **options) as connection:  # a pool would not say why it cannot connect
        _set_up(connection, PostgresSaver(connection))

    def pool() -> Any:
        return Pool(
            url,
            min_size=1,
            max_size=CONNECTIONS,
            timeout=WAIT_S,
            reconnect_timeout=GIVE_UP_S,
            kwargs=options,
            configure=_bounded,
            check=Pool.check_connection,  # one that the server has dropped is replaced before anything is asked
            open=False,
        )

    return PostgresSaver(pool()), pool


def _bounded(connection: Any) -> None:
    """Nothing waits for ever."""
    connection.execute(f"SET lock_timeout = {int(1000 * WAIT_S)}")
    connection.execute(f"SET statement_timeout = {int(1000 * STATEMENT_S)}")


def _set_up(connection: Any, saver: Any) -> None:
    """Makes LangGraph's tables, one process at a time. It builds indexes concurrently, which waits for everybody who is
    inside a statement, so whoever waits for a turn asks again and again and stands in none.
    """
    deadline = time.monotonic() + STATEMENT_S
    while not connection.execute(f"SELECT pg_try_advisory_lock({_SETUP}) AS mine").fetchone()["mine"]:
        if time.monotonic() > deadline:
            raise StoreError("another process is still making the tables of the checkpoints; try again later")
        time.sleep(0.05)
    saver.setup()  # the lock ends with the connection


@contextmanager
def explained() -> Iterator[None]:
    """Names a checkpoint database that cannot be used; nothing of it is lost, and running again does nothing twice.

    Raises:
        StoreError: of an error of either driver.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"the checkpoint database cannot be used: {error}; make it writable, or free it from another process"
        ) from None
    except Exception as error:
        psycopg = sys.modules.get("psycopg")  # who has not loaded it has no error of it
        if psycopg is None or not isinstance(error, psycopg.Error):
            raise
        raise StoreError(f"the checkpoint database cannot be used: {meaning(error)}") from None
