"""A real PostgreSQL for the tests: one server for all workers of a run, and databases that are cleaned and used again.

``AGENT_GUARD_TEST_POSTGRES`` names a server to use instead, ``postgresql+psycopg://user:password@host/postgres``, whose
user may create databases. Without it the installed binaries are started on a folder that is removed afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psycopg
import sqlalchemy as sa

import agent_guard.schema  # noqa: F401 - puts the tables into metadata
from agent_guard.kill_switch import SWITCHES
from agent_guard.store import REVISION, VERSION_TABLE, Store, metadata

VARIABLE = "AGENT_GUARD_TEST_POSTGRES"
MISSING = f"PostgreSQL is not installed (apt-get install postgresql), and {VARIABLE} names no server"
QUICK = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
"""For tests that ask nothing of the disk. ``synchronous_commit`` is never set here: that is the product's matter."""


def binaries() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``: the newest installed."""
    beside = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return next(
        (path for path in [*debian, *beside] if (path / "pg_ctl").exists() and (path / "initdb").exists()), None
    )


class Server:
    """One PostgreSQL on a folder of its own, over a socket in it. It refuses root, so root starts it as ``postgres``.

    Args:
        log_mb: the size of a file of its write-ahead log, in megabytes.
        settings: of the server, e.g. ``{"fsync": "off"}``.
    """

    def __init__(self, *, log_mb: int = 16, **settings: str) -> None:
        found = binaries()
        if found is None:
            raise FileNotFoundError(MISSING)
        self._bin = found
        # a socket's path is at most 107 characters long, so the folder does not lie under pytest's
        self.folder = Path(tempfile.mkdtemp(prefix="guard-pg-"))
        self._data = self.folder / "data"
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        size = f"--wal-segsize={log_mb}"
        self._run(
            "initdb", "-D", self._data, "-U", "guard", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8", size
        )
        lines = {"listen_addresses": "", "unix_socket_directories": self.folder, "max_connections": 300} | settings
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in lines.items())

    def _run(self, program: str, *arguments: object) -> None:
        words = [str(item) for item in (self._bin / program, *arguments)]
        if os.geteuid() == 0:
            words = ["runuser", "-u", "postgres", "--", *words]
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/"
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self._run("pg_ctl", "-D", self._data, "-w", "-l", self.folder / "log", "start")

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")

    def bound(self, size: int | None) -> None:
        """From now on no file of it grows beyond so many bytes, as where a disk has no space left; None ends that."""
        with _connected(self.url) as connection:
            processes = [pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity")]
        first = int((self._data / "postmaster.pid").read_text().split()[0])  # those to come have it from this one
        prlimit = shutil.which("prlimit")
        assert prlimit, "prlimit is not installed (apt-get install util-linux)"
        for pid in (first, *processes):
            if Path(f"/proc/{pid}").exists():
                self._run(prlimit, f"--pid={pid}", f"--fsize={size or 'unlimited'}:unlimited")

    def stop(self) -> None:
        """Ends it and removes everything."""
        subprocess.run(
            [*(["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []),
             str(self._bin / "pg_ctl"), "-D", str(self._data), "-m", "immediate", "stop"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        shutil.rmtree(self.folder, ignore_errors=True)

    def fresh(self) -> str:
        """The url of its one other database, with nothing in it."""
        with _connected(self.url) as connection:
            connection.execute("DROP DATABASE IF EXISTS guard WITH (FORCE)")
            connection.execute("CREATE DATABASE guard TEMPLATE template0")
        return sa.make_url(self.url).set(database="guard").render_as_string()

    @property
    def url(self) -> str:
        """The server's own database."""
        return f"postgresql+psycopg://guard@/postgres?host={self.folder}"


@contextmanager
def shared(folder: Path) -> Iterator[str | None]:
    """The url of the run's one server: whoever comes first starts it, whoever leaves last ends it. None: there is none.

    Args:
        folder: one that all workers of the run share.
    """
    if os.environ.get(VARIABLE):
        yield os.environ[VARIABLE]
        return
    if binaries() is None:
        yield None
        return
    note = folder / "postgres.json"
    with _alone(folder):
        known = json.loads(note.read_text()) if note.exists() else None
        if known is None:
            server = Server(**QUICK)
            server.start()
            known = {"folder": str(server.folder), "url": server.url, "users": 0}
        known["users"] += 1
        note.write_text(json.dumps(known))
    try:
        yield known["url"]
    finally:
        with _alone(folder):
            known = json.loads(note.read_text())
            known["users"] -= 1
            note.write_text(json.dumps(known))
            if not known["users"]:
                server = Server.__new__(Server)
                server._bin, server.folder = binaries(), Path(known["folder"])
                server._data = server.folder / "data"
                server.stop()
                note.unlink()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    import fcntl  # where there is none, there is no server of ours either

    with (folder / "postgres.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Databases:
    """Databases of one worker on one server. What was used is emptied and given out again.

    Args:
        url: of the server.
        prefix: no other worker has it.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self._url = sa.make_url(url)
        self._prefix = prefix
        self._made = 0
        self._free: list[str] = []
        self._given: list[str] = []
        self._template: str | None = None

    def url(self, name: str) -> str:
        """The url of a database."""
        return self._url.set(database=name).render_as_string(hide_password=False)

    def empty(self) -> str:
        """The url of a new database without any table."""
        name = self._create("template0")
        self._given.append(name)  # it fits no better afterwards, and is dropped
        return self.url(name)

    def ready(self) -> str:
        """The url of a database with the guard's tables and nothing in them."""
        name = self._free.pop() if self._free else self._create(self._whole())
        self._given.append(name)
        return self.url(name)

    def taken_back(self) -> None:
        """Cleans what was given out since; what somebody changed the tables of, or still uses, is dropped."""
        for name in self._given:
            try:
                with self._connected(name) as connection:
                    connection.execute(_cleaning())
                self._free.append(name)
            except psycopg.Error:
                self._drop(name)
        self._given = []

    def close(self) -> None:
        """Drops all of them."""
        self.taken_back()
        for name in [*self._free, self._template]:
            if name is not None:
                self._drop(name)

    def _whole(self) -> str:
        if self._template is None:
            name = self._create("template0")
            store = Store(self.url(name))
            store.open()
            store.close()
            self._template = name
        return self._template

    def _create(self, template: str) -> str:
        self._made += 1
        name = f"{self._prefix}_{self._made}"
        with self._connected(self._url.database) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")
        return name

    def _drop(self, name: str) -> None:
        with self._connected(self._url.database) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _connected(self, name: str | None) -> AbstractContextManager[psycopg.Connection]:
        return _connected(self._url.set(database=name))


def _connected(url: str | sa.URL) -> AbstractContextManager[psycopg.Connection]:
    plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return closing(psycopg.connect(plain, autocommit=True, options="-c lock_timeout=500"))


def _cleaning() -> str:
    """Empties every table; fails where one is missing or has other columns than the code's."""
    columns = [f"SELECT {', '.join(c.name for c in table.columns)} FROM {table.name} LIMIT 0" for table in _tables()]
    return "; ".join(
        [
            *columns,
            *(f"DELETE FROM {table.name}" for table in _tables()),
            f"INSERT INTO {SWITCHES.name} (scope, pressed, reason, by, at) VALUES ('*', false, '', 'schema', 0)",
            f"DELETE FROM {VERSION_TABLE}",
            f"INSERT INTO {VERSION_TABLE} (version_num) VALUES ('{REVISION}')",
            "ALTER SEQUENCE audit_id_seq RESTART",
            "DROP TABLE IF EXISTS checkpoints, checkpoint_blobs, checkpoint_writes, checkpoint_migrations",
        ]
    )


def _tables() -> list[sa.Table]:
    return list(metadata.tables.values())
