"""``decide`` for any facts, guards and policies: what holds whatever is fed to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import assume, example, given, settings, strategies as st
from pydantic import BaseModel, Field

from agent_guard.codes import Code
from agent_guard.decide import decide
from agent_guard.facts import Facts, LimitFact, OpenFact, PlanFact, Problem, RecordFact, Twin, ValueFact
from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.guards import GUARDS, Guard
from agent_guard.masking import Masker
from agent_guard.policy import Policy
from agent_guard.tool import tool
from agent_guard.types import Decision, Description, Objection, Party, Ref, Subject, ToolCall
from tests.samples import TOOL, contract, facts, policy, rule

STRICTNESS = {"allow": 0, "require_approval": 1, "suggest": 2, "deny": 3}
EFFECTS = ("read", "egress", "draft", "write", "send", "delete")
CONTRACTS = {effect: contract(effect=effect) for effect in EFFECTS}
SEEN = {
    effect: contract(effect=effect, sensitive={"subject", "days"}, audience=("subject",))
    for effect in ("write", "send")
}
MODES = ("execute", "approve", "suggest")


# ---- anything that facts can be


ODD = st.sampled_from(["", " ", "\x00", "sales", "kz", "contact:17", "deal_id", "<EMAIL_1>", "\u202e", "𝒶", "x" * 300])
TEXT = ODD | st.text(max_size=12)
MAYBE = st.none() | TEXT
CODES = st.sampled_from(list(Code))
NUMBER = st.integers(0, 9) | st.integers(-(2**70), 2**70)
ORIGINS = st.lists(st.sampled_from(["user", "party", "trusted", "untrusted", "invented"]), max_size=3).map(tuple)
ARGUMENTS = st.sampled_from(["deal_id", "subject", "days"]) | TEXT
PROBLEMS = st.lists(st.builds(Problem, code=CODES, path=TEXT, message=TEXT), max_size=2).map(tuple)
RECORDS = st.dictionaries(
    ARGUMENTS,
    st.builds(
        RecordFact,
        ref=TEXT,
        found=st.booleans(),
        version=MAYBE,
        party=MAYBE,
        responsible=MAYBE,
        region=MAYBE,
        name=MAYBE,
    ),
    max_size=2,
)
VALUES = st.lists(
    st.builds(
        ValueFact,
        argument=ARGUMENTS,
        shown=TEXT,
        kind=st.sampled_from(["text", "number", "EMAIL", "CARD", "SECRET"]) | TEXT,
        origins=ORIGINS,
        sources=st.lists(TEXT, max_size=2).map(tuple),
        judged=st.booleans(),
    ),
    max_size=3,
).map(tuple)
PLANS = st.none() | st.builds(
    PlanFact,
    step=MAYBE,
    why=TEXT,
    open=st.lists(st.builds(OpenFact, argument=ARGUMENTS, kind=TEXT), max_size=2).map(tuple),
    outside_read=st.booleans(),
)
LIMITS = st.lists(st.builds(LimitFact, limit=TEXT, code=CODES, count=NUMBER, reached=st.booleans()), max_size=2).map(
    tuple
)
TWINS = st.none() | st.builds(Twin, state=st.sampled_from(["done", "claimed"]) | TEXT, trace_id=TEXT, reference=MAYBE)
WILD = st.builds(
    facts,
    environment=st.sampled_from(["dev", "stage", "prod"]) | TEXT,
    scenario=MAYBE,
    known=st.booleans(),
    person_found=st.booleans(),
    roles=st.lists(TEXT, max_size=2).map(tuple),
    region=MAYBE,
    party=MAYBE,
    scope=st.none() | st.lists(st.just(TOOL) | TEXT, max_size=2).map(tuple),
    pressed=st.lists(TEXT, max_size=1).map(tuple),
    problems=PROBLEMS,
    records=RECORDS,
    record_version=TEXT,
    audience=st.booleans(),
    origins=st.dictionaries(ARGUMENTS, ORIGINS, max_size=2),
    values=VALUES,
    plan=PLANS,
    content=PROBLEMS,
    temporal=PROBLEMS,
    store_region=MAYBE,
    limits=LIMITS,
    twin=TWINS,
    same_calls=NUMBER,
    cycles=NUMBER,
    idle=NUMBER,
    rejections=NUMBER,
)
# one or two things out of the ordinary: most of these are not denied, and what is, is denied for one reason
TAME = st.builds(
    lambda wild, names: facts(**{name: getattr(wild, name) for name in names}),
    WILD,
    st.lists(
        st.sampled_from(
            [
                "records",
                "values",
                "plan",
                "limits",
                "twin",
                "same_calls",
                "cycles",
                "idle",
                "party",
                "scope",
                "audience",
            ]
        ),
        max_size=2,
        unique=True,
    ),
)
FACTS = TAME | WILD
ARGS = st.dictionaries(
    TEXT,
    st.recursive(
        st.none() | st.booleans() | NUMBER | st.floats() | TEXT,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
        max_leaves=5,
    ),
    max_size=3,
)
CALLS = st.builds(
    ToolCall, id=TEXT, tool=st.just(TOOL) | TEXT, args=ARGS, thread=TEXT, reason=MAYBE, problem=st.none() | CODES
)
APPROVERS = {"roles": ["manager"]}
RULES = st.builds(
    lambda origins, **entries: rule(approvers=APPROVERS, **{"from": origins}, **entries),
    origins=st.dictionaries(st.sampled_from(["deal_id", "subject"]), ORIGINS.map(list), max_size=2),
    mode=st.sampled_from(MODES) | st.dictionaries(st.sampled_from(["dev", "stage", "prod"]), st.sampled_from(MODES)),
    roles=st.sampled_from([["sales"], ["sales", "manager"], ["manager"]]),
    region=st.sampled_from([None, "own", ["kz"], ["kz", "pl"], []]),
    bind=st.sampled_from([{}, {}, {"deal_id": "party"}, {"deal_id": "region"}, {"deal_id": "subject"}]),
)
TOPS = st.fixed_dictionaries(
    {},
    optional={
        "loops": st.fixed_dictionaries({"same_call": st.integers(1, 9), "cycle": st.integers(1, 9)}),
        "plan": st.sampled_from([{}, {"outside": "ask"}, {"outside": "deny"}]),
    },
)
POLICIES = st.builds(lambda entry, top: policy({TOOL: entry}, **top), RULES, TOPS)
TOOLS = st.sampled_from([*CONTRACTS.values(), *SEEN.values()])


def broken(*_: Any) -> Objection:
    raise RuntimeError


def says(objection: Objection | None) -> Guard:
    return Guard("extra", lambda *_: objection)


GUARD = st.just(Guard("broken", broken)) | st.builds(
    says,
    st.none()
    | st.builds(
        Objection,
        outcome=st.sampled_from(["deny", "suggest", "require_approval"]),
        code=CODES,
        for_model=TEXT,
        for_human=TEXT,
    ),
)


def strictness(decision: Decision) -> int:
    return STRICTNESS[decision.outcome]


def proposal() -> ToolCall:
    return ToolCall(id="c1", tool=TOOL, args={"deal_id": "42", "subject": "Call"}, thread="t1")


# ---- what is always so


@given(CALLS, st.none() | TOOLS, POLICIES, FACTS, st.lists(GUARD, max_size=2))
def test_no_input_makes_it_raise(call, made, rules, known, extra):
    """Whatever the call, the facts and the guards hold, there is a decision with a closed code and a reason."""
    decision = decide(call, made, rules, known, extra)
    assert decision.outcome in STRICTNESS
    assert decision.code in list(Code)
    assert (decision.policy, decision.policy_hash) == (rules.name, rules.hash)
    assert isinstance(decision.for_model, str)
    assert {item.guard for item in decision.guards} <= {item.name for item in (*GUARDS, *extra)}


@pytest.mark.req("A1")
@given(TOOLS, POLICIES, FACTS)
@example(CONTRACTS["draft"], policy(), facts())
def test_what_the_policy_does_not_name_is_denied(made, rules, known):
    """A tool, role or environment that the policy does not name, and a tool outside the scope, are denied for any
    facts: each of them by itself.
    """
    roles = tuple(name for name in known.roles if name not in rules.tools[TOOL].roles)
    others = tuple(name for name in known.scope or () if name != TOOL)
    elsewhere = policy({TOOL: rule(mode={"dev": "execute", "prod": "execute"})})
    missing: dict[str, tuple[Any, Policy, Facts]] = {
        "tool": (made, policy({"crm.other": rule()}), known),
        "contract": (None, rules, known),
        "role": (made, rules, replace(known, roles=roles)),
        "no role": (made, rules, replace(known, roles=())),
        "environment": (made, elsewhere, replace(known, environment="test")),
        "scope": (made, rules, replace(known, scope=others)),
        "empty scope": (made, rules, replace(known, scope=())),
        "person": (made, rules, replace(known, person_found=False)),
    }
    for name, what in missing.items():
        assert decide(proposal(), *what).outcome == "deny", name


def alone(guard: Guard, call: ToolCall, made: Any, rules: Policy, known: Facts) -> str:
    """What one guard says by itself."""
    try:
        objection = guard.check(call, made, rules, known)
    except Exception:  # what cannot be decided is denied
        return "deny"
    return objection.outcome if objection else "allow"


def asks(outcome: Any) -> Guard:
    return says(Objection(outcome=outcome, code=Code.SUGGESTED, for_model="x", for_human="x"))


@pytest.mark.req("B2")
@given(TOOLS, POLICIES, FACTS, st.lists(GUARD, max_size=2))
@example(CONTRACTS["draft"], policy(), facts(), [asks("require_approval"), asks("suggest")])
@example(CONTRACTS["draft"], policy(), facts(), [asks("suggest"), asks("require_approval")])
@example(CONTRACTS["draft"], policy(), facts(), [asks("deny"), asks("suggest")])
def test_a_decision_is_as_strict_as_its_strictest_guard(made, rules, known, extra):
    """One denial denies, whatever the others say and wherever it stands; otherwise the strictest word wins."""
    words = [alone(guard, proposal(), made, rules, known) for guard in (*GUARDS, *extra)]
    decision = decide(proposal(), made, rules, known, extra)
    assert strictness(decision) == max(STRICTNESS[word] for word in words)
    assert decision.allowed == (set(words) == {"allow"})


@pytest.mark.req("B2")
@given(CALLS, st.none() | TOOLS, POLICIES, FACTS, st.lists(GUARD, max_size=3), GUARD, st.integers(0, 3))
def test_a_guard_more_only_tightens(call, made, rules, known, extra, more, at):
    """Whatever an extra guard says, and if it raises, the decision becomes no milder."""
    without = decide(call, made, rules, known, extra)
    assert strictness(decide(call, made, rules, known, [*extra[:at], more, *extra[at:]])) >= strictness(without)


@given(TOOLS, POLICIES, FACTS)
def test_a_guard_that_raises_denies(made, rules, known):
    """A guard that cannot answer has allowed nothing."""
    assert decide(proposal(), made, rules, known, [Guard("broken", broken)]).outcome == "deny"


@pytest.mark.parametrize("answer", [True, False, "deny", 0, 1, (), {}])
def test_a_guard_that_answers_nonsense_denies(answer):
    """An extra guard that returns something else than an objection or None has not allowed the call, and breaks nothing."""
    odd = Guard("odd", lambda *_: answer)
    assert decide(proposal(), CONTRACTS["draft"], policy(), facts(), [odd]).outcome == "deny"


# ---- the same again


def reordered(value: Any) -> Any:
    """The same data with every mapping the other way round."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{item.name: reordered(getattr(value, item.name)) for item in fields(value)})
    if isinstance(value, Mapping):
        return {key: reordered(item) for key, item in reversed(list(value.items()))}
    return tuple(reordered(item) for item in value) if isinstance(value, tuple) else value


@pytest.mark.req("B15")
@given(CALLS, TOOLS, POLICIES, FACTS, st.lists(GUARD, max_size=2))
def test_it_answers_the_same_again(call, made, rules, known, extra):
    """The same call and facts, once more, are decided word for word the same."""
    first = decide(call, made, rules, known, extra)
    assert decide(call, made, rules, known, extra) == first


@pytest.mark.req("B15")
@given(CALLS, TOOLS, POLICIES, FACTS)
def test_it_answers_the_same_from_the_record(call, made, rules, known):
    """Facts that were written down and read back are decided the same: a recorded call can be decided again."""
    again = Facts.from_json(json.loads(json.dumps(known.as_json())))
    assert again == known
    assert decide(call, made, rules, again) == decide(call, made, rules, known)


@pytest.mark.req("B15")
@given(CALLS, TOOLS, RULES, TOPS, FACTS)
def test_the_order_of_names_decides_nothing(call, made, entry, top, known):
    """Records, origins, arguments and rules in another order lead to the same outcome, and the policy has one hash."""
    one, other = policy({TOOL: entry}, **top), policy({TOOL: reordered(entry)}, **reordered(top))
    assert one.hash == other.hash
    first = decide(call, made, one, known)
    second = decide(reordered(call), made, other, reordered(known))
    assert second.outcome == first.outcome


# ---- more never widens


MORE = st.fixed_dictionaries(
    {},
    optional={
        "same_calls": st.integers(0, 99),
        "cycles": st.integers(0, 99),
        "idle": st.integers(0, 99),
        "rejections": st.integers(0, 99),
        "pressed": st.lists(TEXT, max_size=2).map(tuple),
        "problems": PROBLEMS,
        "content": PROBLEMS,
        "temporal": PROBLEMS,
        "values": VALUES,
        "limits": LIMITS,
        "twin": TWINS,
        "records": RECORDS,
    },
)


def with_more(known: Facts, more: Mapping[str, Any]) -> Facts:
    """The facts and what is against the call besides: longer lists, higher counts."""
    changed: dict[str, Any] = {}
    for name, value in more.items():
        old = getattr(known, name)
        if isinstance(value, int):
            changed[name] = max(old, value)
        elif isinstance(value, tuple):
            changed[name] = (*old, *value)
        elif isinstance(value, Mapping):
            changed[name] = {**value, **old}
        else:
            changed[name] = old or value
    return replace(known, **changed)


@pytest.mark.req("A3", "A22")
@given(TOOLS, POLICIES, FACTS, MORE)
def test_a_longer_history_never_widens(made, rules, known, more):
    """More equal calls, full limits, pressed buttons, problems, doubtful values or a twin make no decision milder."""
    # a customer's word counts for the customer's own records, so a first record may only be one more against the call
    assume(not (more.get("records") and not known.records and known.party))
    before, after = decide(proposal(), made, rules, known), decide(proposal(), made, rules, with_more(known, more))
    assert strictness(after) >= strictness(before)


LATE = st.builds(
    PlanFact,
    step=st.just("s1") | st.none(),
    open=st.lists(
        st.builds(OpenFact, argument=ARGUMENTS, kind=st.sampled_from(["late", "extract", "undetermined"])), max_size=2
    ).map(tuple),
    outside_read=st.booleans(),
)


CARD = ValueFact(argument="deal_id", shown="", kind="CARD", origins=(), sources=(), judged=False)
SHOWN_CARD = facts(values=(CARD,))


@pytest.mark.req("B1", "A12")
@given(st.sampled_from(list(SEEN.values())), POLICIES, FACTS, st.none() | LATE)
@example(SEEN["write"], policy({TOOL: rule()}), SHOWN_CARD, None)
def test_an_audience_never_relaxes(made, rules, known, plan):
    """Whatever else is known, a call that somebody else sees is decided as strictly as one that nobody sees, or more
    so; and a contract that names no audience as one that does, but for a secret in a write: whoever is invited reads
    it, and nobody is.
    """
    known = replace(known, plan=plan or known.plan)
    alone, seen = (decide(proposal(), made, rules, replace(known, audience=found)) for found in (False, True))
    assert strictness(seen) >= strictness(alone)
    unnamed = decide(proposal(), replace(made, audience=()), rules, replace(known, audience=False))
    assert unnamed == seen or (seen.code is Code.VALUE_SECRET and made.effect == "write")


@pytest.mark.req("A3")
@given(TOOLS, POLICIES, FACTS, st.builds(LimitFact, limit=TEXT, code=CODES, count=NUMBER, reached=st.just(True)))
def test_one_limit_that_is_reached_denies(made, rules, known, full):
    """Wherever it stands among the others, a full limit of any kind denies."""
    for limits in ((*known.limits, full), (full, *known.limits)):
        assert decide(proposal(), made, rules, replace(known, limits=limits)).outcome == "deny"


def _narrower(entry: dict[str, Any], top: dict[str, Any], how: str) -> tuple[dict[str, Any], dict[str, Any]]:
    entry, top = json.loads(json.dumps(entry)), json.loads(json.dumps(top))
    match how:
        case "roles":
            entry["roles"] = entry["roles"][:1] if len(entry["roles"]) > 1 else ["nobody"]
        case "mode":
            order = {"execute": "approve", "approve": "suggest", "suggest": "suggest"}
            mode = entry["mode"]
            entry["mode"] = order[mode] if isinstance(mode, str) else {key: order[word] for key, word in mode.items()}
        case "environment":
            mode = entry["mode"]
            entry["mode"] = {"dev": mode} if isinstance(mode, str) else dict(list(mode.items())[1:])
        case "from":
            entry["from"] = {name: found[1:] for name, found in entry["from"].items()}
        case "region":
            if isinstance(entry["region"], list):
                entry["region"] = entry["region"][1:]
        case "loops":
            loops = top.get("loops", {"same_call": 2, "cycle": 3})
            top["loops"] = {key: max(1, number - 1) for key, number in loops.items()}
        case "plan":
            top["plan"] = {"outside": "deny"}
    return entry, top


@pytest.mark.req("A1")
@given(
    TOOLS,
    RULES,
    TOPS,
    FACTS,
    st.lists(
        st.sampled_from(["roles", "mode", "environment", "from", "region", "loops", "plan"]), min_size=1, max_size=3
    ),
)
def test_a_stricter_policy_never_widens(made, entry, top, known, how):
    """Fewer roles, origins, regions or environments, a stricter mode, smaller loops, no way outside the plan: a
    recorded call that is decided again under them is decided as strictly or more so.
    """
    before = decide(proposal(), made, policy({TOOL: entry}, **top), known)
    for word in how:
        entry, top = _narrower(entry, top, word)
    assert strictness(decide(proposal(), made, policy({TOOL: entry}, **top), known)) >= strictness(before)


@given(TOOLS, POLICIES, FACTS)
def test_a_policy_without_the_tool_denies(made, rules, known):
    """A recorded call whose tool the policy does not name any more is denied."""
    others = Policy.model_validate(
        {**rules.model_dump(by_alias=True, exclude_none=True), "tools": {"crm.other": rule()}}
    )
    assert decide(proposal(), made, others, known).outcome == "deny"


# ---- through a gateway: the same with counted limits, looked-at values, and a human's answer


class Payment(BaseModel):
    deal_id: str = Field(max_length=20)
    amount: int
    text: str = Field(default="", max_length=200)


class Paid(BaseModel):
    n: int


PAID: list[int] = []


@tool(name="bank.pay", effect="write", timeout_s=5, refs={"deal_id": "deal"}, sensitive={"amount"}, unmask={"text"})
def pay(args: Payment) -> Paid:
    """Pays."""
    PAID.append(args.amount)
    return Paid(n=len(PAID))


class Desk:
    """Port ``Records``, with one deal and its version, and what was changed in the policy since."""

    def __init__(self) -> None:
        self.version = 1
        self.changes: list[str] = []

    def describe(self, ref: Ref) -> Description | None:
        return Description(
            version=str(self.version), party="contact:17", region="kz", name="Trucks", fields={"name": "plain"}
        )


MASKER = Masker(("en",), profile="patterns")
USER = Subject(id="u1", tenant="acme", roles={"sales"}, region="kz")
BOSS = Subject(id="m7", tenant="acme", roles={"manager"}, region="kz")
WIDE: dict[str, Any] = {
    "roles": ["sales", "manager"],
    "region": ["kz", "pl"],
    "mode": "execute",
    "approvers": APPROVERS,
    "from": {"amount": ["user", "trusted", "invented"], "text": ["user", "trusted", "invented"]},
    "domains": [".acme.example", "shop.example"],
    "limits": ["9/hour/thread", "9/day/tool"],
    "totals": [{"arg": "amount", "max": 90, "per": "thread"}],
}
STRICTER: dict[str, dict[str, Any]] = {
    "roles": {"roles": ["manager"]},
    "region": {"region": ["pl"]},
    "own": {"region": "own"},
    "approve": {"mode": "approve"},
    "suggest": {"mode": "suggest"},
    "prod": {"mode": {"prod": "execute"}},
    "from user": {"from": {"amount": ["user"], "text": ["user", "trusted", "invented"]}},
    "from nobody": {"from": {"amount": [], "text": []}},
    "domains": {"domains": ["acme.example"]},
    "no domains": {"domains": []},
    "rate": {"limits": ["2/hour/thread", "2/day/tool"]},
    "total": {"totals": [{"arg": "amount", "max": 15, "per": "thread"}]},
    "where": {"where": {"properties": {"amount": {"maximum": 5}, "text": {"maxLength": 3}}}},
    "requires": {"requires": [{"tool": "bank.pay", "within": "1s"}]},
    "bind": {"bind": {"deal_id": "subject"}},
}


def banking(*changes: str, **top: Any) -> Policy:
    entry = dict(WIDE)
    for name in changes:
        entry |= STRICTER[name]
    limits = {"actions_per_thread": 20, "attempts_per_thread": 50}
    data = {"version": 1, "name": "bank.v1", "limits": limits, "loops": {"same_call": 9}, "tools": {"bank.pay": entry}}
    return Policy.model_validate(data | top)


@contextmanager
def bank(rules: Policy) -> Iterator[tuple[GuardedThread, Desk]]:
    """One conversation about contact 17."""
    desk = Desk()
    PAID.clear()
    with Gateway([pay], rules, url="sqlite://", environment="dev", records=desk, masker=MASKER) as gateway:
        yield gateway.open(USER, party=Party(id="contact:17"), user_text="Pay 7 to deal 42"), desk


PAYMENTS = st.fixed_dictionaries(
    {"deal_id": st.just("42"), "amount": st.sampled_from([-1, 0, 5, 7, 20])},
    optional={
        "text": st.sampled_from(["", "Hi", "see www.acme.example/x", "see shop.example/x", "see evil.example/x"])
    },
)


@pytest.mark.req("A1", "A3")
@settings(max_examples=30)
@given(st.lists(PAYMENTS, max_size=4), PAYMENTS, st.lists(st.sampled_from(list(STRICTER)), min_size=1, max_size=2))
def test_a_stricter_policy_never_widens_what_was_looked_up(earlier, payment, changes):
    """After the same history, smaller limits and totals, narrower ``from`` and ``domains``, and every other stricter
    entry leave the next call decided as strictly or more so.
    """
    with bank(banking()) as (thread, _):
        for index, args in enumerate(earlier):
            thread.invoke("bank.pay", args, call_id=f"c{index}")
        before = thread.check("bank.pay", payment)
        thread.gateway.policies[None] = banking(*changes)
        after = thread.check("bank.pay", payment)
    assert strictness(after) >= strictness(before), (before, after)


@pytest.mark.req("A3")
@settings(max_examples=15)
@given(st.lists(PAYMENTS, min_size=1, max_size=5), PAYMENTS)
def test_what_was_denied_stays_denied_while_more_happens(earlier, payment):
    """While the clock stands, calls in between use up room and never make any."""
    with bank(banking("rate", "total")) as (thread, _):
        before = strictness(thread.check("bank.pay", payment))
        for index, args in enumerate(earlier):
            thread.invoke("bank.pay", args, call_id=f"c{index}")
            after = strictness(thread.check("bank.pay", payment))
            assert after >= before
            before = after


def press(thread: GuardedThread, desk: Desk) -> None:
    thread.gateway.press(reason="test", by="op")


def change_record(thread: GuardedThread, desk: Desk) -> None:
    desk.version += 1


def stricter(name: str) -> Any:
    """The policy with one entry more that is stricter."""

    def change(thread: GuardedThread, desk: Desk) -> None:
        desk.changes.append(name)
        thread.gateway.policies[None] = banking("approve", *desk.changes)

    return change


AGAINST = {
    "button": press,
    "record": change_record,
    "roles": stricter("roles"),
    "region": stricter("region"),
    "where": stricter("where"),
    "rate": stricter("rate"),
    "total": stricter("total"),
    "suggest": stricter("suggest"),
    "requires": stricter("requires"),
    "bind": stricter("bind"),
}


@pytest.mark.req("A12", "A4")
@settings(max_examples=20)
@given(st.sampled_from(["before", "after"]), st.lists(st.sampled_from(list(AGAINST)), max_size=2), st.booleans())
def test_an_approval_satisfies_require_approval_and_nothing_else(moment, against, edited):
    """A call that was approved runs if nothing but the approval was missing; a button, a changed record, a right, a
    region, a limit, a total or a rule that came since stops it, before or after the answer.
    """
    with bank(banking("approve")) as (thread, desk):
        result = thread.invoke("bank.pay", {"deal_id": "42", "amount": 20}, call_id="c1")
        assert (result.status, PAID) == ("pending", [])
        approval = str(result.approval_id)
        if moment == "after" and not edited:
            thread.gateway.answer(approval, "approve", by=BOSS)
        for name in against:
            AGAINST[name](thread, desk)
        if edited:
            outcome = thread.resume(approval, "edit", by=BOSS, args={"deal_id": "42", "amount": 19})
        else:
            outcome = thread.resume(approval, "approve", by=BOSS)
        harmless = not against or set(against) <= {"rate"}
        assert (outcome.status == "executed") is bool(PAID)
        if not harmless:
            assert PAID == []
            assert outcome.status in ("denied", "suggested", "pending", "failed")
        elif not against:
            expected = [19 if edited else 20]
            assert expected == PAID
