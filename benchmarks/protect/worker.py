"""One row in a process of its own: ``python -m benchmarks.protect.worker NAME FOLDER``.

It prints one JSON object: the transactions and the flushes of a call. Then, for each line that it reads, a number of
calls: it makes them and prints what one took, in milliseconds of CPU and of wall time.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from importlib import import_module
from pathlib import Path

from benchmarks.protect.rows import CTRLRUN, ROWS, System
from benchmarks.texts import new_text

__all__ = ["main", "turn"]

COUNTED = 20


def turn(system: System, calls: int) -> dict[str, float]:
    """What a call took, in a conversation of so many; the conversation's first call is not timed."""
    call = system.begin()
    call(new_text())
    texts = [new_text() for _ in range(calls)]
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    for text in texts:
        call(text)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu * 1000 / calls, "wall": wall * 1000 / calls}


def main() -> None:
    """Answers until there is nothing more to read."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    row = ROWS[name]
    module = import_module(f"benchmarks.protect.{'ctrlrun' if row.system == CTRLRUN else 'ours'}")
    system = module.make(row, folder)
    call = system.begin()
    call(new_text())

    def some() -> None:
        for _ in range(COUNTED):
            call(new_text())

    written, flushed = system.count(some)
    print(json.dumps({"written": written / COUNTED, "flushed": flushed / COUNTED}), flush=True)
    gc.freeze()  # what was loaded is not searched again
    for line in sys.stdin:
        print(json.dumps(turn(system, int(line))), flush=True)
    system.close()


if __name__ == "__main__":
    main()
