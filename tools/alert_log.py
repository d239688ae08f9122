"""What was posted about whom, and when: nothing is told of twice within seven rolling days (requirement A29).

A place is taken before the message leaves, because a message that may have left must not be followed by another one.
Where it provably did not leave, the place is given back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Column, MetaData, Named, String, Table, TypedColumns, delete, or_, select

from tools.crm.sql import SqlCRM
from tools.crm.upsert import insert_into

__all__ = ["QUIET", "AlertLog"]

QUIET = timedelta(days=7)
"""How long a record is not told of again."""

_METADATA = MetaData()


class _Columns(TypedColumns):
    ref: Named[str] = Column(String(100), primary_key=True)
    at: Named[int] = Column(BigInteger)
    """Milliseconds since 1970."""
    key: Named[str] = Column(String(200))


_ALERTED = Table("alerted", _METADATA, _Columns)


class AlertLog:
    """One row for each record that was ever told of: when it was last.

    Args:
        crm: its database is used; the table is made by :meth:`create`.
    """

    def __init__(self, crm: SqlCRM) -> None:
        self._crm = crm

    def create(self) -> None:
        """Makes the table where it is missing. Raises as ``SqlCRM.add_tables``."""
        self._crm.add_tables(_METADATA)

    def take(self, refs: Sequence[str], *, key: str) -> tuple[str, ...]:
        """Takes the places of those records that may be told of now, and returns these, in their order.

        Args:
            refs: e.g. ``"deal:1001"``.
            key: of the message; it may take its own places again.

        Raises:
            ToolUnavailable: the database cannot be written; no place was taken.
            OutcomeUnknown: the commit failed; places may have been taken, and then nothing is told for a week.
        """
        now = self._crm.clock()
        at, since = _ms(now), _ms(now - QUIET)
        insert = insert_into(self._crm.engine, _ALERTED)
        free = or_(_ALERTED.c.at <= since, _ALERTED.c.key == key)
        taken: list[str] = []
        with self._crm.writing() as connection:
            for ref in sorted(set(refs)):  # in one order, so that two messages never wait for each other
                statement = (
                    insert.values(ref=ref, at=at, key=key)
                    .on_conflict_do_update(index_elements=[_ALERTED.c.ref], set_={"at": at, "key": key}, where=free)
                    .returning(_ALERTED.c.ref)
                )
                taken += connection.scalars(statement).all()
        return tuple(ref for ref in refs if ref in set(taken))

    def give_back(self, refs: Sequence[str], *, key: str) -> None:
        """Gives places back: the message did not leave. Raises as :meth:`take`."""
        with self._crm.writing() as connection:
            connection.execute(delete(_ALERTED).where(_ALERTED.c.ref.in_(refs), _ALERTED.c.key == key))

    def last(self, refs: Sequence[str], *, besides: Sequence[str] = ()) -> dict[str, datetime]:
        """When each of these records was last told of; one that never was is left out.

        Args:
            besides: keys of messages whose places do not count: of one that is to be taken up again.
        """
        told = select(_ALERTED.c.ref, _ALERTED.c.at).where(_ALERTED.c.ref.in_(refs), _ALERTED.c.key.not_in(besides))
        with self._crm.reading() as connection:
            rows = connection.execute(told).all()
        return {row.ref: datetime.fromtimestamp(row.at / 1000, tz=UTC) for row in rows}


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
