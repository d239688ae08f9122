"""What the record costs and how fast it is read: events a second, and the memory of an export.

Rows:

    append            one event, chained and written in a transaction of its own with its neighbours of one call
    ... checking      of it, the check that an event is of the format
    seal, all new     the first seal of everything
    seal, little new  one more seal, after as many new chains as one in a hundred
    verify            every chain and seal
    export jsonl, csv everything into a file
    stats             everything counted
    replay            every decision reached again; one event in five holds one
    simulate          every call judged by a policy with other limits, rates, rules on arguments and stop-words

The events are those of guarded calls: ten a chain, about 1.7 kB each. SQLite on disk, or ``--url`` of an empty
database. CPU is user and system time of this process, wall time holds what others did
meanwhile. Peak memory is of the whole process; it does not grow with ``--events``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from agent_guard.audit import Audit, AuditEvent
from agent_guard.auditing.export import export
from agent_guard.auditing.replay import replay
from agent_guard.auditing.sealing import seal
from agent_guard.auditing.stats import stats
from agent_guard.auditing.verify import verify
from agent_guard.credentials import Keys
from agent_guard.decide import decide
from agent_guard.facts import Facts, LimitFact, RecordFact
from agent_guard.policies.simulate import simulate
from agent_guard.policy import Policy
from agent_guard.recording.events import decision_json
from agent_guard.recording.format import check_event
from agent_guard.recording.rulebook import Rulebook
from agent_guard.store import Store
from agent_guard.types import Code, ToolCall
from benchmarks.desk import create_task

KEYS = Keys(b"k" * 32)
NOW = datetime(2026, 1, 5, tzinfo=UTC)
NOW_MS = 1_767_612_004_000
PER_CHAIN = 10
TOOLS = {create_task.name: create_task}
TOGETHER = 100  # chains written in one transaction: this measures the record, not the disk

ACTOR = {"user_id": "u1", "tenant": "acme", "roles": ["sdr"], "region": "kz"}
CALL = ToolCall(id="c0", tool="crm.create_task", args={"deal_id": "42", "subject": "Call <PERSON_1>"}, thread="t")
DIFF = {"before": None, "after": {"deal_id": "42", "subject": "Call <PERSON_1>", "status": "draft"}}


def policy(name: str, **rules: Any) -> Policy:
    """A policy of the desk's tool."""
    entry = {"roles": ["sdr"], "region": "own", "mode": "execute", "limits": ["600/minute/subject"]} | rules
    return Policy.model_validate({"version": 1, "name": name, "stop_words": ["en.txt"], "tools": {CALL.tool: entry}})


POLICY = policy("desk.v1")
OTHER = policy(
    "desk.v2",
    limits=["60/hour/subject", "5000/day/tenant"],
    where={"properties": {"subject": {"maxLength": 60}, "deal_id": {"pattern": "^[0-9]+$"}}},
    mode="approve",
    approvers={"roles": ["manager"]},
    requires=[{"tool": "crm.read_deal", "within": "1h"}],
)


@cache
def decided(reached: bool) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """What a call was decided on, and the decision."""
    facts = Facts(
        at="2026-01-05T11:20:04.000+00:00", environment="prod", thread="", scenario="sdr_qualification",
        tenant="", subject="u1", agent="default", known=True, roles=("sdr",), region="kz",
        party="contact:17", records={
            "deal_id": RecordFact(
                ref="deal:42", found=True, version="7", party="contact:17", responsible="u1", region="kz",
                name="<ORG_1>",
            )
        },
        record_version="deal:42@7", origins={"subject": ("user",)}, given=("deal_id", "subject"),
        limits=(
            LimitFact(limit="20 attempts a thread", code=Code.LIMIT_ATTEMPTS, count=20, reached=False, used=1),
            LimitFact(limit="5 actions a thread", code=Code.LIMIT_ACTIONS, count=5, reached=reached, used=1),
            LimitFact(limit="600/minute/subject", code=Code.LIMIT_RATE, count=600, reached=False),
        ),
    )  # fmt: skip
    return facts.as_json(), decision_json(decide(CALL, create_task, POLICY, facts))


def events(chain: int) -> list[AuditEvent]:
    """The events of one short conversation: two calls and what is around them."""
    common: dict[str, Any] = {
        "timestamp": "2026-01-05T11:20:04.000+00:00", "thread": f"01J{chain:023}", "tenant": f"tenant{chain % 7}",
        "scenario": "sdr_qualification", "environment": "prod", "actor": ACTOR, "agent": "default",
        "party": f"contact:{chain % 1000}", "tool": "crm.create_task", "tool_version": "1", "mode": "execute",
        "digest": "sha256:" + "d" * 64, "record_version": "7",
    }  # fmt: skip
    made = [AuditEvent(kind="opened", **common), AuditEvent(kind="planned", **common, note="planned")]
    facts, decision = decided(not chain % 7)  # every seventh call was one too many
    facts = facts | {"thread": common["thread"], "tenant": common["tenant"]}
    for call in range(2):
        known = common | {"trace_id": f"01K{chain:022}{call}", "tool_call_id": f"c{call}"}
        made += [
            AuditEvent(kind="proposed", **known, args_redacted=dict(CALL.args)),
            AuditEvent(kind="decided", **known, facts=facts, decision=decision),
            AuditEvent(kind="started", **known),
            AuditEvent(kind="finished", **known, diff=DIFF, result_meta={"records": 1, "latency_ms": chain % 90}),
        ]
    return made


def fill(store: Store, audit: Audit, first: int, chains: int) -> None:
    """Writes chains."""
    for start in range(first, first + chains, TOGETHER):
        with store.write(locks=["bench"]) as connection:
            for chain in range(start, min(start + TOGETHER, first + chains)):
                audit.append(connection, events(chain), now_ms=NOW_MS + chain)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of wall and of CPU time."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def check(count: int) -> None:
    """Checks as many events as ``count``, and nothing else."""
    one = {**vars(events(0)[3]), "v": 1, "key": "0" * 16, "seq": 1, "at": NOW_MS, "prev_hash": "0" * 64}
    for _ in range(count):
        check_event(one)


def rows(store: Store, folder: Path, count: int) -> dict[str, tuple[int, float, float]]:
    """Name of the row -> events, and seconds of wall and CPU time."""
    audit, chains, few = Audit(store, KEYS), count // PER_CHAIN, max(1, count // PER_CHAIN // 100)
    found = {"append": (count, *timed(lambda: fill(store, audit, 0, chains)))}
    found["... checking"] = (count, *timed(lambda: check(count)))
    found["seal, all new"] = (count, *timed(lambda: seal(store, KEYS, now=NOW)))
    fill(store, audit, chains, few)
    every = (chains + few) * PER_CHAIN
    found["seal, little new"] = (few * PER_CHAIN, *timed(lambda: seal(store, KEYS, now=NOW)))
    found["verify"] = (every, *timed(lambda: whole(store, every)))
    found["export jsonl"] = (every, *timed(lambda: export(store, folder / "record.jsonl")))
    found["export csv"] = (every, *timed(lambda: export(store, folder / "record.csv", format="csv")))
    found["stats"] = (every, *timed(lambda: stats(store)))
    Rulebook(store).keep([POLICY], now_ms=NOW_MS)
    found["replay"] = (every, *timed(lambda: reached(store, every)))
    found["simulate"] = (every, *timed(lambda: judged(store, every)))
    return found


def reached(store: Store, every: int) -> None:
    """Replays everything."""
    report = replay(store, KEYS, TOOLS, Rulebook(store))
    assert (report.status, report.decisions) == ("agrees", every * 2 // PER_CHAIN)


def judged(store: Store, every: int) -> None:
    """Simulates everything."""
    found = simulate(store, KEYS, OTHER, TOOLS, Rulebook(store))
    assert (found.calls, found.damaged) == (every * 2 // PER_CHAIN, 0)


def whole(store: Store, every: int) -> None:
    """Verifies everything."""
    report = verify(store, KEYS)
    assert (report.status, report.events, report.unsealed) == ("whole", every, 0)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Events a second of the record.")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--url", help="an empty database; by default a SQLite file in a temporary folder")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as where:
        store = Store(given.url or f"sqlite:///{where}/guard.db")
        store.open()
        found = rows(store, Path(where), max(given.events, PER_CHAIN))
        store.close()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    load = os.getloadavg()[0]
    if given.json:
        names = ("events", "wall_s", "cpu_s")
        table = {name: dict(zip(names, row, strict=True)) for name, row in found.items()}
        print(json.dumps({"rows": table, "peak_mb": peak_mb, "load": load}, indent=2))
        return
    print(f"{'':17}  {'events':>9}  {'wall s':>7}  {'CPU s':>7}  {'a wall second':>13}  {'a CPU second':>12}")
    for name, (count, wall, cpu) in found.items():
        print(f"{name:17}  {count:9,}  {wall:7.2f}  {cpu:7.2f}  {count / wall:13,.0f}  {count / cpu:12,.0f}")
    walls = {name: wall for name, (_, wall, _) in found.items()}
    ratios = ", ".join(f"{name} {walls[name] / walls['verify']:.1f}" for name in ("replay", "simulate", "stats"))
    print(f"\nwall time as a ratio to verify: {ratios}")
    print(f"\npeak memory of the process {peak_mb:.0f} MB; {os.cpu_count()} cores; load {load:.1f}")


if __name__ == "__main__":
    main()
