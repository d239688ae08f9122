"""A folder in which a conversation waits for an approval."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.commands import CONFIG, SAMPLES, invoke, rows


@pytest.fixture(scope="session", name="paused")
def _paused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a conversation waits for an approval."""
    folder = tmp_path_factory.mktemp("paused")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "guard.yaml").write_text(CONFIG, encoding="utf-8")
        done = rows(invoke("run", "sdr_qualification", "--input", str(SAMPLES / "en_personal_data.jsonl"), "--json"))
    assert done[-1]["status"] == "pending"
    return folder


@pytest.fixture(name="folder")
def _folder(paused: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the current folder."""
    shutil.copytree(paused, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
