"""Sealing: the heads of all chains that changed, signed and kept.

Only what is new is read, and nothing is locked while it is read: a chain only ever grows, so a head that was read stays
the head of what was there. What is sealed is not verified first; ``agent_guard.auditing.verify`` does that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from operator import itemgetter

import sqlalchemy as sa

from agent_guard.audit import AUDIT
from agent_guard.auditing.merkle import root
from agent_guard.auditing.seals import SEALED_HEADS, SEALS, Seal, Sealer, leaf
from agent_guard.credentials import Keys
from agent_guard.databases.locks import SEALS as SEALS_LOCK
from agent_guard.errors import StoreError
from agent_guard.recording.chain import place
from agent_guard.store import Store

__all__ = ["CHAINS_MAX", "seal"]

CHAINS_MAX = 10_000
"""How many chains one seal covers at most, so that writing one down never holds other writers up for long."""

_SEALED = (
    sa.select(SEALED_HEADS.c.thread, sa.func.max(SEALED_HEADS.c.seq).label("seq"))
    .where(SEALED_HEADS.c.thread > sa.bindparam("after"))
    .group_by(SEALED_HEADS.c.thread)
    .subquery()
)
_NEW = (
    sa.select(AUDIT.c.thread, AUDIT.c.seq, AUDIT.c.id, AUDIT.c.at, AUDIT.c.hash)
    .outerjoin(_SEALED, _SEALED.c.thread == AUDIT.c.thread)
    .where(AUDIT.c.thread > sa.bindparam("after"), AUDIT.c.seq > sa.func.coalesce(_SEALED.c.seq, 0))
    .order_by(AUDIT.c.thread, AUDIT.c.seq)
    .execution_options(yield_per=1000)
)
_LAST = sa.select(SEALS.c.line).order_by(SEALS.c.n.desc()).limit(1)


@dataclass(frozen=True, kw_only=True)
class _Changed:
    """A chain's new head."""

    thread: str
    seq: int
    hash: str
    places: str
    events: int


def seal(store: Store, keys: Keys, *, now: datetime) -> list[Seal]:
    """Seals every event that is committed and was not sealed; returns the new seals, none where nothing is new.

    There is more than one where more than 10,000 chains changed. It may be called at any time and by several processes
    at once: of two the second finds nothing left to do. Seals are on disk when it returns; give them to somebody who
    cannot reach this database, because one that is kept there proves nothing against whoever can change it.

    Args:
        now: the time that the seals say.

    Raises:
        StoreError: the database cannot be used, or its newest seal is damaged; the rest is sealed the next time.
    """
    sealer, after = Sealer(keys), ""
    made: list[Seal] = []
    while True:
        with store.read() as connection:
            before = connection.execute(_LAST).scalar()
            heads = list(_changed(connection, after))
        if not heads:
            return made
        try:
            new = sealer.seal(
                before=before,
                at=now.isoformat(timespec="milliseconds"),
                chains=len(heads),
                events=sum(head.events for head in heads),
                root=root(leaf(head.thread, head.seq, head.hash, head.places) for head in heads),
            )
        except ValueError as error:
            raise StoreError(
                f"the newest seal in the database {store.name} {error}; see: agent-guard audit verify"
            ) from None
        if not _kept(store, new, before, heads):
            after = ""  # another process sealed in between: look again
            continue
        made.append(new)
        if len(heads) < CHAINS_MAX:
            return made
        after = heads[-1].thread


def _changed(connection: sa.Connection, after: str) -> Iterator[_Changed]:
    rows = connection.execute(_NEW, {"after": after})
    try:
        for index, (thread, events) in enumerate(groupby(rows, key=itemgetter(0))):
            if index == CHAINS_MAX:
                return
            places, count = sha256(), 0
            for event in events:
                places.update(place(event.id, event.at))
                count += 1
            yield _Changed(thread=thread, seq=event.seq, hash=event.hash, places=places.hexdigest(), events=count)
    finally:
        rows.close()


def _kept(store: Store, new: Seal, before: bytes | None, heads: Sequence[_Changed]) -> bool:
    """Writes a seal down, unless there is another one since it was made."""
    rows = [
        {"thread": head.thread, "seq": head.seq, "seal": new.n, "hash": head.hash, "places": head.places}
        for head in heads
    ]
    with store.write(locks=[SEALS_LOCK], durable=True) as connection:
        if connection.execute(_LAST).scalar() != before:
            return False
        connection.execute(SEALS.insert().values(n=new.n, line=new.line))
        connection.execute(SEALED_HEADS.insert(), rows)
    return True
