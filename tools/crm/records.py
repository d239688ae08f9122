"""What the embedded CRM tells of one record of each kind, with allow-listed fields only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sqlalchemy import Connection, bindparam, func, select

from agent_guard.types import Description
from agent_guard.units import sha256
from tools.crm.port import FIELDS, amount_text
from tools.crm.tables import companies, contacts, deals, staff, tasks

__all__ = ["DESCRIBE", "NAMED", "OWNER_OF_ACCOUNT"]

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
OWNER_OF_ACCOUNT = (
    select(deals.c.owner_id)
    .where(deals.c.company_id == companies.c.id)
    .order_by(deals.c.stage_since.desc(), deals.c.id)
    .limit(1)
    .scalar_subquery()
)
"""Who answers for an account: the owner of the deal that moved last."""

_ACCOUNT = select(companies, OWNER_OF_ACCOUNT.label("owner_id")).where(companies.c.id == bindparam("id"))
_STAFF = select(staff).where(staff.c.id == bindparam("id"))
_REGION = select(staff.c.id).where(staff.c.region == bindparam("id")).limit(1)


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


def _account(connection: Connection, account_id: str) -> Description | None:
    row = connection.execute(_ACCOUNT, {"id": account_id}).one_or_none()
    if row is None:
        return None
    return Description(
        # a company's few fields change by hand and rarely: they are the version
        version=sha256({"name": row.name, "region": row.region, "segment": row.segment}),
        responsible=row.owner_id,
        region=row.region,
        name=row.name,
        snapshot={"name": row.name, "segment": row.segment},
        fields=dict(FIELDS["account"]),
    )


def _staff(connection: Connection, staff_id: str) -> Description | None:
    row = connection.execute(_STAFF, {"id": staff_id}).one_or_none()
    if row is None:
        return None
    return Description(
        version=sha256({"name": row.name, "region": row.region}),
        responsible=row.id,
        region=row.region,
        name=row.name,
        snapshot={"name": row.name},
        fields=dict(FIELDS["staff"]),
    )


def _region(connection: Connection, region: str) -> Description | None:
    """A region is the part of the CRM that a member of staff may see; one where nobody works is none."""
    if connection.execute(_REGION, {"id": region}).first() is None:
        return None
    return Description(version="1", region=region, snapshot={"region": region}, fields=dict(FIELDS["region"]))


DESCRIBE: Mapping[str, Callable[[Connection, str], Description | None]] = MappingProxyType(
    {"account": _account, "contact": _contact, "deal": _deal, "region": _region, "staff": _staff, "task": _task}
)
"""Kind of record -> the function that describes one, given an open connection and an id that :data:`NAMED` allows."""

NAMED = frozenset({"region", "staff"})
"""Kinds whose ids are words; the ids of the others are digits."""
