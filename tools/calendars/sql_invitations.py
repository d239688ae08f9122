"""Drafts of invitations in the embedded CRM's database, until a person sends one."""

from __future__ import annotations

from sqlalchemy import select

from tools.calendars.tables import invitations
from tools.crm.sql import SqlCRM
from tools.crm.upsert import insert_into

__all__ = ["SqlInvitations"]


class SqlInvitations:
    """Drafts of invitations in the embedded CRM's database; :meth:`SqlCalendar.create` makes the table."""

    def __init__(self, crm: SqlCRM) -> None:
        self._crm = crm

    def keep(self, uid: str, text: str) -> None:
        """Keeps a draft; a later one of the same event takes its place."""
        keep = insert_into(self._crm.engine, invitations).values(uid=uid, text=text, status="draft")
        with self._crm.writing() as connection:
            connection.execute(keep.on_conflict_do_update(index_elements=[invitations.c.uid], set_={"text": text}))

    def draft(self, uid: str) -> str | None:
        """The draft of an event, or None."""
        with self._crm.reading() as connection:
            return connection.scalar(select(invitations.c.text).where(invitations.c.uid == uid))
