"""What recorded calls would have become under another policy: as a gateway with it would have decided, or not told."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent_guard.auditing.recorded import decisions
from agent_guard.auditing.selection import Selection
from agent_guard.gateway import Gateway
from agent_guard.policies import simulate as simulating
from agent_guard.policies.simulate import SEVERAL, Simulation, simulate
from agent_guard.policies.supposing import supposed
from agent_guard.policies.tallies import Tallies
from agent_guard.policy import Policy
from agent_guard.recording.rulebook import Rulebook, known
from agent_guard.types import ToolCall
from tests import soak
from tests.conftest import World
from tests.record import Record
from tests.samples import KEYS, facts, opened, record

pytestmark = pytest.mark.req("A5", "A13", "B9")


def would(gateway: Gateway, policy: Policy, selection: Selection = Selection(), **options: Any) -> Simulation:
    """Simulates on what a gateway recorded, with all that it had."""
    given = {"extra_guards": gateway.extra_guards} | options
    rulebook = given.pop("rulebook", Rulebook(gateway.store))
    tools = given.pop("tools", gateway.tools)
    return simulate(gateway.store, gateway.sources.keys, policy, tools, rulebook, selection, **given)


LIMITS = {"actions_per_thread": 6, "attempts_per_thread": 12, "steps_per_thread": 50}
OTHERS: dict[str, Policy] = {
    "same": soak.policy(name="other"),
    "few": soak.policy(limits={"actions_per_thread": 2, "attempts_per_thread": 4}),
    "many": soak.policy(limits={"actions_per_thread": 60, "attempts_per_thread": 120}),
    "modes": soak.policy(
        {
            "crm.create_task": {"mode": "approve"},
            "crm.set_stage": {"mode": "execute"},
            "notes.draft": {"mode": "execute"},
            "mail.send": {"mode": "suggest"},
            "crm.find": {"mode": {"prod": "execute"}},
        }
    ),
    "where": soak.policy(
        {
            "crm.create_task": {"where": {"properties": {"subject": {"maxLength": 5}}}},
            "pay.refund": {"where": {"properties": {"amount": {"maximum": 100, "type": "integer"}}}},
            "mail.send": {"where": {"properties": {"at": {"type": "string"}}}},
        }
    ),
    "no where": soak.policy({"crm.create_task": {"where": {}, "args": ["deal_id", "subject", "urgent"]}}),
    "args": soak.policy({"mail.send": {"args": ["to", "text"]}, "crm.find": {"args": []}}),
    "requires": soak.policy(
        {
            "crm.create_task": {"requires": [{"tool": "crm.read_deal", "within": "2h", "same": "deal_id"}]},
            "crm.set_stage": {"requires": [{"tool": "crm.read_deal", "within": "10m"}]},
        }
    ),
    "no requires": soak.policy({"crm.set_stage": {"requires": []}}),
    "domains": soak.policy({"mail.send": {"domains": ["firm.example"]}, "messages.send": {"domains": ["a.example"]}}),
    "wider domains": soak.policy({"mail.send": {"domains": ["firm.example", "kowalska.example", "nowhere.example"]}}),
    "no domains": soak.policy({"mail.send": {"domains": None}}),
    "no words": soak.policy(stop_words=[]),
    "other words": soak.policy(stop_words=["en.txt", "pl.txt"]),
    "rates": soak.policy(
        {"crm.create_task": {"limits": ["1/day/thread"]}, "crm.read_deal": {"limits": ["2/hour/subject"]}},
        contact_caps=["1/hour/party", "40/day/party"],
    ),
    "totals": soak.policy({"pay.refund": {"totals": [{"arg": "amount", "max": 130, "per": "day/subject"}]}}),
    "loops": soak.policy(loops={"same_call": 1, "cycle": 2}),
    "more loops": soak.policy(loops={"same_call": 3, "cycle": 4}),
    "from": soak.policy({"mail.send": {"from": {"text": ["user"]}}, "pay.refund": {"from": {}}}),
    "from all": soak.policy({"mail.send": {"from": {"to": ["user", "untrusted", "invented"]}}}),
    "rights": soak.policy(
        {
            "crm.read_deal": {"roles": ["intern", "manager"]},
            "crm.create_task": {"region": ["pl"], "bind": {"deal_id": "subject"}},
            "crm.set_stage": {"bind": {"deal_id": "region"}},
        }
    ),
    "days": soak.policy({"mail.send": {"not_after": {"at": "1d"}}}),
    "no days": soak.policy({"mail.send": {"not_after": {}}}),
    "nobody": soak.policy({"mail.send": {"approvers": None}, "pay.refund": {"approvers": None}}),
    "plan": soak.policy(plan={"outside": "ask"}),
}
"""Policies that differ from the recorded one by one thing each."""

SURE = {
    "same", "few", "many", "modes", "requires", "no requires", "no domains", "no words", "totals", "loops", "rights",
    "days", "no days", "nobody",
}  # fmt: skip
"""Of these everything can be told."""

SAME = {"same", "wider domains", "nobody"}
"""By these every call would have been decided as it was."""


class Oracle:
    """Gateways with the other policies over the same database, asked just before each recorded call."""

    def __init__(self, world: World, recording: Gateway) -> None:
        self.gateways = {name: soak.desk(world, policy, file=True) for name, policy in OTHERS.items()}
        self.said: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in OTHERS}

    def watch(self, thread: str, tool: str, args: dict[str, Any]) -> Any:
        known = {name: gateway.thread(thread).check(tool, args) for name, gateway in self.gateways.items()}

        def keep(trace: str | None) -> None:
            for name, decision in known.items():
                self.said[name][str(trace)] = (decision.outcome, str(decision.code))

        return keep


def test_it_tells_what_a_gateway_with_the_policy_would_have_decided(world: World) -> None:
    """A soak is recorded, and before each call gateways with other policies over the same database are asked. What the
    simulation tells is what they said; what it does not tell has a reason.
    """
    gateway = soak.desk(world, file=True)
    oracle = Oracle(world, gateway)
    soak.record(world, gateway, threads=30, watch=oracle.watch)
    several = wider = narrower = 0
    for name, policy in OTHERS.items():
        said, found = oracle.said[name], would(gateway, policy, examples=10_000)
        told = {trace: move for move in found.moves for trace in move.examples}
        untold = {trace for item in found.untold for trace in item.examples}
        assert found.damaged == 0 and said.keys() <= told.keys() | untold
        for trace in said.keys() & told.keys():
            outcome, code = told[trace].after
            assert outcome == said[trace][0], (name, told[trace], said[trace])
            assert code in (SEVERAL, said[trace][1]), (name, told[trace], said[trace])
            several += code == SEVERAL
        assert len(untold) <= (0 if name in SURE else len(said) * 0.4), (name, found.untold)
        assert not found.changed or name not in SAME, name
        narrower += found.total("narrower")
        wider += found.total("wider")
        assert all(item.reason for item in found.untold)
    assert several < 100 and wider > 40 and narrower > 100  # of some thousand


# ---- one thing after another


@pytest.fixture(name="gateway")
def _gateway(world: World) -> Gateway:
    """Two reads, a task, a refused task, a refund of 120, one of 200 and a made-up tool, in two conversations."""
    gateway = soak.desk(world, soak.policy({"pay.refund": {"totals": [], "from": {}}}), extra_guards=())
    for thread_id, steps in (
        ("t1", [("crm.read_deal", {"deal_id": "42"}), ("crm.create_task", {"deal_id": "42", "subject": "Call"})]),
        ("t2", [("crm.read_deal", {"deal_id": "42"}), ("crm.create_task", {"deal_id": "42", "subject": "x" * 60})]),
        ("t2", [("pay.refund", {"account": "blue", "amount": amount}) for amount in (120, 200)]),
        ("t2", [("crm.delete_all", {"deal_id": "42"})]),
    ):
        thread = gateway.open(world.sdr, party=world.anna, thread_id=thread_id, user_text="Refund 120, then 200.")
        for tool, args in steps:
            done = thread.invoke(tool, args)
            if done.approval_id:
                thread.resume(done.approval_id, "approve", by=world.boss)
            world.clock.forward(minutes=10)
    return gateway


def moves(found: Simulation) -> dict[tuple[str, str, str], int]:
    """(tool, code of then, code of now) -> how many, of the calls that would have been decided otherwise."""
    counted: Counter[tuple[str, str, str]] = Counter()
    for item in found.changed:
        counted[item.tool, item.before[1], item.after[1]] += item.count
    return dict(counted)


def test_counts_and_examples_are_told(gateway: Gateway) -> None:
    """Each way from one decision to another with its number, its direction and some traces; the rest as it was."""
    found = would(
        gateway, soak.policy({"crm.read_deal": {"mode": "suggest"}, "crm.create_task": {"where": {}}}), examples=1
    )
    assert found.calls == 7 and found.total("same") == 4 and found.total("narrower") == 2
    (move,) = [item for item in found.changed if item.tool == "crm.read_deal"]
    assert (move.before, move.after) == (("allow", "allowed"), ("suggest", "suggested"))
    assert (move.direction, move.count, len(move.examples)) == ("narrower", 2, 1)
    (untold,) = found.untold
    assert (untold.tool, untold.before[1], untold.count) == ("crm.create_task", "argument_not_permitted", 1)
    assert "neither its records nor earlier equal calls were looked up" in untold.reason
    as_json = found.as_json()
    assert (as_json["calls"], as_json["narrower"], as_json["cannot_tell"], as_json["damaged"]) == (7, 2, 1, 0)
    assert as_json["moves"][0].keys() == {"tool", "before", "after", "direction", "count", "examples"}


@pytest.mark.databases
@pytest.mark.parametrize(
    ("wanted", "refused"),
    [
        ({"tool": "crm.read_deal", "within": "1h"}, 0),
        ({"tool": "crm.read_deal", "within": "5m"}, 2),
        ({"tool": "crm.create_task", "within": "1d"}, 2),
        ({"tool": "crm.read_deal", "within": "1h", "same": "account"}, 2),
    ],
)
def test_what_a_policy_requires_is_looked_up_as_it_was(gateway: Gateway, wanted: dict[str, Any], refused: int) -> None:
    """In the same conversation, in time and before the call; on each database."""
    found = would(gateway, soak.policy({"pay.refund": {"totals": [], "from": {}, "requires": [wanted]}}))
    assert sum(item.count for item in found.moves if item.after[1] == "requires") == refused


def test_names_that_a_model_made_up_are_counted_together(gateway: Gateway) -> None:
    """Whatever a model calls, the table does not grow with it."""
    tools = {item.tool for item in would(gateway, soak.policy(name="other")).moves}
    assert tools == {"crm.read_deal", "crm.create_task", "pay.refund", simulating.UNKNOWN_TOOL}


def test_totals_that_nobody_had_are_added_up_from_the_record(gateway: Gateway) -> None:
    """An hour and a conversation, of the subject and of everybody; the sum before the call and the call itself."""
    for most, per, refused in (
        (300, "hour/subject", 1),
        (320, "hour/tool", 0),
        (300, "thread", 1),
        (100, "day/tenant", 2),
    ):
        policy = soak.policy({"pay.refund": {"from": {}, "totals": [{"arg": "amount", "max": most, "per": per}]}})
        assert (
            moves(would(gateway, policy)).get(("pay.refund", "allowed", "limit_total"), 0)
            + moves(would(gateway, policy)).get(("pay.refund", "value_origin", "limit_total"), 0)
            == refused
        ), (most, per)
    policy = soak.policy({"pay.refund": {"from": {}, "totals": [{"arg": "amount", "max": 300, "per": "minute/tool"}]}})
    assert "limit_total" not in {code for *_, code in moves(would(gateway, policy))}


def test_what_ran_before_the_selection_counts(gateway: Gateway, world: World) -> None:
    """A window reaches behind --since, for a day; a conversation's own total does not, and that is told."""
    since = Selection(since=world.clock() - timedelta(minutes=25))  # the second refund and what came after
    policy = soak.policy({"pay.refund": {"from": {}, "totals": [{"arg": "amount", "max": 300, "per": "hour/tool"}]}})
    found = would(gateway, policy, since)
    assert found.calls == 2 and {code for *_, code in moves(found)} == {"limit_total"}
    world.clock.forward(days=3)
    thread = gateway.thread("t2")
    thread.invoke("pay.refund", {"account": "blue", "amount": 50})
    since = Selection(since=world.clock() - timedelta(hours=1))
    policy = soak.policy({"pay.refund": {"from": {}, "totals": [{"arg": "amount", "max": 300, "per": "thread"}]}})
    (untold,) = would(gateway, policy, since).untold
    assert untold.reason == "how much this conversation used before --since is not counted"


def test_a_selection_is_simulated(gateway: Gateway) -> None:
    """One conversation, one tenant, one scenario; a policy with limits reads more and judges the same."""
    policy = soak.policy(name="other")
    assert would(gateway, policy, Selection(thread="t1")).calls == 2
    assert would(gateway, policy, Selection(tenant="other")).calls == 0
    assert would(gateway, policy, scenarios={None}).calls == 7
    assert would(gateway, policy, scenarios={"sales"}).calls == 0
    assert would(gateway, policy, Selection(until=datetime(1001, 1, 1, tzinfo=UTC))).calls == 0
    assert would(gateway, policy, Selection(since=datetime(1, 1, 1, tzinfo=UTC))).calls == 7


def test_tokens_that_nobody_limited_are_not_told(gateway: Gateway) -> None:
    """They do not stand in the facts of then."""
    found = would(
        gateway, soak.policy({"pay.refund": {"totals": [], "from": {}}}, limits=LIMITS | {"tokens_per_thread": 5})
    )
    assert {item.reason for item in found.untold} == {"tokens a thread were not limited then, so not recorded"}


def test_without_the_policy_of_then_nothing_is_told(gateway: Gateway) -> None:
    """What a rule of then found cannot be told from what is new, so the reason names what is missing."""
    policy = gateway.policy_of(None)
    Record(gateway.store).sql("DELETE FROM policies")
    found = would(gateway, soak.policy(name="other"))
    assert not found.moves and {item.reason for item in found.untold} == {
        f"the policy {policy.hash} is not kept in this database; give its file with --policy"
    }
    assert would(gateway, soak.policy(name="other"), rulebook=Rulebook(gateway.store, [policy])).calls == 7
    assert not would(gateway, soak.policy(name="other"), rulebook=Rulebook(gateway.store, [policy])).untold


def test_a_missing_contract_is_told(gateway: Gateway) -> None:
    """A tool that the application lost is not judged as one it never had."""
    found = would(gateway, soak.policy(name="other"), tools={})
    assert {item.tool for item in found.untold} == {"crm.read_deal", "crm.create_task", "pay.refund"}
    assert all("there is no contract of" in item.reason for item in found.untold)


def test_what_was_changed_is_left_out_and_counted(gateway: Gateway) -> None:
    """An edited event tells nothing about any policy."""
    event = next(item for item in gateway.audit.events() if item.data["decision"])
    Record(gateway.store).set(event.thread, event.seq, body=event.body.replace(b'"allow"', b'"deny"'))
    found = would(gateway, soak.policy(name="other"))
    assert (found.calls, found.damaged) == (7, 1)


def test_an_argument_of_a_record_of_before_may_have_been_left_out() -> None:
    """Without ``given`` in the facts a value that is the default was set or not; any other value was set."""
    policy = soak.policy({"crm.create_task": {"args": ["deal_id"], "where": {}}})
    tool = next(item for item in soak.EVERY if item.name == "crm.create_task")
    was = known(soak.policy({"crm.create_task": {"args": None}}))
    call = ToolCall(id="c1", tool=tool.name, args={"deal_id": "42", "subject": "Call", "urgent": False}, thread="t1")
    given = {"roles": ("sdr",), "records": {"deal_id": record()}}
    options = {"tallies": Tallies(policy, {}, lambda trace: None), "earlier": lambda wanted: False, "at_ms": 1}
    before = supposed(call, tool, facts(**given), was, policy, **options)
    assert [problem.path for problem in before.facts.problems] == ["subject"]
    assert before.doubts[0].reason == "the record does not tell whether urgent was set or left out"
    assert [problem.path for problem in before.doubts[0].otherwise.problems] == ["urgent"]
    after = supposed(call, tool, facts(**given, given=("deal_id",)), was, policy, **options)
    assert after.facts.problems == () and not any("urgent" in doubt.reason for doubt in after.doubts)


def test_a_clock_that_went_back_makes_a_window_longer() -> None:
    """As the meter of then: a place is never older than the one before it."""
    policy = soak.policy({"crm.find": {"limits": ["3/minute/subject"]}})
    tallies = Tallies(policy, {}, lambda trace: None)
    with opened() as store:
        written = Record(store)
        for later in (0, -3_600_000, 60_000):
            written.now_ms += later
            written.write("t1", ["started"], tool="crm.find", actor={"user_id": "u1"})
        for event, found in decisions(store, KEYS):
            tallies.add(event, found)
        used = [
            tallies.used("rate", "crm.find", "subject", "acme|u1", now_ms=written.now_ms + n, window_s=60)
            for n in (0, 3_500_000, 7_200_000)
        ]
    assert used == [3, 3, 0]
