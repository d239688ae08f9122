"""The record a call names must belong to the conversation."""

from __future__ import annotations

import pytest

from agent_guard.guards.binding import BINDING
from agent_guard.types import Code
from tests.samples import TOOL, call, contract, facts, policy, record, rule


def judged(effect, permission, records, **known):
    return BINDING.check(call(), contract(effect=effect), policy({TOOL: permission}), facts(records=records, **known))


@pytest.mark.req("A10")
@pytest.mark.parametrize(
    ("effect", "bind", "found", "known", "expected"),
    [
        ("draft", None, {}, {}, None),
        ("draft", None, {"party": "contact:18"}, {}, Code.BINDING),
        ("draft", None, {"party": None}, {}, Code.BINDING),
        ("draft", None, {}, {"party": None}, Code.BINDING),
        ("draft", None, {"party": None}, {"party": None}, Code.BINDING),
        ("egress", None, {"party": "contact:18"}, {}, Code.BINDING),
        ("send", None, {"party": "contact:18"}, {}, Code.BINDING),
        ("delete", None, {"party": "contact:18"}, {}, Code.BINDING),
        ("read", None, {"party": "contact:18"}, {}, None),
        ("read", None, {"region": "pl"}, {}, Code.BINDING),
        ("read", None, {"region": None}, {}, Code.BINDING),
        ("read", "party", {}, {}, None),
        ("read", "party", {"party": "contact:18"}, {}, Code.BINDING),
        ("read", "party", {}, {"party": None}, Code.BINDING),
        ("write", "subject", {}, {}, None),
        ("write", "subject", {"party": "contact:18"}, {}, None),
        ("write", "subject", {"responsible": "u2"}, {}, Code.BINDING),
        ("write", "subject", {"responsible": None}, {}, Code.BINDING),
        ("write", "region", {"party": "contact:18"}, {}, None),
        ("write", "region", {"region": "pl"}, {}, Code.BINDING),
    ],
)
def test_a_record_belongs_to_what_it_is_bound_to(effect, bind, found, known, expected):
    """Writes are bound to the customer and reads to the region, unless the policy says otherwise; nobody is nobody's."""
    permission = rule(bind={"deal_id": bind} if bind else {})
    objection = judged(effect, permission, {"deal_id": record(**found)}, **known)
    assert (objection and objection.code) == expected


@pytest.mark.parametrize("region", ["own", ["pl"]])
def test_a_region_that_the_policy_names_has_been_judged_by_access(region):
    """Where the policy has a region of its own, binding to the region adds nothing to it."""
    assert judged("read", rule(region=region), {"deal_id": record(region="pl")}) is None


def test_a_subject_without_a_region_reads_records_without_one():
    """In a company that has no regions, a read is bound to none."""
    assert judged("read", rule(), {"deal_id": record(region=None)}, region=None) is None


def test_every_record_is_judged():
    """One foreign record among several denies the call."""
    tool = contract(refs={"deal_id": "deal", "subject": "contact"})
    known = facts(records={"deal_id": record(), "subject": record(ref="contact:18", party="contact:18")})
    objection = BINDING.check(call(), tool, policy(), known)
    assert objection.code is Code.BINDING
    assert "contact:18" in objection.for_human


def test_a_call_without_records_is_bound_to_nothing():
    """Without a reference there is nothing to bind, and without a contract scope has denied the call."""
    assert judged("send", rule(), {}, party=None) is None
    assert BINDING.check(call(), None, policy(), facts(records={"deal_id": record(party="x")})) is None
