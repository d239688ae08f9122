"""``agent-guard route``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent_guard.cli import app
from agent_guard.errors import ConfigError

pytestmark = pytest.mark.req("A9")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*words: str) -> Result:
    """One command; an expected error is raised as what it is."""
    done = CliRunner().invoke(app, ["route", *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_a_scenario_is_shown_with_its_scope() -> None:
    """A request for a scenario shows the scenario, the rule, the tools and that a customer must be there."""
    shown = invoke("Qualify the lead Anna Kowalska").stdout
    assert "scenario sdr_qualification" in shown and "crm.create_task, crm.read_deal" in shown
    assert "authenticated by the host" in shown and "Anna" not in shown


@pytest.mark.parametrize(
    ("text", "outcome", "words"),
    [
        ("delete all contacts", "refuse", "I do not do this"),
        ("сәлем", "clarify", "Не істейін?"),
        ("Proszę połączyć mnie z konsultantem", "human", "Przekazuję to koledze"),
        ("удали всё", "refuse", "Этого я не делаю"),
    ],
)
def test_what_no_scenario_takes_is_said_in_the_language_of_the_request(text: str, outcome: str, words: str) -> None:
    """A refusal, a question and a hand-over are printed in the request's language."""
    shown = invoke(text).stdout
    assert shown.startswith(outcome) and words in shown


def test_machines_get_one_object() -> None:
    """``--json`` prints one object with the route and the words; a second unclear try goes to a person."""
    found = json.loads(invoke("hello", "--json").stdout)
    assert (found["outcome"], found["scenario"], found["language"]) == ("clarify", None, "en")
    assert found["words"].startswith("What should I do?")
    again = json.loads(invoke("hello", "--json", "--asked").stdout)
    assert again["outcome"] == "human" and again["rule"] == "unclear again: no corridor"


def test_nothing_is_written(_folder: Path) -> None:
    """The command opens no database."""
    invoke("Qualify the lead")
    assert list(_folder.iterdir()) == []


def test_an_application_that_is_none_is_refused() -> None:
    """A wrong ``--app`` is an error that says so."""
    with pytest.raises(ConfigError, match="names no application"):
        invoke("hello", "--app", "graphs")
