"""Which policy is in force, in the record: a gateway that is opened with other rules than the one before says so.

The event stands in the installation's own chain. It names the policy and both hashes; the rules of each are kept by
:mod:`agent_guard.recording.rulebook`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import orjson
import sqlalchemy as sa

from agent_guard.audit import AUDIT, Audit, AuditEvent, system_thread
from agent_guard.databases.locks import chain_lock
from agent_guard.policy import Policy
from agent_guard.recording.rulebook import POLICIES, Rulebook
from agent_guard.store import Store

__all__ = ["enact"]

CHAIN = system_thread("-")


def enact(
    store: Store, audit: Audit, policies: Iterable[Policy], *, environment: str, agent: str, now: datetime
) -> None:
    """Keeps the policies' texts, and records each that takes another one's place under its name in this environment.
    The first of a name is kept and is no change; a return to older rules is one.

    Raises:
        StoreError: the database cannot be used.
    """
    now_ms, here = int(now.timestamp() * 1000), list(policies)
    Rulebook(store).keep(here, now_ms=now_ms)
    with store.read() as connection:
        if not _changes(connection, here, environment):
            return
    with store.write(locks=[chain_lock(CHAIN)]) as connection:
        events = [
            AuditEvent(
                kind="policy_changed",
                timestamp=now.isoformat(timespec="milliseconds"),
                thread=CHAIN,
                tenant="-",
                environment=environment,
                agent=agent,
                diff={"before": {"policy_hash": before}, "after": {"policy_hash": policy.hash}},
                note=policy.name,
            )
            for before, policy in _changes(connection, here, environment)
        ]
        audit.append(connection, events, now_ms=now_ms)


def _changes(connection: sa.Connection, policies: list[Policy], environment: str) -> list[tuple[str, Policy]]:
    """The hash that was in force, and the policy that is now."""
    in_force = _in_force(connection, environment)
    beside: dict[str, set[str]] = {}
    for policy in policies:  # several scenarios may call theirs by one name
        beside.setdefault(policy.name, set()).add(policy.hash)
    return [
        (in_force[policy.name], policy)
        for policy in policies
        if in_force.get(policy.name, policy.hash) not in beside[policy.name]
    ]


def _in_force(connection: sa.Connection, environment: str) -> dict[str, str]:
    """By name: the first policy of it that was ever kept, or what the last change in this environment brought."""
    kept = sa.select(POLICIES.c.name, POLICIES.c.hash).order_by(POLICIES.c.added.desc(), POLICIES.c.hash)
    found: dict[str, str] = {row.name: row.hash for row in connection.execute(kept)}
    told = (
        sa.select(AUDIT.c.body).where(AUDIT.c.thread == CHAIN, AUDIT.c.kind == "policy_changed").order_by(AUDIT.c.seq)
    )
    for body in connection.scalars(told):
        event = orjson.loads(body)
        if event["environment"] == environment:
            found[event["note"]] = event["diff"]["after"]["policy_hash"]
    return found
