"""Provenance as a guard: where the values were seen, against where they may come from."""

from __future__ import annotations

import pytest

from agent_guard.facts import OpenFact, PlanFact, ValueFact
from agent_guard.guards.plan import PLAN
from agent_guard.guards.provenance import ADDRESSES, DEFAULT_ORIGINS, PROVENANCE, SECRETS, allowed_origins
from agent_guard.policy import ToolRule
from agent_guard.types import ENTITY_TYPES, Code
from tests.samples import TOOL, call, contract, facts, policy, record, rule

ORIGINS = ("user", "party", "trusted", "untrusted", "invented")
ASK, NONE = "require_approval", None
PLANNED = PlanFact(step="s1")
OUTSIDE = PlanFact(step=None, why="the plan has no step that calls it")


def left_open(argument="subject", kind="late"):
    return PlanFact(step="s1", open=(OpenFact(argument=argument, kind=kind),))


def seen(*origins, argument="subject", shown="<EMAIL_1>", kind="EMAIL", **more):
    return ValueFact(argument=argument, shown=shown, kind=kind, origins=origins, **more)


def judged(*found, permission=None, effect="write", **known):
    tool = contract(effect=effect)
    return PROVENANCE.check(call(), tool, policy({TOOL: permission or rule()}), facts(values=found, **known))


def verdict(objection):
    """Outcome and code, or None."""
    return objection and (objection.outcome, objection.code)


DENIED = ("deny", Code.VALUE_INVENTED)
SECRET = ("deny", Code.VALUE_SECRET)
ASKED = (ASK, Code.VALUE_ORIGIN)


@pytest.mark.req("B1")
@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        (("user",), NONE),
        (("trusted",), NONE),
        (("party",), ASKED),
        (("untrusted",), ASKED),
        (("invented",), DENIED),
        (("untrusted", "user"), NONE),
        (("trusted", "untrusted"), NONE),
        (("party", "untrusted"), ASKED),
        (("party", "user"), NONE),
        (("invented", "untrusted"), ASKED),
        (("invented", "user"), NONE),
        ((), DENIED),
    ],
)
def test_one_good_origin_is_enough(origins, expected):
    """By default the user's word or a trusted record carries a value, whoever repeated it; nobody's word denies."""
    assert verdict(judged(seen(*origins))) == expected


@pytest.mark.req("B1")
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("allowed", [(), *((name,) for name in ORIGINS), ("user", "party"), ORIGINS])
def test_from_takes_the_place_of_the_default(allowed, origin):
    """An argument that ``from`` names takes the origins it lists and no other; other arguments keep the default."""
    permission = rule(**{"from": {"subject": list(allowed)}})
    otherwise = DENIED if origin == "invented" else ASKED
    assert verdict(judged(seen(origin), permission=permission)) == (NONE if origin in allowed else otherwise)
    other = verdict(judged(seen(origin, argument="deal_id"), permission=permission))
    assert other == (NONE if origin in DEFAULT_ORIGINS else otherwise)


@pytest.mark.req("B1")
@pytest.mark.parametrize(
    ("shown", "kind", "expected"),
    [
        ("<EMAIL_9>", "EMAIL", DENIED),
        ("<PERSON_9>", "PERSON", DENIED),
        ("<URL_1>", "URL", DENIED),
        ("evil.example", "URL", ASKED),
        ("Call", "text", ASKED),
        ("9999.0", "number", ASKED),
    ],
)
def test_a_pseudonym_that_nobody_named_is_denied_and_other_words_are_asked_about(shown, kind, expected):
    """A raw personal value that the model made up is refused outright; a number or a text of its own goes to a person."""
    assert verdict(judged(seen("invented", shown=shown, kind=kind))) == expected


@pytest.mark.req("B6")
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("effect", ["read", "egress", "draft", "write", "send", "delete"])
@pytest.mark.parametrize("kind", sorted(ENTITY_TYPES))
def test_a_secret_leaves_only_where_the_user_typed_it(kind, effect, origin):
    """Cards, ids and secrets never leave by a sending or a fetching tool, from whatever record they come."""
    objection = judged(seen(origin, kind=kind, shown=f"<{kind}_1>"), effect=effect)
    leaves = kind in {"CARD", "ID", "SECRET"} and effect in ("send", "egress") and origin != "user"
    assert (verdict(objection) == SECRET) is leaves


@pytest.mark.req("B6")
@pytest.mark.parametrize(
    "known",
    [
        {"plan": PLANNED},
        {"plan": left_open()},
        {"records": {"deal_id": record()}},
        {"permission": rule(**{"from": {"subject": list(ORIGINS)}})},
    ],
    ids=["planned", "left open", "own record", "from"],
)
def test_nothing_but_the_users_word_lets_a_secret_out(known):
    """No plan, no ``from`` and no record of the customer's own makes a secret of a record one that may leave."""
    for origin in ("party", "trusted", "untrusted", "invented"):
        assert verdict(judged(seen(origin, kind="CARD", shown="<CARD_1>"), effect="send", **known)) == SECRET
    assert verdict(judged(seen("user", "trusted", kind="CARD", shown="<CARD_1>"), effect="send", **known)) is NONE


@pytest.mark.req("B1", "A10")
@pytest.mark.parametrize(
    ("party", "records", "origins", "expected"),
    [
        ("contact:17", {"deal_id": record()}, ("party",), NONE),
        ("contact:17", {"deal_id": record()}, ("party", "untrusted"), NONE),
        ("contact:17", {}, ("party",), ASKED),
        ("contact:17", {"deal_id": record(party="contact:18")}, ("party",), ASKED),
        ("contact:17", {"deal_id": record(party=None)}, ("party",), ASKED),
        ("contact:17", {"a": record(), "b": record(party="contact:18")}, ("party",), ASKED),
        ("contact:17", {"a": record(), "b": record()}, ("party",), NONE),
        (None, {"deal_id": record(party=None)}, ("party",), ASKED),
        ("", {"deal_id": record(party="")}, ("party",), ASKED),
        ("contact:17", {"deal_id": record()}, ("untrusted",), ASKED),
        ("contact:17", {"deal_id": record()}, ("invented",), DENIED),
    ],
)
def test_the_customers_words_count_for_the_customers_own_records(party, records, origins, expected):
    """What the party says is good for a call whose every record is the party's, and for no other."""
    assert verdict(judged(seen(*origins), party=party, records=records)) == expected


@pytest.mark.req("A24")
@pytest.mark.parametrize(
    ("plan", "origins", "expected"),
    [
        (None, ("untrusted",), ASKED),
        (OUTSIDE, ("untrusted",), ASKED),
        (OUTSIDE, ("invented",), DENIED),
        (PLANNED, ("untrusted",), NONE),
        (PLANNED, ("party",), NONE),
        (PLANNED, ("invented",), DENIED),
        (left_open(), ("untrusted",), NONE),
        (left_open(), ("invented",), NONE),
        (left_open("subject.name"), ("untrusted",), NONE),
        (left_open("deal_id"), ("untrusted",), NONE),
        (left_open("deal_id"), ("invented",), DENIED),
        (PlanFact(step=None, open=()), ("untrusted",), ASKED),
    ],
)
def test_a_planned_value_was_written_before_any_outside_text(plan, origins, expected):
    """A call that is a step of the plan is not asked about once more, apart from pseudonyms that nobody named; what the
    plan left open is the plan guard's to ask about.
    """
    assert verdict(judged(seen(*origins), plan=plan)) == expected


@pytest.mark.req("B1")
@pytest.mark.parametrize(
    ("effect", "kind"),
    [
        ("read", "late"), ("read", "extract"), ("read", "undetermined"), ("draft", "late"), ("draft", "undetermined"),
    ],
)  # fmt: skip
def test_a_pseudonym_that_nobody_named_is_denied_where_nobody_is_asked(effect, kind):
    """A value the model made up is refused in a draft too, though the plan left its argument open."""
    assert verdict(judged(seen("invented"), effect=effect, plan=left_open(kind=kind))) == DENIED


OWN = {"shown": "2026-05-15 09:00", "kind": "text", "argument": "days"}
MINE = left_open("days")


@pytest.mark.req("A24", "B1")
@pytest.mark.parametrize("tool", ["draft", "alone"])
@pytest.mark.parametrize(
    ("value", "plan", "permission", "expected"),
    [
        (seen("invented", **OWN), MINE, None, NONE),
        (seen("invented", **OWN | {"kind": "number"}), MINE, None, NONE),
        (seen("invented", **OWN), left_open("days.hour"), None, NONE),
        (seen("invented", **OWN), left_open("subject"), None, NONE),
        (seen("invented", **OWN), left_open("days", kind="undetermined"), None, ASKED),
        (seen("invented", **OWN), left_open("days", kind="extract"), None, NONE),
        (seen("invented", **OWN), None, None, ASKED),
        (seen("invented", **OWN), OUTSIDE, None, ASKED),
        (seen("untrusted", **OWN), MINE, None, ASKED),
        (seen("invented", "untrusted", **OWN), MINE, None, ASKED),
        (seen("party", **OWN), MINE, None, ASKED),
        (seen("invented", **OWN), MINE, {"days": ["user"]}, ASKED),
        (seen("invented", **OWN | {"argument": "deal_id"}), left_open("deal_id"), None, ASKED),
        (seen("invented", **OWN | {"kind": "URL", "shown": "evil.example"}), MINE, None, ASKED),
        (seen("invented", **OWN | {"kind": "URL", "shown": "<URL_1>"}), MINE, None, DENIED),
        (seen("invented", **OWN | {"kind": "EMAIL", "shown": "<EMAIL_9>"}), MINE, None, DENIED),
    ],
)
def test_in_a_draft_the_model_may_write_what_the_plan_leaves_to_it(tool, value, plan, permission, expected):
    """A word or number of its own, that nobody else has said and the plan left for later, needs no person where it can
    be thrown away; a record, an address, what others said and what ``from`` names do.
    """
    made = (
        contract(effect="draft", sensitive={"subject", "days"})
        if tool == "draft"
        else contract(effect="send", sensitive={"subject", "days"}, audience=("subject",))
    )
    known = facts(values=(value,), plan=plan, audience=tool == "draft")
    rules = policy({TOOL: rule(**({"from": permission} if permission else {}))})
    assert verdict(PROVENANCE.check(call(), made, rules, known)) == expected


@pytest.mark.req("A24", "B1")
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("effect", ["write", "send"])
def test_what_others_see_is_not_the_models_to_write(effect, named):
    """With an audience, or under a contract that names none, the plan's open value is asked about as ever."""
    more = {"sensitive": {"subject", "days"}, "audience": ("subject",)} if named else {"sensitive": {"days"}}
    for audience in (True, False) if not named else (True,):
        known = facts(values=(seen("invented", **OWN),), plan=MINE, audience=audience)
        tool = contract(effect=effect, **more)
        assert verdict(PROVENANCE.check(call(), tool, policy(), known)) is NONE  # the plan guard asks
        assert PLAN.check(call(), tool, policy(), known).code is Code.PLAN_VALUES


@pytest.mark.req("B6")
@pytest.mark.parametrize("kind", sorted(SECRETS))
def test_a_secret_is_refused_in_a_call_that_nobody_sees_yet(kind):
    """Whom it reaches may change later: a tool that sends takes no secret, with an audience or without."""
    tool = contract(effect="send", sensitive={"subject"}, audience=("subject",))
    known = facts(values=(seen("trusted", kind=kind, shown=f"<{kind}_1>"),), audience=False)
    assert verdict(PROVENANCE.check(call(), tool, policy(), known)) == SECRET


@pytest.mark.req("B1", "B6")
@pytest.mark.parametrize("where", ["(text)", "(text).body"])
@pytest.mark.parametrize("effect", ["egress", "draft", "write", "send", "delete"])
@pytest.mark.parametrize(
    ("kind", "origins", "expected"),
    [
        ("EMAIL", ("user",), NONE),
        ("EMAIL", ("trusted",), NONE),
        ("EMAIL", ("party",), ASKED),
        ("EMAIL", ("untrusted",), ASKED),
        ("EMAIL", ("invented",), ASKED),
        ("PHONE", ("invented",), ASKED),
        ("URL", ("invented",), ASKED),
        ("CARD", ("user",), NONE),
        ("CARD", ("trusted",), SECRET),
        ("ID", ("party",), SECRET),
        ("SECRET", ("invented",), SECRET),
        ("IBAN", ("trusted",), SECRET),
        ("IBAN", ("user", "untrusted"), NONE),
    ],
)
@pytest.mark.parametrize("plan", [None, PLANNED, left_open("(text)"), OUTSIDE])
def test_what_a_template_would_send_is_judged_whatever_the_plan(where, effect, kind, origins, expected, plan):
    """An address that nobody vouched for goes to a person, who reads the text; a secret leaves where the user typed it;
    neither plan nor effect changes that.
    """
    found = seen(*origins, argument=where, kind=kind, shown=f"<{kind}_1>")
    assert verdict(judged(found, effect=effect, plan=plan)) == expected


def test_nobody_made_up_what_a_template_says():
    """A human reads where an address comes from that nobody named: not from the model."""
    words = judged(seen("invented", argument="(text)")).for_human
    assert "comes from the template, or a record that it fills in." in words
    assert "made it up" not in words


def test_deny_comes_before_ask():
    """One invented value among doubtful ones denies the call; several doubtful ones are told together."""
    doubtful = [
        seen("untrusted", shown="<EMAIL_1>", sources=("ticket 7",)),
        seen("party", argument="deal_id", shown="7"),
    ]
    assert verdict(judged(*doubtful, seen("invented", shown="<EMAIL_2>"))) == DENIED
    objection = judged(*doubtful)
    assert verdict(objection) == ASKED
    assert "subject (<EMAIL_1>) comes from text of outsiders" in objection.for_human
    assert "(ticket 7)" in objection.for_human
    assert "deal_id (7) comes from the customer's words." in objection.for_human
    assert "<EMAIL_1>" not in objection.for_model


def test_a_call_without_values_or_contract_is_not_judged():
    """Nothing to judge is no objection; a tool that is not there was denied before."""
    assert judged() is None
    assert PROVENANCE.check(call("x.y"), None, policy(), facts(values=(seen("invented"),))) is None


def test_the_closed_words():
    """What is judged everywhere, what leaves by nothing, and the default are known and short."""
    assert sorted(ADDRESSES) == ["CARD", "EMAIL", "IBAN", "IP", "PHONE", "URL"]
    assert sorted(SECRETS) == ["CARD", "ID", "SECRET"]
    assert set(ENTITY_TYPES) >= ADDRESSES | SECRETS
    assert DEFAULT_ORIGINS == ("user", "trusted")
    permission = ToolRule.model_validate(rule(**{"from": {"subject": ["party"]}}))
    assert tuple(allowed_origins(permission, "subject")) == ("party",)
    assert tuple(allowed_origins(permission, "deal_id")) == DEFAULT_ORIGINS
