"""The record in numbers."""

from __future__ import annotations

from collections import Counter
from math import ceil

import pytest
from hypothesis import given, strategies as st

from agent_guard.auditing.selection import Selection
from agent_guard.auditing.stats import percentiles, stats
from tests.conftest import World
from tests.record import Record
from tests.samples import opened


@pytest.fixture
def used(world: World):
    """A day at the desk: reads, a task, a duplicate, a denial, one approval and one rejection."""
    policy = world.policy({"crm.create_task": {"mode": "execute", "limits": ["2/day/subject"]}})
    gateway = world.gateway(policy)
    thread = gateway.open(world.sdr, party=world.anna, thread_id="t1")
    thread.invoke("crm.read_deal", {"deal_id": "42"}, call_id="r1")
    thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call"}, call_id="c1")
    thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call"}, call_id="c2")
    thread.invoke("crm.delete", {"deal_id": "42"}, call_id="d1")
    for stage, word, minutes in (("won", "approve", 5), ("lost", "reject", 90)):
        asked = thread.invoke("crm.set_stage", {"deal_id": "42", "stage": stage}, call_id=stage)
        world.clock.forward(seconds=60 * minutes)
        thread.resume(asked.approval_id, word, by=world.boss)
    return gateway


@pytest.mark.databases
@pytest.mark.req("A5", "A13")
def test_a_day_is_counted(used):
    """Calls by user, tool and tenant, decisions, errors, limits, waiting and the share without a person, as they were."""
    found = stats(used.store)
    assert found["calls"] == {
        "user": {"acme/u1": 6},
        "tool": {"crm.create_task": 2, "crm.set_stage": 2, "crm.read_deal": 1, "crm.delete": 1},
        "tenant": {"acme": 6},
    }
    assert found["outcomes"] == {"allow": 2, "deny": 2, "require_approval": 2}
    assert found["errors"]["validation"] == {"tool_unknown": 1}
    assert found["errors"]["limit"] == found["limits"] == {"duplicate": 1}
    assert found["errors"].keys() == {"validation", "limit"}
    assert found["latency_ms"]["all"]["count"] == 3
    assert found["latency_ms"]["tool"].keys() == {"crm.read_deal", "crm.create_task", "crm.set_stage"}
    approvals = found["approvals"]
    assert (approvals["asked"], approvals["answers"], approvals["open"]) == (2, {"approve": 1, "reject": 1}, 0)
    assert approvals["waited_ms"] == {"count": 2, "p50": 300_000, "p95": 5_400_000, "p99": 5_400_000}
    assert found["unattended"] == pytest.approx(2 / 3)


def test_a_selection_is_counted(used):
    """Only what is asked for; an answer to a question from before the selection waits for nothing."""
    assert stats(used.store, Selection(tenant="other"))["events"] == 0
    assert stats(used.store, Selection(thread="t1"))["events"] == stats(used.store)["events"]
    later = stats(used.store, Selection(kind="answered"))
    assert (later["approvals"]["answers"], later["approvals"]["waited_ms"]) == ({}, {"count": 0})


def test_an_empty_record_counts_nothing():
    """No calls, no times, and no share of nothing."""
    with opened() as store:
        found = stats(store)
    assert found["events"] == 0 and found["unattended"] is None
    assert found["latency_ms"]["all"] == {"count": 0}


def test_questions_that_wait_are_counted():
    """A question without an answer is open; one that expired has waited for nobody."""
    with opened() as store:
        record = Record(store)
        for name, kind in (("a", "asked"), ("b", "asked"), ("b", "expired"), ("c", "answered")):
            record.write("t1", [kind], approval_id=f"apr_{name}", note="approve")
        found = stats(store)["approvals"]
    assert (found["asked"], found["open"], found["answers"], found["waited_ms"]["count"]) == (2, 1, {"expired": 1}, 0)


def test_a_clock_that_went_back_waits_for_nothing():
    """An answer from before its question counts as given at once."""
    with opened() as store:
        record = Record(store)
        record.write("t1", ["asked"], approval_id="apr_a")
        record.now_ms -= 10_000
        record.write("t1", ["answered"], approval_id="apr_a", note="approve")
        assert stats(store)["approvals"]["waited_ms"] == {"count": 1, "p50": 0, "p95": 0, "p99": 0}


def test_damaged_events_are_counted_as_far_as_they_can_be_told():
    """Nothing in a text that somebody else wrote ends the counting."""
    with opened() as store:
        record = Record(store)
        record.write("t1")
        for seq, body in ((1, b"\xff"), (2, b'{"actor": 1, "tool": [], "kind": "proposed"}'), (5, b'{"kind": 7}')):
            record.set("t1", seq, body=body)
        found = stats(store)
    assert found["events"] == 5
    assert found["calls"]["tool"] == {"[]": 1}


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=300))
def test_percentiles_are_by_nearest_rank(values):
    """Each is the value at its rank in the sorted list."""
    found = percentiles(Counter(values))
    ranked = sorted(values)
    assert found["count"] == len(values)
    for share in (50, 95, 99):
        assert found[f"p{share}"] == ranked[ceil(len(values) * share / 100) - 1]
