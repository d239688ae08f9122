"""INSERT with ON CONFLICT, which both databases have and SQLAlchemy spells once for each."""

from __future__ import annotations

from sqlalchemy import Engine, Table
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["insert_into"]


def insert_into(engine: Engine, table: Table) -> sqlite.Insert | postgresql.Insert:
    """The statement of the engine's database."""
    return sqlite.insert(table) if engine.dialect.name == "sqlite" else postgresql.insert(table)
