"""Statements that run at every call: built once by SQLAlchemy, run on the driver.

SQLAlchemy's own execution costs ten times what the driver takes for a row by its key; a decision asks eight of them,
and a call that runs writes a dozen rows.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

__all__ = ["RUNNER", "Command", "Query", "Runner"]

RUNNER = "agent_guard.runner"
"""In a connection's ``info``: what runs statements on it. A database puts it there when it connects."""


class Runner(Protocol):
    """Runs statements on one connection of a driver. Everything raises the driver's own errors."""

    dialect: sa.Dialect
    """How statements are worded for it: their parameters have no names, but an order."""

    refused: type[Exception]
    """The driver's error of a row that a constraint refuses."""

    def rows(self, text: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """Every row of a SELECT."""
        ...

    def run(self, text: str, values: Sequence[Any]) -> int:
        """Runs an INSERT, UPDATE or DELETE, and returns how many rows it changed."""
        ...

    def many(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        """Runs one once for each row, on a server in one round trip."""
        ...


class _Text:
    """One statement in the words of one kind of database.

    Args:
        columns: of an INSERT: those that are given.
    """

    def __init__(self, statement: Any, dialect: sa.Dialect, columns: Sequence[str] | None = None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        self.text: str = compiled.string
        self._order = list(compiled.positiontup)
        # a value that stands in the statement, NULL included; the others are given with each run
        self._fixed = {name: value for name, value in compiled.params.items() if not compiled.binds[name].required}

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        """The parameters in their order."""
        if self._fixed:
            given = {**self._fixed, **given}
        return [given[name] for name in self._order]


class Query:
    """One SELECT with bound parameters. Rows are named tuples.

    Args:
        statement: SQLAlchemy's.

    Raises of ``all`` and ``first``: the driver's own errors, which the store's transactions explain.
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}
        columns = list(statement.selected_columns)
        names = [column.key or f"c{index}" for index, column in enumerate(columns)]
        row = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - its fields are the statement's
        self._row = partial(tuple.__new__, row)  # as ``row._make``, at a third of its cost
        self._flags = [index for index, column in enumerate(columns) if isinstance(column.type, sa.Boolean)]

    def all(self, connection: sa.Connection, given: Mapping[str, Any]) -> list[Any]:
        """Every row.

        Args:
            given: a value for each bound parameter.
        """
        runner: Runner = connection.info[RUNNER]
        made = self._texts.get(runner.dialect.name)
        if made is None:
            made = self._texts[runner.dialect.name] = _Text(self._statement, runner.dialect)
        rows = runner.rows(made.text, made.values(given))
        return [self._row(self._plain(row) if self._flags else row) for row in rows]

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
        inserts = isinstance(statement, sa.Insert)
        self._statement = statement.inline() if inserts else statement  # nobody asks which number a row got
        self._by_columns = inserts and statement.select is None
        self._texts: dict[tuple[str, ...], _Text] = {}

    def run(self, connection: sa.Connection, given: Mapping[str, Any]) -> int:
        """Runs it once and returns how many rows it changed."""
        runner: Runner = connection.info[RUNNER]
        made = self._text(runner, given)
        try:
            return runner.run(made.text, made.values(given))
        except runner.refused as error:
            raise _without_values(made, error) from None

    def many(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs it once for each row, on a server in one round trip; all have the same keys."""
        if not rows:
            return
        runner: Runner = connection.info[RUNNER]
        made = self._text(runner, rows[0])
        try:
            runner.many(made.text, [made.values(row) for row in rows])
        except runner.refused as error:
            raise _without_values(made, error) from None

    def _text(self, runner: Runner, given: Mapping[str, Any]) -> _Text:
        key = (runner.dialect.name, *(given if self._by_columns else ()))
        made = self._texts.get(key)
        if made is None:
            made = self._texts[key] = _Text(self._statement, runner.dialect, list(key[1:]) or None)
        return made


def _without_values(made: _Text, error: Exception) -> IntegrityError:
    return IntegrityError(made.text, None, error, hide_parameters=True)
