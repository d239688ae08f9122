"""The alert after a report: no tool of the model's, but a step of the host's that follows from the figures alone."""

from __future__ import annotations

import logging
from typing import Any

from langchain_core.runnables import RunnableConfig

from agent_guard.errors import AgentGuardError
from agent_guard.gateway import Gateway
from agent_guard.nodes import GuardState
from graphs.account_health.cards import cards_of_calls
from graphs.scheduling import host
from tools.alerts import LISTED_MAX
from tools.stale_deals import week_of

__all__ = ["POLICY", "alert_node", "tell_owners"]

POLICY = "account_health_alert"
"""The host's own policy; no conversation with a model runs under it."""

log = logging.getLogger("agent_guard")


def alert_node(gateway: Gateway) -> Any:
    """The node. The report is delivered whatever becomes of it; what became of it stands in the record."""

    def alert(state: GuardState, config: RunnableConfig) -> dict[str, Any]:
        del state  # the figures are read from the ledger, which no model writes
        try:
            tell_owners(gateway, str(config["configurable"]["thread_id"]))
        except AgentGuardError as error:
            log.error("no alert after a report: %s", type(error).__name__)  # noqa: TRY400 - its words could hold values
        return {}

    return alert


def tell_owners(gateway: Gateway, thread_id: str) -> list[str]:
    """Proposes one alert for each owner of alarming accounts that a thread has read; returns what became of each.

    The week's message of an owner is one intent, so that a report asked for twice alerts once.

    Raises:
        StoreError: the guard's database cannot be used; nothing was told.
    """
    thread = gateway.thread(thread_id)
    alarming: dict[str, list[str]] = {}
    for card in cards_of_calls(thread.calls):
        if card.alarming and card.account.owner_id:
            alarming.setdefault(card.account.owner_id, []).append(card.account.id)
    if not alarming:
        return []
    subject = host(thread.subject.tenant, thread.subject.region)
    own = gateway.open(subject, thread_id=f"{thread_id[:80]}/alert", scenario=POLICY)
    made: list[str] = []
    for owner, accounts in sorted(alarming.items()):
        args = {
            "topic": "account_health",
            "owner_id": owner,
            "week": week_of(gateway.now()),
            "ids": accounts[:LISTED_MAX],
        }
        result = own.invoke("alerts.slack", args, reason="The report found accounts past the threshold.")
        made.append(result.status)
    return made
