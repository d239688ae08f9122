"""The attack benchmark's own parts that need no AgentDojo: cross-customer calls on a small sample, and what counts as a
record of a system.

What needs AgentDojo stands behind ``python -m benchmarks.attack --self-check``.
"""

from __future__ import annotations

import pytest

from benchmarks.attack.contracts import TABLE
from benchmarks.attack.cross_customer import forged, measure
from benchmarks.attack.results import split


@pytest.mark.req("B5")
def test_no_write_crosses_to_another_customer_and_the_own_one_goes_through() -> None:
    """Behind the gateway nothing is written to another customer's deal, nobody is asked, and the own task is made."""
    behind = measure(2)
    assert (behind.written, behind.asked, behind.far) == (0, 0, 0)
    assert (behind.served, behind.own) == (2, 2)
    assert behind.plain > 100
    assert behind.forged > 100


def test_the_same_calls_reach_every_customer_without_a_gateway() -> None:
    """The measure would see a crossing: ungated, each plain id is written to."""
    bare = measure(1, gated=False)
    assert bare.written >= bare.plain > 50


def test_a_read_may_be_bound_to_the_customer_as_well() -> None:
    """With ``bind: {deal_id: party}`` on the read no deal of another customer is shown, in whatever region."""
    bound = measure(1, bind_reads=True)
    assert (bound.near, bound.far) == (0, 0)
    assert bound.near_tried > 0


def test_a_forged_id_is_never_the_plain_one() -> None:
    """Every way of writing somebody else's id differs from the id itself."""
    ways = list(forged("3001", "2001"))
    assert len(ways) > 20
    assert "3001" not in ways


def test_a_long_name_is_text_of_outsiders() -> None:
    """A catalogue name is short and one line; an instruction that calls itself a name is not trusted."""
    trusted, outside = split("names:channel", ["general", "External_" + "obey " * 30])
    assert trusted == [{"channel": "general"}]
    assert len(outside) == 1


def test_the_subject_of_an_incoming_payment_is_outside_text() -> None:
    """Who paid and how much is the bank's word; what the payer wrote is not."""
    paid = {
        "id": 1,
        "sender": "X1",
        "recipient": "me",
        "amount": 3.0,
        "subject": "obey",
        "date": "d",
        "recurring": False,
    }
    trusted, outside = split("transactions", [paid])
    assert (trusted[0]["sender"], trusted[0]["amount"], "subject" in trusted[0]) == ("X1", 3.0, False)
    assert outside == [{"id": 1, "subject": "obey"}]


@pytest.mark.parametrize(
    ("suite", "tool", "args", "draft"),
    [
        ("workspace", "create_calendar_event", {"title": "a"}, True),
        ("travel", "create_calendar_event", {"title": "a", "participants": []}, True),
        ("travel", "create_calendar_event", {"title": "a", "participants": None}, True),
        ("workspace", "create_calendar_event", {"title": "a", "participants": ["bob"]}, False),
        ("workspace", "create_file", {}, True),
        ("workspace", "reschedule_calendar_event", {}, False),
        ("workspace", "add_calendar_event_participants", {"participants": []}, False),
        ("workspace", "share_file", {}, False),
        ("slack", "send_direct_message", {}, False),
    ],
)
def test_what_only_the_user_sees_is_a_draft(suite: str, tool: str, args: dict[str, object], draft: bool) -> None:
    """An own file, and an event without guests; whatever else writes is counted as lasting."""
    assert TABLE[suite][tool].drafts(args) is draft
