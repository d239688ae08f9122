"""``thread.invoke`` of a no-op write on both databases: CPU of the process and of the server, and flushes a call.

Rows:

    SQLite              a file
    SQLite, no claim to disk   the same with every transaction at ``synchronous=NORMAL``, which a power cut may forget
    PostgreSQL          over a local socket, ``fsync`` on

A claim is flushed before the tool runs. The settlement is not: a claim that a power cut leaves unsettled is looked up.
SQLite's flushes are the transactions that ask for one; PostgreSQL's are counted by the server (``pg_stat_wal``), with
those of opening the conversations. Rounds are interleaved; conversations have twenty calls, and each call a text of its
own. The same beside another system: ``benchmarks.protect``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa

from agent_guard import Gateway
from benchmarks.measure import flush_ms
from benchmarks.noop import counted, gateway, invoke, opened
from benchmarks.server import add_url, postgres, tree_cpu_s

CALLS = 20


class Row:
    """One variant and what it took.

    Args:
        server: CPU seconds that the database's own processes have used.
        flushes: how often the disk was waited for so far.
    """

    def __init__(self, guard: Gateway, flushes: Callable[[], float], server: Callable[[], float] = lambda: 0.0) -> None:
        self.guard, self.flushes, self.server = guard, flushes, server
        self.taken: list[tuple[float, float, float]] = []
        self.calls = 0

    def turn(self) -> None:
        """Twenty calls of one conversation."""
        thread = opened(self.guard)
        invoke(thread)
        before = self._now()
        for _ in range(CALLS):
            invoke(thread)
        after = self._now()
        cpu, server, wall = ((now - then) / CALLS for now, then in zip(after, before, strict=True))
        self.taken.append((cpu, server, wall))
        self.calls += CALLS + 1

    def _now(self) -> tuple[float, float, float]:
        return time.process_time() * 1000, self.server() * 1000, time.perf_counter() * 1000


def synced(url: str) -> Callable[[], float]:
    """How often a server has flushed its log, as far as connections that are closed have told."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)

    def read() -> float:
        with engine.connect() as connection:
            return float(connection.scalar(sa.text("SELECT wal_sync FROM pg_stat_wal")) or 0)

    return read


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="A guarded call on both databases.")
    parser.add_argument("--rounds", type=int, default=40, help="conversations of each row (default 40)")
    add_url(parser)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, pid = stack.enter_context(postgres(options.url))
        guards = [stack.enter_context(gateway(f"sqlite:///{folder}/{name}.db")) for name in ("full", "normal")]
        served = stack.enter_context(gateway(url))
        full, normal = counted(guards[0]), counted(guards[1], durable=False)
        rows = {
            "SQLite": Row(guards[0], lambda: full.flushed),
            "SQLite, no claim to disk": Row(guards[1], lambda: normal.flushed),
            "PostgreSQL": Row(served, synced(url), (lambda: tree_cpu_s(pid)) if pid else lambda: 0.0),
        }
        before = {name: row.flushes() for name, row in rows.items()}
        flushes = []
        for n in range(options.rounds + 2):
            flushes.append(flush_ms(folder / "flush"))
            for row in rows.values():
                row.turn()
            if n == 1:  # warm
                for row in rows.values():
                    row.taken.clear()
        served.store.close()  # its connections tell what they flushed
        flushed = {name: (row.flushes() - before[name]) / row.calls for name, row in rows.items()}
    print(f"{'':26} {'CPU ms':>7} {'server CPU ms':>14} {'wall ms':>8} {'flushes':>8}")
    for name, row in rows.items():
        cpu, _, wall = (statistics.median(column) for column in zip(*row.taken, strict=True))
        server = statistics.fmean(item[1] for item in row.taken)  # a clock of hundredths of a second
        told = f"{server:14.2f}" if server else f"{'':>14}"
        print(f"{name:26} {cpu:7.2f} {told} {wall:8.2f} {flushed[name]:8.2f}")
    print(
        f"\na call; medians of {options.rounds} conversations of {CALLS} calls; one flush "
        f"{statistics.median(flushes):.3f} ms; {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
