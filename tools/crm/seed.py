"""Fills an empty embedded CRM with the anchor deals and with invented ones: the same seed and now, the same rows.

Planted on purpose: each tenth invented deal belongs to a contact who is already there under another spelling and phone
notation; last activities stand on both sides of 14 days, an hour before and after it among them; on some stale deals
only an agent was active lately; some activities name the contact, as people's notes do. On some the customer wrote
last, and some follow-ups of the staff are late.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select

from tools.crm import tables
from tools.crm.anchors import ANCHORS, STAFF, Anchor, Person, Staff
from tools.crm.people import invent, respell
from tools.crm.sql import SqlCRM

__all__ = ["ANCHORS", "STALE", "Anchor", "Person", "seed"]

STALE = timedelta(days=14)
"""A deal with no activity for this long counts as forgotten (requirement A29)."""

MAX_DEALS = 1000
_FIRST_DEAL = 3001
_HOUR = timedelta(hours=1)

_COMPANIES = {
    "us": (
        ("Maple", "Granite", "Lakeside", "Summit", "Copper", "Prairie"),
        ("Freight", "Dental", "Foods", "Robotics", "Print", "Homes"),
    ),
    "kz": (
        ("Алатау", "Жетысу", "Арман", "Нур", "Сарыарка", "Каспий"),
        ("Трейд", "Строй", "Мед", "Авто", "Агро", "Сервис"),
    ),
    "pl": (
        ("Wisła", "Bałtyk", "Śnieżka", "Orzeł", "Żubr", "Mazury"),
        ("Transport", "Budowa", "Meble", "Apteka", "Energia", "Ogród"),
    ),
}
_TITLES = {
    "us": ("Route planning", "Online booking", "Spare parts shop", "Warehouse scanners", "Customer portal"),
    "kz": ("Учёт заявок", "Онлайн-оплата", "Интернет-магазин", "Учёт на складе", "Личный кабинет"),
    "pl": ("Planowanie tras", "Rezerwacja online", "Sklep z częściami", "Skanery magazynowe", "Portal klienta"),
}
_STAGES = ("qualification", "qualification", "proposal", "negotiation", "won", "lost")
_KINDS = ("call", "email", "meeting", "note")
_NOTES = {
    "us": ("Discussed the price.", "Sent the offer.", "Asked for a reference.", "Spoke with {name}; call again soon."),
    "kz": ("Обсудили цену.", "Отправили предложение.", "Просят пример.", "На связи {name}, просит перезвонить."),
    "pl": ("Rozmowa o cenie.", "Oferta wysłana.", "Proszą o referencje.", "Rozmowa: {name}, prosi o telefon."),
}  # fmt: skip
_AGENT_NOTE = {
    "us": "Draft prepared by the agent.",
    "kz": "Агент подготовил черновик.",
    "pl": "Agent przygotował szkic.",
}

_SEGMENTS = ("enterprise", "standard", "standard", "small")

_Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class _Plan:
    deal_id: int
    title: str
    amount: Decimal
    stage: str
    owner: Staff
    contact: Person
    company: str
    created: datetime
    stage_since: datetime
    activities: list[dict[str, Any]]
    follow_ups: tuple[date, ...] = ()


def seed(crm: SqlCRM, *, now: datetime, seed: int = 7, deals: int = 60) -> bool:
    """Fills the CRM in one transaction, unless anything is in it.

    Args:
        crm: created; it is filled only when it is empty.
        now: aware; the ages of deals and activities are counted back from it.
        seed: of the generator; equal arguments give equal rows.
        deals: how many are invented besides the anchors, 0 to 1000.

    Returns:
        Whether it wrote; False in a CRM that has staff already.

    Raises:
        ValueError: ``now`` is naive, or ``deals`` is out of range.
        ToolUnavailable: the database cannot be written; nothing was.
        OutcomeUnknown: the commit failed; call it again, it does nothing twice.
    """
    if now.tzinfo is None:
        raise ValueError("now must be aware")
    if not 0 <= deals <= MAX_DEALS:
        raise ValueError(f"deals is 0 to {MAX_DEALS}")
    rng = random.Random(seed)  # noqa: S311  invented people are no secret
    plans = [_anchored(anchor, now) for anchor in ANCHORS.values()] + _invented(rng, now, deals)
    rows = _rows(plans)
    with crm.writing() as connection:
        if connection.execute(select(tables.staff.c.id).limit(1)).first() is not None:
            return False
        connection.execute(
            insert(tables.staff), [{"id": one.id, "name": one.name, "region": one.region} for one in STAFF]
        )
        for table in (tables.companies, tables.contacts, tables.deals, tables.activities, tables.follow_ups):
            if rows[table.name]:
                connection.execute(insert(table), rows[table.name])
    return True


def _anchored(anchor: Anchor, now: datetime) -> _Plan:
    first_seen = max(days for days, _, _ in anchor.activities)
    since = now - timedelta(days=first_seen)
    return _Plan(
        deal_id=int(anchor.deal_id),
        title=anchor.title,
        amount=anchor.amount,
        stage=anchor.stage,
        owner=anchor.owner,
        contact=anchor.contact,
        company=anchor.company,
        created=since,
        stage_since=since,
        activities=[
            {
                "kind": kind,
                "at": now - timedelta(days=days),
                "summary": summary,
                "by_agent": False,
                "inbound": kind in ("form", "email"),
            }
            for days, kind, summary in anchor.activities
        ],
    )


def _invented(rng: random.Random, now: datetime, count: int) -> list[_Plan]:
    taken = {anchor.contact.phone for anchor in ANCHORS.values()}
    plans: list[_Plan] = []
    for index in range(count):
        owner = STAFF[index % len(STAFF)]
        # The deal three places before has the same region.
        twin = plans[index - len(STAFF)].contact if index % 10 == 9 else None
        contact = respell(rng, owner.region, twin) if twin else invent(rng, owner.region, taken)
        plans.append(_deal(rng, now, index, owner, contact))
    return plans


def _deal(rng: random.Random, now: datetime, index: int, owner: Staff, contact: Person) -> _Plan:
    silence = (
        STALE - _HOUR,
        STALE + _HOUR,
        timedelta(hours=rng.randrange(1, 13 * 24)),
        timedelta(hours=rng.randrange(15 * 24, 45 * 24)),
    )[index % 4]
    created = now - silence - timedelta(days=rng.randrange(5, 90))
    ages = [silence + timedelta(hours=rng.randrange(30, 100) * nth) for nth in range(rng.randrange(1, 6))]
    lived = [
        {
            "kind": rng.choice(_KINDS),
            "at": max(created, now - age),
            "summary": rng.choice(_NOTES[owner.region]).format(name=contact.name),
            "by_agent": False,
            "inbound": index % 5 == 2 and nth == 0,
        }
        for nth, age in enumerate(ages)
    ]
    if index % 8 == 3:
        lived.append(
            {
                "kind": "note",
                "at": now - _HOUR,
                "summary": _AGENT_NOTE[owner.region],
                "by_agent": True,
                "inbound": False,
            }
        )
    brand, trade = _COMPANIES[owner.region]
    thousand = {"USD": 1, "PLN": 4, "KZT": 500}[owner.currency] * 1000
    return _Plan(
        deal_id=_FIRST_DEAL + index,
        title=rng.choice(_TITLES[owner.region]),
        amount=Decimal(rng.randrange(2, 90) * thousand) + Decimal(rng.choice(("0", "0", "0.50"))),
        stage=rng.choice(_STAGES),
        owner=owner,
        contact=contact,
        company=f"{rng.choice(brand)} {rng.choice(trade)}",
        created=created,
        stage_since=created + (now - silence - created) * rng.random(),
        activities=lived,
        # every sixth has a promise that is late, and every sixth one that is still to come
        follow_ups=(now.date() + timedelta(days={0: -5, 3: 4}[index % 6]),) if index % 6 in (0, 3) else (),
    )


def _rows(plans: list[_Plan]) -> _Rows:
    rows: _Rows = {"companies": [], "contacts": [], "deals": [], "activities": [], "follow_ups": []}
    company_ids: dict[tuple[str, str], str] = {}
    for plan in plans:
        deal_id, contact_id, region = str(plan.deal_id), str(plan.deal_id + 1000), plan.owner.region
        company_id = company_ids.setdefault((region, plan.company), str(101 + len(company_ids)))
        person = plan.contact
        rows["contacts"].append(
            {
                "id": contact_id,
                "name": person.name,
                "phone": person.phone,
                "phone_typed": person.phone_typed,
                "email": person.email,
                "national_id_kind": person.national_id_kind,
                "national_id": person.national_id,
                "language": plan.owner.language,
                "region": region,
                "owner_id": plan.owner.id,
                "company_id": company_id,
            }
        )
        rows["deals"].append(
            {
                "id": deal_id,
                "title": plan.title,
                "stage": plan.stage,
                "stage_since": plan.stage_since,
                "amount": plan.amount,
                "currency": plan.owner.currency,
                "owner_id": plan.owner.id,
                "contact_id": contact_id,
                "company_id": company_id,
                "region": region,
                "created_at": plan.created,
                "updated_at": plan.stage_since,
            }
        )
        rows["activities"] += [{"deal_id": deal_id, **activity} for activity in plan.activities]
        rows["follow_ups"] += [{"deal_id": deal_id, "due": due} for due in plan.follow_ups]
    rows["companies"] = [
        {"id": id_, "name": name, "region": region, "segment": _SEGMENTS[int(id_) % len(_SEGMENTS)]}
        for (region, name), id_ in company_ids.items()
    ]
    return rows
