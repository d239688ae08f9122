"""Two worker processes against one, on one PostgreSQL, with a tool that takes five milliseconds.

Each worker invokes write after write in conversations of its own, for some seconds. Rounds of one and of two workers
alternate, so that a noisy machine hits both; the ratio of their medians is what counts. With more workers than
``cores / (CPU of a call / its wall time)`` the cores are the bound, not the locks.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from multiprocessing.synchronize import Barrier

from benchmarks.noop import PAUSE_S, PAUSING, gateway, invoke, opened
from benchmarks.server import add_url, postgres

CALLS = 20


def work(url: str, barrier: Barrier, seconds: float, done: multiprocessing.queues.Queue[int]) -> None:
    """One worker: as many calls as it can make."""
    with gateway(url) as guard:
        thread = opened(guard)
        for _ in range(10):
            invoke(thread, PAUSING)
        barrier.wait()
        until, made = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            if made % CALLS == 0:
                thread = opened(guard)
            invoke(thread, PAUSING)
            made += 1
    done.put(made)


def rate(url: str, workers: int, seconds: float) -> float:
    """Calls a second of so many workers together."""
    spawn = multiprocessing.get_context("spawn")
    barrier, done = spawn.Barrier(workers), spawn.Queue()
    processes = [spawn.Process(target=work, args=(url, barrier, seconds, done)) for _ in range(workers)]
    for process in processes:
        process.start()
    made = sum(done.get(timeout=60 + 10 * seconds) for _ in processes)
    for process in processes:
        process.join()
    return made / seconds


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Two worker processes against one, on PostgreSQL.")
    parser.add_argument("--rounds", type=int, default=5, help="runs of one and of two workers (default 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run (default 3)")
    add_url(parser)
    options = parser.parse_args()
    found: dict[int, list[float]] = {1: [], 2: []}
    with postgres(options.url) as (url, _):
        gateway(url).close()  # the schema
        for _ in range(options.rounds):
            for workers, rates in found.items():
                rates.append(rate(url, workers, options.seconds))
    one, two = (statistics.median(found[workers]) for workers in (1, 2))
    print(f"one worker   {one:7.1f} calls/s\ntwo workers  {two:7.1f} calls/s   {two / one:.2f} times")
    print(
        f"\na tool of {1000 * PAUSE_S:g} ms; medians of {options.rounds} runs of {options.seconds:g} s; "
        f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
