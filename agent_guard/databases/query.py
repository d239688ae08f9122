"""Statements that run at every call: built once by SQLAlchemy, run on the driver.

SQLAlchemy's own execution costs ten times what the driver takes for a row by its key; a decision asks eight of them,
and a call that runs writes a dozen rows.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import visitors

__all__ = ["AHEAD", "RUNNER", "Asked", "Command", "Query", "Runner", "ahead", "refused"]

RUNNER = "agent_guard.runner"
"""In a connection's ``info``: what runs statements on it. A database puts it there when it connects."""

AHEAD = "agent_guard.ahead"
"""In a connection's ``info``: the answers that were read ahead in this transaction. A database takes them away when
the transaction is over.
"""


class Runner(Protocol):
    """Runs statements on one connection of a driver. Everything raises the driver's own errors, but for a row that a
    constraint refuses: that is :func:`refused`.
    """

    dialect: sa.Dialect
    """How statements are worded for it: their parameters have no names, but an order."""

    remote: bool
    """Whether each question is a round trip to a server."""

    def rows(self, text: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """Every row of a SELECT."""
        ...

    def rows_of(self, asked: Sequence[tuple[str, Sequence[Any]]]) -> list[Sequence[Sequence[Any]]]:
        """Every row of each of several SELECTs, on a server in one round trip."""
        ...

    def run(self, text: str, values: Sequence[Any]) -> int:
        """Runs an INSERT, UPDATE or DELETE, and returns how many rows it changed."""
        ...

    def many(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        """Runs one once for each row; for a server it waits, in its order, for the next statement or the commit, so
        that what a constraint refuses is told there.
        """
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

    Raises of ``all`` and ``first``: the driver's own errors, which the store's transactions explain; and what
    ``Command.many`` raises, for rows that waited.
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}
        columns = list(statement.selected_columns)
        names = [column.key or f"c{index}" for index, column in enumerate(columns)]
        row = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - its fields are the statement's
        self._row = partial(tuple.__new__, row)  # as ``row._make``, at a third of its cost
        self._flags = [index for index, column in enumerate(columns) if isinstance(column.type, sa.Boolean)]
        self.tables = frozenset(item.name for item in visitors.iterate(statement) if isinstance(item, sa.Table))

    def asked(self, given: Mapping[str, Any]) -> Asked:
        """The question that these values make of it."""
        return Asked(self, given)

    def all(self, connection: sa.Connection, given: Mapping[str, Any]) -> list[Any]:
        """Every row.

        Args:
            given: a value for each bound parameter.
        """
        info = connection.info
        runner: Runner = info[RUNNER]
        text, values = self.worded(runner, given)
        known = info.get(AHEAD)
        rows = known.get((text, *values)) if known else None
        if rows is None:
            rows = runner.rows(text, values)
        return [self._row(self._plain(row) if self._flags else row) for row in rows]

    def worded(self, runner: Runner, given: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """The statement as this runner takes it."""
        made = self._texts.get(runner.dialect.name)
        if made is None:
            made = self._texts[runner.dialect.name] = _Text(self._statement, runner.dialect)
        return made.text, made.values(given)

    def first(self, connection: sa.Connection, given: Mapping[str, Any]) -> Any:
        """The first row, or None."""
        rows = self.all(connection, given)
        return rows[0] if rows else None

    def _plain(self, row: Any) -> list[Any]:
        values = list(row)
        for index in self._flags:  # SQLite keeps yes and no as numbers
            values[index] = None if values[index] is None else bool(values[index])
        return values


class Asked(NamedTuple):
    """A query with its values."""

    query: Query
    given: Mapping[str, Any]

    def all(self, connection: sa.Connection) -> list[Any]:
        """Every row."""
        return self.query.all(connection, self.given)

    def first(self, connection: sa.Connection) -> Any:
        """The first row, or None."""
        return self.query.first(connection, self.given)


class _Ahead(dict[tuple[Any, ...], Sequence[Sequence[Any]]]):
    """Statement and values -> rows. What is written to a table forgets what was read of it."""

    def __init__(self) -> None:
        super().__init__()
        self._of: dict[str, set[tuple[Any, ...]]] = {}

    def keep(self, key: tuple[Any, ...], rows: Sequence[Sequence[Any]], tables: frozenset[str]) -> None:
        self[key] = rows
        for table in tables:
            self._of.setdefault(table, set()).add(key)

    def forget(self, table: str) -> None:
        for key in self._of.pop(table, ()):
            self.pop(key, None)


def ahead(connection: sa.Connection, questions: Callable[[], Sequence[Asked]]) -> None:
    """Reads what a write transaction is about to ask, on a server in one round trip; without one it does nothing.

    Each answer is given to whoever asks the same with the same values, until the transaction is over or writes to a
    table that the question reads. So the caller must hold the locks of what is read, as it would for asking.
    """
    info = connection.info
    runner: Runner = info[RUNNER]
    if not runner.remote:
        return
    asked = questions()
    worded = [item.query.worded(runner, item.given) for item in asked]
    known = info.setdefault(AHEAD, _Ahead())
    for item, (text, values), rows in zip(asked, worded, runner.rows_of(worded), strict=True):
        known.keep((text, *values), rows, item.query.tables)


class Command:
    """One INSERT, UPDATE or DELETE with bound parameters.

    Args:
        statement: SQLAlchemy's.

    Raises of ``run`` and ``many``: ``sqlalchemy.exc.IntegrityError`` without the values where a constraint refused a
    row, of ``many`` on a server when the next statement is sent or the transaction ends; else the driver's own errors,
    which the store's transactions explain.
    """

    def __init__(self, statement: Any) -> None:
        inserts = isinstance(statement, sa.Insert)
        self._statement = statement.inline() if inserts else statement  # nobody asks which number a row got
        self._by_columns = inserts and statement.select is None
        self._table: str = statement.table.name
        self._texts: dict[tuple[str, ...], _Text] = {}

    def run(self, connection: sa.Connection, given: Mapping[str, Any]) -> int:
        """Runs it once and returns how many rows it changed."""
        runner = self._runner(connection)
        made = self._text(runner, given)
        return runner.run(made.text, made.values(given))

    def many(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs it once for each row; all have the same keys. Nobody asks for an answer, so on a server it waits for the
        next statement or the commit and shares their round trip.
        """
        if not rows:
            return
        runner = self._runner(connection)
        made = self._text(runner, rows[0])
        runner.many(made.text, [made.values(row) for row in rows])

    def _runner(self, connection: sa.Connection) -> Runner:
        info = connection.info
        if known := info.get(AHEAD):
            known.forget(self._table)
        runner: Runner = info[RUNNER]
        return runner

    def _text(self, runner: Runner, given: Mapping[str, Any]) -> _Text:
        key = (runner.dialect.name, *(given if self._by_columns else ()))
        made = self._texts.get(key)
        if made is None:
            made = self._texts[key] = _Text(self._statement, runner.dialect, list(key[1:]) or None)
        return made


def refused(error: Exception) -> IntegrityError:
    """A driver's error of a row that a constraint refuses, without the values."""
    return IntegrityError(None, None, error, hide_parameters=True)
