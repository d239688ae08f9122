"""Starts a worker for each row, has them work in turns, and prints the table."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.bypass.adapters import ADAPTERS
from benchmarks.bypass.environments import ROOT, Unavailable, python_of
from benchmarks.measure import flush_ms
from benchmarks.protect.rows import CTRLRUN, ROWS

__all__ = ["Worker", "main", "table"]

CALLS, WARM_ROUNDS = 20, 3
MAKE = "make bench-ctrlrun"


class Worker:
    """One row's process.

    Args:
        python: the interpreter of the environment that the row's system is installed in.

    Attributes:
        counts: transactions and flushes of a call.
        taken: of each measured turn, what a call took.
    """

    def __init__(self, name: str, python: str, folder: Path) -> None:
        folder.mkdir()
        command = [python, "-m", "benchmarks.protect.worker", name, str(folder)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.taken: list[dict[str, float]] = []
        self.counts = self._answer()

    def turn(self, *, measured: bool) -> None:
        """Twenty calls."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{CALLS}\n")
        self._process.stdin.flush()
        found = self._answer()
        if measured:
            self.taken.append(found)

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a row's process ended with {self._process.wait()}; its words are above")
        found: dict[str, float] = json.loads(line)
        return found

    def median(self, what: str) -> float:
        """Milliseconds of a call."""
        return statistics.median(item[what] for item in self.taken)

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def table(workers: Mapping[str, Worker], missing: str) -> str:
    """The rows; beside each of CTRLRun's stands how many times its cost ours is, at the same durability.

    Args:
        missing: why CTRLRun's rows are not there, or nothing.
    """
    lines = [f"{'':30} {'CPU ms':>7} {'wall ms':>8} {'writes':>7} {'flushes':>8}   {'ours / it, CPU':>14} {'wall':>6}"]
    for name, worker in workers.items():
        row = ROWS[name]
        cpu, wall = worker.median("cpu"), worker.median("wall")
        said = f"{row.title:30} {cpu:7.2f} {wall:8.2f} {worker.counts['written']:7.1f} {worker.counts['flushed']:8.2f}"
        if row.beside:
            ours = workers[row.beside]
            said += f"   {ours.median('cpu') / cpu:14.2f} {ours.median('wall') / wall:6.2f}"
        lines.append(said)
    if missing:
        lines.append(f"CTRLRun is not measured: {missing}. {MAKE} installs and measures it.")
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="A no-op write of ours beside one under CTRLRun's @protect.")
    parser.add_argument("--rounds", type=int, default=40, help="conversations of each row (default 40)")
    parser.add_argument("--install", action="store_true", help="install CTRLRun into .bench/ where it is not there")
    options = parser.parse_args()
    adapter, missing = ADAPTERS[CTRLRUN], ""
    pythons = {row.system: python_of(row.system, ADAPTERS[row.system]) for row in ROWS.values() if not row.beside}
    try:
        pythons[CTRLRUN] = python_of(CTRLRUN, adapter, install=options.install)
    except Unavailable as error:
        missing = str(error)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers: dict[str, Worker] = {}
        for name, row in ROWS.items():
            if row.system in pythons:
                workers[name] = Worker(name, pythons[row.system], folder / name)
                stack.callback(workers[name].close)
        names, flushes = list(workers), []
        for n in range(options.rounds + WARM_ROUNDS):
            flushes.append(flush_ms(folder / "flush"))
            for name in names[n % len(names) :] + names[: n % len(names)]:
                workers[name].turn(measured=n >= WARM_ROUNDS)
        print(table(workers, missing))
    print(
        f"\na call; medians of {options.rounds} conversations of {CALLS} calls; {', '.join(adapter.packages)}; "
        f"one flush {statistics.median(flushes):.3f} ms; {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
