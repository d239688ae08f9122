"""The embedded helpdesk: tickets and answers in the embedded CRM's database. An answer that is kept there is sent."""

from __future__ import annotations

import re
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Integer,
    MetaData,
    Named,
    String,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
    bindparam,
    insert,
    select,
    update,
)

from agent_guard.errors import ToolRejected
from agent_guard.types import Description, Ref
from tools.crm.port import KEY_REUSED, NOT_FOUND, check_key
from tools.crm.sql import SqlCRM
from tools.crm.tables import contacts
from tools.helpdesk.port import Answered, Helpdesk, Ticket

__all__ = ["ALREADY_ANSWERED", "FIELDS", "TICKETS", "SqlHelpdesk"]

ALREADY_ANSWERED = "already_answered"
FIELDS = {"status": "plain"}
"""How the fields of a ticket's description are masked."""

_METADATA = MetaData()
_ID = re.compile(r"[1-9][0-9]{0,17}")  # one way to write each number: a key is made of it


class _TicketColumns(TypedColumns):
    id: Named[int] = Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    contact_id: Named[str] = Column(String(64))
    subject: Named[str] = Column(Text)
    body: Named[str] = Column(Text)
    status: Named[str] = Column(String(20))
    version: Named[int] = Column(Integer)
    at: Named[datetime] = Column(DateTime(timezone=True))


class _AnswerColumns(TypedColumns):
    id: Named[int] = Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    ticket_id: Named[int] = Column(BigInteger().with_variant(Integer(), "sqlite"))
    key: Named[str] = Column(String(200))
    text: Named[str] = Column(Text)
    at: Named[datetime] = Column(DateTime(timezone=True))


TICKETS = Table("tickets", _METADATA, _TicketColumns)
_ANSWERS = Table("ticket_answers", _METADATA, _AnswerColumns, UniqueConstraint("key"), UniqueConstraint("ticket_id"))
_OF_KEY = select(_ANSWERS).where(_ANSWERS.c.key == bindparam("k"))
_ONE = select(TICKETS).where(TICKETS.c.id == bindparam("id"))
_DESCRIBED = (
    select(TICKETS, contacts.c.owner_id, contacts.c.region)
    .join(contacts, contacts.c.id == TICKETS.c.contact_id)
    .where(TICKETS.c.id == bindparam("id"))
)


class SqlHelpdesk:
    """Keeps tickets and answers.

    Args:
        crm: its database is used, and its contacts are the authors; the tables are made by :meth:`create`.
    """

    def __init__(self, crm: SqlCRM) -> None:
        self._crm = crm

    def create(self) -> None:
        """Makes the tables where they are missing. Raises as ``SqlCRM.add_tables``."""
        self._crm.add_tables(_METADATA)

    def ticket(self, ticket_id: str) -> Ticket:
        """One ticket; see ``Helpdesk.ticket``."""
        with self._crm.reading() as connection:
            row = connection.execute(_ONE, {"id": _number(ticket_id)}).one_or_none()
        if row is None:
            raise _no_ticket()
        return Ticket(id=ticket_id, subject=row.subject, body=row.body, status=row.status)

    def answer(self, ticket_id: str, text: str, *, key: str) -> Answered:
        """Keeps an answer; see ``Helpdesk.answer``."""
        check_key(key)
        number = _number(ticket_id)
        with self._crm.writing() as connection:
            # taken first, so that of two that answer at once the second one sees what the first one wrote
            ticket = connection.execute(_ONE.with_for_update(), {"id": number}).one_or_none()
            before = connection.execute(_OF_KEY, {"k": key}).one_or_none()
            if before is not None:
                if (before.ticket_id, before.text) != (number, text):
                    raise ToolRejected("this key already stands for another answer", code=KEY_REUSED)
                return Answered(id=str(before.id), again=True)
            if ticket is None:
                raise _no_ticket()
            if ticket.status != "open":
                raise ToolRejected("this ticket has its answer", code=ALREADY_ANSWERED)
            row = {"ticket_id": number, "key": key, "text": text, "at": self._crm.clock()}
            made = connection.execute(insert(_ANSWERS).values(row).returning(_ANSWERS.c.id)).scalar_one()
            connection.execute(
                update(TICKETS).where(TICKETS.c.id == number).values(status="answered", version=TICKETS.c.version + 1)
            )
        return Answered(id=str(made), again=False)

    def answered(self, key: str) -> Answered | None:
        """The answer of a key; see ``Helpdesk.answered``."""
        check_key(key)
        with self._crm.reading() as connection:
            row = connection.execute(_OF_KEY, {"k": key}).one_or_none()
        return None if row is None else Answered(id=str(row.id), again=True)

    def answers(self, ticket_id: str) -> list[str]:
        """What was sent to a ticket's author. Raw: for the host alone, never for a tool."""
        with self._crm.reading() as connection:
            query = select(_ANSWERS.c.text).where(_ANSWERS.c.ticket_id == _number(ticket_id))
            return list(connection.scalars(query))

    def describe(self, ref: Ref) -> Description | None:
        """A ticket as a record; None for another kind. It has no name: what its author wrote is outside text, and a
        record's name and fields count as the system's own.
        """
        if ref.kind != "ticket" or not _ID.fullmatch(ref.id):
            return None
        with self._crm.reading() as connection:
            row = connection.execute(_DESCRIBED, {"id": int(ref.id)}).one_or_none()
        if row is None:
            return None
        return Description(
            version=str(row.version),
            party=f"contact:{row.contact_id}",
            responsible=row.owner_id,
            region=row.region,
            snapshot={"status": row.status},
            fields=FIELDS,
        )


def _number(ticket_id: str) -> int:
    if not _ID.fullmatch(ticket_id):
        raise _no_ticket()
    return int(ticket_id)


def _no_ticket() -> ToolRejected:
    return ToolRejected("there is no ticket of this id", code=NOT_FOUND)


_port: type[Helpdesk] = SqlHelpdesk
"""Checked by the type checker: it is one."""
