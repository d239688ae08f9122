"""What deciding costs, counted in lines and calls of Python: it grows no faster than what a conversation has seen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Annotated, Any, Self

import pytest
from hypothesis import example, given, settings, strategies as st
from pydantic import BaseModel, Field

from agent_guard.gateway import Gateway
from agent_guard.gathering import trail
from agent_guard.gathering.trail import LOOKS_MAX, Sighting, Trails
from agent_guard.guarded import GuardedThread
from agent_guard.masking import Masker
from agent_guard.policy import Policy
from agent_guard.tool import tool
from agent_guard.types import Description, Origin, Party, Ref, Subject

pytestmark = pytest.mark.req("B7")

MANY = 2 * LOOKS_MAX
"""From here on no phrase is looked for in more places, however often it stands."""

SLACK = 40
"""What may differ between two equal calls, in lines."""


class Work:
    """Counts the lines and the calls of Python between its begin and its end. What runs in C is not seen."""

    def __init__(self) -> None:
        self.done = 0

    def _count(self, _frame: Any, event: str, _arg: Any) -> Any:
        self.done += event in ("call", "line")
        return self._count

    def __enter__(self) -> Self:
        self._before = sys.gettrace()  # of a measurement of coverage
        sys.settrace(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)


def work(function: Callable[[], object]) -> int:
    with Work() as counted:
        function()
    return counted.done


class Payment(BaseModel):
    deal_id: str = Field(max_length=20)
    amount: int
    to: str = Field(max_length=60)
    day: str = Field(max_length=30)
    text: str = Field(max_length=200)
    tags: list[Annotated[str, Field(max_length=30)]] = Field(default=[], max_length=3)


class Paid(BaseModel):
    n: int


@tool(
    name="bank.pay",
    effect="write",
    timeout_s=5,
    refs={"deal_id": "deal"},
    sensitive={"amount", "to", "day", "tags"},
    unmask={"to", "text"},
)
def pay(args: Payment) -> Paid:
    """Pays; nothing of it is called here."""
    raise AssertionError(args)


class Desk:
    """Port ``Records``, with one deal."""

    def describe(self, ref: Ref) -> Description | None:
        return Description(version="1", party="contact:17", region="kz", name="Trucks", fields={"name": "plain"})


MASKER = Masker(("en",), profile="patterns")
USER = Subject(id="u1", tenant="acme", roles={"sales"}, region="kz")
POLICY = Policy.model_validate(
    {
        "version": 1, "name": "bank.v1", "limits": {"actions_per_thread": 20, "attempts_per_thread": 50},
        "stop_words": ["en.txt"], "plan": {"outside": "ask"},
        "tools": {"bank.pay": {
            "roles": ["sales"], "mode": "execute", "approvers": {"roles": ["manager"]}, "limits": ["9/hour/thread"],
            "domains": [".acme.example"], "totals": [{"arg": "amount", "max": 90, "per": "thread"}],
        }},
    }
)  # fmt: skip


@contextmanager
def bank() -> Iterator[GuardedThread]:
    with Gateway([pay], POLICY, url="sqlite://", environment="dev", records=Desk(), masker=MASKER) as gateway:
        yield gateway.open(USER, party=Party(id="contact:17"), user_text="Pay 7 to deal 42 on 2026-11-20")


def grown(thread: GuardedThread, seen: Sequence[Sighting], size: int) -> None:
    """Lets the trail grow to so many texts."""
    with thread.gateway.store.write(locks=["test"]) as connection:
        have = trail.Trail().catch_up(connection, thread.id).n
        trail.append(connection, thread.id, list(islice(cycle(seen), size - have)))


WORD = st.sampled_from(
    ["pay", "deal", "42", "7", "+7", "1,5", "2026-11-20", "20 November", "10:00", "at noon", "<EMAIL_1>", "trucks",
     "www.acme.example/x", "evil.example", "a b a b a", "no", "id 42", "\n", "<PERSON_1>", "Trucks, trucks", "\x1a"]
) | st.text(max_size=6)  # fmt: skip
TEXT = st.lists(WORD, max_size=8).map(" ".join)
ORIGIN: st.SearchStrategy[Origin] = st.sampled_from(["user", "party", "trusted", "untrusted"])
SEEN = st.lists(
    st.builds(Sighting, origin=ORIGIN, source=st.sampled_from(["m1", "ticket 7"]), text=TEXT, linked=st.booleans()),
    min_size=1,
    max_size=4,
)
ARGS = st.fixed_dictionaries(
    {
        "deal_id": st.sampled_from(["42", "43"]),
        "amount": st.integers(-9, 99),
        "to": st.sampled_from(["anna@kowalska.example", "<EMAIL_1>", "evil.example"]) | WORD,
        "day": st.sampled_from(["2026-11-20", "2026-11-20T10:00:00Z", "20 November"]) | WORD,
        "text": TEXT.map(lambda text: text[:200]),
    },
    optional={"tags": st.lists(WORD.map(lambda word: word[:30]), max_size=3)},
)
SAME = [Sighting(origin="untrusted", source="m1", text="deal 42 pay 7 deal 42 pay 7 on 2026-11-20 at 10:00")]
PAYMENT = {"deal_id": "42", "amount": 7, "to": "deal 42 pay 8", "day": "2026-11-20T10:00", "text": "pay 7 deal 42 pay"}


@settings(max_examples=15)
@given(SEEN, ARGS)
@example(SAME, PAYMENT)
def test_a_check_costs_the_same_whatever_was_seen(seen, args):
    """Where every word stood often already, four times as many texts change nothing in what a call costs."""
    with bank() as thread:
        costs = []
        for size in (MANY * len(seen), 4 * MANY * len(seen)):
            grown(thread, seen, size)
            thread.check("bank.pay", args)
            costs.append(work(lambda: thread.check("bank.pay", args)))
    assert costs[1] <= costs[0] + SLACK, costs


@settings(max_examples=15)
@given(SEEN, ARGS)
@example(SAME, PAYMENT)
def test_a_process_that_knows_nothing_reads_a_text_once(seen, args):
    """Its first check of a conversation costs at most in proportion to the texts."""
    with bank() as thread:
        costs = []
        thread.check("bank.pay", args)
        for size in (1, 1 + 20 * len(seen), 1 + 80 * len(seen)):
            grown(thread, seen, size)
            thread.gateway._trails = Trails()
            costs.append(work(lambda: thread.check("bank.pay", args)))
    assert costs[2] - costs[0] <= 4 * (costs[1] - costs[0]) + 10 * SLACK, costs


@settings(max_examples=15)
@given(SEEN, TEXT, ORIGIN)
@example(SAME, SAME[0].text, "untrusted")
def test_a_text_costs_the_same_whatever_was_seen_before(seen, text, origin):
    """So a conversation of four times the length costs four times as much to hear."""
    with bank() as thread:
        costs = []
        for size in (40, 160):
            grown(thread, seen, size)
            thread.observe(text, origin=origin, source="m9")
            costs.append(work(lambda: thread.observe(text, origin=origin, source="m9")))
    assert costs[1] <= costs[0] + SLACK, costs


VALUE = st.sampled_from(["m{n}@x{n}.example", "+48 512 345 {n:03}", "https://x{n}.example/a", "4111 1111 1111 1{n:03}"])


@settings(max_examples=8)
@given(st.lists(VALUE, min_size=1, max_size=3), ARGS)
@example(["m{n}@x{n}.example"], PAYMENT)
def test_a_text_and_a_check_cost_in_proportion_to_the_values_that_are_known(values, args):
    """With four times as many pseudonyms a new value, a known one and a call cost at most four times as much."""
    with bank() as thread:
        costs: dict[int, list[int]] = {}
        heard = 100
        for size in (20, 80):
            while heard < 100 + size:
                thread.observe(values[heard % len(values)].format(n=heard), origin="party", source="m1")
                heard += 1
            new, known = (f"see {values[0].format(n=n)} again" for n in (size, 100))
            thread.check("bank.pay", args)
            costs[size] = [
                work(lambda text=new: thread.observe(text, origin="party", source="m1")),
                work(lambda text=known: thread.observe(text, origin="party", source="m1")),
                work(lambda: thread.check("bank.pay", args)),
            ]
    assert all(more <= 4 * less + SLACK for less, more in zip(costs[20], costs[80], strict=True)), costs
