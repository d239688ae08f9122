"""How much of each limit was used: counted where the decision is made, and told by ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from agent_guard.databases.query import Query
from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.masking import Masker
from agent_guard.meter import reached, take, used
from agent_guard.policies.explain import explain
from agent_guard.policy import Policy
from agent_guard.proposal.pseudonymise import masked_call
from agent_guard.testing import FixedClock
from agent_guard.types import Code, Description, Party, Ref, Subject
from tests.samples import NOW_MS, contract, opened, policy as policy_of, rule

TASK = "crm.create_task"
DEAL = Description(version="v1", party="contact:17", responsible="u1", region="kz", name=None)


class Records:
    def describe(self, ref: Ref) -> Description:
        return DEAL


class Crm:
    pass


@pytest.fixture(name="begun")
def _begun(quick_masker: Masker) -> Iterator[Any]:
    made: list[Gateway] = []

    def begin(**entries: Any) -> tuple[Gateway, GuardedThread, Policy]:
        rules = policy_of({TASK: rule(**entries)}, limits={"tokens_per_thread": 100})
        given = {"url": "sqlite://", "environment": "dev", "records": Records(), "resources": {"crm": Crm()}}
        made.append(Gateway([contract()], rules, masker=quick_masker, clock=FixedClock(), **given))
        return (
            made[-1],
            made[-1].open(Subject(id="u1", tenant="acme", roles=["sales"], region="kz"), party=Party(id="contact:17")),
            rules,
        )

    yield begin
    for gateway in made:
        gateway.close()


def asked(gateway: Gateway, thread: GuardedThread, rules: Policy, **args: Any) -> tuple[dict[str, Any], str]:
    """limit -> (used, count, reached) as a decision would see them, and the limits in words."""
    row = gateway.thread_row(thread.id)
    vault = gateway.vault.of(row)
    call = masked_call(gateway, row, TASK, {"deal_id": "42"} | args, "asked", "It is asked for.", vault)
    gathered = gateway.gather(row, call, vault)
    with gateway.store.read() as connection:
        facts, _ = gateway.decide(gathered, connection)
    made = explain(gathered.call, gathered.tool, rules, facts)
    text = next(item.text for item in made.lines if item.guard == "limits")
    return {item.limit: (item.used, item.count, item.reached) for item in facts.limits}, text


@pytest.mark.req("A3", "A10")
def test_what_was_used_is_counted_where_it_is_decided(begun):
    """Actions, attempts, tokens, rates and sums are told with what is left; a rate of hundreds is not counted."""
    total = {"arg": "days", "max": 10.5, "per": "day/subject"}
    world = begun(limits=["3/day/subject", "500/day/tenant"], totals=[total])
    assert {limit: found[0] for limit, found in asked(*world, subject="a")[0].items()} == {
        "20 attempts a thread": 0, "5 actions a thread": 0, "100 tokens a thread": 0, "3/day/subject": 0,
        "500/day/tenant": None, "10.5 of days per day/subject": 0,
    }  # fmt: skip
    for subject, days in (("a", 3), ("b", 5)):
        assert world[1].invoke(TASK, {"deal_id": "42", "subject": subject, "days": days}).code is Code.ALLOWED
    found, text = asked(*world, subject="c", days=3)
    assert found["5 actions a thread"] == (2, 5, False) and found["3/day/subject"] == (2, 3, False)
    assert found["10.5 of days per day/subject"] == (80_000, 105_000, True)
    assert "Too little left for this call: 2.5 of a sum of 10.5 of days a day for this user" in text
    for words in ("3 of 5 actions a conversation", "18 of 20 attempts", "1 of 3 calls a day for this user"):
        assert words in text
    assert "still free: 500 calls a day for the whole company" in text


@pytest.mark.req("A3")
def test_counting_asks_one_query_for_all_and_one_more_for_a_small_rate(begun, monkeypatch):
    """The meters of a call are read with one query whatever was used, a small rate with one more, a large one with none
    where it is far from full.
    """
    gateway, thread, rules = begun(limits=["3/day/subject", "500/day/tenant"])
    asked_for: list[list[str]] = []
    first = Query.first

    def noted(query: Query, connection: Any, values: Any) -> Any:
        meters = [str(value).split("|")[0] for name, value in values.items() if name[0] == "k" and "|" in str(value)]
        asked_for.extend([meters] if meters else [])
        return first(query, connection, values)

    monkeypatch.setattr(Query, "first", noted)
    thread.invoke(TASK, {"deal_id": "42", "subject": "a"})
    asked_for.clear()
    asked(gateway, thread, rules, subject="b")
    assert [sorted(meters) for meters in asked_for] == [
        ["actions", "attempts", "subject", "tenant", "tokens"], ["subject"],
    ]  # fmt: skip


@given(
    st.lists(st.integers(0, 90_000), max_size=12),
    st.integers(1, 6),
    st.integers(0, 200_000),
    st.sampled_from([1, 60, None]),
)
@settings(max_examples=60)
def test_counting_and_asking_agree(moments, count, now, window_s):
    """As many places are used as a limit has exactly where the meter says that it is reached."""
    with opened() as store:
        for moment in moments:
            with store.write(locks=["test"]) as connection:
                take(connection, {"k": 1}, now_ms=NOW_MS + moment, trace_id="T")
        with store.read() as connection:
            given = {"now_ms": NOW_MS + now, "window_s": window_s}
            assert (used(connection, "k", **given) >= count) is reached(connection, "k", count, **given)
