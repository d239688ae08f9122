"""What a thread has seen, by origin: the ground that provenance stands on.

Every text is stored masked, once. Each process reads a text once more, into an index that finds a value without
reading the texts again; so a call costs the same after ten messages and after ten thousand.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from threading import RLock

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.databases.port import UNCOMMITTED
from agent_guard.databases.query import Asked, Command, Query
from agent_guard.plan import Plan
from agent_guard.store import metadata
from agent_guard.text.atoms import BREAK, Day, atoms, day_of, plain, time_of, words
from agent_guard.types import JSON, Origin

__all__ = ["TRAIL", "Seen", "Sighting", "Trail", "Trails", "append", "append_plan"]

_AMOUNT = re.compile(r"[-+]\d{1,30}(?:[.,]\d{1,30})?|\d{1,30}[.,]\d{1,30}")

PLANNED = "plan"
"""Stands where a text's origin stands: a row that is no text but the thread's plan."""

LOOKS_MAX = 64
"""How many places of a phrase's rarest word are looked at for each origin; a phrase that is not found in them counts
as not said by that origin."""

LONG = 5
"""Digits from which a number is nobody's time of day or amount by chance."""

CUES = frozenset({"id", "ids", "no", "nr", "number", "numer", "номер", "ид", "код"})
"""Words after which a short number is a record's."""

THREADS_MAX = 256
"""How many threads' indexes a process keeps."""


class _Columns(TypedColumns):
    thread = Column(sa.String(100), primary_key=True)
    n = Column(sa.Integer, primary_key=True, autoincrement=False)
    origin = Column(sa.String(20), nullable=False)
    source = Column(sa.String(200), nullable=False)
    linked = Column(sa.Boolean, nullable=False)
    text = Column(sa.Text, nullable=False)


TRAIL = sa.Table("trail", metadata, _Columns)

_INSERT = Command(TRAIL.insert())
_LAST = Query(sa.select(sa.func.max(TRAIL.c.n).label("n")).where(TRAIL.c.thread == sa.bindparam("thread")))
_SINCE = Query(
    sa.select(TRAIL).where(TRAIL.c.thread == sa.bindparam("thread"), TRAIL.c.n > sa.bindparam("n")).order_by(TRAIL.c.n)
)


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One text that a thread saw.

    Args:
        text: masked.
        source: where it stands, e.g. ``"m1"`` or ``"crm.read_deal deal:42"``.
        linked: of a trusted text: the user's words, or a record they name, lead to it. A trusted record that nobody
            asked about counts as untrusted.
    """

    origin: Origin
    source: str
    text: str
    linked: bool = True

    @property
    def counts_as(self) -> Origin:
        """The origin that the text gives its values."""
        return "untrusted" if self.origin == "trusted" and not self.linked else self.origin


Seen = Mapping[Origin, str]
"""Origin -> the first source of it: where a value was seen."""


class Trail:
    """The index of one thread's texts. Made of masked texts alone; safe for several threads of execution.

    ``user_text`` is the subject's newest words with their place, ``outside`` tells whether anybody else has spoken
    since, in a record that nobody asked about too, ``outside_ever`` whether anybody ever has; ``plan`` is the newest
    plan.
    """

    def __init__(self) -> None:
        self.n = 0
        self.plan: Plan | None = None
        self.plan_n = 0
        self.outside = False
        self.outside_ever = False
        self.user_text: tuple[int, str] | None = None
        self._lock = RLock()
        self._seen: set[tuple[Origin, str, str]] = set()
        self._rows: list[tuple[Sighting, tuple[str, ...]]] = []
        self._words: dict[str, dict[Origin, list[tuple[int, int]]]] = {}
        self._numbers: dict[Decimal, dict[Origin, int]] = {}
        self._days: dict[Day, dict[Origin, set[int]]] = {}
        self._times: dict[tuple[int, int], dict[Origin, set[int]]] = {}

    @property
    def said(self) -> int:
        """The place of the subject's newest words; 0 where the subject has said nothing."""
        return self.user_text[0] if self.user_text else 0

    def has(self, sighting: Sighting) -> bool:
        """Whether this text was seen before, from the same place."""
        return (sighting.origin, sighting.source, sighting.text) in self._seen

    def catch_up(self, connection: sa.Connection, thread: str) -> Trail:
        """Takes the texts that came since, one query whatever the trail's length."""
        with self._lock:
            for row in self.asked(thread).all(connection):
                if row.origin == PLANNED:
                    self._plan(row.n, Plan.model_validate_json(row.text))
                    continue
                sighting = Sighting(origin=row.origin, source=row.source, text=row.text, linked=row.linked)
                self._add(row.n, sighting)
        return self

    def asked(self, thread: str) -> Asked:
        """Asks for the texts that came since."""
        return _SINCE.asked({"thread": thread, "n": self.n})

    def add(self, sighting: Sighting) -> None:
        """Takes one text, for trails that are not stored."""
        with self._lock:
            self._add(self.n + 1, sighting)

    def _plan(self, n: int, plan: Plan) -> None:
        self.n = self.plan_n = n
        self.plan = plan

    def _add(self, n: int, sighting: Sighting) -> None:
        self.n = n
        if sighting.origin == "user":
            self.user_text, self.outside = (n, sighting.text), False
        elif sighting.counts_as in ("untrusted", "party"):
            self.outside = True
            self.outside_ever = self.outside_ever or sighting.origin != "trusted"
        self._seen.add((sighting.origin, sighting.source, sighting.text))
        read, origin, index = atoms(sighting.text), sighting.counts_as, len(self._rows)
        self._rows.append((sighting, read.words))
        for position, word in enumerate(read.words):
            places = self._words.setdefault(word, {}).setdefault(origin, [])
            if len(places) < LOOKS_MAX:
                places.append((index, position))
        for number in read.numbers:
            self._numbers.setdefault(number, {}).setdefault(origin, index)
        for day in read.days:
            self._days.setdefault(day, {}).setdefault(origin, set()).add(index)
        for time in read.times:
            self._times.setdefault(time, {}).setdefault(origin, set()).add(index)

    def texts(self, origin: Origin) -> list[str]:
        """The texts of one origin, the oldest first, masked."""
        with self._lock:
            return [sighting.text for sighting, _ in self._rows if sighting.origin == origin]

    def seen(self, value: JSON, cues: Collection[str] = (), *, exact: bool = False) -> Seen:
        """Where a scalar was seen: a number as a number, a date as a date, a text as a phrase.

        Args:
            exact: an address, whose signs count: "the team in" is not ``team.in``.
            cues: words that make a short number a name: ``10`` is a record's id in "event 10", and not in "10:00".
        """
        with self._lock:
            return self._exactly(str(value)) if exact else self._seen_at(value, cues)

    def _exactly(self, value: str) -> Seen:
        wanted = plain(value)
        found: dict[Origin, int] = {}
        phrase = _phrase(value)
        if not phrase or any(word not in self._words for word in phrase):
            return {}
        for origin in self._words[phrase[0]]:
            for index in self._places(phrase, origin, None):
                said = self._rows[index][0].text
                if _stands_alone(wanted, plain(said)) and _written(value, said):
                    found[origin] = index
                    break
        return self._named(found)

    def _seen_at(self, value: JSON, cues: Collection[str]) -> Seen:
        if isinstance(value, bool) or value is None:
            return {}
        if isinstance(value, (int, float, Decimal)):
            return self._named(self._numbers.get(Decimal(str(value)).normalize(), {}))
        text = str(value)
        if _AMOUNT.fullmatch(text.strip()):  # as words it would lose its sign
            exact = Decimal(text.strip().replace(",", ".")).normalize()
            return self._named(self._numbers.get(exact, {}))
        phrase = _phrase(text)
        short = len(phrase) == 1 and phrase[0].isdigit() and len(phrase[0]) < LONG
        found = self._said(phrase, {plain(cue) for cue in cues} | CUES if short else None)
        if not found and (day := day_of(text)):
            return self._named(self._moment(day, time_of(text) or (0, 0)))
        return found

    def _said(self, phrase: tuple[str, ...], cues: Collection[str] | None) -> dict[Origin, str]:
        if not phrase or any(word not in self._words for word in phrase):
            return {}
        found: dict[Origin, int] = {}
        for origin in self._words[phrase[0]]:
            index = next(self._places(phrase, origin, cues), None)
            if index is not None:
                found[origin] = index
        return self._named(found)

    def _places(self, phrase: tuple[str, ...], origin: Origin, cues: Collection[str] | None) -> Iterator[int]:
        lists = [self._words[word].get(origin, []) for word in phrase]
        at = min(range(len(phrase)), key=lambda i: len(lists[i])) if len(phrase) > 1 else 0
        length = len(phrase)
        for index, position in lists[at]:
            start, said = position - at, self._rows[index][1]
            if start < 0 or said[start : start + length] != phrase:
                continue
            if cues is None or _named(said, start, cues):
                yield index

    def _moment(self, day: Day, time: tuple[int, int]) -> dict[Origin, int]:
        found: dict[Origin, int] = {}
        for known in (day, (None, *day[1:])):
            for origin, rows in self._days.get(known, {}).items():
                said = rows if time == (0, 0) else rows & self._times.get(time, {}).get(origin, set())
                if said:
                    found.setdefault(origin, min(said))
        return found

    def _named(self, found: Mapping[Origin, int]) -> dict[Origin, str]:
        return {origin: self._rows[index][0].source for origin, index in found.items()}


def _phrase(text: str) -> tuple[str, ...]:
    return tuple([word for word in words(text) if word != BREAK])


def _stands_alone(address: str, text: str) -> bool:
    """Whether an address stands in a text as a whole, and not as a part of a longer one."""
    start = text.find(address)
    while start >= 0:
        before, after = text[:start][-1:], text[start + len(address) :][:2]
        if not _goes_on(before, ".@-") and not (
            _goes_on(after[:1], "@-") or (after[:1] == "." and _goes_on(after[1:]))
        ):
            return True
        start = text.find(address, start + 1)
    return False


def _written(value: str, text: str) -> bool:
    """Whether a value is written in a text as it is: in a path a capital is another letter, and so is a wide one."""
    if not unicodedata.is_normalized("NFKC", value):
        return value in text
    start = value.find("/", value.find("://") + 3 if "://" in value else 0)
    return start < 0 or value[start:] in text


def _goes_on(letter: str, signs: str = "") -> bool:
    return bool(letter) and (letter.isalnum() or letter == "_" or letter in signs)


def _named(said: Sequence[str], at: int, cues: Collection[str]) -> bool:
    """Whether a short number stands for a record: alone in its line, or after a word that says so."""
    before = said[max(0, at - 2) : at]
    alone = (at == 0 or said[at - 1] == BREAK) and (at + 1 == len(said) or said[at + 1] == BREAK)
    return alone or any(word in cues for word in before)


class Trails:
    """The indexes that a process keeps. They hold masked text only, and are made anew from the database when lost."""

    def __init__(self) -> None:
        self._kept: dict[str, Trail] = {}

    def of(self, connection: sa.Connection, thread: str) -> Trail:
        """One thread's trail as it is stored now."""
        if thread in connection.info.get(UNCOMMITTED, ()):
            return Trail().catch_up(connection, thread)  # what this transaction wrote may yet be undone
        return self.kept(thread).catch_up(connection, thread)

    def kept(self, thread: str) -> Trail:
        """One thread's trail as this process has it; others may have written more."""
        trail = self._kept.get(thread)
        if trail is None:
            if len(self._kept) >= THREADS_MAX:
                self._kept.clear()
            trail = self._kept.setdefault(thread, Trail())
        return trail


def append_plan(connection: sa.Connection, thread: str, plan: Plan) -> None:
    """Stores a plan that was checked, inside the caller's transaction; the calls that follow are held against it."""
    connection.info.setdefault(UNCOMMITTED, set()).add(thread)
    last = _LAST.first(connection, {"thread": thread}).n or 0
    values = {"thread": thread, "n": last + 1, "origin": PLANNED, "source": plan.digest, "linked": True}
    _INSERT.run(connection, values | {"text": plan.model_dump_json()})


def append(connection: sa.Connection, thread: str, sightings: Sequence[Sighting], *, after: int | None = None) -> None:
    """Stores texts inside the caller's transaction; another process that was first raises ``IntegrityError``.

    Args:
        after: the place of the newest text, where the trail was just read in this transaction.
    """
    if not sightings:
        return
    connection.info.setdefault(UNCOMMITTED, set()).add(thread)
    last = _LAST.first(connection, {"thread": thread}).n or 0 if after is None else after
    _INSERT.many(
        connection,
        [
            {
                "thread": thread,
                "n": last + index,
                "origin": item.origin,
                "source": item.source[:200],
                "linked": item.linked,
                "text": item.text,
            }
            for index, item in enumerate(sightings, 1)
        ],
    )
