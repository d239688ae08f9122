"""What the embedded CRM tells of one record: a deal, a contact or a task, with allow-listed fields only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sqlalchemy import Connection, bindparam, func, select

from agent_guard.types import Description
from tools.crm.port import FIELDS, amount_text
from tools.crm.tables import companies, contacts, deals, staff, tasks

__all__ = ["DESCRIBE"]

_OPEN_TASKS = (
    select(func.count())
    .select_from(tasks)
    .where(tasks.c.deal_id == deals.c.id, tasks.c.status == "draft")
    .scalar_subquery()
)
_DEAL = (
    select(deals, staff.c.name.label("owner_name"), _OPEN_TASKS.label("open_tasks"))
    .join(staff, staff.c.id == deals.c.owner_id)
    .where(deals.c.id == bindparam("id"))
)
_CONTACT = (
    select(contacts, companies.c.name.label("company"))
    .join(companies, companies.c.id == contacts.c.company_id)
    .where(contacts.c.id == bindparam("id"))
)
_TASK = (
    select(tasks, deals.c.contact_id, deals.c.owner_id, deals.c.region)
    .join(deals, deals.c.id == tasks.c.deal_id)
    .where(tasks.c.id == bindparam("id"))
)


def _deal(connection: Connection, deal_id: str) -> Description | None:
    row = connection.execute(_DEAL, {"id": deal_id}).one_or_none()
    if row is None:
        return None
    return Description(
        version=str(row.version),
        party=f"contact:{row.contact_id}",
        responsible=row.owner_id,
        region=row.region,
        name=row.title,
        snapshot={
            "title": row.title,
            "stage": row.stage,
            "amount": amount_text(row.amount),
            "currency": row.currency,
            "owner_name": row.owner_name,
            "updated_at": row.updated_at.isoformat(),
            "open_tasks": row.open_tasks,
        },
        fields=dict(FIELDS["deal"]),
    )


def _contact(connection: Connection, contact_id: str) -> Description | None:
    row = connection.execute(_CONTACT, {"id": contact_id}).one_or_none()
    if row is None:
        return None
    return Description(
        version=str(row.version),
        party=f"contact:{contact_id}",
        responsible=row.owner_id,
        region=row.region,
        name=row.name,
        snapshot={"name": row.name, "phone": row.phone, "email": row.email, "company": row.company},
        fields=dict(FIELDS["contact"]),
    )


def _task(connection: Connection, task_id: str) -> Description | None:
    row = connection.execute(_TASK, {"id": int(task_id)}).one_or_none()
    if row is None:
        return None
    return Description(
        version=str(row.version),
        party=f"contact:{row.contact_id}",
        responsible=row.owner_id,
        region=row.region,
        name=row.subject,
        snapshot={
            "subject": row.subject,
            "due": row.due.isoformat(),
            "status": row.status,
            "deal_id": row.deal_id,
            "source": row.source,
            "kind": row.kind,
        },
        fields=dict(FIELDS["task"]),
    )


DESCRIBE: Mapping[str, Callable[[Connection, str], Description | None]] = MappingProxyType(
    {"deal": _deal, "contact": _contact, "task": _task}
)
"""Kind of record -> the function that describes one, given an open connection and an id of digits."""
