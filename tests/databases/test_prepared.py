"""Statements that are sent by name: what goes in comes out, what is refused holds no value, nobody else stands still."""

from __future__ import annotations

import threading

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import generators
from sqlalchemy.exc import IntegrityError

from agent_guard.data_keys import DATA_KEYS
from agent_guard.databases.prepared import sent
from agent_guard.databases.query import RUNNER, Command, Query
from agent_guard.errors import StoreError
from agent_guard.kill_switch import SWITCHES
from tests.samples import opened
from tests.stores import flag, scopes

pytestmark = pytest.mark.databases("postgres")

ADD = Command(SWITCHES.insert())
ALL = Query(sa.select(SWITCHES).where(SWITCHES.c.scope != "*").order_by(SWITCHES.c.scope))
ADD_KEY, KEYS = Command(DATA_KEYS.insert()), Query(sa.select(DATA_KEYS.c.wrapped))


@pytest.fixture
def store(database):
    with opened(database.shared, lock_wait_s=20) as made:
        yield made


def test_what_goes_in_comes_out(store):
    """Text of any language, numbers of 64 bits, yes and no, and bytes; the character NUL is replaced."""
    with store.write(locks=["a"]) as connection:
        ADD.run(connection, {"scope": "1", "pressed": True, "reason": "Łódź 🚚\0", "by": "", "at": 2**63 - 1})
        ADD.run(connection, {"scope": "2", "pressed": False, "reason": "x", "by": "y", "at": -1})
        ADD_KEY.run(connection, {"id": "k", "wrapped": b"\0\xff'\\"})
    with store.read() as connection:
        assert ALL.all(connection, {}) == [("1", True, "Łódź 🚚\ufffd", "", 2**63 - 1), ("2", False, "x", "y", -1)]
        assert KEYS.all(connection, {}) == [(b"\0\xff'\\",)]


def test_a_value_of_no_known_type_is_refused():
    """It is told by its type, and not repeated."""
    assert sent([None, "a", 1, b"b"]) == ([None, b"a", b"1", b"b"], [False, False, False, True])
    with pytest.raises(TypeError, match="a float is no value") as caught:
        sent([0.1234])
    assert "1234" not in str(caught.value)


@pytest.mark.req("B7")
def test_one_of_many_that_is_refused_undoes_all_and_is_told_without_its_values(store):
    """Whoever wrote several rows at once is told which constraint was broken; the connection can be used again."""
    rows = [flag(f"tool:{n}") for n in (1, 2, 1, 3)]
    for _ in range(2):
        with pytest.raises(IntegrityError, match="switches_pkey") as caught, store.write(locks=["a"]) as connection:
            ADD.many(connection, rows)
        assert "tool:1" not in str(caught.value)
    assert scopes(store) == {"*"}
    with store.write(locks=["a"]) as connection:
        ADD.many(connection, [flag(f"tool:{n}") for n in range(1000)])
    assert len(scopes(store)) == 1001


@pytest.mark.req("B7")
@pytest.mark.parametrize("rows", [1, 3])
def test_who_waits_for_a_row_holds_up_no_other_thread(store, rows):
    """A thread that waits for the server lets the one run for which it waits."""
    written = []

    def waits():
        with pytest.raises(IntegrityError), store.write(locks=["b"]) as connection:
            ADD.many(connection, [flag(f"tool:{n}") for n in range(rows)])
        written.append(rows)

    worker = threading.Thread(target=waits)
    with store.write(locks=["a"]) as connection:
        ADD.run(connection, flag("tool:0"))
        worker.start()
        query, queued = "SELECT count(*) FROM pg_locks WHERE NOT granted", 0
        while worker.is_alive() and not queued:
            queued = connection.exec_driver_sql(query).scalar()
    assert queued
    worker.join(20)
    assert written == [rows]
    assert scopes(store) == {"*", "tool:0"}


def test_many_that_are_interrupted_leave_no_answer_for_somebody_else(store, monkeypatch):
    """What interrupts a round trip closes its connection; the next transaction gets another one."""

    def interrupted(_):
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt), store.write(locks=["a"]) as connection:
        driver = connection.connection.driver_connection
        with monkeypatch.context() as patch:
            patch.setattr(generators, "fetch", interrupted)
            ADD.many(connection, [flag("tool:1"), flag("tool:2")])
            ALL.all(connection, {})
    assert driver.closed
    assert scopes(store) == {"*"}


def test_a_connection_that_the_server_has_ended_is_closed(store):
    """After the server's last words nothing more is asked on it."""
    with pytest.raises(StoreError), store.write(locks=["a"]) as connection:
        driver = connection.connection.driver_connection
        with store.read() as other:
            other.exec_driver_sql(f"SELECT pg_terminate_backend({driver.info.backend_pid}, 20000)")
        ALL.all(connection, {})
    assert driver.closed
    assert scopes(store) == {"*"}


def test_a_statement_is_prepared_once_and_survives_what_is_undone(store):
    """Each statement has a name of its own on a connection, also after one could not be prepared."""
    with pytest.raises(psycopg.errors.UndefinedTable), store._database.writing(["a"], durable=False) as connection:
        connection.info[RUNNER].rows("SELECT 1 FROM nowhere", [])
    for _ in range(3):
        with store.read() as connection:
            assert ALL.all(connection, {}) == []
            query = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%switches%%'"
            assert connection.exec_driver_sql(query).scalar() == 1
