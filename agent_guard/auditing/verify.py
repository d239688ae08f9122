"""Whether the record is whole: every chain by itself, every seal, and what the seals say of the chains.

One pass over the events in the order of their chains, whatever their number, beside one over the sealed heads. What the
answer rests on: the keys of the chains and of the seals lie outside the database. A seal that is kept outside as well
shows more: that nothing was cut off together with the seals that would tell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

import sqlalchemy as sa

from agent_guard.audit import AUDIT
from agent_guard.auditing.merkle import root
from agent_guard.auditing.seals import SEALED_HEADS, Seal, leaf, line_hash, public_keys, stored
from agent_guard.credentials import Keys
from agent_guard.errors import StoreError
from agent_guard.recording import cuts
from agent_guard.recording.chain import GENESIS, ChainCheck, ChainKeys, Flaw, Head
from agent_guard.store import Store
from agent_guard.types import JSON

__all__ = ["FLAWS_MAX", "Report", "SealFlaw", "Status", "verify"]

FLAWS_MAX = 1000
"""How many flaws a report names; the others are counted."""

BATCH = 1000

Status = Literal["whole", "tampered", "undecided"]


@dataclass(frozen=True, kw_only=True)
class SealFlaw:
    """What is wrong with a seal.

    Args:
        n: its number.
        undecided: whether it may as well be this reader who lacks something.
    """

    n: int
    words: str
    undecided: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a verification found.

    Args:
        chains, events: how many were looked at.
        removed: how many events retention removed, in how many chains; who, when and of which kinds is signed.
        flaws: what is wrong in chains; at most a thousand, and twenty of one chain. ``flawed`` counts all. Where
            anything was changed at least one that says so is among them.
        seal_flaws: what is wrong with seals.
        seals: how many there are.
        proven: up to which seal everything is as it was when it was sealed, or None.
        unsealed: how many events no seal covers, in how many chains; nothing shows that an end of them was cut off.
    """

    chains: int = 0
    events: int = 0
    removed: int = 0
    removed_chains: int = 0
    flaws: Sequence[Flaw] = ()
    flawed: int = 0
    seal_flaws: Sequence[SealFlaw] = ()
    seals: int = 0
    proven: Seal | None = None
    unsealed: int = 0
    unsealed_chains: int = 0

    @property
    def status(self) -> Status:
        """``tampered`` where something was changed, ``undecided`` where it cannot be told."""
        undecided = {flaw.undecided for flaw in self.flaws} | {flaw.undecided for flaw in self.seal_flaws}
        if False in undecided:
            return "tampered"
        return "undecided" if undecided else "whole"

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        return {
            "status": self.status,
            "chains": self.chains,
            "events": self.events,
            "removed": {"events": self.removed, "chains": self.removed_chains},
            "flaws": [
                {"thread": item.thread, "seq": item.seq, "kind": item.kind, "seal": item.seal, "words": item.words}
                for item in self.flaws
            ],
            "flawed": self.flawed,
            "seal_flaws": [{"seal": item.n, "words": item.words} for item in self.seal_flaws],
            "seals": self.seals,
            "proven": {"seal": self.proven.n, "at": self.proven.at} if self.proven else None,
            "unsealed": {"events": self.unsealed, "chains": self.unsealed_chains},
        }


def verify(
    store: Store,
    keys: Keys,
    *,
    thread: str | None = None,
    outside: Sequence[Seal] = (),
    trusted: Collection[str] = (),
    progress: Callable[[int], object] = int,
) -> Report:
    """Verifies the record.

    Args:
        thread: this chain alone; the seals are looked at all the same.
        outside: seals that were kept outside the database; they must stand in it as they are.
        trusted: public keys of seals beside those of ``keys``, as 64 hex digits.
        progress: told how many events have been looked at, now and then.

    Raises:
        StoreError: the database cannot be read.
    """
    believed = {*public_keys(keys), *trusted}
    try:
        return _verified(store, ChainKeys(keys), thread, outside, believed, progress)
    except StoreError as error:
        if "decode" not in str(error):
            raise
    return _verified(store, ChainKeys(keys), thread, outside, believed, progress, text=_any_text)


def _verified(
    store: Store,
    keys: ChainKeys,
    thread: str | None,
    outside: Sequence[Seal],
    believed: Collection[str],
    progress: Callable[[int], object],
    text: Callable[[sa.Connection], AbstractContextManager[object]] = nullcontext,
) -> Report:
    with store.read() as connection, text(connection):
        seals, seal_flaws = _seals(connection, believed)
        seal_flaws += _outside(outside, seals, believed)
        chains = _Chains(keys, believed, progress)
        chains.look(connection, thread)
    return chains.report(seals, seal_flaws)


# ---- the chains


class _Chains:
    """Looks at every chain beside its sealed heads, and adds up what is found."""

    def __init__(self, keys: ChainKeys, believed: Collection[str], progress: Callable[[int], object]) -> None:
        self._keys = keys
        self._believed = believed
        self._progress = progress
        self._flaws: list[Flaw] = []
        self._unclear: list[Flaw] = []
        self._first_bad: int | None = None
        self._counts = dict.fromkeys(
            ("chains", "events", "removed", "removed_chains", "flawed", "unsealed", "unsealed_chains"), 0
        )
        self._unnamed = False

    def look(self, connection: sa.Connection, thread: str | None) -> None:
        """Looks at one chain, or at all."""
        events = sa.select(AUDIT).order_by(AUDIT.c.thread, AUDIT.c.seq)
        columns = (SEALED_HEADS.c[name] for name in ("thread", "seq", "seal", "hash", "places"))
        heads = sa.select(*columns).order_by(SEALED_HEADS.c.thread, SEALED_HEADS.c.seq)
        removed = cuts.lines(connection, thread)
        if thread is not None:
            events, heads = events.where(AUDIT.c.thread == thread), heads.where(SEALED_HEADS.c.thread == thread)
        options = {"yield_per": BATCH}
        rows = connection.execute(events, execution_options=options)
        sealed = connection.execute(heads, execution_options=options)
        seen = 0
        for name, group, known, gone in _beside(rows, sealed, removed):
            check = self._check(name, known, gone)
            for row in group:
                check.add(row)
                seen += 1
                if not seen % BATCH:
                    self._progress(seen)
            self._add(check)
        self._progress(seen)

    def _check(self, name: str, heads: Sequence[Head], removed: Sequence[tuple[str, int, bytes]]) -> ChainCheck:
        judged = [cuts.judged(name, first, line, self._believed) for _, first, line in removed]
        check = ChainCheck(name, self._keys, heads, [cut.gap for cut, _ in judged if cut])
        for (_, first, _), (_, flaw) in zip(removed, judged, strict=True):
            if flaw is not None:
                check.blame(first, *flaw)
        return check

    def _add(self, check: ChainCheck) -> None:
        found = check.end()
        counts = self._counts
        counts["chains"] += 1
        counts["events"] += check.events
        counts["removed"] += check.removed
        counts["removed_chains"] += check.removed > 0
        counts["flawed"] += check.flawed
        counts["unsealed"] += check.unsealed
        counts["unsealed_chains"] += check.unsealed > 0
        self._unnamed |= check.unnamed
        for flaw in found:
            named = self._unclear if flaw.undecided else self._flaws
            if len(named) < FLAWS_MAX:
                named.append(flaw)
        bad = check.first_bad
        if bad is not None:
            self._first_bad = bad if self._first_bad is None else min(bad, self._first_bad)

    def report(self, seals: dict[int, Seal | None], seal_flaws: Sequence[SealFlaw]) -> Report:
        """What was found, here and about the seals."""
        bad = {flaw.n for flaw in seal_flaws}
        proven, n = None, 1
        while seals.get(n) is not None and n not in bad and (self._first_bad is None or n < self._first_bad):
            proven, n = seals[n], n + 1
        # where others without the name of a key were read, one that was not is no matter of a missing key
        flaws = [
            replace(flaw, kind="edited", words="was edited") if self._unnamed and flaw.kind == "unnamed_key" else flaw
            for flaw in (self._flaws + self._unclear)[:FLAWS_MAX]
        ]
        return Report(**self._counts, flaws=flaws, seal_flaws=seal_flaws, seals=len(seals), proven=proven)


_Line = tuple[str, int, bytes]


def _beside(
    rows: Iterable[Any], sealed: Iterable[Any], removed: Iterable[_Line]
) -> Iterator[tuple[str, Iterable[Any], list[Head], list[_Line]]]:
    """Chains with the heads that were sealed of them and the lines of what was removed; all of them come ordered by the
    bytes of the chains' names.
    """
    known = _known(sealed, removed)
    waiting = next(known, None)
    for name, events in groupby(rows, key=itemgetter(1)):
        place = _bytes(name)
        while waiting is not None and waiting[0] < place:
            yield waiting[1], (), waiting[2], waiting[3]
            waiting = next(known, None)
        if waiting is not None and waiting[0] == place:
            yield name, events, waiting[2], waiting[3]
            waiting = next(known, None)
        else:
            yield name, events, [], []
    while waiting is not None:
        yield waiting[1], (), waiting[2], waiting[3]
        waiting = next(known, None)


def _known(sealed: Iterable[Any], removed: Iterable[_Line]) -> Iterator[tuple[bytes, str, list[Head], list[_Line]]]:
    """What is known of each chain besides its events, by the bytes of its name."""
    heads = ((_bytes(row[0]), row) for row in sealed)
    lines = ((_bytes(row[0]), row) for row in removed)
    for place, group in groupby(merge(heads, lines, key=itemgetter(0)), key=itemgetter(0)):
        found = [row for _, row in group]
        yield (
            place,
            str(found[0][0]),
            [Head(seal=row[2], seq=row[1], hash=row[3], places=row[4]) for row in found if len(row) == 5],
            [row for row in found if len(row) == 3],
        )


def _bytes(name: object) -> bytes:
    return name if isinstance(name, bytes) else str(name).encode("utf-8", "surrogateescape")


# ---- the seals


def _seals(connection: sa.Connection, trusted: Collection[str]) -> tuple[dict[int, Seal | None], list[SealFlaw]]:
    """Each seal by its number, None for one that cannot be read, and what is wrong with them."""
    seals: dict[int, Seal | None] = {}
    flaws: list[SealFlaw] = []
    before, last = GENESIS, 0
    for n, line in stored(connection):
        if n != last + 1:
            missing = f"seals {last + 1} to {n - 1} are missing" if n > last + 2 else "is missing"
            flaws.append(SealFlaw(n=last + 1, words=missing))
            before = ""
        seals[n], flaw = _judged(n, line, before, trusted)
        flaws += [flaw] if flaw else []
        before, last = line_hash(line), n
    return seals, flaws + _roots(connection, seals)


def _judged(n: int, line: bytes, before: str, trusted: Collection[str]) -> tuple[Seal | None, SealFlaw | None]:
    try:
        seal = Seal.parse(line)
    except ValueError as error:
        return None, SealFlaw(n=n, words=str(error), undecided="newer release" in str(error))
    if not seal.genuine or seal.n != n:
        return seal, SealFlaw(n=n, words="was edited: its signature does not fit")
    if seal.key not in trusted:
        words = f"is signed with the key {seal.key}, which is not known here"
        return seal, SealFlaw(n=n, words=words, undecided=True)
    if before and seal.prev != before:
        return seal, SealFlaw(n=n, words="does not follow the seal before it")
    return seal, None


def _roots(connection: sa.Connection, seals: dict[int, Seal | None]) -> list[SealFlaw]:
    """Compares the kept heads of each seal with what was signed."""
    columns = (SEALED_HEADS.c[name] for name in ("seal", "thread", "seq", "hash", "places"))
    query = sa.select(*columns).order_by(SEALED_HEADS.c.seal, SEALED_HEADS.c.thread)
    rows = connection.execute(query, execution_options={"yield_per": BATCH})
    flaws, left = [], {n for n, seal in seals.items() if seal is not None}
    for n, group in groupby(rows, key=itemgetter(0)):
        seal = seals.get(n)
        if n not in seals:
            flaws.append(SealFlaw(n=n, words="is missing; heads of it are there"))
        elif seal is not None:
            left.discard(n)
            if _root(group) != seal.root:
                flaws.append(SealFlaw(n=n, words="the kept heads are not those that were sealed"))
    return flaws + [SealFlaw(n=n, words="the kept heads are gone") for n in sorted(left)]


def _root(rows: Iterable[Any]) -> str:
    try:
        return root(leaf(*row[1:]) for row in rows).hex()
    except TypeError:  # text that is none
        return ""


def _outside(outside: Sequence[Seal], seals: dict[int, Seal | None], trusted: Collection[str]) -> list[SealFlaw]:
    """What seals that were kept elsewhere say of those in the database."""
    flaws = []
    for seal in outside:
        if not seal.genuine or seal.key not in trusted:
            words = "as it was kept outside is not signed with a key that is known here"
            flaws.append(SealFlaw(n=seal.n, words=words, undecided=True))
        elif seal.n not in seals:
            words = "was kept outside and is not in the database: the record was cut off or replaced"
            flaws.append(SealFlaw(n=seal.n, words=words))
        elif seals[seal.n] != seal:
            flaws.append(SealFlaw(n=seal.n, words="in the database is another than the one that was kept outside"))
    return flaws


@contextmanager
def _any_text(connection: sa.Connection) -> Iterator[None]:
    """Lets SQLite hand out text that is no UTF-8, so that a damaged row is named and does not end the reading. It is
    slower, so it is done only where there is such a row; PostgreSQL keeps no such text.
    """
    driver: Any = connection.connection.driver_connection
    before, driver.text_factory = driver.text_factory, partial(str, encoding="utf-8", errors="surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = before
