"""The benchmark beside CTRLRun: what is counted, and what is said where CTRLRun is not there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.bypass import environments
from benchmarks.bypass.adapters import ADAPTERS
from benchmarks.protect.__main__ import MAKE, table
from benchmarks.protect.ours import make
from benchmarks.protect.rows import CTRLRUN, ROWS
from benchmarks.protect.statements import Statements
from benchmarks.texts import new_text, text_of


def test_a_transaction_counts_once_where_it_wrote_and_is_flushed_where_the_database_is_at_full(tmp_path: Path) -> None:
    """What only read and what was rolled back is no write; a write outside a transaction is one of its own."""
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (n)")
        found = Statements(full=False)
        connection.set_trace_callback(found)
        for statement in (
            "INSERT INTO t VALUES (1)",
            "BEGIN IMMEDIATE",
            "INSERT INTO t VALUES (2)",
            "UPDATE t SET n = 3",
            "PRAGMA user_version",
            "COMMIT",
            "BEGIN",
            "SELECT n FROM t",
            "COMMIT",
            "BEGIN",
            "INSERT INTO t VALUES (4)",
            "ROLLBACK",
        ):
            connection.execute(statement)
        assert (found.written, found.flushed) == (2, 0)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("DELETE FROM t")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("INSERT INTO t VALUES (5)")
        assert (found.written, found.flushed) == (4, 1)


@pytest.mark.req("A6")
@pytest.mark.parametrize(("name", "flushed"), [("ours", 20), ("ours-none", 0)])
def test_our_call_writes_two_transactions_and_flushes_the_claim(tmp_path: Path, name: str, flushed: int) -> None:
    """Twenty calls of one conversation under the loops of a policy that says none: each runs, in two transactions."""
    system = make(ROWS[name], tmp_path)
    call = system.begin()
    call(new_text())

    def work() -> None:
        for _ in range(20):
            call(new_text())

    assert system.count(work) == (40, flushed)
    system.close()


def test_no_two_texts_are_equal_and_none_holds_a_digit() -> None:
    """A text that was seen before is read from caches, and digits may be a telephone."""
    texts = {text_of(n) for n in range(0, 10_000_000, 997)}
    assert len(texts) == len(range(0, 10_000_000, 997))
    assert not any(char.isdigit() for text in texts for char in text)
    assert max(map(len, texts)) <= 100


def test_without_ctrlrun_the_table_says_so_and_nothing_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason and the command stand where its rows would."""
    monkeypatch.setattr(environments, "_FOLDER", tmp_path)
    with pytest.raises(environments.Unavailable) as error:
        environments.python_of(CTRLRUN, ADAPTERS[CTRLRUN], install=False)
    assert list(tmp_path.iterdir()) == []
    told = table({}, str(error.value))
    assert ADAPTERS[CTRLRUN].packages[0] in told
    assert MAKE in told
