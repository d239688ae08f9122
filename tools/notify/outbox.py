"""The embedded channel: notices stay in a table of the application's own database, and nothing leaves the machine."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, DateTime, MetaData, Named, String, Table, Text, TypedColumns, select

from agent_guard.credentials import Secrets
from tools.crm.sql import SqlCRM
from tools.crm.upsert import insert_into
from tools.notify.port import Channel, Notice, Posted

__all__ = ["NAME", "Outbox"]

NAME = "outbox"

_METADATA = MetaData()


class _Columns(TypedColumns):
    key: Named[str] = Column(String(200), primary_key=True)
    text: Named[str] = Column(Text)
    at: Named[datetime] = Column(DateTime(timezone=True))


_OUTBOX = Table("outbox", _METADATA, _Columns)


class Outbox:
    """Keeps notices; a key has one.

    Args:
        crm: its database is used; the table is made by :meth:`create`.
    """

    def __init__(self, crm: SqlCRM) -> None:
        self._crm = crm

    def create(self) -> None:
        """Makes the table where it is missing. Raises as ``SqlCRM.add_tables``."""
        self._crm.add_tables(_METADATA)

    def post(self, notice: Notice, *, key: str, secrets: Secrets | None = None) -> Posted:  # noqa: ARG002  needs none
        """Keeps a notice."""
        insert = insert_into(self._crm.engine, _OUTBOX)
        row = {"key": key, "text": notice.text(), "at": self._crm.clock()}
        with self._crm.writing() as connection:
            connection.execute(insert.values(row).on_conflict_do_nothing(index_elements=[_OUTBOX.c.key]))
        return Posted(channel=NAME, id=key)

    def find(self, key: str, *, secrets: Secrets | None = None) -> Posted | None:  # noqa: ARG002  needs none
        """The notice of a key."""
        with self._crm.reading() as connection:
            found = connection.execute(select(_OUTBOX.c.key).where(_OUTBOX.c.key == key)).first()
        return None if found is None else Posted(channel=NAME, id=key)

    def texts(self) -> list[str]:
        """Every notice, the oldest first."""
        with self._crm.reading() as connection:
            return list(connection.scalars(select(_OUTBOX.c.text).order_by(_OUTBOX.c.at, _OUTBOX.c.key)))


_port: type[Channel] = Outbox
"""Checked by the type checker: it is one."""
