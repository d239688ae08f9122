"""Ctrl-C inside a statement that SQLAlchemy runs: it gives its connection up, and the writer of the file must go on."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from agent_guard.databases import writer as module
from agent_guard.store import Store
from tests.samples import opened
from tests.stores import INSERT, flag, scopes

pytestmark = [pytest.mark.req("B7", "A8")]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store on a file whose writers wait for a moment only."""
    monkeypatch.setattr(module, "UNATTENDED_S", 0.005)
    with opened(f"sqlite:///{tmp_path}/guard.db", lock_wait_s=0.5) as found:
        yield found


def interrupted(store: Store) -> None:
    """A write whose statement is interrupted, as a signal does it: inside SQLAlchemy's own execution."""
    engine = store._database._engine  # type: ignore[attr-defined]

    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    with store.write(locks=["test"]) as connection:
        sa.event.listen(engine, "do_execute", pressed)
        try:
            connection.execute(INSERT, flag("tool:lost"))
        finally:
            sa.event.remove(engine, "do_execute", pressed)


def test_an_interrupt_inside_a_statement_leaves_the_writer_free(store: Store) -> None:
    """The interrupt goes on as what it is, nothing stands, and this thread and others write on."""
    with pytest.raises(KeyboardInterrupt):
        interrupted(store)
    with store.write(locks=["test"]) as connection:
        connection.execute(INSERT, flag("tool:after"))
    assert scopes(store) == {"*", "tool:after"}


def test_who_shared_the_transaction_is_told_that_it_does_not_stand(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that wrote before in the same transaction hears of it, and does not wait for ever."""
    monkeypatch.setattr(module, "BATCH_S", 60.0)
    writer, inside = store._database._writer, threading.Event()  # type: ignore[attr-defined]
    told: list[Exception | None] = []

    def first() -> None:
        try:
            with store.write(locks=["test"]) as connection:
                connection.execute(INSERT, flag("tool:first"))
                inside.set()
                while not writer._waiting:
                    threading.Event().wait(0.001)
        except Exception as error:
            told.append(error)
        else:
            told.append(None)

    sharing = threading.Thread(target=first, daemon=True)
    sharing.start()
    assert inside.wait(5)
    with pytest.raises(KeyboardInterrupt):
        interrupted(store)
    sharing.join(2)
    assert not sharing.is_alive(), "it waits for ever"
    with sqlite3.connect(store.path or "") as other:
        there = ("tool:first",) in other.execute("SELECT scope FROM switches").fetchall()
    assert (told == [None]) == there


def test_an_interrupt_behind_the_commit_is_told_as_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy gives the connection up there too: what stands is not told to be lost, and the writer goes on."""
    dialect = store._database._engine.dialect  # type: ignore[attr-defined]

    def committed(connection: sqlite3.Connection) -> None:
        connection.commit()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", committed)
        with pytest.raises(KeyboardInterrupt), store.write(locks=["test"]) as connection:
            connection.execute(INSERT, flag("tool:stands"))
    with store.write(locks=["test"]) as connection:
        connection.execute(INSERT, flag("tool:after"))
    assert scopes(store) == {"*", "tool:stands", "tool:after"}


def test_an_interrupt_while_a_transaction_begins_leaves_none_open(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between ``BEGIN`` and the note of it: another process need not wait for this one's next write."""

    def pressed(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_Batch", pressed)
        with pytest.raises(KeyboardInterrupt), store.write(locks=["test"]):
            pass
    with sqlite3.connect(store.path or "", timeout=0, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
