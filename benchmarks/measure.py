"""Measuring: interleaved rounds, CPU time of the whole process beside wall time, and what a flush costs here."""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

__all__ = ["Row", "arguments", "measure", "report"]

PACKAGES = ("langchain", "langgraph", "langgraph-checkpoint-sqlite", "sqlalchemy", "pydantic", "presidio-analyzer")
WARM_ROUNDS = 3
PAGE = b"\0" * 4096


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one variant took.

    Args:
        cpu_ms, wall_ms: medians of the rounds; CPU is user and system time of all threads of the process.
        wall_p90_ms: nine rounds of ten were faster.
    """

    name: str
    cpu_ms: float
    wall_ms: float
    wall_p90_ms: float


def arguments(description: str, *, rounds: int) -> argparse.Namespace:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"measured rounds, at least 2 (default {rounds})")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    if given.rounds < 2:
        parser.error("--rounds must be at least 2")
    return given


def flush_ms(path: Path) -> float:
    """The time of adding one page to a file, as a write-ahead log does, and flushing it, in milliseconds."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    began = time.perf_counter()
    os.write(handle, PAGE)
    os.fsync(handle)
    taken = (time.perf_counter() - began) * 1000
    os.close(handle)
    return taken


def measure(
    variants: Mapping[str, Callable[[int], Callable[[], None]]], *, rounds: int, folder: Path
) -> tuple[list[Row], float]:
    """Runs all variants once a round, each round beginning with another one; returns the rows and the median flush.

    Args:
        variants: name -> ``prepare(n)``, which is not measured and returns what is; ``n`` differs from round to round.
        folder: where the variants keep their databases; one flush there is timed in every round.
    """
    names = list(variants)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    flushes = []
    for n in range(WARM_ROUNDS + rounds):
        if n == WARM_ROUNDS:
            gc.collect()
            gc.freeze()  # what was loaded so far is not searched again, so that a collection between samples is short
        flushes.append(flush_ms(folder / "flush"))
        for name in names[n % len(names) :] + names[: n % len(names)]:
            work = variants[name](n)
            gc.collect()
            cpu, wall = time.process_time(), time.perf_counter()
            work()
            sample = (time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000
            if n >= WARM_ROUNDS:
                taken[name].append(sample)
    return [_row(name, samples) for name, samples in taken.items()], statistics.median(flushes)


def _row(name: str, samples: Sequence[tuple[float, float]]) -> Row:
    wall = [sample[1] for sample in samples]
    return Row(
        name=name,
        cpu_ms=statistics.median(sample[0] for sample in samples),
        wall_ms=statistics.median(wall),
        wall_p90_ms=statistics.quantiles(wall, n=10)[-1],
    )


def report(
    rows: Sequence[Row],
    *,
    rounds: int,
    flush: float,
    base: str | None = None,
    as_json: bool = False,
) -> None:
    """Prints the rows with the machine they were measured on.

    Args:
        flush: milliseconds of one flush.
        base: the row that the others are compared with.
    """
    first = next((row for row in rows if row.name == base), None)
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    versions |= {name: version(name) for name in PACKAGES}
    load = os.getloadavg()[0]
    if as_json:
        table = [
            {**vars(row), "cpu_ratio": row.cpu_ms / first.cpu_ms, "wall_ratio": row.wall_ms / first.wall_ms}
            if first
            else vars(row)
            for row in rows
        ]
        facts = {"rounds": rounds, "flush_ms": flush, "cores": os.cpu_count(), "load": load, "versions": versions}
        print(json.dumps({"rows": table, **facts}, indent=2))
        return
    width = max(len(row.name) for row in rows)
    ratios = f"  {'CPU x':>6}  {'wall x':>6}" if first else ""
    print(f"{'':{width}}  {'CPU ms':>7}  {'wall ms':>7}  {'p90 ms':>7}{ratios}")
    for row in rows:
        ratios = f"  {row.cpu_ms / first.cpu_ms:6.2f}  {row.wall_ms / first.wall_ms:6.2f}" if first else ""
        print(f"{row.name:{width}}  {row.cpu_ms:7.2f}  {row.wall_ms:7.2f}  {row.wall_p90_ms:7.2f}{ratios}")
    print(f"\nmedians of {rounds} rounds; one flush {flush:.3f} ms; {os.cpu_count()} cores; load {load:.1f}")
    print(", ".join(f"{name} {number}" for name, number in versions.items()))
