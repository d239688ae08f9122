"""The decision: a pure function in which guards can only tighten."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import fields, replace

import pytest
from hypothesis import example, given, strategies as st

from agent_guard.decide import decide
from agent_guard.facts import Facts, LimitFact, PlanFact, Problem, Twin, ValueFact
from agent_guard.guards import GUARDS
from agent_guard.guards.base import Guard
from agent_guard.types import Code, Objection
from tests.samples import TOOL, call, contract, facts, policy, record, rule

STRICTNESS = {"allow": 0, "require_approval": 1, "suggest": 2, "deny": 3}
NAMES = (
    "kill_switch", "scope", "arguments", "access", "binding", "plan", "provenance", "duplicates", "loops", "limits",
    "content", "temporal", "mode",
)  # fmt: skip
APPROVE = rule(mode="approve", approvers={"roles": ["manager"]})
DONE = Twin(state="done", trace_id="T1", reference="task:9")


def guard(name, outcome, code=Code.APPROVAL_REQUIRED):
    objection = Objection(outcome=outcome, code=code, for_model=f"m {name}", for_human=f"h {name}") if outcome else None
    return Guard(name, lambda call, tool, policy, facts: objection)


def decided(extra=(), *, tools=None, tool=TOOL, **known):
    return decide(call(), tool and contract(tool), policy(tools), facts(**known), extra)


def test_the_order_of_the_guards_is_this_one():
    """The order is part of the contract: what must be known first is asked first."""
    assert tuple(item.name for item in GUARDS) == NAMES


@pytest.mark.req("B2", "A13")
def test_a_call_that_nothing_objects_to_is_allowed_and_every_guard_was_asked():
    """Allow is the absence of objections, and the trace names each guard in order."""
    decision = decided()
    assert (decision.outcome, decision.code, decision.allowed) == ("allow", Code.ALLOWED, True)
    assert tuple(item.guard for item in decision.guards) == NAMES
    assert {item.outcome for item in decision.guards} == {"allow"}
    assert (decision.policy, decision.policy_hash) == ("test.v1", policy().hash)


# every row is denied by the guard it names, and everything to its right would object as well
EVERYTHING = {
    "kill_switch": {"pressed": ("*",)},
    "scope": {"scope": ()},
    "arguments": {"problems": (Problem(code=Code.ARGUMENTS_INVALID, path="a", message="is wrong"),)},
    "access": {"roles": ()},
    "binding": {"records": {"deal_id": record(party="contact:18")}},
    "plan": {"plan": PlanFact(step=None, why="there is none", outside_read=True)},
    "provenance": {"values": (ValueFact(argument="deal_id", shown="<EMAIL_1>", kind="EMAIL", origins=("invented",)),)},
    "duplicates": {"twin": replace(DONE, state="unknown")},
    "loops": {"same_calls": 9},
    "limits": {"limits": (LimitFact(limit="5 actions a thread", code=Code.LIMIT_ACTIONS, count=5, reached=True),)},
}


@pytest.mark.parametrize("first", EVERYTHING)
def test_the_first_deny_stops(first):
    """The first guard that denies gives the code; none after it is asked but the one for loops, which may win."""
    names = list(EVERYTHING)
    known = {key: value for name in names[names.index(first) :] for key, value in EVERYTHING[name].items()}
    known = {key: value for key, value in known.items() if key != "same_calls" or first == "loops"}
    asked = []
    spy = Guard("spy", lambda *_: asked.append(1))
    decision = decided([spy], **known)
    assert decision.outcome == "deny"
    asked_before = NAMES[: NAMES.index(first) + 1]
    after = () if decision.code.stops or "loops" in asked_before else ("loops",)
    assert tuple(item.guard for item in decision.guards) == (*asked_before, *after)
    assert decision.guards[len(asked_before) - 1].outcome == "deny"
    assert not asked


@pytest.mark.req("A22", "A6")
@pytest.mark.parametrize(
    ("same_calls", "limits", "expected", "trace"),
    [
        (0, (), Code.DUPLICATE, NAMES[:9]),
        (1, (), Code.DUPLICATE, NAMES[:9]),
        (2, (), Code.LOOP, NAMES[:9]),
        (0, EVERYTHING["limits"]["limits"], Code.DUPLICATE, NAMES[:9]),
    ],
)
def test_a_double_click_is_a_duplicate_and_the_third_equal_call_is_a_loop(same_calls, limits, expected, trace):
    """A duplicate does not hide a loop, and a limit does not hide a duplicate."""
    decision = decided([guard("late", "deny")], twin=DONE, same_calls=same_calls, limits=limits)
    assert (decision.outcome, decision.code) == ("deny", expected)
    assert tuple(item.guard for item in decision.guards) == trace


@pytest.mark.parametrize(
    ("mode", "extra", "outcome", "code"),
    [
        ("execute", [], "allow", Code.ALLOWED),
        ("execute", ["require_approval"], "require_approval", Code.APPROVAL_REQUIRED),
        ("execute", ["require_approval", "suggest"], "suggest", Code.SUGGESTED),
        ("execute", ["suggest", "require_approval"], "suggest", Code.SUGGESTED),
        ("execute", ["require_approval", "suggest", "deny"], "deny", Code.ROLE),
        ("approve", [None], "require_approval", Code.APPROVAL_REQUIRED),
        ("approve", ["suggest"], "suggest", Code.SUGGESTED),
        ("suggest", ["require_approval"], "suggest", Code.SUGGESTED),
        ("suggest", ["deny"], "deny", Code.ROLE),
    ],
)
def test_the_strictest_objection_wins(mode, extra, outcome, code):
    """Deny before suggest before approval before allow, whatever the order of the guards."""
    of = {"require_approval": Code.APPROVAL_REQUIRED, "suggest": Code.SUGGESTED, "deny": Code.ROLE}
    guards = [guard(f"g{index}", word, of.get(word)) for index, word in enumerate(extra)]
    tools = {TOOL: rule(mode=mode, approvers={"roles": ["manager"]})}
    decision = decided(guards, tools=tools)
    assert (decision.outcome, decision.code) == (outcome, code)


def test_reasons_for_a_human_accumulate():
    """Two guards that ask for a human give both their reasons; the model is told the first."""
    decision = decided([guard("a", "require_approval"), guard("b", "require_approval")], tools={TOOL: APPROVE})
    assert decision.for_human.endswith("h a h b")
    assert decision.for_human.startswith("The policy asks")
    assert decision.for_model == "A person must approve this first."


def test_extra_guards_are_asked_after_all_others():
    """An extra guard sees only what the built-in ones let through."""
    decision = decided([guard("mine", None)])
    assert tuple(item.guard for item in decision.guards) == (*NAMES, "mine")


PROBLEMS = st.builds(
    Problem,
    code=st.sampled_from([Code.ARGUMENTS_INVALID, Code.ARGUMENT_UNKNOWN, Code.PSEUDONYM_UNKNOWN]),
    path=st.sampled_from(["a", "b"]),
    message=st.just("is wrong"),
)
RECORDS = st.builds(
    record,
    found=st.booleans(),
    party=st.sampled_from([None, "contact:17", "contact:18"]),
    region=st.sampled_from([None, "kz", "pl"]),
    name=st.sampled_from([None, "<PERSON_1>"]),
    version=st.sampled_from([None, "1"]),
)
LIMITS = st.builds(
    LimitFact,
    limit=st.just("3/minute/subject"),
    code=st.sampled_from([Code.LIMIT_ACTIONS, Code.LIMIT_ATTEMPTS, Code.LIMIT_RATE]),
    count=st.integers(1, 9),
    reached=st.booleans(),
)
FACTS = st.builds(
    facts,
    environment=st.sampled_from(["dev", "stage", "prod"]),
    scenario=st.sampled_from([None, "sdr"]),
    known=st.booleans(),
    person_found=st.booleans(),
    roles=st.sampled_from([(), ("sales",), ("guest", "sales")]),
    region=st.sampled_from([None, "kz"]),
    party=st.sampled_from([None, "contact:17"]),
    scope=st.sampled_from([None, (), (TOOL,)]),
    pressed=st.sampled_from([(), (), (), ("*",)]),
    problems=st.lists(PROBLEMS, max_size=2).map(tuple),
    records=st.dictionaries(st.sampled_from(["deal_id", "subject"]), RECORDS, max_size=2),
    origins=st.dictionaries(st.sampled_from(["subject"]), st.just(("user", "untrusted"))),
    limits=st.lists(LIMITS, max_size=2).map(tuple),
    twin=st.none() | st.builds(
        Twin, state=st.sampled_from(["done", "claimed", "unknown"]), trace_id=st.just("T1"), reference=st.none()
    ),
    same_calls=st.integers(0, 3),
)  # fmt: skip
EASY = st.just(facts())
RULES = st.builds(
    rule,
    mode=st.sampled_from(["execute", "approve", "suggest", {"dev": "execute", "stage": "approve"}]),
    approvers=st.just({"roles": ["manager"]}),
    region=st.sampled_from([None, "own", ["kz"]]),
)
CODES = st.sampled_from([Code.DUPLICATE, Code.LOOP, Code.ROLE, Code.ALLOWED])  # the words that decide looks at
EXTRAS = st.lists(
    st.builds(
        guard,
        st.sampled_from(["x", "y"]),
        st.sampled_from([None, "require_approval", "suggest", "deny"]),
        CODES,
    ),
    max_size=4,
)


@pytest.mark.req("A1", "B2")
@given(EASY | FACTS, RULES, EXTRAS, EXTRAS, st.sampled_from([None, "require_approval", "suggest", "deny"]), CODES)
@example(facts(), rule(), [], [guard("no", "deny", Code.ROLE)], "require_approval", Code.DUPLICATE)
def test_one_guard_more_never_makes_a_decision_milder(known, permission, before, after, outcome, code):
    """Wherever a guard is added among the extra ones, and whatever it says, the outcome is as strict or stricter."""
    given_policy, tool = policy({TOOL: permission}), contract()
    without = decide(call(), tool, given_policy, known, [*before, *after])
    with_it = decide(call(), tool, given_policy, known, [*before, guard("new", outcome, code), *after])
    assert STRICTNESS[with_it.outcome] >= STRICTNESS[without.outcome]


@pytest.mark.req("B15")
@given(FACTS, RULES, EXTRAS)
def test_the_same_input_gives_the_same_decision(known, permission, extra):
    """Deciding changes nothing that was given, and equal input gives an equal decision."""
    proposal, tool, given_policy = call(), contract(), policy({TOOL: permission})
    copy = deepcopy(known)
    first = decide(proposal, tool, given_policy, known, extra)
    assert known == copy
    assert decide(proposal, tool, policy({TOOL: permission}), copy, extra) == first


@pytest.mark.req("B15")
@given(FACTS)
def test_facts_survive_json(known):
    """Facts written into the record and read back are equal, and so is what is decided on them."""
    back = Facts.from_json(json.loads(json.dumps(known.as_json())))
    assert back == known
    assert decide(call(), contract(), policy(), back) == decide(call(), contract(), policy(), known)


ADDED = {"erased": False, "given": None}
"""Facts that older records lack, and what that means."""


@pytest.mark.parametrize("name", [item.name for item in fields(Facts) if item.name not in ADDED])
def test_facts_of_another_format_are_refused(name):
    """A recorded fact that is missing or unknown is refused: a replay must not decide on less than was known."""
    data = facts().as_json()
    with pytest.raises(TypeError):
        Facts.from_json({key: value for key, value in data.items() if key != name})
    with pytest.raises(TypeError):
        Facts.from_json(data | {"more": 1})


@pytest.mark.parametrize("name", ADDED)
def test_facts_that_were_added_later_are_read_without_them(name):
    """A record of before is still decided again; what it does not hold is its default."""
    data = facts().as_json()
    back = Facts.from_json({key: value for key, value in data.items() if key != name})
    assert getattr(back, name) == ADDED[name]


def test_a_recorded_record_without_a_company_is_read():
    """Before records named a company every one was this company's; such a record is decided as it was then."""
    known = facts(records={"deal_id": record()})
    data = known.as_json()
    del data["records"]["deal_id"]["tenant"]
    assert Facts.from_json(data) == known
    assert decide(call(), contract(), policy(), Facts.from_json(data)).outcome == "allow"


@given(st.sampled_from([None, TOOL]), FACTS, RULES)
def test_an_unknown_tool_is_always_denied(tool, known, permission):
    """No facts and no rule make a call of a tool that is not there anything but denied."""
    decision = decide(call("x.y"), None, policy({TOOL: permission}), replace(known, known=tool is not None))
    assert decision.outcome == "deny"
