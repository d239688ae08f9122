"""The port of aggregates: what a CRM can tell of many records at once, without one word that somebody wrote.

Names of accounts apart, everything here is an id, a number, a date or a word of a closed list, so that a page of it can
be shown to a model, written into a log and posted to a channel without telling anything about a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Literal, Protocol

from agent_guard.errors import ToolRejected
from tools.crm.port import INVALID

__all__ = [
    "CLOSED_STAGES",
    "PAGE_MAX",
    "AccountFacts",
    "AccountPage",
    "Bucket",
    "IdleDeal",
    "IdlePage",
    "Overview",
    "StaleRule",
]

CLOSED_STAGES = ("won", "lost")
"""Stages in which nobody waits for a deal any more."""

PAGE_MAX = 1000
"""Most rows of one page."""

Bucket = Literal["stale", "planned", "unknown"]
"""``stale``: no touch for as long as the rule says. ``planned``: the same, and a next activity is near enough.
``unknown``: there is no touch that anybody could date; that is not fresh, and it is not stale either."""


@dataclass(frozen=True, kw_only=True)
class StaleRule:
    """When a deal counts as forgotten (requirement A29). A touch is an activity that has happened, and not by an agent.

    Args:
        days: how long without a touch, in days of 24 hours; at exactly this age a deal is stale.
        stages: stage -> another number of days.
        planned_within: a next activity at most this many days ahead makes a stale deal ``planned``; 0 for never. A
            far-off one does not: it would silence the alarm for as long as somebody likes.

    Raises:
        ToolRejected: ``invalid``; a number of days is not 1 to 365 (0 to 365 for ``planned_within``).
    """

    days: int = 14
    stages: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    planned_within: int = 14

    def __post_init__(self) -> None:
        if not all(1 <= days <= 365 for days in (self.days, *self.stages.values())):
            raise ToolRejected("a rule's days are 1 to 365", code=INVALID)
        if not 0 <= self.planned_within <= 365:
            raise ToolRejected("planned_within is 0 to 365 days", code=INVALID)

    def limit(self, stage: str) -> timedelta:
        """How long a deal of this stage may go without a touch."""
        return timedelta(days=self.stages.get(stage, self.days))


@dataclass(frozen=True, kw_only=True)
class IdleDeal:
    """One open deal that is not fresh.

    Args:
        idle_days: whole days since the last touch, or None in the bucket ``unknown``.
        amount: in ``currency`` (ISO 4217).
    """

    id: str
    owner_id: str
    stage: str
    bucket: Bucket
    idle_days: int | None
    amount: Decimal
    currency: str


@dataclass(frozen=True, kw_only=True)
class IdlePage:
    """One page, in the order of ids as texts.

    Args:
        after: where the next page begins, or None after the last one.
    """

    deals: tuple[IdleDeal, ...]
    after: str | None


@dataclass(frozen=True, kw_only=True)
class AccountFacts:
    """What the scorecard is made of. None means that the CRM cannot tell: missing is never good.

    Args:
        name: of the company.
        segment: how large it is; the norm of touches goes by it.
        open_deals: how many; an account without any has no facts about deals.
        last_touch_days: whole days since the last touch, over its open deals.
        last_touch_days_before: the same as it stood 30 days ago.
        touches: in the last 30 days.
        touches_before: in the 30 days before those.
        overdue: follow-ups whose day has passed.
        stage_days: age in the stage of the open deal that stands longest.
        stage_deal: that deal.
        unanswered_days: whole days since a deal's last message of the customer that nobody answered, of the deal where
            that is longest ago; 0 where every deal's last word is ours.
        unanswered_deal: the deal it stands on.
        contacts: how many people of the company the CRM knows.
        next_step: whether something is planned on an open deal.
        touched_deal: the deal of the last touch.
        owner_id: who answers for the account.
    """

    id: str
    name: str
    region: str
    segment: str
    owner_id: str | None
    open_deals: int
    contacts: int
    last_touch_days: int | None = None
    last_touch_days_before: int | None = None
    touched_deal: str | None = None
    touches: int | None = None
    touches_before: int | None = None
    overdue: int | None = None
    stage_days: int | None = None
    stage_deal: str | None = None
    unanswered_days: int | None = None
    unanswered_deal: str | None = None
    next_step: bool | None = None


@dataclass(frozen=True, kw_only=True)
class AccountPage:
    """One page, in the order of ids as texts; ``after`` as in :class:`IdlePage`."""

    accounts: tuple[AccountFacts, ...]
    after: str | None


class Overview(Protocol):
    """Aggregates of one CRM. Every method may be called from any thread.

    When the system is down, every method raises ``ToolUnavailable``.
    """

    def now(self) -> datetime:
        """The present by the CRM's own clock, aware and UTC."""
        ...

    def owners(self) -> tuple[tuple[str, str, int], ...]:
        """Everybody who owns a deal: their id, their region, and how many deals they own, closed ones included."""
        ...

    def idle(
        self, rule: StaleRule, *, region: str, owner_id: str | None = None, after: str | None = None, limit: int = 100
    ) -> IdlePage:
        """One page of the open deals of a region that are not fresh.

        Args:
            owner_id: of this member of staff alone.
            after: the ``after`` of the page before.
            limit: 1 to 1000.

        Raises:
            ToolRejected: ``invalid``; the limit is out of range.
            ToolUnavailable: the system cannot be asked.
        """
        ...

    def idle_of(self, rule: StaleRule, deal_ids: tuple[str, ...]) -> tuple[IdleDeal, ...]:
        """Those of these deals that are open and not fresh, in the order of ids."""
        ...

    def accounts(
        self,
        *,
        region: str,
        account_id: str | None = None,
        owner_id: str | None = None,
        after: str | None = None,
        limit: int = 20,
    ) -> AccountPage:
        """One page of the accounts of a region that have an open deal; or the one of this id, whatever it has.

        Args, Raises: as :meth:`idle`.
        """
        ...
