"""Eight processes write and seal at once: every chain is whole, and nothing was written that is not there."""

from __future__ import annotations

import multiprocessing
import random

import pytest

from agent_guard.audit import Audit
from agent_guard.auditing.sealing import seal
from agent_guard.databases.locks import chain_lock
from agent_guard.store import Store
from tests.record import NOW, Record, event
from tests.samples import KEYS, NOW_MS

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["agent_guard.schema", "agent_guard.auditing.sealing", "tests.record"])

PROCESSES, EACH = 8, 30
THREADS = ("t1", "t2", "t3", "system/acme")


def write(url: str, number: int, start) -> None:
    """In a process of its own: one transaction after another, each of one to three events of some chain."""
    store = Store(url, lock_wait_s=120)
    store.open()
    audit, chance = Audit(store, KEYS), random.Random(number)
    start.wait()
    for index in range(EACH):
        thread = chance.choice(THREADS)
        events = [event("proposed", thread, note=f"{number}/{index}/{n}") for n in range(chance.randint(1, 3))]
        with store.write(locks=[chain_lock(thread)]) as connection:
            audit.append(connection, events, now_ms=NOW_MS + index)
        if index % 10 == number:
            seal(store, KEYS, now=NOW)
    store.close()


@pytest.mark.databases
@pytest.mark.req("A5", "B8")
def test_eight_writers_leave_whole_chains(database):
    """Whoever writes between whom, events are numbered without a gap, link up, and are sealed once."""
    store = Store(database.shared, lock_wait_s=120)
    store.open()
    start = CONTEXT.Barrier(PROCESSES)
    processes = [CONTEXT.Process(target=write, args=(database.shared, n, start)) for n in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    record = Record(store)
    report = record.verify()
    assert (report.status, report.chains) == ("whole", len(THREADS))
    assert report.proven is not None and report.proven.n == report.seals > 0
    chances = [random.Random(number) for number in range(PROCESSES)]
    written = sum(chance.randint(1, 3) for chance in chances for _ in range(EACH) if chance.choice(THREADS))
    assert report.events == written
    record.seal()
    assert record.verify().unsealed == 0
    store.close()
