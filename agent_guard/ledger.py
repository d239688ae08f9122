"""The calls as people look at them: lists for an operator, and the ones that nobody has settled. Not for hot paths."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from agent_guard.calls import CALLS, CallRow, State, row_of

__all__ = ["called", "ending_in", "listed", "unsettled"]


def listed(
    connection: sa.Connection,
    *,
    state: State | None = None,
    tenant: str | None = None,
    thread: str | None = None,
    tool: str | None = None,
    since_ms: int | None = None,
    last: int | None = None,
) -> list[CallRow]:
    """Calls, the newest first; each argument that is given leaves out what differs from it.

    Args:
        since_ms: proposed then or later, in milliseconds since 1970.
        last: at most so many.
    """
    wanted = {"state": state, "tenant": tenant, "thread": thread, "tool": tool}
    query = (
        sa.select(CALLS)
        .where(*(CALLS.c[name] == value for name, value in wanted.items() if value is not None))
        .order_by(CALLS.c.created.desc(), CALLS.c.trace_id.desc())
        .limit(last)
    )
    if since_ms is not None:
        query = query.where(CALLS.c.created >= since_ms)
    return _rows(connection, query)


def unsettled(connection: sa.Connection, *, now_ms: int, tenant: str | None = None) -> list[CallRow]:
    """The calls whose outcome nobody knows, the oldest first: unknown, or claimed by a process that must be dead."""
    dead = sa.and_(CALLS.c.state == "claimed", CALLS.c.lease <= now_ms)
    query = sa.select(CALLS).where(sa.or_(CALLS.c.state == "unknown", dead)).order_by(CALLS.c.created, CALLS.c.trace_id)
    if tenant is not None:
        query = query.where(CALLS.c.tenant == tenant)
    return _rows(connection, query)


def ending_in(connection: sa.Connection, end: str) -> list[CallRow]:
    """The calls whose trace id ends so: tables show the last characters of one."""
    return _rows(connection, sa.select(CALLS).where(CALLS.c.trace_id.endswith(end, autoescape=True)))


def called(connection: sa.Connection, call_id: str, *, tenant: str) -> list[CallRow]:
    """The calls of a tenant that carried this id, in whatever thread, the oldest first."""
    query = sa.select(CALLS).where(CALLS.c.call_id == call_id, CALLS.c.tenant == tenant)
    return _rows(connection, query.order_by(CALLS.c.created, CALLS.c.trace_id))


def _rows(connection: sa.Connection, query: sa.Select[tuple[object, ...]]) -> list[CallRow]:
    found: Sequence[sa.Row[tuple[object, ...]]] = connection.execute(query).all()
    return [row for item in found if (row := row_of(item)) is not None]
