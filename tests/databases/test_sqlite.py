"""SQLite: its files, its write-ahead log, and what is told when a file cannot be used."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing

import pytest
import sqlalchemy as sa

from agent_guard.errors import StoreError
from agent_guard.kill_switch import SWITCHES
from agent_guard.store import Store
from tests.samples import opened
from tests.stores import INSERT, flag, refused, scopes


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/guard.db"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "guard.db"


def test_readers_and_a_writer_share_a_file(url, file):
    """A database is in WAL mode from its first moment."""
    with opened(url), closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_folder_that_went_is_told(tmp_path):
    """Whatever the system says of the path: the store cannot be used, and nothing else comes out of a transaction."""
    folder = tmp_path / "kept"
    folder.mkdir()
    with opened(f"sqlite:///{folder}/guard.db") as store:
        folder.rename(tmp_path / "moved")
        folder.write_text("a file where the folder was")
        with pytest.raises(StoreError, match="was removed or replaced"), store.read():
            pass


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_lives_and_dies_with_its_store(url):
    """Two stores in memory do not know of each other, and threads of one share it."""
    with opened(url) as one, opened(url) as other:
        assert (one.path, one.key_file) == (None, None)
        with one.write(durable=True, locks=["test"]) as connection:
            connection.execute(INSERT, flag("tool:x"))
        found = []
        worker = threading.Thread(target=lambda: found.append(scopes(one)))
        worker.start()
        worker.join()
        assert found == [{"*", "tool:x"}]
        assert scopes(other) == {"*"}


def test_the_key_lies_beside_the_file(url, file):
    """Where the database is a file, so is the master key of ``dev``."""
    with opened(url) as store:
        assert (store.path, str(store.key_file)) == (file, f"{file}.key")


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
    with pytest.raises(StoreError, match="writable"), store.write(locks=["test"]) as connection:
        connection.execute(INSERT, flag("tool:x"))
    store.close()


@pytest.mark.req("B7")
def test_a_write_takes_its_turn_before_it_reads(url, file):
    """A write transaction holds the lock from its beginning, so that what it read is what it changes."""
    with opened(url) as store, store.write(locks=["test"]) as connection:
        with (
            closing(sqlite3.connect(file, timeout=0)) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("BEGIN IMMEDIATE")
        connection.execute(INSERT, flag("tool:x"))


def test_a_database_that_breaks_while_it_is_used_is_a_store_error(url, file):
    """A damaged file is told as a store that cannot be used, without the statement and its values."""
    with opened(url) as store:
        with store.write(locks=["test"]) as connection:
            connection.execute(INSERT, [flag(f"tool:{index}" + "x" * 150) for index in range(400)])
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    root = 4096
    content[root * 2 :] = b"\xff" * (len(content) - root * 2)
    file.write_bytes(bytes(content))
    store = Store(url)
    with pytest.raises(StoreError, match="restore it from a copy") as caught, store.write(locks=["test"]) as connection:
        connection.execute(sa.select(SWITCHES).where(SWITCHES.c.reason == "Anna Kowalska")).all()
        connection.execute(INSERT, flag("Anna Kowalska"))
    store.close()
    assert "Anna" not in str(caught.value)
    assert caught.value.__cause__ is None
