"""Choosing events, and reading them as a stream."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent_guard.auditing import selection as module
from agent_guard.auditing.selection import Selection, count, find, last_id, moment, traces
from agent_guard.errors import ConfigError
from tests.record import NOW, Record
from tests.samples import NOW_MS, opened

pytestmark = [pytest.mark.databases, pytest.mark.req("A5", "B8")]

DENIED = {
    "allowed": False, "outcome": "deny", "code": "role", "policy": "p", "policy_hash": "h", "for_human": "", "guards": [],
}  # fmt: skip
LIMIT = {"class": "limit", "code": "loop", "detail": None}


def someone(name):
    return {"user_id": name, "tenant": "acme", "roles": []}


@pytest.fixture
def store(database):
    with opened(database.new()) as made:
        yield made


@pytest.fixture
def record(store):
    """Six events, by chain, tool, party, actor, code and millisecond apart."""
    made = Record(store)
    made.write("t1", ["opened"], actor=someone("u1"), party="contact:17")
    made.write(
        "t1",
        ["proposed"],
        actor=someone("u1"),
        party="contact:17",
        tool="crm.read",
        trace_id="01TRACE00000000000000000A1",
    )
    made.write("t1", ["decided"], tool="crm.read", decision=DENIED, error=LIMIT, trace_id="01TRACE00000000000000000A1")
    made.write(
        "t2",
        ["proposed"],
        actor=someone("u2"),
        party="contact:1",
        tool="mail.send",
        trace_id="01TRACE0000000000000000_B1",
        tenant="other",
    )
    made.write("t2", ["answered"], approver="u1", tool="mail.send", note='"party":"contact:17"', tenant="other")
    made.write("system/acme", ["killed"], actor=someone("boss"))
    return made  # fmt: skip


def chosen(record, **conditions):
    return [event.id - first for event in find(record.store, Selection(**conditions))
            for first in [record.rows()[0]["id"]]]  # fmt: skip


@pytest.mark.parametrize(
    ("conditions", "events"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"thread": "t1"}, [0, 1, 2]),
        ({"thread": "none"}, []),
        ({"tenant": "other"}, [3, 4]),
        ({"kind": "proposed"}, [1, 3]),
        ({"trace_id": "01TRACE00000000000000000A1"}, [1, 2]),
        ({"party": "contact:17"}, [0, 1]),
        ({"party": "contact:1"}, [3]),
        ({"tool": "crm.read"}, [1, 2]),
        ({"tool": "crm"}, []),
        ({"code": "role"}, [2]),
        ({"code": "loop"}, [2]),
        ({"actor": "u1"}, [0, 1, 4]),
        ({"actor": "u1", "tool": "mail.send"}, [4]),
        ({"actor": "' OR 1=1 --"}, []),
        ({"thread": "' OR 1=1 --"}, []),
        ({"since": NOW + timedelta(milliseconds=5)}, [4, 5]),
        ({"until": NOW + timedelta(milliseconds=2)}, [0]),
        ({"since": NOW + timedelta(milliseconds=2), "until": NOW + timedelta(milliseconds=4)}, [1, 2]),
        ({"since": datetime(1, 1, 1, tzinfo=UTC), "until": datetime(9999, 12, 31, tzinfo=UTC)}, [0, 1, 2, 3, 4, 5]),
    ],
    ids=str,
)
def test_events_that_meet_every_condition_are_found(record, conditions, events):
    """Each condition is exact, all of them count, and text is never taken for a statement."""
    assert chosen(record, **conditions) == events


def test_the_newest_come_first_where_they_are_asked_for(record):
    """At most so many, the newest first; a number between ids bounds them."""
    everything = [event.id for event in find(record.store)]
    assert [event.id for event in find(record.store, newest=True)] == everything[::-1]
    assert [event.id for event in find(record.store, newest=True, most=2)] == everything[:-3:-1]
    assert [event.id for event in find(record.store, Selection(actor="u1"), newest=True, most=1)] == [everything[4]]
    assert [event.id for event in find(record.store, after=everything[1], before=everything[4])] == everything[2:4]
    assert last_id(record.store) == everything[-1]
    assert (count(record.store), count(record.store, Selection(thread="t1"))) == (6, 3)


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("newest", [False, True])
def test_the_size_of_a_batch_does_not_matter(record, monkeypatch, size, newest):
    """Read one, two, or all at a time, it is the same list."""
    everything = [event.id for event in find(record.store, newest=newest)]
    monkeypatch.setattr(module, "BATCH", size)
    assert [event.id for event in find(record.store, newest=newest)] == everything
    assert [event.id for event in find(record.store, Selection(tool="mail.send"), newest=newest, most=1)]


def test_events_that_are_written_meanwhile_are_found(record, monkeypatch):
    """A stream holds no transaction open between its batches."""
    monkeypatch.setattr(module, "BATCH", 2)
    stream = find(record.store)
    next(stream)
    record.write("t3", ["opened"])
    assert len(list(stream)) == 6


def test_an_empty_record_has_nothing(store):
    """No events, no newest one, no trace."""
    assert (list(find(store)), last_id(store), count(store), traces(store, "A1")) == ([], 0, 0, [])


def test_a_trace_is_found_by_its_end(record):
    """The end of a trace id names it; a sign that a pattern would know stands for itself."""
    assert traces(record.store, "01TRACE00000000000000000A1") == ["01TRACE00000000000000000A1"]
    assert traces(record.store, "A1") == ["01TRACE00000000000000000A1"]
    assert len(traces(record.store, "1")) == 2
    assert traces(record.store, "_B1") == ["01TRACE0000000000000000_B1"]
    assert traces(record.store, "%") == traces(record.store, "_1") == []


def test_a_damaged_event_ends_nothing(record):
    """It is found by its columns, as much of it as can be told, and marked."""
    for body in (b"\xff\x00", b"[]", b"7", b'{"kind":', b'{"decision": "x", "actor": 5}'):
        record.set("t1", 2, body=body)
        found = list(find(record.store, Selection(thread="t1")))
        assert [event.data["kind"] for event in found] == ["opened", "proposed", "decided"]
        assert [event.damaged for event in found] == [False, body[:2] != b'{"' or body.endswith(b":"), False]
        assert [event.seq for event in find(record.store, Selection(actor="u1", thread="t1"))] == [1]


@pytest.mark.parametrize(
    "conditions", [{"kind": "vanished"}, {"kind": ""}, {"since": NOW, "until": NOW}, {"party": "a\udcff"}]
)
def test_a_selection_that_cannot_be_met_is_refused(conditions):
    """An unknown kind is told with those there are, a span that ends before it begins with its ends, and what is no
    text as such.
    """
    with pytest.raises(ConfigError, match=r"there is: opened, routed|nothing lies since|is no text"):
        Selection(**conditions)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("30s", NOW - timedelta(seconds=30)),
        ("7d", NOW - timedelta(days=7)),
        ("365000d", NOW - timedelta(days=365_000)),
        ("2026-01-05", datetime(2026, 1, 5, tzinfo=UTC)),
        ("2026-01-05T11:20", datetime(2026, 1, 5, 11, 20, tzinfo=UTC)),
        ("2026-01-05T11:20:04Z", NOW),
        ("2026-01-05T16:20:04+05:00", NOW),
        ("1026-01-05", datetime(1026, 1, 5, tzinfo=UTC)),
    ],
)
def test_a_time_is_read(text, found):
    """So long ago, or a moment; without a zone it is UTC; a thousand years are no trouble."""
    assert moment(text, NOW) == found


@pytest.mark.parametrize("text", ["999999d", "yesterday", "0d", "-1d", "2026-02-30", "", "24"])
def test_what_is_no_time_is_told(text):
    """The message shows the forms, or says that it reaches too far back."""
    with pytest.raises(ConfigError, match=r"write e\.g\. 24h|before the year 1"):
        moment(text, NOW)


def test_the_first_event_is_written_at_the_given_time(record):
    """Events are chosen by when they were written."""
    assert record.rows()[0]["at"] == NOW_MS + 1
