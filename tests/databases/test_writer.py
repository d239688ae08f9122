"""The writer of a SQLite file: who writes at the same time shares a transaction, and is told the truth about it."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent_guard.databases.writer import BATCH_MOST, _Turn
from agent_guard.errors import StoreError
from agent_guard.store import Store
from tests.samples import opened
from tests.stores import INSERT, flag, refuse_commits, scopes


@pytest.fixture
def file(tmp_path):
    return tmp_path / "guard.db"


@pytest.fixture
def store(file):
    with opened(f"sqlite:///{file}") as found:
        yield found


class Crowd:
    """Writers who all wait for their turn while one writes, each a thread of its own."""

    def __init__(self, store: Store, bodies, *, durable=True, alone=False):
        self.store, self.bodies, self.durable, self.alone = store, bodies, durable, alone
        self.errors = [None] * len(bodies)

    def _one(self, n):
        try:
            with self.store.write(locks=["test"], durable=self.durable, alone=self.alone) as connection:
                self.bodies[n](connection)
        except Exception as error:
            self.errors[n] = error

    def meanwhile(self, first=lambda _: None, last=lambda: None, *, alone=False):
        """Writes once, and lets the others in when all of them stand in line; ``last`` happens then."""
        writer = self.store._database._writer
        threads = [threading.Thread(target=self._one, args=(n,)) for n in range(len(self.bodies))]
        try:
            with self.store.write(locks=["test"], durable=True, alone=alone) as connection:
                first(connection)
                for thread in threads:
                    thread.start()
                while len(writer._waiting) < len(threads):
                    threading.Event().wait(0.001)
                last()
        finally:
            for thread in threads:
                thread.join()
        return self.errors


def refuses():
    raise ValueError("no")


def adds(scope):
    return lambda connection: connection.execute(INSERT, flag(scope))


def commits(store, monkeypatch):
    """Counts the commits of the store's writer."""
    writer, counted = store._database._writer, []
    commit = writer._settle

    def counting(batch):
        counted.append(batch.members)
        commit(batch)

    monkeypatch.setattr(writer, "_settle", counting)
    return counted


@pytest.mark.req("B7")
def test_those_who_write_at_the_same_time_share_a_commit(store, monkeypatch):
    """Ten writers in line behind one are eleven in few transactions, and each of them is written."""
    counted = commits(store, monkeypatch)
    errors = Crowd(store, [adds(f"tool:{n}") for n in range(10)]).meanwhile(adds("tool:first"))
    assert errors == [None] * 10
    assert scopes(store) == {"*", "tool:first"} | {f"tool:{n}" for n in range(10)}
    assert sum(counted) == 11
    assert len(counted) < 11


def test_a_transaction_takes_in_only_so_many(store, monkeypatch):
    """A crowd larger than a transaction takes several."""
    monkeypatch.setattr("agent_guard.databases.writer.BATCH_MOST", 3)
    counted = commits(store, monkeypatch)
    Crowd(store, [adds(f"tool:{n}") for n in range(7)]).meanwhile()
    assert max(counted) <= 3
    assert sum(counted) == 8
    assert BATCH_MOST > 3


def test_an_old_transaction_is_committed_whoever_waits(store, monkeypatch):
    """Nobody waits for more and more others."""
    monkeypatch.setattr("agent_guard.databases.writer.BATCH_S", 0.0)
    counted = commits(store, monkeypatch)
    Crowd(store, [adds(f"tool:{n}") for n in range(3)]).meanwhile()
    assert counted == [1, 1, 1, 1]


@pytest.mark.req("B7")
def test_what_one_undoes_is_undone_alone(store):
    """A writer that fails in the midst of others loses its own rows, and they keep theirs."""

    def fails(connection):
        connection.execute(INSERT, flag("tool:lost"))
        refuses()

    errors = Crowd(store, [adds("tool:0"), fails, adds("tool:2"), fails]).meanwhile(adds("tool:first"))
    assert [type(error) for error in errors] == [type(None), ValueError, type(None), ValueError]
    assert scopes(store) == {"*", "tool:first", "tool:0", "tool:2"}


@pytest.mark.req("B7")
def test_a_first_one_that_fails_takes_nobody_with_it(store):
    """Where the one who began the transaction fails, those behind it begin another."""
    crowd = Crowd(store, [adds("tool:0"), adds("tool:1")])
    with pytest.raises(ValueError, match="no"):
        crowd.meanwhile(adds("tool:lost"), refuses)
    assert crowd.errors == [None, None]
    assert scopes(store) == {"*", "tool:0", "tool:1"}


@pytest.mark.req("B7")
def test_a_commit_that_fails_is_told_to_all_who_shared_it(store, monkeypatch):
    """Where the disk refuses the commit, nobody believes that its rows stand; the next writer works again."""
    broken = threading.Event()

    def refuses():
        refused = broken.is_set()
        broken.clear()
        return refused

    refuse_commits(monkeypatch, refuses)
    monkeypatch.setattr("agent_guard.databases.writer.BATCH_S", 60.0)
    crowd = Crowd(store, [adds("tool:0"), adds("tool:1"), lambda _: broken.set()])
    with pytest.raises(StoreError, match="free some disk space"):
        crowd.meanwhile(adds("tool:first"))
    assert [type(error) for error in crowd.errors] == [StoreError] * 3
    assert scopes(store) == {"*"}
    with store.write(locks=["test"]) as connection:
        connection.execute(INSERT, flag("tool:after"))
    assert scopes(store) == {"*", "tool:after"}


@pytest.mark.req("B7")
def test_a_transaction_that_sqlite_gave_up_is_told_to_all(store):
    """SQLite rolls a whole transaction back on some errors: those who wrote in it before are told so."""

    def gives_up(connection):
        connection.exec_driver_sql("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    crowd = Crowd(store, [gives_up])
    with pytest.raises(StoreError, match="disk I/O error"):
        crowd.meanwhile(adds("tool:first"))
    assert [str(error).split(": ")[1] for error in crowd.errors] == ["disk I/O error; look at the database"]
    assert scopes(store) == {"*"}


@pytest.mark.req("B7")
def test_who_was_promised_the_disk_joins_nobody_who_was_not(store):
    """A durable write is never in a transaction that began without a flush."""
    found = []

    def look(connection):
        found.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())

    writer = store._database._writer
    thread = threading.Thread(target=Crowd(store, [look])._one, args=(0,))
    with store.write(locks=["test"]) as connection:  # not durable
        look(connection)
        thread.start()
        while not writer._waiting:
            threading.Event().wait(0.001)
    thread.join()
    assert found == [1, 2]  # NORMAL, then FULL


def test_nobody_waits_for_one_who_never_comes(store, monkeypatch):
    """A transaction that was left open to somebody who was interrupted is committed by those who wrote in it."""
    writer = store._database._writer
    monkeypatch.setattr("agent_guard.databases.writer.UNATTENDED_S", 0.01)
    with store.write(locks=["test"]) as connection:
        connection.execute(INSERT, flag("tool:x"))
        writer._waiting.add(_Turn())  # somebody stands in line ...
        threading.Timer(0.03, writer._waiting.clear).start()  # ... and walks away
    assert scopes(store) == {"*", "tool:x"}


def test_many_threads_all_write(store):
    """A hundred writers of eight threads: each row is there, and the writer is free at the end."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: Crowd(store, [adds(f"tool:{n}")], durable=n % 3 == 0)._one(0), range(100)))
    assert len(scopes(store)) == 101
    assert not store._database._writer._turn
    assert store._database._writer._batch is None


def test_a_long_write_shares_its_transaction_with_nobody(store, monkeypatch):
    """Whoever wrote before one that takes long is told before it begins, and whoever stands behind it joins no part."""
    counted = commits(store, monkeypatch)
    monkeypatch.setattr("agent_guard.databases.writer.BATCH_S", 60.0)

    def long(connection):
        connection.execute(INSERT, flag("tool:long"))
        assert counted == [1]

    crowd = Crowd(store, [long], alone=True)
    assert crowd.meanwhile(adds("tool:first")) == [None]
    crowd = Crowd(store, [adds("tool:behind")])
    assert crowd.meanwhile(adds("tool:longer"), alone=True) == [None]
    assert counted == [1, 1, 1, 1]
    assert scopes(store) == {"*", "tool:first", "tool:long", "tool:longer", "tool:behind"}


def test_a_write_inside_a_write_is_refused_at_once(store):
    """It would wait for itself, and hold up everybody else meanwhile; the outer one can still be kept."""
    with store.write(locks=["test"]) as connection:
        with pytest.raises(RuntimeError, match="inside another write"), store.write(locks=["test"]):
            pass
        connection.execute(INSERT, flag("tool:outer"))
    assert scopes(store) == {"*", "tool:outer"}


def test_what_sqlite_undid_unnoticed_is_no_success(store):
    """A body that swallows the error with which SQLite gave its transaction up is told that nothing stands, and whoever
    waits behind it begins another transaction.
    """
    crowd = Crowd(store, [adds("tool:0")])

    def swallows(connection):
        connection.execute(INSERT, flag("tool:lost"))
        connection.exec_driver_sql("ROLLBACK")

    with pytest.raises(StoreError, match=r"given up.*try again"):
        crowd.meanwhile(swallows)
    assert crowd.errors == [None]
    assert scopes(store) == {"*", "tool:0"}


def test_the_words_of_one_are_not_told_to_the_others(store, monkeypatch):
    """Whoever loses a transaction by another's failure hears the driver's words or none: a body's may hold values."""
    monkeypatch.setattr("agent_guard.databases.writer.BATCH_S", 60.0)

    def gives_up(connection):
        connection.exec_driver_sql("ROLLBACK")
        raise ValueError("Anna Kowalska")

    crowd = Crowd(store, [gives_up])
    with pytest.raises(StoreError, match="a write in it failed"):
        crowd.meanwhile(adds("tool:first"))
    assert scopes(store) == {"*"}


def test_a_forked_child_does_not_end_what_its_parent_began(store):
    """In the copy of a writer nothing is committed and nothing undone."""
    writer = store._database._writer
    with pytest.raises(RuntimeError, match="forked"), writer.writing(durable=True) as connection:
        connection.execute(INSERT, flag("tool:parents"))
        batch = writer._batch
        writer.forked()
    assert connection.connection.driver_connection.in_transaction
    assert not batch.over.is_set()
    writer._parents = False  # the parent ends it
    writer._end()
    assert scopes(store) == {"*"}


def test_a_forked_child_keeps_no_readers_connection_of_its_parent(store):
    """What was being read with at the fork is read with no more."""
    with store.read() as connection:
        store._database.forked()
    assert connection not in store._database._idle
    assert scopes(store) == {"*"}


def test_a_database_in_memory_refuses_to_be_read_inside_a_write():
    """There is one connection: what was read would end the transaction, and half of it would stand."""
    with opened("sqlite://") as store:
        with pytest.raises(ZeroDivisionError), store.write(locks=["test"]) as connection:
            connection.execute(INSERT, flag("tool:a"))
            with pytest.raises(RuntimeError, match="in memory"), store.read():
                pass
            connection.execute(INSERT, flag("tool:b"))
            1 / 0
        assert scopes(store) == {"*"}
