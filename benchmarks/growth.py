"""What a call costs in a database of a million calls against one of a thousand, and late in a long conversation.

The rows of the large database are copies: a thousand calls are made, and their rows and those of their events, meters
and trails are multiplied under other ids by SQL. The conversation of ten thousand calls is made call by call, and then
goes on under two policies:

    default loops   ``loops`` left out, as policies are written: the 12 calls before each are looked at
    widest loops    the largest that a policy may say, ``{same_call: 100, cycle: 100}``: 10,000 calls are looked at

Each call has a text of its own, early and late alike. Rounds are interleaved; the ratio of the medians of CPU time is
what counts.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa

from agent_guard import Gateway
from agent_guard.guarded import GuardedThread
from benchmarks.noop import gateway, invoke, opened
from benchmarks.server import add_url, postgres

SMALL, CALLS, WARM_ROUNDS = 1_000, 20, 2
WIDEST = {"same_call": 100, "cycle": 100}
_COPIED = ("calls", "audit", "meter", "trail", "threads")
_RENAMED = ("thread", "trace_id", "id", "held_key", "key", "call_id")


def filled(guard: Gateway) -> None:
    """A thousand calls in conversations of twenty."""
    for n in range(SMALL):
        if n % CALLS == 0:
            thread = opened(guard)
        invoke(thread)


def multiplied(url: str, times: int) -> None:
    """Copies every row so often, under other ids."""
    engine = sa.create_engine(url)
    metadata = sa.MetaData()
    metadata.reflect(engine, only=[name for name in _COPIED if sa.inspect(engine).has_table(name)])
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            names = [item.name for item in table.columns if not (table.name == "audit" and item.name == "id")]
            taken = ", ".join(names)
            copied = ", ".join(_copy(table, name) for name in names)
            numbers = f"WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {times - 1})"
            connection.execute(
                sa.text(f"INSERT INTO {table.name} ({taken}) {numbers} SELECT {copied} FROM {table.name} CROSS JOIN n")
            )
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("ANALYZE"))
    engine.dispose()


def _copy(table: sa.Table, name: str) -> str:
    """The expression of a copied column: ids end in the number of the copy."""
    column = table.columns[name]
    if name not in _RENAMED or not isinstance(column.type, sa.String):
        return f"{table.name}.{name}"
    length = getattr(column.type, "length", None) or 200
    number = "CAST(n.n AS VARCHAR(10))"
    return f"substr({table.name}.{name}, 1, {length} - 1 - length({number})) || '-' || {number}"


def turn(thread: GuardedThread) -> float:
    """CPU milliseconds of one call."""
    gc.collect()
    began = time.process_time()
    for _ in range(CALLS):
        invoke(thread)
    return (time.process_time() - began) * 1000 / CALLS


def medians(conversations: Mapping[str, Callable[[], GuardedThread]], rounds: int) -> dict[str, float]:
    """What a call costs in each, in rounds over all of them."""
    taken: dict[str, list[float]] = {name: [] for name in conversations}
    for _ in range(rounds + WARM_ROUNDS):
        for name, conversation in conversations.items():
            taken[name].append(turn(conversation()))
    return {name: statistics.median(times[WARM_ROUNDS:]) for name, times in taken.items()}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="A call in a large database and in a long conversation.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="calls in the large database (default 1000000)")
    parser.add_argument("--length", type=int, default=10_000, help="calls of the long conversation (default 10000)")
    parser.add_argument("--rounds", type=int, default=40, help="conversations of each row (default 40)")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite files")
    add_url(parser)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        small_url, large_url = f"sqlite:///{folder}/small.db", f"sqlite:///{folder}/large.db"
        if options.postgres or options.url:
            large_url = stack.enter_context(postgres(options.url))[0]
            small_url = stack.enter_context(postgres(None))[0]
        small, large = (stack.enter_context(gateway(url)) for url in (small_url, large_url))
        for guard in (small, large):
            filled(guard)
        multiplied(large_url, options.rows // SMALL)
        long = opened(small)
        for _ in range(options.length):
            invoke(long)
        found = medians(
            {
                f"{SMALL:,} calls in the database": lambda: opened(small),
                f"{options.rows:,} calls": lambda: opened(large),
                f"calls 1 to {CALLS} of a conversation": lambda: opened(small),
                f"calls from {options.length:,}": lambda: long,
            },
            options.rounds,
        )
        wide = stack.enter_context(gateway(small_url, WIDEST))
        late = opened(wide, long.id)
        found |= medians(
            {
                f"calls 1 to {CALLS}, widest loops": lambda: opened(wide),
                f"calls from {options.length:,}, widest loops": lambda: late,
            },
            options.rounds,
        )
    print(f"{'':36} {'CPU ms a call':>13}")
    names = list(found)
    for name, other in zip(names[::2], names[1::2], strict=True):
        print(f"{name:36} {found[name]:13.2f}")
        print(f"{other:36} {found[other]:13.2f}   {found[other] / found[name]:.2f} times")
    print(f"\nmedians of {options.rounds} rounds; {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
