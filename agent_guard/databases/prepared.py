"""Statements on PostgreSQL without a cursor: each is prepared once a connection, and sent by its name.

A cursor of psycopg does much for statements of any kind and costs three times what libpq takes for a row by its key.
What is here are its wrapper of libpq (https://www.psycopg.org/psycopg3/docs/api/pq.html) and what reads its results.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import generators, pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result

__all__ = ["Prepared", "sent"]


class Prepared:
    """Runs statements on one connection; see :class:`agent_guard.databases.query.Runner`.

    Whoever interrupts a statement (Ctrl-C) is heard when it is over, which the time-outs of the connection bound.

    Args:
        dialect: one whose parameters are ``$1``, ``$2`` and so on.
    """

    refused: type[Exception] = psycopg.IntegrityError

    def __init__(self, driver: psycopg.Connection[Any], dialect: sa.Dialect) -> None:
        self.dialect = dialect
        self._driver = driver
        self._wire = driver.pgconn
        self._names: dict[str, bytes] = {}
        self._numbers = count()
        self._reader = Transformer(driver)

    def rows(self, text: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """Every row of a SELECT."""
        result = self._run(text, values)
        self._reader.set_pgresult(result)
        return self._reader.load_rows(0, result.ntuples, tuple)

    def run(self, text: str, values: Sequence[Any]) -> int:
        """Runs an INSERT, UPDATE or DELETE, and returns how many rows it changed."""
        return self._run(text, values).command_tuples or 0

    def _run(self, text: str, values: Sequence[Any]) -> pq.abc.PGresult:
        name = self._names.get(text) or self._prepare(text)
        return self._good(self._wire.exec_prepared(name, *sent(values)))

    def many(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        """In one round trip. What interrupts it closes the connection: an answer could be taken for another's."""
        if len(rows) == 1:
            self._run(text, rows[0])
            return
        name, given = self._names.get(text) or self._prepare(text), [sent(values) for values in rows]
        try:
            self._wire.enter_pipeline_mode()
            for data, formats in given:
                self._wire.send_query_prepared(name, data, formats)
            self._wire.pipeline_sync()
            self._driver.wait(generators.send(self._wire))
            results = [self._answer() for _ in rows]
            self._driver.wait(generators.fetch(self._wire))  # of the sync
            self._wire.exit_pipeline_mode()
        except BaseException:
            self._driver.close()
            raise
        for result in results:
            self._good(result)

    def begin(self, text: str) -> None:
        """Begins a transaction in these words."""
        self._good(self._wire.exec_(text.encode()))

    def commit(self) -> None:
        """Commits it.

        Raises:
            InFailedSqlTransaction: a statement had failed and nobody noticed, so the server has undone all.
        """
        if self._good(self._wire.exec_(b"COMMIT")).command_status == b"ROLLBACK":
            raise psycopg.errors.InFailedSqlTransaction("a statement had failed before the commit")

    def _answer(self) -> pq.abc.PGresult:
        # libpq's wrapper would wait with the interpreter's lock held, so psycopg waits before it is called
        result: pq.abc.PGresult | None = self._driver.wait(generators.fetch(self._wire))
        if result is None or self._driver.wait(generators.fetch(self._wire)) is not None:
            raise psycopg.OperationalError("the server does not answer")
        return result

    def _good(self, result: pq.abc.PGresult) -> pq.abc.PGresult:
        if result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            return result
        error = error_from_result(result)
        if error.diag.severity_nonlocalized != "ERROR":  # the server's last words, or libpq's own: it has gone
            self._driver.close()
        raise error

    def _prepare(self, text: str) -> bytes:
        name = b"agent_guard_%d" % next(self._numbers)
        self._good(self._wire.prepare(name, text.encode()))
        self._names[text] = name
        return name


def sent(values: Sequence[Any]) -> tuple[list[Any], list[bool]]:
    """Values as they are sent, and which of them are binary. PostgreSQL refuses the character NUL in a text: it is
    written as U+FFFD.

    Raises:
        TypeError: a value is of no type that the guard's tables have.
    """
    return [_sent(value) for value in values], [isinstance(value, bytes) for value in values]


def _sent(value: Any) -> bytes | None:
    if isinstance(value, str):
        return (value.replace("\0", "\ufffd") if "\0" in value else value).encode()
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, int):
        return b"%d" % value
    raise TypeError(f"a {type(value).__name__} is no value of the guard's tables")
