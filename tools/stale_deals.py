"""Finding forgotten deals gives a page of ids, stages, days and amounts: nothing that somebody wrote, and no name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent_guard.tool import tool
from tools.accounts import RecordId, RegionId, StaffId
from tools.crm.overview import PAGE_MAX, Overview, StaleRule
from tools.crm.port import amount_text
from tools.deals import WORD_MAX

__all__ = ["RULE", "FindStale", "StaleDeal", "StaleDeals", "stale_deals", "week_of"]

STAGE_DAYS: Mapping[str, int] = MappingProxyType({"negotiation": 7})
"""A deal that is being negotiated is forgotten sooner."""

RULE = StaleRule(days=14, stages=STAGE_DAYS, planned_within=14)
"""When a deal counts as forgotten here (requirement A29)."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FindStale(_Closed):
    """Whose deals, and which page."""

    region: RegionId
    owner_id: Annotated[StaffId | None, Field(description="of this member of staff alone")] = None
    after: Annotated[RecordId | None, Field(description="the 'after' of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = 50


class StaleDeal(_Closed):
    """One deal that is not fresh; see :class:`tools.crm.overview.IdleDeal`."""

    id: RecordId
    owner_id: Annotated[str, Field(max_length=64)]
    stage: Annotated[str, Field(max_length=WORD_MAX)]
    bucket: Literal["stale", "planned", "unknown"]
    idle_days: Annotated[int, Field(ge=0)] | None
    amount: Annotated[str, Field(pattern=r"^-?[0-9]{1,16}(\.[0-9]{2})?$", description="exact, in currency")]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")]


class StaleDeals(_Closed):
    """One page, and the week that it counts for."""

    deals: Annotated[tuple[StaleDeal, ...], Field(max_length=PAGE_MAX)]
    after: RecordId | None
    week: Annotated[str, Field(pattern=r"^[0-9]{4}-W[0-9]{2}$")]


_PLAIN = ("after", "week", *(f"deals.{name}" for name in StaleDeal.model_fields))


@tool(
    name="deals.stale",
    effect="read",
    timeout_s=10,
    refs={"region": "region", "owner_id": "staff"},
    unmask={"after"},
    result_fields=dict.fromkeys(_PLAIN, "plain"),
    ids={"deals.id": "deal"},
)
def stale_deals(args: FindStale, overview: Overview, *, idempotency_key: str = "") -> StaleDeals:  # noqa: ARG001  as every tool is called
    """Finds open deals without a touch for 14 days (7 in negotiation): their owner, stage, days and amount, by pages.

    Args:
        args: whose deals.
        overview: the CRM's aggregates.
        idempotency_key: not used; a read may be repeated.

    Raises:
        ToolUnavailable: the CRM is down.
    """
    page = overview.idle(RULE, region=args.region, owner_id=args.owner_id, after=args.after, limit=args.limit)
    seen = tuple(
        StaleDeal(
            id=deal.id,
            owner_id=deal.owner_id,
            stage=_word(deal.stage),
            bucket=deal.bucket,
            idle_days=deal.idle_days,
            amount=amount_text(deal.amount),
            currency=deal.currency,
        )
        for deal in page.deals
    )
    return StaleDeals(deals=seen, after=page.after, week=week_of(overview.now()))


def week_of(moment: datetime) -> str:
    """The ISO week of a moment, e.g. ``"2026-W48"``."""
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02d}"


_PLAIN_WORD = re.compile(r"[\w .-]{1,40}")


def _word(stage: str) -> str:
    # a stage is a word of a list that an administrator keeps; what does not look like one is not repeated
    return stage if _PLAIN_WORD.fullmatch(stage) else "other"
