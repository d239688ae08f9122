"""What the guard remembers and looks up for a decision: limits, sums, earlier calls, moments, words, places and rights."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel, Field

from agent_guard.calls import Past
from agent_guard.errors import ConfigError, OutcomeUnknown, StoreError, ToolRejected, ToolUnavailable
from agent_guard.gateway import Gateway
from agent_guard.gathering import recall as recall_module
from agent_guard.guarded import GuardedThread
from agent_guard.masking import Masker
from agent_guard.nodes import GuardNodes, guarded_agent
from agent_guard.policy import Policy
from agent_guard.session import Session
from agent_guard.testing import FixedClock, ScriptedModel
from agent_guard.tool import tool
from agent_guard.types import Code, Description, Party, Ref, Subject

ALLOWED = Code.ALLOWED


class WholeAmount(BaseModel):
    amount: int


class Amount(BaseModel):
    amount: float


class ExactAmount(BaseModel):
    amount: Decimal = Field(max_digits=20)


class WrittenAmount(BaseModel):
    amount: str | None = Field(default=None, max_length=40)


class Text(BaseModel):
    text: str = Field(max_length=400)


class Thing(BaseModel):
    thing: str = Field(max_length=40)


class Moment(BaseModel):
    when: str | None = Field(default=None, max_length=40)


class DealRef(BaseModel):
    deal_id: str = Field(max_length=20)


class Done(BaseModel):
    n: int


class Till:
    """What was done; ``raises`` is what the next call ends with."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.raises: Exception | None = None

    def do(self, what: Any) -> Done:
        if self.raises is not None:
            raise self.raises
        self.done.append(what)
        return Done(n=len(self.done))


def contract(name: str, args: type[BaseModel], effect: str, **options: Any) -> Any:
    """A tool that does what it is told."""

    def run(args, till):
        """Does it."""
        return till.do(args.model_dump())

    run.__annotations__ = {"args": args, "return": Done}
    return tool(name=name, effect=effect, timeout_s=5, **options)(run)


TOOLS = [
    contract("pay.whole", WholeAmount, "write"),
    contract("pay.float", Amount, "write"),
    contract("pay.exact", ExactAmount, "write"),
    contract("pay.text", WrittenAmount, "write"),
    contract("mail.send", Text, "send", unmask={"text"}),
    contract("mail.draft", Text, "draft", unmask={"text"}),
    contract("shop.look", Thing, "read", unmask={"thing"}),
    contract("shop.buy", Thing, "write", unmask={"thing"}),
    contract("shop.book", Moment, "draft"),
    contract("crm.read", DealRef, "read", refs={"deal_id": "deal"}),
]
USER = Subject(id="u1", tenant="acme", roles={"sales"}, region="kz")
BOSS = Subject(id="m7", tenant="acme", roles={"manager"}, region="kz")
COLLEAGUE = Subject(id="u2", tenant="acme", roles={"sales"}, region="kz")
STRANGER = Subject(id="u1", tenant="other", roles={"sales"}, region="kz")
LIMITS = {"actions_per_thread": 500, "attempts_per_thread": 1000}


class Records:
    """Deals: ``kz`` lies in Kazakhstan, ``pl`` in Poland."""

    def describe(self, ref: Ref) -> Description | None:
        return Description(version="1", party="contact:17", region=ref.id, name="Trucks", fields={"name": "plain"})


def policy(entries: dict[str, dict[str, Any]] | None = None, **top: Any) -> Policy:
    """Every tool is executed for the role ``sales``, with these changes."""
    rules: dict[str, dict[str, Any]] = {item.name: {"roles": ["sales"], "mode": "execute"} for item in TOOLS}
    for name, change in (entries or {}).items():
        rules[name] |= change
    data = {"version": 1, "name": "shop.v1", "limits": LIMITS, "loops": {"same_call": 90}, "tools": rules}
    return Policy.model_validate(data | top)


class Shop:
    """Gateways over one till and one clock."""

    def __init__(self, masker: Masker) -> None:
        self.masker, self.clock, self.till = masker, FixedClock(), Till()
        self.made: list[Gateway] = []

    def gateway(self, rules: Policy | dict[str, Policy] | None = None, **options: Any) -> Gateway:
        given = {
            "url": "sqlite://",
            "environment": "dev",
            "resources": {"till": self.till},
            "records": Records(),
            "masker": self.masker,
            "clock": self.clock,
        }
        self.made.append(Gateway(TOOLS, rules or policy(), **(given | options)))
        return self.made[-1]

    def thread(self, entries: dict[str, dict[str, Any]] | None = None, **top: Any) -> GuardedThread:
        return self.gateway(policy(entries, **top)).open(USER)


@pytest.fixture
def shop(quick_masker: Masker) -> Iterator[Shop]:
    made = Shop(quick_masker)
    yield made
    for gateway in made.made:
        gateway.close()


def told(thread: GuardedThread, name: str, **args: Any) -> Code:
    """The code of a call that is made."""
    return thread.invoke(name, args).code


# ---- how often


@pytest.mark.req("A3")
def test_actions_are_calls_that_ran_whatever_became_of_them(shop):
    """Done, failed and unknown calls keep their place; denied ones and looks take none."""
    thread = shop.thread({"shop.buy": {"roles": ["nobody"]}}, limits=LIMITS | {"actions_per_thread": 3})
    assert told(thread, "shop.look", thing="a") == ALLOWED
    shop.till.raises = ToolRejected(code="closed")
    assert told(thread, "pay.float", amount=1) == Code.TOOL_REJECTED
    shop.till.raises = OutcomeUnknown("lost")
    assert told(thread, "pay.float", amount=2) == Code.OUTCOME_UNKNOWN
    shop.till.raises = None
    assert told(thread, "shop.buy", thing="a") == Code.ROLE
    assert thread.check("shop.look", {"thing": "b"}).code == Code.LIMIT_ACTIONS
    assert told(thread, "shop.look", thing="b") == Code.LIMIT_ACTIONS


@pytest.mark.req("A3")
def test_denied_calls_take_no_action_and_every_call_is_an_attempt(shop):
    """What was denied may be corrected, but not for ever: attempts count whatever was decided, and then it stops."""
    thread = shop.thread(limits={"actions_per_thread": 2, "attempts_per_thread": 4})
    codes = [told(thread, "shop.look", thing="x" * 50) for _ in range(2)]
    codes += [told(thread, "shop.look", thing=letter) for letter in "abc"]
    assert codes == [Code.ARGUMENTS_INVALID] * 2 + [ALLOWED] * 2 + [Code.LIMIT_ATTEMPTS]
    assert thread.invoke("shop.look", {"thing": "d"}).stop


@pytest.mark.req("A3")
def test_a_retry_of_one_call_is_one_attempt_and_one_action(shop):
    """The same call id with the same arguments takes one place of everything."""
    thread = shop.thread(limits={"actions_per_thread": 1, "attempts_per_thread": 2})
    results = [thread.invoke("shop.look", {"thing": "a"}, call_id="c1") for _ in range(5)]
    assert [item.status for item in results] == ["executed", *["duplicate"] * 4]
    assert told(thread, "shop.look", thing="b") == Code.LIMIT_ACTIONS


CONTEXTS: dict[str, tuple[Subject, str]] = {
    "the same user about the same customer": (USER, "contact:17"),
    "the same user about another customer": (USER, "contact:18"),
    "a colleague about the same customer": (COLLEAGUE, "contact:17"),
    "a colleague about another customer": (COLLEAGUE, "contact:18"),
    "another company": (STRANGER, "contact:17"),
}
SCOPES = {
    "thread": [],
    "subject": ["the same user about the same customer", "the same user about another customer"],
    "party": ["the same user about the same customer", "a colleague about the same customer"],
    "tenant": list(CONTEXTS)[:4],
    "tool": list(CONTEXTS),
}


@pytest.mark.req("A3", "B7")
@pytest.mark.parametrize("kind", ["rate", "total"])
@pytest.mark.parametrize("scope", SCOPES)
def test_a_limit_holds_for_exactly_its_scope(shop, scope, kind):
    """Two places of a limit are used in one conversation; which others are stopped by that depends on the scope."""
    rule: dict[str, Any] = (
        {"limits": [f"2/hour/{scope}"]}
        if kind == "rate"
        else {"totals": [{"arg": "amount", "max": 20, "per": f"hour/{scope}"}]}
    )
    gateway = shop.gateway(policy({"pay.float": rule}))
    first = gateway.open(USER, party=Party(id="contact:17"))
    assert [told(first, "pay.float", amount=10) for _ in range(2)] == [ALLOWED, ALLOWED]
    full = Code.LIMIT_RATE if kind == "rate" else Code.LIMIT_TOTAL
    assert told(first, "pay.float", amount=10) == full
    stopped = [
        name
        for name, (person, party) in CONTEXTS.items()
        if told(gateway.open(person, party=Party(id=party)), "pay.float", amount=10) == full
    ]
    assert stopped == SCOPES[scope]
    assert told(first, "pay.exact", amount="10") == ALLOWED


def test_a_conversation_about_nobody_has_a_limit_of_its_own(shop):
    """Where there is no customer, a customer's limit is the conversation's."""
    gateway = shop.gateway(policy({"shop.look": {"limits": ["1/hour/party"]}}))
    first, second = gateway.open(USER), gateway.open(USER)
    assert [told(first, "shop.look", thing=letter) for letter in "ab"] == [ALLOWED, Code.LIMIT_RATE]
    assert told(second, "shop.look", thing="a") == ALLOWED


@pytest.mark.req("A3", "A15")
@pytest.mark.parametrize(("unit", "seconds"), [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400)])
@pytest.mark.parametrize("kind", ["rate", "total"])
def test_a_window_rolls(shop, unit, seconds, kind):
    """A place is free again when its window is over, to the millisecond, and not at the turn of the clock."""
    rule: dict[str, Any] = (
        {"limits": [f"2/{unit}/thread"]}
        if kind == "rate"
        else {"totals": [{"arg": "amount", "max": 20, "per": f"{unit}/thread"}]}
    )
    thread = shop.thread({"pay.float": rule})
    full = Code.LIMIT_RATE if kind == "rate" else Code.LIMIT_TOTAL
    assert told(thread, "pay.float", amount=10) == ALLOWED
    shop.clock.forward(seconds=seconds / 2)
    assert [told(thread, "pay.float", amount=10) for _ in range(2)] == [ALLOWED, full]
    shop.clock.forward(seconds=seconds / 2, milliseconds=-1)
    assert told(thread, "pay.float", amount=10) == full
    shop.clock.forward(milliseconds=1)
    assert [told(thread, "pay.float", amount=10) for _ in range(2)] == [ALLOWED, full]


@pytest.mark.req("A3")
def test_every_limit_of_a_tool_must_have_room(shop):
    """Of several limits on one tool each is counted, and the first that is full stops."""
    thread = shop.thread({"shop.look": {"limits": ["3/hour/thread", "2/minute/thread"]}})
    assert [told(thread, "shop.look", thing=letter) for letter in "abc"] == [ALLOWED, ALLOWED, Code.LIMIT_RATE]
    shop.clock.forward(minutes=1)
    assert [told(thread, "shop.look", thing=letter) for letter in "de"] == [ALLOWED, Code.LIMIT_RATE]


@pytest.mark.req("A3")
@pytest.mark.parametrize(
    "error", [ToolRejected(code="no"), ToolUnavailable("no"), OutcomeUnknown("lost"), ValueError()]
)
def test_a_call_that_went_wrong_keeps_its_place(shop, error):
    """Whatever a call ended with, its place of a rate and of a total was taken when it was claimed."""
    rule = {"limits": ["2/hour/thread"], "totals": [{"arg": "amount", "max": 5, "per": "thread"}]}
    thread = shop.thread({"pay.float": rule})
    shop.till.raises = error
    assert thread.invoke("pay.float", {"amount": 3}).status in ("failed", "unknown")
    shop.till.raises = None
    assert thread.check("pay.float", {"amount": 3}).code == Code.LIMIT_TOTAL
    assert told(thread, "pay.float", amount=2) == ALLOWED
    assert thread.check("pay.float", {"amount": 0}).code == Code.LIMIT_RATE


@pytest.mark.req("A3", "A4")
def test_a_place_is_taken_when_the_call_runs_and_not_when_it_is_asked_about(shop):
    """A question holds no place; when it is answered there must be room, approved or not."""
    entry = {"mode": "approve", "approvers": {"roles": ["manager"]}, "limits": ["1/hour/tool"]}
    gateway = shop.gateway(policy({"shop.buy": entry}))
    first, second = gateway.open(USER), gateway.open(COLLEAGUE)
    asked = [thread.invoke("shop.buy", {"thing": "a"}) for thread in (first, second)]
    assert [item.status for item in asked] == ["pending", "pending"]
    done = [
        thread.resume(str(item.approval_id), "approve", by=BOSS)
        for thread, item in zip((first, second), asked, strict=True)
    ]
    assert [(item.status, item.code) for item in done] == [("executed", ALLOWED), ("denied", Code.LIMIT_RATE)]
    assert len(shop.till.done) == 1


# ---- tokens


@pytest.mark.req("A3")
@pytest.mark.parametrize(
    ("spent", "expected"), [(0, ALLOWED), (99, ALLOWED), (100, Code.LIMIT_TOKENS), (5000, Code.LIMIT_TOKENS)]
)
def test_a_thread_has_so_many_tokens(shop, spent, expected):
    """A used budget stops calls and steps of this conversation, and of no other."""
    gateway = shop.gateway(policy(limits=LIMITS | {"tokens_per_thread": 100}))
    thread, other = gateway.open(USER), gateway.open(USER)
    gateway.spend(thread.row, spent)
    decision = thread.check("shop.look", {"thing": "a"})
    assert decision.code == expected
    assert gateway.step(thread.row) == (None if expected is ALLOWED else expected)
    assert gateway.step(other.row) is None
    assert other.check("shop.look", {"thing": "a"}).code == ALLOWED


@pytest.mark.req("A3")
def test_a_tenant_has_so_many_tokens_a_day(shop):
    """The day is UTC's: what was used before midnight is free after it, for all threads of the tenant alone."""
    shop.clock.now = datetime(2026, 1, 5, 23, 59, 59, 999_000, tzinfo=UTC)
    gateway = shop.gateway(policy(limits=LIMITS | {"tokens_per_day_per_tenant": 100}))
    thread, other, stranger = gateway.open(USER), gateway.open(COLLEAGUE), gateway.open(STRANGER)
    gateway.spend(thread.row, 60)
    assert gateway.step(other.row) is None
    gateway.spend(other.row, 40)
    for each in (thread, other):
        assert gateway.step(each.row) == Code.LIMIT_TOKENS
        assert each.check("shop.look", {"thing": "a"}).code == Code.LIMIT_TOKENS
    assert gateway.step(stranger.row) is None
    shop.clock.forward(milliseconds=1)
    assert gateway.step(thread.row) is None
    assert thread.check("shop.look", {"thing": "a"}).code == ALLOWED
    gateway.spend(thread.row, 100)
    assert gateway.step(other.row) == Code.LIMIT_TOKENS


@pytest.mark.parametrize("tokens", [0, -1, -10_000])
def test_no_model_call_gives_tokens_back(shop, tokens):
    """A provider that counts nothing, or less, changes nothing."""
    gateway = shop.gateway(policy(limits=LIMITS | {"tokens_per_thread": 10}))
    thread = gateway.open(USER)
    gateway.spend(thread.row, 10)
    gateway.spend(thread.row, tokens)
    assert gateway.step(thread.row) == Code.LIMIT_TOKENS


# ---- how much


@pytest.mark.req("A3", "B7")
@pytest.mark.parametrize(
    ("name", "amounts", "expected"),
    [
        ("pay.float", [60, 40, 0.01], [ALLOWED, ALLOWED, Code.LIMIT_TOTAL]),
        ("pay.float", [100], [ALLOWED]),
        ("pay.float", [100.01], [Code.LIMIT_TOTAL]),
        ("pay.float", [100.0001, 99.9999], [Code.LIMIT_TOTAL, ALLOWED]),
        ("pay.float", [0.1, 0.2, 99.7, 0.0001], [ALLOWED, ALLOWED, ALLOWED, Code.LIMIT_TOTAL]),
        ("pay.float", [100.00001], [Code.LIMIT_TOTAL]),
        ("pay.float", [99.99995, 0.0001], [ALLOWED, Code.LIMIT_TOTAL]),
        ("pay.float", [0, 0.0, 100], [ALLOWED, ALLOWED, ALLOWED]),
        ("pay.float", [-1, -0.5, 100], [Code.LIMIT_TOTAL, Code.LIMIT_TOTAL, ALLOWED]),
        ("pay.float", [9e15, 100], [Code.LIMIT_TOTAL, ALLOWED]),
        pytest.param(
            "pay.float",
            [1e300, 100],
            [Code.LIMIT_TOTAL, ALLOWED],
        ),
        ("pay.float", [1e-300, 100], [ALLOWED, Code.LIMIT_TOTAL]),
        ("pay.whole", [60, 40, 1], [ALLOWED, ALLOWED, Code.LIMIT_TOTAL]),
        ("pay.whole", [-60, 100], [Code.LIMIT_TOTAL, ALLOWED]),
        ("pay.whole", [2**53 - 1], [Code.LIMIT_TOTAL]),
        ("pay.exact", ["60.00", "39.99", "0.02", "0.01"], [ALLOWED, ALLOWED, Code.LIMIT_TOTAL, ALLOWED]),
        ("pay.exact", ["-0.01", "-0", 100], [Code.LIMIT_TOTAL, ALLOWED, ALLOWED]),
        ("pay.exact", ["Infinity", "sNaN"], [Code.ARGUMENTS_INVALID, Code.ARGUMENTS_INVALID]),
        pytest.param("pay.exact", ["NaN"], [Code.ARGUMENTS_INVALID]),
        ("pay.text", ["100", "0.01"], [ALLOWED, Code.LIMIT_TOTAL]),
        ("pay.text", [None, "", "many", "1,000", "1 000", "0x10", "-5"], [Code.LIMIT_TOTAL] * 7),
        ("pay.text", ["Infinity", "-inf", "sNaN", "1e99999", "1e999999999"], [Code.LIMIT_TOTAL] * 5),
        ("pay.text", ["1e2", "1"], [ALLOWED, Code.LIMIT_TOTAL]),
        pytest.param("pay.text", ["NaN"], [Code.LIMIT_TOTAL]),
    ],
)
def test_amounts_add_up_to_no_more_than_the_total(shop, name, amounts, expected):
    """Whole, broken, exact and written amounts are added up exactly, rounded up; what is no amount is over every
    total; an amount that was refused is not added.
    """
    thread = shop.thread({name: {"totals": [{"arg": "amount", "max": 100, "per": "thread"}]}})
    assert [told(thread, name, amount=amount) for amount in amounts] == expected
    assert len(shop.till.done) == expected.count(ALLOWED)


def test_an_amount_that_is_left_out_is_denied(shop):
    """A total on an argument that the call leaves out cannot be judged, so the call is denied."""
    thread = shop.thread({"pay.text": {"totals": [{"arg": "amount", "max": 100, "per": "thread"}]}})
    assert told(thread, "pay.text") == Code.LIMIT_TOTAL


@pytest.mark.parametrize(
    ("most", "amounts", "expected"), [(0, [0, 0.01], [ALLOWED, Code.LIMIT_TOTAL]), (0.5, [0.5], [ALLOWED])]
)
def test_a_total_may_be_nothing_or_a_fraction(shop, most, amounts, expected):
    """A total of nothing lets nothing out but nothing."""
    thread = shop.thread({"pay.float": {"totals": [{"arg": "amount", "max": most, "per": "thread"}]}})
    assert [told(thread, "pay.float", amount=amount) for amount in amounts] == expected


@pytest.mark.req("A3")
def test_several_totals_hold_together(shop):
    """A total of the conversation and one of the tenant's day are both kept."""
    totals = [{"arg": "amount", "max": 50, "per": "thread"}, {"arg": "amount", "max": 80, "per": "day/tenant"}]
    gateway = shop.gateway(policy({"pay.float": {"totals": totals}}))
    first, second = gateway.open(USER), gateway.open(COLLEAGUE)
    codes = [told(first, "pay.float", amount=50), told(first, "pay.float", amount=1)]
    codes += [told(second, "pay.float", amount=40), told(second, "pay.float", amount=30)]
    assert codes == [ALLOWED, Code.LIMIT_TOTAL, Code.LIMIT_TOTAL, ALLOWED]
    shop.clock.forward(days=1)
    assert told(second, "pay.float", amount=20) == ALLOWED
    assert told(first, "pay.float", amount=1) == Code.LIMIT_TOTAL


@pytest.mark.req("A3", "B7")
@pytest.mark.parametrize(
    "rule",
    [{"totals": [{"arg": "amount", "max": 50, "per": "day/tool"}]}, {"limits": ["5/day/tool"]}],
    ids=["total", "rate"],
)
def test_no_race_goes_over_a_limit(shop, tmp_path, rule):
    """Twenty conversations on one database pay ten each at the same moment; five of them may."""
    gateway = shop.gateway(policy({"pay.float": rule}), url=f"sqlite:///{tmp_path}/guard.db")
    threads = [gateway.open(USER) for _ in range(20)]
    codes: list[str] = []
    start = threading.Barrier(len(threads))

    def work(thread: GuardedThread) -> None:
        start.wait(30)
        try:
            codes.append(told(thread, "pay.float", amount=10))
        except StoreError:
            codes.append("busy")

    workers = [threading.Thread(target=work, args=(thread,)) for thread in threads]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    full = Code.LIMIT_TOTAL if "totals" in rule else Code.LIMIT_RATE
    assert len(codes) == 20
    assert set(codes) <= {ALLOWED, full, "busy"}
    assert len(shop.till.done) == codes.count(ALLOWED)
    assert codes.count(ALLOWED) == 5 or "busy" in codes
    assert codes.count(ALLOWED) <= 5


# ---- what must have happened


WANTED = {"shop.buy": {"requires": [{"tool": "shop.look", "within": "1h", "same": "thing"}]}}


@pytest.mark.req("A10")
@pytest.mark.parametrize(
    ("looked", "later_s", "bought", "expected"),
    [
        (None, 0, "a", Code.REQUIRES),
        ("a", 0, "a", ALLOWED),
        ("a", 3599, "a", ALLOWED),
        ("a", 3600, "a", Code.REQUIRES),
        ("a", 86_400, "a", Code.REQUIRES),
        ("b", 0, "a", Code.REQUIRES),
        ("A", 0, "a", Code.REQUIRES),
        ("anna@kowalska.example", 0, "anna@kowalska.example", ALLOWED),
        ("anna@kowalska.example", 0, "boris@sidorow.example", Code.REQUIRES),
    ],
)
def test_a_call_may_want_an_earlier_one(shop, looked, later_s, bought, expected):
    """A call that must have run before ran in this thread, well, inside its window, with the same value."""
    thread = shop.gateway(policy(WANTED)).open(USER, user_text="anna@kowalska.example boris@sidorow.example")
    if looked:
        assert told(thread, "shop.look", thing=looked) == ALLOWED
    shop.clock.forward(seconds=later_s)
    assert told(thread, "shop.buy", thing=bought) == expected


@pytest.mark.req("A10")
def test_an_earlier_call_counts_in_its_own_thread_and_where_it_ran(shop):
    """Not another thread's, not a look at a decision, not a denied, failed or unknown call, and not another tool's."""
    gateway = shop.gateway(policy(WANTED))
    thread, other = gateway.open(USER), gateway.open(USER)
    assert told(other, "shop.look", thing="a") == ALLOWED
    assert thread.check("shop.look", {"thing": "a"}).allowed
    assert told(thread, "crm.read", deal_id="kz") == ALLOWED
    shop.till.raises = ToolRejected(code="closed")
    assert told(thread, "shop.look", thing="a") == Code.TOOL_REJECTED
    shop.till.raises = None
    assert told(thread, "shop.buy", thing="a") == Code.REQUIRES
    assert told(thread, "shop.look", thing="a") == ALLOWED
    assert told(thread, "shop.buy", thing="a") == ALLOWED


def test_every_required_call_must_have_run_and_any_value_may_do(shop):
    """Each entry of ``requires`` is held apart; without ``same`` any call of the tool is enough."""
    rules = {"shop.buy": {"requires": [{"tool": "shop.look", "within": "1h"}, {"tool": "crm.read", "within": "10m"}]}}
    thread = shop.thread(rules)
    assert told(thread, "shop.look", thing="zzz") == ALLOWED
    assert "crm.read: must have run in the last 10m" in thread.check("shop.buy", {"thing": "a"}).for_model
    assert told(thread, "crm.read", deal_id="kz") == ALLOWED
    assert told(thread, "shop.buy", thing="a") == ALLOWED
    shop.clock.forward(minutes=11)
    assert told(thread, "shop.buy", thing="b") == Code.REQUIRES


@pytest.mark.req("A10")
def test_what_was_required_is_asked_again_when_the_call_runs(shop):
    """An earlier call that was in its window when a person was asked may be out of it when they answer."""
    entry = WANTED["shop.buy"] | {"mode": "approve", "approvers": {"roles": ["manager"]}}
    thread = shop.thread({"shop.buy": entry})
    told(thread, "shop.look", thing="a")
    asked = thread.invoke("shop.buy", {"thing": "a"})
    shop.clock.forward(hours=2)
    result = thread.resume(str(asked.approval_id), "approve", by=BOSS)
    assert (result.status, result.code) == ("denied", Code.REQUIRES)


# ---- what is too late; the clock stands at 2026-01-05 11:20:04 UTC


@pytest.mark.req("B4")
@pytest.mark.parametrize(
    ("latest", "when", "expected"),
    [
        ("2026-01-31", "2026-01-31", ALLOWED),
        ("2026-01-31", "2026-02-01", Code.NOT_AFTER),
        ("2026-01-31", "2020-01-01", ALLOWED),
        ("2026-01-31", "2026-01-31T23:59:59", ALLOWED),
        ("2026-01-31", "2026-01-31T23:59:59.999Z", ALLOWED),
        ("2026-01-31", "2026-02-01T00:00:00", Code.NOT_AFTER),
        ("2026-01-31", "2026-01-31T23:30:00+05:00", ALLOWED),
        ("2026-01-31", "2026-02-01T00:30:00+05:00", Code.NOT_AFTER),
        ("30d", "2026-02-04", ALLOWED),
        ("30d", "2026-02-05", Code.NOT_AFTER),
        ("30d", "2026-02-04T11:20:04Z", ALLOWED),
        ("30d", "2026-02-04T11:20:05Z", Code.NOT_AFTER),
        ("30d", "2026-02-04T16:20:04+05:00", ALLOWED),
        ("30d", "2026-02-04T11:20:04-01:00", Code.NOT_AFTER),
        ("1h", "2026-01-05T12:20:04", ALLOWED),
        ("1h", "2026-01-05T12:20:05", Code.NOT_AFTER),
        ("30d", None, Code.NOT_AFTER),
        ("30d", "", Code.NOT_AFTER),
        ("30d", "tomorrow", Code.NOT_AFTER),
        ("30d", "12:00", Code.NOT_AFTER),
        ("30d", "2026-02-30", Code.NOT_AFTER),
        ("30d", "2026-01-06 or 2027-01-06", Code.NOT_AFTER),
        ("30d", "9999-12-31T23:59:59-14:00", Code.NOT_AFTER),
        ("30d", "0001-01-01T00:00:00+14:00", ALLOWED),
        ("9999-12-30", "2026-01-06", ALLOWED),
        pytest.param("9999-12-31", "2026-01-06", ALLOWED),
    ],
)
def test_a_moment_may_not_be_later_than_the_policy_says(shop, latest, when, expected):
    """A day holds to its end in the zone it is written in, a distance counts from now, and what is no moment is too
    late.
    """
    thread = shop.thread({"shop.book": {"not_after": {"when": latest}}})
    assert told(thread, "shop.book", when=when) == expected


def test_a_latest_day_has_no_time():
    """YAML reads a time as well; a rule that would hold a day longer than it says is refused."""
    with pytest.raises(ConfigError):
        Policy.parse(
            "version: 1\nname: x\ntools:\n  shop.book:\n    roles: [sales]\n    mode: execute\n"
            "    not_after: {when: 2026-12-31 12:00:00}\n"
        )


# ---- what may be said, and to whom


@pytest.mark.req("B13")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See https://acme.example/price", ALLOWED),
        ("See https://www.acme.example/", Code.DOMAIN),
        ("See https://shop.pl.example/", ALLOWED),
        ("See https://pl.example/", ALLOWED),
        ("Hello, no address here.", ALLOWED),
        ("See https://evil.example/", Code.DOMAIN),
        ("See https://acme.example.evil.example/", Code.DOMAIN),
        ("See https://notacme.example/", Code.DOMAIN),
        ("See https://acme.example@evil.example/", Code.DOMAIN),
        ("See https://evil.example\\@acme.example/", Code.DOMAIN),
        ("See https://аcme.example/", Code.DOMAIN),
        ("See https://ACME.example/", ALLOWED),
        ("See https://acme。example/", ALLOWED),
        ("See https%3A%2F%2Fevil.example%2Fx", Code.DOMAIN),
        ("See ev&#105;l.com/x", Code.DOMAIN),
        ("See http://2130706433/", Code.DOMAIN),
        ("javascript:alert(1)", Code.DOMAIN),
        ("Write to eve@evil.example", Code.DOMAIN),
        ("Write to anna@acme.example", ALLOWED),
        ("Write to anna@acme.example,eve@evil.example", Code.DOMAIN),
        ("<EMAIL_1>", ALLOWED),
        ("<EMAIL_2>", Code.DOMAIN),
    ],
)
@pytest.mark.parametrize("name", ["mail.send", "mail.draft"])
def test_only_allowed_hosts_are_named(shop, name, text, expected):
    """Every host in a text, however written and behind its pseudonym, is one of the policy's, or the call is denied."""
    entry = {"domains": ["acme.example", ".pl.example"], "from": {"text": ["user", "untrusted", "invented"]}}
    thread = shop.gateway(policy({name: entry})).open(USER)
    thread.observe("anna@acme.example and eve@evil.example", origin="user", source="m1")
    assert thread.check(name, {"text": text}).code == expected


@pytest.mark.parametrize("domains", [[], None])
def test_no_allowed_host_is_not_the_same_as_no_rule(shop, domains):
    """An empty list of domains allows none; without the entry hosts are judged by provenance alone."""
    thread = shop.thread({"mail.send": {"domains": domains, "from": {"text": ["user", "untrusted", "invented"]}}})
    code = thread.check("mail.send", {"text": "See https://acme.example/"}).code
    assert code == (ALLOWED if domains is None else Code.DOMAIN)
    assert thread.check("mail.send", {"text": "Hello"}).code == ALLOWED


def test_domains_hold_for_a_read_that_names_them(shop):
    """A read with ``domains`` is held to them too."""
    thread = shop.thread({"shop.look": {"domains": ["acme.example"]}})
    assert thread.check("shop.look", {"thing": "evil.example/x"}).code == Code.DOMAIN
    assert thread.check("shop.look", {"thing": "acme.example/x"}).code == ALLOWED


@pytest.mark.req("A18")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We guarantee a profit", Code.STOP_WORD),
        ("GUARANTEED!", Code.STOP_WORD),
        ("We g u a r a n t e e it", Code.STOP_WORD),
        ("We guar-antee it", Code.STOP_WORD),
        ("We gu@rantee it", Code.STOP_WORD),
        ("We guаrаntee it", Code.STOP_WORD),
        ("We ｇｕａｒａｎｔｅｅ it", Code.STOP_WORD),
        ("Мы гарантируем", Code.STOP_WORD),
        ("The garden is nice", ALLOWED),
        ("We gua\u200brantee it", Code.ARGUMENTS_INVALID),
    ],
)
def test_a_stop_word_is_found_in_any_disguise(shop, tmp_path, text, expected):
    """What a message may not say is found in the text that would be sent, whatever its case, script or spacing."""
    for name, words in (("en.txt", "guarantee\n"), ("ru.txt", "гарантировать\nгарантируем\n")):
        (tmp_path / name).write_text(words, encoding="utf-8")
    rules = policy(stop_words=["en.txt", "ru.txt"]).beside(tmp_path)
    thread = shop.gateway(rules).open(USER)
    for name in ("mail.send", "mail.draft"):
        assert thread.check(name, {"text": text}).code == expected
    assert thread.invoke("mail.send", {"text": text}).code == expected
    assert len(shop.till.done) == (expected is ALLOWED)


@pytest.mark.req("A18")
def test_a_stop_word_hides_behind_no_pseudonym(shop, tmp_path):
    """The words are looked for in the values that would run, not in what stands for them."""
    (tmp_path / "en.txt").write_text("evil\n", encoding="utf-8")
    thread = shop.gateway(policy(stop_words=["en.txt"]).beside(tmp_path)).open(USER, user_text="eve@evil.example")
    assert thread.check("mail.send", {"text": "Write to <EMAIL_1>"}).code == Code.STOP_WORD


# ---- where the data lie


@pytest.mark.req("A10", "A23")
@pytest.mark.parametrize(
    ("store", "region", "deal", "expected"),
    [
        (None, "own", "kz", ALLOWED),
        ("kz", "own", "kz", ALLOWED),
        ("pl", "own", "kz", Code.REGION),
        ("kz", ["kz", "pl"], "pl", ALLOWED),
        ("pl", ["kz", "pl"], "kz", ALLOWED),
        ("us", ["kz", "pl"], "kz", Code.REGION),
        ("us", None, "kz", ALLOWED),
        ("", "own", "kz", Code.REGION),
        ("KZ", "own", "kz", Code.REGION),
        ("kz", "own", "pl", Code.REGION),
    ],
)
def test_records_are_kept_from_a_database_that_lies_elsewhere(shop, store, region, deal, expected):
    """A gateway whose own database lies outside a tool's regions reads nothing there; a policy without regions is for
    companies that have none.
    """
    gateway = shop.gateway(policy({"crm.read": {"region": region}}), region=store)
    assert gateway.open(USER).check("crm.read", {"deal_id": deal}).code == expected


@pytest.mark.req("A23")
@pytest.mark.parametrize(
    ("wanted", "region", "refused"),
    [
        ([["kz"]], None, True),
        ([["kz"]], "us", True),
        ([["kz"]], "KZ", True),
        ([["kz"]], "kz", False),
        ([["kz", "pl"]], "pl", False),
        ([[]], None, False),
        ([[]], "us", False),
        ([["kz"], ["pl"]], "us", True),
        ([["kz"], ["pl"]], "pl", False),
        ([["kz"], []], None, False),
    ],
)
def test_a_model_that_no_policy_lets_data_go_to_is_refused_at_once(shop, wanted, region, refused):
    """Where every policy names regions and none of them is the model's, the graph is not built."""
    policies = {f"s{index}": policy(model_regions=names) for index, names in enumerate(wanted)}
    gateway = shop.gateway(policies)
    for build in (GuardNodes, guarded_agent):
        if refused:
            with pytest.raises(ConfigError, match="model_region"):
                build(ScriptedModel("Hi"), gateway, model_region=region)
        else:
            build(ScriptedModel("Hi"), gateway, model_region=region)


@pytest.mark.req("A23")
@pytest.mark.parametrize(("region", "talks"), [("kz", ["a", "b"]), ("us", ["b"]), (None, ["b"])])
def test_a_scenario_whose_region_is_not_the_models_calls_a_person(shop, region, talks):
    """With several policies each run is held to its own: the model hears nothing of a thread whose data may not go."""
    gateway = shop.gateway({"a": policy(model_regions=["kz"]), "b": policy()})
    heard = []
    for scenario in ("a", "b"):
        model = ScriptedModel(AIMessage("Hello"))
        graph = guarded_agent(model, gateway, model_region=region, checkpointer=InMemorySaver())
        reply = Session(graph, gateway).start("Hi", USER, speaker="user", scenario=scenario)
        if model.heard:
            heard.append(scenario)
            assert reply.status == "delivered"
        else:
            assert (reply.status, reply.code) == ("escalated", Code.REGION)
    assert heard == talks


# ---- whose rights


class Staff:
    """Port ``Directory``, with one person whose rights change."""

    def __init__(self) -> None:
        self.people: dict[str, Subject] = {USER.id: USER, BOSS.id: BOSS}
        self.silent = False

    def lookup(self, tenant: str, subject: str) -> Subject | None:
        if self.silent:
            raise TimeoutError
        return self.people.get(subject)


@pytest.mark.req("A10", "B5")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda staff: staff.people.pop("u1"), Code.ROLE),
        (lambda staff: staff.people.update(u1=Subject(id="u1", tenant="acme", region="kz")), Code.ROLE),
        (
            lambda staff: staff.people.update(u1=Subject(id="u1", tenant="acme", roles={"Sales"}, region="kz")),
            Code.ROLE,
        ),
        (
            lambda staff: staff.people.update(u1=Subject(id="u1", tenant="acme", roles={"sales"}, region="pl")),
            Code.REGION,
        ),
        (lambda staff: staff.people.update(u1=BOSS), Code.ROLE),
        (lambda staff: staff.people.update(u1=STRANGER), Code.ROLE),
        (lambda staff: setattr(staff, "silent", True), Code.TOOL_UNAVAILABLE),
        (lambda staff: None, ALLOWED),
    ],
    ids=["left", "no roles", "another role", "moved", "somebody else", "another company", "silent", "as before"],
)
def test_a_right_that_was_revoked_counts_at_the_very_next_decision(shop, change: Callable[[Staff], Any], expected):
    """The directory is asked anew for each decision, of a call and before it runs; nothing is remembered for longer."""
    staff = Staff()
    entries: dict[str, dict[str, Any]] = {
        "crm.read": {"region": "own"},
        "shop.buy": {"mode": "approve", "approvers": {"roles": ["manager"]}},
    }
    thread = shop.gateway(policy(entries), directory=staff).open(USER)
    assert told(thread, "crm.read", deal_id="kz") == ALLOWED
    asked = thread.invoke("shop.buy", {"thing": "a"})
    assert asked.status == "pending"
    change(staff)
    assert told(thread, "crm.read", deal_id="kz") == expected
    if expected is Code.TOOL_UNAVAILABLE:
        staff.silent = False
        return
    staff.people["m7"] = BOSS
    result = thread.resume(str(asked.approval_id), "approve", by=BOSS)
    assert result.code == (ALLOWED if expected is Code.REGION else expected)
    assert len(shop.till.done) == 1 + (result.code is ALLOWED) + (expected is ALLOWED)


@pytest.mark.req("A10", "B5")
def test_roles_that_a_host_claims_count_for_nothing_beside_a_directory(shop):
    """With a directory the roles given at ``open`` are not looked at, more or fewer."""
    staff = Staff()
    gateway = shop.gateway(directory=staff)
    few = gateway.open(Subject(id="u1", tenant="acme", roles=set(), region="us"))
    assert told(few, "shop.look", thing="a") == ALLOWED
    staff.people["u2"] = Subject(id="u2", tenant="acme", roles=set())
    many = gateway.open(Subject(id="u2", tenant="acme", roles={"sales", "manager"}))
    assert told(many, "shop.look", thing="a") == Code.ROLE


# ---- rules that name what there is not


@pytest.mark.req("A1", "B18")
@pytest.mark.parametrize(
    "rule",
    [
        {"from": {"texts": ["user"]}},
        {"totals": [{"arg": "sum", "max": 1, "per": "thread"}]},
        {"not_after": {"moment": "30d"}},
        {"requires": [{"tool": "shop.see", "within": "1h"}]},
        {"requires": [{"tool": "shop.look", "within": "1h", "same": "item"}]},
    ],
    ids=["from", "totals", "not_after", "requires", "same"],
)
def test_a_rule_that_names_no_argument_or_tool_is_refused_when_the_gateway_is_built(shop, rule):
    """A slip of the pen in ``from`` would judge nothing, and one in the others would deny everything."""
    with pytest.raises(ConfigError, match="names '"):
        shop.gateway(policy({"mail.send": rule}))


@pytest.mark.req("A22")
@pytest.mark.parametrize(("changed", "looks"), [(True, [40]), (False, [40, 100])])
def test_it_looks_far_back_only_while_nothing_was_changed(
    changed: bool, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy may look back over thousands of calls; behind one that changed something nothing is counted."""
    asked: list[int] = []

    def recent(_: Any, thread: str, *, most: int, but: str | None) -> list[Past]:
        asked.append(most)
        return [Past(same="x", changed=changed and n == 7) for n in range(most)]

    monkeypatch.setattr("agent_guard.gathering.recall.calls.recent", recent)
    policy = SimpleNamespace(loops=SimpleNamespace(same_call=10, cycle=10))
    gathered: Any = SimpleNamespace(policy=policy, thread=SimpleNamespace(id="t1"))
    found = recall_module._history(None, gathered, None)  # type: ignore[arg-type]
    assert (asked, len(found)) == (looks, looks[-1])
