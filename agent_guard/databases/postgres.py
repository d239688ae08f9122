"""PostgreSQL, for many processes: a write transaction waits for the names it must be alone on, and for no others.

The names become advisory locks, taken in one order before anything is read, so that two transactions never wait for
each other in a circle; they end with the transaction (PostgreSQL manual, 13.3.5). Under READ COMMITTED every later
statement then sees what whoever held the lock before has committed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGTypeCompiler
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import IntegrityError

from agent_guard.databases.port import UNCOMMITTED
from agent_guard.databases.query import AHEAD, RUNNER
from agent_guard.errors import ConfigError, StoreError
from agent_guard.folder import FOLDER

if TYPE_CHECKING:
    import psycopg

__all__ = ["Postgres", "lock_number", "meaning"]

T = TypeVar("T")

POOL = 8
MORE = 8
"""Connections that are kept, and that come on top for a moment."""

STATEMENT_S = 30.0
"""How long one statement may take, in seconds, beyond the wait for a lock."""

IDLE_S = 60.0
"""How long a transaction may do nothing, in seconds, before the server ends it: a frozen process holds its locks."""

_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit TO {}; SELECT {}"

_GONE = ("the server does not answer", "start it, or wait until it is back, and try again")
_REFUSED = ("the server refuses this user or its password", "check both in the url")
_MISSING = ("there is no such database on the server", "make it with: createdb --encoding UTF8 NAME")
_FULL = ("the server has no connection left", "use fewer processes, or raise its max_connections")
_OTHER = ("it reports an error", "look for this SQLSTATE in the server's log")
_DAMAGED = ("it is damaged", "restore it from a copy")
_SCHEMA = ("a table or a column is missing", "run 'agent-guard db upgrade'")

_BY_STATE: Mapping[str, tuple[str, str]] = {
    "28": _REFUSED,
    "3D": _MISSING,
    "08": _GONE,
    "57": _GONE,  # shut down, crashed or starting; 57014 stands below
    "57014": ("a statement took too long", "look for what keeps the server busy"),
    "25P03": ("a transaction stood still and was ended", "look for what froze this process"),
    "25006": ("it is read-only", "give the url of the primary server"),
    "53100": ("its disk is full", "free some disk space"),
    "53300": _FULL,
    "42501": ("this user lacks the rights", "make it the owner of the database"),
    "42P01": _SCHEMA,
    "42703": _SCHEMA,
    "40P01": ("two transactions waited for each other", "try again"),
    "22": ("it cannot hold a value", "look at what was to be stored"),
    "XX": ("it reports an error of its own", "look for this SQLSTATE in its log; a disk or a quota may be full"),
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}
"""SQLSTATE, or its class, to what it means and what to do (PostgreSQL manual, appendix A)."""

_BY_WORDS: Mapping[str, tuple[str, str]] = {
    "authentication failed": _REFUSED,
    "no password supplied": _REFUSED,
    "pg_hba.conf": _REFUSED,
    "role ": _REFUSED,
    "too many clients": _FULL,
    "remaining connection slots": _FULL,
    "does not exist": _MISSING,
}
"""What the server says before it has let anybody in has no state."""


class _Types(PGTypeCompiler):
    """Text of any length, compared and ordered by its bytes: as SQLite has it, whatever the server's language is."""

    def visit_VARCHAR(self, type_: Any, **kw: Any) -> str:  # noqa: ARG002, N802 - SQLAlchemy's name
        return 'TEXT COLLATE "C"'

    def visit_TEXT(self, type_: Any, **kw: Any) -> str:  # noqa: ARG002, N802
        return 'TEXT COLLATE "C"'


class Postgres:
    """One PostgreSQL database, by psycopg; see :class:`agent_guard.databases.port.Database`.

    Raises:
        ConfigError: psycopg is not installed, or the url names no database.
    """

    errors: type[Exception]

    def __init__(self, url: sa.URL, *, lock_wait_s: float) -> None:
        try:
            import psycopg

            from agent_guard.databases.prepared import Prepared
        except ImportError:
            raise ConfigError("PostgreSQL needs: pip install 'langgraph-agent-guard[postgres]'") from None
        self._url = url.set(drivername="postgresql+psycopg")
        self._lock_wait_s = lock_wait_s
        self._closed = False
        self._idle: deque[sa.Connection] = deque()
        self._parents: list[object] = []
        if not url.database:
            raise ConfigError(f"{self.name} names no database; write e.g. 'postgresql+psycopg://user@host/guard'")
        self.errors, self._prepared = psycopg.Error, Prepared
        self._engine = sa.create_engine(
            self._url,
            connect_args={
                "connect_timeout": max(2, ceil(lock_wait_s)),
                "tcp_user_timeout": int(1000 * STATEMENT_S),
                "keepalives_idle": int(STATEMENT_S),
                "fallback_application_name": "agent_guard",
            },
            isolation_level="AUTOCOMMIT",  # nothing begins by itself: what is sent first says what it is
            pool_size=1,  # what is kept is kept here
            max_overflow=POOL + MORE - 1,
            hide_parameters=True,
            use_native_hstore=False,
        )
        self._numbered = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
        for dialect in (self._engine.dialect, self._numbered):
            dialect.type_compiler = dialect.type_compiler_instance = _Types(dialect)
        sa.event.listen(self._engine, "connect", self._connected)
        sa.event.listen(self._engine, "checkin", self._returned)
        sa.event.listen(self._engine, "before_cursor_execute", _in_order)

    @property
    def name(self) -> str:
        """The url without its password and without its query, which may hold another one."""
        return self._url.set(query={}).render_as_string(hide_password=True)

    @property
    def path(self) -> Path | None:
        """None: it is a server's."""
        return None

    @property
    def key_file(self) -> Path | None:
        """In the folder of the guard's own files, by the database's name: there is no place beside a server."""
        return FOLDER / f"{quote(str(self._url.database), safe='')}.key"

    def _connected(self, driver: psycopg.Connection[Any], record: sa.pool.ConnectionPoolEntry) -> None:
        """What holds for a connection's whole life; nothing here waits for ever."""
        driver.adapters.register_dumper(str, _dumper())
        driver.prepare_threshold = None  # after a ROLLBACK psycopg would take back what others have prepared, too
        record.info[RUNNER] = self._prepared(driver, self._numbered)
        driver.execute(
            f"SET lock_timeout = {ceil(1000 * self._lock_wait_s)};"
            f"SET statement_timeout = {ceil(1000 * (self._lock_wait_s + STATEMENT_S))};"
            f"SET idle_in_transaction_session_timeout = {ceil(1000 * IDLE_S)};"
            # a plan is made once, maybe while a table is empty, and must not read the whole table when it is full
            "SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;"
            "SET plan_cache_mode = force_generic_plan"
        )

    def prepare(self) -> None:
        """Refuses a database that cannot hold every letter."""
        with self.reading() as connection:
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise StoreError(
                f"the database {self.name} stores text as {encoding}, which cannot hold every language; "
                "make it with: createdb --encoding UTF8 --template template0 NAME"
            )

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """REPEATABLE READ, READ ONLY."""
        with self._begun(_READ) as connection:
            yield connection
            connection.info[RUNNER].commit()

    def ask(self, question: Callable[[sa.Connection], T]) -> T:
        """One round trip, where a transaction takes three."""
        idle = self._idle
        connection, answer = self._asked(question)
        self._give_back(connection, idle)
        return answer

    @contextmanager
    def writing(
        self,
        locks: Collection[str],
        *,
        durable: bool,
        alone: bool = False,  # noqa: ARG002 - each has its own
    ) -> Iterator[sa.Connection]:
        """READ COMMITTED behind the locks; ``synchronous_commit`` is on where it is durable."""
        taken = ", ".join(f"pg_advisory_xact_lock({number})" for number in sorted({lock_number(k) for k in locks}))
        with self._begun(_WRITE.format("on" if durable else "off", taken)) as connection:
            yield connection
            connection.info[RUNNER].commit()

    @contextmanager
    def _begun(self, words: str) -> Iterator[sa.Connection]:
        idle = self._idle
        connection, _ = self._asked(lambda connection: connection.info[RUNNER].begin(words))
        info, driver = connection.info, _driver(connection)
        try:
            info[UNCOMMITTED] = set()
            yield connection
        except BaseException:
            if driver.closed:
                connection.invalidate()  # it is given to nobody else
            raise
        finally:
            info[RUNNER].forget()
            info.pop(AHEAD, None)
            self._give_back(connection, idle)

    def _give_back(self, connection: sa.Connection, idle: deque[sa.Connection]) -> None:
        """Kept as it is for the next one, which costs less than the pool's own way; whoever waits for the pool gets it
        from there.
        """
        if idle is not self._idle:
            idle.append(connection)  # this process was forked meanwhile: it is the parent's, as those beside it
            return
        pool = self._engine.pool
        clean = not connection.in_transaction() and not connection.invalidated and _is_idle(_driver(connection))
        wanted = pool.checkedout() >= POOL + MORE  # type: ignore[attr-defined]
        if self._closed or not clean or wanted or len(idle) >= POOL:
            connection.close()
        else:
            idle.append(connection)

    def _asked(self, question: Callable[[sa.Connection], T]) -> tuple[sa.Connection, T]:
        """A connection, and the answer to the first thing that is asked of it, which changes nothing. One that the
        server has dropped since it was used last is replaced by another.
        """
        for left in reversed(range(POOL + MORE + 1)):
            connection = self._connection()
            driver = _driver(connection)
            try:
                return connection, question(connection)
            except BaseException as error:
                dropped = driver.closed
                if dropped:
                    connection.invalidate()
                connection.close()
                if not (dropped and left and isinstance(error, self.errors)):
                    raise
        raise AssertionError("unreachable")

    def _connection(self) -> sa.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._engine.connect()

    def told(self, error: Exception) -> Exception | None:
        """A sentence by the error's SQLSTATE. The server's own words repeat values, and are not repeated."""
        cause = getattr(error, "orig", error)
        if isinstance(error, IntegrityError):
            broken = getattr(getattr(cause, "diag", None), "constraint_name", None) or "a constraint"
            return IntegrityError(None, None, ValueError(f"{broken} was broken"))
        if not isinstance(cause, self.errors):
            return None
        if getattr(cause, "sqlstate", None) == "55P03":
            return StoreError(
                f"the database {self.name} was locked for {self._lock_wait_s:g} seconds; "
                "find the process that holds it, or look for what is slow"
            )
        return StoreError(f"the database {self.name} cannot be used: {meaning(cause)}")

    def await_writers(self, connection: sa.Connection, table: str) -> None:
        """``SHARE ROW EXCLUSIVE``: readers pass it, every writer conflicts with it (PostgreSQL manual, 13.3.1)."""
        connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")

    def scrub(self, tables: Collection[str]) -> bool:
        """``VACUUM``: the space of dead rows is free to be overwritten. Pages keep their bytes until then, and the
        server's log until it is recycled.
        """
        with self._engine.connect() as connection:
            driver = _driver(connection)
            try:
                driver.execute("SET statement_timeout = 0")
                driver.execute(f"VACUUM {', '.join(sorted(tables))}")
            except self.errors:
                return False
            finally:
                connection.invalidate()  # with its settings
        return True

    def forked(self) -> None:
        """The parent's connections are kept, so that nothing says good-bye to the server in its name."""
        self._parents.append((self._engine.pool, self._idle))
        self._idle = deque()
        self._engine.dispose(close=False)

    def close(self) -> None:
        """Closes every connection; one that a thread still uses is closed when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        self._engine.dispose()

    def _returned(self, _: object, record: sa.pool.ConnectionPoolEntry) -> None:
        if self._closed:
            record.invalidate()


def _in_order(connection: sa.Connection, *_: object) -> None:
    """What SQLAlchemy runs comes after what waits, and may change what was read ahead."""
    info = connection.info
    info[RUNNER].send()
    info.pop(AHEAD, None)


def lock_number(name: str) -> int:
    """The advisory lock of a name: 64 bits, the same in every process. Two names that met in one would only wait."""
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)


def meaning(error: object) -> str:
    """What an error of psycopg means and what to do, in one sentence without any value."""
    state, words = getattr(error, "sqlstate", None), str(error)
    if not state:
        what, advice = next((told for word, told in _BY_WORDS.items() if word in words), _GONE)
        return f"{what}; {advice}"
    what, advice = _BY_STATE.get(state) or _BY_STATE.get(state[:2]) or _OTHER
    return f"{what} ({state}); {advice}"


def _dumper() -> type[psycopg.adapt.Dumper]:
    """Text as PostgreSQL takes it: the character NUL, which it refuses, is written as U+FFFD."""
    from psycopg.types.string import StrDumperUnknown

    class Plain(StrDumperUnknown):
        def dump(self, obj: str) -> bytes:
            return (obj.replace("\0", "\ufffd") if "\0" in obj else obj).encode()

    return Plain


def _is_idle(driver: psycopg.Connection[Any]) -> bool:
    """Whether a connection is alive and in no transaction."""
    return driver.pgconn.transaction_status == 0  # libpq's PQTRANS_IDLE


def _driver(connection: sa.Connection) -> psycopg.Connection[Any]:
    """The driver's own connection: what begins a transaction needs none of SQLAlchemy's bookkeeping."""
    return connection.connection.driver_connection  # type: ignore[return-value]
