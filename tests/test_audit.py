"""The record: redacted events in a chain whose every link shows."""

from __future__ import annotations

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import given, settings, strategies as st

from agent_guard.audit import AUDIT, FORMAT, GENESIS, Audit, AuditEvent, system_thread
from agent_guard.credentials import Keys
from agent_guard.recording.chain import ChainKeys
from tests.samples import KEYS, NOW_MS, opened

pytestmark = pytest.mark.databases

FIELDS = [
    "v",
    "kind",
    "trace_id",
    "seq",
    "timestamp",
    "thread",
    "tenant",
    "scenario",
    "environment",
    "actor",
    "agent",
    "party",
    "approver",
    "approval_id",
    "tool",
    "tool_version",
    "mode",
    "tool_call_id",
    "reason",
    "idempotency_key",
    "digest",
    "record_version",
    "args_redacted",
    "facts",
    "decision",
    "result_meta",
    "diff",
    "error",
    "note",
    "prev_hash",
    "key",
    "at",
]


@pytest.fixture
def store(database):
    with opened(database.new()) as made:
        yield made


@pytest.fixture
def audit(store):
    return Audit(store, KEYS)


def event(kind="proposed", thread="t1", **options):
    given = {"kind": kind, "timestamp": "2026-01-05T11:20:04.000+00:00", "thread": thread, "tenant": "acme"}
    return AuditEvent(**(given | options))


def append(store, audit, *events, now_ms=NOW_MS):
    with store.write(locks=["test"]) as connection:
        audit.append(connection, events, now_ms=now_ms)


@pytest.fixture
def chain(store, audit):
    """Five events of one thread."""
    for kind in ("opened", "proposed", "decided", "started", "finished"):
        append(store, audit, event(kind, trace_id="T1"))
    return audit


def edit(store, seq, **values):
    with store.write(locks=["test"]) as connection:
        connection.execute(AUDIT.update().where(AUDIT.c.seq == seq).values(**values))


@pytest.mark.req("A5", "B8")
def test_an_event_has_every_field_of_the_format(store, audit):
    """Every field stands in every event, empty ones as null, with its version, its number, the hash before it, the
    name of its key and the time of writing.
    """
    append(store, audit, event())
    (found,) = audit.events()
    assert set(FIELDS) == set(found.data)
    assert (found.data["key"], found.data["at"], found.at) == (ChainKeys(KEYS).name, NOW_MS, NOW_MS)
    assert (found.data["v"], found.data["seq"], found.data["prev_hash"]) == (FORMAT, 1, GENESIS)
    assert len(found.hash) == 64
    assert orjson.loads(found.body) == found.data


@pytest.mark.req("B8")
def test_what_is_given_is_what_is_stored(store, audit):
    """Each field of an event comes back as it was written."""
    nested = {"a": [1, "ż", None]}
    given_fields = {
        "actor": {"user_id": "ż", "tenant": "acme", "roles": ["a", "b"], "region": None},
        "facts": nested,
        "args_redacted": nested,
        "diff": {"before": None, "after": nested},
        "result_meta": {"latency_ms": 3, "reference": None, "more": nested},
        "error": {"class": "limit", "code": "loop", "detail": None},
        "decision": {
            "allowed": True, "outcome": "allow", "code": "allowed", "policy": "p", "policy_hash": "h", "for_human": "",
            "guards": [{"guard": "scope", "outcome": "allow", "code": "allowed"}],
        },
        "mode": "approve",
    }  # fmt: skip
    given_fields |= {
        name: f"a {name}"
        for name in FIELDS
        if name not in {"v", "seq", "prev_hash", "key", "at", "thread", "kind", "timestamp", *given_fields}
    }
    append(store, audit, event(**given_fields))
    (found,) = audit.events()
    assert {name: found.data[name] for name in given_fields} == given_fields


@pytest.mark.req("A5")
def test_each_event_follows_the_one_before_it_in_its_thread(store, audit):
    """A thread has its own numbers and its own chain, whatever is written in between."""
    append(store, audit, event("opened"), event("proposed"))
    append(store, audit, event("opened", thread="t2"))
    append(store, audit, event("decided"))
    one, other = audit.events(thread="t1"), audit.events(thread="t2")
    assert [item.seq for item in one] == [1, 2, 3]
    assert [item.data["prev_hash"] for item in one] == [GENESIS, one[0].hash, one[1].hash]
    assert [(item.seq, item.data["prev_hash"]) for item in other] == [(1, GENESIS)]
    assert list(audit.broken("t1")) == list(audit.broken("t2")) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "vanished"}, "'vanished' is no kind of event"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"thread": "t" * 121}, "thread"),
        ({"tenant": ""}, "tenant"),
        ({"trace_id": 7}, "trace_id"),
        ({"mode": "maybe"}, "mode"),
        ({"actor": {"name": "u1"}}, "actor"),
        ({"facts": "none"}, "facts"),
        ({"decision": {"allowed": True}}, "decision"),
        ({"error": {"class": "weather", "code": "rain", "detail": None}}, "error.class"),
        ({"result_meta": {"latency_ms": -1}}, "result_meta.latency_ms"),
        ({"diff": {"after": {}}}, "diff.before"),
    ],
    ids=str,
)
def test_what_is_no_event_is_refused_and_nothing_is_written(store, audit, wrong, words):
    """An unknown kind or a field of the wrong shape is refused with its name, together with what came with it."""
    with pytest.raises(ValueError, match=words):
        append(store, audit, event(), event(**wrong))
    assert audit.events() == []


def test_a_refusal_repeats_no_value(store, audit):
    """What stands in a refused field may be personal, so the message does not hold it."""
    with pytest.raises(ValueError, match="actor") as caught:
        append(store, audit, event(actor={"user_id": "u1", "roles": "Anna Kowalska"}))
    assert "Kowalska" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_a_damaged_head_stops_nobody(store, chain):
    """The next event is written behind a damaged one, and the damage shows."""
    edit(store, 5, hash="")
    append(store, chain, event("opened"))
    assert [line.split(" ")[1] for line in chain.broken("t1")] == ["5"]


def test_events_of_two_threads_are_not_appended_together(store, audit):
    """A mixed append is refused and writes nothing."""
    with pytest.raises(ValueError, match="one thread"):
        append(store, audit, event(), event(thread="t2"))
    append(store, audit)
    assert audit.events() == []


@pytest.mark.req("A5")
def test_an_untouched_chain_is_whole(chain):
    """Nothing is named where nothing was changed, and a thread without events is whole."""
    assert list(chain.broken("t1")) == []
    assert list(chain.broken("none")) == []


@pytest.mark.req("A5")
@pytest.mark.parametrize(
    "values",
    [
        {"body": b"{}"},
        {"body": b"no json at all"},
        {"body": b""},
        {"hash": "0" * 64},
        {"hash": ""},
        {"kind": "denied"},
        {"trace_id": "T9"},
        {"trace_id": None},
        {"tenant": "other"},
        {"at": 5},
    ],
    ids=str,
)
@pytest.mark.parametrize("seq", [1, 3, 5])
def test_an_edited_event_is_named(store, chain, seq, values):
    """A change of the text, of the hash or of a column by which events are looked up names the event."""
    edit(store, seq, **values)
    assert any(f"event {seq}" in line for line in chain.broken("t1"))


@pytest.mark.req("A5")
@pytest.mark.parametrize("seq", [1, 3, 5])
def test_an_edited_text_with_a_new_plain_hash_is_named(store, chain, seq):
    """Without the key nobody can make a hash that fits, so an edit cannot be covered up."""
    (found,) = [item for item in chain.events(thread="t1") if item.seq == seq]
    body = orjson.dumps(dict(found.data) | {"reason": "nothing happened"}, option=orjson.OPT_SORT_KEYS)
    for key in (b"x" * 32, bytes(32)):
        edit(store, seq, body=body, hash=ChainKeys(Keys(key)).hash(body))
        assert f"event {seq} was edited" in list(chain.broken("t1"))


@pytest.mark.req("A5")
@pytest.mark.parametrize("seq", [1, 2, 3, 4])
def test_a_dropped_event_is_named(store, chain, seq):
    """A gap is named by the number that is missing, wherever it is but at the end."""
    with store.write(locks=["test"]) as connection:
        connection.execute(AUDIT.delete().where(AUDIT.c.seq == seq))
    lines = list(chain.broken("t1"))
    assert lines == [f"event {seq} is missing"]


@pytest.mark.req("A5")
def test_a_gap_that_was_closed_by_new_numbers_is_named(store, chain):
    """Renumbering the columns behind a gap does not hide it: the numbers stand in the text as well."""
    with store.write(locks=["test"]) as connection:
        connection.execute(AUDIT.delete().where(AUDIT.c.seq == 2))
        for seq in (3, 4, 5):
            connection.execute(AUDIT.update().where(AUDIT.c.seq == seq).values(seq=seq - 1))
    assert list(chain.broken("t1"))


@pytest.mark.req("A5")
def test_swapped_events_are_named(store, chain):
    """Two events that changed places are both named."""
    two, three = (item for item in chain.events() if item.seq in (2, 3))
    edit(store, 2, body=three.body, hash=three.hash)
    with store.write(locks=["test"]) as connection:
        connection.execute(AUDIT.update().where(AUDIT.c.id == three.id).values(body=two.body, hash=two.hash))
    text = "\n".join(chain.broken("t1"))
    assert "event 2" in text
    assert "event 3" in text


@pytest.mark.req("A5")
def test_an_event_of_another_thread_is_named(store, chain):
    """An event that was moved into this thread's chain does not fit, even as its first one."""
    append(store, chain, event("killed", thread="t2"))
    with store.write(locks=["test"]) as connection:
        connection.execute(AUDIT.update().where(AUDIT.c.thread == "t2").values(thread="t3"))
    assert list(chain.broken("t3"))


@settings(max_examples=30)
@given(st.integers(1, 5), st.data())
def test_any_flipped_byte_is_named(seq, data):
    """No byte of any event can be changed unseen."""
    with opened() as store:
        audit = Audit(store, KEYS)
        append(store, audit, *(event(kind) for kind in ("opened", "proposed", "decided", "started", "finished")))
        body = next(item.body for item in audit.events() if item.seq == seq)
        place = data.draw(st.integers(0, len(body) - 1))
        changed = bytes([*body[:place], body[place] ^ data.draw(st.integers(1, 255)), *body[place + 1 :]])
        edit(store, seq, body=changed)
        assert any(f"event {seq} was edited" in line for line in audit.broken("t1"))


def test_events_are_chosen_by_thread_trace_place_and_number(store, audit):
    """Events come in the order of writing; ``last`` gives the newest, still in order."""
    for index in range(3):
        append(store, audit, event("proposed", trace_id=f"T{index}"), event("decided", trace_id=f"T{index}"))
    append(store, audit, event("opened", thread="t2"))
    every = audit.events()
    assert [item.id for item in every] == sorted(item.id for item in every)
    assert [item.data["kind"] for item in audit.events(trace_id="T1")] == ["proposed", "decided"]
    assert [item.data["trace_id"] for item in audit.events(thread="t1", last=3)] == ["T1", "T2", "T2"]
    assert audit.events(after=every[4].id) == every[5:]
    assert audit.events(thread="none") == []


def test_an_event_and_the_state_it_describes_are_one_transaction(store, audit):
    """What is undone leaves no event, and the chain goes on without a gap."""
    append(store, audit, event("opened"))
    with pytest.raises(KeyError), store.write(locks=["test"]) as connection:
        audit.append(connection, [event("proposed")], now_ms=NOW_MS)
        raise KeyError
    append(store, audit, event("decided"))
    assert [item.data["kind"] for item in audit.events()] == ["opened", "decided"]
    assert list(audit.broken("t1")) == []


def test_the_number_of_an_event_is_unique_in_its_thread(store, audit):
    """Two writers cannot both write the next event: the constraint itself stops the second."""
    append(store, audit, event())
    (row,) = audit.events()
    with pytest.raises(sa.exc.IntegrityError), store.write(locks=["test"]) as connection:
        connection.execute(
            AUDIT.insert().values(
                thread="t1", seq=1, tenant="acme", at=0, kind="x", trace_id=None, body=row.body, hash=row.hash
            )
        )


def test_events_without_a_conversation_have_a_chain_of_their_tenant():
    """The red button is recorded apart from conversations."""
    assert system_thread("acme") == "system/acme"
