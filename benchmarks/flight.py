"""A thousand async calls in flight in one process, against a tool that takes one second, on a SQLite file, and with
``--postgres`` on a PostgreSQL over a local socket, ``fsync`` on, too.

Rows:

    read     ``thread.ainvoke`` of a read: proposed, claimed, run, settled
    draft    ``thread.ainvoke`` of a draft with key fields: its claim is flushed to disk before it runs, its record is
             read back
    sync tool   the read again, by a sync function that sleeps; at most 256 of them run at a time

Each call has a conversation of its own, opened before the clock starts, so nothing but the process and the database is
shared. One call is made before as well: what a process loads once (Presidio takes most of a second and 60 MB) is not
counted for the calls. The floor is the tool's second; what is above it is the gateway's work for all calls, in one
Python process, and so mostly one core. Memory is the process's largest resident set, without what it had before the
calls. CPU is the process's own; a server that was started here has its own column.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent_guard import Gateway, Policy
from agent_guard.masking import Masker
from benchmarks.desk import PARTY, SELLER, DealCard, DealRef, Desk, NewTask, TaskMade, create_task, read_deal
from benchmarks.measure import flush_ms
from benchmarks.server import add_url, postgres, tree_cpu_s

ROWS = ("read", "draft", "sync tool")
TOOL_S = 1.0


async def slow_read(args: DealRef, desk: Any) -> DealCard:
    """Takes a second, and holds nothing meanwhile."""
    await asyncio.sleep(TOOL_S)
    return DealCard(**desk.deal(args.deal_id))


async def slow_task(args: NewTask, desk: Any) -> TaskMade:
    """Takes a second, and holds nothing meanwhile."""
    await asyncio.sleep(TOOL_S)
    return TaskMade(**desk.add(args.deal_id, args.subject))


def sleeping_read(args: DealRef, desk: Any) -> DealCard:
    """Takes a second, and a thread."""
    time.sleep(TOOL_S)
    return DealCard(**desk.deal(args.deal_id))


def gateway(row: str, url: str) -> Gateway:
    """A gateway whose tools take a second; no limit is in the way."""
    rule = {"roles": ["sales"], "region": "own", "mode": "execute"}
    tools = {"crm.read_deal": rule, "crm.create_task": rule}
    policy = Policy.model_validate({"version": 1, "name": "flight.v1", "tools": tools})
    read = sleeping_read if row == "sync tool" else slow_read
    desk = Desk()
    return Gateway(
        [replace(read_deal, run=read, timeout_s=10), replace(create_task, run=slow_task, timeout_s=10)],
        policy,
        url=url,
        environment="dev",
        resources={"desk": desk},
        records=desk,
        masker=Masker(profile="patterns"),
    )


async def fly(guard: Gateway, row: str, calls: int, server: int | None) -> dict[str, float]:
    """All calls at once; says how long it took and how late the event loop was meanwhile.

    Args:
        server: the process of the database's server, where it was started here.
    """
    seller = replace(SELLER, tenant=f"acme-{os.getpid()}")  # no run's tasks are duplicates of another's
    threads = [await guard.aopen(seller, party=PARTY) for _ in range(calls + 1)]
    lags: list[float] = []
    over = asyncio.Event()

    async def listen() -> None:
        while not over.is_set():
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append((time.perf_counter() - began - 0.005) * 1000)

    async def one(n: int) -> str:
        if row == "draft":
            args = {"deal_id": "42", "subject": f"Call about offer {n}"}
            return (await threads[n].ainvoke("crm.create_task", args)).status
        return (await threads[n].ainvoke("crm.read_deal", {"deal_id": "42"})).status

    assert await one(calls) == "executed"
    before = _resident_mb()
    listening = asyncio.create_task(listen())
    served = tree_cpu_s(server) if server else 0.0
    began, cpu = time.perf_counter(), time.process_time()
    found = await asyncio.gather(*(one(n) for n in range(calls)))
    wall, used = time.perf_counter() - began, time.process_time() - cpu
    over.set()
    await listening
    wrong = [status for status in found if status != "executed"]
    if wrong:
        raise AssertionError(f"{len(wrong)} calls were {sorted(set(wrong))}")
    return {
        "wall_s": wall,
        "cpu_s": used,
        "server_cpu_s": tree_cpu_s(server) - served if server else 0.0,
        "memory_mb": _peak_mb() - before,
        "lag_p99_ms": statistics.quantiles(lags, n=100)[-1],
        "threads": float(threading.active_count()),
    }


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(row: str, url: str | None, server: int | None, options: argparse.Namespace) -> dict[str, float]:
    """The medians of a row's runs, each in a process and, with SQLite, on a file of its own."""
    command = [sys.executable, "-m", "benchmarks.flight", "--row", row, "--calls", str(options.calls)]
    if server:
        command += ["--server", str(server)]
    runs = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            given = [*command, "--url", url or f"sqlite:///{folder}/guard.db"]
            runs.append(json.loads(subprocess.check_output(given)))
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    """Measures each row in a process of its own, and prints."""
    parser = argparse.ArgumentParser(description="A thousand async calls in flight in one process.")
    parser.add_argument("--calls", type=int, default=1000, help="how many at once (default 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each row; the median counts (default 3)")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL too")
    add_url(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--row", choices=ROWS, help=argparse.SUPPRESS)
    parser.add_argument("--server", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        with gateway(options.row, options.url) as guard:
            print(json.dumps(asyncio.run(fly(guard, options.row, options.calls, options.server))))
        return
    with tempfile.TemporaryDirectory() as folder:
        flush = statistics.median(flush_ms(Path(folder) / "flush") for _ in range(20))
    rows = {f"SQLite, {row}": measured(row, None, None, options) for row in ROWS}
    if options.postgres or options.url:
        with postgres(options.url) as (url, server):
            rows |= {f"PostgreSQL, {row}": measured(row, url, server, options) for row in ROWS}
    facts = {"calls": options.calls, "tool_s": TOOL_S, "flush_ms": flush, "cores": os.cpu_count()}
    if options.json:
        print(json.dumps({"rows": rows, **facts}, indent=2))
        return
    print(f"{'':21} {'wall s':>7} {'CPU s':>7} {'server CPU s':>13} {'memory MB':>10} {'loop lag p99 ms':>16}")
    for row, found in rows.items():
        served = f"{found['server_cpu_s']:13.2f}" if found["server_cpu_s"] else f"{'':13}"
        print(
            f"{row:21} {found['wall_s']:7.2f} {found['cpu_s']:7.2f} {served} {found['memory_mb']:10.0f} "
            f"{found['lag_p99_ms']:16.1f}"
        )
    load = os.getloadavg()[0]
    print(f"\n{options.calls} calls at once, a tool of {TOOL_S:g} s; medians of {options.rounds} runs; ", end="")
    print(f"one flush {flush:.3f} ms; {os.cpu_count()} cores; load {load:.1f}")


if __name__ == "__main__":
    main()
