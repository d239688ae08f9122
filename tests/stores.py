"""What the tests of the store and of its databases share: a table to write to, and a store that cannot be opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from agent_guard.databases.writer import Writer
from agent_guard.errors import StoreError
from agent_guard.kill_switch import SWITCHES
from agent_guard.store import Store

INSERT = SWITCHES.insert()


def flag(scope: str) -> dict[str, object]:
    """A row of the red button's table."""
    return {"scope": scope, "pressed": False, "reason": "", "by": "test", "at": 0}


def scopes(store: Store) -> set[str]:
    """The flags that a store has."""
    with store.read() as connection:
        return set(connection.scalars(sa.select(SWITCHES.c.scope)))


def refused(url: str, words: str) -> str:
    """What a store says that cannot be opened."""
    store = Store(url, lock_wait_s=0.05)
    try:
        with pytest.raises(StoreError, match=words) as caught:
            store.open()
    finally:
        store.close()
    return str(caught.value)


class Refusing:
    """A SQLite driver's connection whose commits may be refused, before they are done.

    Args:
        refuses: asked at each commit.
    """

    def __init__(self, driver: sqlite3.Connection, refuses: Callable[[], bool]) -> None:
        self._driver, self._refuses = driver, refuses

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    def commit(self) -> None:
        """Commits, or is refused."""
        if self._refuses():
            raise sqlite3.OperationalError("database or disk is full")
        self._driver.commit()


def refuse_commits(monkeypatch: pytest.MonkeyPatch, refuses: Callable[[], bool]) -> None:
    """Has the disk refuse commits of every SQLite writer, whenever ``refuses`` says so."""
    opened = Writer._opened

    def refusing(writer: Writer) -> Any:
        connection, driver = opened(writer)
        if not isinstance(driver, Refusing):
            writer._driver = Refusing(driver, refuses)  # type: ignore[assignment]
        return connection, writer._driver

    monkeypatch.setattr(Writer, "_opened", refusing)
