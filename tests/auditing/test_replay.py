"""Recorded decisions are reached again from the record alone, or what differs is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from agent_guard.auditing.replay import Replayed, Report, replay
from agent_guard.auditing.selection import Selection
from agent_guard.credentials import Keys
from agent_guard.errors import StoreError
from agent_guard.gateway import Gateway
from agent_guard.guards import GUARDS
from agent_guard.recording.chain import ChainKeys
from agent_guard.recording.rulebook import Rulebook
from tests import soak
from tests.conftest import World
from tests.record import Record

pytestmark = pytest.mark.req("A5", "A13")

OPEN_CODES = {"allowed", "suggested", "approval_required"}


def again(gateway: Gateway, selection: Selection = Selection(), **options: Any) -> Report:
    """Replays what a gateway recorded, with all that it had."""
    given = {
        "keys": gateway.sources.keys,
        "tools": gateway.tools,
        "rulebook": Rulebook(gateway.store),
        "extra_guards": gateway.extra_guards,
    }
    given |= options
    keys, tools, rulebook = (given.pop(name) for name in ("keys", "tools", "rulebook"))
    return replay(gateway.store, keys, tools, rulebook, selection, **given)


@pytest.mark.databases
def test_replay_agrees_on_all_of_a_soak(world: World) -> None:
    """Some hundred calls of every kind, on each database: every single decision is reached again."""
    gateway = soak.desk(world)
    ends = soak.record(world, gateway)
    report = again(gateway)
    assert (report.status, list(report.named)) == ("agrees", [])
    events = [event.data for event in gateway.audit.events()]
    decided = [data["decision"] for data in events if data["decision"]]
    assert report.decisions == report.agreed == len(decided) > 400
    # it was varied: every end, most of the codes, answers of every kind, plans, and a decision taken back before a run
    assert ends.keys() == {"executed", "denied", "pending", "suggested", "duplicate", "failed", "unknown"}
    assert len({item["code"] for item in decided}) >= 22
    assert {data["kind"] for data in events} >= {"planned", "answered", "edited", "expired", "killed", "unknown"}
    objecting = {line["guard"] for item in decided for line in item["guards"] if line["outcome"] != "allow"}
    assert objecting == {guard.name for guard in (*GUARDS, soak.HOURS)}


# ---- what differs is named


@pytest.fixture(name="gateway")
def _gateway(world: World) -> Gateway:
    """A read, a draft and a denied task, by a policy with a limit; five decisions in one chain."""
    policy = world.policy({"crm.create_task": {"limits": ["2/day/subject"]}})
    gateway = world.gateway(policy)
    thread = gateway.open(world.sdr, party=world.anna, thread_id="t1")
    thread.invoke("crm.read_deal", {"deal_id": "42"}, call_id="r1")
    thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call"}, call_id="c1")
    thread.invoke("crm.create_task", {"deal_id": "43", "subject": "Call"}, call_id="c2")
    thread.invoke("crm.delete", {"deal_id": "42"}, call_id="d1")
    thread.invoke("crm.set_stage", {"deal_id": "42", "stage": "won"}, call_id="s1")
    return gateway


def decided(gateway: Gateway, call_id: str) -> Any:
    """The event that holds the decision of one call."""
    (found,) = [
        event
        for event in gateway.audit.events(thread="t1")
        if event.data["tool_call_id"] == call_id and event.data["decision"]
    ]
    return found


def forged(gateway: Gateway, call_id: str, *, sign: bool = True, **facts: Any) -> None:
    """Changes facts of a recorded decision; somebody who has the key signs it as well."""
    event = decided(gateway, call_id)
    record = Record(gateway.store, gateway.sources.keys)
    if sign:
        record.forge("t1", event.seq, gateway.sources.keys, facts=event.data["facts"] | facts)
    else:
        data = event.data | {"facts": event.data["facts"] | facts}
        record.set("t1", event.seq, body=orjson.dumps(data, option=orjson.OPT_SORT_KEYS))


def one(report: Report) -> Replayed:
    """The only decision that was not reached."""
    (found,) = report.named
    return found


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"roles": []}, ("recorded is allow (allowed), reached is deny (role)", "access: deny (role)")),
        ({"pressed": ["*"]}, ("recorded is allow (allowed), reached is deny (killed)", "kill_switch: deny (killed)")),
        ({"same_calls": 9}, ("recorded is allow (allowed), reached is deny (loop)", "loops: deny (loop)")),
        ({"environment": "prod", "scope": ["x"]}, ("reached is deny (out_of_scope)", "scope: deny (out_of_scope)")),
    ],
)
@pytest.mark.parametrize("sign", [True, False])
def test_a_changed_fact_is_named(gateway: Gateway, facts: Any, words: tuple[str, str], sign: bool) -> None:
    """Another decision and the first guard that differs are told; without the key the edit itself as well."""
    forged(gateway, "c1", sign=sign, **facts)
    report = again(gateway)
    assert (report.status, report.agreed, report.differing) == ("differs", 4, 1)
    found = one(report)
    told = " | ".join(found.words)
    assert (found.trace_id, found.tool) == (decided(gateway, "c1").data["trace_id"], "crm.create_task")
    assert all(word in told for word in words)
    assert ("was edited" in told) is not sign
    assert found.as_json()["reached"]["outcome"] == "deny"


@pytest.mark.databases
@pytest.mark.req("B5")
def test_records_without_a_company_are_replayed(gateway: Gateway) -> None:
    """Records of before name no company, and reach the decision of then; one of another company is denied again."""
    records = decided(gateway, "c1").data["facts"]["records"]
    deal = {name: value for name, value in records["deal_id"].items() if name != "tenant"}
    assert records["deal_id"] == deal | {"tenant": None}
    forged(gateway, "c1", records={"deal_id": deal})
    assert again(gateway).status == "agrees"
    forged(gateway, "c1", records={"deal_id": deal | {"tenant": "other"}})
    assert "reached is deny (record_not_found)" in " ".join(one(again(gateway)).words)


def test_an_edit_that_changes_no_decision_is_named(gateway: Gateway) -> None:
    """A fact that decides nothing here, a decision's words and a proposal's arguments do not pass unnoticed."""
    forged(gateway, "c1", sign=False, idle=1)
    assert one(again(gateway)).words == (f"event {decided(gateway, 'c1').seq} was edited",)
    seq = decided(gateway, "c2").seq - 1
    record = Record(gateway.store)
    data = orjson.loads(record.at("t1", seq)["body"]) | {"args_redacted": {"deal_id": "42"}}
    record.set("t1", seq, body=orjson.dumps(data))
    assert [item.words[0] for item in again(gateway).named] == [
        f"event {decided(gateway, 'c1').seq} was edited",
        f"event {seq} was edited",
    ]


def test_a_reason_that_is_worded_otherwise_is_named(gateway: Gateway) -> None:
    """The same outcome for another reason is not the same decision."""
    event = decided(gateway, "c2")
    words = {"for_human": "Something else."}
    Record(gateway.store).forge("t1", event.seq, gateway.sources.keys, decision=event.data["decision"] | words)
    assert one(again(gateway)).words == ("the decision is the same, and its reason is worded otherwise",)


def test_another_policy_is_named(gateway: Gateway, world: World) -> None:
    """A decision that was moved to another policy that is kept differs; one whose policy is not there is not guessed."""
    other = world.policy({"crm.create_task": {"roles": ["manager"]}}, name="desk.v2")
    Rulebook(gateway.store).keep([other], now_ms=1)
    event = decided(gateway, "c1")
    record, keys = Record(gateway.store), gateway.sources.keys
    record.forge("t1", event.seq, keys, decision=event.data["decision"] | {"policy_hash": other.hash})
    told = " | ".join(one(again(gateway)).words)
    assert "recorded is allow (allowed), reached is deny (role)" in told
    assert f"recorded is a policy called desk.v1, and {other.hash} is called desk.v2" in told
    gone = "sha256:" + "0" * 64
    record.forge("t1", event.seq, keys, decision=event.data["decision"] | {"policy_hash": gone})
    report = again(gateway)
    assert (report.status, report.undecided) == ("undecided", 1)
    assert one(report).words == (f"the policy {gone} is not kept in this database; give its file with --policy",)


# ---- what is missing is told, not guessed


def test_a_policy_of_before_is_found_by_its_hash_among_those_given(gateway: Gateway, world: World) -> None:
    """A database that kept no policies is replayed with the file; another file helps nobody."""
    Record(gateway.store).sql("DELETE FROM policies")
    assert (again(gateway).status, again(gateway).undecided) == ("undecided", 5)
    policy = gateway.policy_of(None)
    assert again(gateway, rulebook=Rulebook(gateway.store, [policy])).status == "agrees"
    other = world.policy(name="other")
    assert again(gateway, rulebook=Rulebook(gateway.store, [other])).undecided == 5


def test_a_kept_policy_that_was_changed_decides_nothing(gateway: Gateway) -> None:
    """Its text no longer has its hash."""
    record = Record(gateway.store)
    (row,) = record.rows("policies")
    wider = row["rules"].replace(b'"sdr"', b'"all"')
    assert wider != row["rules"]
    record.sql("UPDATE policies SET rules = :rules", rules=wider)
    report = again(gateway)
    assert (report.undecided, "was changed" in report.named[0].words[0]) == (5, True)


def test_a_missing_contract_is_told(gateway: Gateway) -> None:
    """A tool that the application does not have any more; one it never had was denied for that, and is again."""
    tools = {name: item for name, item in gateway.tools.items() if name != "crm.create_task"}
    report = again(gateway, tools=tools)
    assert (report.undecided, report.agreed) == (2, 3)
    assert "there is no contract of 'crm.create_task' here" in report.named[0].words[0]


def test_another_version_of_a_contract_is_told_where_it_matters(gateway: Gateway) -> None:
    """With another effect another decision is reached, and nobody knows whether the contract of then would."""
    tools = dict(gateway.tools)
    tools["crm.create_task"] = replace(tools["crm.create_task"], version="2")
    assert again(gateway, tools=tools).status == "agrees"
    forged(gateway, "c1", roles=[])
    found = one(again(gateway, tools=tools))
    assert found.status == "undecided"
    assert found.words[0] == "the contract of crm.create_task had the version 1 then, and has 2 here"


def test_a_missing_guard_is_told(world: World) -> None:
    """A decision that one of the gateway's own guards was asked about is not reached without it."""
    gateway = soak.desk(world)
    gateway.open(world.sdr, party=world.anna, thread_id="t1").invoke("crm.read_deal", {"deal_id": "42"})
    assert again(gateway).status == "agrees"
    found = one(again(gateway, extra_guards=()))
    assert (found.status, "the guard office_hours was asked then" in found.words[0]) == ("undecided", True)


def test_another_key_and_a_newer_release_accuse_nobody(gateway: Gateway) -> None:
    """What cannot be verified here is undecided, and the reason names what is missing."""
    report = again(gateway, keys=Keys(b"s" * 32))
    assert (report.status, report.undecided) == ("undecided", 5)
    assert "was written under the key" in report.named[0].words[0]
    event = decided(gateway, "c1")
    Record(gateway.store).forge("t1", event.seq, gateway.sources.keys, v=2)
    found = one(again(gateway))
    assert (found.status, "is of version 2; a newer release can read it" in found.words[0]) == ("undecided", True)


@pytest.mark.parametrize("change", [{"drop": "loops"}, {"drop": "subject"}, {"idle": "many"}, {"records": 7}])
def test_facts_of_another_release_are_told(gateway: Gateway, change: Any) -> None:
    """A field more or less, or of another kind, is no reason to guess."""
    event = decided(gateway, "c1")
    facts = {**event.data["facts"], "drop": 1} if change == {"drop": "loops"} else {**event.data["facts"], **change}
    if change == {"drop": "subject"}:
        facts.pop("subject")
        facts.pop("drop")
    Record(gateway.store).forge("t1", event.seq, gateway.sources.keys, facts=facts)
    found = one(again(gateway))
    assert (found.status, found.reached) == ("undecided", None)
    assert "it was recorded by another release: facts of another format" in found.words[0]


@pytest.mark.parametrize("body", [b"\xff", b"", b"[]", b'{"kind": "decided"}', b'{"decision": 7, "facts": []}'])
def test_a_damaged_event_is_named_and_ends_nothing(gateway: Gateway, body: bytes) -> None:
    """Whatever stands in a row, the other decisions are reached."""
    event = decided(gateway, "c1")
    Record(gateway.store).set("t1", event.seq, body=body)
    report = again(gateway)
    assert (report.agreed, report.differing) == (4, 1)
    assert "was edited" in one(report).words[0]


def test_a_selection_is_replayed(gateway: Gateway) -> None:
    """One trace, one tool, or what was decided by a code; arguments are found outside the selection too."""
    trace = decided(gateway, "c2").data["trace_id"]
    assert again(gateway, Selection(trace_id=trace)).agreed == 1
    assert again(gateway, Selection(tool="crm.create_task")).agreed == 2
    assert again(gateway, Selection(code="tool_unknown")).agreed == 1
    assert again(gateway, Selection(tenant="other")) == Report()


def test_progress_is_told(gateway: Gateway) -> None:
    """The last word is the number of events."""
    told: list[int] = []
    again(gateway, progress=told.append)
    assert told[-1] == len(gateway.audit.events())


def test_without_a_database_nothing_is_replayed(gateway: Gateway) -> None:
    """A record that cannot be read is an error, not an agreement."""
    Record(gateway.store).sql("DROP TABLE audit")
    with pytest.raises(StoreError):
        again(gateway)


def test_the_key_of_the_forger_is_the_chain_s(gateway: Gateway) -> None:
    """What these tests forge is signed as the product signs, so that they test what they say."""
    event = decided(gateway, "c1")
    assert ChainKeys(gateway.sources.keys).hash(event.body) == event.hash
