"""Where a chain was cut: one signed line for each run of events that retention removed.

The line holds what the chain needs to go on over the gap: the hash before the first event that was removed and the hash
of the last one; and what somebody who reads the record later needs to know: how many there were, of which kinds, when
they were removed and by whom. ``signature`` is Ed25519 (RFC 8032) over the line without it, under the key of the seals,
which lies outside the database: whoever can change the database can remove events, and cannot sign for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.credentials import Keys
from agent_guard.recording.chain import FlawKind, Gap
from agent_guard.recording.ed25519 import SignedLine, Signer
from agent_guard.store import metadata

__all__ = ["CUTS", "Cut", "judged", "keep", "lines", "of", "sign"]

VERSION = 1


class _Columns(TypedColumns):
    thread = Column(sa.String(120), primary_key=True)
    first = Column(sa.Integer, primary_key=True, autoincrement=False)
    line = Column(sa.LargeBinary, nullable=False)


CUTS = sa.Table("audit_cuts", metadata, _Columns)


@dataclass(frozen=True, kw_only=True)
class Cut(SignedLine):
    """One run of events that was removed from a chain.

    Args:
        thread: the chain.
        first, last: the places of the first and the last event.
        prev: the hash of the event before the first one.
        hash: the hash of the last one.
        id: of the last one's row.
        kinds: how many of each kind.
        at: when it was made, ISO 8601, UTC.
        by: who made it.
        key: the public key, 64 hex digits.
        signature: 128 hex digits.
    """

    thread: str
    first: int
    last: int
    prev: str
    hash: str
    id: int
    at: str
    by: str
    kinds: Mapping[str, int] = field(default_factory=dict)
    key: str = ""
    signature: str = ""
    v: int = VERSION

    @property
    def events(self) -> int:
        """How many events were removed."""
        return self.last - self.first + 1

    @property
    def gap(self) -> Gap:
        """As the chain is looked at."""
        return Gap(first=self.first, last=self.last, prev=self.prev, hash=self.hash, id=self.id)

    @classmethod
    def parse(cls, line: bytes) -> Cut:
        """Reads a cut.

        Raises:
            ValueError: it is none, or not byte for byte as a cut is written; the message says why.
        """
        data = cls.read(line, version=VERSION)
        numbers = ("first", "last", "id", "v")
        if (
            not isinstance(data, dict)
            or data.keys() != cls.__dataclass_fields__.keys()
            or not all(type(data[name]) is int for name in numbers)
            or not all(type(data[name]) is str for name in data if name not in (*numbers, "kinds"))
            or type(data["kinds"]) is not dict
            or not all(type(count) is int for count in data["kinds"].values())
            or not 1 <= data["first"] <= data["last"]
        ):
            raise ValueError("is no cut")
        cut = cls(**data)
        if cut.line != line:
            raise ValueError("is not written as a cut is")
        return cut


def sign(cut: Cut, keys: Keys) -> Cut:
    """The same cut, signed with the present key."""
    signer = Signer(keys)
    unsigned = Cut(**asdict(cut) | {"key": signer.public_key, "signature": ""})
    return Cut(**asdict(unsigned) | {"signature": signer.sign(unsigned.statement)})


def keep(connection: sa.Connection, cut: Cut, *, instead: Sequence[Cut] = ()) -> None:
    """Stores a cut, in the transaction that removes its events.

    Args:
        instead: cuts of the same chain that it covers as well.
    """
    for old in instead:
        connection.execute(CUTS.delete().where(CUTS.c.thread == old.thread, CUTS.c.first == old.first))
    connection.execute(CUTS.insert().values(thread=cut.thread, first=cut.first, line=cut.line))


def lines(connection: sa.Connection, thread: str | None = None) -> Iterator[tuple[str, int, bytes]]:
    """Chain, place and line of each cut, by chain and place."""
    query = sa.select(CUTS).order_by(CUTS.c.thread, CUTS.c.first)
    for row in connection.execute(query if thread is None else query.where(CUTS.c.thread == thread)):
        line = row.line if isinstance(row.line, bytes) else str(row.line).encode("utf-8", "surrogateescape")
        yield row.thread, row.first, line


def judged(
    thread: str, first: int, line: bytes, trusted: Collection[str]
) -> tuple[Cut | None, tuple[FlawKind, str] | None]:
    """A kept line as a cut, and what is wrong with it; None for one that cannot be believed.

    Args:
        trusted: the public keys that are known here. A cut of another one is believed and blamed.
    """
    try:
        cut = Cut.parse(line)
    except ValueError as error:
        newer = "newer release" in str(error)
        return None, ("unknown_version" if newer else "forged", f"was cut, as a line says which {error}")
    if not cut.genuine or (cut.thread, cut.first) != (thread, first):
        return None, ("forged", "was cut, as a line says whose signature does not fit")
    if cut.key not in trusted:
        return cut, ("unknown_key", f"was cut, as is signed with the key {cut.key}, which is not known here")
    return cut, None


def of(
    connection: sa.Connection, thread: str, trusted: Collection[str]
) -> tuple[list[Cut], list[tuple[int, FlawKind, str]]]:
    """The cuts of a chain that can be believed, by place, and what is wrong with its lines."""
    found, flaws = [], []
    for _, first, line in lines(connection, thread):
        cut, flaw = judged(thread, first, line, trusted)
        found += [cut] if cut else []
        flaws += [(first, *flaw)] if flaw else []
    return found, flaws
