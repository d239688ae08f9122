"""The keys that the vault's values are under: one a party, or a thread where there is none. Each is stored wrapped
under a key that is derived from the master key (AES-256-GCM), and is unwrapped for one call at a time.

A wrapped key begins with four bytes that name the making of it, and keeps them when it is wrapped anew under another
master key: what was sealed under it stays its own.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from urllib.parse import quote

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, TypedColumns

from agent_guard.credentials import Keys
from agent_guard.databases.query import Query
from agent_guard.errors import StoreError
from agent_guard.store import metadata

__all__ = [
    "DATA_KEYS", "IS_DATA_KEY", "MASTER", "OLDEST", "Wrapping", "add", "generation", "label", "party_key_id", "seal",
    "thread_key_id", "unseal",
]  # fmt: skip

MASTER = "#master"
"""The row that tells which master key the others are under; there is one since the master key was first changed. No
party's or thread's key has such an id: theirs begin with a tenant, in which this sign is written otherwise.
"""

OLDEST = "#oldest/"
"""Begins the row of an environment that names its oldest master key, see ``agent_guard.operations.oldest_key``."""

NONCE_BYTES = 12  # NIST SP 800-38D: 96 bits, random, one key for far fewer than 2**32 values
_MAKING_BYTES = 4


class _KeyColumns(TypedColumns):
    id = Column(sa.String(320), primary_key=True)
    wrapped = Column(sa.LargeBinary, nullable=False)


DATA_KEYS = sa.Table("vault_keys", metadata, _KeyColumns)
IS_DATA_KEY = DATA_KEYS.c.id.not_like("#%")

_MASTER = Query(sa.select(DATA_KEYS.c.wrapped).where(DATA_KEYS.c.id == sa.bindparam("id")))


class Wrapping:
    """Wraps data keys under the present master key, and unwraps those that were wrapped under a former one as well."""

    def __init__(self, keys: Keys) -> None:
        self._present, *self._former = (AESGCM(key) for key in keys.every("vault"))

    def encrypt(self, nonce: bytes, data: bytes, label: bytes) -> bytes:
        """As ``AESGCM``."""
        return self._present.encrypt(nonce, data, label)

    def decrypt(self, nonce: bytes, data: bytes, label: bytes) -> bytes:
        """As ``AESGCM``."""
        for cipher in self._former:
            try:
                return cipher.decrypt(nonce, data, label)
            except InvalidTag:
                continue
        return self._present.decrypt(nonce, data, label)

    def is_present(self, key_id: str, wrapped: bytes) -> bool:
        """Whether a data key is wrapped under the present master key."""
        return _opens(self._present, key_id, wrapped)

    def opens(self, key_id: str, wrapped: bytes) -> bool:
        """Whether a data key is wrapped under any of the master keys."""
        return _opens(self, key_id, wrapped)

    def renewed(self, key_id: str, wrapped: bytes) -> bytes:
        """The same data key under the present master key, of the same making.

        The nonce keeps its first four bytes and gets eight new random ones: one master key wraps the same making once,
        or a few times where a change of keys is done again after a crash.

        Raises:
            StoreError: it is under none of the master keys that are given.
        """
        nonce = wrapped[:_MAKING_BYTES] + secrets.token_bytes(NONCE_BYTES - _MAKING_BYTES)
        return nonce + self._present.encrypt(nonce, unseal(self, wrapped, key_id), key_id.encode())


def party_key_id(tenant: str, party: str) -> str:
    """Which data key the values of a party's threads are under."""
    return f"{_quoted(tenant)}/party/{party}"


def thread_key_id(tenant: str, thread: str) -> str:
    """Which data key the values of a thread without a party are under."""
    return f"{_quoted(tenant)}/thread/{thread}"


@lru_cache(maxsize=256)
def _quoted(tenant: str) -> str:
    """A tenant's id without the signs that part it from what follows."""
    return quote(tenant, safe="")


def generation(key_id: str, wrapped: bytes) -> str:
    """Names one making of a data key, so that what an erased one sealed is not tried with the key made after it."""
    return f"{key_id}#{wrapped[:_MAKING_BYTES].hex()}"


def label(tenant: str, thread: str, token: str, origin: str) -> str:
    """What is authenticated with a value, so that no row passes for another's, or for one that came from elsewhere.

    Args:
        origin: where the value was seen first.
    """
    return f"2|{_quoted(tenant)}|{thread}|{token}|{origin}"


def add(connection: sa.Connection, wrapping: Wrapping, key_id: str, key: bytes) -> bytes:
    """Stores a new data key and returns it wrapped.

    Raises:
        StoreError: the master key was changed, and this process has the former one only; nothing may be kept.
        sqlalchemy.exc.IntegrityError: another process made it meanwhile.
    """
    wrapped = seal(wrapping, key, key_id)
    connection.execute(DATA_KEYS.insert().values(id=key_id, wrapped=wrapped))
    # asked after the row is there: whoever changes the master key waits for rows that are being written, see rotation
    master = _MASTER.first(connection, {"id": MASTER})
    if master is not None:
        unseal(wrapping, master.wrapped, MASTER)
    return wrapped


def unseal(cipher: AESGCM | Wrapping, sealed: bytes, label: str) -> bytes:
    """What was sealed.

    Raises:
        StoreError: it was sealed under another key or label, or was changed.
    """
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], label.encode())
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
        raise StoreError(
            "the vault cannot be read with this master key; give the key the database was written with, or the new one "
            "where it was changed by 'agent-guard vault rotate'"
        ) from None


def _opens(cipher: AESGCM | Wrapping, key_id: str, wrapped: bytes) -> bool:
    try:
        unseal(cipher, wrapped, key_id)
    except StoreError:
        return False
    return True


def seal(cipher: AESGCM | Wrapping, value: bytes, label: str) -> bytes:
    """Encrypts a value and authenticates its label."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, value, label.encode())
