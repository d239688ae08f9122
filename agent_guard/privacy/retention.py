"""Retention: events that are older than their kind is kept are removed, under a signed line that says what stood there.

A chain may lose any run of events, not only its beginning: what was removed is a gap that the chain goes on over, by
the hash before it and the hash of its last event (``agent_guard.recording.cuts``). So kinds may be kept for different
times, and nothing of a removed event is left but its place and what is counted. Runs that come to lie beside each other
become one line. Whoever cuts is in the record: each chain that was cut gets an event ``retained`` at its end.

What is never removed: events of a call that is not settled; of a party under a legal hold; of a chain that does not
verify, because what was removed can be verified by nobody; and what tells of erasures, holds and cuts, unless its kind
is named. Each chain is cut in one transaction, so whatever ends a run in the middle leaves whole chains, and the next
run goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from agent_guard import threads
from agent_guard.audit import AUDIT, Audit, AuditEvent, system_thread
from agent_guard.auditing.seals import SEALED_HEADS
from agent_guard.calls import CALLS
from agent_guard.credentials import Keys
from agent_guard.databases.locks import chain_lock, data_key_lock
from agent_guard.errors import ConfigError
from agent_guard.privacy import holds
from agent_guard.recording import cuts
from agent_guard.recording.chain import GENESIS, ChainCheck, ChainKeys, Head
from agent_guard.recording.cuts import Cut
from agent_guard.recording.ed25519 import public_keys
from agent_guard.recording.format import KINDS
from agent_guard.store import Store
from agent_guard.types import JSON
from agent_guard.vault import party_key_id

__all__ = ["EVERY", "OWN", "Retained", "retain", "rules_of"]

EVERY = "*"
"""Stands for every kind that is not named, but for :data:`OWN`."""

OWN = ("erased", "held", "released", "retained")
"""Kinds that tell of erasures, holds and cuts; they are kept unless they are named."""

_OPEN = ("proposed", "pending", "approved", "claimed", "unknown")
_BATCH = 200
_DAYS_MAX = 36_525


@dataclass(frozen=True, kw_only=True)
class Retained:
    """What was removed, or would be.

    Args:
        chains: how many were cut.
        kinds: how many events of each kind were removed.
        held: party -> names of the holds that kept events of it.
        open: how many events were kept because their call is not settled.
        damaged: chains that do not verify, and were left as they are.
    """

    chains: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, Sequence[str]] = field(default_factory=dict)
    open: int = 0
    damaged: Sequence[str] = ()

    @property
    def events(self) -> int:
        """How many events were removed."""
        return sum(self.kinds.values())

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        return {
            "chains": self.chains,
            "events": self.events,
            "kinds": dict(self.kinds),
            "held": {party: list(names) for party, names in self.held.items()},
            "open": self.open,
            "damaged": list(self.damaged),
        }


def rules_of(days: Mapping[str, int]) -> dict[str, timedelta]:
    """Kind -> how long it is kept, checked.

    Args:
        days: kind, or ``*`` for every other, -> days, 1 or more.

    Raises:
        ConfigError: there is none, an unknown kind, or a number of days that is none.
    """
    if not days:
        raise ConfigError(
            "say how long to keep what, e.g. --keep decided=365 --keep '*=3650', or 'retention' in guard.yaml"
        )
    for kind, count in days.items():
        if kind != EVERY and kind not in KINDS:
            raise ConfigError(f"{kind!r} is no kind of event; there is: {EVERY}, {', '.join(KINDS)}")
        if type(count) is not int or not 1 <= count <= _DAYS_MAX:
            raise ConfigError(f"{kind}: {count!r} is no number of days from 1 to {_DAYS_MAX}")
    return {kind: timedelta(days=count) for kind, count in days.items()}


def retain(
    store: Store,
    audit: Audit,
    keys: Keys,
    *,
    tenant: str,
    rules: Mapping[str, timedelta],
    by: str,
    environment: str,
    now: datetime,
    dry_run: bool = False,
    progress: Callable[[int], object] = int,
) -> Retained:
    """Removes what is older than it is kept, from every chain of a tenant.

    Args:
        rules: kind, or ``*`` for every other, -> how long it is kept; a kind without one is kept.
        by: the authenticated operator.
        dry_run: count, and change nothing.
        progress: told how many chains have been looked at.

    Raises:
        StoreError: the database cannot be used; chains that were cut before are whole, and the next run goes on.
    """
    run = _Run(store, audit, keys, tenant=tenant, rules=rules, by=by, environment=environment, now=now)
    for seen, name in enumerate(run.chains(), start=1):
        run.look(name, dry_run=dry_run)
        progress(seen)
    return run.done()


def chains(store: Store, tenant: str, rules: Mapping[str, timedelta], now: datetime) -> int:
    """How many chains there are to look at, for a progress bar."""
    with store.read() as connection:
        due = sa.select(sa.func.count(sa.distinct(AUDIT.c.thread))).where(*_old(tenant, rules, now))
        return connection.execute(due).scalar() or 0


def _old(tenant: str, rules: Mapping[str, timedelta], now: datetime) -> list[sa.ColumnElement[bool]]:
    return [AUDIT.c.tenant == tenant, AUDIT.c.at < _ms(now - min(rules.values()))]


class _Run:
    """One run over the chains of a tenant."""

    def __init__(
        self,
        store: Store,
        audit: Audit,
        keys: Keys,
        *,
        tenant: str,
        rules: Mapping[str, timedelta],
        by: str,
        environment: str,
        now: datetime,
    ) -> None:
        self._store, self._audit, self._keys = store, audit, keys
        self._chain_keys, self._trusted = ChainKeys(keys), public_keys(keys)
        self._tenant, self._by, self._environment, self._now = tenant, by, environment, now
        self._rules = rules
        self._until = {kind: _ms(now - kept) for kind, kept in rules.items()}
        self._kinds: Counter[str] = Counter()
        self._held: dict[str, Sequence[str]] = {}
        self._damaged: list[str] = []
        self._cut = self._open = 0

    def chains(self) -> Iterator[str]:
        """The names of the chains in which there may be something to remove."""
        names = sa.select(AUDIT.c.thread).where(*_old(self._tenant, self._rules, self._now)).distinct()
        after = ""
        while True:
            query = names.where(AUDIT.c.thread > after).order_by(AUDIT.c.thread).limit(_BATCH)
            with self._store.read() as connection:
                found = connection.execute(query).scalars().all()
            yield from found
            if len(found) < _BATCH:
                return
            after = found[-1]

    def look(self, name: str, *, dry_run: bool) -> None:
        """Looks at one chain and cuts it."""
        with self._store.read() as connection:
            party = self._party(connection, name)
            runs = self._runs(connection, name, party)
        if runs is None:
            self._damaged.append(name)
        elif runs and (dry_run or self._removed(name, party, runs)):
            self._cut += 1
            for run in runs:
                self._kinds.update(run.removed)

    def done(self) -> Retained:
        """What was found in all."""
        return Retained(
            chains=self._cut,
            kinds=dict(sorted(self._kinds.items())),
            held=dict(sorted(self._held.items())),
            open=self._open,
            damaged=self._damaged,
        )

    def _party(self, connection: sa.Connection, name: str) -> str | None:
        row = threads.find(connection, name)
        return row.party if row else None

    def _runs(self, connection: sa.Connection, name: str, party: str | None) -> list[_Part] | None:
        """The runs to be removed, or None for a chain that does not verify.

        Args:
            party: whose conversation it is, or None.
        """
        held: dict[str, list[str]] = {}
        for item in holds.every(connection, self._tenant):
            held.setdefault(item.party, []).append(item.name)
        unsettled = set(
            connection.execute(
                sa.select(CALLS.c.trace_id).where(CALLS.c.thread == name, CALLS.c.state.in_(_OPEN))
            ).scalars()
        )
        there, wrong = cuts.of(connection, name, self._trusted)
        heads = connection.execute(
            sa.select(SEALED_HEADS).where(SEALED_HEADS.c.thread == name).order_by(SEALED_HEADS.c.seq)
        ).all()
        check = ChainCheck(
            name,
            self._chain_keys,
            [Head(seal=row.seal, seq=row.seq, hash=row.hash, places=row.places) for row in heads],
            [cut.gap for cut in there],
        )
        made, waiting, previous = _Runs(), list(there), GENESIS
        rows = sa.select(AUDIT).where(AUDIT.c.thread == name).order_by(AUDIT.c.seq)
        for row in connection.execute(rows, execution_options={"yield_per": 1000}):
            check.add(row)
            if not type(row.seq) is type(row.at) is int:
                continue  # said by the check
            while waiting and waiting[0].first < row.seq:
                previous = waiting[0].hash
                made.removed_before(waiting.pop(0))
            made.event(row, previous, due=self._is_due(row, party, held, unsettled))
            previous = row.hash
        return None if wrong or check.end() else made.end()

    def _is_due(
        self, row: Any, party: str | None, held: Mapping[str, Sequence[str]], unsettled: Collection[str]
    ) -> bool:
        until = self._until.get(row.kind, None if row.kind in OWN else self._until.get(EVERY))
        if until is None or row.at >= until:
            return False
        if row.trace_id in unsettled:
            self._open += 1
            return False
        for who in (party, _party(row.body)) if held else ():  # not every event names whose conversation it is of
            if who is not None and who in held:
                self._held[who] = held[who]
                return False
        return True

    def _removed(self, name: str, party: str | None, runs: Sequence[_Part]) -> bool:
        """Removes the runs of one chain, unless a hold was placed or the chain was cut since they were found."""
        locks = [chain_lock(name)]
        if party is not None:
            locks.append(data_key_lock(party_key_id(self._tenant, party)))  # whoever holds takes it
        with self._store.write(durable=True, locks=locks, alone=True) as connection:
            if party is not None and holds.of(connection, self._tenant, party):
                return False
            if name == system_thread(self._tenant) and self._runs(connection, name, party) != list(runs):
                return False  # holds are placed in this very chain
            here = [sa.and_(AUDIT.c.thread == name, AUDIT.c.seq >= run.first, AUDIT.c.seq <= run.last) for run in runs]
            counted = sa.select(sa.func.count()).select_from(AUDIT).where(sa.or_(*here))
            if connection.execute(counted).scalar() != sum(sum(run.removed.values()) for run in runs):
                return False  # another process was first
            # written before the others go, so that its place among all events is a new one
            self._audit.append(connection, [self._event(name, party, runs)], now_ms=_ms(self._now))
            for run, mine in zip(runs, here, strict=True):
                connection.execute(AUDIT.delete().where(mine))
                cuts.keep(connection, cuts.sign(self._signed(name, run), self._keys), instead=run.before)
        return True

    def _signed(self, name: str, run: _Part) -> Cut:
        kinds = Counter(run.removed)
        for cut in run.before:
            kinds.update(cut.kinds)
        return Cut(
            thread=name,
            first=run.first,
            last=run.last,
            prev=run.prev,
            hash=run.hash,
            id=run.id,
            at=self._now.isoformat(timespec="milliseconds"),
            by=self._by,
            kinds=dict(sorted(kinds.items())),
        )

    def _event(self, name: str, party: str | None, runs: Sequence[_Part]) -> AuditEvent:
        kinds: Counter[str] = Counter()
        for run in runs:
            kinds.update(run.removed)
        places = [[run.first, run.last] for run in runs]
        return AuditEvent(
            kind="retained",
            timestamp=self._now.isoformat(timespec="milliseconds"),
            thread=name,
            tenant=self._tenant,
            environment=self._environment,
            actor={"user_id": self._by, "tenant": self._tenant},
            party=party,
            result_meta={"records": sum(kinds.values()), "kinds": dict(sorted(kinds.items())), "places": places},
        )


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A run of places: events that are due, and cuts that were made before."""

    first: int
    last: int
    prev: str
    hash: str
    id: int
    removed: Mapping[str, int]
    before: Sequence[Cut]


class _Runs:
    """Puts what lies side by side together."""

    def __init__(self) -> None:
        self._found: list[_Part] = []
        self._part: _Part | None = None

    def removed_before(self, cut: Cut) -> None:
        """The next places were cut before."""
        self._take(
            _Part(first=cut.first, last=cut.last, prev=cut.prev, hash=cut.hash, id=cut.id, removed={}, before=[cut])
        )

    def event(self, row: Any, previous: str, *, due: bool) -> None:
        """The next event.

        Args:
            previous: the hash before it.
        """
        # what tells of an earlier cut goes with what stands around it, or every run would leave one more
        if due or (row.kind == "retained" and self._part is not None):
            one = {row.kind: 1}
            self._take(
                _Part(first=row.seq, last=row.seq, prev=previous, hash=row.hash, id=row.id, removed=one, before=[])
            )
        else:
            self._close()

    def end(self) -> list[_Part]:
        """The runs in which there is something to remove."""
        self._close()
        return [part for part in self._found if any(kind != "retained" for kind in part.removed)]

    def _take(self, part: _Part) -> None:
        old = self._part
        if old is not None:
            part = _Part(
                first=old.first,
                last=part.last,
                prev=old.prev,
                hash=part.hash,
                id=part.id,
                removed=dict(Counter(old.removed) + Counter(part.removed)),
                before=[*old.before, *part.before],
            )
        self._part = part

    def _close(self) -> None:
        if self._part is not None:
            self._found.append(self._part)
        self._part = None


def _party(body: Any) -> str | None:
    """Whom an event is about; of a damaged one nobody, and its chain is left as it is."""
    try:
        return str(orjson.loads(body)["party"])
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return None


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
