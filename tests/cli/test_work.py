"""``agent-guard work``: one round or many, told line by line, and ended by a signal."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent_guard.approvals import Approval
from agent_guard.cli.output import opened, settings_of
from agent_guard.cli.resuming import LEFT_UNDONE
from agent_guard.errors import AgentGuardError, StoreError
from agent_guard.masking import Masker
from agent_guard.settings import load_settings
from tests.cli.commands import invoke, rows

RAW = ("Emily", "Carter", "415", "northwind")


def answered(word: Any = "approve", **options: Any) -> Approval:
    """The waiting question of the current folder, answered in another process that lets nothing go on."""
    settings = settings_of(None)
    with opened(settings, masker=Masker(profile="patterns"), quiet=True) as application:
        gateway = application.gateway
        (waiting,) = gateway.approvals.list()
        by = settings.person("boss", pretend=None)
        return gateway.answer(waiting.id, word, by=by, **options).approval


def tasks(folder: Path) -> int:
    """How many tasks the CRM has."""
    with closing(sqlite3.connect(folder / "crm.db")) as crm:
        return int(crm.execute("SELECT count(*) FROM tasks").fetchone()[0])


@pytest.mark.req("A12")
def test_a_round_carries_an_answer_out_and_says_so(folder: Path) -> None:
    """One line a thing done, ids and closed words only; a second round has nothing to do."""
    assert invoke("work", "--once", "--json").stdout == ""
    approval = answered()
    done = invoke("work", "--once", "--json")
    (row,) = rows(done)
    assert row == {
        "kind": "resumed",
        "thread": approval.thread,
        "questions": {approval.id: "approve"},
        "status": "delivered",
    }
    assert tasks(folder) == 1
    again = invoke("work", "--once", "--json")
    assert (again.stdout, again.exit_code) == ("", 0)
    assert not [value for value in RAW if value in done.output]


def test_a_round_is_told_in_words(folder: Path) -> None:
    """Without --json the same stands on a line of its own."""
    approval = answered("reject", message="Ask emily.carter@northwind.example")
    done = invoke("work", "--once")
    assert done.stdout.splitlines() == [f"resumed    thread {approval.thread}, {approval.id} reject, delivered"]
    assert done.exit_code == 0
    assert tasks(folder) == 0


@pytest.mark.req("A12")
def test_a_round_that_leaves_something_undone_says_so_by_its_exit_code(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the thread is lost the answer stays recorded, and nothing runs; ``--retry`` takes up what was put aside."""
    approval = answered()
    for path in folder.glob("threads.db*"):
        path.rename(f"{path}.lost")
    done = invoke("work", "--once", "--json")
    assert done.exit_code == LEFT_UNDONE
    (row,) = rows(done)
    assert (row["kind"], row["thread"]) == ("failed", approval.thread)
    assert "checkpoints hold no thread" in row["words"]
    monkeypatch.setattr("agent_guard.work.turns.TRIES", 1)
    with closing(sqlite3.connect(folder / "guard.db")) as guard:
        guard.execute("UPDATE leases SET until = 0")
        guard.commit()
    assert [row["kind"] for row in rows(invoke("work", "--once", "--json"))] == ["put_aside"]
    (folder / "threads.db").unlink()
    for path in folder.glob("threads.db*.lost"):
        path.rename(str(path).removesuffix(".lost"))
    left = invoke("work", "--once", "--json")
    assert (left.stdout, left.exit_code) == ("", LEFT_UNDONE)
    assert [row["status"] for row in rows(invoke("work", "--once", "--retry", "--json"))] == ["delivered"]
    assert tasks(folder) == 1


def test_a_database_that_cannot_be_used_ends_one_round_with_its_error(folder: Path) -> None:
    """``--once`` raises it, so that whoever scheduled the round hears of it; nothing is lost."""
    approval = answered()
    for path in folder.glob("threads.db*"):
        path.unlink()
    (folder / "threads.db").write_bytes(b"no database " * 500)
    with pytest.raises(StoreError, match="checkpoint database cannot be used"):
        invoke("work", "--once")
    (folder / "threads.db").unlink()
    assert rows(invoke("work", "--once", "--json"))[0]["thread"] == approval.thread


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--interval", "soon"], "is not a duration"), (["--app", "nothing:HERE"], "cannot be loaded")],
)
def test_what_cannot_be_is_refused(folder: Path, words: list[str], message: str) -> None:
    """A wrong option is one clear error before anything is opened."""
    with pytest.raises(AgentGuardError, match=message):
        invoke("work", "--once", *words)


@pytest.mark.req("A12")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_works_until_it_is_told_to_end(folder: Path, number: signal.Signals) -> None:
    """A real process: it carries out an answer that comes while it runs, ends at a signal and says 0."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "agent_guard.cli", "work", "--interval", "1s", "--json"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as worker:
        approval = answered()
        assert worker.stdout is not None
        row = json.loads(worker.stdout.readline())
        worker.send_signal(number)
        _, errors = worker.communicate(timeout=60)
    assert (row["thread"], row["status"]) == (approval.thread, "delivered")
    assert worker.returncode == 0, errors
    assert tasks(folder) == 1


def test_an_answer_whose_thread_is_lost_is_recorded(folder: Path) -> None:
    """``approvals approve`` says that the answer stands and what is left to do, by words and exit code."""
    (waiting,) = rows(invoke("approvals", "list", "--json"))
    for path in folder.glob("threads.db*"):
        path.unlink()
    done = invoke("approvals", "approve", waiting["id"], "--as", "boss", "--json")
    assert done.exit_code == LEFT_UNDONE
    assert rows(done)[0]["status"] == "recorded"
    done = invoke("approvals", "show", waiting["id"])
    assert "approve by boss" in done.stdout
    assert load_settings().source == "guard.yaml"
