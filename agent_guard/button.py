"""The red button's one move: a flag and its record, in one durable transaction. Needs neither a policy nor a model."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from agent_guard import agents
from agent_guard.audit import Audit, AuditEvent, system_thread
from agent_guard.errors import ConfigError
from agent_guard.kill_switch import EVERYTHING, KillSwitch
from agent_guard.scopes import DEFAULT_AGENT
from agent_guard.store import Store

__all__ = ["set_flag"]

SCOPES = ("tenant", "scenario", "tool", "agent")


def set_flag(
    store: Store,
    audit: Audit,
    scope: str,
    *,
    pressed: bool,
    reason: str,
    by: str,
    environment: str,
    now: datetime,
    tenant: str = "-",
) -> None:
    """Presses or releases one flag.

    Args:
        scope: ``*``, ``tenant:x``, ``scenario:x``, ``tool:x`` or ``agent:x``; the last one covers the agent in every
            environment of this database.
        environment: the caller's; an agent that was revoked there is not revived.
        tenant: whose system chain the event stands in; ``-`` is the installation's own.

    Raises:
        ConfigError: the scope is none of these, an agent that nobody added, or one to revive that was revoked.
        StoreError: the database cannot be used; the flag is as it was, and unreadable flags count as pressed.
    """
    kind, _, name = scope.partition(":")
    if scope != EVERYTHING and (kind not in SCOPES or not name):
        raise ConfigError(f"{scope!r} is no scope; write *, tenant:x, scenario:x, tool:x or agent:x")
    at_ms = int(now.timestamp() * 1000)
    happened = AuditEvent(
        kind="killed" if pressed else "revived",
        timestamp=now.isoformat(timespec="milliseconds"),
        thread=system_thread(tenant),
        tenant=tenant,
        environment=environment,
        actor={"user_id": by},
        reason=reason,
        note=scope,
    )
    with store.write(durable=True) as connection:
        if kind == "agent":
            _check_agent(connection, name, environment, pressed=pressed)
        KillSwitch(store).set(connection, scope, pressed=pressed, reason=reason, by=by, at_ms=at_ms)
        audit.append(connection, [happened], now_ms=at_ms)


def _check_agent(connection: sa.Connection, name: str, environment: str, *, pressed: bool) -> None:
    there = agents.everyone(connection)
    mine = next((row for row in there if (row.name, row.environment) == (name, environment)), None)
    if not pressed and mine is not None and mine.revoked is not None:
        raise ConfigError(
            f"the agent {name!r} was revoked in {environment} by {mine.revoked_by}, and that is for good; "
            "add a new one with: agent-guard agents add"
        )
    names = sorted({DEFAULT_AGENT, *(row.name for row in there)})
    if name not in names:
        raise ConfigError(f"'agent:{name}' covers nothing here, so nothing was switched; there is: {', '.join(names)}")
