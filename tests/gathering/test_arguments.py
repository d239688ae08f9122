"""Arguments: screened before they are looked at, read by the contract, and nothing unknown let through."""

from __future__ import annotations

import ipaddress
import json
import time
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired

import pytest
from hypothesis import given, strategies as st
from pydantic import (
    AnyUrl,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    Json,
    RootModel,
    SecretStr,
    computed_field,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from agent_guard.errors import ConfigError
from agent_guard.free_text import refuse_free_text
from agent_guard.gathering.arguments import MAX_BYTES, MAX_DEPTH, TOKEN, has_audience, read, screen, tokens
from agent_guard.policy import ToolRule
from agent_guard.types import ENTITY_TYPES, Code, Entry
from tests.samples import TaskArgs, contract, rule

VALUES = {"<PERSON_1>": "Anna Kowalska", "<EMAIL_1>": "anna@acme.example", "<PHONE_1>": "+48600100200"}


def find(token):
    value = VALUES.get(token)
    return value and Entry(token=token, type=token[1:].split("_")[0], value=value, origins=("user",))


def look(model, args, *, where=None, **options):
    """Reads arguments by a contract of this args model."""
    permission = ToolRule.model_validate(rule(where=where or {}))
    return read(contract("a.b", args=model, **options), permission, args, find)


def codes(found):
    return {(problem.code, problem.path) for problem in found.problems}


# ---- screening


def nested(depth):
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return {"a": value}


def circle():
    value: list[Any] = []
    value.append(value)
    return {"a": value}


def laughs():
    value: list[Any] = ["lol"] * 10
    for _ in range(20):
        value = [value] * 10
    return {"a": value}


@pytest.mark.req("B1", "B4", "B12")
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({}, None),
        ({"a": None, "b": True, "c": 1, "d": 1.5, "e": "x", "f": [1, {"g": ()}]}, None),
        ({"a": "<PERSON_1> ż и 🦊"}, None),
        ({"a": 2**53 - 1}, None),
        ({"a": -(2**53) + 1}, None),
        ({"a": 1e308}, None),
        (nested(MAX_DEPTH - 2), None),
        ({"a": "x" * (MAX_BYTES - 1000)}, None),
        ([], Code.ARGUMENTS_MALFORMED),
        (None, Code.ARGUMENTS_MALFORMED),
        ("{}", Code.ARGUMENTS_MALFORMED),
        (7, Code.ARGUMENTS_MALFORMED),
        ({"a": float("nan")}, Code.ARGUMENTS_MALFORMED),
        ({"a": float("inf")}, Code.ARGUMENTS_MALFORMED),
        ({"a": [-float("inf")]}, Code.ARGUMENTS_MALFORMED),
        (json.loads('{"a": 1e400}'), Code.ARGUMENTS_MALFORMED),
        (json.loads('{"a": NaN}'), Code.ARGUMENTS_MALFORMED),
        ({"a": 2**53}, Code.ARGUMENTS_MALFORMED),
        ({"a": -(2**53)}, Code.ARGUMENTS_MALFORMED),
        ({"a": 10**5000}, Code.ARGUMENTS_MALFORMED),
        ({"a": "\ud800"}, Code.ARGUMENTS_MALFORMED),
        (json.loads('{"a": "x\\udfffy"}'), Code.ARGUMENTS_MALFORMED),
        ({"\udc00": 1}, Code.ARGUMENTS_MALFORMED),
        ({"a": [{"b": ["\ud83d"]}]}, Code.ARGUMENTS_MALFORMED),
        ({1: "x"}, Code.ARGUMENTS_MALFORMED),
        ({None: "x"}, Code.ARGUMENTS_MALFORMED),
        ({"a": b"x"}, Code.ARGUMENTS_MALFORMED),
        ({"a": {1, 2}}, Code.ARGUMENTS_MALFORMED),
        ({"a": date(2026, 1, 5)}, Code.ARGUMENTS_MALFORMED),
        ({"a": Decimal(1)}, Code.ARGUMENTS_MALFORMED),
        ({"a": 1 + 2j}, Code.ARGUMENTS_MALFORMED),
        ({"a": "x" * 2**20}, Code.ARGUMENTS_TOO_LARGE),
        ({"x" * 2**20: 1}, Code.ARGUMENTS_TOO_LARGE),
        ({"a": "ż" * (MAX_BYTES // 2 + 1)}, Code.ARGUMENTS_TOO_LARGE),
        ({"a": [0] * MAX_BYTES}, Code.ARGUMENTS_TOO_LARGE),
        ({str(i): None for i in range(MAX_BYTES)}, Code.ARGUMENTS_TOO_LARGE),
        (nested(MAX_DEPTH), Code.ARGUMENTS_TOO_LARGE),
        (nested(1000), Code.ARGUMENTS_TOO_LARGE),
        (nested(200_000), Code.ARGUMENTS_TOO_LARGE),
        (circle(), Code.ARGUMENTS_TOO_LARGE),
        (laughs(), Code.ARGUMENTS_TOO_LARGE),
    ],
    ids=lambda value: str(value) if isinstance(value, Code) or value is None else "",
)
def test_what_a_model_sends_is_screened_before_it_is_read(args, expected):
    """No JSON, no canonical form, too large or too deep: each has its code, and none is an exception."""
    assert screen(args) == expected


@pytest.mark.req("B1")
def test_a_huge_proposal_is_refused_without_being_read_through():
    """The size decides first, so fifty megabytes of text cost no more than their length."""
    args = {"a": "x" * 50_000_000}
    before = time.process_time()
    assert screen(args) is Code.ARGUMENTS_TOO_LARGE
    assert time.process_time() - before < 0.5


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)
                    | st.dictionaries(st.text(), inner), max_leaves=20))  # fmt: skip
def test_screening_never_raises_and_what_passes_is_json(value):
    """Whatever passes the screen can be written as JSON in UTF-8."""
    if screen({"a": value}) is None:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")


# ---- the contract


@pytest.mark.req("B3")
def test_defaults_are_filled_before_anything_is_stored_or_digested():
    """The arguments that are shown and those that would run both have the contract's defaults."""
    found = look(TaskArgs, {"deal_id": "42", "subject": "Call"})
    assert found.problems == ()
    assert dict(found.masked) == dict(found.real) == {"deal_id": "42", "subject": "Call", "days": 3}
    assert found.model == TaskArgs(deal_id="42", subject="Call", days=3)


class Inner(BaseModel):
    n: int = Field(default=0, ge=0)
    word: str = Field(default="", max_length=30)


class Everything(BaseModel):
    n: int = 0
    amount: float = 0.0
    flag: bool = False
    day: date | None = None
    kind: Literal["call", "visit"] = "call"
    inner: Inner = Inner()
    many: list[Inner] = []
    named: dict[Annotated[str, Field(max_length=9)], Inner] = {}
    pair: tuple[Inner, int] | None = None
    either: Inner | int = 0


@pytest.mark.req("B4", "B12")
@pytest.mark.parametrize(
    ("args", "code", "path"),
    [
        ({"other": 1}, Code.ARGUMENT_UNKNOWN, "other"),
        ({"other": None}, Code.ARGUMENT_UNKNOWN, "other"),
        ({"inner": {"n": 1, "other": 1}}, Code.ARGUMENT_UNKNOWN, "inner.other"),
        ({"many": [{}, {"other": 1}]}, Code.ARGUMENT_UNKNOWN, "many.1.other"),
        ({"named": {"x": {"other": 1}}}, Code.ARGUMENT_UNKNOWN, "named.x.other"),
        ({"pair": [{"other": 1}, 2]}, Code.ARGUMENT_UNKNOWN, "pair.0.other"),
        ({"either": {"other": 1}}, Code.ARGUMENT_UNKNOWN, "either.other"),
        ({"n": True}, Code.ARGUMENTS_INVALID, "n"),
        ({"n": "1"}, Code.ARGUMENTS_INVALID, "n"),
        ({"n": 1.0}, Code.ARGUMENTS_INVALID, "n"),
        ({"n": 1.5}, Code.ARGUMENTS_INVALID, "n"),
        ({"n": None}, Code.ARGUMENTS_INVALID, "n"),
        ({"amount": "1.5"}, Code.ARGUMENTS_INVALID, "amount"),
        ({"amount": True}, Code.ARGUMENTS_INVALID, "amount"),
        ({"flag": 1}, Code.ARGUMENTS_INVALID, "flag"),
        ({"flag": "yes"}, Code.ARGUMENTS_INVALID, "flag"),
        ({"day": "tomorrow"}, Code.ARGUMENTS_INVALID, "day"),
        ({"day": "2026-02-30"}, Code.ARGUMENTS_INVALID, "day"),
        ({"day": 20260105}, Code.ARGUMENTS_INVALID, "day"),
        ({"kind": "Call"}, Code.ARGUMENTS_INVALID, "kind"),
        ({"kind": "delete"}, Code.ARGUMENTS_INVALID, "kind"),
        ({"inner": []}, Code.ARGUMENTS_INVALID, "inner"),
        ({"inner": {"n": -1}}, Code.ARGUMENTS_INVALID, "inner.n"),
        ({"inner": {"n": True}}, Code.ARGUMENTS_INVALID, "inner.n"),
        ({"many": {"0": {}}}, Code.ARGUMENTS_INVALID, "many"),
        ({"many": [{"n": "1"}]}, Code.ARGUMENTS_INVALID, "many.0.n"),
    ],
)
def test_arguments_are_read_strictly_and_closed(args, code, path):
    """No bool for an int, no text for a number, and no unknown name at any depth."""
    found = look(Everything, args)
    assert (code, path) in codes(found)
    assert found.model is None


@pytest.mark.req("B12")
@pytest.mark.parametrize("extra", ["allow", "ignore", "forbid"])
def test_the_world_is_closed_whatever_the_models_own_setting(extra):
    """A model that would take or drop an unknown name does not open the contract, nested models included."""
    Part = create_model("Part", __config__=ConfigDict(extra=extra), n=(int, 0))
    Args = create_model("Args", __config__=ConfigDict(extra=extra), part=(Part, Part()))
    assert codes(look(Args, {"hidden": "x"})) == {(Code.ARGUMENT_UNKNOWN, "hidden")}
    assert codes(look(Args, {"part": {"n": 1, "hidden": "x"}})) == {(Code.ARGUMENT_UNKNOWN, "part.hidden")}


def test_missing_arguments_are_named():
    """Each argument without a default that was left out is one problem."""
    assert codes(look(TaskArgs, {})) == {(Code.ARGUMENTS_INVALID, "deal_id"), (Code.ARGUMENTS_INVALID, "subject")}


@pytest.mark.req("B4")
def test_the_policys_rules_are_evaluated_on_filled_arguments():
    """A rule sees the default that would run, not the gap that was proposed."""
    where = {"properties": {"days": {"maximum": 2}, "subject": {"pattern": "^[A-Z][a-z]*$"}}}
    found = look(TaskArgs, {"deal_id": "42", "subject": "call"}, where=where)
    assert codes(found) == {(Code.ARGUMENT_NOT_PERMITTED, "days"), (Code.ARGUMENT_NOT_PERMITTED, "subject")}
    assert found.model is None
    assert look(TaskArgs, {"deal_id": "42", "subject": "Call", "days": 2}, where=where).problems == ()


def test_a_tool_that_no_rule_names_is_read_all_the_same():
    """Without a permission the arguments are still read by the contract; scope denies the call."""
    assert read(contract(), None, {"deal_id": "42", "subject": "x"}, find).problems == ()


# ---- pseudonyms


class Contact(BaseModel):
    name: str = Field(max_length=100)
    note: str = Field(default="", max_length=100)


@pytest.mark.req("A11", "A23")
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"name": "<PERSON_1>"}, set()),
        ({"name": "<PERSON_1> or <EMAIL_1>"}, set()),
        ({"name": "<PERSON_2>"}, {(Code.PSEUDONYM_UNKNOWN, "name")}),
        ({"name": "<PERSON_1><PERSON_2>"}, {(Code.PSEUDONYM_UNKNOWN, "name")}),
        ({"name": "x", "note": "<PERSON_1>"}, {(Code.PSEUDONYM_NOT_PERMITTED, "note")}),
        ({"name": "x", "note": "call <PHONE_1>!"}, {(Code.PSEUDONYM_NOT_PERMITTED, "note")}),
        ({"name": "x", "note": "<PHONE_7>"}, {(Code.PSEUDONYM_UNKNOWN, "note")}),
        ({"name": "<TOKEN_1>", "note": "<person_1> <PERSON_0> <PERSON_01>"}, set()),
    ],
)
def test_a_pseudonym_must_exist_and_be_permitted_where_it_stands(args, expected):
    """A pseudonym that was never minted, and one in an argument that takes no personal data, are refused."""
    assert codes(look(Contact, args, unmask={"name"})) == expected


@pytest.mark.req("A11")
def test_values_come_back_for_the_run_alone():
    """What would run has the values; what is stored, shown and digested has the pseudonyms."""
    found = look(Contact, {"name": "<PERSON_1> (<PHONE_1>)", "note": "n"}, unmask={"name"})
    assert found.model == Contact(name="Anna Kowalska (+48600100200)", note="n")
    assert found.real["name"] == "Anna Kowalska (+48600100200)"
    assert found.masked == {"name": "<PERSON_1> (<PHONE_1>)", "note": "n"}


@pytest.mark.req("A11", "B4")
def test_lengths_are_measured_on_the_value():
    """The contract judges what would run, not the length of the pseudonym."""

    class Short(BaseModel):
        name: str = Field(max_length=11)

    found = look(Short, {"name": "<PERSON_1>"}, unmask={"name"})
    assert codes(found) == {(Code.ARGUMENTS_INVALID, "name")}


def test_a_pseudonym_in_a_key_is_judged_as_well():
    """Keys can carry data like values do."""

    class Keyed(BaseModel):
        labels: dict[Annotated[str, Field(max_length=20)], int]

    assert codes(look(Keyed, {"labels": {"<PERSON_1>": 1}})) == {(Code.PSEUDONYM_NOT_PERMITTED, "labels")}
    assert list(tokens({"<PERSON_1>": ["<EMAIL_2>", {"a": ("x<IP_3>y",)}]})) == ["<PERSON_1>", "<EMAIL_2>", "<IP_3>"]


class Person(BaseModel):
    first: str = Field(max_length=50)
    last: str = Field(default="", max_length=50)


class Computed(BaseModel):
    name: str = Field(max_length=100)

    @computed_field
    @property
    def greeting(self) -> str:
        return f"Dear {self.name}"


class Copied(BaseModel):
    name: str = Field(max_length=100)
    title: str = Field(default="", max_length=100)

    @model_validator(mode="after")
    def _fill(self):
        self.title = self.title or f"Call {self.name}"
        return self


class Unique(BaseModel):
    name: list[Annotated[str, Field(max_length=50)]]

    @field_validator("name")
    @classmethod
    def _once(cls, value):
        return list(dict.fromkeys(value))


class Normalised(BaseModel):
    name: list[Annotated[str, Field(max_length=50)]]

    @field_validator("name")
    @classmethod
    def _sort(cls, value):
        return sorted(value, reverse=True)


class Nested(BaseModel):
    name: list[Person]


@pytest.mark.req("A23", "B16")
@pytest.mark.parametrize(
    ("model", "args", "stored"),
    [
        (
            Nested,
            {"name": [{"first": "<PERSON_1>"}, {"first": "y", "last": "<EMAIL_1>"}]},
            {"name": [{"first": "<PERSON_1>", "last": ""}, {"first": "y", "last": "<EMAIL_1>"}]},
        ),
        (Computed, {"name": "<PERSON_1>"}, {"name": "<PERSON_1>"}),
        (Copied, {"name": "<PERSON_1>"}, {"name": "<PERSON_1>", "title": "Call <PERSON_1>"}),
        (Unique, {"name": ["zzz", "<PERSON_1>", "<PERSON_1>"]}, {"name": ["zzz", "<PERSON_1>"]}),
        (Normalised, {"name": ["<PERSON_1>", "zzz", "<EMAIL_1>"]}, {"name": ["zzz", "<EMAIL_1>", "<PERSON_1>"]}),
        (Normalised, {"name": ["call <PERSON_1>", "Anna K", "zzz"]}, {"name": ["zzz", "call <PERSON_1>", "Anna K"]}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_no_value_stands_in_what_is_stored(model, args, stored):
    """Whatever a contract computes, copies, sorts or drops, the stored arguments are those that run, with pseudonyms."""
    found = look(model, args, unmask={"name"})
    assert found.problems == ()
    assert found.masked == stored
    real = found.model.model_dump(mode="json", round_trip=True)
    assert json.loads(TOKEN.sub(lambda match: VALUES[match[0]], json.dumps(stored))) == real


@pytest.mark.req("A23")
def test_a_value_that_a_contract_normalises_is_stored_as_it_was_proposed():
    """The pseudonym stands for the value in every spelling."""

    class Phone(BaseModel):
        phone: str = Field(max_length=30)

        @field_validator("phone")
        @classmethod
        def _spaced(cls, value):
            return " ".join(value)

    found = look(Phone, {"phone": "<PHONE_1>"}, unmask={"phone"})
    assert found.model.phone.startswith("+ 4 8")
    assert found.masked == {"phone": "<PHONE_1>"}


def test_words_that_were_proposed_are_stored_as_they_are():
    """Plain words that happen to contain a value are not rewritten: what is shown is what runs."""
    found = look(Contact, {"name": "<PERSON_1>", "note": "anna kowalskaya street"}, unmask={"name"})
    assert found.masked == {"name": "<PERSON_1>", "note": "anna kowalskaya street"}


# ---- problems


class Talkative(BaseModel):
    value_error: str = Field(default="", max_length=100)
    assertion: str = Field(default="", max_length=100)
    custom: str = Field(default="", max_length=100)

    @field_validator("value_error")
    @classmethod
    def _value(cls, value):
        if value:
            raise ValueError(f"{value} is not nice")
        return value

    @field_validator("assertion")
    @classmethod
    def _assertion(cls, value):
        assert not value, f"{value} is not nice"
        return value

    @field_validator("custom")
    @classmethod
    def _custom(cls, value):
        if value:
            raise PydanticCustomError("not_nice", "{value} is not nice", {"value": value})
        return value


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Tagged(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Broken(BaseModel):
    name: str = Field(max_length=100)

    @field_validator("name")
    @classmethod
    def _broken(cls, value):
        return {"a": 1}[value]


@pytest.mark.req("A23", "B6")
@pytest.mark.parametrize(
    ("model", "args"),
    [
        (Talkative, {"value_error": "<PERSON_1>"}),
        (Talkative, {"assertion": "<PERSON_1>"}),
        (Talkative, {"custom": "<PERSON_1>"}),
        (Tagged, {"pet": {"kind": "<PERSON_1>"}}),
        (Everything, {"n": "<PERSON_1>"}),
        (Everything, {"day": "<PERSON_1>"}),
        (Everything, {"kind": "<PERSON_1>"}),
        (Everything, {"inner": "<PERSON_1>"}),
        (Broken, {"name": "<PERSON_1>"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value.__name__,
)
def test_a_problem_never_repeats_the_value(model, args):
    """A validator's words may hold the value, so they are not used; a validator that breaks denies the call."""
    found = look(model, args, unmask=set(model.model_fields))
    assert {problem.code for problem in found.problems} == {Code.ARGUMENTS_INVALID}
    assert not [problem for problem in found.problems if "Anna" in problem.message or "Anna" in problem.path]
    assert found.model is None


# ---- unbounded free text


class Colour(Enum):
    RED = "red"


class Loop(BaseModel):
    word: str = Field(max_length=9)
    child: Loop | None = None


class Endless(BaseModel):
    word: str
    child: Endless | None = None


class Loose(BaseModel):
    text: str


class Tight(BaseModel):
    text: str = Field(max_length=9)


class Counts(BaseModel):
    n: int
    days: list[date] = []


class Texts(BaseModel):
    texts: list[Annotated[str, Field(max_length=9)]]


class Tree(BaseModel):
    word: str = Field(max_length=9)
    children: list[Tree] = []


class Named(TypedDict):
    a: int
    b: NotRequired[Annotated[str, Field(max_length=9)]]


class Kept(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    a: Annotated[str, Field(max_length=9)]


class Listed(TypedDict):
    b: list[Annotated[str, Field(max_length=9)]]


@dataclass
class Record:
    a: int = 1


Short = Annotated[str, Field(max_length=9)]
FEW = Field(max_length=3)
BOUNDED = [
    int, float, bool, None, date, Decimal, Colour, Loop, Tight, Short, Literal["a", "b"], Literal["a"] | None,
    Annotated[list[Short], FEW], tuple[Short, int], Annotated[tuple[Short, ...], FEW], dict[Literal["a"], int],
    Annotated[dict[Short, Short], FEW], Annotated[list[Tight], FEW] | None, Annotated[list[Short | int], FEW],
    Annotated[list[Annotated[list[Short], FEW]], FEW], Annotated[dict[Short, Annotated[list[Short], FEW]], FEW],
    list[int], list[list[float]], list[Colour], list[Literal["a", "b"] | None], list[date], tuple[int, ...], list[Counts],
    dict[int, int], dict[Colour, Short], dict[date, int], dict[Literal["a", "b"], Short], dict[Colour, Counts],
    Annotated[dict[int, Short], FEW], Annotated[dict[Annotated[str, Field(pattern="^[a-z]{1,5}$")], int], FEW],
    Named, Kept, Record, Annotated[list[Kept], FEW],
    Annotated[Loop | Tight, Field(description="either")], ipaddress.IPv4Address,
    Annotated[str, Field(pattern="^[A-Z]{2}[0-9]{4}$")],
]  # fmt: skip
UNBOUNDED = [
    (str, "a"), (str | None, "a"), (Any, "a"), (object, "a"), (str | int, "a"), (float | str, "a"), (bytes, "a"),
    (SecretStr, "a"), (Json, "a"), (AnyUrl, "a"), (IPvAnyAddress, "a"), (ipaddress.IPv6Address, "a"),
    (list, "a"), (dict, "a"), (tuple, "a"), (list[str], "a"), (list[list[str]], "a"),
    (list[str | None], "a"), (list[Any], "a"), (tuple[str, int], "a"), (tuple[int, ...] | tuple[int, str], "a"),
    (dict[str, str], "a"), (dict[str, int], "a"), (dict[str, Any], "a"), (dict[Short, str], "a"),
    (list[Short], "a"), (tuple[Short, ...], "a"), (list[Short] | None, "a"), (list[Short | int], "a"),
    (list[Tight], "a"), (list[tuple[int, Short]], "a"), (Annotated[list[list[Short]], FEW], "a[]"),
    (list[Annotated[list[Short], FEW]], "a"), (dict[Short, int], "a"), (dict[int, Short], "a"), (dict[date, Short], "a"),
    (dict[Colour, list[Short]], "a.*"), (Annotated[dict[Short, list[Short]], FEW], "a.*"), (list[dict[Short, int]], "a"),
    (Annotated[list[dict[Short, int]], FEW], "a[]"), (Texts, "a.texts"), (Tree, "a.children"), (list[Kept], "a"),
    (dict[Annotated[str, Field(pattern="^[a-z]{1,5}$")], str], "a"), (Listed, "a.b"), (list[Annotated[str, Field(pattern="^[A-Z]{2}$")]], "a"),
    (dict[Short, list[str]], "a"), (Loose, "a.text"), (Loose | None, "a.text"), (list[Loose], "a"),
    (Tight | Loose, "a.text"), (Endless, "a.word"), (Annotated[str, Field(min_length=1)], "a"),
    (Annotated[str, Field(pattern="^[a-z]+$")], "a"), (Annotated[str, Field(pattern="^[a-z]{2,}$")], "a"),
    (Annotated[str, Field(pattern="[a-z]")], "a"), (Annotated[str, Field(pattern="^a|b$")], "a"),
    (Annotated[str, Field(pattern="^(?m)[a-z]$")], "a"), (Annotated[str, Field(pattern=r"^[a-z]\$")], "a"),
]  # fmt: skip


@pytest.mark.req("B12", "B18")
@pytest.mark.parametrize("kind", BOUNDED, ids=str)
def test_bounded_arguments_are_accepted(kind):
    """Closed words, numbers, dates, lengths and closed patterns bound a text, in any nesting."""
    refuse_free_text(contract("a.b", args=create_model("Args", a=(kind, ...))), ToolRule.model_validate(rule()))


@pytest.mark.req("B12", "B18")
@pytest.mark.parametrize(("kind", "path"), UNBOUNDED, ids=[str(kind) for kind, _ in UNBOUNDED])
def test_text_of_any_length_is_refused_when_the_gateway_is_built(kind, path):
    """An argument that takes free text, at any depth and behind any type, is refused with its path."""
    tool = contract("a.b", args=create_model("Args", a=(kind, ...)))
    with pytest.raises(ConfigError) as caught:
        refuse_free_text(tool, ToolRule.model_validate(rule()))
    assert "'a.b'" in str(caught.value)
    assert f"'{path}" in str(caught.value)


@pytest.mark.req("B12")
def test_a_model_that_is_its_own_part_is_looked_into():
    """An args model that refers to itself is checked like any other."""
    with pytest.raises(ConfigError, match="'word'"):
        refuse_free_text(contract("a.b", args=Endless), ToolRule.model_validate(rule()))


@pytest.mark.req("B12")
def test_a_model_without_named_arguments_is_refused():
    """A root model has no argument names that a policy could rule, so it is no args model."""

    class Free(RootModel[dict[str, str]]):
        pass

    with pytest.raises(ConfigError, match=r"'a\.b'"):
        refuse_free_text(contract("a.b", args=Free), ToolRule.model_validate(rule()))


@pytest.mark.req("B12")
@pytest.mark.parametrize(
    ("entry", "fine"),
    [
        ({"maxLength": 50}, True),
        ({"enum": ["a", "b"]}, True),
        ({"const": "a"}, True),
        ({"type": "string"}, False),
        ({"minLength": 1}, False),
        ({"pattern": "^.*$"}, False),
    ],
)
def test_the_policy_may_bound_what_the_contract_does_not(entry, fine):
    """A length, a list of words or one word under ``where`` bounds a text; other keywords do not."""
    permission = ToolRule.model_validate(rule(where={"properties": {"text": entry}}))
    tool = contract("a.b", args=Loose)
    if fine:
        refuse_free_text(tool, permission)
        return
    with pytest.raises(ConfigError, match="'text'"):
        refuse_free_text(tool, permission)


@pytest.mark.req("B12", "B18")
@pytest.mark.parametrize(
    ("kind", "where", "fine"),
    [
        (list[Short], {"maxItems": 5}, True),
        (list[Short] | None, {"maxItems": 5}, True),
        (list[Short], {"type": "array"}, False),
        (list[str], {"maxItems": 5}, False),
        (list[list[Short]], {"maxItems": 5}, False),
        (list[Texts], {"maxItems": 5}, False),
        (Texts, {"maxItems": 5}, False),
        (dict[Short, int], {"maxItems": 5}, False),
    ],
    ids=str,
)
def test_the_policy_may_bound_how_many_texts_a_list_has(kind, where, fine):
    """``maxItems`` bounds the argument's own list, and no list inside it."""
    tool = contract("a.b", args=create_model("Args", a=(kind, ...)))
    permission = ToolRule.model_validate(rule(where={"properties": {"a": where}}))
    if fine:
        refuse_free_text(tool, permission)
        return
    with pytest.raises(ConfigError, match="'a"):
        refuse_free_text(tool, permission)


@pytest.mark.req("B12")
@pytest.mark.parametrize(
    ("kind", "words"),
    [(list[Short], "max_length in the args model, or a maxItems"), (dict[Short, int], "the dict a max_length")],
)
def test_what_has_no_number_is_told_how_to_get_one(kind, words):
    """The error says which bound is missing, in the words of the args model and of the policy."""
    with pytest.raises(ConfigError, match=f"'a' is text of any length.*{words}"):
        refuse_free_text(contract("a.b", args=create_model("Args", a=(kind, ...))), ToolRule.model_validate(rule()))


# ---- keys that the contract does not have


class Deep(BaseModel):
    named: Named | None = None
    kept: Kept | None = None
    record: Record | None = None
    several: list[Kept] = Field(default_factory=list, max_length=3)
    by_name: dict[Short, Kept] = Field(default_factory=dict, max_length=3)
    either: Named | Tight | None = None
    free: dict[Short, int] = Field(default_factory=dict, max_length=3)
    numbers: dict[int, int] = {}
    days: dict[date, Colour] = {}
    words: dict[Colour, int] = {}


@pytest.mark.req("B12")
@pytest.mark.parametrize(
    ("args", "path"),
    [
        ({"named": {"a": 1}}, None),
        ({"named": {"a": 1, "b": "x"}}, None),
        ({"kept": {"a": "x"}}, None),
        ({"record": {"a": 2}}, None),
        ({"either": {"text": "x"}}, None),
        ({"free": {"any": 1, "name": 2}}, None),
        ({"numbers": {"7": 1}}, None),
        ({"days": {"2026-01-05": "red"}}, None),
        ({"words": {"red": 1}}, None),
        ({"named": {"a": 1, "c": 1}}, "named.c"),
        ({"kept": {"c": "x" * 1000}}, "kept.c"),
        ({"record": {"a": 2, "c": 3}}, "record.c"),
        ({"several": [{"a": "x"}, {"c": 1}]}, "several.1.c"),
        ({"by_name": {"x": {"c": 1}}}, "by_name.x.c"),
        ({"kept": {"a": "x"}, "more": 1}, "more"),
    ],
)
def test_no_key_is_taken_that_the_contract_does_not_have(args, path):
    """Typed dictionaries and data classes are closed too, whatever they do with other keys themselves; a dict's keys are
    free, and of its type."""
    found = look(Deep, args)
    assert codes(found) == (set() if path is None else {(Code.ARGUMENT_UNKNOWN, path)})
    assert (found.model is None) == (path is not None)


@pytest.mark.req("B12")
@pytest.mark.parametrize("args", [{"either": {"text": "x", "c": 1}}, {"either": {"a": 1, "c": 1}}])
def test_no_key_is_added_to_either_of_two(args):
    """Of two forms none has the key."""
    found = look(Deep, args)
    assert Code.ARGUMENT_UNKNOWN in {code for code, _ in codes(found)}
    assert found.model is None


@pytest.mark.req("B12")
@pytest.mark.parametrize("args", [{"free": {"x" * 10: 1}}, {"free": dict.fromkeys("abcd", 1)}, {"numbers": {"x": 1}}])
def test_free_keys_are_bounded_texts(args):
    """A key that is too long or of another type, and one too many, is refused as a value is."""
    assert {code for code, _ in codes(look(Deep, args))} == {Code.ARGUMENTS_INVALID}


def test_a_pseudonym_is_one_of_the_known_types_and_a_plain_number():
    """The form of a pseudonym is closed."""
    assert all(TOKEN.fullmatch(f"<{kind}_1>") for kind in ENTITY_TYPES)
    for text in ("<PERSON_0>", "<PERSON_>", "<PERSON_1000000>", "<NAME_1>", "PERSON_1", "<PERSON_١>", "<person_1>"):
        assert not TOKEN.fullmatch(text)


# ---- whether anybody else sees it


class Trimmed(BaseModel):
    guests: list[str] | None = Field(default=None, max_length=5)
    team: str | None = Field(default="", max_length=40)
    teams: dict[str, str] = Field(default_factory=dict, max_length=5)

    @field_validator("team")
    @classmethod
    def _trim(cls, value):
        return value and value.strip()


class Verbatim(BaseModel):
    guests: list[str | list[str] | None] = Field(default_factory=list, max_length=5)
    team: str | None = Field(default="", max_length=40)


class Crowded(BaseModel):
    guests: list[str] = Field(default=["all"], max_length=5)


class Unseen(BaseModel):
    guests: list[str] = Field(default_factory=list, max_length=5, exclude=True)


ALL = ("guests", "team", "teams")


def audience(model, args, values=None):
    named = tuple(name for name in ALL if name in model.model_fields)
    tool = contract("a.b", args=model, effect="send", sensitive=set(named), audience=named, unmask=set(named))
    found = read(tool, ToolRule.model_validate(rule()), args, (values or VALUES_OF).get)
    return has_audience(tool, found)


VALUES_OF = {token: find(token) for token in VALUES} | {
    "<EMAIL_7>": Entry(token="<EMAIL_7>", type="EMAIL", value="", origins=("user",))
}


@pytest.mark.req("B1", "A12")
@pytest.mark.parametrize(
    ("model", "args", "expected"),
    [
        (Trimmed, {}, False),
        (Trimmed, {"guests": None, "team": None}, False),
        (Trimmed, {"guests": [], "team": "", "teams": {}}, False),
        (Trimmed, {"team": " \t "}, False),
        (Trimmed, {"guests": ["bob"]}, True),
        (Trimmed, {"guests": [""]}, True),
        (Trimmed, {"guests": [" "]}, True),
        (Trimmed, {"team": "sales"}, True),
        (Trimmed, {"guests": [], "team": "sales"}, True),
        (Trimmed, {"teams": {"a": ""}}, True),
        (Trimmed, {"guests": ["<EMAIL_1>"]}, True),
        (Trimmed, {"team": "<EMAIL_7>"}, True),
        (Trimmed, {"guests": ["<EMAIL_7>"]}, True),
        (Trimmed, {"guests": ["<EMAIL_9>"]}, True),
        (Trimmed, {"guests": 0}, True),
        (Trimmed, {"guests": False}, True),
        (Trimmed, {"guests": {}}, True),
        (Trimmed, {"guests": "bob"}, True),
        (Trimmed, {"cc": ["bob"]}, True),
        (Verbatim, {}, False),
        (Verbatim, {"team": " "}, True),
        (Verbatim, {"team": "\u200b"}, True),
        (Verbatim, {"guests": [None]}, True),
        (Verbatim, {"guests": [[]]}, True),
        (Verbatim, {"guests": [["bob"]]}, True),
        (Crowded, {}, True),
        (Crowded, {"guests": []}, False),
        (Unseen, {}, True),
        (Unseen, {"guests": ["bob"]}, True),
    ],
)
def test_an_audience_is_empty_only_where_the_model_says_so(model, args, expected):
    """Nothing, an empty text, list or object is nobody; spaces, lists of nothing, what is not read, what is not shown
    and a pseudonym of nothing are somebody; a default is looked at after it is filled.
    """
    assert audience(model, args) is expected


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "guests": st.none() | st.lists(st.text(max_size=2), max_size=2),
            "team": st.none() | st.text(max_size=2),
        },
    ),
    st.text(min_size=1, max_size=3),
)
def test_one_guest_more_is_an_audience(args, guest):
    """Whatever a call names, with one guest more it has an audience."""
    assert audience(Verbatim, args | {"guests": [*(args.get("guests") or []), guest]}) is True


def test_without_an_audience_in_the_contract_everybody_sees_it():
    """Only a contract can say that nobody does."""
    found = look(Trimmed, {}, effect="send")
    assert has_audience(contract("a.b", args=Trimmed, effect="send"), found) is True
