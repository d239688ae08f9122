"""``agent-guard agents``: the technical identities, on a database of their own."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent_guard.cli import app
from agent_guard.errors import AgentGuardError

CONFIG = "environment: dev\ndatabase: sqlite:///inner/guard.db\n"


def invoke(*words: str) -> Result:
    """One command; an expected error is raised as what it is."""
    done = CliRunner().invoke(app, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def rows(done: Result) -> list[dict[str, Any]]:
    """What a command printed with --json."""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(name="folder", autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, as the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


@pytest.mark.req("A2")
def test_an_agent_is_added_listed_and_revoked() -> None:
    """The first agent may be added before anything ran; the list tells who did what and when."""
    added = rows(invoke("agents", "add", "sdr-bot", "--reason", "first", "--json"))
    me = getpass.getuser()
    assert added == [{"agent": "sdr-bot", "environment": "dev", "done": "added", "reason": "first", "by": me}]
    assert invoke("agents", "revoke", "sdr-bot", "--reason", "leaked").stdout == "sdr-bot: revoked in dev\n"
    default, mine = rows(invoke("agents", "list", "--json"))
    assert (default["name"], default["created"], default["revoked"]) == ("default", None, None)
    assert (mine["name"], mine["environment"], mine["reason"]) == ("sdr-bot", "dev", "leaked")
    assert (mine["created_by"], mine["revoked_by"]) == (me, me)
    assert mine["created"] <= mine["revoked"]
    shown = invoke("agents", "list").stdout
    assert "default" in shown and "active" in shown and "revoked" in shown and "leaked" in shown


@pytest.mark.req("A2", "A5")
def test_the_record_and_the_flags_tell_of_it() -> None:
    """``audit show`` has both events in a chain that holds, and ``status`` the flag that the revocation pressed."""
    invoke("agents", "add", "sdr", "--reason", "first")
    invoke("agents", "revoke", "sdr", "--reason", "leaked")
    found = rows(invoke("audit", "show", "--json"))
    assert [(row["kind"], row["agent"], row["reason"]) for row in found] == [
        ("agent_added", "sdr", "first"),
        ("agent_revoked", "sdr", "leaked"),
    ]
    assert "the chains hold" in invoke("audit", "show").stdout
    pressed = [row["scope"] for row in rows(invoke("status", "--json")) if row["pressed"]]
    assert pressed == ["agent:dev/sdr"]


@pytest.mark.req("A2")
def test_a_revoked_agent_is_not_revived() -> None:
    """``revive`` refuses, with the way on; an agent that was only switched off is switched on."""
    invoke("agents", "add", "sdr", "--reason", "first")
    invoke("kill", "--agent", "sdr", "--reason", "drill")
    invoke("revive", "--agent", "sdr", "--reason", "over")
    invoke("agents", "revoke", "sdr", "--reason", "leaked")
    with pytest.raises(AgentGuardError, match=r"was revoked in dev .* add a new one"):
        invoke("revive", "--agent", "sdr", "--reason", "please")
    with pytest.raises(AgentGuardError, match="covers nothing here"):
        invoke("revive", "--agent", "dev/sdr", "--reason", "please")
    assert [row["scope"] for row in rows(invoke("status", "--json")) if row["pressed"]] == ["agent:dev/sdr"]


@pytest.mark.req("A2")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["agents", "add", "default", "--reason", "x"], "from the beginning"),
        (["agents", "add", "A B", "--reason", "x"], "is no agent's name"),
        (["agents", "add", "new", "--reason", " "], "give a reason"),
        (["agents", "add", "sdr", "--reason", "x"], "is there already"),
        (["agents", "revoke", "sdx", "--reason", "x"], "there is no agent 'sdx' in dev"),
        (["kill", "--agent", "sdx", "--reason", "x"], "there is: default, sdr"),
    ],
)
def test_a_slip_of_the_keyboard_changes_nothing(words: list[str], message: str) -> None:
    """A name, a reason or an agent that is none is refused, and nothing is recorded."""
    invoke("agents", "add", "sdr", "--reason", "first")
    with pytest.raises(AgentGuardError, match=message):
        invoke(*words)
    assert len(rows(invoke("audit", "show", "--json"))) == 1


def test_nothing_is_revoked_where_there_is_no_database() -> None:
    """Only ``add`` makes a database."""
    for words in (["list"], ["revoke", "sdr", "--reason", "x"]):
        with pytest.raises(AgentGuardError, match="there is no database"):
            invoke("agents", *words)


@pytest.mark.req("A2")
def test_a_process_runs_as_the_agent_of_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """``agent`` in the configuration, or AGENT_GUARD_AGENT, names who works; nobody works as an unknown one."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    monkeypatch.setenv("AGENT_GUARD_AGENT", "sdr")
    with pytest.raises(AgentGuardError, match="agent-guard agents add sdr"):
        invoke("approvals", "list")
    invoke("agents", "add", "sdr", "--reason", "first")
    assert invoke("approvals", "list").stdout.strip() == "Nothing waits."
