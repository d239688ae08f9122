"""One system in its own environment: ``python -m benchmarks.bypass.worker NAME`` prints the results as JSON."""

from __future__ import annotations

import argparse
import json
import logging
import sys

from benchmarks.bypass.adapters import load
from benchmarks.bypass.cases import cases
from benchmarks.bypass.suite import run

__all__ = ["main", "results"]


def results(name: str, *, long: int, only: str = "") -> dict[str, object]:
    """What a system did in every case.

    Args:
        only: a word that the case's name must hold.
    """
    system = load(name)
    chosen = [case for case in cases(long=long) if only in case.name]
    return {"about": system.about(), "results": [run(system, case).as_json() for case in chosen]}


def main() -> None:
    """Prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--long", type=int, default=10_000)
    parser.add_argument("--cases", default="")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)  # every refusal is logged by somebody
    stdout, sys.stdout = sys.stdout, sys.stderr  # what a system prints is not a result
    found = results(given.name, long=given.long, only=given.cases)
    json.dump(found, stdout)


if __name__ == "__main__":
    main()
