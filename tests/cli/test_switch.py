"""The red button on the command line: what it covers, what it says, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent_guard.cli import app
from agent_guard.errors import AgentGuardError
from agent_guard.store import Store

CONFIG = (
    "environment: dev\ndatabase: sqlite:///guard.db\ncheckpoints: sqlite:///threads.db\nsystems: sqlite:///crm.db\n"
)


@pytest.fixture(name="folder", autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration and an empty database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "ops")
    monkeypatch.setenv("LOGNAME", "ops")
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    store = Store("sqlite:///guard.db")
    store.open()
    store.close()
    return tmp_path


def invoke(*words: str) -> str:
    """One command; an expected error is raised as what it is."""
    done = CliRunner().invoke(app, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def flags() -> dict[str, dict[str, Any]]:
    """What ``status --json`` shows, by scope."""
    return {row["scope"]: row for row in map(json.loads, invoke("status", "--json").splitlines())}


@pytest.mark.req("A31")
@pytest.mark.parametrize(
    ("option", "name", "scope"),
    [
        (None, None, "*"),
        ("--tenant", "acme", "tenant:acme"),
        ("--scenario", "sdr_qualification", "scenario:sdr_qualification"),
        ("--tool", "crm.create_task", "tool:crm.create_task"),
        ("--agent", "default", "agent:default"),
    ],
)
def test_each_option_switches_its_scope_and_no_other(option: str | None, name: str | None, scope: str) -> None:
    """Off with ``kill``, on again with ``revive``; who, why and since when stand in ``status``."""
    given = [option, str(name)] if option else []
    assert invoke("kill", *given, "--reason", "wrong words") == f"{scope}: tool calling is off\n"
    shown = flags()
    assert [key for key, row in shown.items() if row["pressed"]] == [scope]
    assert (shown[scope]["reason"], shown[scope]["by"], shown[scope]["at"][:2]) == ("wrong words", "ops", "20")
    text = next(line for line in invoke("status").splitlines() if line.startswith(scope))
    assert "pressed since 20" in text and text.endswith("by ops: wrong words")
    assert invoke("revive", *given, "--reason", "fixed") == f"{scope}: tool calling is on\n"
    assert not any(row["pressed"] for row in flags().values())
    assert flags()[scope]["reason"] == "fixed"


@pytest.mark.parametrize("command", ["kill", "revive"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tool", "a", "--tenant", "b"], "name one of"),
        (["--tool", ""], "a name is empty, so nothing was switched"),
        (["--tenant", ""], "a name is empty"),
        (["--tool", "crm.create_tusk"], "covers nothing here"),
        (["--scenario", "nothing"], "covers nothing here"),
        (["--agent", "nobody"], "covers nothing here"),
        (["--tenant", "x" * 300], "is no scope"),
    ],
)
def test_a_slip_of_the_keyboard_switches_nothing(command: str, words: list[str], message: str) -> None:
    """An empty variable of a script does not mean everything, and a name that is none is told."""
    with pytest.raises(AgentGuardError, match=message):
        invoke(command, *words, "--reason", "x")
    assert list(flags()) == ["*"] and not flags()["*"]["pressed"]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_reason_is_asked_for(reason: str) -> None:
    """It stands in the record, so it is there and has an end."""
    with pytest.raises(AgentGuardError, match="give a reason of 1 to 500 characters"):
        invoke("kill", "--reason", reason)
    assert not flags()["*"]["pressed"]


@pytest.mark.req("A31")
def test_the_button_works_whatever_a_terminal_sends() -> None:
    """Letters that are no UTF-8 in a reason keep nobody from pressing it; in a name they name nothing."""
    reason = b"Sch\xf6n".decode("utf-8", "surrogateescape")
    with pytest.raises(AgentGuardError, match="no UTF-8"):
        invoke("kill", "--tenant", reason, "--reason", "x")
    assert list(flags()) == ["*"]
    invoke("kill", "--reason", reason)
    assert (flags()["*"]["pressed"], flags()["*"]["reason"]) == (True, "Sch?n")


@pytest.mark.req("A31")
def test_the_button_works_where_the_application_does_not(folder: Path) -> None:
    """With an application that cannot be loaded: no name can be checked, and every scope can be switched."""
    (folder / "guard.yaml").write_text(f"{CONFIG}app: nothing:HERE\n", encoding="utf-8")
    invoke("kill", "--tool", "crm.whatever", "--reason", "drill")
    assert flags()["tool:crm.whatever"]["pressed"]


def test_a_reason_is_shown_as_it_was_written() -> None:
    """What looks like markup or moves a cursor is text."""
    invoke("kill", "--reason", "[red]see[/] \x1b[2J the log")
    assert "[red]see[/] \\x1b[2J the log" in invoke("status")


@pytest.mark.req("A31")
def test_exit_codes(folder: Path) -> None:
    """0 where it was switched, 1 where it was refused, 2 where the command itself is wrong."""

    def run(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "agent_guard.cli", *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stderr

    assert run("kill", "--reason", "drill") == (0, "")
    code, told = run("kill", "--agent", "nobody", "--reason", "drill")
    assert code == 1 and told.startswith("agent-guard: ") and told.count("\n") == 1
    assert run("kill")[0] == 2
    assert run("status") == (0, "")
    (folder / "guard.db").unlink()
    code, told = run("status")
    assert code == 1 and "there is no database" in told
