"""The user's rights: role and region."""

from __future__ import annotations

import pytest

from agent_guard.facts import ANOTHER_COMPANY
from agent_guard.guards.access import ACCESS, NOT_FOUND
from agent_guard.types import Code
from tests.samples import TOOL, call, contract, facts, policy, record, rule


def judged(permission, **known):
    return ACCESS.check(call(), contract(), policy({TOOL: permission}), facts(**known))


@pytest.mark.req("A10", "B5")
@pytest.mark.parametrize(
    ("roles", "held", "found", "expected"),
    [
        (["sales"], ("sales",), True, None),
        (["sales", "manager"], ("manager",), True, None),
        (["sales"], ("guest", "sales"), True, None),
        (["sales"], (), True, Code.ROLE),
        (["sales"], ("Sales",), True, Code.ROLE),
        (["sales"], ("sales_lead",), True, Code.ROLE),
        (["*"], ("sales",), True, Code.ROLE),
        (["sales"], ("sales",), False, Code.ROLE),
    ],
)
def test_a_role_must_be_held_now(roles, held, found, expected):
    """One of the rule's roles is held by a person whom the directory knows, or the call is denied."""
    objection = judged(rule(roles=roles), roles=held, person_found=found)
    assert (objection and objection.code) == expected


@pytest.mark.req("A10", "A15")
@pytest.mark.parametrize(
    ("region", "mine", "theirs", "expected"),
    [
        (None, "kz", "pl", None),
        (None, None, None, None),
        ("own", "kz", "kz", None),
        ("own", "kz", "pl", Code.REGION),
        ("own", "kz", None, Code.REGION),
        ("own", None, "kz", Code.REGION),
        ("own", None, None, Code.REGION),
        (["kz", "pl"], "ru", "pl", None),
        (["kz"], "kz", "pl", Code.REGION),
        (["kz"], "kz", None, Code.REGION),
        ([], "kz", "kz", Code.REGION),
    ],
)
def test_a_record_must_lie_in_a_permitted_region(region, mine, theirs, expected):
    """A region is the subject's own or one of a list; a record or a subject without one is in none."""
    objection = judged(rule(region=region), region=mine, records={"deal_id": record(region=theirs)})
    assert (objection and objection.code) == expected


@pytest.mark.req("B5")
@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ("acme", None, None),
        ("acme", "acme", None),
        ("acme", "other", Code.RECORD_NOT_FOUND),
        ("acme", "Acme", Code.RECORD_NOT_FOUND),
        ("acme", "acme ", Code.RECORD_NOT_FOUND),
        ("acme", "", Code.RECORD_NOT_FOUND),
        ("acme", ANOTHER_COMPANY, Code.RECORD_NOT_FOUND),
    ],
)
@pytest.mark.parametrize("region", [None, "own", ["kz"]])
def test_a_record_of_another_company_is_not_there(mine, theirs, expected, region):
    """A record that names a company is found for that company's users alone, and whose it is, is told to nobody else."""
    objection = judged(rule(region=region), tenant=mine, records={"deal_id": record(tenant=theirs)})
    assert (objection and objection.code) == expected
    if objection:
        assert objection.for_model == NOT_FOUND
        assert objection.for_human == "deal_id: deal:42 is another company's."


@pytest.mark.req("A10")
def test_every_record_is_judged():
    """One foreign record among several denies the call."""
    records = {"a": record(), "b": record(ref="deal:7", region="pl"), "c": record()}
    objection = judged(rule(region="own"), records=records)
    assert objection.code is Code.REGION
    assert "deal:7" in objection.for_human
    records = {"a": record(tenant="acme"), "b": record(ref="deal:7", tenant="other"), "c": record()}
    assert "deal:7" in judged(rule(region="own"), records=records).for_human


@pytest.mark.req("A10")
def test_a_missing_and_a_hidden_record_read_alike_for_the_model():
    """The answer does not betray whether a record exists that the user may not see."""
    missing = judged(rule(region="own"), records={"deal_id": record(found=False)})
    hidden = judged(rule(region="own"), records={"deal_id": record(region="pl")})
    assert (missing.code, hidden.code) == (Code.RECORD_NOT_FOUND, Code.REGION)
    assert missing.for_model == hidden.for_model == NOT_FOUND


def test_a_tool_that_is_not_there_is_not_judged_twice():
    """Without a contract scope has denied the call; access has nothing to say."""
    assert ACCESS.check(call(), None, policy(), facts(roles=())) is None
