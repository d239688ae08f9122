"""One guarded call without LangGraph: a checked draft, an executed read, an executed keyed draft, a duplicate.

Rows:

    open              a thread for a subject and a customer
    check             ``thread.check`` of the draft: gathers and decides, writes nothing
    invoke, read      ``thread.invoke`` of a read in mode execute
    invoke, draft     ``thread.invoke`` of a draft with key fields: claimed in a flushed transaction, run, read back
    invoke, duplicate the same draft again under another call id: answered from the first

Every round takes new threads, so a row is the cost of a call in a short conversation. The tool is a function in memory
that costs nothing; the database is a SQLite file on disk. ``Masker()`` reads the reason and the free text of the draft,
which are new in every round; the rows named "patterns" use ``Masker(profile="patterns")``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from agent_guard import Gateway
from agent_guard.masking import Masker
from benchmarks.desk import PARTY, SELLER, Desk, gateway, name_of
from benchmarks.measure import arguments, measure, report

READ, DRAFT = "crm.read_deal", "crm.create_task"
Prepare = Callable[[int], Callable[[], None]]


def variants(guard: Gateway) -> dict[str, Prepare]:
    """The rows at one gateway."""

    def task(n: int, row: str) -> dict[str, str]:
        return {"deal_id": "42", "subject": f"Call {name_of(n)} about offer {n}, {row}"}

    def opens(n: int) -> Callable[[], None]:
        return lambda: _equal(guard.open(SELLER, party=PARTY).row.subject.id, "u1")

    def check(n: int) -> Callable[[], None]:
        thread = guard.open(SELLER, party=PARTY)
        return lambda: _equal(thread.check(DRAFT, task(n, "checked"), reason=f"Offer {n} is due.").outcome, "allow")

    def read(n: int) -> Callable[[], None]:
        thread = guard.open(SELLER, party=PARTY)
        return lambda: _equal(thread.invoke(READ, {"deal_id": "42"}, reason=f"Offer {n} is due.").status, "executed")

    def draft(n: int) -> Callable[[], None]:
        thread = guard.open(SELLER, party=PARTY)
        args = task(n, "drafted")
        return lambda: _equal(thread.invoke(DRAFT, args, reason=f"Offer {n} is due.").status, "executed")

    def duplicate(n: int) -> Callable[[], None]:
        thread = guard.open(SELLER, party=PARTY)
        args = task(n, "again")
        _equal(thread.invoke(DRAFT, args, reason=f"Offer {n} is due.").status, "executed")
        return lambda: _equal(thread.invoke(DRAFT, args, reason=f"Offer {n} waits.").status, "duplicate")

    return {
        "open": opens,
        "check": check,
        "invoke, read": read,
        "invoke, draft": draft,
        "invoke, duplicate": duplicate,
    }


def _equal(found: str, expected: str) -> None:
    if found != expected:
        raise AssertionError(f"{found}, not {expected}")


def main() -> None:
    """Measures and prints."""
    options = arguments("CPU and wall time of one guarded call.", rounds=100)
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        full, patterns = Masker(), Masker(profile="patterns")
        full.warm()
        patterns.warm()
        guards = [gateway(Desk(), folder / "full.db", full), gateway(Desk(), folder / "patterns.db", patterns)]
        rows = variants(guards[0])
        rows |= {f"{name}, patterns": row for name, row in variants(guards[1]).items() if name != "open"}
        found, flush = measure(rows, rounds=options.rounds, folder=folder)
        report(found, rounds=options.rounds, flush=flush, as_json=options.json)
        for guard in guards:
            guard.close()


if __name__ == "__main__":
    main()
