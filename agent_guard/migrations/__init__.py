"""The schema's history (Alembic). A new database is made whole; an old one is brought here step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_guard.databases.locks import SCHEMA
from agent_guard.errors import StoreError

if TYPE_CHECKING:
    from alembic.config import Config

    from agent_guard.store import Store

__all__ = ["configuration", "upgrade"]


def configuration() -> Config:
    """Alembic's configuration, without a file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "agent_guard:migrations")
    return config


def upgrade(store: Store, to: str = "head") -> None:
    """Runs the missing migrations in one write transaction; an empty database gets the whole schema.

    Raises:
        StoreError: the database cannot be used, or has a revision that this release does not know.
    """
    from alembic import command
    from alembic.util import CommandError

    config = configuration()
    with store.write(durable=True, alone=True, locks=[SCHEMA]) as connection:
        if connection.dialect.name == "postgresql":  # a large table takes its time
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, to)
        except CommandError as error:
            raise StoreError(f"the database {store.name} cannot be upgraded: {error}") from None
