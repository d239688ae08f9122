"""A decision in words, in three languages."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random
from string import Formatter

import pytest
from hypothesis import given, settings, strategies as st

from agent_guard.decide import decide
from agent_guard.errors import ConfigError
from agent_guard.facts import ANOTHER_COMPANY, Facts, LimitFact, OpenFact, PlanFact, Problem, Twin, ValueFact
from agent_guard.gathering.arguments import read
from agent_guard.guards import GUARDS
from agent_guard.guards.base import Guard, deny
from agent_guard.policies.explain import explain
from agent_guard.policies.speech import Speech, phrases, plural
from agent_guard.policies.tellers import NEEDS_RULE, TELLERS
from agent_guard.policy import Policy
from agent_guard.types import Code
from tests.policies.desk import TOOLS
from tests.policies.strategies import ONE
from tests.policies.worlds import gathered, world
from tests.samples import TOOL, call, contract, facts, policy, record, rule

LANGUAGES = ("en", "ru", "pl")
FORMS = {"en": {"one", "other"}, "ru": {"one", "few", "many"}, "pl": {"one", "few", "many"}}
APPROVE = rule(mode="approve", approvers={"roles": ["manager", "lead"], "not_requester": True, "expires": "2h"})
SENDING = contract(effect="send", sensitive={"subject"})


def told(permission=None, *, tool=None, language="en", extra=(), top=None, **known):
    """The explanation of the usual call under facts that differ."""
    rules = policy({TOOL: permission or rule()}, **(top or {}))
    return explain(call(), tool or contract(), rules, facts(**known), extra_guards=extra, language=language)


def line(explanation, guard):
    """One guard's line."""
    return next(item for item in explanation.lines if item.guard == guard)


def forms(phrase):
    return {"": phrase} if isinstance(phrase, str) else phrase


def places(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


# ---- the phrases


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_phrases(language):
    """Keys, and the values that each phrase takes, are the same in every language; plural forms are the language's."""
    mine, english = phrases(language), phrases("en")
    assert mine.keys() == english.keys()
    for key, phrase in mine.items():
        assert isinstance(phrase, str) == isinstance(english[key], str), key
        wanted = set().union(*(places(text) for text in forms(english[key]).values()))
        assert all(places(text) == wanted for text in forms(phrase).values()), key
        if not isinstance(phrase, str):
            assert set(phrase) == FORMS[language], key


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_phrase_is_a_clause(language):
    """Phrases are joined by code, so none ends with a full stop, has stray spaces or begins with a capital."""
    for key, phrase in phrases(language).items():
        for text in forms(phrase).values():
            assert text == " ".join(text.split()) and not text.endswith("."), key
            assert key.startswith("heading.") or text[0] == "{" or text[0].islower(), key
            alphabet = re.sub(r"\{\w+\}|approve|execute", "", text)
            assert bool(re.search("[а-яё]", alphabet)) == (language == "ru") or not re.search(r"\w", alphabet), key


@pytest.mark.parametrize(
    ("language", "forms"),
    [
        ("en", {0: "other", 1: "one", 2: "other", 21: "other"}),
        (
            "ru",
            {
                0: "many",
                1: "one",
                2: "few",
                4: "few",
                5: "many",
                11: "many",
                12: "many",
                21: "one",
                22: "few",
                111: "many",
            },
        ),
        ("pl", {0: "many", 1: "one", 2: "few", 4: "few", 5: "many", 12: "many", 21: "many", 22: "few", 112: "many"}),
    ],
)
def test_plural_forms(language, forms):
    """The plural category of a number is CLDR's."""
    assert {n: plural(language, n) for n in forms} == forms


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["1 call a minute for this user", "2 calls a minute for this user", "5 calls a minute for this user"]),
        ("ru", ["1 вызов в минуту для этого пользователя", "2 вызова в минуту для этого пользователя", "5 вызовов в минуту для этого пользователя"]),
        ("pl", ["1 wywołanie na minutę dla tego użytkownika", "2 wywołania na minutę dla tego użytkownika", "5 wywołań na minutę dla tego użytkownika"]),
    ],
)  # fmt: skip
def test_limits_are_counted_in_words(language, expected):
    """A limit is told with the plural form of its number."""
    for n, words in zip((1, 2, 5), expected, strict=True):
        limit = LimitFact(limit=f"{n}/minute/subject", code=Code.LIMIT_RATE, count=n, reached=False)
        made = told(rule(limits=[limit.limit]), language=language, limits=(limit,))
        assert words in line(made, "limits").text


@pytest.mark.req("A3", "A10")
@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["Left before this call: 0 of 1 call a minute for this user", "1 of 2 calls", "4 of 5 calls", "20 of 21 calls"]),
        ("ru", ["До этого вызова осталось: 0 из 1 вызова в минуту для этого пользователя", "1 из 2 вызовов", "4 из 5 вызовов", "20 из 21 вызова в"]),
        ("pl", ["Przed tym wywołaniem zostało: 0 z 1 wywołania na minutę dla tego użytkownika", "1 z 2 wywołań", "4 z 5 wywołań", "20 z 21 wywołań"]),
    ],
)  # fmt: skip
def test_what_is_left_is_told(language, expected):
    """How many are left is told with the plural form of how many there are."""
    for n, words in zip((1, 2, 5, 21), expected, strict=True):
        limit = LimitFact(limit=f"{n}/minute/subject", code=Code.LIMIT_RATE, count=n, reached=False, used=1)
        assert words in line(told(rule(limits=[limit.limit]), language=language, limits=(limit,)), "limits").text


@pytest.mark.req("A3", "A10")
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (LimitFact(limit="5 actions a thread", code=Code.LIMIT_ACTIONS, count=5, reached=False, used=2), "3 of 5 actions a conversation"),
        (LimitFact(limit="9 attempts a thread", code=Code.LIMIT_ATTEMPTS, count=9, reached=False, used=0), "9 of 9 attempts a conversation"),
        (LimitFact(limit="9 tokens a thread", code=Code.LIMIT_TOKENS, count=9, reached=True, used=12), "Used up: 9 tokens a conversation."),
        (LimitFact(limit="9 tokens a day for the tenant", code=Code.LIMIT_TOKENS, count=9, reached=False, used=1), "8 of 9 tokens a day for the whole company"),
        (LimitFact(limit="20 of days per day/subject", code=Code.LIMIT_TOTAL, count=200_000, reached=False, used=75_000), "Left before this call: 12.5 of a sum of 20 of days a day for this user"),
        (LimitFact(limit="20 of days per day/subject", code=Code.LIMIT_TOTAL, count=200_000, reached=True, used=190_000), "Too little left for this call: 1 of a sum of 20 of days"),
        (LimitFact(limit="20 of days per day/subject", code=Code.LIMIT_TOTAL, count=200_000, reached=True, used=200_000), "Used up: a sum of 20 of days"),
        (LimitFact(limit="4/hour/party", code=Code.LIMIT_RATE, count=4, reached=False, used=1), "3 (4/hour/party)"),  # of an older policy
        (LimitFact(limit="200/hour/party", code=Code.LIMIT_RATE, count=200, reached=False), "Still free: 200/hour/party"),  # not counted
    ],
)  # fmt: skip
def test_every_limit_says_what_is_left(limit, words):
    """Calls, tokens and sums are told with what was left; what was not counted is told as free, as it always was."""
    permission = rule(totals=[{"arg": "days", "max": 20, "per": "day/subject"}])
    assert words in line(told(permission, limits=(limit,)), "limits").text


@pytest.mark.req("A5")
def test_facts_of_before_the_count_are_read():
    """A record whose limits do not say how many were used is read; any other strange field is still refused."""
    limit = LimitFact(limit="5 actions a thread", code=Code.LIMIT_ACTIONS, count=5, reached=False, used=2)
    written = facts(limits=(limit,)).as_json()
    assert Facts.from_json(written).limits == (limit,)
    del written["limits"][0]["used"]
    assert Facts.from_json(written).limits == (replace(limit, used=None),)
    for wrong in (written | {"more": 1}, {key: value for key, value in written.items() if key != "idle"}):
        with pytest.raises(TypeError, match="another format"):
            Facts.from_json(wrong)


@pytest.mark.req("A1", "A10")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_closed_argument_is_left_out_and_not_corrected(language):
    """An argument that the policy lets no call set is told apart from one whose value breaks a rule."""
    permission = rule(args=["deal_id", "subject"], where={"properties": {"subject": {"maxLength": 1}}})
    rules = policy({TOOL: permission})
    problems = read(
        contract(), rules.tools[TOOL], {"deal_id": "42", "subject": "Call", "days": 3}, lambda _: None
    ).problems
    made = told(permission, language=language, problems=problems)
    say = Speech(language).say
    assert made.changes == (say("arguments.change", paths="subject"), say("arguments.change_closed", paths="days"))
    text = line(made, "arguments").text
    assert say("problem.argument_closed", path="days") in text and "maxLength" in text


def test_a_language_that_there_is_not():
    """An unknown language is refused, and those that there are named."""
    with pytest.raises(ConfigError, match="en, ru, pl"):
        Speech("de")


# ---- every guard


@pytest.mark.req("A10", "A12")
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_guard_is_asked_and_told_of(language):
    """All guards are told of in their order, those behind the first deny as well, each in one sentence."""
    made = told(APPROVE, language=language, roles=(), party=None, records={"deal_id": record()}, same_calls=9)
    assert [item.guard for item in made.lines] == [guard.name for guard in GUARDS]
    assert [item.guard for item in made.lines if item.outcome == "deny"] == ["access", "binding", "loops"]
    assert [item.guard for item in made.lines if item.asked] == [item.guard for item in made.decision.guards]
    assert not line(made, "binding").asked
    assert all(item.text.endswith(".") and item.text.count(". ") == 0 for item in made.lines)
    assert len(made.changes) == 4 and made.decision.outcome == "deny"


def test_every_guard_has_its_own_words():
    """Each guard of the house has a teller and a name in every language."""
    assert list(TELLERS) == [guard.name for guard in GUARDS]
    assert set(TELLERS) >= NEEDS_RULE
    for language in LANGUAGES:
        assert {f"guard.{guard.name}" for guard in GUARDS} == {
            key for key in phrases(language) if key.startswith("guard.")
        }


OBJECTIONS = {
    "kill_switch": ({"pressed": ("*", "tool:crm.create_task")}, "Everything"),
    "scope": ({"scope": ("crm.read",)}, "crm.read"),
    "arguments": ({"problems": (Problem(code=Code.ARGUMENT_NOT_PERMITTED, path="subject", message="the policy's maxLength does not hold"),)}, "subject breaks a rule of the policy (maxLength)"),
    "access": ({"roles": ("intern",)}, "has the role intern; crm.create_task needs the role sales"),
    "binding": ({"records": {"deal_id": record(party="contact:18", name="<PERSON_2>")}}, "deal:42 (<PERSON_2>) belongs to contact:18, and this conversation is about contact:17"),
    "plan": ({"plan": PlanFact(step=None, why="no step calls it", outside_read=True)}, "no step of the plan (no step calls it)"),
    "provenance": ({"values": (ValueFact(argument="subject", shown="<EMAIL_1>", kind="EMAIL", origins=("untrusted",), sources=("ticket 7",)),)}, "subject (<EMAIL_1>) has the source: outsiders' text, or a record nobody asked about (ticket 7)"),
    "duplicates": ({"twin": Twin(state="done", trace_id="T1", reference="task:9")}, "call T1, record task:9"),
    "loops": ({"same_calls": 2}, "come 3 times in a row, and the policy permits 2"),
    "limits": ({"limits": (LimitFact(limit="5 actions a thread", code=Code.LIMIT_ACTIONS, count=5, reached=True),)}, "Used up: 5 actions a conversation"),
    "content": ({"content": (Problem(code=Code.STOP_WORD, path="subject", message="holds 'x', a stop-word (en)"),)}, "subject holds a forbidden word"),
    "temporal": ({"temporal": (Problem(code=Code.REQUIRES, path="crm.read", message="must have run in the last 1h with the same deal_id"),)}, "crm.read has to have run in the last 1 hour with the same deal_id"),
    "mode": ({"environment": "stage"}, "only lets crm.create_task be suggested in the environment stage"),
}  # fmt: skip
PERMISSION = rule(
    mode={"prod": "execute", "stage": "suggest"}, requires=[{"tool": "crm.read", "within": "1h", "same": "deal_id"}]
)


@pytest.mark.parametrize("guard", list(TELLERS))
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_objection_says_what_was_found_and_what_would_have_to_change(language, guard):
    """Each guard's objection is told with its facts, with a change; the same call without it has neither."""
    known, words = OBJECTIONS[guard]
    made = told(PERMISSION, language=language, **known)
    found = line(made, guard)
    assert found.outcome != "allow" and found.changes and set(found.changes) <= set(made.changes)
    if language == "en":
        assert words.casefold() in found.text.casefold()
    fine = told(PERMISSION, language=language)
    assert line(fine, guard).outcome == "allow" and not line(fine, guard).changes and fine.changes == ()


@pytest.mark.parametrize(
    ("known", "guard", "words"),
    [
        ({"person_found": False}, "access", "The directory knows no user u1"),
        ({"roles": ()}, "access", "The user u1 has no role"),
        ({"roles": ("sales", "intern")}, "access", "The user u1 has the role sales, which is enough"),
        ({"records": {"deal_id": record(found=False)}}, "access", "there is no record deal:42"),
        ({"records": {"deal_id": record(found=False)}}, "binding", "There is no record deal:42"),
        ({"records": {"deal_id": record(tenant=ANOTHER_COMPANY)}}, "access", "the record deal:42 is another company's"),
        ({"records": {"deal_id": record(tenant=ANOTHER_COMPANY)}}, "binding", "The record deal:42 is another company's"),
        ({"records": {"deal_id": record()}, "party": None}, "binding", "this conversation is about no customer"),
        ({"records": {"deal_id": record()}}, "binding", "belongs to the customer of this conversation"),
        ({"plan": PlanFact(step="s1")}, "plan", "The call is the step s1 of the plan."),
        ({"plan": PlanFact(step="s1", open=(OpenFact(argument="subject", kind="late"),))}, "plan", "1 value open: subject, written after the plan; a look-up or a draft"),
        ({"twin": Twin(state="claimed", trace_id="T1", reference=None)}, "duplicates", "being done right now"),
        ({"twin": Twin(state="unknown", trace_id="T1", reference=None)}, "duplicates", "nobody knows whether it happened"),
        ({"same_calls": 1}, "loops", "came 1 time in a row directly before, and the stop is at 2"),
        ({"cycles": 3}, "loops", "came in turn 3 times, and the policy stops at 3"),
        ({"idle": 6}, "loops", "7 times while nothing has changed"),
        ({"rejections": 2}, "loops", "Two questions of this conversation in a row were rejected"),
        ({"limits": (LimitFact(limit="9 tokens a day for the tenant", code=Code.LIMIT_TOKENS, count=9, reached=True),)}, "limits", "9 tokens a day for the whole company"),
        ({"limits": (LimitFact(limit="20 of days per day/subject", code=Code.LIMIT_TOTAL, count=1, reached=True),)}, "limits", "a sum of 20 of days a day for this user"),
        ({"temporal": (Problem(code=Code.NOT_AFTER, path="days", message="must be a day"),)}, "temporal", "at most 30 days ahead"),
        ({"problems": (Problem(code=Code.INTERNAL, path="x", message="odd"),)}, "arguments", "x: odd"),
    ],
)  # fmt: skip
def test_what_a_guard_found(known, guard, words):
    """Each thing that a guard can find has words of its own."""
    permission = rule(totals=[{"arg": "days", "max": 20, "per": "day/subject"}], not_after={"days": "30d"})
    assert words in line(told(permission, **known), guard).text


def value(**options):
    return ValueFact(**({"argument": "subject", "shown": "<EMAIL_1>", "kind": "EMAIL", "origins": ("user",)} | options))


@pytest.mark.req("A10", "B6")
@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"values": (value(sources=("m1",)),)}, "comes from a permitted source: the user's words (m1)"),
        ({"values": (value(origins=("party",)),), "records": {"deal_id": record()}}, "comes from the customer, and the call is about the customer's own records"),
        ({"values": (value(origins=("untrusted",)),), "plan": PlanFact(step="s1")}, "was written into the plan before"),
        ({"values": (value(origins=("untrusted",)),), "plan": PlanFact(step="s1", open=(OpenFact(argument="subject", kind="extract"),))}, "is left open by the plan"),
        ({"values": (value(origins=("invented",)),)}, "was named by nobody: the model made it up"),
        ({"values": (value(shown="<CARD_1>", kind="CARD", origins=("trusted",)),)}, "is a secret, which is sent to nobody"),
        ({"values": (value(origins=("party", "untrusted")),)}, "has the source: the customer's words and outsiders' text"),
        ({"values": (value(argument="(text).body", origins=("invented",)),)}, "(text).body (<EMAIL_1>) has the source: the template, or a record that it fills in; permitted"),
        ({"values": (value(argument="(text)", shown="<IBAN_1>", kind="IBAN", origins=("invented",)),)}, "is a secret, which is sent to nobody"),
    ],
)  # fmt: skip
def test_a_value_is_told_with_its_source(known, words):
    """Every value that could be somebody else's will is told by its pseudonym, with where it was seen and why it counts."""
    assert words in line(told(tool=SENDING, **known), "provenance").text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("judged as a draft", "is the model's own, as the plan permits")),
        ("ru", ("считается черновиком", "написала сама модель")),
        ("pl", ("liczy się jak szkic", "napisał to sam model")),
    ],
)
def test_a_call_that_nobody_sees_is_told_as_a_draft(language, words):
    """Why the plan's open value is nobody's to look at: nobody else would see it, and the plan leaves it to the model."""
    tool = contract(effect="send", sensitive={"subject", "days"}, audience=("subject",))
    plan = PlanFact(step="s1", open=(OpenFact(argument="days", kind="late"),))
    found = (value(argument="days", shown="3", kind="number", origins=("invented",)),)
    made = told(tool=tool, language=language, audience=False, plan=plan, values=found)
    assert made.decision.allowed
    assert words[0] in line(made, "plan").text and words[1] in line(made, "provenance").text
    seen = told(tool=tool, language=language, audience=True, plan=plan, values=found)
    assert not seen.decision.allowed and words[0] not in line(seen, "plan").text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_that_could_not_be_rendered_is_told(language):
    """That there is no text to look at has words of its own in every language."""
    problem = Problem(code=Code.RENDER_FAILED, path="(text)", message="TimeoutError")
    found = line(told(language=language, content=(problem,)), "content")
    assert "(TimeoutError)" in found.text and found.changes


def test_a_person_is_named_by_role_and_time():
    """A mode that asks says who may answer and how long it waits, and that somebody's answer is what is missing."""
    made = told(APPROVE)
    assert "one of the roles manager or lead has to approve crm.create_task within 2 hours" in line(made, "mode").text
    assert "the user who asks may not approve it" in line(made, "mode").text
    assert made.summary == "A person has to approve the call before it runs."
    assert made.changes == ("somebody with one of the roles manager or lead approves the call",)


def test_where_nobody_may_answer_the_call_is_denied():
    """A question that the policy names nobody for is told as the denial that a gateway makes of it."""
    made = told(tool=SENDING, values=(value(origins=("untrusted",)),))
    assert made.decision.outcome == "require_approval" and "so it is denied" in made.summary
    assert "the policy names approvers" in made.changes


@pytest.mark.req("A1")
def test_an_unknown_tool_and_an_unnamed_one():
    """Without a contract or an entry the guards that need one say that they had nothing to look at."""
    unknown = explain(call("crm.delete"), None, policy(), facts(known=False))
    assert "no tool named crm.delete" in line(unknown, "scope").text
    unnamed = explain(call("crm.delete"), contract("crm.delete"), policy(), facts())
    assert unnamed.decision.code is Code.TOOL_NOT_PERMITTED
    for made in (unknown, unnamed):
        assert {item.guard for item in made.lines if item.outcome is None} == NEEDS_RULE
        assert len(made.changes) == 1


def test_an_extra_guard_speaks_for_itself():
    """A guard that the house does not know is told of by its own words; one that breaks has refused the call."""
    night = Guard("night", lambda *_: deny(Code.LIMIT_RATE, "No.", "It is after ten."))
    quiet = Guard("quiet", lambda *_: None)
    broken = Guard("broken", lambda *_: 1 / 0)
    made = told(extra=(quiet, night, broken))
    assert line(made, "night").text == "The additional check night objects: It is after ten."
    assert line(made, "quiet").text == "The additional check quiet has no objection."
    assert line(made, "broken").text == "The check broken failed, and what cannot be checked is refused."
    assert [item.asked for item in made.lines[-3:]] == [True, True, False]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("guard", [None, *TELLERS])
def test_the_decision_is_the_one_that_decide_gives(guard, language):
    """The explanation's decision is ``decide``'s, and each line's outcome is what the guard itself says."""
    known = facts(**(OBJECTIONS[guard][0] if guard else {}))
    rules = policy({TOOL: PERMISSION})
    made = explain(call(), contract(), rules, known, language=language)
    assert made.decision == decide(call(), contract(), rules, known)
    said = {item.name: item.check(call(), contract(), rules, known) for item in GUARDS}
    assert {item.guard: item.outcome for item in made.lines} == {
        name: objection.outcome if objection else "allow" for name, objection in said.items()
    }


@given(ONE, st.integers(0, 2**32), st.sampled_from(LANGUAGES))
@settings(max_examples=60)
def test_any_decision_can_be_explained(data, seed, language):
    """Whatever the policy and the facts, every guard is told of, and every objection says what would have to change."""
    rules, rng = Policy.model_validate({"version": 1, "name": "p"} | data), Random(seed)
    (name,) = rules.tools
    for _ in range(5):
        around = world(rng, name, rules.tools[name])
        asked, known = call(name, args=around[1]), gathered(rules, around)
        made = explain(asked, TOOLS[name], rules, known, language=language)
        assert made.decision == decide(asked, TOOLS[name], rules, known)
        assert all(len(item.text) > 5 for item in made.lines)
        assert all(bool(item.changes) == (item.outcome != "allow") for item in made.lines)


def test_nothing_is_restored():
    """Names of records and values appear by the pseudonyms that the facts hold, and nothing else does."""
    known = facts(records={"deal_id": record(name="<PERSON_1>")}, values=(value(), replace(value(), shown="<PHONE_1>")))
    made = explain(call(), SENDING, policy({TOOL: rule(bind={"deal_id": "party"})}), known)
    text = " ".join(item.text for item in made.lines)
    assert all(token in text for token in ("<PERSON_1>", "<EMAIL_1>", "<PHONE_1>"))
