"""A statement that is read again and again: built once by SQLAlchemy, run on the driver.

SQLAlchemy's own execution costs ten times what the driver takes for a row by its key; a decision asks eight of them.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

__all__ = ["Query"]


class Query:
    """One SELECT with bound parameters. Rows are named tuples.

    Args:
        statement: SQLAlchemy's.

    Raises of ``all`` and ``first``: the driver's own errors, which the store's transactions explain.
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        columns = list(statement.selected_columns)
        names = [column.key or f"c{index}" for index, column in enumerate(columns)]
        self._row: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - its fields are the statement's
        self._flags = [index for index, column in enumerate(columns) if isinstance(column.type, sa.Boolean)]
        self._compiled: dict[str, tuple[str, list[str] | None, Mapping[str, Any]]] = {}

    def all(self, connection: sa.Connection, given: Mapping[str, Any]) -> list[Any]:
        """Every row.

        Args:
            given: a value for each bound parameter.
        """
        text, order, fixed = self._for(connection.dialect)
        values = {**fixed, **given}
        driver: Any = connection.connection.driver_connection
        cursor = driver.cursor()
        try:
            cursor.execute(text, [values[name] for name in order] if order is not None else values)
            rows = cursor.fetchall()
        finally:
            cursor.close()
        if not self._flags:
            return [self._row._make(row) for row in rows]
        return [self._row._make(self._plain(row)) for row in rows]

    def first(self, connection: sa.Connection, given: Mapping[str, Any]) -> Any:
        """The first row, or None."""
        rows = self.all(connection, given)
        return rows[0] if rows else None

    def _plain(self, row: Any) -> list[Any]:
        values = list(row)
        for index in self._flags:  # SQLite keeps yes and no as numbers
            values[index] = None if values[index] is None else bool(values[index])
        return values

    def _for(self, dialect: sa.Dialect) -> tuple[str, list[str] | None, Mapping[str, Any]]:
        made = self._compiled.get(dialect.name)
        if made is None:
            compiled = self._statement.compile(dialect=dialect)
            order = list(compiled.positiontup) if compiled.positional and compiled.positiontup is not None else None
            made = (
                compiled.string,
                order,
                {name: value for name, value in compiled.params.items() if value is not None},
            )
            self._compiled[dialect.name] = made
        return made
