"""The red button's one move: a flag and its record, in one durable transaction. Needs neither a policy nor a model."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from agent_guard.audit import Audit, AuditEvent, system_thread
from agent_guard.databases.locks import AGENTS, SWITCHES, chain_lock
from agent_guard.errors import ConfigError
from agent_guard.kill_switch import EVERYTHING, KillSwitch
from agent_guard.notifications.alerts import BUTTON_PRESSED, BUTTON_RELEASED, Alert, Alerts
from agent_guard.operations import agents
from agent_guard.operations.reason import check_reason
from agent_guard.operations.scopes import DEFAULT_AGENT
from agent_guard.store import Store
from agent_guard.units import storable

__all__ = ["flag_locks", "put_flag", "set_flag", "switched"]

SCOPES = ("tenant", "scenario", "tool", "agent")
SCOPE_MAX = 200
"""How long a scope may be, in characters."""


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
    alerts: Alerts | None = None,
) -> None:
    """Presses or releases one flag.

    Args:
        scope: ``*``, ``tenant:x``, ``scenario:x``, ``tool:x`` or ``agent:x``; the last one covers the agent in every
            environment of this database.
        environment: the caller's; an agent that was revoked there is not revived.
        tenant: whose system chain the event stands in; ``-`` is the installation's own.
        alerts: tell the operators, once it is on disk.

    Raises:
        ConfigError: the scope is none of these, an agent that nobody added, or one to revive that was revoked; or
            there is no reason.
        StoreError: the database cannot be used; the flag is as it was, and unreadable flags count as pressed.
    """
    kind, _, name = scope.partition(":")
    if scope != EVERYTHING and (kind not in SCOPES or not name or len(scope) > SCOPE_MAX):
        raise ConfigError(f"{scope[:SCOPE_MAX]!r} is no scope; write *, tenant:x, scenario:x, tool:x or agent:x")
    check_reason(reason)
    if not isinstance(by, str) or not isinstance(tenant, str) or not tenant:
        raise ConfigError("nothing was switched: by and tenant are texts, the name of who does it and of a company")
    # whatever the keyboard of who presses it makes of a letter, the button works
    reason, by = storable(reason), storable(by)[:SCOPE_MAX]
    with store.write(durable=True, locks=[AGENTS, *flag_locks(tenant)]) as connection:
        if kind == "agent":
            _check_agent(connection, name, environment, pressed=pressed)
        put_flag(
            connection,
            KillSwitch(store),
            audit,
            scope,
            pressed=pressed,
            reason=reason,
            by=by,
            environment=environment,
            now=now,
            tenant=tenant,
        )
    if alerts is not None:
        alerts.send(switched(scope, pressed=pressed, by=by, at=now))


def switched(scope: str, *, pressed: bool, by: str, at: datetime) -> Alert:
    """What operators are told of a flag. Its reason is free text and stays in the record."""
    kind, other = (BUTTON_PRESSED, BUTTON_RELEASED) if pressed else (BUTTON_RELEASED, BUTTON_PRESSED)
    what = "off" if pressed else "on again"
    text = f"Tool calling was switched {what} for {scope} by {by}. Why: agent-guard status"
    return Alert(kind=kind, severity="critical" if pressed else "warning", scope=scope, text=text, at=at, ends=other)


def flag_locks(tenant: str = "-") -> list[str]:
    """What a transaction that calls :func:`put_flag` must be alone on."""
    return [SWITCHES, chain_lock(system_thread(tenant))]


def put_flag(
    connection: sa.Connection,
    kill_switch: KillSwitch,
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
    """As :func:`set_flag`, unchecked and inside the caller's transaction."""
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
    kill_switch.set(connection, scope, pressed=pressed, reason=reason, by=by, at_ms=at_ms)
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
