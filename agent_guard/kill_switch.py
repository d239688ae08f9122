"""The red button: flags for everything, a tenant, a scenario, a tool or an agent (A31).

The row ``*`` must exist: a database that lost it, or cannot be read, counts as pressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.databases.query import Query
from agent_guard.store import Store, metadata

__all__ = ["EVERYTHING", "FLAGS", "SWITCHES", "KillSwitch", "Switch", "covering", "since"]

EVERYTHING = "*"


class _Columns(TypedColumns):
    scope = Column(sa.String(200), primary_key=True)
    pressed = Column(sa.Boolean, nullable=False)
    reason = Column(sa.String(500), nullable=False)
    by = Column(sa.String(200), nullable=False)
    at = Column(sa.BigInteger, nullable=False)


SWITCHES = sa.Table("switches", metadata, _Columns)


@sa.event.listens_for(SWITCHES, "after_create")
def _first_row(target: sa.Table, connection: sa.Connection, **_: object) -> None:
    connection.execute(target.insert().values(scope=EVERYTHING, pressed=False, reason="", by="schema", at=0))


FLAGS = sa.select(SWITCHES.c.scope, SWITCHES.c.pressed).where((SWITCHES.c.pressed) | (SWITCHES.c.scope == EVERYTHING))
"""The table has a row for each flag that was ever set: reading the pressed ones costs less than naming the wanted."""

_FLAGS = Query(FLAGS)

_FLAG = Query(sa.select(SWITCHES.c.pressed, SWITCHES.c.at).where(SWITCHES.c.scope == sa.bindparam("scope")))


@dataclass(frozen=True, kw_only=True)
class Switch:
    """One flag as it stands."""

    scope: str
    pressed: bool
    reason: str
    by: str
    at: datetime


def covering(rows: Sequence[Any], scopes: Sequence[str]) -> tuple[str, ...]:
    """The pressed flags among ``scopes``; ``*`` is always among them, and pressed when its row is missing.

    Args:
        rows: what ``FLAGS`` gave.
    """
    if not any(row.scope == EVERYTHING for row in rows):
        return (EVERYTHING,)
    return tuple(sorted(row.scope for row in rows if row.pressed and row.scope in (EVERYTHING, *scopes)))


def since(connection: sa.Connection, scope: str) -> int | None:
    """When one flag was released, in milliseconds since 1970; 0 where it was never set, None while it is pressed."""
    row = _FLAG.first(connection, {"scope": scope})
    if row is None:
        return 0
    return None if row.pressed else int(row.at)


class KillSwitch:
    """Presses and releases flags, and reads them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def set(self, connection: sa.Connection, scope: str, *, pressed: bool, reason: str, by: str, at_ms: int) -> None:
        """Writes one flag inside the caller's transaction."""
        connection.execute(SWITCHES.delete().where(SWITCHES.c.scope == scope))
        connection.execute(SWITCHES.insert().values(scope=scope, pressed=pressed, reason=reason, by=by, at=at_ms))

    def pressed(self, scopes: Sequence[str]) -> tuple[str, ...]:
        """The pressed flags among ``scopes``, read now.

        Raises:
            StoreError: the flags cannot be read; the caller must not run anything.
        """
        return covering(self._store.ask(lambda connection: _FLAGS.all(connection, {})), scopes)

    def flags(self) -> frozenset[str]:
        """Every pressed flag, read now in one query; ``*`` also where its row is missing.

        Raises:
            StoreError: the flags cannot be read; the caller must let nothing run.
        """
        rows = self._store.ask(lambda connection: _FLAGS.all(connection, {}))
        lost = () if any(row.scope == EVERYTHING for row in rows) else (EVERYTHING,)
        return frozenset((*lost, *(row.scope for row in rows if row.pressed)))

    def status(self) -> list[Switch]:
        """Every flag ever set, ``*`` first."""
        with self._store.read() as connection:
            rows = connection.execute(sa.select(SWITCHES).order_by(SWITCHES.c.scope)).all()
        return [
            Switch(
                scope=row.scope,
                pressed=row.pressed,
                reason=row.reason,
                by=row.by,
                at=datetime.fromtimestamp(row.at / 1000).astimezone(),
            )
            for row in rows
        ]
