"""The README's code runs as it stands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from agent_guard.policy import Policy

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def _blocks(language: str) -> list[str]:
    return [body for name, body in BLOCKS if name == language]


@pytest.mark.xdist_group("readme")
def test_python_blocks_run_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of the README are one program that runs and whose assertions hold."""
    monkeypatch.chdir(tmp_path)
    program = "\n".join(_blocks("python"))
    assert program.count("assert ") >= 6
    space: dict[str, object] = {"__name__": "readme"}
    exec(compile(program, "README.md", "exec", dont_inherit=True), space)
    assert (tmp_path / "guard.db").is_file()


def test_yaml_blocks_are_policies() -> None:
    """Every YAML block of the README is a policy that this release accepts."""
    found = _blocks("yaml")
    assert found
    for block in found:
        assert Policy.parse(block, source="README.md").tools


@pytest.mark.xdist_group("readme")
def test_commands_run(tmp_path: Path) -> None:
    """Every agent-guard command of the README runs in a folder where the demo has run."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    commands = ["agent-guard demo", *(line for block in _blocks("bash") for line in block.splitlines() if line)]
    assert len(commands) >= 8
    for command in commands:
        words = shlex.split(command, comments=True)
        assert words[0] == "agent-guard"
        done = subprocess.run(
            [sys.executable, "-m", "agent_guard.cli", *words[1:]],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
        assert done.stdout


def test_named_files_exist() -> None:
    """Every path that the README names exists."""
    paths = re.findall(r"`((?:agent_guard|graphs|tools|tests)/[\w/.]+)`", TEXT)
    assert len(paths) > 8
    assert [path for path in paths if not (ROOT / path).exists()] == []
