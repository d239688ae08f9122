"""Pseudonym and value, encrypted: AES-256-GCM under a data key per party (or per thread where there is none), which is
itself encrypted under a key derived from the master key. Destroying a data key makes all its values unreadable.

The data key is read with the thread's entries, in one transaction, every time: what was erased can be read by nobody
who begins later. Whoever had read it before holds it for the length of one call, and what that call still writes is
sealed under a key that is thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, TypedColumns

from agent_guard import data_keys
from agent_guard.credentials import Keys
from agent_guard.data_keys import (
    DATA_KEYS,
    Wrapping,
    generation,
    label,
    party_key_id,
    seal,
    thread_key_id,
    unseal,
)
from agent_guard.databases.query import Command, Query
from agent_guard.errors import StoreError
from agent_guard.store import Store, metadata
from agent_guard.threads import THREADS, ThreadRow
from agent_guard.types import EntityType, Entry, Origin

__all__ = [
    "DATA_KEYS", "ENTRIES", "ERASED", "SIGHTINGS", "ThreadVault", "Vault", "check_key", "data_key_id", "destroy",
    "has_key", "party_key_id",
]  # fmt: skip

ERASED = "erased"
"""Stands for the data key of what was written after the erasure: there is none."""

SOURCES_MAX = 3
"""How many places are kept for each origin of a value."""

THREADS_MAX = 256
"""How many threads' sealed rows a process keeps."""


class _EntryColumns(TypedColumns):
    thread = Column(sa.String(100), primary_key=True)
    token = Column(sa.String(40), primary_key=True)
    n = Column(sa.Integer, nullable=False)
    type = Column(sa.String(20), nullable=False)
    key_id = Column(sa.String(320), nullable=False)
    sealed = Column(sa.LargeBinary, nullable=False)


class _SightingColumns(TypedColumns):
    thread = Column(sa.String(100), primary_key=True)
    token = Column(sa.String(40), primary_key=True)
    origin = Column(sa.String(20), primary_key=True)
    source = Column(sa.String(200), primary_key=True)
    n = Column(sa.Integer, nullable=False)


ENTRIES = sa.Table("vault_entries", metadata, _EntryColumns)
SIGHTINGS = sa.Table("vault_sightings", metadata, _SightingColumns)

_WRAPPED = sa.select(DATA_KEYS.c.wrapped).where(DATA_KEYS.c.id == sa.bindparam("id")).scalar_subquery().label("wrapped")
_ERASED = sa.select(THREADS.c.erased).where(THREADS.c.id == sa.bindparam("thread")).scalar_subquery().label("erased")
_KEY = Query(sa.select(_WRAPPED, _ERASED))
_ADD_ENTRIES = Command(ENTRIES.insert())
_ADD_SIGHTINGS = Command(SIGHTINGS.insert())
_HEAD = Query(
    sa.select(
        sa.select(sa.func.count())
        .select_from(ENTRIES)
        .where(ENTRIES.c.thread == sa.bindparam("thread"))
        .scalar_subquery()
        .label("entries"),
        sa.select(sa.func.count())
        .select_from(SIGHTINGS)
        .where(SIGHTINGS.c.thread == sa.bindparam("thread"))
        .scalar_subquery()
        .label("sightings"),
        _WRAPPED,
        _ERASED,
    )
)
_ENTRIES = Query(
    sa.select(ENTRIES.c.token, ENTRIES.c.type, ENTRIES.c.key_id, ENTRIES.c.sealed)
    .where(ENTRIES.c.thread == sa.bindparam("thread"))
    .order_by(ENTRIES.c.n)
)
_SIGHTINGS = Query(
    sa.select(SIGHTINGS.c.token, SIGHTINGS.c.origin, SIGHTINGS.c.source)
    .where(SIGHTINGS.c.thread == sa.bindparam("thread"))
    .order_by(SIGHTINGS.c.n)
)


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A thread's rows as they lie in the database. No value can be read in them: the data key is not here.

    Args:
        entries: token, type, data key and sealed value, the oldest first.
        labels: token -> what is authenticated with its value: whose it is, and where it came from first.
        sources: token -> origin and source of each sighting.
        origins: token -> every origin of these, in the order of sight.
        sightings: how many there are in all.
    """

    entries: Sequence[tuple[str, EntityType, str, bytes]]
    labels: Mapping[str, str]
    sources: Mapping[str, tuple[tuple[Origin, str], ...]]
    origins: Mapping[str, tuple[Origin, ...]]
    sightings: int

    def is_whole(self, head: Any) -> bool:
        """Whether there are as many in the database."""
        return (len(self.entries), self.sightings) == (head.entries, head.sightings)


class Vault:
    """Opens the vaults of threads. It keeps their sealed rows, which are only ever added to: as many as before are the
    same as before, and need not be read again. Values are unsealed for one call at a time.
    """

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._wrapping = Wrapping(keys)
        self._kept: dict[str, _Sealed] = {}

    def of(self, thread: ThreadRow) -> ThreadVault:
        """The pseudonyms of one thread, as they are stored now.

        Raises:
            StoreError: the database cannot be read, or was written under another master key.
        """
        kept = self._kept.get(thread.id)
        if kept is not None:
            head = self._store.ask(partial(_head, thread=thread))
            if kept.is_whole(head):
                return self._opened(thread, head, kept)
        with self._store.read() as connection:
            return self.read(connection, thread, keep=True)

    def read(self, connection: sa.Connection, thread: ThreadRow, *, keep: bool = False) -> ThreadVault:
        """As :meth:`of`, inside the caller's transaction.

        Args:
            keep: the transaction has written nothing that could yet be undone.
        """
        head, kept = _head(connection, thread), self._kept.get(thread.id)
        stored = kept if kept is not None and kept.is_whole(head) else _sealed(connection, thread)
        opened = self._opened(thread, head, stored)
        if keep and stored is not kept:
            if len(self._kept) >= THREADS_MAX:
                self._kept.clear()
            self._kept[thread.id] = stored
        return opened

    def _opened(self, thread: ThreadRow, head: Any, stored: _Sealed) -> ThreadVault:
        key_id = data_key_id(thread)
        # without entries the key is looked for when one is written
        wrapped = head.wrapped if stored.entries and head.erased is None else None
        cipher = None if wrapped is None else AESGCM(unseal(self._wrapping, wrapped, key_id))
        made_under = generation(key_id, wrapped or b"")
        entries = {}
        for token, type_, sealed_under, sealed in stored.entries:
            # a row whose data key was destroyed keeps its place, so that its pseudonym is never given to another
            readable = cipher is not None and sealed_under == made_under
            origins = stored.origins.get(token, ())
            value = _unsealed(cipher, sealed, stored.labels[token], thread, token) if cipher and readable else ""
            entries[token] = Entry(token=token, type=type_, value=value, origins=origins)
        opened = ThreadVault(thread, key_id, cipher, self._wrapping, made_under, entries, stored)
        opened.erased = head.erased is not None
        return opened


def _head(connection: sa.Connection, thread: ThreadRow) -> Any:
    """How many rows a thread has, its data key, and whether it was erased."""
    return _HEAD.first(connection, {"thread": thread.id, "id": data_key_id(thread)})


def _unsealed(cipher: AESGCM, sealed: bytes, label: str, thread: ThreadRow, token: str) -> str:
    """A value, with what is authenticated beside it."""
    try:
        return unseal(cipher, sealed, label).decode()
    except StoreError:  # written before the origin was authenticated
        return unseal(cipher, sealed, f"{thread.id}|{token}").decode()


def _sealed(connection: sa.Connection, thread: ThreadRow) -> _Sealed:
    entries, seen = (query.all(connection, {"thread": thread.id}) for query in (_ENTRIES, _SIGHTINGS))
    sources: dict[str, tuple[tuple[Origin, str], ...]] = {}
    for token, origin, source in seen:
        sources[token] = (*sources.get(token, ()), (origin, source))
    origins = {token: tuple(dict.fromkeys(origin for origin, _ in known)) for token, known in sources.items()}
    firsts = {token: origins[token][0] if token in origins else "" for token, *_ in entries}
    labels = {token: label(thread.subject.tenant, thread.id, token, first) for token, first in firsts.items()}
    return _Sealed(entries, labels, sources, origins, len(seen))


class ThreadVault:
    """One thread's pseudonyms in memory; what is new is written by :meth:`flush`. Implements ``Pseudonyms``.

    ``erased`` tells whether the data of the thread's customer was erased, so that no value can be read.
    """

    def __init__(
        self,
        thread: ThreadRow,
        key_id: str,
        cipher: AESGCM | None,
        wrapping: Wrapping,
        made_under: str,
        entries: dict[str, Entry],
        stored: _Sealed,
    ) -> None:
        self._thread = thread.id
        self._tenant = thread.subject.tenant
        self._key_id = key_id
        self._cipher = cipher
        self._wrapping = wrapping
        self._made_under = made_under
        self.erased = False
        self._entries = entries
        self._sources = dict(stored.sources)
        self._sightings = stored.sightings
        self._new_entries: list[Entry] = []
        self._new_sightings: list[tuple[str, Origin, str]] = []

    def entries(self) -> Sequence[Entry]:
        """Every entry whose value can be read, the oldest first."""
        return [entry for entry in self._entries.values() if entry.value]

    def find(self, token: str) -> Entry | None:
        """The entry of ``token``, or None where there is none or it was erased."""
        entry = self._entries.get(token)
        return entry if entry and entry.value else None

    def sightings(self, token: str) -> Sequence[tuple[Origin, str]]:
        """Origin and source of each time the value of ``token`` was seen."""
        return self._sources.get(token, ())

    def mint(self, type: EntityType, value: str, origin: Origin, source: str = "") -> Entry:
        """Makes the next pseudonym of its type."""
        value = value.encode("utf-8", "replace").decode()  # half a character can be neither sealed nor stored
        n = 1 + sum(entry.type == type for entry in self._entries.values())
        entry = Entry(token=f"<{type}_{n}>", type=type, value=value, origins=())
        self._entries[entry.token] = entry
        self._new_entries.append(entry)
        self.saw(entry.token, origin, source)
        return self._entries[entry.token]

    def saw(self, token: str, origin: Origin, source: str = "") -> None:
        """Notes one more sighting; the same one twice is one, and so is one of many from one origin: the trail has them
        all, and a vault that grew with every message would make every message dearer.
        """
        known, source = self.sightings(token), source[:200]
        if (origin, source) in known or sum(other == origin for other, _ in known) >= SOURCES_MAX:
            return
        self._sources[token] = (*known, (origin, source))
        self._new_sightings.append((token, origin, source))
        entry = self._entries[token]
        if origin not in entry.origins:
            self._entries[token] = replace(entry, origins=(*entry.origins, origin))

    @property
    def minted(self) -> int:
        """How many pseudonyms are new."""
        return len(self._new_entries)

    @property
    def mark(self) -> tuple[int, int]:
        """How far it has come, for :meth:`forget`."""
        return len(self._new_entries), len(self._new_sightings)

    def forget(self, mark: tuple[int, int]) -> None:
        """Takes back what is new since a mark and was not written."""
        entries, sightings = mark
        for token, origin, source in self._new_sightings[sightings:]:
            left = tuple(item for item in self._sources[token] if item != (origin, source))
            self._sources[token] = left
            origins = tuple(dict.fromkeys([known for known, _ in left]))
            self._entries[token] = replace(self._entries[token], origins=origins)
        for entry in self._new_entries[entries:]:
            del self._entries[entry.token], self._sources[entry.token]
        del self._new_entries[entries:], self._new_sightings[sightings:]

    @property
    def changed(self) -> bool:
        """Whether there is anything to flush."""
        return bool(self._new_entries or self._new_sightings)

    def flush(self, connection: sa.Connection) -> None:
        """Writes what is new inside the caller's transaction.

        In a thread whose customer was erased meanwhile a new pseudonym keeps its place, and its value is lost.

        A pseudonym that another process minted meanwhile raises ``sqlalchemy.exc.IntegrityError``: the transaction
        is undone and nothing that used the pseudonym is kept.
        """
        if self._new_entries:
            cipher = self._cipher_now(connection)
            start = len(self._entries) - len(self._new_entries)
            _ADD_ENTRIES.many(
                connection,
                [
                    {
                        "thread": self._thread,
                        "token": entry.token,
                        "n": start + index,
                        "type": entry.type,
                        "key_id": self._made_under,
                        "sealed": seal(cipher, entry.value.encode(), self._label(entry)),
                    }
                    for index, entry in enumerate(self._new_entries)
                ],
            )
        if self._new_sightings:
            start = self._sightings
            _ADD_SIGHTINGS.many(
                connection,
                [
                    {"thread": self._thread, "token": token, "origin": origin, "source": source, "n": start + index}
                    for index, (token, origin, source) in enumerate(self._new_sightings)
                ],
            )
        self._sightings += len(self._new_sightings)
        self._new_entries, self._new_sightings = [], []

    def _label(self, entry: Entry) -> str:
        return label(self._tenant, self._thread, entry.token, self._sources[entry.token][0][0])

    def _cipher_now(self, connection: sa.Connection) -> AESGCM:
        """The data key as it is in this transaction; one that was erased since it was read is used no more."""
        now = _KEY.first(connection, {"id": self._key_id, "thread": self._thread})
        if now.erased is not None:
            self.erased, self._cipher, self._made_under = True, None, f"{self._key_id}#{ERASED}"
            return AESGCM(AESGCM.generate_key(bit_length=256))  # thrown away
        wrapped = now.wrapped
        if wrapped is None:
            key = AESGCM.generate_key(bit_length=256)
            wrapped = data_keys.add(connection, self._wrapping, self._key_id, key)
        elif self._cipher is not None and self._made_under == generation(self._key_id, wrapped):
            return self._cipher
        else:
            key = unseal(self._wrapping, wrapped, self._key_id)
        self._cipher, self._made_under = AESGCM(key), generation(self._key_id, wrapped)
        return self._cipher


def data_key_id(thread: ThreadRow) -> str:
    """Which data key a thread's values are under: its party's, or its own."""
    if thread.party:
        return party_key_id(thread.subject.tenant, thread.party)
    return thread_key_id(thread.subject.tenant, thread.id)


def has_key(connection: sa.Connection, key_id: str) -> bool:
    """Whether there is this data key."""
    return _KEY.first(connection, {"id": key_id, "thread": ""}).wrapped is not None


def check_key(connection: sa.Connection, keys: Keys, key_id: str) -> None:
    """Refuses a master key under which a data key cannot be opened.

    Raises:
        StoreError: it is another one than the database was written under.
    """
    wrapped = _KEY.first(connection, {"id": key_id, "thread": ""}).wrapped
    if wrapped is not None:
        unseal(Wrapping(keys), wrapped, key_id)


def destroy(connection: sa.Connection, mine: sa.ColumnElement[bool], key_id: str | None) -> int:
    """Destroys the sealed values of threads, and a data key, which would open copies of them elsewhere; returns how
    many values. Pseudonyms keep their places.

    Args:
        mine: which of ``THREADS``.
        key_id: None where other threads need the key.
    """
    of_them = sa.and_(ENTRIES.c.thread.in_(sa.select(THREADS.c.id).where(mine)), ENTRIES.c.sealed != b"")
    emptied = connection.execute(ENTRIES.update().where(of_them).values(sealed=b""))
    if key_id is not None:
        connection.execute(DATA_KEYS.delete().where(DATA_KEYS.c.id == key_id))
    return int(emptied.rowcount)
