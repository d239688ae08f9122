"""What makes a plan one that cannot be followed, sentence by sentence."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field

from agent_guard.plan import STEPS_MAX, Plan
from agent_guard.plan.check import check, said
from agent_guard.tool import Tool
from tests.samples import contract, policy, rule

pytestmark = pytest.mark.req("A24")

TEXT = "Read Acme's deal, then mail <EMAIL_1> that it is 1,200 EUR, due May 15 at 10:30.\n... !"
CRM, MAIL, TASK = "crm.find", "mail.send", "crm.create_task"


class Query(BaseModel):
    query: str = Field(max_length=20)


class Mail(BaseModel):
    to: str = Field(max_length=40)
    amount: int = Field(default=1, ge=0, le=5000)
    price: Decimal | None = None
    due: datetime | None = None
    tone: Literal["plain", "warm"] = "plain"
    lines: list[str] = Field(default_factory=list)
    urgent: bool = False


class Found(BaseModel):
    name: str
    email: str
    note: str
    letters: list[dict[str, str]]


def find() -> Tool:
    """A read whose note and letters are outside text."""
    made = contract(CRM, args=Query, effect="read")
    values = {name: getattr(made, name) for name in made.__dataclass_fields__}
    return Tool(**values | {"result_model": Found, "untrusted": frozenset({"note", "letters"})})


TOOLS = {item.name: item for item in (find(), contract(MAIL, args=Mail, effect="send"), contract(TASK))}
POLICY = policy({CRM: rule(), MAIL: rule(), TASK: rule(mode={"dev": "execute"})})


def lit(value: Any, words: str | None = None) -> dict[str, Any]:
    """A value that the text says, at the place of ``words``."""
    start = TEXT.index(words or str(value))
    return {"lit": value, "span": [start, start + len(words or str(value))]}


def step(tool: str = CRM, id: str = "s1", evidence: tuple[int, int] = (0, 16), **args: Any) -> dict[str, Any]:
    """One step."""
    return {"id": id, "tool": tool, "evidence": list(evidence), "args": args}


READ = step(query=lit("Acme"))


def problems(*steps: Any, environment: str = "dev", scope: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """What is wrong with a plan of these steps."""
    made = Plan.model_validate({"steps": list(steps)})
    return check(made, TEXT, TOOLS, POLICY, environment=environment, scope=scope)


def mail(id: str = "s2", **args: Any) -> dict[str, Any]:
    """A mail to the address that the text says, and what else is given."""
    return step(MAIL, id, **({"to": lit("<EMAIL_1>")} | args))


# ---- what may be followed


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"amount": lit(1200, "1,200 EUR")},
        {"amount": {"const": 7}},
        {"due": lit("2026-05-15T10:30:00", "May 15 at 10:30")},
        {"tone": {"const": "warm"}},
        {"lines": {"const": ["a", "b"]}},
        {"lines": [lit("Acme"), {"const": "b"}, {"rec": {"step": "s1", "field": "name"}}]},
        {"lines": []},
        {"urgent": {"const": True}},
        {"to": {"rec": {"step": "s1", "field": "email", "where": {"name": "Acme"}}}},
        {"to": {"extract": {"step": "s1"}}},
        {"to": {"late": {"max": 30}}},
        {"to": {"const": "<EMAIL_1>"}},
        {"price": {"const": "12.50"}},
        {"due": {"const": None}},
    ],
)
def test_a_plan_that_says_what_the_user_said_may_be_followed(args: dict[str, Any]) -> None:
    """Every kind of source, in its place and of its type, is no problem."""
    assert problems(READ, mail(**args)) == ()


def test_a_plan_of_nothing_may_be_followed() -> None:
    """A plan without steps has nothing wrong with it."""
    assert problems() == ()


# ---- each problem


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        # places in the text
        ([step(query={"lit": "Acme", "span": [5, 999]})], "step s1: query: span [5, 999] lies outside the user's text"),
        ([step(query={"lit": "Acme", "span": [-9, 9]})], "step s1: query: span [-9, 9] lies outside the user's text"),
        ([step(query={"lit": "Acme", "span": [9, 5]})], "step s1: query: span [9, 5] lies outside the user's text"),
        ([step(query={"lit": "Acme", "span": [5, 5]})], "step s1: query: span [5, 5] lies outside the user's text"),
        ([step(query={"lit": "Acme", "span": [82, 85]})], "step s1: query: span [82, 85] lies outside the user's text"),
        ([step(query={"lit": "Acme", "span": [0, 4]})], "step s1: query: the user's text does not say that value at [0, 4]"),
        ([step(query={"lit": "evil", "span": [0, 16]})], "step s1: query: the user's text does not say that value at [0, 16]"),
        ([step(query={"lit": "Acm", "span": [0, 16]})], "step s1: query: the user's text does not say that value at [0, 16]"),
        ([step(query={"lit": "", "span": [0, 16]})], "step s1: query: the user's text does not say that value at [0, 16]"),
        ([step(query={"lit": "<EMAIL_2>", "span": [0, 60]})], "step s1: query: the user's text does not say that value at [0, 60]"),
        ([READ, mail(amount={"lit": 1201, "span": [0, 60]})], "step s2: amount: the user's text does not say that value at [0, 60]"),
        ([READ, mail(due=lit("2026-05-15T11:30:00", "May 15 at 10:30"))], "step s2: due: the user's text does not say that value at [64, 79]"),
        # the clause that asks for it
        ([READ | {"evidence": [0, 999]}], "step s1: evidence [0, 999] is no clause of the user's text"),
        ([READ | {"evidence": [-1, 9]}], "step s1: evidence [-1, 9] is no clause of the user's text"),
        ([READ | {"evidence": [9, 9]}], "step s1: evidence [9, 9] is no clause of the user's text"),
        ([READ | {"evidence": [9, 4]}], "step s1: evidence [9, 4] is no clause of the user's text"),
        ([READ | {"evidence": [79, 86]}], "step s1: evidence [79, 86] is no clause of the user's text"),
        # the tool and its arguments
        ([step("crm.drop")], "step s1: there is no tool 'crm.drop' here"),
        ([step(query=lit("Acme"), limit={"const": 5})], "step s1: crm.find has no argument 'limit'"),
        ([step()], "step s1: query is required and has no source"),
        ([READ, step(MAIL, "s2")], "step s2: to is required and has no source"),
        # types
        ([READ, mail(amount=lit("1200", "1,200") | {"lit": "1,200"})], "step s2: amount: the value is not of the argument's type"),
        ([READ, mail(amount={"const": "7"})], "step s2: amount: the value is not of the argument's type"),
        ([READ, mail(amount={"const": 7.5})], "step s2: amount: the value is not of the argument's type"),
        ([READ, mail(amount={"const": True})], "step s2: amount: the value is not of the argument's type"),
        ([READ, mail(amount={"const": 5001})], "step s2: amount: the value is not of the argument's type"),
        ([READ, mail(amount={"const": None})], "step s2: amount: the value is not of the argument's type"),
        ([READ, mail(tone={"const": "rude"})], "step s2: tone: the value is not of the argument's type"),
        ([READ, mail(due={"const": "May 15"})], "step s2: due: the value is not of the argument's type"),
        ([READ, mail(lines={"const": "a"})], "step s2: lines: the value is not of the argument's type"),
        ([READ, mail(lines={"const": [1]})], "step s2: lines: the value is not of the argument's type"),
        ([READ, mail(urgent={"const": 1})], "step s2: urgent: the value is not of the argument's type"),
        ([READ, mail(to={"const": "x" * 41})], "step s2: to: the value is not of the argument's type"),
        # records
        ([mail(to={"rec": {"step": "s9", "field": "email"}})], "step s2: to: no earlier step 's9'"),
        ([mail(to={"rec": {"step": "s2", "field": "email"}})], "step s2: to: no earlier step 's2'"),
        ([mail(to={"rec": {"step": "s1", "field": "email"}}), READ], "step s2: to: no earlier step 's1'"),
        ([mail(to={"extract": {"step": "s1"}}), READ], "step s2: to: no earlier step 's1'"),
        ([READ, mail(to={"rec": {"step": "s1", "field": "note"}})], "step s2: to: 'note' of crm.find is outside text; its source is 'extract'"),
        ([READ, mail(to={"rec": {"step": "s1", "field": "letters.from"}})], "step s2: to: 'letters.from' of crm.find is outside text; its source is 'extract'"),
        ([READ, mail(to={"rec": {"step": "s1", "field": "email", "where": {"note": "x"}}})], "step s2: to: 'note' of crm.find is outside text; its source is 'extract'"),
        ([READ, mail(lines=[{"rec": {"step": "s1", "field": "note"}}])], "step s2: lines: 'note' of crm.find is outside text; its source is 'extract'"),
        ([READ, mail(lines={"obj": {"a": [{"rec": {"step": "s7", "field": "x"}}]}})], "step s2: lines: no earlier step 's7'"),
        ([step("crm.drop"), mail(to={"rec": {"step": "s1", "field": "email"}})], "step s2: to: no earlier step 's1'"),
        # ids
        ([READ, mail(id="s1")], "step s1: there is another step of this id"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_followed_says_why(steps: list[Any], sentence: str) -> None:
    """Each thing that is wrong is one sentence with the step, the argument and the place."""
    assert sentence in problems(*steps)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """One look finds all problems, in the order of the steps."""
    found = problems(
        step("crm.drop"), step(id="s2", evidence=(0, 999), limit={"const": 1}), mail(id="s3", amount={"const": ""})
    )
    assert found == (
        "step s1: there is no tool 'crm.drop' here",
        "step s2: evidence [0, 999] is no clause of the user's text",
        "step s2: crm.find has no argument 'limit'",
        "step s2: query is required and has no source",
        "step s3: amount: the value is not of the argument's type",
    )


@pytest.mark.parametrize("count", [STEPS_MAX, STEPS_MAX + 1])
def test_a_plan_has_an_end(count: int) -> None:
    """A plan of more steps than a person could look at is refused unread."""
    found = problems(*[step(id=f"s{n}", query=lit("Acme")) for n in range(count)])
    assert found == (() if count == STEPS_MAX else ("a plan has at most 50 steps",))


# ---- where it may be followed


@pytest.mark.parametrize(
    ("environment", "scope", "fine"),
    [
        ("dev", None, True),
        ("dev", (TASK,), True),
        ("dev", (TASK, CRM), True),
        ("dev", (CRM,), False),
        ("prod", None, False),
        ("prod", (TASK,), False),
    ],
)
@pytest.mark.req("A1")
def test_a_tool_outside_the_scope_is_no_tool(environment: str, scope: tuple[str, ...] | None, fine: bool) -> None:
    """A tool that this thread may not use, or that has no mode here, is unknown to a plan."""
    made = step(TASK, deal_id={"const": "42"}, subject={"const": "Call"})
    found = problems(made, environment=environment, scope=scope)
    assert found == (() if fine else ("step s1: there is no tool 'crm.create_task' here",))


@pytest.mark.req("A1")
def test_a_scope_of_no_tools_has_no_tools() -> None:
    """A thread that may use nothing plans nothing."""
    assert problems(READ, scope=()) == ("step s1: there is no tool 'crm.find' here",)


def test_a_tool_without_a_rule_is_no_tool() -> None:
    """A contract alone is no permission, in a plan as in a call."""
    made = Plan.model_validate({"steps": [READ]})
    narrow = policy({TASK: rule()})
    found = check(made, TEXT, TOOLS, narrow, environment="dev", scope=None)
    assert found == ("step s1: there is no tool 'crm.find' here",)


@pytest.mark.req("B1")
@pytest.mark.parametrize("selection", [{"field": "from"}, {"field": "email", "where": {"from": "boss"}}])
def test_a_field_that_stands_inside_outside_text_is_outside_text(selection: dict[str, Any]) -> None:
    """A field that the result itself does not have can only be found inside one that has parts; where outsiders wrote
    that one, its source is ``extract``.
    """
    assert problems(READ, mail(to={"rec": {"step": "s1", **selection}})) != ()


# ---- said


@pytest.mark.parametrize(
    ("value", "clause", "found"),
    [
        ("Acme", "Read Acme's deal", True),
        ("acme'S", "Read Acme's deal", True),
        ("Acme deal", "Read Acme's deal", False),
        ("cme", "Read Acme's deal", False),
        ("\u0410cme", "Read Acme's deal", False),
        ("one two", "one\ntwo", False),
        ("", "anything", False),
        ("?!", "what?!", False),
        (1200, "it is 1,200 EUR", True),
        (1.2, "it is 1,200 EUR", True),
        (1200.0, "it is 1200", True),
        (120050, "it is 1,200.50", False),
        (-5, "give 5", False),
        (5, "give -5", False),
        ("2026-05-15", "on May 15", True),
        ("2026-05-15", "15 мая 2026", True),
        ("2026-05-15", "15 maja 2027", False),
        ("2026-05-15T10:30:00", "May 15 at 10:30", True),
        ("2026-05-15T10:30", "May 15", False),
        ("2026-05-15T00:00", "May 15", True),
        ("15:00", "at 3 pm", True),
        ("15:00", "at 4 pm", False),
        ("May 15", "2026-05-15", False),
    ],
)
def test_what_a_clause_says(value: str | float, clause: str, found: bool) -> None:
    """A clause says a value as its words in a row, as a number, or as a day and time in whatever form."""
    assert said(value, clause) is found


@pytest.mark.parametrize(("value", "clause"), [(1.234, "1234 units"), (1e22, "pay 22"), (1e-05, "pay 5")])
def test_a_number_of_the_plan_means_one_thing(value: float, clause: str) -> None:
    """The user's ``1,234`` may mean two things; a number in a plan is that number."""
    assert not said(value, clause)


@given(st.integers(-(10**9), 10**9) | st.decimals(-(10**6), 10**6, places=2).map(float), st.text(max_size=20))
def test_a_number_that_stands_in_a_clause_is_said(value: float, around: str) -> None:
    """Whatever stands around it, a number written plainly is said by its clause."""
    assert said(value, f"{around} {value} ,\n{around}") or any(letter.isnumeric() for letter in around)


@given(st.text(max_size=20), st.text(max_size=20))
def test_saying_is_never_an_error(value: str, clause: str) -> None:
    """Whatever a plan or a user writes, the answer is yes or no; and a clause that holds no word says nothing."""
    found = said(value, clause)
    if not any(letter.isalnum() or letter == "_" for letter in clause):
        assert found is False
