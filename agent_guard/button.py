"""The red button's one move: a flag and its record, in one durable transaction. Needs neither a policy nor a model."""

from __future__ import annotations

from datetime import datetime

from agent_guard.audit import Audit, AuditEvent, system_thread
from agent_guard.errors import ConfigError
from agent_guard.kill_switch import EVERYTHING, KillSwitch
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
        scope: ``*``, ``tenant:x``, ``scenario:x``, ``tool:x`` or ``agent:x``.
        tenant: whose system chain the event stands in; ``-`` is the installation's own.

    Raises:
        ConfigError: the scope is none of these.
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
        KillSwitch(store).set(connection, scope, pressed=pressed, reason=reason, by=by, at_ms=at_ms)
        audit.append(connection, [happened], now_ms=at_ms)
