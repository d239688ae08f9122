"""Telling colleagues: one message a week and owner into one fixed channel, written by the tool and never by a model.

A model, or the host, says whose records and which. The tool asks the CRM whether each of them is what is claimed, and
refuses all where one is not; what is said of them is made of the CRM's ids, stages, days and numbers. So there is no
text that anybody could slip in, no receiver that anybody could choose, and no false alarm that anybody could raise. A
week's message is one intent for ever; what was told within seven rolling days is left out (requirement A29).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent_guard.credentials import Secrets
from agent_guard.errors import OutcomeUnknown, ToolRejected
from agent_guard.tool import tool
from agent_guard.types import Ref
from tools.accounts import RecordId, StaffId
from tools.alert_log import QUIET, AlertLog
from tools.crm.overview import Overview
from tools.crm.port import CRM, NOT_FOUND, amount_text
from tools.health import scorecard
from tools.notify.port import Channel, Line, Notice
from tools.stale_deals import RULE, week_of

__all__ = ["LISTED_MAX", "NewAlert", "Topic", "alert_slack", "refs_of"]

LISTED_MAX = 50
"""Most records of one message."""

NOTHING_NEW, NOT_A_FINDING, WRONG_WEEK = "nothing_new", "not_a_finding", "wrong_week"
"""Codes of a refusal: all were told of lately; one is not what is claimed; the week is not this one."""

Topic = Literal["forgotten_deals", "account_health"]
_KINDS = {"forgotten_deals": "deal", "account_health": "account"}


class NewAlert(BaseModel):
    """Whose records are told of, and which."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: Topic
    owner_id: StaffId
    week: Annotated[str, Field(pattern=r"^[0-9]{4}-W[0-9]{2}$", description="the present ISO week")]
    ids: Annotated[tuple[RecordId, ...], Field(min_length=1, max_length=LISTED_MAX, description="ids of the records")]


class Alerted(BaseModel):
    """What became of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listed: Annotated[tuple[RecordId, ...], Field(max_length=LISTED_MAX)]
    left_out: Annotated[tuple[RecordId, ...], Field(max_length=LISTED_MAX)]
    channel: Annotated[str, Field(max_length=64)]
    message: Annotated[str, Field(max_length=200)]


def refs_of(topic: Topic, ids: tuple[str, ...]) -> tuple[str, ...]:
    """The records as the log of alerts names them."""
    return tuple(f"{_KINDS[topic]}:{one}" for one in dict.fromkeys(ids))


def _lookup(args: NewAlert, channel: Channel, *, idempotency_key: str, secrets: Secrets) -> Alerted | None:
    """Looks for the message that was posted under the key; see :class:`Channel`."""
    posted = channel.find(idempotency_key, secrets=secrets)
    if posted is None:
        return None
    return Alerted(listed=args.ids, left_out=(), channel=posted.channel, message=posted.id)


@tool(
    name="alerts.slack",
    effect="egress",
    timeout_s=10,
    key=("topic", "owner_id", "week"),
    key_window="forever",
    refs={"owner_id": "staff"},
    unmask={"ids"},
    result_fields=dict.fromkeys(("listed", "left_out", "channel", "message"), "plain"),
    lookup=_lookup,
    retries=0,
)
def alert_slack(
    args: NewAlert,
    crm: CRM,
    overview: Overview,
    alert_log: AlertLog,
    channel: Channel,
    *,
    idempotency_key: str,
    secrets: Secrets,
) -> Alerted:
    """Posts this week's message about one owner's forgotten deals or alarming accounts into the team's channel.

    Args:
        args: whose records, and which.
        crm: for the owner's name.
        overview: the facts that are told, read now.
        alert_log: what was told of before.
        channel: where it is posted; fixed by the host.
        idempotency_key: of the topic, the owner and the week.
        secrets: of the agent.

    Raises:
        ToolRejected: ``wrong_week``, ``not_a_finding`` or ``nothing_new``, or the channel refused; nothing was posted.
        ToolUnavailable: the CRM or the channel cannot be asked, ``rate_limited`` among others; nothing was posted.
        OutcomeUnknown: it may have been posted. Its records are not told of again for seven days.
    """
    if args.week != week_of(overview.now()):
        raise ToolRejected("an alert is for the present week", code=WRONG_WEEK)
    owner = crm.describe(Ref(kind="staff", id=args.owner_id))
    if owner is None or owner.region is None:
        raise ToolRejected("there is no such member of staff", code=NOT_FOUND)
    lines = _LINES[args.topic](args, overview, owner.region)
    refs = refs_of(args.topic, args.ids)
    free = alert_log.take(refs, key=idempotency_key)
    if not free:
        raise ToolRejected("all of them were told of lately", code=NOTHING_NEW)
    listed = tuple(ref.partition(":")[2] for ref in free)
    notice = _notice(args, owner.name or args.owner_id, [lines[one] for one in listed])
    try:
        posted = channel.post(notice, key=idempotency_key, secrets=secrets)
    except OutcomeUnknown:
        raise
    except Exception:
        alert_log.give_back(free, key=idempotency_key)
        raise
    left_out = tuple(one for one in dict.fromkeys(args.ids) if one not in listed)
    return Alerted(listed=listed, left_out=left_out, channel=posted.channel, message=posted.id)


def _forgotten(args: NewAlert, overview: Overview, _region: str) -> dict[str, Line]:
    """What is said of each deal; every one must be this owner's, open, and without a touch."""
    found = {deal.id: deal for deal in overview.idle_of(RULE, args.ids)}
    for one in args.ids:
        if one not in found or found[one].owner_id != args.owner_id or found[one].bucket == "planned":
            raise ToolRejected("a deal is not this owner's, or is not forgotten", code=NOT_A_FINDING)
    lines = {}
    for one, deal in found.items():
        days = "nobody knows since when" if deal.idle_days is None else f"{deal.idle_days} days without a touch"
        lines[one] = Line(about=f"Deal {one}", says=f"{deal.stage}, {days}, {amount_text(deal.amount)} {deal.currency}")
    return lines


def _alarming(args: NewAlert, overview: Overview, region: str) -> dict[str, Line]:
    """What is said of each account; every one must be this owner's, and its score past the threshold."""
    lines = {}
    for one in args.ids:
        page = overview.accounts(region=region, account_id=one)
        cards = [scorecard(account) for account in page.accounts]
        if not cards or cards[0].account.owner_id != args.owner_id or not cards[0].alarming:
            raise ToolRejected("an account is not this owner's, or is not alarming", code=NOT_A_FINDING)
        worst = sorted((item.score, item.name) for item in cards[0].measures if item.score is not None)[:3]
        weak = ", ".join(f"{name.replace('_', ' ')} {score}" for score, name in worst)
        known = f"{cards[0].known} of {len(cards[0].measures)} measures known"
        lines[one] = Line(about=f"Account {one}", says=f"health {cards[0].score} of 100 ({known}); weakest: {weak}")
    return lines


_LINES = {"forgotten_deals": _forgotten, "account_health": _alarming}
_TITLES = {"forgotten_deals": "Forgotten deals", "account_health": "Accounts that need attention"}


def _notice(args: NewAlert, owner: str, lines: list[Line]) -> Notice:
    what = "deal" if args.topic == "forgotten_deals" else "account"
    many = f"{len(lines)} {what}{'' if len(lines) == 1 else 's'}"
    return Notice(
        title=f"{_TITLES[args.topic]}, {args.week}",
        intro=f"{owner}: {many}. Open them in the CRM.",
        lines=tuple(lines),
        note=f"One message a week and owner; nothing is told twice in {QUIET.days} days. Every finding is on record.",
    )
