"""Runs every system in its own environment and prints the table; ends with 1 where ours is bypassed or unknown."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from benchmarks.bypass.adapters import ADAPTERS
from benchmarks.bypass.cases import cases
from benchmarks.bypass.environments import ROOT, Unavailable, python_of
from benchmarks.bypass.suite import Verdict

__all__ = ["Column", "main", "summary", "table"]

OURS = "agent_guard"
WORKER_S = 3600
_NOTES = ("BYPASSED", "error")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One system's results, or why there are none."""

    title: str
    about: str
    results: Mapping[str, Mapping[str, str]]

    def verdict(self, case: str) -> str:
        """The word of a cell."""
        found = self.results.get(case)
        return found["verdict"] if found else "-"


def column(name: str, *, long: int, only: str) -> Column:
    """Runs one system."""
    adapter = ADAPTERS[name]
    print(f"{adapter.title} ...", file=sys.stderr)
    try:
        command = [python_of(name, adapter), "-m", "benchmarks.bypass.worker", name]
        command += ["--long", str(long), "--cases", only]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WORKER_S, check=True)
        found = json.loads(done.stdout)
    except Unavailable as error:
        return Column(title=adapter.title, about=str(error), results={})
    except (subprocess.SubprocessError, json.JSONDecodeError) as error:
        words = getattr(error, "stderr", "") or str(error)
        return Column(title=adapter.title, about=f"failed: {words.strip().splitlines()[-1][:120]}", results={})
    results = {result["case"]: result for result in found["results"]}
    return Column(title=adapter.title, about=found["about"], results=results)


def table(names: Sequence[str], columns: Sequence[Column]) -> str:
    """Cases down, systems across, in Markdown."""
    head = ["case", *(item.title for item in columns)]
    rows = [head, ["---"] * len(head)]
    for name in names:
        cells = [item.verdict(name) for item in columns]
        rows.append([name, *(f"**{cell}**" if cell in _NOTES else cell for cell in cells)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def summary(columns: Sequence[Column]) -> str:
    """How many cases each system held, and what got through."""
    words = get_args(Verdict)
    lines = [f"| system | {' | '.join(words)} |", f"|{' --- |' * (len(words) + 1)}"]
    for item in columns:
        counts = Counter(result["verdict"] for result in item.results.values())
        lines.append(f"| {item.about} | {' | '.join(str(counts[word]) for word in words)} |")
    lines += ["", "What got through, or is not known:", ""]
    for item in columns:
        for name, result in item.results.items():
            if result["verdict"] in _NOTES:
                lines.append(f"- {item.title}, {name}: {result['note']}")
    return "\n".join(lines)


def main() -> int:
    """Prints; returns the exit code."""
    parser = argparse.ArgumentParser(description="Attacks that every guard for tool calls should withstand.")
    parser.add_argument("--only", action="append", choices=list(ADAPTERS), help="a system; may be given again")
    parser.add_argument("--cases", default="", help="only cases whose name holds this")
    parser.add_argument("--long", type=int, default=10_000, help="calls of a long conversation (default 10000)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    given = parser.parse_args()
    chosen = given.only or list(ADAPTERS)
    columns = [column(name, long=given.long, only=given.cases) for name in chosen]
    names = [case.name for case in cases(long=given.long) if given.cases in case.name]
    if given.json:
        print(json.dumps([{**vars(item), "results": list(item.results.values())} for item in columns], indent=2))
    else:
        print(f"{table(names, columns)}\n\n{summary(columns)}")
    ours = [item for item in columns if item.title == ADAPTERS[OURS].title]
    unheld = [name for item in ours for name in names if not item.verdict(name).startswith("held")]
    return 1 if unheld else 0


if __name__ == "__main__":
    sys.exit(main())
