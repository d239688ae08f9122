"""Eight deals that the sample conversations speak of, and the three members of staff who own all deals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

__all__ = ["ANCHORS", "STAFF", "Anchor", "Person", "Staff"]


@dataclass(frozen=True, kw_only=True)
class Staff:
    """One member of staff; the region is the one whose deals they own."""

    id: str
    name: str
    region: str
    currency: str
    language: str


STAFF: tuple[Staff, ...] = (
    Staff(id="u-reed", name="Daniel Reed", region="us", currency="USD", language="en"),
    Staff(id="u-abenova", name="Дана Абенова", region="kz", currency="KZT", language="ru"),
    Staff(id="u-nowak", name="Katarzyna Nowak", region="pl", currency="PLN", language="pl"),
)
"""Who owns the deals, one for each region."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A contact's own data. Nobody real: the numbers are valid in form, the mail domains cannot exist (RFC 2606).

    Args:
        phone: E.164.
        phone_typed: the same number as somebody once typed it, or None.
    """

    name: str
    phone: str
    email: str
    phone_typed: str | None = None
    national_id_kind: str | None = None
    national_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """One fixed deal with its contact, its company and its activities.

    Args:
        activities: days before now, kind, summary; the newest first.
    """

    deal_id: str
    title: str
    amount: Decimal
    stage: str
    owner: Staff
    contact: Person
    company: str
    activities: tuple[tuple[int, str, str], ...]

    @property
    def contact_id(self) -> str:
        """The deal's id plus 1000."""
        return str(int(self.deal_id) + 1000)

    @property
    def region(self) -> str:
        """The data region, which is its owner's."""
        return self.owner.region

    @property
    def currency(self) -> str:
        """The currency of ``amount``, ISO 4217."""
        return self.owner.currency


_REED, _ABENOVA, _ = STAFF

_ALL = (
    Anchor(
        deal_id="1001",
        title="Fleet tracking rollout",
        amount=Decimal(48000),
        stage="qualification",
        owner=_REED,
        company="Northwind Logistics",
        contact=Person(name="Emily Carter", phone="+14155552671", email="emily.carter@northwind.example"),
        activities=(
            (2, "email", "Asked for a price list for 120 trucks."),
            (6, "call", "Their current tracker loses signal; the contract for it ends in autumn."),
            (9, "form", "Request from the website: fleet tracking."),
        ),
    ),
    Anchor(
        deal_id="1002",
        title="Cold chain sensors",
        amount=Decimal(19000),
        stage="qualification",
        owner=_REED,
        company="Harbour Foods",
        contact=Person(name="James O'Connor", phone="+14155550134", email="james.oconnor@harbourfoods.example"),
        activities=(
            (4, "call", "Two cold rooms to begin with, more if it works."),
            (11, "form", "Request from the website: temperature sensors."),
        ),
    ),
    Anchor(
        deal_id="1003",
        title="Appointment reminders",
        amount=Decimal(27500),
        stage="qualification",
        owner=_REED,
        company="Brightline Clinics",
        contact=Person(name="Priya Nair", phone="+12125550171", email="priya.nair@brightline.example"),
        activities=(
            (1, "email", "Sent the number of missed appointments for the last quarter."),
            (3, "meeting", "Demo for the front desk; they liked the two-way messages."),
            (8, "call", "Four clinics, one calendar system."),
            (15, "form", "Request from the website: reminders."),
        ),
    ),
    Anchor(
        deal_id="1004",
        title="Dealer portal",
        amount=Decimal(61000),
        stage="qualification",
        owner=_REED,
        company="Alpine Tools",
        contact=Person(name="Thomas Becker", phone="+13125550188", email="thomas.becker@alpinetools.example"),
        activities=(
            (16, "email", "Wants to see a reference from a company with dealers in several countries."),
            (20, "call", "Forty dealers order by fax today."),
        ),
    ),
    Anchor(
        deal_id="1005",
        title="Внедрение CRM",
        amount=Decimal(12500000),
        stage="qualification",
        owner=_ABENOVA,
        company="Алтын Логистика",
        contact=Person(
            name="Айгерим Сатыбалдиева",
            phone="+77015553322",
            email="aigerim.s@altyn.example",
            national_id_kind="IIN",
            national_id="880512400150",
        ),
        activities=(
            (3, "call", "Сейчас ведут клиентов в таблицах, теряют заявки."),
            (7, "email", "Попросили коммерческое предложение на 25 рабочих мест."),
            (10, "form", "Заявка с сайта: внедрение CRM."),
        ),
    ),
    Anchor(
        deal_id="1006",
        title="Складской учёт",
        amount=Decimal(8000000),
        stage="qualification",
        owner=_ABENOVA,
        company="СтепьСтрой",
        contact=Person(name="Иван Петров", phone="+77012345678", email="ivan.petrov@stepstroy.example"),
        activities=(
            (5, "meeting", "Показали учёт по партиям; три склада в двух городах."),
            (12, "call", "Инвентаризация занимает неделю."),
        ),
    ),
    Anchor(
        deal_id="1007",
        title="Колл-центр",
        amount=Decimal(5400000),
        stage="qualification",
        owner=_ABENOVA,
        company="МедЛайф",
        contact=Person(name="Ольга Смирнова", phone="+77017654321", email="olga.smirnova@medlife.example"),
        activities=(
            (2, "call", "Нужна запись разговоров и распределение звонков."),
            (13, "form", "Заявка с сайта: колл-центр."),
        ),
    ),
    Anchor(
        deal_id="1008",
        title="Онлайн-запись",
        amount=Decimal(9900000),
        stage="qualification",
        owner=_ABENOVA,
        company="Тулпар Авто",
        contact=Person(name="Нурлан Ахметов", phone="+77051112233", email="nurlan.akhmetov@tulpar.example"),
        activities=(
            (18, "email", "Взяли паузу до согласования бюджета."),
            (25, "meeting", "Показали запись на сервис через сайт."),
        ),
    ),
)

ANCHORS: Mapping[str, Anchor] = MappingProxyType({anchor.deal_id: anchor for anchor in _ALL})
"""Deal id -> the fixed record; every seeded CRM holds exactly these."""
