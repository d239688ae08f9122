"""Statements that run at every call: built once by SQLAlchemy, run on the driver.

SQLAlchemy's own execution costs ten times what the driver takes for a row by its key; a decision asks eight of them,
and a call that runs writes a dozen rows.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

__all__ = ["Command", "Query"]


class _Compiled:
    """One statement in the words of each kind of database."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._texts: dict[tuple[str, ...], tuple[str, list[str] | None, Mapping[str, Any]]] = {}

    def of(self, connection: sa.Connection, *columns: str) -> tuple[str, list[str] | None, Mapping[str, Any]]:
        """The driver's text, the order of its parameters where they have no names, and the values that are fixed."""
        key = (connection.dialect.name, *columns)
        made = self._texts.get(key)
        if made is None:
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=columns or None)
            order = list(compiled.positiontup) if compiled.positional and compiled.positiontup is not None else None
            # a value that stands in the statement, NULL included; the others are given with each run
            fixed = {name: value for name, value in compiled.params.items() if not compiled.binds[name].required}
            made = self._texts[key] = (compiled.string, order, fixed)
        return made


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection


class Query:
    """One SELECT with bound parameters. Rows are named tuples.

    Args:
        statement: SQLAlchemy's.

    Raises of ``all`` and ``first``: the driver's own errors, which the store's transactions explain.
    """

    def __init__(self, statement: Any) -> None:
        self._compiled = _Compiled(statement)
        columns = list(statement.selected_columns)
        names = [column.key or f"c{index}" for index, column in enumerate(columns)]
        self._row: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - its fields are the statement's
        self._flags = [index for index, column in enumerate(columns) if isinstance(column.type, sa.Boolean)]

    def all(self, connection: sa.Connection, given: Mapping[str, Any]) -> list[Any]:
        """Every row.

        Args:
            given: a value for each bound parameter.
        """
        text, order, fixed = self._compiled.of(connection)
        values = {**fixed, **given}
        rows = (
            _driver(connection).execute(text, values if order is None else [values[name] for name in order]).fetchall()
        )
        if self._flags:
            rows = map(self._plain, rows)
        return list(map(self._row._make, rows))

    def first(self, connection: sa.Connection, given: Mapping[str, Any]) -> Any:
        """The first row, or None."""
        rows = self.all(connection, given)
        return rows[0] if rows else None

    def _plain(self, row: Any) -> list[Any]:
        values = list(row)
        for index in self._flags:  # SQLite keeps yes and no as numbers
            values[index] = None if values[index] is None else bool(values[index])
        return values


class Command:
    """One INSERT, UPDATE or DELETE with bound parameters.

    Args:
        statement: SQLAlchemy's.

    Raises of ``run`` and ``many``: ``sqlalchemy.exc.IntegrityError`` without the values where a constraint refused a
    row; else the driver's own errors, which the store's transactions explain.
    """

    def __init__(self, statement: Any) -> None:
        self._compiled = _Compiled(statement)
        self._inserts = isinstance(statement, sa.Insert)

    def run(self, connection: sa.Connection, given: Mapping[str, Any]) -> int:
        """Runs it once and returns how many rows it changed."""
        text, values = self._filled(connection, given)
        with _refused(connection, text):
            done = _driver(connection).execute(text, values)
        return int(done.rowcount)

    def many(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs it once for each row, on a server in one round trip; all have the same keys."""
        filled = [self._filled(connection, row) for row in rows]
        if filled:
            text = filled[0][0]
            with _refused(connection, text):
                _driver(connection).cursor().executemany(text, [values for _, values in filled])

    def _filled(self, connection: sa.Connection, given: Mapping[str, Any]) -> tuple[str, Any]:
        """The driver's text, and the values as it takes them."""
        text, order, fixed = self._compiled.of(connection, *(given if self._inserts else ()))
        values = {**fixed, **given}
        return text, values if order is None else [values[name] for name in order]


@contextmanager
def _refused(connection: sa.Connection, text: str) -> Iterator[None]:
    driver = connection.dialect.loaded_dbapi
    try:
        yield
    except driver.IntegrityError as error:
        raise IntegrityError(text, None, error, hide_parameters=True) from None
