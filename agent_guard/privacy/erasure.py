"""Erasing a party, or one conversation: the data key is destroyed, and with it every copy of the values that this
database holds. A conversation about a party has the party's key, which the party's other conversations need: of it
alone only the values are destroyed.

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

from agent_guard import approvals, calls, threads, vault
from agent_guard.approvals import APPROVALS
from agent_guard.audit import Audit, AuditEvent, system_thread
from agent_guard.calls import CALLS, CallRow
from agent_guard.credentials import Keys
from agent_guard.data_keys import DATA_KEYS, party_key_id, thread_key_id
from agent_guard.databases.locks import CROWDED, chain_lock, data_key_lock
from agent_guard.errors import ConfigError, StoreError
from agent_guard.privacy.holds import checked, locks, refuse_held
from agent_guard.recording.events import error_json
from agent_guard.store import Store
from agent_guard.suggestions import SUGGESTIONS
from agent_guard.threads import THREADS
from agent_guard.types import JSON, Code
from agent_guard.vault import ENTRIES

__all__ = ["Erasure", "erase"]

_LOOKS = 20
"""How often it is looked again which threads the party has, before others are told to wait."""


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """What was erased, or would be.

    Args:
        party: whose data, or whom the one conversation is about.
        thread: the one conversation, where it is not all of the party's.
        threads: how many conversations were closed.
        values: how many values were destroyed.
        ended: how many calls that waited, or were approved and had not run, were ended.
        running: calls that were running; each holds what it had read until it ends.
        unknown: calls of which nobody knows whether they happened; a person has to say.
        already: when it was erased before, in milliseconds since 1970, where nothing was left to do.
        scrubbed: whether the database's own files were overwritten too, see ``Store.scrub``.
    """

    tenant: str
    party: str | None = None
    thread: str | None = None
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
    party: str | None = None,
    thread: str | None = None,
    reason: str,
    by: str,
    environment: str,
    now: datetime,
    dry_run: bool = False,
) -> Erasure:
    """Erases a party's data, or that of one conversation. From its commit on no process reads a value of it; a call
    that runs holds what it had read until it ends, at most its tool's time-out. A later conversation with the same
    person has another key.

    Args:
        party, thread: one of them. The values of a conversation without a party are under a key of their own.
        keys: the guard's; the record of it is written under them.
        reason: stands in the record, so it must hold no personal data.
        by: the authenticated operator.
        dry_run: count, and change nothing.

    Raises:
        ConfigError: nothing of this party or conversation was ever stored, or there is no reason.
        Held: a legal hold covers the party.
        StoreError: the database cannot be used, the party is too busy, or this is not the master key that the database
            is written with; nothing was erased.
    """
    if (party is None) == (thread is None):
        raise ConfigError("name a party or a thread, one of them")
    checked(party=party if thread is None else None, reason=reason)
    with store.read() as connection:
        found = _allowed(connection, tenant, party, thread)
    if dry_run:
        return found
    if found.already is None:
        found = _erased(store, audit, keys, found, reason, by, environment, now)
    return replace(found, scrubbed=store.scrub([DATA_KEYS.name, ENTRIES.name]))


def _erased(
    store: Store, audit: Audit, keys: Keys, seen: Erasure, reason: str, by: str, environment: str, now: datetime
) -> Erasure:
    tenant, at_ms = seen.tenant, int(now.timestamp() * 1000)
    for _ in range(_LOOKS):
        with store.read() as connection:
            opened = _threads(connection, seen)
        with store.write(durable=True, alone=True, locks=[*_locks(seen), *map(chain_lock, opened)]) as connection:
            if not set(_threads(connection, seen)) <= set(opened):
                continue  # one was opened in between; whoever opens one needs the key's lock
            found = _allowed(connection, tenant, None if seen.thread else seen.party, seen.thread)
            if found.already is not None:
                return found
            vault.check_key(connection, keys, _key_id(seen))  # another master key would write the record with it
            for thread in opened:
                _close(connection, audit, tenant, thread, now, environment)
            vault.destroy(connection, _mine(seen), None if seen.thread and seen.party else _key_id(seen))
            open_ = sa.and_(_mine(seen), THREADS.c.erased.is_(None))
            connection.execute(THREADS.update().where(open_).values(erased=at_ms))
            audit.append(connection, [_event(found, reason, by, environment, now)], now_ms=at_ms)
        return found
    raise StoreError(CROWDED)


def _mine(whose: Erasure) -> sa.ColumnElement[bool]:
    """Which threads are meant, open or closed."""
    of_tenant = THREADS.c.tenant == whose.tenant
    return sa.and_(of_tenant, THREADS.c.party == whose.party if whose.thread is None else THREADS.c.id == whose.thread)


def _key_id(whose: Erasure) -> str:
    """Which data key their values are under."""
    if whose.party:
        return party_key_id(whose.tenant, whose.party)
    return thread_key_id(whose.tenant, str(whose.thread))


def _locks(whose: Erasure) -> list[str]:
    if whose.party:
        return locks(whose.tenant, whose.party)
    return [data_key_lock(_key_id(whose)), chain_lock(system_thread(whose.tenant))]


def _allowed(connection: sa.Connection, tenant: str, party: str | None, thread: str | None) -> Erasure:
    """What there is to erase.

    Raises:
        ConfigError: nothing was ever stored.
        Held: a legal hold covers the party.
    """
    if thread is not None:
        row = threads.find(connection, thread)
        if row is None or row.subject.tenant != tenant:
            raise ConfigError(f"there is no thread {thread!r} of the tenant {tenant!r}; nothing was erased")
        party = row.party
    if party:
        refuse_held(connection, tenant, party)
    return _found(connection, Erasure(tenant=tenant, party=party, thread=thread))


def _found(connection: sa.Connection, whose: Erasure) -> Erasure:
    mine = sa.select(THREADS.c.id).where(_mine(whose))
    every, left, last = connection.execute(
        sa.select(
            sa.func.count(),
            sa.func.count().filter(THREADS.c.erased.is_(None)),
            sa.func.max(THREADS.c.erased),
        ).where(_mine(whose))
    ).one()
    has_key = whose.thread is None and vault.has_key(connection, _key_id(whose))
    if not every and not has_key:
        raise ConfigError(
            f"nothing of a party {whose.party!r} is stored for the tenant {whose.tenant!r}; write its id as the host "
            "gives it"
        )
    if not left and not has_key:
        return replace(whose, already=last)
    values = sa.select(sa.func.count()).where(ENTRIES.c.thread.in_(mine), ENTRIES.c.sealed != b"")
    states = sa.select(CALLS.c.state, sa.func.count()).where(CALLS.c.thread.in_(mine)).group_by(CALLS.c.state)
    count = {row.state: int(row[1]) for row in connection.execute(states)}
    return replace(
        whose,
        threads=left,
        values=connection.execute(values).scalar() or 0,
        ended=sum(count.get(state, 0) for state in ("proposed", "pending", "approved")),
        running=count.get("claimed", 0),
        unknown=count.get("unknown", 0),
    )


def _threads(connection: sa.Connection, whose: Erasure) -> Sequence[str]:
    """Those of them that are open."""
    query = sa.select(THREADS.c.id).where(_mine(whose), THREADS.c.erased.is_(None))
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
        note=found.thread and f"thread {found.thread}",
        result_meta={"records": found.values} | {name: getattr(found, name) for name in counts},
    )
