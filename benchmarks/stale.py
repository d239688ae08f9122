"""What finding forgotten deals costs in a CRM of a million deals, on SQLite.

Rows:

    all deals, by bucket   one query over every deal: open, no touch for 14 days (7 in negotiation), by bucket
    the same, a tenth      the same query in a CRM with a tenth of the deals: the cost grows with them, not faster
    first page, last page  500 findings of one owner, from the beginning and from the end of the ids
    every page             all findings of all owners, 500 a page, as the scan reads them

What must hold on any machine: ten times the deals cost about ten times the time, and the last page costs what the first
does. The first row is to be below two seconds of CPU. ``--keep FILE`` fills the CRM once and keeps it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import Progress
from sqlalchemy import func, select

from tools.crm.generate import FEWEST, MOST, fill
from tools.crm.overview import StaleRule
from tools.crm.sql import SqlCRM
from tools.crm.sql_overview import SqlOverview, idle_query
from tools.stale_deals import RULE

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PAGE, TENTH = 500, 10


def filled(path: Path, deals: int) -> SqlCRM:
    """A CRM of this many deals; one that is there is used."""
    there = path.is_file()
    crm = SqlCRM(f"sqlite:///{path}", clock=lambda: NOW, wait_s=60)
    crm.create()
    if not there:
        with Progress(transient=True) as bar:
            task = bar.add_task(f"filling {deals:,} deals", total=deals)
            fill(crm, deals=deals, now=NOW, told=lambda done: bar.update(task, completed=done))
    with crm.writing() as connection:
        connection.exec_driver_sql("ANALYZE")
    return crm


def buckets(crm: SqlCRM, rule: StaleRule) -> dict[str, int]:
    """How many deals are in each bucket: the whole answer in one query."""
    idle = idle_query(rule, NOW).subquery()
    unknown = idle.c.last_touch.is_(None)
    query = select(idle.c.planned, unknown, func.count()).group_by(idle.c.planned, unknown)
    with crm.reading() as connection:
        rows = connection.execute(query).all()
    found: dict[str, int] = {}
    for planned, never, count in rows:
        bucket = "planned" if planned else "unknown" if never else "stale"
        found[bucket] = found.get(bucket, 0) + count
    return found


def timed(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Seconds of wall clock and of this process's CPU, medians of the rounds after one that is not counted. SQLite
    works in this process, so that the second figure is the query's own, whatever else the machine does.
    """
    work()
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def every_page(overview: SqlOverview) -> int:
    """Reads all findings as the scan does."""
    found = 0
    for owner, region, _ in overview.owners():
        after: str | None = None
        while True:
            page = overview.idle(RULE, region=region, owner_id=owner, after=after, limit=PAGE)
            found, after = found + len(page.deals), page.after
            if after is None:
                break
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--deals", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, default=None)
    given = parser.parse_args()
    if not TENTH * FEWEST <= given.deals <= MOST:
        parser.error(f"--deals must be {TENTH * FEWEST:,} to {MOST:,}: a tenth of them is filled as well")
    with tempfile.TemporaryDirectory() as folder:
        large = filled(given.keep or Path(folder) / "large.db", given.deals)
        small = filled(Path(folder) / "small.db", given.deals // TENTH)
        overview = SqlOverview(large)
        owner, region, _ = overview.owners()[0]

        def page(after: str | None) -> Callable[[], object]:
            return lambda: overview.idle(RULE, region=region, owner_id=owner, after=after, limit=PAGE)

        last = str(1_000_000 + given.deals * 9 // TENTH)
        rows = {
            "all deals, by bucket": timed(lambda: buckets(large, RULE), given.rounds),
            "the same, a tenth": timed(lambda: buckets(small, RULE), given.rounds),
            "first page": timed(page(None), given.rounds),
            "last page": timed(page(last), given.rounds),
            "every page": timed(lambda: every_page(overview), 1),
        }
        found = buckets(large, RULE)
        print(f"| {given.deals:,} deals | wall, s | CPU, s |\n|---|---|---|")
        for label, (wall, cpu) in rows.items():
            print(f"| {label} | {wall:.3f} | {cpu:.3f} |")
        many = ", ".join(f"{count:,} {bucket}" for bucket, count in sorted(found.items()))
        growth = rows["all deals, by bucket"][1] / rows["the same, a tenth"][1]
        print(f"\n{many}; ten times the deals cost {growth:.1f} times the time.")
        large.close()
        small.close()


if __name__ == "__main__":
    main()
