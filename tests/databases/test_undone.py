"""What a constraint refuses in the midst of many rows: all of it is undone, it is told, and the connection serves on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from agent_guard.databases.query import Command
from agent_guard.errors import StoreError
from agent_guard.meter import METER
from agent_guard.store import Store
from tests.samples import opened
from tests.stores import INSERT, flag, scopes

pytestmark = [pytest.mark.databases, pytest.mark.req("B7")]

TAKE = Command(METER.insert())


def place(key: str, n: int = 1) -> dict[str, Any]:
    return {"key": key, "n": n, "at": 1, "trace_id": "t"}


@pytest.fixture
def store(database: Any) -> Iterator[Store]:
    """A store in which one place is taken."""
    with opened(database.shared) as found:
        with found.write(locks=["test"]) as connection:
            TAKE.many(connection, [place("taken")])
        yield found


def keys(store: Store) -> list[str]:
    with store.read() as connection:
        return sorted(connection.scalars(METER.select().with_only_columns(METER.c.key)))


def test_a_refused_row_among_many_takes_the_others_back(store: Store) -> None:
    """Rows before it, rows behind it, and what the transaction wrote before; the next one works, many times over."""
    for n in range(6):
        with (
            pytest.raises(IntegrityError),
            store.write(locks=["test"], durable=True) as connection,
        ):
            connection.execute(INSERT, flag(f"tool:{n}"))
            TAKE.many(connection, [place(f"a{n}"), place("taken"), place(f"b{n}")])
        with store.write(locks=["test"]) as connection:
            TAKE.many(connection, [place(f"ok{n}", 1), place(f"ok{n}", 2)])
    assert keys(store) == sorted(["taken", *(f"ok{n}" for n in range(6) for _ in range(2))])
    assert scopes(store) == {"*"}


@pytest.mark.databases("postgres")
def test_what_a_server_undid_unnoticed_is_no_success(store: Store) -> None:
    """A body that swallows the error with which the server gave its transaction up is told that nothing stands."""
    with pytest.raises(StoreError), store.write(locks=["test"], durable=True) as connection:
        connection.execute(INSERT, flag("tool:lost"))
        with pytest.raises(IntegrityError):
            TAKE.run(connection, place("taken"))
    assert scopes(store) == {"*"}
