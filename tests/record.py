"""A record to seal, verify and damage: events of several chains, and what somebody with the database could do to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from agent_guard.audit import AUDIT, Audit, AuditEvent
from agent_guard.auditing.sealing import seal
from agent_guard.auditing.seals import Seal
from agent_guard.auditing.verify import Report, verify
from agent_guard.credentials import Keys
from agent_guard.recording.chain import ChainKeys
from agent_guard.store import Store
from tests.samples import KEYS, NOW_MS

NOW = datetime(2026, 1, 5, 11, 20, 4, tzinfo=UTC)
KINDS = ("opened", "proposed", "decided", "started", "finished")


def event(kind: str = "proposed", thread: str = "t1", **options: Any) -> AuditEvent:
    """One event; any field may be given."""
    given = {"kind": kind, "timestamp": "2026-01-05T11:20:04.000+00:00", "thread": thread, "tenant": "acme"}
    return AuditEvent(**(given | options))


class Record:
    """The record of one store.

    Args:
        keys: what events are written under, sealed and verified with; may be changed.
    """

    def __init__(self, store: Store, keys: Keys = KEYS) -> None:
        self.store = store
        self.keys = keys
        self.now_ms = NOW_MS

    def write(self, thread: str = "t1", kinds: Iterable[str] = KINDS, **options: Any) -> None:
        """Appends events to one chain, each in a transaction of its own, a millisecond apart."""
        audit = Audit(self.store, self.keys)
        for kind in kinds:
            self.now_ms += 1
            with self.store.write(locks=[thread]) as connection:
                audit.append(connection, [event(kind, thread, **options)], now_ms=self.now_ms)

    def seal(self, **later: float) -> list[Seal]:
        """Seals what is new."""
        return seal(self.store, self.keys, now=NOW + timedelta(**later))

    def verify(self, **options: Any) -> Report:
        """Verifies it with its keys."""
        return verify(self.store, self.keys, **options)

    def found(self, **options: Any) -> list[tuple[str, int, str]]:
        """Chain, place and kind of each flaw."""
        return [(flaw.thread, flaw.seq, flaw.kind) for flaw in self.verify(**options).flaws]

    def sql(self, statement: str, **values: Any) -> None:
        """One statement, as somebody with the database would run it."""
        with self.store.write(locks=["test"]) as connection:
            connection.execute(sa.text(statement), values)

    def rows(self, table: str = "audit") -> list[dict[str, Any]]:
        """Every row of a table, events in the order of writing."""
        order = " ORDER BY id" if table == "audit" else ""
        with self.store.read() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.text(f"SELECT * FROM {table}{order}"))]

    def at(self, thread: str, seq: int) -> dict[str, Any]:
        """One event's row."""
        (row,) = [row for row in self.rows() if (row["thread"], row["seq"]) == (thread, seq)]
        return row

    def set(self, thread: str, seq: int, **values: Any) -> None:
        """Changes columns of one event."""
        place = (AUDIT.c.thread == thread) & (AUDIT.c.seq == seq)
        with self.store.write(locks=["test"]) as connection:
            assert connection.execute(AUDIT.update().where(place).values(**values)).rowcount == 1

    def insert(self, **values: Any) -> None:
        """Adds a row to the events; without an ``id`` behind all others."""
        with self.store.write(locks=["test"]) as connection:
            connection.execute(AUDIT.insert().values(**values))

    def drop(self, thread: str, *, first: int, last: int | None = None) -> None:
        """Deletes events of one chain, to its end where no last one is named."""
        upto = f" AND seq <= {last}" if last else ""
        self.sql(f"DELETE FROM audit WHERE thread = :thread AND seq >= :first{upto}", thread=thread, first=first)

    def forge(self, thread: str, seq: int, keys: Keys, *, without: Iterable[str] = (), **changes: Any) -> None:
        """Writes an event anew under any key, with its links as they were unless ``changes`` says otherwise."""
        data = orjson.loads(self.at(thread, seq)["body"]) | changes
        body = orjson.dumps({k: v for k, v in data.items() if k not in set(without)}, option=orjson.OPT_SORT_KEYS)
        self.set(thread, seq, body=body, hash=ChainKeys(keys).hash(body))
