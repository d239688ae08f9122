"""What sending needs to know of a customer: the address, and whether they, or a colleague, said that it is enough."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

from sqlalchemy import (
    Column,
    DateTime,
    MetaData,
    Named,
    String,
    Table,
    TypedColumns,
    bindparam,
    delete,
    func,
    or_,
    select,
)

from agent_guard.errors import ToolRejected
from tools.crm.port import NOT_FOUND
from tools.crm.sql import SqlCRM
from tools.crm.tables import contacts
from tools.crm.upsert import insert_into

__all__ = ["NO_ADDRESS", "Contacts", "SqlContacts", "Why"]

NO_ADDRESS = "no_address"
Why = Literal["opted_out", "taken_over"]

_METADATA = MetaData()


class _Columns(TypedColumns):
    contact_id: Named[str] = Column(String(64), primary_key=True)
    why: Named[str] = Column(String(20))
    at: Named[datetime] = Column(DateTime(timezone=True))


_STOPPED = Table("contact_stops", _METADATA, _Columns)


_ADDRESS = select(func.lower(contacts.c.email)).where(contacts.c.id == bindparam("id")).scalar_subquery()
_STOPPED_OF = (
    select(_STOPPED.c.contact_id)
    .outerjoin(contacts, contacts.c.id == _STOPPED.c.contact_id)
    .where(or_(_STOPPED.c.contact_id == bindparam("id"), func.lower(contacts.c.email) == _ADDRESS))
    .limit(1)
)


class Contacts(Protocol):
    """See the module. Both raise ``ToolUnavailable`` where the system of record is down."""

    def address(self, contact_id: str) -> str:
        """The mail address. Raises ToolRejected: ``not_found`` or ``no_address``."""
        ...

    def stopped(self, contact_id: str) -> bool:
        """Whether nothing may be sent any more to this contact, or to another one of the same address."""
        ...


class SqlContacts:
    """The embedded CRM's contacts.

    Args:
        crm: its database is used; the table of stops is made by :meth:`create`.
    """

    def __init__(self, crm: SqlCRM) -> None:
        self._crm = crm

    def create(self) -> None:
        """Makes the table where it is missing. Raises as ``SqlCRM.add_tables``."""
        self._crm.add_tables(_METADATA)

    def address(self, contact_id: str) -> str:
        """See ``Contacts.address``."""
        with self._crm.reading() as connection:
            row = connection.execute(select(contacts.c.email).where(contacts.c.id == contact_id)).one_or_none()
        if row is None:
            raise ToolRejected("there is no contact of this id", code=NOT_FOUND)
        if not row.email:
            raise ToolRejected("this contact has no mail address", code=NO_ADDRESS)
        return str(row.email)

    def stopped(self, contact_id: str) -> bool:
        """See ``Contacts.stopped``. Who stands in the CRM twice said it for both: the same address counts."""
        with self._crm.reading() as connection:
            return connection.execute(_STOPPED_OF, {"id": contact_id}).first() is not None

    def stop(self, contact_id: str, why: Why) -> None:
        """Nothing is sent to this contact any more. For the host, when they say "stop" or a colleague takes over."""
        row = {"contact_id": contact_id, "why": why, "at": self._crm.clock()}
        with self._crm.writing() as connection:
            insert = insert_into(self._crm.engine, _STOPPED).values(row)
            connection.execute(insert.on_conflict_do_nothing(index_elements=[_STOPPED.c.contact_id]))

    def go_on(self, contact_id: str) -> None:
        """Takes a stop back. For the host alone."""
        with self._crm.writing() as connection:
            connection.execute(delete(_STOPPED).where(_STOPPED.c.contact_id == contact_id))


_port: type[Contacts] = SqlContacts
"""Checked by the type checker: it is one."""
