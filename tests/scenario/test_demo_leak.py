"""What the demo writes holds no personal data outside the embedded CRM (L4)."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from agent_guard.testing import assert_no_personal_data
from graphs.sdr_qualification.conversation import read
from tools.crm.seed import ANCHORS

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "graphs" / "sdr_qualification" / "samples").glob("*.jsonl"))


def _written(value: str) -> list[str]:
    """A value, and what stays of it when spaces and signs are taken out."""
    digits = re.sub(r"\D", "", value)
    return [value, *([digits] if len(digits) >= 9 else [])]


@pytest.mark.req("A5", "A23", "B6", "B16")
@pytest.mark.parametrize("sample", [path.stem for path in SAMPLES])
def test_the_demo_leaves_no_raw_value_outside_the_crm(sample: str, tmp_path: Path) -> None:
    """No raw name, phone, e-mail or id of the input stands in any file of the demo but the CRM's, in any encoding."""
    done = subprocess.run(
        [sys.executable, "-m", "agent_guard.cli", "demo", "--sample", sample],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    conversation = read(ROOT / "graphs" / "sdr_qualification" / "samples" / f"{sample}.jsonl")
    contact = ANCHORS[conversation.deal_id].contact
    values = [contact.name, *contact.name.split(), contact.email]
    values += [value for raw in (contact.phone, contact.national_id) if raw for value in _written(raw)]
    text = "\n".join(line.text for line in conversation.messages)
    values += re.findall(r"[\w.+-]+@[\w.-]+\.\w+", text)
    assert len(values) > 3
    home = tmp_path / ".agent_guard"
    guarded = [path for path in home.rglob("*") if path.is_file() and not path.name.startswith("crm.db")]
    assert {"guard.db", "threads.db"} <= {path.name for path in guarded}
    assert_no_personal_data(guarded, values)
    crm = sqlite3.connect(home / "demo" / "crm.db")
    try:
        assert crm.execute("SELECT count(*) FROM contacts WHERE name = ?", (contact.name,)).fetchone() == (1,)
    finally:
        crm.close()
