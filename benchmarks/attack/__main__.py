"""``python -m benchmarks.attack``: the figures, with ``--goals`` whether they are what they must be, or with
``--self-check`` whether the benchmark itself is in order. Exit code 1: they are not, or it is not.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context

from benchmarks.attack import cross_customer


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark and prints its tables; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack", description=__doc__)
    parser.add_argument("--suite", action="append", help="workspace, travel, banking, slack or crm; all by default")
    parser.add_argument("--quick", action="store_true", help="sampled pairs, the same ones each time")
    parser.add_argument("--masker", choices=("patterns", "full"), default="patterns")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--why", action="store_true", help="what people were asked, and why")
    parser.add_argument("--goals", action="store_true", help="only whether the goals are reached, in half a minute")
    parser.add_argument("--self-check", action="store_true")
    given = parser.parse_args(arguments)
    wanted = given.suite or [*_suites(), "crm"]
    if unknown := set(wanted) - {*_suites(), "crm"}:
        parser.error(f"there is no suite {min(unknown)!r}")
    if given.goals and given.suite:
        parser.error("--goals are about all suites; leave --suite out")
    began = time.monotonic()
    if given.self_check:
        return _self_check()
    missed: list[str] = []
    if names := [name for name in wanted if name != "crm"]:
        missed = _goals(names, given) if given.goals else _agentdojo(names, given)
    if "crm" in wanted and not given.goals:  # tests/attack holds it on a small sample
        print()
        _crm(10 if given.quick else 50, given.processes)
    print(f"\n{time.monotonic() - began:.0f} s")
    if not set(_suites()) <= set(wanted):
        return 0
    for line in missed:
        print(line)
    return 1 if missed else 0


def _suites() -> tuple[str, ...]:
    return ("workspace", "travel", "banking", "slack")  # without importing AgentDojo, which takes seconds


def _goals(names: Sequence[str], given: argparse.Namespace) -> list[str]:
    from benchmarks.attack.metrics import figures, jobs, measure_goals, missed_goals

    work = jobs(names, quick=True, profile=given.masker)
    with get_context("spawn").Pool(given.processes) as pool:
        measured = pool.map(measure_goals, work, chunksize=4)
    found = figures(measured, "believed")
    print(f"T1: {found.tasks} benign tasks and {found.pairs} sampled pairs, 3 orders each")
    print(f"utility {found.utility:.1%}, asks/task {found.asks:.2f}, ASR {found.asr:.1%}, harm {found.harm:.1%}")
    return missed_goals(measured)


def _agentdojo(names: Sequence[str], given: argparse.Namespace) -> list[str]:
    from benchmarks.attack.gate import plan_for
    from benchmarks.attack.metrics import jobs, measure, missed_goals
    from benchmarks.attack.report import asked, lines

    work = jobs(names, quick=given.quick, profile=given.masker)
    with get_context("spawn").Pool(given.processes) as pool:
        measured = pool.map(measure, work, chunksize=1)
    for line in lines(measured, profile=given.masker, quick=given.quick):
        print(line)
    if given.why:
        slots = {
            (job.suite, job.user): [
                (slot.tool, slot.argument, slot.kind)
                for slot in plan_for(job.suite, job.user, job.profile).slots
                if slot.writes
            ]
            for job in work
        }
        print()
        for line in asked(measured, slots):
            print(line)
    return missed_goals(measured)


def _crm(customers: int, processes: int) -> None:
    ways = list(cross_customer.WAYS)
    with get_context("spawn").Pool(processes) as pool:
        measured = pool.map(cross_customer.measure_way, [(customers, way) for way in ways], chunksize=1)
    for line in cross_customer.lines(customers, dict(zip(ways, measured, strict=True))):
        print(line)


def _self_check() -> int:
    from benchmarks.attack.self_check import problems

    found = list(problems())
    for line in found:
        print(line)
    print(f"self-check: {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
