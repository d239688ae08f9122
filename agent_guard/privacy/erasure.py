"""Erasing a party: its data key is destroyed, and with it every copy of its values that this database holds.

One transaction: the key, the sealed values, the questions that wait, the mark on the party's threads, and the record of
it. A process that dies before its commit has erased nothing, one that dies after it everything. No event is touched, so
every chain and every seal holds as before; what the record keeps of the party are pseudonyms that nobody can resolve.

What is beyond reach, and must be seen to by whoever runs the database: copies and backups that were made before. They
hold the wrapped key; with the master key it opens what they hold, and nothing that was written since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from agent_guard import approvals, calls, vault
from agent_guard.approvals import APPROVALS
from agent_guard.audit import Audit, AuditEvent, system_thread
from agent_guard.calls import CALLS, CallRow
from agent_guard.credentials import Keys
from agent_guard.errors import ConfigError, StoreError
from agent_guard.events import error_json
from agent_guard.locks import CROWDED, chain_lock
from agent_guard.privacy.holds import checked, locks, refuse_held
from agent_guard.store import Store
from agent_guard.suggestions import SUGGESTIONS
from agent_guard.threads import THREADS
from agent_guard.types import JSON, Code
from agent_guard.vault import DATA_KEYS, ENTRIES

__all__ = ["Erasure", "erase"]

_LOOKS = 20
"""How often it is looked again which threads the party has, before others are told to wait."""


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """What was erased, or would be.

    Args:
        threads: how many conversations were closed.
        values: how many values were destroyed.
        ended: how many calls that waited, or were approved and had not run, were ended.
        running: calls that were running; each holds what it had read until it ends.
        unknown: calls of which nobody knows whether they happened; a person has to say.
        already: when it was erased before, in milliseconds since 1970, where nothing was left to do.
        scrubbed: whether the database's own files were overwritten too, see ``Store.scrub``.
    """

    tenant: str
    party: str
    threads: int = 0
    values: int = 0
    ended: int = 0
    running: int = 0
    unknown: int = 0
    already: int | None = None
    scrubbed: bool = False

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        return dict(vars(self))


def erase(
    store: Store,
    audit: Audit,
    keys: Keys,
    *,
    tenant: str,
    party: str,
    reason: str,
    by: str,
    environment: str,
    now: datetime,
    dry_run: bool = False,
) -> Erasure:
    """Erases a party's data. From its commit on no process reads a value of the party; a call that runs holds what it
    had read until it ends, at most its tool's time-out. A later conversation with the same person has another key.

    Args:
        keys: the guard's; the record of it is written under them.
        reason: stands in the record, so it must hold no personal data.
        by: the authenticated operator.
        dry_run: count, and change nothing.

    Raises:
        ConfigError: nothing of this party was ever stored, or there is no reason.
        Held: a legal hold covers the party.
        StoreError: the database cannot be used, the party is too busy, or this is not the master key that the database
            is written with; nothing was erased.
    """
    checked(party=party, reason=reason)
    with store.read() as connection:
        refuse_held(connection, tenant, party)
        found = _found(connection, tenant, party)
    if dry_run:
        return found
    if found.already is None:
        found = _erased(store, audit, keys, found, reason, by, environment, now)
    return replace(found, scrubbed=store.scrub([DATA_KEYS.name, ENTRIES.name]))


def _erased(
    store: Store, audit: Audit, keys: Keys, seen: Erasure, reason: str, by: str, environment: str, now: datetime
) -> Erasure:
    tenant, party, at_ms = seen.tenant, seen.party, int(now.timestamp() * 1000)
    for _ in range(_LOOKS):
        with store.read() as connection:
            threads = _threads(connection, tenant, party)
        with store.write(durable=True, locks=[*locks(tenant, party), *map(chain_lock, threads)]) as connection:
            if not set(_threads(connection, tenant, party)) <= set(threads):
                continue  # one was opened in between; whoever opens one needs the key's lock
            refuse_held(connection, tenant, party)
            found = _found(connection, tenant, party)
            if found.already is not None:
                return found
            vault.check_key(connection, keys, tenant, party)  # another master key would write the record with it
            for thread in threads:
                _close(connection, audit, tenant, thread, now, environment)
            vault.destroy(connection, tenant, party)
            mine = sa.and_(THREADS.c.tenant == tenant, THREADS.c.party == party, THREADS.c.erased.is_(None))
            connection.execute(THREADS.update().where(mine).values(erased=at_ms))
            audit.append(connection, [_event(found, reason, by, environment, now)], now_ms=at_ms)
        return found
    raise StoreError(CROWDED)


def _found(connection: sa.Connection, tenant: str, party: str) -> Erasure:
    """What there is to erase.

    Raises:
        ConfigError: nothing was ever stored.
    """
    mine = sa.select(THREADS.c.id).where(THREADS.c.tenant == tenant, THREADS.c.party == party)
    every, left, last = connection.execute(
        sa.select(
            sa.func.count(),
            sa.func.count().filter(THREADS.c.erased.is_(None)),
            sa.func.max(THREADS.c.erased),
        ).where(THREADS.c.tenant == tenant, THREADS.c.party == party)
    ).one()
    has_key = vault.has_key(connection, tenant, party)
    if not every and not has_key:
        raise ConfigError(
            f"nothing of a party {party!r} is stored for the tenant {tenant!r}; write its id as the host gives it"
        )
    if not left and not has_key:
        return Erasure(tenant=tenant, party=party, already=last)
    values = sa.select(sa.func.count()).where(ENTRIES.c.thread.in_(mine), ENTRIES.c.sealed != b"")
    states = sa.select(CALLS.c.state, sa.func.count()).where(CALLS.c.thread.in_(mine)).group_by(CALLS.c.state)
    count = {row.state: int(row[1]) for row in connection.execute(states)}
    return Erasure(
        tenant=tenant,
        party=party,
        threads=left,
        values=connection.execute(values).scalar() or 0,
        ended=sum(count.get(state, 0) for state in ("proposed", "pending", "approved")),
        running=count.get("claimed", 0),
        unknown=count.get("unknown", 0),
    )


def _threads(connection: sa.Connection, tenant: str, party: str) -> Sequence[str]:
    """The party's threads that are open."""
    query = sa.select(THREADS.c.id).where(
        THREADS.c.tenant == tenant, THREADS.c.party == party, THREADS.c.erased.is_(None)
    )
    return connection.execute(query.order_by(THREADS.c.id)).scalars().all()


def _close(connection: sa.Connection, audit: Audit, tenant: str, thread: str, now: datetime, environment: str) -> None:
    """Ends what waits in a thread: nobody can answer it, no worker takes it up, and nothing that was approved runs."""
    at_ms = int(now.timestamp() * 1000)
    waiting = sa.select(CALLS).where(CALLS.c.thread == thread, CALLS.c.state.in_(("proposed", "pending", "approved")))
    events = []
    for item in connection.execute(waiting.order_by(CALLS.c.created, CALLS.c.trace_id)).all():
        row = calls.row_of(item)
        if row is not None and calls.move(connection, row, "expired", code=Code.ERASED):
            if row.approval_id:
                approvals.close(connection, row.approval_id, now_ms=at_ms)
            events.append(_ended(row, tenant, environment, now))
    of_thread = sa.and_(APPROVALS.c.thread == thread, APPROVALS.c.resumed.is_(None))
    connection.execute(APPROVALS.update().where(of_thread).values(resumed=at_ms))
    unjudged = sa.and_(SUGGESTIONS.c.thread == thread, SUGGESTIONS.c.verdict.is_(None))
    connection.execute(SUGGESTIONS.delete().where(unjudged))  # nobody could see any more what it was about
    audit.append(connection, events, now_ms=at_ms)


def _ended(row: CallRow, tenant: str, environment: str, now: datetime) -> AuditEvent:
    return AuditEvent(
        kind="expired",
        timestamp=now.isoformat(timespec="milliseconds"),
        thread=row.thread,
        tenant=tenant,
        trace_id=row.trace_id,
        environment=environment,
        tool=row.tool,
        tool_call_id=row.call_id,
        approval_id=row.approval_id,
        digest=row.digest,
        error=error_json(Code.ERASED),
    )


def _event(found: Erasure, reason: str, by: str, environment: str, now: datetime) -> AuditEvent:
    counts = ("threads", "values", "ended", "running", "unknown")
    return AuditEvent(
        kind="erased",
        timestamp=now.isoformat(timespec="milliseconds"),
        thread=system_thread(found.tenant),
        tenant=found.tenant,
        environment=environment,
        actor={"user_id": by, "tenant": found.tenant},
        party=found.party,
        reason=reason,
        result_meta={"records": found.values} | {name: getattr(found, name) for name in counts},
    )
