"""One chain of events: how an event is hashed, and what does not fit in a chain that was read back.

An event's hash is HMAC-SHA256 (RFC 2104) of its stored bytes under a key outside the database. The bytes hold the
event's thread, its number in the thread, the hash of the event before it and the name of the key, so that no event can
be edited, dropped, moved or copied without the key. What a chain cannot show by itself is that its end was cut off, or
that it was written anew by somebody who has the key; the heads that were sealed show that (``agent_guard.auditing``).
What retention removed is no gap where a signed line says what stood there (``agent_guard.recording.cuts``).
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

import orjson

from agent_guard.credentials import Keys
from agent_guard.recording.format import FIRST_FIELDS, FORMAT

__all__ = ["GENESIS", "ChainCheck", "ChainKeys", "Flaw", "FlawKind", "Gap", "Head", "Row", "lone_flaw", "place"]

GENESIS = "0" * 64
"""The hash before a chain's first event."""

Row = Sequence[Any]
"""An event's columns: id, thread, seq, tenant, at, kind, trace_id, body, hash."""

FlawKind = Literal[
    "edited", "missing", "swapped", "moved", "duplicated", "unlinked", "truncated", "rewritten", "forged",
    "unreadable", "unknown_key", "unnamed_key", "unknown_version",
]  # fmt: skip
"""What is wrong with an event. The last four do not tell whether anything was changed."""

UNDECIDED: frozenset[FlawKind] = frozenset({"unreadable", "unknown_key", "unnamed_key", "unknown_version"})
_PLACE = struct.Struct(">qq")
NAMED_MAX = 20
"""How many flaws of one chain are named; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """What is wrong in a chain.

    Args:
        thread: the chain.
        seq: the place of the first event it is about; 0 where the place itself cannot be read.
        words: a sentence.
        seal: the first seal that covers this place, or None where it was not sealed yet.
    """

    thread: str
    seq: int
    kind: FlawKind
    words: str
    seal: int | None = None

    @property
    def undecided(self) -> bool:
        """Whether it may as well be this reader who lacks something: a key, or a newer release."""
        return self.kind in UNDECIDED


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The last event of a chain as it was when it was sealed.

    Args:
        seal: the number of the seal.
        hash: the event's.
        places: SHA-256 over :func:`place` of each event of the chain since the head that was sealed before.
    """

    seal: int
    seq: int
    hash: str
    places: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A run of events that was removed, as who holds the keys of the record says.

    Args:
        first, last: the places of the first and the last of them.
        prev: the hash before the first one.
        hash, id: of the last one.
    """

    first: int
    last: int
    prev: str
    hash: str
    id: int


class ChainKeys:
    """The keys of the chains: events are written under the present one and read under every one."""

    def __init__(self, keys: Keys) -> None:
        self.by_name = {_name(key): key for key in keys.every("audit")}
        self.name, self._key = next(iter(self.by_name.items()))

    def hash(self, body: bytes) -> str:
        """The hash of an event that is written now."""
        return hmac.new(self._key, body, sha256).hexdigest()


class ChainCheck:
    """Looks at the events of one chain, given in the order of their places.

    Args:
        heads: the sealed heads of this chain, the oldest first.
        gaps: what was removed from it, by place. A gap is always followed by an event.
    """

    def __init__(self, thread: str, keys: ChainKeys, heads: Sequence[Head] = (), gaps: Sequence[Gap] = ()) -> None:
        self._thread = thread
        self._keys = keys.by_name
        self._heads = heads
        self._next_head = 0
        self._removed = gaps
        self._next_gap = 0
        self._flaws: list[Flaw] = []
        self._unclear: list[Flaw] = []
        self._first: int | None = None
        self._bad: set[int] = set()
        self._gaps: list[tuple[int, int]] = []
        self._elsewhere: dict[int, int] = {}
        self._last = self._last_id = 0
        self._hash: str | None = GENESIS
        self._places, self._clean = sha256(), True
        self.events = 0
        self.removed = 0
        """How many events stood where gaps are."""
        self.flawed = 0
        self.unnamed = False
        """Whether an event without the name of a key was written under a key that is known here."""

    def stands_alone(self, seq: Any) -> None:
        """Looks at the event of this place next, without those before it."""
        self._last, self._hash = (seq - 1 if type(seq) is int else 0), None

    def add(self, row: Row) -> None:
        """The next event."""
        id, thread, seq, tenant, at, kind, trace_id, body, stored = row
        self.events += 1
        if self._next_gap < len(self._removed) and type(seq) is int:
            self._reach(seq)
        body = body.encode("utf-8", "surrogateescape") if type(body) is str else body
        if not (type(seq) is type(id) is type(at) is int and type(body) is bytes and type(stored) is str):
            self._clean, self._hash = False, None
            self._last += seq == self._last + 1
            self._flaw(seq if type(seq) is int else 0, "unreadable", "has a row that cannot be read")
            return
        if seq != self._last + 1:
            self._out_of_order(seq)
            if seq <= self._last:
                return
        data = _loaded(body)
        key = self._keys.get(data["key"]) if data is not None and type(data.get("key")) is str else None
        if (
            data is not None
            and key is not None
            and hmac.new(key, body, sha256).hexdigest() == stored
            and data["v"] == FORMAT
            and data["seq"] == seq
            and data["thread"] == thread == self._thread
            and data["tenant"] == tenant
            and data["kind"] == kind
            and data["trace_id"] == trace_id
            and data["at"] == at
        ):
            follows: str | None = data["prev_hash"]
        else:
            follows = self._look(row, body, data)
        if self._hash is not None and follows is not None and follows != self._hash:
            self._flaw(seq, "unlinked", "does not follow the event before it")
        if id <= self._last_id and follows is not None:
            self._flaw(seq, "moved", "stands before the event that it follows")
        self._hash, self._last, self._last_id = stored if follows is not None else None, seq, id
        self._places.update(place(id, at))
        while self._next_head < len(self._heads) and self._heads[self._next_head].seq <= seq:
            self._sealed(self._heads[self._next_head], seq, stored)
            self._next_head += 1

    def end(self) -> list[Flaw]:
        """What does not fit, by place; at most twenty, the others are counted in ``flawed``. Where anything was changed
        at least one that says so is among them.
        """
        if self._next_gap < len(self._removed):
            self._reach(self._removed[-1].last + 1)
            words = "its end was cut off: what was removed before it is always followed by an event"
            self._flaw(self._last + 1, "truncated", words)
        for seq, says in self._elsewhere.items():
            # telling an exchange from a copy is for readers, and nobody reads them all
            named = len(self._flaws) < NAMED_MAX
            self._flaw(seq, *(self._displaced(seq, says) if named else ("moved", f"is event {says}")))
        if self._next_head < len(self._heads):
            head = self._heads[-1]
            missing = f"{self._last + 1} to {head.seq}" if head.seq > self._last + 1 else f"{head.seq}"
            gone = "the whole chain" if not self._last else f"event {missing}"
            self._flaw(self._last + 1, "truncated", f"{gone} was cut off; seal {head.seal} proves that it was there")
        flaws = (self._flaws + self._unclear)[:NAMED_MAX]
        return sorted((replace(flaw, seal=self._covering(flaw.seq)) for flaw in flaws), key=lambda flaw: flaw.seq)

    @property
    def first_bad(self) -> int | None:
        """The first seal that covers something that does not fit."""
        return None if self._first is None else self._covering(self._first)

    @property
    def unsealed(self) -> int:
        """How many events stand behind the last head that was sealed."""
        return max(0, self._last - (self._heads[-1].seq if self._heads else 0))

    def blame(self, seq: int, kind: FlawKind, words: str) -> None:
        """Adds a flaw that was found elsewhere, e.g. in the line of a gap."""
        self._flaw(seq, kind, words)

    def _reach(self, seq: int) -> None:
        """Goes over the gaps that lie directly behind the last event, and leaves those behind that end before ``seq``:
        where something before them is missing they do not help.
        """
        while self._next_gap < len(self._removed) and self._removed[self._next_gap].first <= seq:
            gap = self._removed[self._next_gap]
            self._next_gap += 1
            if seq <= gap.last:
                self._flaw(seq, "duplicated", "was removed by retention, as is signed, and is there again")
            elif gap.first == self._last + 1:
                self._go_over(gap)

    def _go_over(self, gap: Gap) -> None:
        if self._hash is not None and gap.prev != self._hash:
            self._flaw(gap.first, "unlinked", "was removed, and does not follow the event before it")
        if gap.id <= self._last_id:
            self._flaw(gap.first, "moved", "was removed, and stood before the event that it follows")
        self._last, self._last_id, self._hash = gap.last, gap.id, gap.hash
        self.removed += gap.last - gap.first + 1
        sealed_here = False
        while self._next_head < len(self._heads) and self._heads[self._next_head].seq <= gap.last:
            head = self._heads[self._next_head]
            sealed_here = head.seq == gap.last
            if sealed_here and head.hash != gap.hash:
                self._flaw(gap.last, "rewritten", f"is another event than the one that was sealed (seal {head.seal})")
            self._next_head += 1
        self._places, self._clean = sha256(), sealed_here  # the places of what was removed are gone

    def _out_of_order(self, seq: int) -> None:
        self._clean, self._hash = False, None
        if seq < 1:
            self._flaw(seq, "edited", "has a number that no event has")
        elif seq <= self._last:
            self._flaw(seq, "duplicated", "is there more than once")
        else:
            first, last = self._last + 1, seq - 1
            self._gaps.append((first, last))
            self._flaw(first, "missing", f"events {first} to {last} are missing" if last > first else "is missing")

    def _look(self, row: Row, body: bytes, data: dict[str, Any] | None) -> str | None:
        """Says what is wrong with an event; returns the hash it follows, or None where that cannot be believed."""
        _, thread, seq, tenant, at, kind, trace_id, _, stored = row
        unsigned = self._unsigned(body, data, stored)
        if unsigned is not None or data is None:
            found, words = unsigned or ("edited", "was edited")
            self._flaw(seq, found, words)
            # the links of what cannot be checked itself still have to fit
            return data.get("prev_hash") if data is not None and found == "unknown_key" else None
        if data.get("v") != FORMAT:
            self._flaw(seq, "unknown_version", f"is of version {data.get('v')!r}; a newer release can read it")
        elif data.get("thread") != thread:
            self._flaw(seq, "moved", f"is an event of another chain, {data.get('thread')}")
            return None
        elif data.get("seq") != seq:
            self._bad.add(seq)
            self._elsewhere[seq] = data["seq"]
            self._clean = False
            return None
        else:
            columns = {"tenant": tenant, "kind": kind, "trace_id": trace_id} | ({"at": at} if "at" in data else {})
            wrong = [name for name, value in columns.items() if data.get(name) != value]
            if wrong:
                self._flaw(seq, "edited", f"is filed under another {', '.join(wrong)} than it says itself")
        return data.get("prev_hash")

    def _unsigned(self, body: bytes, data: dict[str, Any] | None, stored: str) -> tuple[FlawKind, str] | None:
        """Why an event was not written by who holds the keys, or None where it was."""
        if data is None:
            return "edited", "was edited: it is no event any more"
        name = data.get("key")
        if type(name) is str and name in self._keys:
            fits = hmac.new(self._keys[name], body, sha256).hexdigest() == stored
            return None if fits else ("edited", "was edited")
        if type(name) is str and len(name) == 16 and not name.strip("0123456789abcdef"):
            return "unknown_key", f"was written under the key {name}, which is not known here"
        if data.keys() != FIRST_FIELDS:
            return "edited", "was edited"
        if any(hmac.new(key, body, sha256).hexdigest() == stored for key in self._keys.values()):
            self.unnamed = True
            return None
        return "unnamed_key", "was written before keys had names, under a key that is not known here"

    def _sealed(self, head: Head, seq: int, stored: str) -> None:
        """Compares what stands at a place with what was sealed there."""
        if head.seq == seq and seq not in self._bad:
            if stored != head.hash:
                self._flaw(seq, "rewritten", f"is another event than the one that was sealed (seal {head.seal})")
            elif self._clean and self._places.hexdigest() != head.places:
                self._flaw(seq, "moved", f"or one before it has another place or time than in seal {head.seal}")
        self._places, self._clean = sha256(), True

    def _displaced(self, seq: int, says: int) -> tuple[FlawKind, str]:
        if self._elsewhere.get(says) == seq:
            return "swapped", f"was swapped with event {says}"
        if 1 <= says <= self._last and not self._is_bad(says):
            return "duplicated", f"is a copy of event {says}"
        return "moved", f"is event {says}"

    def _is_bad(self, seq: int) -> bool:
        return seq in self._bad or any(first <= seq <= last for first, last in self._gaps)

    def _covering(self, seq: int) -> int | None:
        return next((head.seal for head in self._heads if head.seq >= seq), None)

    def _flaw(self, seq: int, kind: FlawKind, words: str) -> None:
        if kind not in UNDECIDED:
            self._bad.add(seq)
            self._clean = False
        self.flawed += 1
        self._first = seq if self._first is None else min(seq, self._first)
        named = self._unclear if kind in UNDECIDED else self._flaws
        if len(named) < NAMED_MAX:
            shown = str(self._thread).encode("utf-8", "backslashreplace").decode()
            named.append(Flaw(thread=shown, seq=seq, kind=kind, words=words))


def lone_flaw(keys: ChainKeys, row: Row) -> Flaw | None:
    """What is wrong with one event by itself, whatever stands around it; None where nothing is."""
    check = ChainCheck(row[1], keys)
    check.stands_alone(row[2])
    check.add(row)
    return next(iter(check.end()), None)


def place(id: int, at: int) -> bytes:
    """Where an event stands among all events and when it was written, as it goes into a sealed head."""
    return _PLACE.pack(id, at)


def _name(key: bytes) -> str:
    """What a key is called: 64 bits of its SHA-256, which tell nothing of 256 random bits."""
    return sha256(b"agent_guard/audit/" + key).hexdigest()[:16]


def _loaded(body: bytes) -> dict[str, Any] | None:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return data if type(data) is dict else None
