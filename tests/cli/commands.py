"""Commands in one process, and a folder's configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from agent_guard.cli import app

__all__ = ["CONFIG", "SAMPLES", "invoke", "rows"]

SAMPLES = Path(__file__).parents[2] / "graphs" / "sdr_qualification" / "samples"

CONFIG = """
environment: dev
database: sqlite:///guard.db
checkpoints: sqlite:///threads.db
systems: sqlite:///crm.db
people:
  boss: {id: boss, tenant: demo, roles: [manager]}
  rep: {id: u-reed, tenant: demo, roles: [sdr], region: us}
"""


def invoke(*words: str, **options: Any) -> Result:
    """One command; an expected error is raised as what it is."""
    done = CliRunner().invoke(app, list(words), **options)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def rows(done: Result) -> list[dict[str, Any]]:
    """What a command printed with --json."""
    return [json.loads(line) for line in done.stdout.splitlines()]
