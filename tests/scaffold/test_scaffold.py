"""A project that ``agent-guard init`` writes runs at once, and is written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from agent_guard.errors import ConfigError
from agent_guard.scaffold import SCENARIOS, files, write
from tests.cli.commands import invoke

ROOT = Path(__file__).parents[2]


def run(folder: Path, *words: str) -> str:
    """A program in a project's folder; what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-2000:]}"
    return done.stdout


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_new_project_runs_at_once(tmp_path: Path, scenario: str) -> None:
    """Its own tests pass, its conversation stops at a question, and the answer of another process carries it out."""
    folder = tmp_path / "new"
    assert invoke("init", str(folder), "--scenario", scenario).exit_code == 0

    assert " passed" in run(folder, "pytest", "-q", "-p", "no:cacheprovider")
    cli = "agent_guard.cli"
    turns = [json.loads(line) for line in run(
        folder, cli, "run", scenario, "--input", "desk/samples/en.jsonl", "--json"
    ).splitlines()]  # fmt: skip
    assert (turns[-1]["type"], turns[-1]["status"]) == ("end", "pending")
    if scenario == "lead":  # the others differ in nothing that an answer passes through
        assert "is delivered" in run(folder, cli, "approvals", "approve", turns[-1]["approval"], "--as", "boss")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_new_project_is_clean(tmp_path: Path, scenario: str) -> None:
    """Its policy has nothing to warn of, its code passes the linter of its own configuration, and its README is whole."""
    made = write(tmp_path / "new", scenario)
    assert "errors: 0, warnings: 0" in run(tmp_path / "new", "agent_guard.cli", "policy", "check")
    run(tmp_path / "new", "ruff", "check", "--no-cache", ".")
    run(tmp_path / "new", "ruff", "format", "--no-cache", "--check", ".")
    text = (tmp_path / "new" / "README.md").read_text(encoding="utf-8")
    assert f"agent-guard run {scenario} " in text
    assert "$" not in text
    assert sorted(made) == sorted(path for path in (tmp_path / "new").rglob("*") if path.is_file())


def test_a_new_project_names_the_right_package_and_ignores_its_keys(tmp_path: Path) -> None:
    """It depends on the distribution's name, with extras that exist, and neither key nor database is ever committed."""
    write(tmp_path, "lead")
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    theirs = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, _, extras = theirs["dependencies"][0].partition("[")
    assert name == ours["name"]
    assert set(extras.rstrip("]").split(",")) <= set(ours["optional-dependencies"])
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for path in (".agent_guard/guard.db", ".agent_guard/guard.db.key", "guard.db.key", "crm.db"):
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=tmp_path).returncode == 0, path
    for path in listing(tmp_path):
        if not path.startswith(".git/"):
            assert subprocess.run(["git", "check-ignore", "-q", path], cwd=tmp_path).returncode == 1, path


def test_an_unknown_starting_point_names_those_there_are(tmp_path: Path) -> None:
    """Nothing is written, and the message says what could be asked for."""
    with pytest.raises(ConfigError, match="no starting point 'crm'; there is: lead, support, booking"):
        invoke("init", str(tmp_path / "new"), "--scenario", "crm")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """Without --force the project is refused whole; with it, files of its names are replaced and no other."""
    (tmp_path / "guard.yaml").write_text("mine", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("mine too", encoding="utf-8")
    before = listing(tmp_path)
    with pytest.raises(ConfigError, match=r"has guard\.yaml already"):
        invoke("init", str(tmp_path))
    assert listing(tmp_path) == before
    assert invoke("init", str(tmp_path), "--force").exit_code == 0
    assert listing(tmp_path) == {**files("lead"), "notes.txt": b"mine too"}
    with pytest.raises(ConfigError, match=r"has \.gitignore, README\.md, desk/__init__\.py and \d+ more already"):
        write(tmp_path, "lead")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A file of the project's name that leads elsewhere is not written through, with --force either."""
    (tmp_path / "elsewhere").write_text("mine", encoding="utf-8")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "guard.yaml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="is a link"):
        write(tmp_path / "new", "lead", force=True)
    assert (tmp_path / "elsewhere").read_text(encoding="utf-8") == "mine"


def test_a_linked_folder_is_not_written_through(tmp_path: Path) -> None:
    """A folder of the project's that leads elsewhere gets nothing, with --force or without."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "desk").symlink_to(tmp_path / "elsewhere")
    for force in (False, True):
        with pytest.raises(ConfigError, match="desk is a link"):
            write(tmp_path / "new", "lead", force=force)
    assert listing(tmp_path / "elsewhere") == {}


def test_what_cannot_be_written_whole_is_taken_back(tmp_path: Path) -> None:
    """A folder's name that is taken by a file stops it half-way: what was there is as before, and the rest is gone."""
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    (tmp_path / "tests").write_text("a file", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"tests.*cannot be written .*nothing was left there"):
        write(tmp_path, "lead", force=True)
    assert listing(tmp_path) == {"README.md": b"mine", "tests": b"a file"}
    assert not (tmp_path / "desk").exists()
    with pytest.raises(ConfigError, match="cannot be written"):
        write(tmp_path / "README.md" / "new", "lead")


@pytest.mark.parametrize("wrong", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: BaseException
) -> None:
    """A write that fails half-way through a file, or is broken off, takes everything back that was made before it."""
    whole, left = Path.write_bytes, iter(range(4))

    def fills_up(path: Path, content: bytes) -> int:
        if next(left, None) is None:
            whole(path, content[:10])
            raise wrong
        return whole(path, content)

    monkeypatch.setattr(Path, "write_bytes", fills_up)
    expected = ConfigError if isinstance(wrong, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write(tmp_path / "a" / "new", "lead")
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_told_as_json(tmp_path: Path) -> None:
    """``--json`` names each file, one object a line."""
    done = invoke("init", str(tmp_path / "new"), "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {item["path"] for item in told} == {str(tmp_path / "new" / name) for name in files("lead")}
