"""The agents of each environment: the technical identities under which gateways call the systems (A2).

An agent is added, and may be revoked, once. A revoked one stays in the table, so that its name is never given again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.credentials.environment import mangled
from agent_guard.operations.scopes import DEFAULT_AGENT
from agent_guard.store import metadata

__all__ = ["AGENTS", "AgentRow", "clash", "everyone", "find", "insert", "mark_revoked"]


class _Columns(TypedColumns):
    name = Column(sa.String(100), primary_key=True)
    environment = Column(sa.String(10), primary_key=True)
    created = Column(sa.BigInteger, nullable=False)
    created_by = Column(sa.String(200), nullable=False)
    revoked = Column(sa.BigInteger, nullable=True)
    revoked_by = Column(sa.String(200), nullable=True)
    reason = Column(sa.String(500), nullable=False)


AGENTS = sa.Table("agents", metadata, _Columns)


@dataclass(frozen=True, kw_only=True)
class AgentRow:
    """One agent in one environment.

    Args:
        created, revoked: milliseconds since 1970.
        reason: why it was added; of a revoked one, why it was revoked. The record has both.
    """

    name: str
    environment: str
    created: int
    created_by: str
    reason: str
    revoked: int | None = None
    revoked_by: str | None = None


def find(connection: sa.Connection, name: str, environment: str) -> AgentRow | None:
    """The agent of this name in this environment."""
    query = sa.select(AGENTS).where(AGENTS.c.name == name, AGENTS.c.environment == environment)
    row = connection.execute(query).first()
    return None if row is None else _read(row)


def everyone(connection: sa.Connection) -> list[AgentRow]:
    """All of them, by environment and name."""
    query = sa.select(AGENTS).order_by(AGENTS.c.environment, AGENTS.c.name)
    return [_read(row) for row in connection.execute(query)]


def insert(connection: sa.Connection, row: AgentRow) -> None:
    """Stores a new one."""
    connection.execute(AGENTS.insert().values(**vars(row)))


def mark_revoked(connection: sa.Connection, name: str, environment: str, *, at_ms: int, by: str, reason: str) -> None:
    """Marks one as revoked, for good."""
    here = sa.and_(AGENTS.c.name == name, AGENTS.c.environment == environment)
    connection.execute(AGENTS.update().where(here).values(revoked=at_ms, revoked_by=by, reason=reason))


def clash(name: str, others: Iterable[str]) -> str | None:
    """The agent whose secrets could stand in a variable of this one's, or None.

    ``AGENT_GUARD_SECRET_PROD_SDR_BOT_TOKEN`` is ``bot_token`` of ``sdr`` or ``token`` of ``sdr-bot``: two names of one
    environment must not begin alike up to a ``_`` of a variable.
    """
    mine = f"{mangled(name)}_"
    for other in [*others, DEFAULT_AGENT]:
        theirs = f"{mangled(other)}_"
        if mine.startswith(theirs) or theirs.startswith(mine):
            return other
    return None


def _read(row: sa.Row[Any]) -> AgentRow:
    return AgentRow(
        name=row.name,
        environment=row.environment,
        created=row.created,
        created_by=row.created_by,
        reason=row.reason,
        revoked=row.revoked,
        revoked_by=row.revoked_by,
    )
