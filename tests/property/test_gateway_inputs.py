"""Whatever a model sends to a gateway ends in a result; what is denied has not run, and nothing breaks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Annotated, Any, get_args

import pytest
from hypothesis import example, given, settings, strategies as st
from pydantic import BaseModel, Field

from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.masking import Masker
from agent_guard.policy import Policy
from agent_guard.tool import tool
from agent_guard.types import Code, Decision, Description, Party, Ref, Status, Subject, ToolResult

RAN: list[Any] = []


class Item(BaseModel):
    name: str = Field(max_length=30)
    price: Decimal | None = Field(default=None, max_digits=10)


class Order(BaseModel):
    deal_id: str = Field(max_length=20)
    text: str = Field(default="", max_length=100)
    amount: float = 0.0
    count: int = 0
    urgent: bool = False
    due: str | None = Field(default=None, max_length=30)
    items: list[Item] = Field(default_factory=list, max_length=5)
    labels: Annotated[dict[Annotated[str, Field(max_length=20)], int], Field(max_length=5)] | None = None


class Query(BaseModel):
    query: str = Field(default="", max_length=100)


class Made(BaseModel):
    text: str


@tool(
    name="shop.order",
    effect="write",
    timeout_s=5,
    refs={"deal_id": "deal"},
    key=("deal_id", "text"),
    sensitive={"amount"},
    unmask={"text", "items"},
)
def order(args: Order) -> Made:
    """Orders."""
    RAN.append(args)
    return Made(text=args.text)


@tool(name="shop.find", effect="read", timeout_s=5, unmask={"query"})
def find(args: Query) -> Made:
    """Finds."""
    RAN.append(args)
    return Made(text=args.query)


class Records:
    """Port ``Records``: every deal with a short id belongs to contact 17."""

    def describe(self, ref: Ref) -> Description | None:
        found = len(ref.id) < 4
        return Description(version="1", party="contact:17", region="kz", name="T", fields={}) if found else None


RULE: dict[str, Any] = {"roles": ["sales"], "region": "own", "mode": "execute", "approvers": {"roles": ["manager"]}}
POLICY = Policy.model_validate(
    {
        "version": 1,
        "name": "shop.v1",
        "limits": {"actions_per_thread": 1000, "attempts_per_thread": 10_000},
        "stop_words": ["en.txt"],
        "loops": {"same_call": 100, "cycle": 100},
        "tools": {
            "shop.find": RULE,
            "shop.order": RULE
            | {
                "bind": {"deal_id": "party"},
                "from": {"text": ["user", "trusted", "party", "untrusted", "invented"]},
                "domains": ["acme.example"],
                "limits": ["900/day/tool"],
                "not_after": {"due": "30d"},
                "where": {"properties": {"count": {"minimum": 0}}},
            },
        },
    }
)
MASKER = Masker(("en",), profile="patterns")
USER = Subject(id="u1", tenant="acme", roles={"sales"}, region="kz")


@contextmanager
def opened(rules: Policy = POLICY) -> Iterator[GuardedThread]:
    """One conversation."""
    RAN.clear()
    with Gateway([order, find], rules, url="sqlite://", environment="dev", records=Records(), masker=MASKER) as gateway:
        party = Party(id="contact:17", known={"PERSON": ["Anna Kowalska"]})
        yield gateway.open(USER, party=party, user_text="Order 7 for anna@kowalska.example")


NAUGHTY = [
    "", " ", "null", "undefined", "NaN", "\x00", "\x1b[31m", "\u200b", "\u202etxt.exe", "\ufeff", "\ufffd", "\ud800",
    "\udfff\ud800", "<PERSON_1>", "<EMAIL_1>", "<EMAIL_999999>", "<PERSON_0>", "<<PERSON_1>>", "<person_1>", "(derived)",
    "anna@kowalska.example", "a@b@c", "+48 512 345 679", "4111 1111 1111 1111", "https://evil.example/x", "javascript:x",
    "'; DROP TABLE calls; --", "{{7*7}}", "${jndi:ldap://x}", "%s%n", "../../etc/passwd", "<script>alert(1)</script>",
    "Ω≈ç√∫˜µ≤≥÷", "田中さん", "𝕬𝖓𝖓𝖆", "👩‍👩‍👧‍👦", "ﷺ" * 20, "Z̸̢̛a̷l̶g̵o̶", "\r\nBcc: x", "1e400", "-0", "0x1F", "٣", "é" * 99, "x" * 101,
    "x" * 70_000, "a.b" * 40, "@" * 80, "<" * 90, "1" * 60,
]  # fmt: skip
STRINGS = st.sampled_from(NAUGHTY) | st.text(max_size=20) | st.text(st.characters(), max_size=6)
NUMBERS = (
    st.integers(-9, 99)
    | st.sampled_from([2**31, 2**53 - 1, -(2**53) + 1, 2**53, 2**63, -(2**64), 10**30, 10**400])
    | st.sampled_from([0.5, -0.0, 1e-300, 7.0, math.nan, math.inf, -math.inf])
    | st.floats(-1e15, 1e15)
)
KEYS = st.sampled_from(
    ["deal_id", "text", "amount", "count", "urgent", "due", "items", "labels", "query", "name", "price", "reason"]
) | st.sampled_from(["Deal_id", "deal_id ", "dеal_id", "ｔext", "text\u200b", "__class__", "", "$ref", "a.b", "\ud800"])
JSONISH = st.recursive(
    st.none() | st.booleans() | NUMBERS | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | STRINGS, inner, max_size=3),
    max_leaves=8,
)
DEEP: Any = {"text": "x"}
for _ in range(60):
    DEEP = {"text": [DEEP]}
WIDE = {f"k{index}": index for index in range(5000)}
ORDERS = st.fixed_dictionaries(
    {"deal_id": st.sampled_from(["42", "7", "9999"]) | JSONISH},
    optional={
        "text": STRINGS,
        "amount": NUMBERS,
        "count": NUMBERS,
        "urgent": st.booleans(),
        "due": st.sampled_from(["2026-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "x"]) | JSONISH,
        "items": st.lists(st.fixed_dictionaries({"name": STRINGS}, optional={"price": NUMBERS | STRINGS}), max_size=2),
        "labels": st.dictionaries(KEYS | STRINGS, NUMBERS, max_size=2),
    },
)
ARGS = JSONISH | ORDERS | st.dictionaries(KEYS, JSONISH, max_size=4)
NAMES = (
    st.sampled_from(["shop.order", "shop.find"])
    | st.sampled_from(["shop.erase", "SHOP.ORDER", "shop.order ", ""])
    | STRINGS
)


def fine(result: ToolResult, before: int) -> None:
    """A result of the closed kinds; what did not run has run nothing."""
    assert result.status in get_args(Status)
    assert isinstance(result.code, Code)
    assert len(RAN) == before + (result.status == "executed")


@pytest.mark.req("B1", "B2")
@settings(max_examples=80)
@example(name="shop.order", args=DEEP)
@example(name="shop.order", args=WIDE)
@example(name="shop.find", args={"query": "x" * 70_000})
@example(name="shop.find", args={"query": ["\ud800"]})
@example(name="shop.order", args={"deal_id": "42", "count": 10**400})
@example(name="shop.order", args={"deal_id": "42", "amount": math.nan})
@example(name="shop.order", args={"deal_id": "42", "labels": {"\ud800": 1}})
@example(name="shop.order", args={"deal_id": "42", "deal_id ": "43", "dеal_id": "44", "Deal_id": "45"})
@given(name=NAMES, args=ARGS)
def test_any_arguments_end_in_a_result(name, args):
    """Whatever JSON-like data a call holds, it is looked at and made, and both end in a value and not in an exception."""
    with opened() as thread:
        decision = thread.check(name, args)
        assert isinstance(decision, Decision)
        assert RAN == []
        result = thread.invoke(name, args, call_id="c1")
        fine(result, 0)
        if result.status == "denied":
            assert thread.calls == []
        before = len(RAN)
        again = thread.invoke(name, args, call_id="c1")
        assert (again.status in (result.status, "duplicate"), len(RAN)) == (True, before)


@pytest.mark.req("B1", "A1")
@settings(max_examples=40)
@given(name=NAMES, args=ARGS)
def test_a_look_and_a_call_agree(name, args):
    """What ``check`` says is what ``invoke`` does: allowed calls run, the others do not."""
    with opened() as thread:
        decision = thread.check(name, args)
        result = thread.invoke(name, args, call_id="c1")
        assert result.code == (Code.ALLOWED if result.status == "executed" else decision.code)
        assert decision.allowed == (result.status == "executed") == bool(RAN)


@settings(max_examples=40)
@given(
    call_id=STRINGS | st.none(),
    reason=STRINGS | st.none(),
    name=st.sampled_from(["shop.find", "shop.erase"]),
)
def test_any_id_and_reason_end_in_a_result(call_id, reason, name):
    """The model's own id and reason are bounded and made harmless, whatever they hold."""
    with opened() as thread:
        result = thread.invoke(name, {"query": "x"}, call_id=call_id, reason=reason)
        fine(result, 0)
        assert len(result.call_id) <= 100
        assert result.call_id.isprintable()


@settings(max_examples=15)
@given(st.lists(st.tuples(NAMES, ARGS), min_size=2, max_size=5))
def test_one_bad_call_spoils_no_other(calls):
    """After any calls a good one still runs, and every call left a row of its own and a record that holds together."""
    with opened() as thread:
        for index, (name, args) in enumerate(calls):
            before = len(RAN)
            fine(thread.invoke(name, args, call_id=f"c{index}"), before)
        good = thread.invoke("shop.find", {"query": "a good one"}, call_id="good")
        assert good.status == "executed"
        with thread.gateway.store.read() as connection:
            rows = connection.exec_driver_sql("SELECT count(*) FROM calls").scalar()
        assert rows == len(calls) + 1


@pytest.mark.parametrize(
    "args", [None, [], "text", 7, True, math.nan, object(), {1: 2}, {"a": {2: 3}}, {"a": {1}}, {"a": b"x"}]
)
@pytest.mark.parametrize("name", ["shop.order", "no.such"])
def test_what_is_no_json_object_is_denied(name, args):
    """Arguments that are no mapping of JSON data are refused unread."""
    with opened() as thread:
        assert thread.check(name, args).outcome == "deny"
        result = thread.invoke(name, args)
        assert (result.status, RAN) == ("denied", [])
        assert result.code in (Code.ARGUMENTS_MALFORMED, Code.TOOL_UNKNOWN)


def test_a_circle_in_the_arguments_is_denied():
    """Data that contain themselves are too deep, and are not followed for ever."""
    around: dict[str, Any] = {"deal_id": "42"}
    around["items"] = [around]
    with opened() as thread:
        assert thread.check("shop.order", around).code == Code.ARGUMENTS_TOO_LARGE
        assert thread.invoke("shop.order", around).code == Code.ARGUMENTS_TOO_LARGE


@pytest.mark.parametrize("number", [float(2**53), 1e16, -1e300])
@pytest.mark.parametrize("name", ["shop.order", "shop.erase"])
def test_a_large_whole_float_ends_in_a_result(name, number):
    """1e300 is a number of JSON like any other."""
    with opened() as thread:
        thread.check(name, {"deal_id": "42", "amount": number})
        fine(thread.invoke(name, {"deal_id": "42", "amount": number}), 0)


def test_a_call_that_names_hundreds_of_people_ends_in_a_result():
    """More new values than a conversation takes at once deny the call as its look says."""
    text = {"query": "", "x": [f"a{index}@b{index}.example" for index in range(250)]}
    with opened() as thread:
        assert thread.check("shop.find", text).outcome == "deny"
        assert thread.invoke("shop.find", text).status == "denied"
