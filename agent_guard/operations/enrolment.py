"""Adding and revoking agents: the row, the flag and the record, in one durable transaction.

A revocation presses the flag ``agent:<environment>/<name>``, which every claim and the last look before every run read
anyway: running processes see it at their next call, and it costs none of them a query. The flag covers that agent in
that environment and nothing else; it is never released.
"""

from __future__ import annotations

from datetime import datetime

from agent_guard.audit import Audit, AuditEvent, system_thread
from agent_guard.databases.locks import AGENTS, SWITCHES, chain_lock
from agent_guard.errors import ConfigError
from agent_guard.kill_switch import KillSwitch
from agent_guard.operations import agents
from agent_guard.operations.agents import AgentRow
from agent_guard.operations.reason import check_reason
from agent_guard.operations.scopes import AGENT_NAME, DEFAULT_AGENT, revocation
from agent_guard.store import Store

__all__ = ["add", "revoke"]


def add(store: Store, audit: Audit, name: str, *, environment: str, reason: str, by: str, now: datetime) -> AgentRow:
    """Adds an agent to an environment.

    Raises:
        ConfigError: no name, no reason, a name that is or was another's, or one whose secrets could be mixed up with
            another's in variables.
        StoreError: the database cannot be used; nothing was added.
    """
    if not AGENT_NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no agent's name; write lower-case letters, digits and any of . _ -")
    if name == DEFAULT_AGENT:
        raise ConfigError(f"the agent {name!r} is there from the beginning")
    check_reason(reason)
    row = AgentRow(name=name, environment=environment, created=_ms(now), created_by=by, reason=reason)
    with store.write(durable=True, locks=[AGENTS, chain_lock(system_thread("-"))]) as connection:
        found = agents.find(connection, name, environment)
        if found is not None:
            what = "is there already" if found.revoked is None else "was revoked, and its name is not given again"
            raise ConfigError(f"the agent {name!r} {what} in {environment}; choose another name")
        there = [item.name for item in agents.everyone(connection) if item.environment == environment]
        other = agents.clash(name, there)
        if other is not None:
            raise ConfigError(
                f"the variables of {name!r} could not be told from those of {other!r}; choose another name"
            )
        agents.insert(connection, row)
        audit.append(connection, [_event("agent_added", row, reason, by, now)], now_ms=_ms(now))
    return row


def revoke(store: Store, audit: Audit, name: str, *, environment: str, reason: str, by: str, now: datetime) -> None:
    """Takes an agent's power in an environment away, at once, for good, and in every process; nothing else stops.

    Args:
        name: of an agent that was added, or ``default``.

    Raises:
        ConfigError: no reason, no such agent, or one that was revoked before.
        StoreError: the database cannot be used; the agent is as it was. Flags that cannot be read count as pressed.
    """
    check_reason(reason)
    with store.write(durable=True, locks=[AGENTS, SWITCHES, chain_lock(system_thread("-"))]) as connection:
        row = agents.find(connection, name, environment)
        if row is None and name != DEFAULT_AGENT:
            raise ConfigError(f"there is no agent {name!r} in {environment}; nothing was revoked")
        if row is None:  # the default one has no row until it is revoked
            row = AgentRow(name=name, environment=environment, created=_ms(now), created_by=by, reason=reason)
            agents.insert(connection, row)
        if row.revoked is not None:
            raise ConfigError(f"the agent {name!r} was revoked in {environment} before, by {row.revoked_by}")
        agents.mark_revoked(connection, name, environment, at_ms=_ms(now), by=by, reason=reason)
        flag = revocation(environment, name)
        KillSwitch(store).set(connection, flag, pressed=True, reason=reason, by=by, at_ms=_ms(now))
        audit.append(connection, [_event("agent_revoked", row, reason, by, now)], now_ms=_ms(now))


def _event(kind: str, row: AgentRow, reason: str, by: str, now: datetime) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        timestamp=now.isoformat(timespec="milliseconds"),
        thread=system_thread("-"),
        tenant="-",
        environment=row.environment,
        agent=row.name,
        actor={"user_id": by},
        reason=reason,
        note=revocation(row.environment, row.name),
    )


def _ms(now: datetime) -> int:
    return int(now.timestamp() * 1000)
