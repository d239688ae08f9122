"""PostgreSQL: locks by name, time-outs, a server that dies and comes back, and what is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
import sqlalchemy as sa

from agent_guard.databases.postgres import MORE, POOL, lock_number, meaning
from agent_guard.errors import StoreError
from agent_guard.kill_switch import SWITCHES, KillSwitch
from agent_guard.store import Store
from tests.postgres import Server
from tests.samples import opened
from tests.stores import INSERT, flag, refused, scopes

pytestmark = pytest.mark.databases("postgres")


@pytest.fixture
def url(database):
    return database.shared


@contextmanager
def beside(url: str, statement: str) -> Iterator[str]:
    """A url of the same server that differs by a statement of its administrator, e.g. another user."""
    with closing(psycopg.connect(url.replace("+psycopg", ""), autocommit=True)) as connection:
        connection.execute(statement)
    yield url


def shown(store: Store, name: str) -> str:
    with store.read() as connection:
        return str(connection.exec_driver_sql(f"SHOW {name}").scalar())


# ---- locks


@pytest.mark.req("B7")
def test_writers_that_name_nothing_in_common_pass_each_other(url):
    """A write waits for the names that it shares, and for no other."""
    with opened(url, lock_wait_s=0.05) as store, store.write(locks=["a", "b"]) as first:
        first.execute(INSERT, flag("tool:first"))
        with store.write(locks=["c"]) as second:
            second.execute(INSERT, flag("tool:second"))
        with pytest.raises(StoreError, match="locked"), store.write(locks=["c", "b"]):
            pass
    with opened(url) as store:
        assert scopes(store) == {"*", "tool:first", "tool:second"}


@pytest.mark.req("B7")
def test_names_are_taken_in_one_order(url):
    """Writers that name the same in any order wait in a line and never in a circle."""
    names = [f"n{index}" for index in range(6)]
    with opened(url, lock_wait_s=20) as store:
        failed: list[BaseException] = []

        def work(start: int) -> None:
            try:
                for _ in range(20):
                    with store.write(locks=names[start:] + names[:start]):
                        pass
            except BaseException as error:
                failed.append(error)

        workers = [threading.Thread(target=work, args=(start,)) for start in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert failed == []


@pytest.mark.req("B7")
def test_what_was_written_under_a_lock_is_seen_by_the_next(url):
    """A write that had to wait sees what the one before it has committed."""
    with opened(url, lock_wait_s=20) as store:
        waits, seen = threading.Event(), []

        def second():
            waits.set()
            with store.write(locks=["a"]) as connection:
                seen.append(set(connection.scalars(sa.select(SWITCHES.c.scope))))

        worker = threading.Thread(target=second)
        with store.write(locks=["a"]) as connection:
            worker.start()
            assert waits.wait(20)
            while True:  # until it stands in the queue
                held = connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar()
                if held:
                    break
            connection.execute(INSERT, flag("tool:x"))
        worker.join(20)
    assert seen == [{"*", "tool:x"}]


def test_a_lock_has_one_number_everywhere():
    """The numbers are of 64 bits with a sign, and do not change: processes of two releases must meet."""
    assert lock_number("chain|t1") == -8394449120827682178
    numbers = {lock_number(f"n{index}") for index in range(1000)}
    assert len(numbers) == 1000
    assert all(-(2**63) <= number < 2**63 for number in numbers)


# ---- nothing waits for ever, nothing stays open


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lock_timeout", "1500ms"),
        ("statement_timeout", "31500ms"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("jit", "off"),
        ("plan_cache_mode", "force_generic_plan"),
        ("application_name", "agent_guard"),
        ("transaction_isolation", "repeatable read"),
        ("transaction_read_only", "on"),
    ],
)
def test_a_connection_is_set_for_its_work(url, name, value):
    """No statement waits for ever, and no plan that was made of an empty table is kept for a full one."""
    with opened(url, lock_wait_s=1.5) as store:
        assert shown(store, name) == value


def test_a_write_is_read_committed_whatever_the_server_prefers(url):
    """Behind a lock every statement must see what was committed before it."""
    with beside(url, "ALTER ROLE CURRENT_USER SET default_transaction_isolation = 'serializable'"):
        try:
            with opened(url) as store, store.write(locks=["a"]) as connection:
                assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
        finally:
            with beside(url, "ALTER ROLE CURRENT_USER RESET default_transaction_isolation"):
                pass


def test_a_statement_that_takes_too_long_is_told(url):
    """The server ends it, and the sentence says so."""
    with opened(url) as store, pytest.raises(StoreError, match=r"took too long \(57014\)"), store.read() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 20")
        connection.exec_driver_sql("SELECT pg_sleep(5)")


def test_a_transaction_that_stands_still_is_ended(url):
    """A process that froze in a transaction does not hold its locks for ever; the next transaction is fine."""
    with opened(url) as store:
        with pytest.raises(StoreError, match=r"stood still|does not answer"), store.write(locks=["a"]) as connection:
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 20")
            with opened(url, lock_wait_s=20) as other, other.write(locks=["a"]):
                pass  # its turn came
            connection.execute(INSERT, flag("tool:x"))
        assert scopes(store) == {"*"}


def test_nothing_stays_open(url):
    """After a transaction, ended well or not, its connection holds no transaction and no lock."""
    with opened(url) as store, opened(url) as other:
        with store.write(locks=["a"]) as connection:
            connection.execute(INSERT, flag("tool:x"))
        with pytest.raises(KeyError), store.write(locks=["b"]):
            raise KeyError
        scopes(store)
        with pytest.raises(KeyError), store.read():
            raise KeyError
        with other.read() as connection:
            query = "SELECT state, count(*) FROM pg_stat_activity WHERE datname = current_database() GROUP BY state"
            states = dict(connection.exec_driver_sql(query).all())
            query = (
                "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_locks.database = pg_database.oid "
                "WHERE locktype = 'advisory' AND datname = current_database()"
            )
            locks = connection.exec_driver_sql(query).scalar()
    assert set(states) == {"active", "idle"}
    assert locks == 0


def test_a_connection_that_comes_back_late_is_closed(url):
    """A thread that still reads while its store is closed leaves no connection behind."""
    store, inside, go = Store(url), threading.Event(), threading.Event()

    def read():
        with store.read():
            inside.set()
            go.wait(20)

    worker = threading.Thread(target=read)
    worker.start()
    assert inside.wait(20)
    store.close()
    go.set()
    worker.join(20)
    with opened(url) as other, other.read() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        assert connection.exec_driver_sql(query).scalar() == 1


def test_statements_stay_prepared(url):
    """A statement that runs again and again is planned once: no transaction, ended well or not, makes the
    driver forget it."""
    with opened(url) as store:
        switch = KillSwitch(store)
        for _ in range(12):
            switch.flags()
        with pytest.raises(KeyError), store.write(locks=["a"]):
            raise KeyError
        switch.flags()
        with store.read() as connection:
            query = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%switches%%'"
            assert connection.exec_driver_sql(query).scalar() == 1


def test_a_pool_that_is_empty_is_told(url, monkeypatch):
    """Too many threads at once are told to be fewer."""
    with opened(url) as store:
        monkeypatch.setattr(store._database._engine.pool, "_timeout", 0.05)
        held = [store.read() for _ in range(POOL + MORE)]
        for item in held:
            item.__enter__()
        with pytest.raises(StoreError, match="use fewer threads"), store.read():
            pass
        for item in held:
            item.__exit__(None, None, None)
        assert scopes(store) == {"*"}


# ---- a server that dies and comes back


@pytest.fixture
def own(server: Server) -> Iterator[Store]:
    """A store on a server that may be killed."""
    with opened(server.fresh(), lock_wait_s=2) as store:
        yield store


@pytest.mark.req("A8")
def test_a_server_that_was_restarted_costs_nothing(server: Server, own: Store) -> None:
    """Connections that it dropped are replaced before anything is answered: all of them, in a single
    question, in reads and in writes.
    """
    held = [own.read() for _ in range(4)]
    for item in held:
        item.__enter__()
    for item in held:
        item.__exit__(None, None, None)
    switch = KillSwitch(own)
    for asked in (switch.flags, lambda: scopes(own) - {"*"}):
        server.kill()
        server.start()
        assert asked() == frozenset()
    with own.write(locks=["a"]) as connection:
        connection.execute(INSERT, flag("tool:x"))
    assert scopes(own) == {"*", "tool:x"}


@pytest.mark.req("A8")
def test_a_server_that_dies_in_a_transaction_undoes_it(server: Server, own: Store) -> None:
    """The transaction is told and gone; while the server is away so is every other; then the same process goes on."""
    with pytest.raises(StoreError, match="does not answer"), own.write(locks=["a"]) as connection:
        connection.execute(INSERT, flag("tool:x"))
        server.kill()
        connection.execute(INSERT, flag("tool:y"))
    with pytest.raises(StoreError, match="does not answer"), own.read():
        pass
    server.start()
    assert scopes(own) == {"*"}


@pytest.mark.req("A8")
def test_a_server_that_dies_before_the_commit_undoes_it(server: Server, own: Store) -> None:
    """A commit that nobody answered is told as a failure."""
    with pytest.raises(StoreError, match="does not answer"), own.write(locks=["a"], durable=True) as connection:
        connection.execute(INSERT, flag("tool:x"))
        server.kill()
    server.start()
    assert scopes(own) == {"*"}


@pytest.mark.req("A8", "B7")
def test_a_durable_write_outlives_the_server(server: Server, own: Store) -> None:
    """What a durable write has said stands after the server's crash, and so does all that was written before it."""
    for index in range(50):
        with own.write(locks=["a"]) as connection:
            connection.execute(INSERT, flag(f"tool:before{index}"))
    with own.write(locks=["a"], durable=True) as connection:
        connection.execute(INSERT, flag("tool:claimed"))
    server.kill()
    server.start()
    assert scopes(own) == {"*", "tool:claimed", *(f"tool:before{index}" for index in range(50))}


# ---- what is told


@pytest.mark.parametrize("way", ["database", "port"])
def test_a_server_that_is_not_as_the_url_says_is_told(url, way):
    """No such database, no such server: each with what to do."""
    given = sa.make_url(url)
    wrong, words = {
        "database": (given.set(database="nowhere"), "there is no such database .* createdb"),
        "port": (sa.make_url("postgresql+psycopg://guard@127.0.0.1:1/guard"), "does not answer; start it"),
    }[way]
    message = refused(wrong.render_as_string(hide_password=False), words)
    assert "password" not in message


def test_a_wrong_password_is_told_and_not_repeated(server: Server, own: Store) -> None:
    """Neither the url's password nor the one of its query stands in a message or in the name."""
    rules = server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    try:
        rules.write_text("local all guard trust\nlocal all all scram-sha-256\n")
        with own.write(locks=["a"]) as connection:
            connection.exec_driver_sql("CREATE ROLE other LOGIN PASSWORD 'right'")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        good = sa.make_url(own._database._url)
        urls = [
            good.set(username="other", password="wr0ng"),
            good.set(username="other").update_query_dict({"password": "wr0ng"}),
        ]
        for wrong in urls:
            message = refused(
                wrong.render_as_string(hide_password=False), "refuses this user or its password; check both"
            )
            assert "wr0ng" not in message
            store = Store(wrong.render_as_string(hide_password=False))
            assert "wr0ng" not in store.name
            store.close()
    finally:
        rules.write_text(before)
        with own.write(locks=["a"]) as connection:
            connection.exec_driver_sql("DROP ROLE IF EXISTS other")
            connection.exec_driver_sql("SELECT pg_reload_conf()")


def test_a_database_that_cannot_hold_every_letter_is_refused(server: Server, own: Store) -> None:
    """A database of another encoding is told before a customer's name is lost in it."""
    with closing(psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True)) as connection:
        connection.execute("DROP DATABASE IF EXISTS latin")
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    refused(sa.make_url(server.url).set(database="latin").render_as_string(), "stores text as LATIN1.*UTF8")


@pytest.mark.parametrize(
    ("state", "words", "told"),
    [
        ("53100", "", "its disk is full (53100); free some disk space"),
        ("53300", "", "no connection left (53300); use fewer processes"),
        (None, "FATAL: sorry, too many clients already", "no connection left; use fewer processes"),
        ("25006", "", "it is read-only (25006); give the url of the primary"),
        ("42501", "", "lacks the rights (42501)"),
        ("57P01", "", "does not answer (57P01)"),
        ("40P01", "", "waited for each other (40P01); try again"),
        ("XX001", "", "it is damaged (XX001); restore it"),
        ("XX000", "", "an error of its own (XX000); look for this SQLSTATE in its log; a disk or a quota may be full"),
        ("22001", "", "it cannot hold a value (22001)"),
        ("0A000", "Anna Kowalska", "reports an error (0A000); look for this SQLSTATE"),
        (None, 'role "guard" does not exist', "refuses this user"),
        (None, "Connection refused", "does not answer; start it"),
    ],
)
def test_every_error_is_told_in_one_sentence(state, words, told):
    """What it is, its SQLSTATE where it has one, and what to do; never the server's own words, which hold values."""

    class Failed(Exception):
        sqlstate = state

    assert told in meaning(Failed(words))
    assert "Anna" not in meaning(Failed(words))


# ---- text, keys


def test_the_driver_need_not_be_named(url):
    """A url as the server's own tools take it is the same database."""
    with opened(url) as named, opened(url.replace("postgresql+psycopg:", "postgresql:")) as plain:
        assert named.name == plain.name
        with plain.write(locks=["a"]) as connection:
            connection.execute(INSERT, flag("tool:x"))
        assert scopes(named) == {"*", "tool:x"}


@pytest.mark.req("B6")
def test_a_character_that_no_text_may_have_is_replaced(url):
    """PostgreSQL takes no NUL in a text; what is looked for is replaced like what is stored."""
    with opened(url) as store:
        with store.write(locks=["a"]) as connection:
            connection.execute(INSERT, flag("tool:a\0b"))
        with store.read() as connection:
            found = connection.scalars(sa.select(SWITCHES.c.scope).where(SWITCHES.c.scope == "tool:a\0b")).all()
        assert found == ["tool:a\ufffdb"]


def test_the_key_of_dev_lies_in_the_guards_own_folder(url):
    """There is no place beside a server."""
    with opened(url) as store:
        assert store.path is None
        assert str(store.key_file) == f".agent_guard/{sa.make_url(url).database}.key"
