"""Reading a deal gives a summary and the last three activities, never the card and never contact data."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent_guard.tool import tool
from tools.crm.port import CRM, Activity, amount_text

__all__ = ["DealId", "DealSeen", "LastActivity", "ReadDeal", "read_deal"]

LAST_ACTIVITIES = 3
"""How many activities the model may see (requirement A21)."""

TITLE_MAX, WORD_MAX, NAME_MAX, SUMMARY_MAX = 200, 40, 200, 280

DealId = Annotated[str, Field(pattern=r"^[0-9]{1,12}$", description="the deal's id, digits only")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReadDeal(_Closed):
    """Which deal to read."""

    deal_id: DealId


class LastActivity(_Closed):
    """One activity: its kind, its age in whole days and what somebody wrote about it (untrusted)."""

    kind: Annotated[str, Field(max_length=WORD_MAX)]
    days_ago: Annotated[int, Field(ge=0)]
    summary: Annotated[str, Field(max_length=SUMMARY_MAX)]


class DealSeen(_Closed):
    """All that a model may know of a deal (requirements A15 and A21)."""

    title: Annotated[str, Field(max_length=TITLE_MAX)]
    stage: Annotated[str, Field(max_length=WORD_MAX)]
    amount: Annotated[str, Field(pattern=r"^-?[0-9]{1,16}(\.[0-9]{2})?$", description="exact, in currency")]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")]
    owner_name: Annotated[str, Field(max_length=NAME_MAX)]
    days_in_stage: Annotated[int, Field(ge=0)]
    last_activities: Annotated[tuple[LastActivity, ...], Field(max_length=LAST_ACTIVITIES)]


@tool(
    name="crm.read_deal",
    effect="read",
    timeout_s=5,
    refs={"deal_id": "deal"},
    untrusted={"last_activities"},
    result_fields={
        "title": "text",
        "stage": "plain",
        "amount": "plain",
        "currency": "plain",
        "owner_name": "PERSON",
        "days_in_stage": "plain",
        "last_activities": "text",
    },
)
def read_deal(args: ReadDeal, crm: CRM, *, idempotency_key: str = "") -> DealSeen:  # noqa: ARG001  as every tool is called
    """Reads a deal's summary: title, stage, amount, owner, days in the stage and the last three activities.

    Contact data is out of its reach: the port has no method that gives it to a tool. What people wrote into a title or
    an activity may still name somebody; it is analysed and masked by the gateway before the model sees it.

    Args:
        args: which deal.
        crm: the system of record.
        idempotency_key: not used; a read may be repeated.

    Raises:
        ToolRejected: ``not_found``.
        ToolUnavailable: the CRM is down.
    """
    deal = crm.deal(args.deal_id)
    latest = crm.activities(args.deal_id, LAST_ACTIVITIES)
    return DealSeen(
        title=_cut(deal.title, TITLE_MAX),
        stage=_cut(deal.stage, WORD_MAX),
        amount=amount_text(deal.amount),
        currency=deal.currency,
        owner_name=_cut(deal.owner_name, NAME_MAX),
        days_in_stage=_days(deal.stage_since, deal.as_of),
        last_activities=tuple(_seen(activity, deal.as_of) for activity in latest),
    )


def _seen(activity: Activity, as_of: datetime) -> LastActivity:
    return LastActivity(
        kind=_cut(activity.kind, WORD_MAX),
        days_ago=_days(activity.at, as_of),
        summary=_cut(activity.summary, SUMMARY_MAX),
    )


def _days(since: datetime, until: datetime) -> int:
    # A CRM's clock may be behind the one that stamped the row: that is today, not a negative age.
    return max(0, (until - since).days)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
