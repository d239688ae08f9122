"""``agent-guard init``: a project that runs at once."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from agent_guard.cli.output import JsonOption, console, line
from agent_guard.scaffold import SCENARIOS, write

__all__ = ["init"]

_WHICH = f"What the agent does: {', '.join(SCENARIOS)}."


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made where it is not there.")] = Path(),
    scenario: Annotated[str, typer.Option("--scenario", help=_WHICH)] = "lead",
    force: Annotated[bool, typer.Option("--force", help="Replace files of the same names.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Writes a new project: a tool, a policy, a graph, a stand-in for your CRM and their tests. It needs no key."""
    made = write(folder, scenario, force=force)
    if as_json:
        for path in made:
            line({"type": "file", "path": str(path)})
        return
    for path in made:
        console.print(str(path), markup=False, soft_wrap=True)
    console.print(f"\nAn agent that {SCENARIOS[scenario]}. Try it:", markup=False, soft_wrap=True)
    if folder != Path():
        console.print(f"  cd {shlex.quote(str(folder))}", markup=False, soft_wrap=True)
    console.print(f"  agent-guard run {scenario} --input desk/samples/en.jsonl --as boss", markup=False, soft_wrap=True)
    console.print("  pip install pytest && python -m pytest", markup=False, soft_wrap=True)
