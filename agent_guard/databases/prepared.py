"""Statements on PostgreSQL without a cursor: each is prepared once a connection, and sent by its name.

A cursor of psycopg does much for statements of any kind and costs three times what libpq takes for a row by its key.
What is here are its wrapper of libpq (https://www.psycopg.org/psycopg3/docs/api/pq.html) and what reads its results.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import sqlalchemy as sa
from psycopg import generators, pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result

from agent_guard.databases.query import refused

if TYPE_CHECKING:
    from psycopg.abc import PQGen

__all__ = ["Prepared", "sent"]


class _Message(NamedTuple):
    """A prepared statement, its values, and which of them are binary."""

    name: bytes
    values: list[Any]
    formats: list[bool]


class Prepared:
    """Runs statements on one connection; see :class:`agent_guard.databases.query.Runner`.

    Whoever interrupts a statement (Ctrl-C) is heard when it is over, which the time-outs of the connection bound.

    Args:
        dialect: one whose parameters are ``$1``, ``$2`` and so on.
    """

    remote = True

    def __init__(self, driver: psycopg.Connection[Any], dialect: sa.Dialect) -> None:
        self.dialect = dialect
        self._driver = driver
        self._wire = driver.pgconn
        self._names: dict[str, bytes] = {}
        self._numbers = count()
        self._reader = Transformer(driver)
        self._waiting: list[_Message] = []

    def rows(self, text: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """Every row of a SELECT."""
        return self._read(self._run(text, values))

    def rows_of(self, asked: Sequence[tuple[str, Sequence[Any]]]) -> list[Sequence[Sequence[Any]]]:
        """Every row of each of several SELECTs, in one round trip."""
        results = self._together([self._message(text, values) for text, values in asked])
        return [self._read(result) for result in results]

    def run(self, text: str, values: Sequence[Any]) -> int:
        """Runs an INSERT, UPDATE or DELETE, and returns how many rows it changed."""
        return self._run(text, values).command_tuples or 0

    def many(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        """Sent with the next statement or the commit; what a constraint refuses is told there."""
        self._waiting += [self._message(text, values) for values in rows]

    def send(self) -> None:
        """Sends what waits, before somebody uses the connection in another way."""
        if self._waiting:
            self._together([])

    def forget(self) -> None:
        """Drops what waits: its transaction is undone."""
        self._waiting = []

    def begin(self, text: str) -> None:
        """Begins a transaction in these words."""
        self._waiting = []
        self._good(self._wire.exec_(text.encode()))

    def commit(self) -> None:
        """Commits it, with what waits.

        Raises:
            InFailedSqlTransaction: a statement had failed and nobody noticed, so the server has undone all.
        """
        if self._waiting:
            result = self._together([_Message(self._names.get("COMMIT") or self._prepare("COMMIT"), [], [])])[-1]
        else:
            result = self._good(self._wire.exec_(b"COMMIT"))
        if result.command_status == b"ROLLBACK":
            raise psycopg.errors.InFailedSqlTransaction("a statement had failed before the commit")

    def _run(self, text: str, values: Sequence[Any]) -> pq.abc.PGresult:
        message = self._message(text, values)
        if self._waiting:
            return self._together([message])[-1]
        return self._good(self._wire.exec_prepared(*message))

    def _message(self, text: str, values: Sequence[Any]) -> _Message:
        return _Message(self._names.get(text) or self._prepare(text), *sent(values))

    def _read(self, result: pq.abc.PGresult) -> Sequence[Sequence[Any]]:
        self._reader.set_pgresult(result)
        return self._reader.load_rows(0, result.ntuples, tuple)

    def _together(self, messages: list[_Message]) -> list[pq.abc.PGresult]:
        """Sends what waits and these, and returns the answers to these. After one that fails the server does nothing
        more, a commit included. What interrupts it closes the connection: an answer could be taken for another's.
        """
        waiting, self._waiting = self._waiting, []
        try:
            self._wire.enter_pipeline_mode()
            for message in (*waiting, *messages):
                self._wire.send_query_prepared(*message)
            self._wire.pipeline_sync()
            results = self._driver.wait(self._exchange(len(waiting) + len(messages)))
            self._wire.exit_pipeline_mode()
        except BaseException:
            self._driver.close()
            raise
        return [self._good(result) for result in results][len(waiting) :]

    def _exchange(self, answers: int) -> PQGen[list[pq.abc.PGresult]]:
        # libpq's wrapper would wait with the interpreter's lock held, so psycopg waits before it is called
        yield from generators.send(self._wire)
        results = []
        for _ in range(answers):
            result = yield from generators.fetch(self._wire)
            if result is None or (yield from generators.fetch(self._wire)) is not None:
                raise psycopg.OperationalError("the server does not answer")
            results.append(result)
        yield from generators.fetch(self._wire)  # of the sync
        return results

    def _good(self, result: pq.abc.PGresult) -> pq.abc.PGresult:
        if result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            return result
        error = error_from_result(result)
        if error.diag.severity_nonlocalized != "ERROR":  # the server's last words, or libpq's own: it has gone
            self._driver.close()
        raise refused(error) if isinstance(error, psycopg.IntegrityError) else error

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
