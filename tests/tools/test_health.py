"""The scorecard: weighted, with its coverage; what is missing is never green."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from tools.crm.overview import AccountFacts
from tools.health import ALERT_BELOW, ENOUGH, MEASURES, scorecard

GOOD = AccountFacts(
    id="7", name="Acme", region="us", segment="standard", owner_id="u1", open_deals=1, contacts=2, last_touch_days=3,
    last_touch_days_before=3, touched_deal="1", touches=4, touches_before=4, overdue=0, stage_days=10, stage_deal="1",
    unanswered_days=0, next_step=True,
)  # fmt: skip
NOTHING = AccountFacts(id="7", name="Acme", region="us", segment="standard", owner_id="u1", open_deals=0, contacts=0)


def score_of(name: str, **facts) -> int | None:
    """The score of one measure."""
    return next(item.score for item in scorecard(replace(GOOD, **facts)).measures if item.name == name)


def test_the_weights_add_up_to_a_hundred() -> None:
    """Seven measures, one hundred points."""
    assert sum(item.weight for item in scorecard(GOOD).measures) == 100 and len(MEASURES) == 7


@pytest.mark.req("A26")
def test_all_is_well() -> None:
    """An account about which everything is known and good is green with full coverage."""
    card = scorecard(GOOD)
    assert (card.score, card.colour, card.trend, card.coverage, card.known) == (100, "green", "flat", 1.0, 7)


@pytest.mark.req("A26")
@pytest.mark.parametrize(
    ("measure", "facts", "score"),
    [
        ("touch", {"last_touch_days": 14}, 100),
        ("touch", {"last_touch_days": 28}, 50),
        ("touch", {"last_touch_days": 42}, 0),
        ("touch", {"last_touch_days": 14, "segment": "enterprise"}, 50),
        ("touch", {"last_touch_days": 30, "segment": "small"}, 100),
        ("touch", {"last_touch_days": 14, "segment": "what"}, 100),
        ("activity", {"touches": 1, "touches_before": 4}, 25),
        ("activity", {"touches": 9, "touches_before": 4}, 100),
        ("activity", {"touches": 0, "touches_before": 2}, None),
        ("unanswered", {"unanswered_days": 1}, 100),
        ("unanswered", {"unanswered_days": 4}, 50),
        ("unanswered", {"unanswered_days": 7}, 0),
        ("overdue", {"overdue": 1}, 67),
        ("overdue", {"overdue": 3}, 0),
        ("stage", {"stage_days": 60}, 50),
        ("stage", {"stage_days": 90}, 0),
        ("next_step", {"next_step": False}, 0),
        ("contacts", {"contacts": 1}, 40),
        ("contacts", {"contacts": 0}, None),
        ("touch", {"last_touch_days": None}, None),
    ],
    ids=str,
)
def test_each_measure(measure: str, facts, score: int | None) -> None:
    """Days against the segment's norm, falling activity, late promises, stage age, silence, one contact, next step."""
    assert score_of(measure, **facts) == score


@pytest.mark.req("A26")
def test_each_measure_names_its_record() -> None:
    """A fact stands on a deal where it is about one, else on the account."""
    refs = {item.name: item.ref for item in scorecard(replace(GOOD, unanswered_deal="9")).measures}
    assert refs["touch"] == refs["stage"] == "deal:1" and refs["unanswered"] == "deal:9"
    assert refs["activity"] == refs["contacts"] == "account:7"


@pytest.mark.req("A26")
def test_nothing_known_is_no_score() -> None:
    """Without a fact there is no score, no colour and no alarm."""
    card = scorecard(NOTHING)
    assert (card.score, card.colour, card.trend, card.coverage, card.known) == (None, "unknown", "unknown", 0.0, 0)
    assert not card.alarming


@pytest.mark.req("A26")
def test_little_known_is_not_green() -> None:
    """An account whose few known measures are perfect is not green."""
    card = scorecard(replace(GOOD, last_touch_days=None, touches=None))
    assert card.score == 100 and card.coverage < ENOUGH and card.colour == "yellow"


FACTS = st.builds(
    AccountFacts,
    id=st.just("7"), name=st.just("A"), region=st.just("us"), segment=st.sampled_from(["enterprise", "small", "?"]),
    owner_id=st.none(), open_deals=st.just(1), contacts=st.integers(0, 3),
    **{
        name: st.one_of(st.none(), st.integers(0, 400))
        for name in ("last_touch_days", "last_touch_days_before", "touches", "touches_before", "overdue", "stage_days", "unanswered_days")
    },
    next_step=st.one_of(st.none(), st.booleans()),
)  # fmt: skip


@pytest.mark.req("A26")
@given(facts=FACTS)
def test_what_is_missing_is_never_green(facts: AccountFacts) -> None:
    """Whatever is known, green needs enough of the weights, an alarm needs a known score, and scores stay in bounds."""
    card = scorecard(facts)
    assert card.score is None or 0 <= card.score <= 100
    assert card.colour != "green" or card.coverage >= ENOUGH
    assert not card.alarming or (card.score is not None and card.score < ALERT_BELOW)
    assert card.known == sum(item.score is not None for item in card.measures)


@pytest.mark.req("A26")
@given(
    facts=FACTS,
    name=st.sampled_from(["last_touch_days", "touches", "overdue", "stage_days", "unanswered_days", "next_step"]),
)
def test_forgetting_a_fact_raises_no_colour_to_green(facts: AccountFacts, name: str) -> None:
    """An account that is not green for want of coverage does not become green when less is known."""
    less = scorecard(replace(facts, **{name: None}))
    assert less.coverage <= scorecard(facts).coverage


@pytest.mark.req("A26")
@pytest.mark.parametrize(
    ("now", "before", "trend"), [(3, 40, "up"), (40, 3, "down"), (3, 4, "flat"), (3, None, "unknown")]
)
def test_the_trend(now: int, before: int | None, trend: str) -> None:
    """The last touch against the norm, now and thirty days ago."""
    assert scorecard(replace(GOOD, last_touch_days=now, last_touch_days_before=before)).trend == trend
