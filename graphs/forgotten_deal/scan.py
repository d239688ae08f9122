"""The weekly scan: every owner's forgotten deals, page by page, and one message for each owner."""

from __future__ import annotations

from agent_guard.guarded import GuardedThread
from agent_guard.scanning import Page, Part, Scan
from agent_guard.scans import Finding
from agent_guard.scenario import World
from agent_guard.types import JSON
from graphs.scheduling import owners, read, teller

__all__ = ["POLICY", "scan"]

POLICY = "forgotten_deal_scan"
PAGE = 500

UNKNOWN_RANK = 10_000
"""A deal that nobody can date is told of before all that are merely old."""


def scan(world: World, tenant: str) -> Scan:
    """The scan of one CRM's deals."""
    overview = world.resources["overview"]
    return Scan(
        policy=POLICY,
        parts=lambda: owners(overview, tenant),
        page=_page,
        tell=teller("forgotten_deals", overview, world.resources["alert_log"]),
    )


def _page(thread: GuardedThread, part: Part, after: str | None) -> Page:
    args = {"region": part.subject.region, "owner_id": part.id, "limit": PAGE} | ({"after": after} if after else {})
    seen = read(thread, "deals.stale", args)
    return Page(findings=[_finding(deal) for deal in seen["deals"]], after=seen["after"])


def _finding(deal: dict[str, JSON]) -> Finding:
    days = deal["idle_days"]
    return Finding(
        ref=f"deal:{deal['id']}",
        bucket=deal["bucket"],
        rank=UNKNOWN_RANK if days is None else days,
        facts={"stage": deal["stage"], "idle_days": days},
        # somebody has planned the next step: that is logged, and nobody is told
        why="planned" if deal["bucket"] == "planned" else None,
    )
