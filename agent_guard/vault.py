"""Pseudonym and value, encrypted: AES-256-GCM under a data key per party (or per thread where there is none), which is
itself encrypted under a key derived from the master key. Destroying a data key makes all its values unreadable.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from urllib.parse import quote

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, TypedColumns

from agent_guard.credentials import Keys
from agent_guard.errors import StoreError
from agent_guard.query import Query
from agent_guard.store import Store, metadata
from agent_guard.threads import ThreadRow
from agent_guard.types import EntityType, Entry, Origin

__all__ = ["DATA_KEYS", "ENTRIES", "SIGHTINGS", "ThreadVault", "Vault"]

SOURCES_MAX = 3
"""How many places are kept for each origin of a value."""

_NONCE_BYTES = 12  # NIST SP 800-38D: 96 bits, random, one key for far fewer than 2**32 values


class _KeyColumns(TypedColumns):
    id = Column(sa.String(320), primary_key=True)
    wrapped = Column(sa.LargeBinary, nullable=False)


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


DATA_KEYS = sa.Table("vault_keys", metadata, _KeyColumns)
ENTRIES = sa.Table("vault_entries", metadata, _EntryColumns)
SIGHTINGS = sa.Table("vault_sightings", metadata, _SightingColumns)

_KEY = sa.select(DATA_KEYS.c.wrapped).where(DATA_KEYS.c.id == sa.bindparam("id"))
_ADD_ENTRIES = ENTRIES.insert()
_ADD_SIGHTINGS = SIGHTINGS.insert()
_READ = Query(
    sa.select(
        ENTRIES.c.token,
        ENTRIES.c.type,
        ENTRIES.c.key_id,
        ENTRIES.c.sealed,
        SIGHTINGS.c.origin,
        SIGHTINGS.c.source,
        DATA_KEYS.c.wrapped,
    )
    .select_from(
        ENTRIES.outerjoin(
            SIGHTINGS, sa.and_(SIGHTINGS.c.thread == ENTRIES.c.thread, SIGHTINGS.c.token == ENTRIES.c.token)
        ).outerjoin(DATA_KEYS, DATA_KEYS.c.id == sa.bindparam("id"))
    )
    .where(ENTRIES.c.thread == sa.bindparam("thread"))
    .order_by(ENTRIES.c.n, SIGHTINGS.c.n)
)
"""One trip: a thread's vault is read at every step of a conversation."""


class Vault:
    """Opens the vaults of threads."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._wrapping = AESGCM(keys.derive("vault"))

    def of(self, thread: ThreadRow) -> ThreadVault:
        """The pseudonyms of one thread, as they are stored now.

        Raises:
            StoreError: the database cannot be read, or was written under another master key.
        """
        with self._store.read() as connection:
            return self.read(connection, thread)

    def read(self, connection: sa.Connection, thread: ThreadRow) -> ThreadVault:
        """As :meth:`of`, inside the caller's transaction."""
        key_id = data_key_id(thread)
        rows = _READ.all(connection, {"thread": thread.id, "id": key_id})
        wrapped = rows[0].wrapped if rows else None  # without entries the key is looked for when one is written
        cipher = None if wrapped is None else AESGCM(_open(self._wrapping, wrapped, key_id))
        made_under = _generation(key_id, wrapped or b"")
        vault = ThreadVault(thread.id, key_id, cipher, self._wrapping, made_under)
        for token, group in groupby(rows, key=lambda row: row.token):
            sightings = list(group)
            first = sightings[0]
            # a row whose data key was destroyed keeps its place, so that its pseudonym is never given to another
            readable = first.key_id == made_under
            value = _open(cipher, first.sealed, _label(thread.id, token)).decode() if cipher and readable else ""
            seen = tuple(dict.fromkeys(row.origin for row in sightings if row.origin is not None))
            vault.load(Entry(token=token, type=first.type, value=value, origins=seen))
            vault.load_sightings([(token, row.origin, row.source) for row in sightings if row.origin is not None])
        return vault


class ThreadVault:
    """One thread's pseudonyms in memory; what is new is written by :meth:`flush`. Implements ``Pseudonyms``."""

    def __init__(self, thread: str, key_id: str, cipher: AESGCM | None, wrapping: AESGCM, made_under: str) -> None:
        self._thread = thread
        self._key_id = key_id
        self._cipher = cipher
        self._wrapping = wrapping
        self._made_under = made_under
        self._entries: dict[str, Entry] = {}
        self._seen: set[tuple[str, Origin, str]] = set()
        self._sources: dict[str, list[tuple[Origin, str]]] = {}
        self._new_entries: list[Entry] = []
        self._new_sightings: list[tuple[str, Origin, str]] = []

    def load(self, entry: Entry) -> None:
        """Takes an entry that is stored already."""
        self._entries[entry.token] = entry

    def load_sightings(self, sightings: Sequence[tuple[str, Origin, str]]) -> None:
        """Takes sightings (token, origin, source) that are stored already."""
        for token, origin, source in sightings:
            self._see(token, origin, source)

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
        sighting: tuple[str, Origin, str] = (token, origin, source[:200])
        alike = sum(known == origin for known, _ in self.sightings(token))
        if sighting in self._seen or alike >= SOURCES_MAX:
            return
        self._see(token, origin, sighting[2])
        self._new_sightings.append(sighting)
        entry = self._entries[token]
        if origin not in entry.origins:
            self._entries[token] = replace(entry, origins=(*entry.origins, origin))

    def _see(self, token: str, origin: Origin, source: str) -> None:
        self._seen.add((token, origin, source))
        self._sources.setdefault(token, []).append((origin, source))

    @property
    def minted(self) -> int:
        """How many pseudonyms are new."""
        return len(self._new_entries)

    def forget(self) -> None:
        """Takes back what is new and was not written."""
        for entry in self._new_entries:
            del self._entries[entry.token]
        self._new_entries, self._new_sightings = [], []

    @property
    def changed(self) -> bool:
        """Whether there is anything to flush."""
        return bool(self._new_entries or self._new_sightings)

    def flush(self, connection: sa.Connection) -> None:
        """Writes what is new inside the caller's transaction.

        A pseudonym that another process minted meanwhile raises ``sqlalchemy.exc.IntegrityError``: the transaction
        is undone and nothing that used the pseudonym is kept.
        """
        if self._new_entries:
            cipher = self._cipher or self._new_cipher(connection)
            start = len(self._entries) - len(self._new_entries)
            connection.execute(
                _ADD_ENTRIES,
                [
                    {
                        "thread": self._thread,
                        "token": entry.token,
                        "n": start + index,
                        "type": entry.type,
                        "key_id": self._made_under,
                        "sealed": _seal(cipher, entry.value.encode(), _label(self._thread, entry.token)),
                    }
                    for index, entry in enumerate(self._new_entries)
                ],
            )
        if self._new_sightings:
            start = len(self._seen) - len(self._new_sightings)
            connection.execute(
                _ADD_SIGHTINGS,
                [
                    {"thread": self._thread, "token": token, "origin": origin, "source": source, "n": start + index}
                    for index, (token, origin, source) in enumerate(self._new_sightings)
                ],
            )
        self._new_entries, self._new_sightings = [], []

    def _new_cipher(self, connection: sa.Connection) -> AESGCM:
        wrapped = connection.execute(_KEY, {"id": self._key_id}).scalar()
        if wrapped is None:
            key = AESGCM.generate_key(bit_length=256)
            wrapped = _seal(self._wrapping, key, self._key_id)
            connection.execute(DATA_KEYS.insert().values(id=self._key_id, wrapped=wrapped))
        else:
            key = _open(self._wrapping, wrapped, self._key_id)
        self._cipher, self._made_under = AESGCM(key), _generation(self._key_id, wrapped)
        return self._cipher


def data_key_id(thread: ThreadRow) -> str:
    """Which data key a thread's values are under: its party's, or its own."""
    owner = f"party/{thread.party}" if thread.party else f"thread/{thread.id}"
    return f"{quote(thread.subject.tenant, safe='')}/{owner}"


def _generation(key_id: str, wrapped: bytes) -> str:
    """Names one making of a data key, so that what an erased one sealed is not tried with the key made after it."""
    return f"{key_id}#{wrapped[:4].hex()}"


def _label(thread: str, token: str) -> str:
    return f"{thread}|{token}"  # authenticated with the value, so that rows cannot be swapped


def _open(cipher: AESGCM, sealed: bytes, label: str) -> bytes:
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], label.encode())
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
        raise StoreError(
            "the vault cannot be read with this master key; give the key the database was written with"
        ) from None


def _seal(cipher: AESGCM, value: bytes, label: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, value, label.encode())
