"""The ids of signed messages that were believed, so that none is believed twice, by whatever process (A7)."""

from __future__ import annotations

from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns
from sqlalchemy.exc import IntegrityError

from agent_guard.databases.locks import NONCES as LOCK
from agent_guard.store import Store, metadata

__all__ = ["NONCES", "StoredNonces"]


class _Columns(TypedColumns):
    id = Column(sa.String(64), primary_key=True)
    expires = Column(sa.BigInteger, nullable=False)


NONCES = sa.Table("nonces", metadata, _Columns)
sa.Index("nonces_expires", NONCES.c.expires)

_INSERT = NONCES.insert()
_FORGET = NONCES.delete().where(NONCES.c.expires < sa.bindparam("now"))


class StoredNonces:
    """Port ``agent_guard.notifications.signing.Nonces`` over the guard's database.

    An id is stored as a hash: whoever writes it may have put anything into it. The table's key decides which of two
    processes was first. What has expired is removed with each insert, so the table holds minutes, not years.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, source: str, id: str, *, now_ms: int, expires_ms: int) -> bool:
        """Keeps an id; false where it was there already. On disk before it returns.

        Raises:
            StoreError: the database cannot be used; the message must not be believed.
        """
        name = sha256(f"{len(source)}|{source}|{id}".encode("utf-8", "surrogatepass")).hexdigest()
        try:
            with self._store.write(durable=True, locks=[LOCK]) as connection:
                connection.execute(_FORGET, {"now": now_ms})
                connection.execute(_INSERT, {"id": name, "expires": expires_ms})
        except IntegrityError:
            return False
        return True
