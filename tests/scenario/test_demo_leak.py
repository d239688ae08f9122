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

ROOT = Path(__file__).parents[2]
SAMPLES = {
    read(path).deal_id: path.stem for path in sorted((ROOT / "graphs" / "sdr_qualification" / "samples").glob("*"))
}
"""One conversation of each deal."""


def _written(value: str) -> list[str]:
    """A value, and what stays of it when spaces and signs are taken out."""
    digits = re.sub(r"\D", "", value)
    return [value, *([digits] if len(digits) >= 9 else [])]


def _contact(crm: Path, deal: str) -> tuple[str, ...]:
    """Name, e-mail, phone and national id of a deal's contact, as the CRM alone has them."""
    connection = sqlite3.connect(crm)
    try:
        query = "SELECT name, email, phone, national_id FROM contacts JOIN deals ON contact_id = contacts.id WHERE deals.id = ?"
        (found,) = connection.execute(query, (deal,)).fetchall()
    finally:
        connection.close()
    return tuple(found)


@pytest.mark.req("A5", "A23", "B6", "B16")
@pytest.mark.parametrize("sample", SAMPLES.values())
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
    home = tmp_path / ".agent_guard"
    name, email, *numbers = _contact(home / "demo" / "crm.db", conversation.deal_id)
    values = [name, *name.split(), email]
    values += [value for raw in numbers if raw for value in _written(raw)]
    text = "\n".join(line.text for line in conversation.messages)
    values += re.findall(r"[\w.+-]+@[\w.-]+\.\w+", text)
    assert len(values) > 3
    guarded = [path for path in home.rglob("*") if path.is_file() and not path.name.startswith("crm.db")]
    assert {"guard.db", "threads.db"} <= {path.name for path in guarded}
    assert_no_personal_data(guarded, values)
