"""An engine for the embedded CRM: bounded waits, SQLite in WAL mode, no parameter ever in an error's text."""

from __future__ import annotations

from math import ceil
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from agent_guard.errors import ConfigError

__all__ = ["DIALECTS", "WRITE", "open_engine"]

DIALECTS = ("sqlite", "postgresql")
MAX_CONNECTIONS = 20

WRITE = "agent_guard_crm_write"
"""Execution option of a connection whose transaction will write."""


def open_engine(url: str, wait_s: float) -> Engine:
    """Makes the engine; no connection is opened yet.

    Args:
        url: ``sqlite:`` or ``postgresql+driver:``; see ``SqlCRM``.
        wait_s: longest wait for a lock, and again for a free connection, in seconds. For a server's first answer, and
            for its machine to acknowledge a request, it is at least two: libpq counts whole seconds, and one of them
            may be nearly over.

    Raises:
        ConfigError: the url is not a SQLite or PostgreSQL address, or its driver is not installed.
    """
    server_s = max(2, ceil(wait_s))
    in_memory = url in ("sqlite://", "sqlite:///:memory:")
    options: dict[str, Any] = {
        "poolclass": QueuePool,
        # One connection is the whole in-memory database: everybody takes turns on it.
        "pool_size": 1 if in_memory else MAX_CONNECTIONS,
        "max_overflow": 0,
        "pool_timeout": wait_s,
    }
    if url.startswith("sqlite:"):
        options["connect_args"] = {"timeout": wait_s, "check_same_thread": False, "isolation_level": None}
    if url.startswith("postgresql+psycopg:"):
        # a network that is gone is noticed as fast as a server that does not answer, not after the kernel's quarter of
        # an hour
        options["connect_args"] = {"connect_timeout": server_s, "tcp_user_timeout": 1000 * server_s}
    try:
        engine = create_engine(url, hide_parameters=True, **options)
    except (ArgumentError, NoSuchModuleError, ImportError):
        # The driver's own message may repeat the url, and with it a password.
        raise ConfigError(
            "the CRM's url is not a usable database address; write sqlite:///crm.db, or install the driver it names"
        ) from None
    if engine.dialect.name not in DIALECTS:
        raise ConfigError(f"the CRM's database is SQLite or PostgreSQL, not {engine.dialect.name}")
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    else:
        event.listen(engine, "connect", lambda connection, _: _wait_at_most(connection, wait_s))
    return engine


def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _wait_at_most(connection: Any, wait_s: float) -> None:
    # whoever waits for a lock without end is cut off by the tool's time-out, and then nobody knows what was written
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {max(1, int(wait_s * 1000))}")
    connection.commit()


def _begin(connection: Connection) -> None:
    # The driver begins nothing by itself (isolation_level None). A write takes the lock at once: a transaction that
    # read first and then asked for it would be refused as soon as somebody else had written in between.
    write = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
