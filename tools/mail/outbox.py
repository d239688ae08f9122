"""The embedded way out: messages stay in a table of the application's own database, and nothing leaves the machine."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, DateTime, MetaData, Named, String, Table, Text, TypedColumns, select

from agent_guard.credentials import Secrets
from agent_guard.errors import ToolRejected
from tools.crm.port import KEY_REUSED
from tools.crm.sql import SqlCRM
from tools.crm.upsert import insert_into
from tools.mail.port import Mail, Message, message_id

__all__ = ["DOMAIN", "MailOutbox"]

DOMAIN = "outbox.invalid"

_METADATA = MetaData()


class _Columns(TypedColumns):
    key: Named[str] = Column(String(200), primary_key=True)
    receiver: Named[str] = Column(String(320))
    subject: Named[str] = Column(Text)
    body: Named[str] = Column(Text)
    at: Named[datetime] = Column(DateTime(timezone=True))


_MAIL = Table("mail_outbox", _METADATA, _Columns)


class MailOutbox:
    """Keeps messages; a key has one.

    Args:
        crm: its database is used; the table is made by :meth:`create`.
    """

    def __init__(self, crm: SqlCRM) -> None:
        self._crm = crm

    def create(self) -> None:
        """Makes the table where it is missing. Raises as ``SqlCRM.add_tables``."""
        self._crm.add_tables(_METADATA)

    def send(self, message: Message, *, secrets: Secrets) -> str:  # noqa: ARG002  needs none
        """Keeps a message; see ``Mail.send``."""
        row = {"key": message.key, "receiver": message.to, "subject": message.subject, "body": message.body}
        insert = insert_into(self._crm.engine, _MAIL).values(row | {"at": self._crm.clock()})
        kept = select(_MAIL.c.receiver, _MAIL.c.subject, _MAIL.c.body).where(_MAIL.c.key == message.key)
        with self._crm.writing() as connection:
            connection.execute(insert.on_conflict_do_nothing(index_elements=[_MAIL.c.key]))
            if tuple(connection.execute(kept).one()) != (message.to, message.subject, message.body):
                raise ToolRejected("this key already stands for another message", code=KEY_REUSED)
        return message_id(message.key, DOMAIN)

    def sent(self, key: str) -> str | None:
        """See ``Mail.sent``."""
        with self._crm.reading() as connection:
            found = connection.execute(select(_MAIL.c.key).where(_MAIL.c.key == key)).first()
        return None if found is None else message_id(key, DOMAIN)

    def messages(self) -> list[tuple[str, str, str]]:
        """Receiver, subject and body of every message, the oldest first. Raw: for the host alone."""
        with self._crm.reading() as connection:
            query = select(_MAIL.c.receiver, _MAIL.c.subject, _MAIL.c.body).order_by(_MAIL.c.at, _MAIL.c.key)
            return [(row.receiver, row.subject, row.body) for row in connection.execute(query)]


_port: type[Mail] = MailOutbox
"""Checked by the type checker: it is one."""
