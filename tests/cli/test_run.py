"""``agent-guard run`` with each scenario, and how a question behind the front desk is answered on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphs import SCENARIOS
from tests.cli.commands import CONFIG, invoke, rows

FIRST = {
    "account_health": ("en_one", "delivered"),
    "calendar_booking": ("en_angry", "delivered"),
    "forgotten_deal": ("en_list", "delivered"),
    "front_desk": ("en_ticket", "pending"),
    "sdr_qualification": ("pl_personal_data", "pending"),
    "support_draft": ("ru_error", "pending"),
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")


@pytest.mark.req("A24")
def test_every_scenario_runs_by_its_name() -> None:
    """A shipped conversation of each is run offline and ends as it should; every scenario has one here."""
    assert set(FIRST) == set(SCENARIOS)
    for name, (sample, status) in FIRST.items():
        path = SCENARIOS[name].samples / f"{sample}.jsonl"
        done = rows(invoke("run", name, "--input", str(path), "--json"))
        assert (done[-1]["type"], done[-1]["status"]) == ("end", status), name


@pytest.mark.req("A9", "A12")
def test_a_question_behind_the_desk_is_answered_on_the_command_line() -> None:
    """People see the route, the plan and the question of the scenario behind the desk; the answer lets it go on."""
    path = SCENARIOS["front_desk"].samples / "en_ticket.jsonl"
    shown = invoke("run", "front_desk", "--input", str(path)).stdout
    assert "routes    scenario: support_draft" in shown and "proposes  tickets__answer" in shown
    asked = shown.rsplit("approvals show ", 1)[1].split()[0]
    done = rows(invoke("approvals", "approve", asked, "--as", "boss", "--json"))
    assert done[-1]["status"] == "delivered"
