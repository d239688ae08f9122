"""Nine tickets that the samples speak of. Nobody real; the ids of their authors are the embedded CRM's contacts."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, insert, select

from tools.crm.sql import SqlCRM
from tools.crm.tables import contacts
from tools.helpdesk.sql import TICKETS

__all__ = ["seed_tickets"]

_TICKETS = Path(__file__).with_name("tickets.jsonl")
"""``author`` is a contact's id, or a region, of whose contacts it is the first."""


def seed_tickets(crm: SqlCRM, *, now: datetime) -> bool:
    """Fills an empty helpdesk; false where it has tickets.

    Raises:
        ToolUnavailable: the database cannot be used.
    """
    with crm.writing() as connection:
        if connection.execute(select(func.count()).select_from(TICKETS)).scalar_one():
            return False
        rows = []
        for place, line in enumerate(_TICKETS.read_text(encoding="utf-8").splitlines()):
            ticket = json.loads(line)
            author = ticket.pop("author")
            if not author.isdigit():
                first = select(func.min(contacts.c.id)).where(contacts.c.region == author)
                author = connection.execute(first).scalar_one()
            rows.append(
                ticket | {"contact_id": author, "status": "open", "version": 1, "at": now - timedelta(hours=place + 1)}
            )
        connection.execute(insert(TICKETS), rows)
    return True
