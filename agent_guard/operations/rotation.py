"""Changing the master key: every data key of the vault is wrapped anew under the present one, and the former one opens
nothing of the vault any more.

A few hundred keys a transaction, so that nobody waits long. Whoever has both keys reads everything at every moment; a
process that died on the way is followed by another one, which does what is left. The row ``data_keys.MASTER`` is
written first: from then on whoever has the former key alone makes no new data key, so none is left behind.

What else is derived from the master key is not changed: the record's chains and seals name the key they were written
under, and idempotency keys and what binds an approval to a rendered text come from the oldest one given. So the former
key stays behind the present one; ``agent_guard.operations.oldest_key`` refuses to go on without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from agent_guard.audit import Audit, AuditEvent, system_thread
from agent_guard.credentials import Credentials, Keys, renew
from agent_guard.data_keys import DATA_KEYS, IS_DATA_KEY, MASTER, Wrapping, seal, unseal
from agent_guard.databases.locks import MASTER_KEY, chain_lock
from agent_guard.errors import StoreError
from agent_guard.operations.reason import check_reason
from agent_guard.store import Store
from agent_guard.types import JSON

__all__ = ["PAGE", "Rotation", "is_due", "keys_for", "rotate"]

PAGE = 500
"""How many data keys are wrapped anew in one transaction."""

_BEGUN, _DONE = b"begun", b"done"


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """What was done, or would be.

    Args:
        keys: how many data keys there are.
        renewed: how many of them were wrapped anew; the others were already.
    """

    keys: int
    renewed: int

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        return dict(vars(self))


def keys_for(store: Store, credentials: Credentials, environment: str) -> Keys:
    """The keys to rotate with. Where the vault is under the present master key to the end, a new one is made first, if
    the source can write; two that do this at once make one.

    Raises:
        ConfigError: the source cannot write, and holds no new key yet; the message says what to do.
        StoreError: the database cannot be used, or the vault was moved to a key that is none of those given.
    """
    with store.write(locks=[MASTER_KEY]) as connection:
        keys = Keys.of(credentials, environment)
        if not is_due(connection, keys):
            renew(credentials, environment)
            keys = Keys.of(credentials, environment)
    return keys


def rotate(
    store: Store,
    audit: Audit,
    keys: Keys,
    *,
    reason: str,
    by: str,
    environment: str,
    now: datetime,
    dry_run: bool = False,
) -> Rotation:
    """Wraps every data key under the present master key; it is in the record (``rotated``) when all of it is done. Done
    again after a crash it goes on; processes that read and write meanwhile are not disturbed if they have both keys.

    Args:
        keys: the new master key as the present one, and the one before as a former one.
        reason: stands in the record, so it must hold no personal data.
        dry_run: count, and change nothing.

    Raises:
        ConfigError: there is no reason.
        StoreError: the database cannot be used, or a data key can be opened by none of the keys. In the second case
            nothing was changed; in the first what was done is done, and everything can be read with both keys.
    """
    check_reason(reason)
    wrapping, at_ms = Wrapping(keys), int(now.timestamp() * 1000)
    every, old = _counted(store, wrapping)
    with store.read() as connection:
        over = not old and _is_done(connection, wrapping)
    if dry_run or over:
        return Rotation(keys=every, renewed=old)
    with store.write(durable=True, locks=[MASTER_KEY]) as connection:
        store.await_writers(connection, DATA_KEYS.name)
        _mark(connection, wrapping, _BEGUN)
    renewed = 0
    for page in _pages(store):
        renewed += _renew(store, wrapping, [row for row in page if not wrapping.is_present(row.id, row.wrapped)])
    every, left = _counted(store, wrapping)
    if left:
        raise StoreError(
            f"{left} of {every} data keys were wrapped under another master key meanwhile, by a process in which the "
            "former key stands before the new one; put the new one first everywhere and rotate again"
        )
    done = Rotation(keys=every, renewed=renewed)
    with store.write(durable=True, locks=[MASTER_KEY, chain_lock(system_thread("-"))]) as connection:
        if not _is_done(connection, wrapping):
            _mark(connection, wrapping, _DONE)
            audit.append(connection, [_event(done, reason, by, environment, now)], now_ms=at_ms)
    store.scrub([DATA_KEYS.name])
    return done


def is_due(connection: sa.Connection, keys: Keys) -> bool:
    """Whether the present master key is one that the vault is to be moved to: a rotation that was begun, or a new key
    before the former one.
    """
    if _master(connection) is None:
        return len(keys.every("vault")) > 1
    return not _is_done(connection, Wrapping(keys))


def _master(connection: sa.Connection) -> bytes | None:
    found: bytes | None = connection.execute(sa.select(DATA_KEYS.c.wrapped).where(DATA_KEYS.c.id == MASTER)).scalar()
    return found


def _is_done(connection: sa.Connection, wrapping: Wrapping) -> bool:
    """Whether the vault was moved to the present master key, to the end.

    Raises:
        StoreError: it was moved to a key that is none of these.
    """
    master = _master(connection)
    if master is None:
        return False
    state = unseal(wrapping, master, MASTER)
    return state == _DONE and wrapping.is_present(MASTER, master)


def _mark(connection: sa.Connection, wrapping: Wrapping, state: bytes) -> None:
    connection.execute(DATA_KEYS.delete().where(DATA_KEYS.c.id == MASTER))
    connection.execute(DATA_KEYS.insert().values(id=MASTER, wrapped=seal(wrapping, state, MASTER)))


def _pages(store: Store) -> Iterator[Sequence[Any]]:
    """The data keys by their ids, a page a transaction."""
    after = ""
    while True:
        query = sa.select(DATA_KEYS.c.id, DATA_KEYS.c.wrapped).where(DATA_KEYS.c.id > after, IS_DATA_KEY)
        with store.read() as connection:
            rows = connection.execute(query.order_by(DATA_KEYS.c.id).limit(PAGE)).all()
        if not rows:
            return
        after = rows[-1].id
        yield rows


def _counted(store: Store, wrapping: Wrapping) -> tuple[int, int]:
    """How many data keys there are, and how many of them are not under the present master key.

    Raises:
        StoreError: some are under none of the keys.
    """
    every = old = lost = 0
    for page in _pages(store):
        every += len(page)
        for row in page:
            if not wrapping.is_present(row.id, row.wrapped):
                old += 1
                lost += not wrapping.opens(row.id, row.wrapped)
    if lost:
        raise StoreError(
            f"{lost} of {every} data keys can be opened by none of the master keys that are given; put the key they "
            "were written under behind the others and rotate again"
        )
    return every, old


def _renew(store: Store, wrapping: Wrapping, rows: Sequence[Any]) -> int:
    """Wraps these data keys anew, all of them or none; one that was erased meanwhile stays erased."""
    if not rows:
        return 0
    renewed = 0
    with store.write(durable=True, alone=True, locks=[MASTER_KEY]) as connection:
        for row in rows:
            same = sa.and_(DATA_KEYS.c.id == row.id, DATA_KEYS.c.wrapped == row.wrapped)
            anew = wrapping.renewed(row.id, row.wrapped)
            renewed += connection.execute(DATA_KEYS.update().where(same).values(wrapped=anew)).rowcount
    return renewed


def _event(done: Rotation, reason: str, by: str, environment: str, now: datetime) -> AuditEvent:
    return AuditEvent(
        kind="rotated",
        timestamp=now.isoformat(timespec="milliseconds"),
        thread=system_thread("-"),
        tenant="-",
        environment=environment,
        actor={"user_id": by},
        reason=reason,
        result_meta={"records": done.keys, "renewed": done.renewed},
    )
