"""The database: transactions, durability and what is told when it cannot be used, the same on each kind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from agent_guard.errors import ConfigError, StoreError
from agent_guard.kill_switch import SWITCHES
from agent_guard.store import REVISION, VERSION_TABLE, Store, metadata
from tests.samples import opened
from tests.stores import INSERT, flag, refused, scopes

pytestmark = pytest.mark.databases


@pytest.fixture
def url(database):
    return database.shared


def said(url, statement):
    """Runs one statement from outside."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


# ---- opening


def test_an_empty_database_gets_the_whole_schema(database):
    """Opening makes every owner's table, the revision and the row of the red button."""
    with opened(database.empty()) as store:
        assert store.revision() == REVISION
        assert scopes(store) == {"*"}
        with store.read() as connection:
            assert set(sa.inspect(connection).get_table_names()) == {*metadata.tables, VERSION_TABLE}


def test_a_database_is_opened_again_as_it_was(url):
    """Opening twice changes nothing."""
    with opened(url) as store, store.write(locks=["test"]) as connection:
        connection.execute(INSERT, flag("tool:x"))
    with opened(url) as store:
        assert scopes(store) == {"*", "tool:x"}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("guard.db", "not a database url"),
        ("", "not a database url"),
        ("postgresql+psycopg://u:secret@host:port/db", "not a database url"),
        ("mysql://u:secret@host/db", "'mysql' is not supported"),
        ("sqlite+aiosqlite:///guard.db", "not supported"),
        ("postgresql+asyncpg://u:secret@host/db", "not supported"),
        ("postgresql+psycopg://u:secret@host", "names no database"),
    ],
)
def test_another_url_is_refused_with_an_example(url, words):
    """What is no url of a known database is refused when the store is built, without repeating a password."""
    with pytest.raises(ConfigError, match=words) as caught:
        Store(url)
    assert "postgresql+psycopg://user@host/guard" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_strangers_tables_are_told(database):
    """A database that has a table of the guard's name and no revision belongs to somebody else."""
    url = database.empty()
    said(url, "CREATE TABLE calls (number TEXT)")
    refused(url, "table 'calls' that is not the guard's")
    store = Store(url)
    with store.read() as connection:
        assert sa.inspect(connection).get_table_names() == ["calls"]
    store.close()


def test_tables_of_other_names_do_not_matter(database):
    """The guard may share a database with an application."""
    url = database.empty()
    said(url, "CREATE TABLE customers (name TEXT)")
    with opened(url) as store:
        assert scopes(store) == {"*"}


@pytest.mark.parametrize(
    ("found", "words"),
    [("0000", "agent-guard db upgrade"), ("0001", "agent-guard db upgrade"), ("9999", "a newer release wrote it")],
)
def test_another_revision_is_refused_with_what_to_do(url, found, words):
    """An older or newer schema is refused, and the message says what mends it."""
    with opened(url) as store, store.write(locks=["test"]) as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = :found"), {"found": found})
    message = refused(url, words)
    assert f"revision {found}" in message
    assert REVISION in message


@pytest.mark.parametrize("columns", ["version_num VARCHAR(32)", "other TEXT"])
def test_a_revision_that_cannot_be_read_is_refused(database, columns):
    """A table of revisions without a revision is neither an empty database nor this one."""
    url = database.empty()
    said(url, f"CREATE TABLE {VERSION_TABLE} ({columns})")
    refused(url, "cannot be used|has the revision None")


OPEN = """
import sys, time
from agent_guard.store import REVISION, Store
import agent_guard.schema
print("ready", flush=True)
sys.stdin.readline()
for url in sys.argv[1:]:
    store = Store(url)
    store.open()
    with store.write(durable=True, locks=["test"]) as connection:
        pass
    assert store.revision() == REVISION
    store.close()
print("done", flush=True)
"""


def test_two_processes_may_open_one_empty_database_at_once(database):
    """Both find one schema, whoever makes it, and neither fails."""
    urls = [database.empty() for _ in range(25 if database.kind == "sqlite" else 5)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, *urls],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        assert [worker.stdout.readline() for worker in workers] == ["ready\n", "ready\n"]
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        ended = [worker.communicate(timeout=60) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert [(out, err) for out, err in ended] == [("done\n", "")] * 2
    for url in urls:
        with opened(url) as store:
            assert scopes(store) == {"*"}


# ---- transactions


def test_a_write_is_kept_and_an_exception_undoes_it(url):
    """What was written before an exception is gone, and the exception comes out as it was."""
    with opened(url) as store:
        with store.write(locks=["test"]) as connection:
            connection.execute(INSERT, flag("tool:a"))
        with pytest.raises(KeyError), store.write(locks=["test"]) as connection:
            connection.execute(INSERT, flag("tool:b"))
            raise KeyError
        assert scopes(store) == {"*", "tool:a"}


@pytest.mark.parametrize("locks", [[], (), "thread"])
def test_a_write_that_names_nothing_is_refused(url, locks):
    """Whoever writes says what it must be alone on; a text in place of a list would be one lock a letter."""
    with opened(url) as store:
        with pytest.raises(ValueError, match="must be alone on"), store.write(locks=locks):
            pass


def test_a_broken_constraint_comes_out_as_itself(url):
    """Callers tell a race by the driver's IntegrityError, so it is no StoreError; it repeats no value."""
    with opened(url) as store:
        with store.write(locks=["test"]) as connection:
            connection.execute(INSERT, flag("agent:Anna"))
        with pytest.raises(IntegrityError) as caught, store.write(locks=["test"]) as connection:
            connection.execute(INSERT, flag("agent:Anna"))
        assert "Anna" not in f"{caught.value} {caught.value.__cause__} {caught.value.orig}"
        with store.write(locks=["test"]) as connection:
            connection.execute(INSERT, flag("tool:a"))


@pytest.mark.req("B7")
@pytest.mark.parametrize("durable", [True, False])
def test_a_durable_write_is_flushed_and_the_others_are_not(url, database, durable):
    """``synchronous`` is FULL or ``synchronous_commit`` on in a durable transaction, whichever came before."""
    question, answers = {
        "sqlite": ("PRAGMA synchronous", {True: 2, False: 1}),
        "postgres": ("SHOW synchronous_commit", {True: "on", False: "off"}),
    }[database.kind]
    with opened(url) as store:
        for before in (True, False):
            with store.write(durable=before, locks=["test"]):
                pass
            with store.write(durable=durable, locks=["test"]) as connection:
                assert connection.exec_driver_sql(question).scalar() == answers[durable]


@pytest.mark.req("B7")
@pytest.mark.parametrize(("tool", "durable"), [("crm.create_task", True), ("crm.read_deal", False)])
def test_the_claim_of_a_write_is_durable(world, monkeypatch, tool, durable):
    """A claim that is forgotten is a call done twice; one of a read may be forgotten."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    write, asked = gateway.store.write, []
    monkeypatch.setattr(gateway.store, "write", lambda **given: asked.append(given.get("durable")) or write(**given))
    world.desk.before = lambda: asked.append("it runs")
    args = {"deal_id": "42"} | ({"subject": "Call"} if durable else {})
    assert thread.invoke(tool, args).status == "executed"
    assert asked[asked.index("it runs") - 1] is durable


def test_a_read_waits_for_nobody_and_sees_one_state(url):
    """A reader is not stopped by a writer and does not see what is committed meanwhile."""
    with opened(url) as store:
        with store.read() as reading:
            assert set(reading.scalars(sa.select(SWITCHES.c.scope))) == {"*"}
            with store.write(locks=["test"]) as writing:
                writing.execute(INSERT, flag("tool:x"))
            assert set(reading.scalars(sa.select(SWITCHES.c.scope))) == {"*"}
        assert scopes(store) == {"*", "tool:x"}


def test_a_read_changes_nothing(url, database):
    """What is written in a reading transaction is not kept; a server refuses it at once."""
    with opened(url) as store:
        if database.kind == "sqlite":
            with store.read() as connection:
                connection.execute(INSERT, flag("tool:x"))
        else:
            with pytest.raises(StoreError, match="read-only"), store.read() as connection:
                connection.execute(INSERT, flag("tool:x"))
        assert scopes(store) == {"*"}


@pytest.mark.req("A8")
def test_a_locked_database_is_told_after_the_wait(url):
    """A writer waits its time and no longer, and then says what to do; nothing was written."""
    with opened(url, lock_wait_s=0.05) as store, opened(url) as other:
        with other.write(locks=["test"]):
            began = time.monotonic()
            with (
                pytest.raises(StoreError, match=r"locked for 0\.05 seconds"),
                store.write(locks=["test"]) as connection,
            ):
                connection.execute(INSERT, flag("tool:x"))
            assert time.monotonic() - began >= 0.05
        assert scopes(store) == {"*"}
        with store.write(locks=["test"]) as connection:
            connection.execute(INSERT, flag("tool:y"))


def test_a_writer_gets_its_turn_as_soon_as_the_other_ends(url):
    """Waiting is not failing: both of two writers are done, one after the other."""
    with opened(url, lock_wait_s=20) as store:
        inside, go = threading.Event(), threading.Event()

        def first():
            with store.write(locks=["test"]) as connection:
                inside.set()
                assert go.wait(20)
                connection.execute(INSERT, flag("tool:first"))

        worker = threading.Thread(target=first)
        worker.start()
        assert inside.wait(20)
        threading.Timer(0.05, go.set).start()
        with store.write(locks=["test"]) as connection:
            assert set(connection.scalars(sa.select(SWITCHES.c.scope))) == {"*", "tool:first"}
        worker.join(20)


@pytest.mark.req("B7")
def test_many_writers_lose_nothing(url):
    """Eight threads that read and then write one row leave it as if they had come one after another."""
    with opened(url, lock_wait_s=20) as store:

        def work():
            for _ in range(15):
                with store.write(locks=["other", "test"]) as connection:
                    at = connection.scalar(sa.select(SWITCHES.c.at).where(SWITCHES.c.scope == "*"))
                    connection.execute(SWITCHES.update().where(SWITCHES.c.scope == "*").values(at=at + 1))

        workers = [threading.Thread(target=work) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        with store.read() as connection:
            assert connection.scalar(sa.select(SWITCHES.c.at)) == 120


def test_an_error_of_the_store_repeats_no_values(url):
    """What the driver found is told, never the statement's parameters."""
    with opened(url) as store:
        with store.write(locks=["test"]) as connection:
            connection.exec_driver_sql("DROP TABLE meter")
        with pytest.raises(StoreError, match=r"no such table: meter|a table or a column is missing") as caught:
            with store.read() as connection:
                connection.execute(sa.text("SELECT * FROM meter WHERE key = :k"), {"k": "Anna Kowalska"})
    assert "Anna" not in str(caught.value)
    assert caught.value.__cause__ is None


# ---- text


@pytest.mark.parametrize("text", ["Ł" * 5000, "Иван\nПетров 🚚", "'; DROP TABLE meter; --", "%s %(x)s :x"])
def test_any_text_is_kept_as_it_is(url, text):
    """Of any length, in any language, whatever signs stand in it."""
    with opened(url) as store:
        with store.write(locks=["test"]) as connection:
            connection.execute(INSERT, flag("tool:x") | {"reason": text})
        with store.read() as connection:
            found = connection.scalar(sa.select(SWITCHES.c.reason).where(SWITCHES.c.reason == text))
        assert found == text


def test_text_is_ordered_by_its_bytes(url):
    """Whatever language a server speaks, the order is the same everywhere."""
    words = ["b", "a", "B", "*", "a:b", "a b", "Ż", "é", "z", "и", "1"]
    with opened(url) as store:
        with store.write(locks=["test"]) as connection:
            connection.execute(SWITCHES.delete())
            connection.execute(INSERT, [flag(word) for word in words])
        with store.read() as connection:
            found = list(connection.scalars(sa.select(SWITCHES.c.scope).order_by(SWITCHES.c.scope)))
    assert found == sorted(words, key=str.encode)
