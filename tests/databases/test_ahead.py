"""What is read ahead and what is sent later: fewer round trips to a server, and the same answers in the same order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from agent_guard.databases.query import AHEAD, Asked, Command, Query, ahead
from agent_guard.kill_switch import SWITCHES
from agent_guard.meter import METER
from agent_guard.store import Store
from tests.samples import opened
from tests.stores import INSERT, flag, scopes

pytestmark = pytest.mark.databases

ADD = Command(SWITCHES.insert())
RENAME = Command(SWITCHES.update().where(SWITCHES.c.scope == sa.bindparam("k")).values(reason=sa.bindparam("r")))
REASON = Query(sa.select(SWITCHES.c.reason).where(SWITCHES.c.scope == sa.bindparam("k")))
TAKE = Command(METER.insert())


@pytest.fixture
def store(database: Any) -> Iterator[Store]:
    """A store with two flags."""
    with opened(database.shared) as found:
        with found.write(locks=["a"]) as connection:
            ADD.many(connection, [flag("tool:1"), flag("tool:2")])
        yield found


def reason(scope: str) -> Asked:
    return REASON.asked({"k": scope})


def both() -> list[Asked]:
    return [reason("tool:1"), reason("tool:2"), reason("tool:none")]


def place(key: str) -> dict[str, Any]:
    return {"key": key, "n": 1, "at": 1, "trace_id": "t"}


def test_an_answer_that_was_read_ahead_is_the_one_that_asking_gives(store: Store) -> None:
    """With rows and without any, once and again, and for values that were not named beforehand."""
    with store.write(locks=["a"]) as connection:
        asked = [item.all(connection) for item in both()]
        ahead(connection, both)
        for _ in range(2):
            assert [item.all(connection) for item in both()] == asked
        assert reason("*").first(connection) == ("",)
    assert [len(rows) for rows in asked] == [1, 1, 0]


@pytest.mark.parametrize("write", ["run", "many", "sqlalchemy"])
def test_what_the_transaction_writes_is_never_hidden_by_what_was_read_ahead(store: Store, write: str) -> None:
    """Through each way of writing."""
    with store.write(locks=["a"]) as connection:
        ahead(connection, both)
        if write == "run":
            assert RENAME.run(connection, {"k": "tool:1", "r": "new"}) == 1
        elif write == "many":
            RENAME.many(connection, [{"k": "tool:1", "r": "new"}])
        else:
            connection.execute(SWITCHES.update().where(SWITCHES.c.scope == "tool:1").values(reason="new"))
        assert reason("tool:1").first(connection) == ("new",)
        assert reason("tool:2").first(connection) != ("new",)


def test_the_next_transaction_asks_anew(store: Store) -> None:
    """What others wrote since is seen, by a transaction that ended well before it, and by one that did not."""
    for n, error in enumerate((None, ZeroDivisionError)):
        try:
            with store.write(locks=["a"]) as connection:
                ahead(connection, both)
                if error:
                    raise error
        except ZeroDivisionError:
            pass
        with store.write(locks=["a"]) as connection:
            assert AHEAD not in connection.info
            RENAME.run(connection, {"k": "tool:1", "r": f"r{n}"})
        assert store.ask(lambda connection: reason("tool:1").first(connection)) == (f"r{n}",)


def test_rows_that_wait_come_before_what_follows_them(store: Store) -> None:
    """A query, a statement of SQLAlchemy's and the commit find the rows that were given before."""
    with store.write(locks=["a"]) as connection:
        TAKE.many(connection, [place("a")])
        ADD.many(connection, [flag("tool:3")])
        assert reason("tool:3").first(connection) == (flag("tool:3")["reason"],)
        ADD.many(connection, [flag("tool:4")])
        assert "tool:4" in connection.scalars(sa.select(SWITCHES.c.scope)).all()
        ADD.many(connection, [flag("tool:5")])
        connection.execute(SWITCHES.delete().where(SWITCHES.c.scope == "tool:5"))
        ADD.many(connection, [flag("tool:6")])
    assert scopes(store) == {"*", "tool:1", "tool:2", "tool:3", "tool:4", "tool:6"}


@pytest.mark.parametrize("sent_by", ["read", "run", "ahead", "commit"])
def test_a_row_that_is_refused_later_undoes_the_transaction(store: Store, sent_by: str) -> None:
    """Whatever sends it tells of it, nothing of the transaction stands, and the next one works."""
    with pytest.raises(IntegrityError), store.write(locks=["a"], durable=True) as connection:
        connection.execute(INSERT, flag("tool:before"))
        ADD.many(connection, [flag("tool:3"), flag("tool:1"), flag("tool:4")])
        if sent_by == "read":
            reason("tool:3").all(connection)
        elif sent_by == "run":
            TAKE.run(connection, place("a"))
        elif sent_by == "ahead":
            ahead(connection, both)
    assert scopes(store) == {"*", "tool:1", "tool:2"}
    with store.write(locks=["a"]) as connection:
        ADD.many(connection, [flag("tool:3")])
    assert "tool:3" in scopes(store)


def test_rows_that_wait_are_dropped_with_their_transaction(store: Store) -> None:
    """They are not sent with the next one."""
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), store.write(locks=["a"]) as connection:
            ADD.many(connection, [flag("tool:3")])
            raise ZeroDivisionError
    with store.write(locks=["a"]) as connection:
        ADD.many(connection, [flag("tool:4")])
    assert scopes(store) == {"*", "tool:1", "tool:2", "tool:4"}


@pytest.mark.databases("postgres")
@pytest.mark.req("A8")
def test_a_call_takes_nine_round_trips(world) -> None:
    """A keyed write: one for the pseudonyms, three to decide and claim it, one for the flags, four to settle it. Each is
    told by the server's ReadyForQuery (PostgreSQL manual, 55.2.2).
    """
    with world.gateway() as guard, tempfile.TemporaryFile() as log:
        thread = guard.open(world.sdr, party=world.anna)
        for n in range(3):  # statements are prepared, the thread is known
            assert thread.invoke("crm.create_task", {"deal_id": "42", "subject": f"Call {n}"}).status == "executed"
        wires = [item.connection.driver_connection.pgconn for item in guard.store._database._idle]
        for wire in wires:
            wire.trace(log.fileno())
        done = thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call again"})
        for wire in wires:
            wire.untrace()
        log.seek(0)
        assert done.status == "executed"
        assert log.read().count(b"ReadyForQuery") == 9
