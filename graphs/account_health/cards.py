"""Scorecards out of what a thread has read: whatever the model says, the figures come from the facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pydantic import ValidationError

from agent_guard.types import JSON
from tools.accounts import AccountSeen
from tools.health import Scorecard, scorecard

__all__ = ["FACTS", "cards", "cards_of_calls"]

FACTS = "accounts.facts"

_ORDER = {"red": 0, "unknown": 1, "yellow": 2, "green": 3}


def cards(pages: Iterable[Mapping[str, JSON]]) -> list[Scorecard]:
    """The scorecards of the accounts on these pages, the worst first; of two with one id the later counts."""
    found: dict[str, Scorecard] = {}
    for page in pages:
        for item in page.get("accounts") or ():
            try:
                seen = AccountSeen.model_validate(item)
            except ValidationError:
                continue  # the policy shows less than a scorecard needs: of that account nothing can be said
            found[seen.id] = scorecard(seen.facts())
    return sorted(found.values(), key=lambda card: (_ORDER[card.colour], card.score or 0, card.account.id))


def cards_of_calls(calls: Sequence[Mapping[str, JSON]]) -> list[Scorecard]:
    """The same, out of ``GuardedThread.calls``."""
    return cards(call["result"] for call in calls if call["tool"] == FACTS and isinstance(call["result"], Mapping))
