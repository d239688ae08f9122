"""Which events are meant, and reading them as a stream: a thousand at a time, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa

from agent_guard.audit import AUDIT, StoredEvent
from agent_guard.errors import ConfigError
from agent_guard.recording.format import KINDS
from agent_guard.store import Store
from agent_guard.threads import THREADS
from agent_guard.units import parse_duration

__all__ = ["EVERYTHING", "Selection", "count", "find", "last_id", "moment", "one_trace", "part", "traces"]

BATCH = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Conditions that an event must meet, all of them. None: no condition.

    Args:
        party: of a conversation about this customer, or about it itself.
        since, until: when it was written, aware; ``since`` is in, ``until`` is not.
        code: of its decision or its error.
        actor: on whose behalf, or who answered.

    Raises:
        ConfigError: an unknown kind, a value that is no text, or a beginning behind the end.
    """

    thread: str | None = None
    trace_id: str | None = None
    tenant: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    party: str | None = None
    tool: str | None = None
    code: str | None = None
    actor: str | None = None

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, str) and value.encode("utf-8", "replace").decode() != value:
                raise ConfigError(f"{value!r} is no text; nothing in the record can be called so")
        if self.kind is not None and self.kind not in KINDS:
            raise ConfigError(f"{self.kind!r} is no kind of event; there is: {', '.join(KINDS)}")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ConfigError(f"nothing lies since {self.since.isoformat()} and before {self.until.isoformat()}")

    def where(self) -> list[sa.ColumnElement[bool]]:
        """The conditions that the columns can tell."""
        equal = [
            AUDIT.c[name] == getattr(self, name)
            for name in ("thread", "trace_id", "tenant", "kind")
            if getattr(self, name) is not None
        ]
        since = [] if self.since is None else [AUDIT.c.at >= _ms(self.since)]
        return equal + since + ([] if self.until is None else [AUDIT.c.at < _ms(self.until)])

    def meets(self, data: Mapping[str, Any], *, of_party: bool = False) -> bool:
        """Whether an event meets the conditions that its text alone can tell.

        Args:
            of_party: it is known to be of a conversation about the party; not every event says so itself.
        """
        return (
            (of_party or self.party in (None, data["party"]))
            and self.tool in (None, data["tool"])
            and self.code in (None, part(data, "decision").get("code"), part(data, "error").get("code"))
            and self.actor in (None, data["approver"], part(data, "actor").get("user_id"))
        )

    def needles(self, *, of_party: bool = False) -> list[bytes]:
        """What the text of an event that meets them must hold: looking for it is cheaper than reading the text."""
        values = (None if of_party else self.party, self.tool, self.code, self.actor)
        return [orjson.dumps(value) for value in values if value is not None]

    def threads(self, connection: sa.Connection) -> frozenset[str]:
        """The conversations about the party, none where there is no such condition."""
        if self.party is None:
            return frozenset()
        query = sa.select(THREADS.c.id).where(THREADS.c.party == self.party)
        if self.tenant is not None:
            query = query.where(THREADS.c.tenant == self.tenant)
        return frozenset(connection.execute(query).scalars())


EVERYTHING = Selection()


def find(
    store: Store,
    selection: Selection = EVERYTHING,
    *,
    after: int = 0,
    before: int | None = None,
    newest: bool = False,
    most: int | None = None,
) -> Iterator[StoredEvent]:
    """Events of a selection in the order of writing, in memory that does not grow.

    Args:
        after, before: only events with an ``id`` between these.
        newest: the newest first.
        most: at most so many.

    Raises:
        StoreError: the database cannot be read.
    """
    needles, fewer = selection.needles(), selection.needles(of_party=True)
    with store.read() as connection:
        threads = selection.threads(connection)
    order = AUDIT.c.id.desc() if newest else AUDIT.c.id
    batch = BATCH if most is None or needles else min(BATCH, most)
    query = sa.select(AUDIT).where(*selection.where()).order_by(order).limit(batch)
    found = 0
    while True:
        bounds = [AUDIT.c.id > after, *([] if before is None else [AUDIT.c.id < before])]
        with store.read() as connection:
            rows = connection.execute(query.where(*bounds)).all()
        for row in rows:
            of_party = row.thread in threads
            wanted = fewer if of_party else needles
            if isinstance(row.body, bytes) and not all(needle in row.body for needle in wanted):
                continue
            event = StoredEvent.of(row)
            if selection.meets(event.data, of_party=of_party):
                yield event
                found += 1
                if found == most:
                    return
        if len(rows) < batch:
            return
        if newest:
            before = rows[-1].id
        else:
            after = rows[-1].id


def part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """One field of an event that is an object; an empty one where there is none, or where somebody wrote another."""
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def count(store: Store, selection: Selection = EVERYTHING) -> int:
    """How many events there are to look at, for a progress bar: those that meet what the columns can tell."""
    with store.read() as connection:
        query = sa.select(sa.func.count()).select_from(AUDIT).where(*selection.where())
        return connection.execute(query).scalar() or 0


def last_id(store: Store) -> int:
    """The ``id`` of the newest event, 0 where there is none."""
    with store.read() as connection:
        return connection.execute(sa.select(sa.func.max(AUDIT.c.id))).scalar() or 0


def traces(store: Store, end: str) -> list[str]:
    """The trace ids that end so, the oldest first; a whole one is found at once."""
    with store.read() as connection:
        query = sa.select(AUDIT.c.trace_id).where(AUDIT.c.trace_id == end).limit(1)
        if connection.execute(query).first():
            return [end]
        ends = AUDIT.c.trace_id.endswith(end, autoescape=True)
        query = sa.select(AUDIT.c.trace_id).where(ends).group_by(AUDIT.c.trace_id).order_by(AUDIT.c.trace_id)
        return [trace for (trace,) in connection.execute(query)]


def one_trace(store: Store, end: str) -> str:
    """The one trace id that ends so.

    Raises:
        ConfigError: none does, or several do; the message names some of them.
    """
    found = traces(store, end)
    if len(found) != 1:
        which = f"these end so: {', '.join(found[:5])}" if found else "look with: agent-guard audit search"
        raise ConfigError(f"{len(found) or 'no'} traces are called {end!r}; {which}")
    return found[0]


def moment(text: str, now: datetime) -> datetime:
    """Reads a time: ``24h`` ago, or ISO 8601; without a zone it is UTC.

    Raises:
        ConfigError: it is neither, or lies before the year 1.
    """
    try:
        return now - parse_duration(text)
    except OverflowError:
        raise ConfigError(f"{text!r} reaches back before the year 1; leave it out to begin at the beginning") from None
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no time; write e.g. 24h, 7d, 2026-01-31 or 2026-01-31T09:30:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _ms(at: datetime) -> int:
    return int((at - _EPOCH).total_seconds() * 1000)
