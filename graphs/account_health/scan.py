"""The scheduled scan: the health of every account, page by page, and one message for each owner of alarming ones."""

from __future__ import annotations

from agent_guard.guarded import GuardedThread
from agent_guard.scanning import Page, Part, Scan
from agent_guard.scans import Finding
from agent_guard.scenario import World
from graphs.account_health.alert import POLICY
from graphs.account_health.cards import cards
from graphs.scheduling import owners, read, teller
from tools.health import Scorecard

__all__ = ["scan"]

PAGE = 50


def scan(world: World, tenant: str) -> Scan:
    """The scan of one CRM's accounts."""
    overview = world.resources["overview"]
    return Scan(
        policy=POLICY,
        parts=lambda: owners(overview, tenant),
        page=_page,
        tell=teller("account_health", overview, world.resources["alert_log"]),
    )


def _page(thread: GuardedThread, part: Part, after: str | None) -> Page:
    args = {"region": part.subject.region, "owner_id": part.id, "limit": PAGE} | ({"after": after} if after else {})
    seen = read(thread, "accounts.facts", args)
    return Page(findings=[_finding(card) for card in cards([seen])], after=seen["after"])


def _finding(card: Scorecard) -> Finding:
    facts = {"score": card.score, "trend": card.trend, "known": card.known, "coverage": round(100 * card.coverage)}
    return Finding(
        ref=f"account:{card.account.id}",
        bucket=card.colour,
        rank=100 - (card.score or 0),
        facts=facts,
        # every scorecard is logged; somebody is told of those past the threshold
        why=None if card.alarming else "no_alarm",
    )
