"""Retention: what is older than it is kept goes, what is left verifies, and nobody can pretend that it went so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from agent_guard.audit import AUDIT, Audit
from agent_guard.auditing.verify import verify
from agent_guard.credentials import Keys
from agent_guard.errors import ConfigError, OutcomeUnknown
from agent_guard.privacy import holds, retention
from agent_guard.privacy.erasure import erase
from agent_guard.privacy.retention import Retained, retain, rules_of
from agent_guard.recording.cuts import CUTS, Cut, sign
from tests.conftest import World
from tests.record import NOW, Record
from tests.samples import KEYS, opened

pytestmark = [pytest.mark.databases, pytest.mark.req("A5", "A23")]

TASK = {"deal_id": "42", "subject": "Call <PERSON_1>"}
STAGE = {"deal_id": "42", "stage": "won"}
OLD_S = 400 * 86_400


@pytest.fixture(name="record")
def _record(database):
    with opened(database.shared) as store:
        yield Record(store)


def cut(record: Record, days: dict[str, int] | None = None, **options: Any) -> Retained:
    """A run that keeps everything for a year, 400 days after the record was written."""
    given: dict[str, Any] = {
        "tenant": "acme", "rules": rules_of(days or {"*": 365}), "by": "dpo", "environment": "dev",
        "now": NOW + timedelta(seconds=OLD_S),
    }  # fmt: skip
    return retain(record.store, Audit(record.store, record.keys), record.keys, **(given | options))


def seqs(record: Record, thread: str = "t1") -> list[tuple[int, str]]:
    return [(row["seq"], row["kind"]) for row in record.rows() if row["thread"] == thread]


def kept_cuts(record: Record) -> list[Cut]:
    return [Cut.parse(bytes(row["line"])) for row in record.rows("audit_cuts")]


def test_a_whole_old_chain_becomes_one_signed_line(record: Record) -> None:
    """What is left is the event that tells of it; the line says how many of which kinds, from where to where, when and
    by whom, and the record is whole.
    """
    record.write()
    last = record.at("t1", 5)
    done = cut(record)
    assert (done.chains, done.events, dict(done.kinds)) == (
        1, 5, {"decided": 1, "finished": 1, "opened": 1, "proposed": 1, "started": 1},
    )  # fmt: skip
    assert seqs(record) == [(6, "retained")]
    (made,) = kept_cuts(record)
    assert (made.first, made.last, made.events, made.prev, made.hash) == (1, 5, 5, "0" * 64, last["hash"])
    assert (made.by, made.at, made.kinds) == ("dpo", "2027-02-09T11:20:04.000+00:00", dict(done.kinds))
    assert made.genuine and made.key
    report = record.verify()
    assert (report.status, report.removed, report.removed_chains, report.events) == ("whole", 5, 1, 1)
    (told,) = (orjson.loads(row["body"]) for row in record.rows())
    assert told["actor"] == {"user_id": "dpo", "tenant": "acme"}
    assert told["result_meta"] == {"records": 5, "kinds": made.kinds, "places": [[1, 5]]}
    assert list(Audit(record.store, record.keys).broken("t1")) == []


def test_kinds_are_kept_for_different_times(record: Record) -> None:
    """A kind without a rule stays whole in the middle of the chain, and the chain goes on over what is gone."""
    record.write(kinds=("opened", "proposed", "decided", "asked", "answered", "started", "finished"))
    done = cut(record, {"proposed": 30, "decided": 30, "started": 30, "finished": 500})
    assert dict(done.kinds) == {"decided": 1, "proposed": 1, "started": 1}
    assert seqs(record) == [(1, "opened"), (4, "asked"), (5, "answered"), (7, "finished"), (8, "retained")]
    assert [(item.first, item.last) for item in kept_cuts(record)] == [(2, 3), (6, 6)]
    assert (record.verify().status, record.verify().removed) == ("whole", 3)


def test_what_is_young_stays(record: Record) -> None:
    """The moment itself counts: what is exactly as old as it is kept stays."""
    record.write()
    edge = NOW + timedelta(days=365, milliseconds=2)
    assert dict(cut(record, now=edge).kinds) == {"opened": 1}
    assert seqs(record)[0] == (2, "proposed")


def test_it_goes_on_where_it_stopped_and_lines_become_one(record: Record) -> None:
    """Later runs take what has become old since, with what earlier runs left, and leave one line and one event."""
    for _ in range(3):
        record.write()
        record.seal()
        record.now_ms += 100 * 86_400_000
    for days in (366, 470, 570, 571):
        cut(record, now=NOW + timedelta(days=days))
        assert record.verify().status == "whole", days
    (made,) = kept_cuts(record)
    assert [kind for _, kind in seqs(record)] == ["retained"]
    assert made.first == 1 and sum(made.kinds.values()) == made.events == made.last
    assert made.kinds["finished"] == 3
    events = len(record.rows())
    assert cut(record, now=NOW + timedelta(days=800)).events == 0
    assert len(record.rows()) == events


def test_seals_stay_valid_and_new_ones_follow(record: Record) -> None:
    """What was sealed is proven as before, whether its chain was cut before, in or behind a sealed head."""
    record.write("t1")
    record.seal()
    record.write("t1", kinds=("proposed", "decided"))
    record.write("t2")
    record.seal()
    seals = record.rows("seals")
    cut(record, {"opened": 1, "proposed": 1, "started": 1})
    assert record.rows("seals") == seals
    report = record.verify()
    assert (report.status, report.proven and report.proven.n) == ("whole", 2)
    record.write("t1")
    record.seal()
    cut(record)
    report = record.verify()
    assert (report.status, report.proven and report.proven.n, report.seals) == ("whole", 3, 3)


def test_new_events_follow_and_never_take_an_old_place(record: Record) -> None:
    """A chain that was emptied goes on counting, and no id of an event is given twice."""
    record.write()
    highest = max(row["id"] for row in record.rows())
    cut(record)
    record.write()
    assert [seq for seq, _ in seqs(record)] == [6, 7, 8, 9, 10, 11]
    assert min(row["id"] for row in record.rows()) > highest
    assert record.verify().status == "whole"


# ---- nobody can pretend


def line_of(record: Record) -> Cut:
    (made,) = kept_cuts(record)
    return made


def put(record: Record, line: bytes, first: int | None = None) -> None:
    with record.store.write(locks=["test"]) as connection:
        values = {"line": line} | ({} if first is None else {"first": first})
        connection.execute(CUTS.update().values(**values))


@pytest.mark.parametrize(
    ("tamper", "kinds"),
    [
        ("no line", {"missing"}),
        ("another signature", {"forged", "missing"}),
        ("longer", {"forged", "missing"}),
        ("no json", {"forged", "missing"}),
        ("another chain", {"forged", "missing"}),
        ("another place", {"forged", "missing"}),
        ("own key", {"unknown_key"}),
        ("one more event", {"missing"}),
        ("end cut off", {"truncated"}),
        ("event before", {"unlinked"}),
        ("the event itself", {"duplicated"}),
    ],
)
def test_a_missing_or_forged_line_is_named(record: Record, tamper: str, kinds: set[str]) -> None:
    """Whoever can change the database can neither remove events nor pretend that retention did."""
    record.write("t1", kinds=("opened", "proposed", "decided", "started", "finished"))
    first = record.at("t1", 2)
    cut(record, {"proposed": 1, "decided": 1})
    made = line_of(record)
    assert record.verify().status == "whole"
    match tamper:
        case "no line":
            record.sql("DELETE FROM audit_cuts")
        case "another signature":
            put(record, Cut(**vars_of(made) | {"by": "nobody"}).line)
        case "longer":
            put(record, Cut(**vars_of(made) | {"last": 4}).line)
            record.drop("t1", first=4, last=4)
        case "no json":
            put(record, b"{")
        case "another chain":
            put(record, sign(Cut(**vars_of(made) | {"thread": "t2"}), KEYS).line)
        case "another place":
            record.sql("UPDATE audit_cuts SET first = 3")
        case "own key":
            put(record, sign(made, Keys(b"x" * 32)).line)
        case "one more event":
            record.drop("t1", first=4, last=4)
        case "end cut off":
            record.drop("t1", first=4)
        case "event before":
            put(record, sign(Cut(**vars_of(made) | {"prev": "a" * 64}), KEYS).line)
        case "the event itself":
            record.insert(**first)
    report = record.verify()
    assert report.status == ("undecided" if kinds == {"unknown_key"} else "tampered")
    found = {flaw.kind for flaw in report.flaws}
    assert kinds <= found
    assert list(Audit(record.store, record.keys).broken("t1"))


def vars_of(made: Cut) -> dict[str, Any]:
    return {name: getattr(made, name) for name in Cut.__dataclass_fields__}


def test_an_event_removed_beside_an_old_line_is_missing(record: Record) -> None:
    """A line covers exactly what it says: neither the chain's other events nor another chain's."""
    record.write("t1")
    record.write("t2")
    cut(record, {"proposed": 1})
    record.drop("t2", first=3, last=3)
    assert [(flaw.thread, flaw.seq, flaw.kind) for flaw in record.verify().flaws] == [("t2", 3, "missing")]


def test_a_sealed_head_that_was_cut_must_be_the_one_that_was_sealed(record: Record) -> None:
    """A line whose last hash is another than the sealed one is a chain that was written anew."""
    record.write("t1")
    record.seal()
    cut(record)
    made = line_of(record)
    put(record, sign(Cut(**vars_of(made) | {"hash": "b" * 64}), KEYS).line)
    assert {"rewritten"} <= {flaw.kind for flaw in record.verify().flaws}


def test_a_chain_that_does_not_verify_is_not_cut(record: Record) -> None:
    """Evidence stays where it is; the other chains are cut, and the damaged one is named."""
    record.write("t1")
    record.write("t2")
    record.set("t1", 3, body=b"{}")
    done = cut(record)
    assert (done.damaged, done.chains) == (["t1"], 1)
    assert len(seqs(record, "t1")) == 5
    assert [kind for _, kind in seqs(record, "t2")] == ["retained"]


def test_what_was_restored_from_a_copy_is_said(record: Record) -> None:
    """All events that were removed put back beside the line: each is named, and a run leaves the chain alone."""
    record.write("t1")
    before = record.rows()
    cut(record)
    for row in before:
        record.insert(**row)
    report = record.verify()
    assert report.status == "tampered" and {flaw.kind for flaw in report.flaws} >= {"duplicated"}
    assert cut(record).damaged == ["t1"]


# ---- what stays


def world_cut(world: World, gateway: Any, days: dict[str, int] | None = None, **options: Any) -> Retained:
    return retain(
        gateway.store, gateway.audit, gateway.sources.keys, tenant="acme", rules=rules_of(days or {"*": 365}), by="dpo",
        environment="dev", now=gateway.clock(), **options,
    )  # fmt: skip


def test_calls_that_are_not_settled_stay(world: World) -> None:
    """A question that waits, a call that may have happened: every event of their calls is there, the others are gone."""
    gateway = world.gateway(world.policy({"crm.set_stage": {"approvers": {"roles": ["manager"], "expires": "9000h"}}}))
    thread = gateway.open(world.sdr, party=world.anna)
    asked = thread.invoke("crm.set_stage", STAGE)
    other = gateway.open(world.sdr, party=world.anna)
    world.desk.after = lambda: (_ for _ in ()).throw(OutcomeUnknown(code="reset"))
    lost = other.invoke("crm.create_task", TASK)
    world.desk.after = lambda: None
    done = other.invoke("crm.create_task", TASK | {"subject": "Done"})
    world.clock.forward(days=370)
    made = world_cut(world, gateway)
    assert made.open == 3 + 4
    left = Counter(event.data["trace_id"] for event in gateway.audit.events())
    assert (left[asked.trace_id], left[lost.trace_id], left[done.trace_id]) == (3, 4, 0)
    assert verify(gateway.store, gateway.sources.keys).status == "whole"
    assert gateway.resolve(str(lost.trace_id), "failed", by=world.boss, reason="It is not there").status == "failed"
    thread.resume(str(asked.approval_id), "reject", by=world.boss)
    world.clock.forward(days=370)
    world_cut(world, gateway)
    assert {event.data["kind"] for event in gateway.audit.events()} == {"retained"}
    assert verify(gateway.store, gateway.sources.keys).status == "whole"


def test_a_legal_hold_keeps_a_party_s_record(world: World) -> None:
    """Its conversations and what the system's chain says of it stay while it is in force, by name; then they go."""
    gateway = world.gateway()
    held = gateway.open(world.sdr, party=world.anna)
    free = gateway.open(world.sdr)
    common = {"tenant": "acme", "party": "contact:17", "reason": "a suit", "by": "dpo", "environment": "dev"}
    holds.place(gateway.store, gateway.audit, name="case 7", **common, now=gateway.clock())
    world.clock.forward(days=400)
    days = {"*": 365, "held": 365}
    made = world_cut(world, gateway, days)
    assert dict(made.held) == {"contact:17": ["case 7"]}
    assert world.kinds(held) == ["opened"]
    assert world.kinds(free) == ["retained"]
    assert [event.data["kind"] for event in gateway.audit.events(thread="system/acme")] == ["held"]
    holds.release(gateway.store, gateway.audit, name="case 7", **common, now=gateway.clock())
    assert dict(world_cut(world, gateway, days).held) == {}
    assert world.kinds(held) == ["retained"]
    assert verify(gateway.store, gateway.sources.keys).status == "whole"


def test_a_hold_keeps_events_that_do_not_name_the_party(world: World) -> None:
    """A question that a newer one replaced ends with an event of the call alone; it is held, and it is said so."""
    gateway = world.gateway(world.policy({"crm.set_stage": {"mode": "approve", "approvers": {"roles": ["manager"]}}}))
    thread = gateway.open(world.sdr, party=world.anna)
    for stage in ("won", "lost"):
        thread.invoke("crm.set_stage", STAGE | {"stage": stage})
    ended = [event for event in gateway.audit.events(thread=thread.id) if event.data["party"] is None]
    assert [event.data["kind"] for event in ended] == ["expired"]
    holds.place(
        gateway.store, gateway.audit, tenant="acme", party="contact:17", name="case 7", reason="a suit", by="dpo",
        environment="dev", now=gateway.clock(),
    )  # fmt: skip
    world.clock.forward(days=400)
    for dry_run in (True, False):
        made = world_cut(world, gateway, {"expired": 365}, dry_run=dry_run)
        assert (made.events, made.chains, dict(made.held)) == (0, 0, {"contact:17": ["case 7"]})


def test_a_hold_that_is_placed_in_between_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between finding a run and removing it: nothing of the party's goes."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    world.clock.forward(days=400)
    real = retention._Run._removed

    def removed(self: Any, name: str, party: str | None, runs: Any) -> bool:
        holds.place(
            gateway.store, gateway.audit, tenant="acme", party="contact:17", name="case 7", reason="a suit", by="dpo",
            environment="dev", now=gateway.clock(),
        )  # fmt: skip
        return real(self, name, party, runs)

    monkeypatch.setattr(retention._Run, "_removed", removed)
    assert world_cut(world, gateway).events == 0
    assert world.kinds(thread) == ["opened"]


def test_what_tells_of_erasures_and_holds_stays_unless_it_is_named(world: World) -> None:
    """The proof that a party was erased outlives everything else."""
    gateway = world.gateway()
    gateway.open(world.sdr, party=world.anna)
    erase(
        gateway.store, gateway.audit, gateway.sources.keys, tenant="acme", party="contact:17", reason="asked", by="dpo", environment="dev",
        now=gateway.clock(),
    )  # fmt: skip
    world.clock.forward(days=4000)
    world_cut(world, gateway, {"*": 1})
    assert [event.data["kind"] for event in gateway.audit.events(thread="system/acme")] == ["erased"]
    world_cut(world, gateway, {"erased": 1})
    assert [event.data["kind"] for event in gateway.audit.events(thread="system/acme")] == ["retained"]


def test_another_tenant_s_record_is_nobody_s_business(world: World) -> None:
    """Only the chains of the operator's tenant are looked at."""
    gateway = world.gateway()
    gateway.open(world.sdr, party=world.anna)
    theirs = gateway.open(world.stranger, party=world.anna)
    world.clock.forward(days=400)
    assert world_cut(world, gateway).chains == 1
    assert world.kinds(theirs) == ["opened"]


def test_a_dry_run_counts_and_changes_nothing(record: Record) -> None:
    """What it counts is what the run then does."""
    record.write("t1")
    record.write("t2", kinds=("opened",))
    before = record.rows()
    seen: list[int] = []
    counted = cut(record, dry_run=True, progress=seen.append)
    assert record.rows() == before and record.rows("audit_cuts") == []
    assert seen == [1, 2]
    assert cut(record).as_json() == counted.as_json()


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ({}, "say how long to keep what"),
        ({"nothing": 3}, "'nothing' is no kind of event"),
        ({"decided": 0}, "decided: 0 is no number of days"),
        ({"decided": True}, "decided: True is no number of days"),
        ({"decided": 99_999}, "decided: 99999 is no number of days"),
    ],
)
def test_rules_that_are_none_are_refused(days: dict[str, int], message: str) -> None:
    """Before anything is looked at."""
    with pytest.raises(ConfigError, match=message):
        rules_of(days)


KILLED = """
import os, signal, sys
from agent_guard.audit import Audit
from agent_guard.privacy import retention
from agent_guard.store import Store
from datetime import timedelta
from tests.record import NOW
from tests.samples import KEYS
url, at = sys.argv[1:]
store = Store(url)
store.open()
audit = Audit(store, KEYS)
def dying(function, name):
    def call(*args, **options):
        if at == f"before {name}":
            os.kill(os.getpid(), signal.SIGKILL)
        made = function(*args, **options)
        if at == f"after {name}":
            os.kill(os.getpid(), signal.SIGKILL)
        return made
    return call
audit.append = dying(audit.append, "append")
retention.cuts.keep = dying(retention.cuts.keep, "keep")
retention._Run._removed = dying(retention._Run._removed, "removed")
retention.retain(store, audit, KEYS, tenant="acme", rules=retention.rules_of({"proposed": 1, "started": 1}), by="dpo",
                 environment="dev", now=NOW + timedelta(days=400))
"""


def test_a_kill_leaves_whole_chains_and_the_next_run_goes_on(record: Record, database: Any) -> None:
    """SIGKILL at each step: every chain is as it was or cut, the record verifies, and running it again finishes it."""
    for n in range(6):
        record.write(f"t{n}")
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    sizes = []
    for at in ("before append", "after append", "before keep", "after keep", "after removed"):
        done = subprocess.run([sys.executable, "-c", KILLED, database.shared, at], env=env, check=False)
        assert done.returncode == -signal.SIGKILL
        assert record.verify().status == "whole"
        chains = Counter(row["thread"] for row in record.rows())
        assert set(chains.values()) <= {5, 4}, at  # five events, or three and the one that tells of it
        sizes.append(sum(count == 4 for count in chains.values()))
    assert sizes == [0, 0, 0, 0, 1]
    done = cut(record, {"proposed": 1, "started": 1})
    assert done.chains == 5
    assert record.verify().status == "whole"


def test_two_runs_at_once_cut_once(record: Record) -> None:
    """The second finds nothing left where the first was, and no event is counted or told twice."""
    for n in range(4):
        record.write(f"t{n}")
    real = retention._Run._removed
    inner: list[Retained] = []

    def removed(self: Any, name: str, party: str | None, runs: Any) -> bool:
        if not inner:
            inner.append(Retained())
            inner[0] = cut(record)
        return real(self, name, party, runs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retention._Run, "_removed", removed)
        outer = cut(record)
    assert (inner[0].events, outer.events) == (20, 0)
    with record.store.read() as connection:
        kinds = connection.execute(sa.select(AUDIT.c.kind)).scalars().all()
    assert kinds == ["retained"] * 4
    assert record.verify().status == "whole"
