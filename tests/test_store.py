"""The database: transactions, durability and what is told when it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from agent_guard.errors import ConfigError, StoreError
from agent_guard.kill_switch import SWITCHES
from agent_guard.store import REVISION, VERSION_TABLE, Store, metadata
from tests.samples import opened

INSERT = SWITCHES.insert()


def flag(scope):
    return {"scope": scope, "pressed": False, "reason": "", "by": "test", "at": 0}


def scopes(store):
    with store.read() as connection:
        return set(connection.scalars(sa.select(SWITCHES.c.scope)))


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/guard.db"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "guard.db"


# ---- opening


def test_an_empty_database_gets_the_whole_schema(url, file):
    """Opening makes every owner's table, the revision and the row of the red button, in WAL mode."""
    with opened(url) as store:
        assert store.revision() == REVISION
        assert scopes(store) == {"*"}
    with closing(sqlite3.connect(file)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert tables == {*metadata.tables, VERSION_TABLE}


def test_a_database_is_opened_again_as_it_was(url):
    """Opening twice changes nothing."""
    with opened(url) as store, store.write() as connection:
        connection.execute(INSERT, flag("tool:x"))
    with opened(url) as store:
        assert scopes(store) == {"*", "tool:x"}


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_lives_and_dies_with_its_store(url):
    """Two stores in memory do not know of each other, and threads of one share it."""
    with opened(url) as one, opened(url) as other:
        assert one.path is None
        with one.write(durable=True) as connection:
            connection.execute(INSERT, flag("tool:x"))
        found = []
        worker = threading.Thread(target=lambda: found.append(scopes(one)))
        worker.start()
        worker.join()
        assert found == [{"*", "tool:x"}]
        assert scopes(other) == {"*"}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("guard.db", "not a database url"),
        ("", "not a database url"),
        ("mysql://u:secret@host/db", "'mysql' is not supported"),
        ("sqlite+aiosqlite:///guard.db", "not supported"),
    ],
)
def test_another_url_is_refused_with_an_example(url, words):
    """What is no SQLite url is refused when the store is built, without repeating a password."""
    with pytest.raises(ConfigError, match=words) as caught:
        Store(url)
    assert "sqlite:///guard.db" in str(caught.value)
    assert "secret" not in str(caught.value)


def refused(url, words):
    store = Store(url, lock_wait_s=0.05)
    try:
        with pytest.raises(StoreError, match=words) as caught:
            store.open()
    finally:
        store.close()
    return str(caught.value)


def test_a_missing_folder_is_told(tmp_path):
    """The folder is not made in silence."""
    refused(f"sqlite:///{tmp_path}/none/guard.db", "none/guard.db does not exist; make it first")
    assert not (tmp_path / "none").exists()


def test_another_kind_of_file_is_told_and_left_alone(url, file):
    """A file that is no database stays as it was."""
    file.write_bytes(b"a letter to Anna, and long enough to be read as a header" * 100)
    before = file.read_bytes()
    refused(url, "another kind of file")
    assert file.read_bytes() == before


def test_a_folder_in_place_of_the_file_is_told(url, file):
    """A folder of the database's name cannot be opened."""
    file.mkdir()
    refused(url, "cannot be used")


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_a_file_that_cannot_be_written_is_told(url, file):
    """A read-only database refuses the write and says what to do."""
    with opened(url):
        pass
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    store = Store(f"sqlite:///file:{file}?mode=ro&uri=true", lock_wait_s=0.05)
    with pytest.raises(StoreError, match="writable"), store.write() as connection:
        connection.execute(INSERT, flag("tool:x"))
    store.close()


def test_a_strangers_tables_are_told(url, file):
    """A database that has a table of the guard's name and no revision belongs to somebody else."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE calls (number TEXT)")
    refused(url, "table 'calls' that is not the guard's")
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)


def test_tables_of_other_names_do_not_matter(url, file):
    """The guard may share a file with an application."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    with opened(url) as store:
        assert scopes(store) == {"*"}


@pytest.mark.parametrize("found", ["0000", "0001", "x"])
def test_another_revision_is_refused_with_the_command(url, found):
    """An older or newer schema is refused, and the message names the command that mends it."""
    with opened(url) as store, store.write() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = ?", (found,))
    message = refused(url, "agent-guard db upgrade")
    assert f"revision {found}" in message
    assert REVISION in message


@pytest.mark.parametrize("columns", ["version_num VARCHAR(32)", "other TEXT"])
def test_a_revision_that_cannot_be_read_is_refused(url, file, columns):
    """A table of revisions without a revision is neither an empty database nor this one."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"CREATE TABLE {VERSION_TABLE} ({columns})")
    refused(url, "guard.db")


OPEN = """
import sys, time
from agent_guard.store import REVISION, Store
import agent_guard.schema
print("ready", flush=True)
sys.stdin.readline()
for index in range(int(sys.argv[2])):
    store = Store(sys.argv[1] % index)
    store.open()
    with store.write(durable=True) as connection:
        pass
    assert store.revision() == REVISION
    store.close()
print("done", flush=True)
"""


def test_two_processes_may_open_one_empty_file_at_once(tmp_path):
    """Both find one schema, whoever makes it, and neither fails."""
    rounds, pattern = 25, f"sqlite:///{tmp_path}/guard%d.db"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, pattern, str(rounds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        assert [worker.stdout.readline() for worker in workers] == ["ready\n", "ready\n"]
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        ended = [worker.communicate(timeout=30) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert [(out, err) for out, err in ended] == [("done\n", "")] * 2
    for index in range(rounds):
        with opened(pattern % index) as store:
            assert scopes(store) == {"*"}


# ---- transactions


def test_a_write_is_kept_and_an_exception_undoes_it(url):
    """What was written before an exception is gone, and the exception comes out as it was."""
    with opened(url) as store:
        with store.write() as connection:
            connection.execute(INSERT, flag("tool:a"))
        with pytest.raises(KeyError), store.write() as connection:
            connection.execute(INSERT, flag("tool:b"))
            raise KeyError
        assert scopes(store) == {"*", "tool:a"}


def test_a_broken_constraint_comes_out_as_itself(url):
    """Callers tell a race by the driver's IntegrityError, so it is no StoreError."""
    with opened(url) as store:
        with pytest.raises(IntegrityError), store.write() as connection:
            connection.execute(INSERT, flag("*"))
        with store.write() as connection:
            connection.execute(INSERT, flag("tool:a"))


@pytest.mark.req("B7")
@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_a_durable_write_is_flushed_and_the_others_are_not(url, durable, level):
    """``synchronous`` is FULL in a durable transaction and NORMAL in others, whichever came before."""
    with opened(url) as store:
        for before in (True, False):
            with store.write(durable=before):
                pass
            with store.write(durable=durable) as connection:
                assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level


@pytest.mark.req("B7")
def test_a_write_takes_its_turn_before_it_reads(url, file):
    """A write transaction holds the lock from its beginning, so that what it read is what it changes."""
    with opened(url) as store, store.write() as connection:
        with (
            closing(sqlite3.connect(file, timeout=0)) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("BEGIN IMMEDIATE")
        connection.execute(INSERT, flag("tool:x"))


def test_a_read_waits_for_nobody_and_sees_one_state(url):
    """A reader is not stopped by a writer and does not see what is committed meanwhile."""
    with opened(url) as store:
        with store.read() as reading:
            assert set(reading.scalars(sa.select(SWITCHES.c.scope))) == {"*"}
            with store.write() as writing:
                writing.execute(INSERT, flag("tool:x"))
            assert set(reading.scalars(sa.select(SWITCHES.c.scope))) == {"*"}
        assert scopes(store) == {"*", "tool:x"}


def test_a_read_changes_nothing(url):
    """What is written in a reading transaction is not kept."""
    with opened(url) as store:
        with store.read() as connection:
            connection.execute(INSERT, flag("tool:x"))
        assert scopes(store) == {"*"}


def test_a_locked_database_is_told_after_the_wait(url, file):
    """A writer waits its time and no longer, and then says what to do; nothing was written."""
    with opened(url, lock_wait_s=0.05) as store, closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(StoreError, match=r"locked for 0\.05 seconds"), store.write() as connection:
            connection.execute(INSERT, flag("tool:x"))
        assert 0.05 <= time.monotonic() - began < 1
        other.execute("ROLLBACK")
        assert scopes(store) == {"*"}
        with store.write() as connection:
            connection.execute(INSERT, flag("tool:y"))


def test_a_writer_gets_its_turn_as_soon_as_the_other_ends(url):
    """Waiting is not failing: both of two writers are done, one after the other."""
    with opened(url, lock_wait_s=5) as store:
        inside, go = threading.Event(), threading.Event()

        def first():
            with store.write() as connection:
                inside.set()
                assert go.wait(5)
                connection.execute(INSERT, flag("tool:first"))

        worker = threading.Thread(target=first)
        worker.start()
        assert inside.wait(5)
        threading.Timer(0.05, go.set).start()
        with store.write() as connection:
            assert set(connection.scalars(sa.select(SWITCHES.c.scope))) == {"*", "tool:first"}
        worker.join(5)


def test_many_writers_lose_nothing(url):
    """Eight threads that read and then write one row leave it as if they had come one after another."""
    with opened(url) as store:

        def work():
            for _ in range(15):
                with store.write() as connection:
                    at = connection.scalar(sa.select(SWITCHES.c.at).where(SWITCHES.c.scope == "*"))
                    connection.execute(SWITCHES.update().where(SWITCHES.c.scope == "*").values(at=at + 1))

        workers = [threading.Thread(target=work) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(20)
        with store.read() as connection:
            assert connection.scalar(sa.select(SWITCHES.c.at)) == 120


def test_a_database_that_breaks_while_it_is_used_is_a_store_error(url, file):
    """A damaged file is told as a store that cannot be used, without the statement and its values."""
    with opened(url) as store:
        with store.write() as connection:
            connection.execute(INSERT, [flag(f"tool:{index}" + "x" * 150) for index in range(400)])
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    root = 4096
    content[root * 2 :] = b"\xff" * (len(content) - root * 2)
    file.write_bytes(bytes(content))
    store = Store(url)
    with pytest.raises(StoreError, match="restore it from a copy") as caught, store.write() as connection:
        connection.execute(sa.select(SWITCHES).where(SWITCHES.c.reason == "Anna Kowalska")).all()
        connection.execute(INSERT, flag("Anna Kowalska"))
    store.close()
    assert "Anna" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_error_of_the_store_repeats_no_values(url):
    """The driver's message is told, never the statement's parameters."""
    with opened(url) as store:
        with store.write() as connection:
            connection.exec_driver_sql("DROP TABLE meter")
        with pytest.raises(StoreError) as caught, store.read() as connection:
            connection.execute(sa.text("SELECT * FROM meter WHERE key = :k"), {"k": "Anna Kowalska"})
    assert "no such table: meter" in str(caught.value)
    assert "Anna" not in str(caught.value)
