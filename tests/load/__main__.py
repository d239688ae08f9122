"""``python -m tests.load``: the load of ``test_load.py``, as large and as often as one wants, on a PostgreSQL of its own."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.harness import Nursery
from tests.load.company import Place
from tests.load.laws import broken
from tests.load.work import Size, loaded, warm
from tests.postgres import MISSING, Databases, shared


def main() -> int:
    """Runs round after round; 1 where a law is broken, 2 where there is no server."""
    parser = argparse.ArgumentParser(prog="make soak ARGS=...", description=__doc__)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--steps", type=int, default=400, help="of each worker")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, shared(Path(folder)) as url:
        if url is None:
            print(MISSING, file=sys.stderr)
            return 2
        databases = Databases(url, "guard_soak")
        for n in range(given.rounds):
            place = Place(tempfile.mkdtemp(dir=folder), databases.ready())
            began = time.monotonic()
            with Nursery(warm) as nursery:
                told = loaded(nursery, place, Size(workers=given.workers, steps=given.steps, seed=given.seed + n))
            found = broken(place, told)
            print(f"round {n + 1}, seed {given.seed + n}: {time.monotonic() - began:.0f} s")
            for name, count in sorted((told.ends + told.left).items()):
                print(f"  {count:6} {name}")
            for law in found:
                print(f"  BROKEN {law}")
            if found:
                return 1
        databases.close()
    print("every law holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
