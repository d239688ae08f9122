"""The kinds of database that the guard can live in: one file each, and the choice by url.

``locks`` names what a write is alone on, ``query`` runs the statements of every call.
"""

from __future__ import annotations

from weakref import WeakSet

import sqlalchemy as sa

from agent_guard.databases.port import Database
from agent_guard.databases.sqlite import SQLite
from agent_guard.errors import ConfigError
from agent_guard.runtime.workers import after_fork

__all__ = ["EXAMPLES", "Database", "database_of"]

EXAMPLES = "'sqlite:///guard.db' or 'postgresql+psycopg://user@host/guard'"


def database_of(url: str, *, lock_wait_s: float) -> Database:
    """The database that a url names; nothing is connected yet.

    Raises:
        ConfigError: it is no url, names another kind of database, or the kind's package is not installed. A password
            is not repeated.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        shown = repr(url) if "@" not in url else "what was given"
        raise ConfigError(f"{shown} is not a database url; write e.g. {EXAMPLES}") from None
    match parsed.drivername:
        case "sqlite" | "sqlite+pysqlite":
            return _known(SQLite(parsed, lock_wait_s=lock_wait_s))
        case "postgresql" | "postgresql+psycopg":
            from agent_guard.databases.postgres import Postgres

            return _known(Postgres(parsed, lock_wait_s=lock_wait_s))
        case other:
            raise ConfigError(f"the database {other!r} is not supported by this release; write e.g. {EXAMPLES}")


_KNOWN: WeakSet[Database] = WeakSet()


def _known(database: Database) -> Database:
    _KNOWN.add(database)
    return database


def _forked() -> None:
    for database in list(_KNOWN):
        database.forked()


after_fork(_forked)
