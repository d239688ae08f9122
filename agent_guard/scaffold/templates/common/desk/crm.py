"""A stand-in for your CRM: records in one SQLite file. Put an adapter of your own here; ``tests/test_crm.py`` holds it
to the laws that the gateway relies on.

It has no delete, no update and no query: what an adapter has no method for, no tool can do.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from agent_guard.errors import OutcomeUnknown, ToolRejected, ToolUnavailable
from agent_guard.types import Description, EntityType, Ref

__all__ = ["Crm", "Record"]

_TABLE = """
create table if not exists records (
  kind text, id text, version integer, party text, responsible text, region text, name text, data text, key text,
  primary key (kind, id), unique (kind, key)
)
"""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record, and whose it is."""

    kind: str
    id: str
    party: str | None
    responsible: str | None
    region: str | None
    name: str
    data: Mapping[str, Any]


class Crm:
    """Every method may be called from any thread.

    Args:
        url: ``sqlite:///path``.
        fields: for each kind of record its fields, and what each holds: ``plain``, ``text`` or a type such as
            ``PERSON``; see ``agent_guard.types.Description``.
    """

    def __init__(self, url: str, fields: Mapping[str, Mapping[str, str]]) -> None:
        self._path = url.removeprefix("sqlite:///")
        self._fields = fields

    def fill(self, records: Iterable[Record]) -> None:
        """Makes the table, and these records where it is empty."""
        with self._writing() as db:
            db.execute(_TABLE)
            if db.execute("select 1 from records").fetchone() is None:
                for record in records:
                    _insert(db, record, None)

    def get(self, kind: str, id: str) -> dict[str, Any]:
        """The fields of a record. Raises ToolRejected, ``not_found``."""
        found = self.describe(Ref(kind=kind, id=id))
        if found is None:
            raise ToolRejected("there is no such record", code="not_found")
        return dict(found.snapshot)

    def all(self, kind: str) -> list[dict[str, Any]]:
        """The fields of all records of a kind, with their ids, in order."""
        with self._reading() as db:
            rows = db.execute("select id, data from records where kind = ? order by id", (kind,)).fetchall()
        return [{"id": id_, **json.loads(data)} for id_, data in rows]

    def add(self, kind: str, name: str, data: Mapping[str, Any], *, of: Ref, key: str) -> str:
        """Makes a record for the customer of another one, once per key, and gives its id.

        Raises:
            ToolRejected: ``not_found``, or ``key_reused`` where the key stands for a record that says something else.
            ToolUnavailable: nothing was written.
            OutcomeUnknown: it may have been written; ``find`` tells.
        """
        with self._writing() as db:
            made = db.execute("select id, data from records where kind = ? and key = ?", (kind, key)).fetchone()
            if made is not None:
                if json.loads(made[1]) != dict(data):
                    raise ToolRejected("the key stands for another record", code="key_reused")
                return str(made[0])
            owner = db.execute(
                "select party, responsible, region from records where kind = ? and id = ?", (of.kind, of.id)
            ).fetchone()
            if owner is None:
                raise ToolRejected("there is no such record", code="not_found")
            id_ = str(db.execute("select count(*) + 1 from records where kind = ?", (kind,)).fetchone()[0])
            party, responsible, region = owner
            record = Record(
                kind=kind, id=id_, party=party, responsible=responsible, region=region, name=name, data=data
            )
            _insert(db, record, key)
        return id_

    def find(self, kind: str, key: str) -> str | None:
        """The id of the record that was made under a key, or None where it is sure that there is none."""
        with self._reading() as db:
            row = db.execute("select id from records where kind = ? and key = ?", (kind, key)).fetchone()
        return None if row is None else str(row[0])

    def describe(self, ref: Ref) -> Description | None:
        """What the gateway asks of a record: whose it is, its version, and the fields that may be compared."""
        with self._reading() as db:
            row = db.execute(
                "select version, party, responsible, region, name, data from records where kind = ? and id = ?",
                (_storable(ref.kind), _storable(ref.id)),
            ).fetchone()
        if row is None:
            return None
        version, party, responsible, region, name, data = row
        return Description(
            version=str(version), party=party, responsible=responsible, region=region, name=name,
            snapshot=json.loads(data), fields=self._fields[ref.kind],
        )  # fmt: skip

    def known(self, party: str) -> dict[EntityType, list[str]]:
        """The customer's own name and address, so that they are found however they are written."""
        kind, _, id_ = party.partition(":")
        data = self.get(kind, id_)
        return {"PERSON": [data["name"]], "EMAIL": [data["email"]]}

    def edited(self, kind: str, id: str, **data: Any) -> None:
        """What a person does to a record in the CRM's own window; no tool has it."""
        with self._writing() as db:
            row = db.execute("select data from records where kind = ? and id = ?", (kind, id)).fetchone()
            new = json.dumps({**json.loads(row[0]), **data})
            db.execute("update records set data = ?, version = version + 1 where kind = ? and id = ?", (new, kind, id))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=5, isolation_level=None)) as db:
                yield db
        except sqlite3.Error:
            raise ToolUnavailable("the CRM cannot be asked", code="unavailable") from None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone on the file. What fails before its commit changed nothing."""
        with self._reading() as db:
            db.execute("begin immediate")
            try:
                yield db
            except BaseException:
                db.execute("rollback")
                raise
            try:
                db.execute("commit")
            except sqlite3.Error:
                raise OutcomeUnknown("the CRM did not confirm the commit", code="outcome_unknown") from None


def _insert(db: sqlite3.Connection, record: Record, key: str | None) -> None:
    db.execute(
        "insert into records values (?, ?, 1, ?, ?, ?, ?, ?, ?)",
        (record.kind, record.id, record.party, record.responsible, record.region, record.name,
         json.dumps(dict(record.data)), key),
    )  # fmt: skip


def _storable(text: str) -> str:
    """A text that SQLite can be asked for: an id with half a surrogate pair in it names nothing."""
    return text.encode("utf-8", "replace").decode("utf-8")
