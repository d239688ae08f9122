"""A seal: the signed root of the heads of all chains that changed since the seal before.

It is one line of JSON. ``root`` is the Merkle tree hash (RFC 6962, section 2.1) over the chains that changed, ordered
by the bytes of their names; a leaf is the JSON array ``[thread, seq, hash, places]`` of a chain's last event. ``prev``
is the SHA-256 of the line of the seal before, so that one seal stands for all before it. ``signature`` is Ed25519 (RFC
8032) over the line without ``signature``; ``key`` is the public key. The names in an object are sorted and there is no
white space, so that the same seal is always the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256

import orjson
import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.credentials import Keys
from agent_guard.recording.chain import GENESIS
from agent_guard.recording.ed25519 import SignedLine, Signer, public_keys
from agent_guard.store import metadata

__all__ = ["SEALED_HEADS", "SEALS", "Seal", "Sealer", "leaf", "line_hash", "public_keys", "stored"]

VERSION = 1


class _Columns(TypedColumns):
    n = Column(sa.Integer, primary_key=True, autoincrement=False)
    line = Column(sa.LargeBinary, nullable=False)


class _HeadColumns(TypedColumns):
    thread = Column(sa.String(120), primary_key=True)
    seq = Column(sa.Integer, primary_key=True, autoincrement=False)
    seal = Column(sa.Integer, nullable=False)
    hash = Column(sa.String(64), nullable=False)
    places = Column(sa.String(64), nullable=False)


SEALS = sa.Table("seals", metadata, _Columns)
SEALED_HEADS = sa.Table("sealed_heads", metadata, _HeadColumns)
sa.Index("sealed_heads_seal", SEALED_HEADS.c.seal, SEALED_HEADS.c.thread)


@dataclass(frozen=True, kw_only=True)
class Seal(SignedLine):
    """One seal.

    Args:
        n: 1, 2, 3 ...
        at: when it was made, ISO 8601, UTC.
        chains: how many chains had changed.
        events: how many events it covers that no seal before did.
        root, prev: 64 hex digits.
        key: the public key, 64 hex digits.
        signature: 128 hex digits.
    """

    n: int
    at: str
    chains: int
    events: int
    root: str
    prev: str
    key: str
    signature: str = ""
    v: int = VERSION

    @classmethod
    def parse(cls, line: bytes) -> Seal:
        """Reads a seal.

        Raises:
            ValueError: it is none, or not byte for byte as a seal is written; the message says why.
        """
        data = cls.read(line, version=VERSION)
        texts = ("at", "root", "prev", "key", "signature")
        if (
            not isinstance(data, dict)
            or data.keys() != cls.__dataclass_fields__.keys()
            or not all(type(data[name]) is (str if name in texts else int) for name in data)
        ):
            raise ValueError("is no seal")
        seal = cls(**data)
        if seal.line != line or seal.signature.lower() != seal.signature:
            raise ValueError("is not written as a seal is")
        return seal


class Sealer:
    """Signs seals."""

    def __init__(self, keys: Keys) -> None:
        self._signer = Signer(keys)

    def seal(self, *, before: bytes | None, at: str, chains: int, events: int, root: bytes) -> Seal:
        """The next seal.

        Args:
            before: the line of the seal before, or None for the first one.
        """
        seal = Seal(
            n=1 if before is None else Seal.parse(before).n + 1,
            at=at,
            chains=chains,
            events=events,
            root=root.hex(),
            prev=GENESIS if before is None else line_hash(before),
            key=self._signer.public_key,
        )
        return Seal(**{**asdict(seal), "signature": self._signer.sign(seal.statement)})


def line_hash(line: bytes) -> str:
    """What the next seal says of this one."""
    return sha256(line).hexdigest()


def leaf(thread: str, seq: int, hash: str, places: str) -> bytes:
    """A sealed head as it goes into the tree."""
    return orjson.dumps([thread, seq, hash, places])


def stored(connection: sa.Connection, *, after: int = 0) -> Iterator[tuple[int, bytes]]:
    """The number and the line of each seal, the oldest first."""
    query = sa.select(SEALS.c.n, SEALS.c.line).where(SEALS.c.n > after).order_by(SEALS.c.n)
    for n, line in connection.execute(query):
        yield n, bytes(line) if isinstance(line, bytes) else str(line).encode("utf-8", "surrogateescape")
