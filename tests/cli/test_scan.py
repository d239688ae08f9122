"""``agent-guard scan``: everything or nothing, once a day unless another id is given, and a bar where somebody looks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent_guard.cli import app


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text("environment: dev\n", encoding="utf-8")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["scan", *words])


@pytest.mark.req("A29")
def test_a_scan_says_what_it_found_and_whom_it_told() -> None:
    """Every owner is a line; the same id again says that it is finished, and another tells nobody twice."""
    first = run("forgotten_deal", "--all", "--id", "one")
    assert first.exit_code == 0, first.output
    assert "u-reed" in first.output and "findings logged" in first.output
    again = run("forgotten_deal", "--all", "--id", "one")
    assert "is finished; another --id begins a new one" in again.output
    other = run("forgotten_deal", "--all", "--id", "two", "--json")
    lines = [json.loads(line) for line in other.stdout.splitlines()]
    parts = [line for line in lines if line["type"] == "part"]
    assert {part["part"] for part in parts} == {"u-reed", "u-abenova", "u-nowak"}
    assert all(set(part["told"]) <= {"told_lately", "told_this_week"} for part in parts)
    assert lines[-1] == {"type": "end", "scan": "two", "undone": 0}


@pytest.mark.req("A26")
def test_the_health_of_all_accounts_is_scanned() -> None:
    """Without an id a scan is the day's."""
    done = run("account_health", "--all", "--json")
    assert done.exit_code == 0, done.output
    end = json.loads(done.stdout.splitlines()[-1])
    assert end["scan"].startswith("account_health-20") and end["undone"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [(["forgotten_deal"], "say --all"), (["sdr_qualification", "--all"], "scans nothing"), (["nothing", "--all"], "there is no scenario")],
)  # fmt: skip
def test_what_cannot_be_scanned_is_refused(words: list[str], said: str) -> None:
    """Without --all, a scenario that scans nothing, and one that is not there; the message says what to do."""
    failed = run(*words)
    assert failed.exit_code != 0 and said in str(failed.exception)
