"""The embedded model of this scenario: it reads one account or at most three pages, and leaves the figures alone."""

from __future__ import annotations

import re

from langchain_core.messages import AIMessage

from graphs.account_health.words import ABOUT_HEALTH, EVERY, SAID
from graphs.rules import RulePlanner, proposes
from graphs.turn import Turn

__all__ = ["planner"]

FACTS = "accounts__facts"
PAGES, PAGE = 3, 20

_ABOUT, _EVERY = re.compile(ABOUT_HEALTH), re.compile(EVERY)
_ACCOUNT = re.compile(r"(?<![\w<])([1-9][0-9]{1,11})\b(?!\s*(?:%|days|дн|dni))")


def planner() -> RulePlanner:
    """The model."""
    return RulePlanner(model_name="account-health-planner-1", step=step)


def step(turn: Turn, tools: frozenset[str]) -> AIMessage:
    """One step. The order of the cases is the behaviour."""
    said = SAID[turn.language]
    named = _ACCOUNT.search(turn.words)
    if not _ABOUT.search(turn.words) and named is None:
        return AIMessage(said["what"])
    if named is None and not _EVERY.search(turn.words):
        return AIMessage(said["which"])
    if turn.region is None or FACTS not in tools:
        return AIMessage(said["cannot"])
    pages = turn.of(FACTS)
    if not pages and named is not None:
        why = "the user asks about this account"
        return proposes(turn, FACTS, why, region=turn.region, account_id=named[1])
    if not pages:
        return proposes(turn, FACTS, "the user asks about all accounts", region=turn.region, limit=PAGE)
    data = pages[-1].data
    if data is None:
        return AIMessage(said["failed"])
    if data["after"] is not None and len(pages) < PAGES:
        why = "there is another page"
        return proposes(turn, FACTS, why, region=turn.region, limit=PAGE, after=data["after"])
    if not any(page.data and page.data["accounts"] for page in pages):
        return AIMessage(said["none"])
    return AIMessage(said["done"] if data["after"] is None else f"{said['done']} {said['more']}")
