"""The plan as a guard: a step of it, a step with open values, or outside."""

from __future__ import annotations

import pytest

from agent_guard.facts import OpenFact, PlanFact
from agent_guard.gateway import Gateway
from agent_guard.guards.base import Guard
from agent_guard.guards.plan import PLAN
from agent_guard.types import Code, Objection, Subject
from tests.samples import TOOL, call, contract, facts, policy, rule

EFFECTS = ("read", "egress", "draft", "write", "send", "delete")
ASK, DENY, NONE = ("require_approval", Code.PLAN_OUTSIDE), ("deny", Code.PLAN_OUTSIDE), None
VALUES = ("require_approval", Code.PLAN_VALUES)
USER = Subject(id="u1", tenant="acme", roles={"sales"})
LATE = OpenFact(argument="subject", kind="late")


def outside(*, read=False):
    return PlanFact(step=None, why="the plan has no step that calls it", outside_read=read)


def step(*left, read=True):
    return PlanFact(step="s1", open=left, outside_read=read)


def judged(plan, effect="write", rules=None, **known):
    entries = {} if rules is None else {"plan": rules}
    return PLAN.check(call(), contract(effect=effect), policy(**entries), facts(plan=plan, **known))


def verdict(objection):
    return objection and (objection.outcome, objection.code)


@pytest.mark.req("A24")
@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("rules", [None, {}, {"outside": "deny"}, {"outside": "ask"}])
def test_without_a_plan_nothing_is_outside_it(effect, rules):
    """A thread that has no plan is not held against one, whatever the policy says of plans."""
    assert judged(None, effect, rules) is None


@pytest.mark.req("A24", "A9")
@pytest.mark.parametrize(
    ("effect", "outside_read", "rules", "expected"),
    [
        ("read", False, None, NONE),
        ("read", True, None, DENY),
        ("read", True, {"outside": "ask"}, DENY),
        ("read", False, {"outside": "ask"}, NONE),
        ("egress", False, None, DENY),
        ("egress", False, {"outside": "ask"}, DENY),
        ("draft", False, None, DENY),
        ("draft", False, {}, DENY),
        ("draft", False, {"outside": "deny"}, DENY),
        ("draft", False, {"outside": "ask"}, ASK),
        ("draft", True, {"outside": "ask"}, ASK),
        ("draft", True, {"outside": "deny"}, DENY),
        ("write", False, None, DENY),
        ("write", False, {"outside": "ask"}, DENY),
        ("send", True, {"outside": "ask"}, DENY),
        ("delete", False, {"outside": "ask"}, DENY),
    ],
)
def test_a_call_outside_the_plan_is_denied_and_not_offered(effect, outside_read, rules, expected):
    """Outside the plan only a look-up before outsiders spoke passes, and only a draft may be offered to a person."""
    assert verdict(judged(outside(read=outside_read), effect, rules)) == expected


@pytest.mark.req("A24", "A12")
@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("kind", ["late", "extract", "undetermined"])
def test_what_a_step_leaves_open_is_shown_to_a_person(effect, kind):
    """A step with open values asks, unless it reads, or makes a draft of anything but text that outsiders wrote."""
    objection = judged(step(OpenFact(argument="subject", kind=kind)), effect)
    nobody = effect == "read" or (effect == "draft" and kind != "extract")
    assert verdict(objection) == (NONE if nobody else VALUES)


@pytest.mark.req("A24", "A12")
@pytest.mark.parametrize("effect", ["write", "send"])
@pytest.mark.parametrize(
    ("plan", "rules", "named", "audience", "expected"),
    [
        (step(LATE), None, True, False, NONE),
        (step(OpenFact(argument="subject", kind="undetermined")), None, True, False, NONE),
        (step(OpenFact(argument="subject", kind="extract")), None, True, False, VALUES),
        (step(LATE), None, True, True, VALUES),
        (step(LATE), None, False, False, VALUES),
        (outside(), {"outside": "ask"}, True, False, ASK),
        (outside(), {"outside": "ask"}, True, True, DENY),
        (outside(), {"outside": "ask"}, False, False, DENY),
        (outside(), {"outside": "deny"}, True, False, DENY),
        (outside(), None, True, False, DENY),
        (outside(read=False), {"outside": "deny"}, True, False, DENY),
    ],
)
def test_a_call_that_nobody_else_sees_is_a_draft(effect, plan, rules, named, audience, expected):
    """Only where the contract names an audience, and the call has none, is a sending or writing tool a draft."""
    more = {"sensitive": {"subject"}, "audience": ("subject",)} if named else {}
    tool = contract(effect=effect, **more)
    known = facts(plan=plan, audience=audience)
    assert verdict(PLAN.check(call(), tool, policy(**({"plan": rules} if rules else {})), known)) == expected


@pytest.mark.req("A24")
@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("read", [True, False])
@pytest.mark.parametrize("rules", [None, {"outside": "deny"}])
def test_a_step_that_leaves_nothing_open_passes(effect, read, rules):
    """A planned call with settled values is what the user asked for, whatever was read since."""
    assert judged(step(read=read), effect, rules) is None


def test_the_reasons_name_what_is_open_and_what_the_plan_says_instead():
    """A human reads the step, the argument and the kind of each open value; outside the plan, what came nearest."""
    left = [LATE, OpenFact(argument="to", kind="extract"), OpenFact(argument="id", kind="undetermined")]
    words = judged(step(*left)).for_human
    assert "step s1" in words
    assert "subject: written after the plan; to: read out of text of outsiders; id: one of several records" in words
    assert "the plan has no step that calls it" in judged(outside()).for_human
    assert "the plan has no step" not in judged(outside()).for_model


def test_an_unknown_tool_was_denied_before():
    """Without a contract there is nothing to hold against a plan."""
    assert PLAN.check(call("x.y"), None, policy(), facts(plan=outside())) is None


# ---- to ask, somebody must be there to answer


ASKS = Guard(
    "asks",
    lambda *_: Objection(
        outcome="require_approval", code=Code.PLAN_OUTSIDE, for_model="Not planned.", for_human="Not planned."
    ),
)


@pytest.mark.req("A4", "A12")
@pytest.mark.parametrize(
    ("approvers", "outcome", "code"),
    [
        ({"roles": ["manager"]}, "require_approval", Code.PLAN_OUTSIDE),
        (None, "deny", Code.APPROVER_UNKNOWN),
    ],
)
def test_to_ask_where_nobody_may_answer_is_to_deny(quick_masker, approvers, outcome, code):
    """A guard that asks under a policy that names no approvers denies: absent means denied."""
    rules = policy({TOOL: rule(**({"approvers": approvers} if approvers else {}))})
    options = {"environment": "dev", "resources": {"crm": None}, "masker": quick_masker, "extra_guards": [ASKS]}
    with Gateway([contract(refs={}, effect="write")], rules, url="sqlite://", **options) as gateway:
        thread = gateway.open(USER)
        decision = thread.check(TOOL, {"deal_id": "42", "subject": "Call"})
        assert (decision.outcome, decision.code) == (outcome, code)
        result = thread.invoke(TOOL, {"deal_id": "42", "subject": "Call"})
        assert result.status == ("pending" if outcome == "require_approval" else "denied")
        assert thread.calls == []


@pytest.mark.req("A24")
def test_a_draft_outside_the_plan_is_denied_where_nobody_may_answer(quick_masker):
    """``outside: ask`` opens no door where the policy names nobody who may answer."""
    options = {"environment": "dev", "resources": {"crm": None}, "masker": quick_masker}
    for approvers, status in ((None, "denied"), ({"roles": ["manager"]}, "pending")):
        permission = rule(**({"approvers": approvers} if approvers else {}))
        rules = policy({TOOL: permission}, plan={"outside": "ask"})
        with Gateway([contract(refs={})], rules, url="sqlite://", **options) as gateway:
            thread = gateway.open(USER, user_text="Do nothing")
            thread.plan({"steps": []})
            result = thread.invoke(TOOL, {"deal_id": "42", "subject": "Call"})
            assert (result.status, thread.calls) == (status, [])
