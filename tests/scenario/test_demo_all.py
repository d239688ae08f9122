"""``agent-guard demo --all`` shows every scenario, offline and with nobody at the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent_guard.testing import assert_no_personal_data
from graphs import SCENARIOS

ROOT = Path(__file__).parents[2]


@pytest.mark.req("A25", "A26", "A29", "A5")
def test_the_demo_shows_every_scenario(tmp_path: Path) -> None:
    """Each scenario has its part, the report and the scans are made, and no account's name is stored beside the CRM."""
    done = subprocess.run(
        [sys.executable, "-m", "agent_guard.cli", "demo", "--all"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for name in set(SCENARIOS) - {"sdr_qualification"}:
        assert f"scenario {name}" in done.stdout
    home = tmp_path / ".agent_guard" / "demo"
    report = (home / "reports" / "account_health.md").read_text(encoding="utf-8")
    assert "Alpine Tools" in report and (home / "reports" / "account_health.html").is_file()
    for name in ("account_health", "forgotten_deal"):
        assert f"scan {name}-demo" in done.stdout
    guarded = [path for path in home.rglob("*.db*") if not path.name.startswith("crm.db")]
    assert {"guard.db", "threads.db"} <= {path.name for path in guarded}
    assert_no_personal_data(guarded, ["Alpine Tools", "Brightline Clinics"])
