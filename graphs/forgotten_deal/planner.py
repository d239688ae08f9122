"""The embedded model of this scenario: it reads at most three pages, alerts only when asked to, and reports."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage

from graphs.forgotten_deal.words import ABOUT_DEALS, ALERTS, SAID, line
from graphs.rules import RulePlanner, proposes
from graphs.turn import Result, Turn

__all__ = ["planner"]

STALE, ALERT = "deals__stale", "alerts__slack"
PAGES, PAGE, OWNERS, LISTED, SHOWN = 3, 100, 3, 50, 10

_ABOUT, _ALERTS = re.compile(ABOUT_DEALS), re.compile(ALERTS)


def planner() -> RulePlanner:
    """The model."""
    return RulePlanner(model_name="forgotten-deal-planner-1", step=step)


def step(turn: Turn, tools: frozenset[str]) -> AIMessage:
    """One step. The order of the cases is the behaviour."""
    said = SAID[turn.language]
    if not _ABOUT.search(turn.words):
        return AIMessage(said["what"])
    if turn.region is None or STALE not in tools:
        return AIMessage(said["cannot"])
    pages = turn.of(STALE)
    if not pages:
        return proposes(turn, STALE, "the user asks which deals are forgotten", region=turn.region, limit=PAGE)
    if any(page.data is None for page in pages):
        return AIMessage(said["failed"])
    after = pages[-1].data["after"] if pages[-1].data else None
    if after is not None and len(pages) < PAGES:
        return proposes(turn, STALE, "there is another page", region=turn.region, limit=PAGE, after=after)
    deals = [deal for page in pages if page.data for deal in page.data["deals"]]
    if ALERT in tools and _ALERTS.search(turn.words):
        owner = _next_owner(deals, turn.of(ALERT))
        if owner is not None:
            week = pages[0].data["week"] if pages[0].data else ""
            ids = [deal["id"] for deal in _longest(deals, owner)[:LISTED]]
            why = "the user asks to tell the owner's colleagues"
            return proposes(turn, ALERT, why, topic="forgotten_deals", owner_id=owner, week=week, ids=ids)
    return AIMessage(_report(turn, deals, more=after is not None))


def _longest(deals: Sequence[dict[str, Any]], owner: str | None = None) -> list[dict[str, Any]]:
    """Deals to tell of, the longest idle first; one that nobody can date comes before all."""
    open_ = [deal for deal in deals if deal["bucket"] != "planned" and owner in (None, deal["owner_id"])]
    return sorted(open_, key=lambda deal: (deal["idle_days"] is not None, -(deal["idle_days"] or 0), deal["id"]))


def _next_owner(deals: Sequence[dict[str, Any]], told: Sequence[Result]) -> str | None:
    owners = list(dict.fromkeys(deal["owner_id"] for deal in _longest(deals)))[:OWNERS]
    done = {result.args.get("owner_id") for result in told}
    return next((owner for owner in owners if owner not in done), None)


def _report(turn: Turn, deals: Sequence[dict[str, Any]], *, more: bool) -> str:
    said = SAID[turn.language]
    if not deals:
        return said["none"]
    count = {name: sum(deal["bucket"] == name for deal in deals) for name in ("stale", "planned", "unknown")}
    parts = [said["found"].format(**count)]
    parts += [line(turn.language, deal) for deal in _longest(deals)[:SHOWN]]
    if more:
        parts.append(said["more"])
    for result in turn.of(ALERT):
        parts.append(said[{"executed": "told", "duplicate": "told_before"}.get(result.status, "not_told")])
    return "\n".join(parts)
