"""Legal holds: while one covers a party, nothing of it is erased and nothing of its record is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.audit import Audit, AuditEvent, system_thread
from agent_guard.databases.locks import chain_lock, data_key_lock
from agent_guard.errors import ConfigError, Held
from agent_guard.operations.reason import check_reason
from agent_guard.store import Store, metadata
from agent_guard.vault import party_key_id

__all__ = ["HOLDS", "Hold", "every", "of", "place", "refuse_held", "release"]

NAME_MAX, PARTY_MAX = 100, 200
"""How long a hold's name, a party's id and a reason may be, in characters."""


class _Columns(TypedColumns):
    tenant = Column(sa.String(100), primary_key=True)
    party = Column(sa.String(200), primary_key=True)
    name = Column(sa.String(100), primary_key=True)
    reason = Column(sa.String(500), nullable=False)
    placed = Column(sa.BigInteger, nullable=False)
    placed_by = Column(sa.String(200), nullable=False)


HOLDS = sa.Table("holds", metadata, _Columns)


@dataclass(frozen=True, kw_only=True)
class Hold:
    """One hold that is in force.

    Args:
        name: of the hold, one of several that a party may be under.
        placed: milliseconds since 1970.
    """

    tenant: str
    party: str
    name: str
    reason: str
    placed: int
    placed_by: str


def place(
    store: Store,
    audit: Audit,
    *,
    tenant: str,
    party: str,
    name: str,
    reason: str,
    by: str,
    environment: str,
    now: datetime,
) -> Hold:
    """Places a hold on a party, known already or not; it is in the record (``held``).

    Args:
        reason: stands in the record, so it must hold no personal data.
        by: the authenticated operator.

    Raises:
        ConfigError: no party, no name or no reason, or a hold of this name is in force.
        StoreError: the database cannot be used; nothing is held.
    """
    checked(party=party, reason=reason)
    if not name.strip() or len(name) > NAME_MAX:
        raise ConfigError(f"the name of a hold has 1 to {NAME_MAX} characters")
    at_ms = int(now.timestamp() * 1000)
    hold = Hold(tenant=tenant, party=party, name=name, reason=reason, placed=at_ms, placed_by=by)
    with store.write(durable=True, locks=locks(tenant, party)) as connection:
        if any(item.name == name for item in of(connection, tenant, party)):
            raise ConfigError(f"the hold {name!r} on {party!r} is in force already; choose another name")
        connection.execute(HOLDS.insert().values(**vars(hold)))
        audit.append(connection, [_event("held", hold, by, reason, environment, now)], now_ms=at_ms)
    return hold


def release(
    store: Store,
    audit: Audit,
    *,
    tenant: str,
    party: str,
    name: str,
    reason: str,
    by: str,
    environment: str,
    now: datetime,
) -> Hold:
    """Ends a hold; it is in the record (``released``).

    Raises:
        ConfigError: no such hold is in force, or there is no reason.
        StoreError: the database cannot be used; the hold is in force.
    """
    checked(party=party, reason=reason)
    with store.write(durable=True, locks=locks(tenant, party)) as connection:
        there = {item.name: item for item in of(connection, tenant, party)}
        if name not in there:
            known = ", ".join(sorted(there)) or "none"
            raise ConfigError(f"no hold {name!r} on {party!r} is in force; there is: {known}")
        connection.execute(HOLDS.delete().where(HOLDS.c.tenant == tenant, HOLDS.c.party == party, HOLDS.c.name == name))
        released = _event("released", there[name], by, reason, environment, now)
        audit.append(connection, [released], now_ms=int(now.timestamp() * 1000))
    return there[name]


def of(connection: sa.Connection, tenant: str, party: str) -> Sequence[Hold]:
    """The holds on one party that are in force, by name."""
    query = sa.select(HOLDS).where(HOLDS.c.tenant == tenant, HOLDS.c.party == party).order_by(HOLDS.c.name)
    return [_row(item) for item in connection.execute(query)]


def every(connection: sa.Connection, tenant: str | None = None) -> Sequence[Hold]:
    """Every hold that is in force, of one tenant or of all."""
    query = sa.select(HOLDS).where(*([] if tenant is None else [HOLDS.c.tenant == tenant]))
    query = query.order_by(HOLDS.c.tenant, HOLDS.c.party, HOLDS.c.name)
    return [_row(item) for item in connection.execute(query)]


def refuse_held(connection: sa.Connection, tenant: str, party: str) -> None:
    """Raises :class:`Held` where a hold covers the party, naming it."""
    found = of(connection, tenant, party)
    if found:
        named = ", ".join(
            f"{item.name!r} (placed by {item.placed_by} on {datetime.fromtimestamp(item.placed / 1000, UTC):%Y-%m-%d})"
            for item in found
        )
        raise Held(f"{party!r} is under the legal hold {named}; nothing was changed. See: agent-guard vault holds")


def locks(tenant: str, party: str) -> list[str]:
    """What whoever holds, releases or erases must be alone on, so that no two of them cross."""
    return [data_key_lock(party_key_id(tenant, party)), chain_lock(system_thread(tenant))]


def checked(*, party: str | None, reason: str) -> None:
    """Refuses an empty or endless party or reason.

    Args:
        party: None where nobody names one.

    Raises:
        ConfigError: one of them is.
    """
    if party is not None and not 0 < len(party.strip()) <= len(party) <= PARTY_MAX:
        raise ConfigError(f"name the party by its id, of 1 to {PARTY_MAX} characters, e.g. contact:17")
    check_reason(reason)


def _event(kind: str, hold: Hold, by: str, reason: str, environment: str, now: datetime) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        timestamp=now.isoformat(timespec="milliseconds"),
        thread=system_thread(hold.tenant),
        tenant=hold.tenant,
        environment=environment,
        actor={"user_id": by, "tenant": hold.tenant},
        party=hold.party,
        reason=reason,
        note=hold.name,
    )


def _row(item: Any) -> Hold:
    return Hold(**{name: getattr(item, name) for name in Hold.__dataclass_fields__})
