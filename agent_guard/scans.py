"""What scans found, and how far they are: one row for each part of a scan, one for each finding.

A part is held by one process at a time, for as long as it gives signs of life. Its position and the findings up to it
are written in one transaction, so that a scan goes on where it was killed. Rows hold ids and numbers, and no value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns
from sqlalchemy.dialects import postgresql, sqlite

from agent_guard.store import metadata
from agent_guard.types import JSON

__all__ = [
    "FINDINGS",
    "NOBODY",
    "PARTS",
    "Finding",
    "PartRow",
    "add_parts",
    "counts",
    "finish",
    "found",
    "move",
    "of_scan",
    "parts",
    "take",
    "tell",
    "waiting",
]  # fmt: skip

NOBODY = ""
"""Owner of a part that nobody holds."""


class _Parts(TypedColumns):
    scan = Column(sa.String(60), primary_key=True)
    part = Column(sa.String(64), primary_key=True)
    scenario = Column(sa.String(100), nullable=False)
    tenant = Column(sa.String(100), nullable=False)
    total = Column(sa.BigInteger, nullable=False)
    after = Column(sa.String(100), nullable=True)
    pages = Column(sa.Integer, nullable=False)
    read = Column(sa.Boolean, nullable=False)
    done = Column(sa.Boolean, nullable=False)
    owner = Column(sa.String(26), nullable=False)
    until = Column(sa.BigInteger, nullable=False)


class _Findings(TypedColumns):
    scan = Column(sa.String(60), primary_key=True)
    ref = Column(sa.String(100), primary_key=True)
    tenant = Column(sa.String(100), nullable=False)
    scenario = Column(sa.String(100), nullable=False)
    part = Column(sa.String(64), nullable=False)
    bucket = Column(sa.String(20), nullable=False)
    rank = Column(sa.Integer, nullable=False)
    facts = Column(sa.Text, nullable=False)
    found = Column(sa.BigInteger, nullable=False)
    told = Column(sa.String(26), nullable=True)
    why = Column(sa.String(40), nullable=True)


PARTS = sa.Table("scan_parts", metadata, _Parts)
FINDINGS = sa.Table(
    "findings",
    metadata,
    _Findings,
    sa.Index("findings_of_part", "scan", "part", "rank", "ref"),
    sa.Index("findings_of_record", "tenant", "ref", "found"),
)


@dataclass(frozen=True, kw_only=True)
class PartRow:
    """One part of a scan.

    Args:
        total: how many records it looks at, for a progress bar.
        after: the position up to which pages are written, or None before the first.
        read: every page is written; what is left is to tell somebody.
        owner: id of the process that holds it, or :data:`NOBODY`.
        until: it is held so long, in milliseconds since 1970.
    """

    scan: str
    part: str
    scenario: str
    tenant: str
    total: int
    after: str | None
    pages: int
    read: bool
    done: bool
    owner: str
    until: int


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a scan found.

    Args:
        ref: the record, e.g. ``"deal:1001"``.
        bucket: a word for the kind of finding.
        rank: the larger, the sooner somebody is told of it.
        facts: ids and numbers.
        told: trace of the call that told somebody, or None.
        why: why nobody was told, or None where somebody was or it is not decided yet.
    """

    ref: str
    bucket: str
    rank: int
    facts: Mapping[str, JSON] = field(default_factory=dict)
    told: str | None = None
    why: str | None = None


def add_parts(connection: sa.Connection, rows: Sequence[PartRow]) -> None:
    """Writes the parts of a scan; those that are there stay as they are."""
    if rows:
        connection.execute(_insert(connection, PARTS), [vars(row) for row in rows])


def parts(connection: sa.Connection, scan: str) -> list[PartRow]:
    """The parts of a scan, by name."""
    rows = connection.execute(sa.select(PARTS).where(PARTS.c.scan == scan).order_by(PARTS.c.part))
    return [PartRow(**row._asdict()) for row in rows]


def take(connection: sa.Connection, scan: str, owner: str, *, now_ms: int, until: int) -> PartRow | None:
    """Takes the first part that is not done and that nobody holds, or None where there is none."""
    free = sa.or_(PARTS.c.owner == NOBODY, PARTS.c.until <= now_ms)
    query = sa.select(PARTS).where(PARTS.c.scan == scan, PARTS.c.done == sa.false(), free).order_by(PARTS.c.part)
    row = connection.execute(query.limit(1)).first()
    if row is None:
        return None
    held = (PARTS.c.owner == row.owner, PARTS.c.until == row.until)
    ours = PARTS.update().where(PARTS.c.scan == scan, PARTS.c.part == row.part, *held)
    if connection.execute(ours.values(owner=owner, until=until)).rowcount != 1:
        return None
    return PartRow(**(row._asdict() | {"owner": owner, "until": until}))


def move(connection: sa.Connection, row: PartRow, **values: Any) -> PartRow | None:
    """Writes what changed of a part that is held, or None where it was lost to another process."""
    ours = PARTS.update().where(PARTS.c.scan == row.scan, PARTS.c.part == row.part, PARTS.c.owner == row.owner)
    if connection.execute(ours.values(values)).rowcount != 1:
        return None
    return PartRow(**(vars(row) | values))


def found(connection: sa.Connection, row: PartRow, findings: Sequence[Finding], *, now_ms: int) -> None:
    """Writes the findings of one page; one that the scan has already stays as it is."""
    common = {"scan": row.scan, "tenant": row.tenant, "scenario": row.scenario, "part": row.part, "found": now_ms}
    rows = [{**vars(item), **common, "facts": json.dumps(dict(item.facts), sort_keys=True)} for item in findings]
    if rows:
        connection.execute(_insert(connection, FINDINGS), rows)


def waiting(connection: sa.Connection, row: PartRow, *, after: tuple[int, str] | None, most: int) -> list[Finding]:
    """Findings of a part of which it is not decided whether somebody is told, the highest rank first.

    Args:
        after: rank and ref of the last one that was looked at.
    """
    query = sa.select(FINDINGS).where(
        FINDINGS.c.scan == row.scan,
        FINDINGS.c.part == row.part,
        FINDINGS.c.told.is_(None),
        FINDINGS.c.why.is_(None),
    )
    if after is not None:
        rank, ref = after
        query = query.where(sa.or_(FINDINGS.c.rank < rank, sa.and_(FINDINGS.c.rank == rank, FINDINGS.c.ref > ref)))
    ordered = query.order_by(FINDINGS.c.rank.desc(), FINDINGS.c.ref).limit(most)
    return [_finding(found_row) for found_row in connection.execute(ordered)]


def tell(connection: sa.Connection, row: PartRow, refs: Sequence[str], *, told: str | None, why: str | None) -> None:
    """Writes what became of these findings of a part. What somebody was told of stays told of, whoever writes later: a
    process that was thought dead may still have sent its message.
    """
    mine = FINDINGS.update().where(FINDINGS.c.scan == row.scan, FINDINGS.c.part == row.part)
    connection.execute(mine.where(FINDINGS.c.ref.in_(refs), FINDINGS.c.told.is_(None)).values(told=told, why=why))


def finish(connection: sa.Connection, row: PartRow, *, why: str) -> None:
    """Writes why nobody was told of the rest of a part's findings."""
    mine = FINDINGS.update().where(FINDINGS.c.scan == row.scan, FINDINGS.c.part == row.part)
    connection.execute(mine.where(FINDINGS.c.told.is_(None), FINDINGS.c.why.is_(None)).values(why=why))


def counts(connection: sa.Connection, scan: str, part: str) -> dict[str, int]:
    """How many findings of a part were told of (``told``), and how many were not, by why."""
    word = sa.case((FINDINGS.c.told.is_not(None), "told"), else_=sa.func.coalesce(FINDINGS.c.why, "open"))
    query = sa.select(word.label("word"), sa.func.count().label("n")).where(
        FINDINGS.c.scan == scan, FINDINGS.c.part == part
    )
    return {row.word: row.n for row in connection.execute(query.group_by(word).order_by(word))}


def of_scan(connection: sa.Connection, scan: str) -> Iterator[Finding]:
    """Every finding of a scan, by part, the highest rank first."""
    order = (FINDINGS.c.part, FINDINGS.c.rank.desc(), FINDINGS.c.ref)
    for row in connection.execute(sa.select(FINDINGS).where(FINDINGS.c.scan == scan).order_by(*order)):
        yield _finding(row)


def _finding(row: Any) -> Finding:
    return Finding(
        ref=row.ref, bucket=row.bucket, rank=row.rank, facts=json.loads(row.facts), told=row.told, why=row.why
    )


def _insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()
