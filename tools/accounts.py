"""Reading accounts gives the aggregates of the scorecard: numbers, ids and the company's name, and nothing written."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent_guard.tool import tool
from tools.crm.overview import AccountFacts, Overview
from tools.deals import NAME_MAX, WORD_MAX

__all__ = ["AccountSeen", "AccountsSeen", "ReadAccounts", "RecordId", "RegionId", "StaffId", "account_facts"]

ACCOUNTS_MAX = 50
"""Most accounts of one page."""

RegionId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,15}$", description="the region, as the context gives it")]
StaffId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="a member of staff")]
RecordId = Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]
Count = Annotated[int, Field(ge=0)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReadAccounts(_Closed):
    """One account of a region, or a page of all that have an open deal."""

    region: RegionId
    account_id: Annotated[RecordId | None, Field(description="one account; left out, all of the region")] = None
    owner_id: Annotated[StaffId | None, Field(description="of this member of staff alone")] = None
    after: Annotated[RecordId | None, Field(description="the 'after' of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=ACCOUNTS_MAX)] = 20


class AccountSeen(_Closed):
    """The facts of one account; see :class:`tools.crm.overview.AccountFacts`. None: the CRM cannot tell."""

    id: RecordId
    name: Annotated[str, Field(max_length=NAME_MAX)]
    region: Annotated[str, Field(max_length=WORD_MAX)]
    segment: Annotated[str, Field(max_length=WORD_MAX)]
    owner_id: Annotated[str, Field(max_length=64)] | None
    open_deals: Count
    contacts: Count
    last_touch_days: Count | None = None
    last_touch_days_before: Count | None = None
    touched_deal: RecordId | None = None
    touches: Count | None = None
    touches_before: Count | None = None
    overdue: Count | None = None
    stage_days: Count | None = None
    stage_deal: RecordId | None = None
    unanswered_days: Count | None = None
    unanswered_deal: RecordId | None = None
    next_step: bool | None = None

    def facts(self) -> AccountFacts:
        """The same as the scorecard takes it; the name may be a pseudonym."""
        return AccountFacts(**self.model_dump())


class AccountsSeen(_Closed):
    """One page."""

    accounts: Annotated[tuple[AccountSeen, ...], Field(max_length=ACCOUNTS_MAX)]
    after: RecordId | None


_PLAIN = ("after", *(f"accounts.{name}" for name in AccountSeen.model_fields if name != "name"))


@tool(
    name="accounts.facts",
    effect="read",
    timeout_s=5,
    refs={"region": "region", "account_id": "account", "owner_id": "staff"},
    unmask={"after"},
    result_fields={"accounts.name": "ORG", **dict.fromkeys(_PLAIN, "plain")},
    ids={"accounts.id": "account"},
)
def account_facts(args: ReadAccounts, overview: Overview, *, idempotency_key: str = "") -> AccountsSeen:  # noqa: ARG001  as every tool is called
    """Reads the facts behind the health of accounts: touches, overdue follow-ups, stages, unanswered messages.

    Args:
        args: which accounts.
        overview: the CRM's aggregates.
        idempotency_key: not used; a read may be repeated.

    Raises:
        ToolUnavailable: the CRM is down.
    """
    page = overview.accounts(
        region=args.region, account_id=args.account_id, owner_id=args.owner_id, after=args.after, limit=args.limit
    )
    seen = tuple(
        AccountSeen(**{**asdict(item), "name": _cut(item.name, NAME_MAX), "segment": _cut(item.segment, WORD_MAX)})
        for item in page.accounts
    )
    return AccountsSeen(accounts=seen, after=page.after)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
