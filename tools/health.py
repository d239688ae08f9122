"""The health of an account as arithmetic: facts in, a scorecard out; nothing is read and nothing is decided here.

A scorecard is the weighted mean of the measures that there are facts for, 0 to 100. What is missing is left out of the
mean and counted against the coverage; an account is green only where enough is known; and every measure carries the
fact it comes from, with the record it stands on. Measures and form (weights, colours, a trend) follow what customer
success tools publish of their scorecards; the weights and norms are this application's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from tools.crm.overview import AccountFacts

__all__ = [
    "ALERT_BELOW",
    "MEASURES",
    "NORM_DAYS",
    "Colour",
    "Measure",
    "Scorecard",
    "Trend",
    "scorecard",
]

Colour = Literal["green", "yellow", "red", "unknown"]
Trend = Literal["up", "flat", "down", "unknown"]

NORM_DAYS: Mapping[str, int] = MappingProxyType({"enterprise": 7, "standard": 14, "small": 30})
"""Segment -> within how many days a customer should hear from us. Another segment counts as ``standard``."""

GREEN_FROM, ALERT_BELOW = 70, 40
"""Scores from here are green; below there they are red, and somebody is told."""

ENOUGH = 0.7
"""Share of the weights that must be known for green; below :data:`LITTLE` there is no colour at all."""
LITTLE = 0.4

STAGE_USUAL_DAYS, STAGE_LONG_DAYS = 30, 90
ANSWER_WITHIN_DAYS, ANSWER_LATE_DAYS = 1, 7
FEWEST_TOUCHES = 3
"""Fewer touches than this in the earlier window say nothing about a fall."""

TREND_STEP = 10
"""A smaller difference is no trend."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure of one account.

    Args:
        score: 0 (bad) to 100 (good), or None where the CRM cannot tell.
        values: the numbers it was made of, by name; what a sentence about it is written from.
        ref: the record it stands on, e.g. ``"deal:1001"``.
    """

    name: str
    weight: int
    score: int | None
    values: Mapping[str, int | bool | None]
    ref: str


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """The health of one account.

    Args:
        score: 0 to 100, or None where nothing is known.
        coverage: known share of the weights, 0 to 1.
        known: how many of the measures are known.
    """

    account: AccountFacts
    score: int | None
    colour: Colour
    trend: Trend
    coverage: float
    known: int
    measures: tuple[Measure, ...]

    @property
    def alarming(self) -> bool:
        """Whether somebody is to be told: the score is known well enough, and it is below ``ALERT_BELOW``."""
        return self.colour == "red"


def scorecard(account: AccountFacts) -> Scorecard:
    """Works out one account's scorecard."""
    measures = tuple(make(account) for make in MEASURES.values())
    known = [item for item in measures if item.score is not None]
    weight, total = sum(item.weight for item in known), sum(item.weight for item in measures)
    score = round(sum(item.weight * (item.score or 0) for item in known) / weight) if weight else None
    coverage = weight / total
    return Scorecard(
        account=account,
        score=score,
        colour=_colour(score, coverage),
        trend=_trend(account),
        coverage=coverage,
        known=len(known),
        measures=measures,
    )


def _colour(score: int | None, coverage: float) -> Colour:
    if score is None or coverage < LITTLE:
        return "unknown"
    if score < ALERT_BELOW:
        return "red"
    return "green" if score >= GREEN_FROM and coverage >= ENOUGH else "yellow"


def _trend(account: AccountFacts) -> Trend:
    """How the last touch stands against the norm, now and thirty days ago: the one measure whose past the CRM has."""
    now, before = _touched(account, account.last_touch_days), _touched(account, account.last_touch_days_before)
    if now is None or before is None:
        return "unknown"
    if abs(now - before) < TREND_STEP:
        return "flat"
    return "up" if now > before else "down"


def _norm(account: AccountFacts) -> int:
    return NORM_DAYS.get(account.segment, NORM_DAYS["standard"])


def _falling(value: float, good: float, bad: float) -> int:
    """100 up to ``good``, 0 from ``bad`` on, a straight line between."""
    return round(100 * min(1.0, max(0.0, (bad - value) / (bad - good))))


def _touched(account: AccountFacts, days: int | None) -> int | None:
    return None if days is None else _falling(days, _norm(account), 3 * _norm(account))


def _touch(account: AccountFacts) -> Measure:
    days = account.last_touch_days
    return _measure("touch", 25, _touched(account, days), account, account.touched_deal, days=days, norm=_norm(account))


def _activity(account: AccountFacts) -> Measure:
    now, before = account.touches, account.touches_before
    score = None if now is None or before is None or before < FEWEST_TOUCHES else round(100 * min(1.0, now / before))
    return _measure("activity", 20, score, account, None, touches=now, before=before)


def _unanswered(account: AccountFacts) -> Measure:
    days = account.unanswered_days
    score = None if days is None else _falling(days, ANSWER_WITHIN_DAYS, ANSWER_LATE_DAYS)
    return _measure("unanswered", 15, score, account, account.unanswered_deal, days=days)


def _overdue(account: AccountFacts) -> Measure:
    late = account.overdue
    return _measure("overdue", 15, None if late is None else _falling(late, 0, 3), account, None, overdue=late)


def _stage(account: AccountFacts) -> Measure:
    days = account.stage_days
    score = None if days is None else _falling(days, STAGE_USUAL_DAYS, STAGE_LONG_DAYS)
    return _measure("stage", 10, score, account, account.stage_deal, days=days, usual=STAGE_USUAL_DAYS)


def _next_step(account: AccountFacts) -> Measure:
    planned = account.next_step
    return _measure("next_step", 10, None if planned is None else 100 * planned, account, None, planned=planned)


def _contacts(account: AccountFacts) -> Measure:
    known = account.contacts
    score = None if known < 1 else 40 if known == 1 else 100
    return _measure("contacts", 5, score, account, None, contacts=known)


def _measure(
    name: str, weight: int, score: int | None, account: AccountFacts, deal: str | None, **values: int | bool | None
) -> Measure:
    ref = f"deal:{deal}" if deal else f"account:{account.id}"
    return Measure(name=name, weight=weight, score=score, values=values, ref=ref)


MEASURES: Mapping[str, Callable[[AccountFacts], Measure]] = MappingProxyType(
    {
        "touch": _touch,
        "activity": _activity,
        "unanswered": _unanswered,
        "overdue": _overdue,
        "stage": _stage,
        "next_step": _next_step,
        "contacts": _contacts,
    }
)
"""Name -> how it is measured, the heaviest first; their weights add up to 100."""
