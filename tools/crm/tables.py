"""The embedded CRM's tables: a database of its own, shared with nothing, the same on SQLite and PostgreSQL.

``version`` counts the changes of a row: every ``update()`` built from these tables raises it by one.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Named,
    Numeric,
    String,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["activities", "companies", "contacts", "deals", "follow_ups", "metadata", "staff", "tasks"]

metadata = MetaData()

_CENT = Decimal("0.01")
_NEXT_VERSION = literal_column("version + 1", Integer)
_RowId = BigInteger().with_variant(Integer(), "sqlite")


class _UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite keeps it without its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy calls it so
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time must be aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy calls it so
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _Money(TypeDecorator[Decimal]):
    """An exact amount with two decimals; a text on SQLite, which knows only binary fractions."""

    impl = String(24)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        exact = Numeric(18, 2) if dialect.name == "postgresql" else String(24)
        return dialect.type_descriptor(exact)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | str | None:
        if value is None:
            return None
        exact = value.quantize(_CENT)
        return exact if dialect.name == "postgresql" else str(exact)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002  SQLAlchemy calls it so
        return None if value is None else Decimal(value)


class _Staff(TypedColumns):
    id: Named[str] = Column(String(64), primary_key=True)
    name: Named[str] = Column(String(200))
    region: Named[str] = Column(String(16))


class _Companies(TypedColumns):
    id: Named[str] = Column(String(64), primary_key=True)
    name: Named[str] = Column(String(200))
    region: Named[str] = Column(String(16))
    segment: Named[str] = Column(String(16), default="standard")
    """A word of the sales team's: how large the customer is. It says how often one is expected to hear from them."""


class _Contacts(TypedColumns):
    id: Named[str] = Column(String(64), primary_key=True)
    name: Named[str] = Column(String(200))
    phone: Named[str | None] = Column(String(16))
    """E.164."""
    phone_typed: Named[str | None] = Column(String(40))
    """The same number in the notation in which somebody once typed it."""
    email: Named[str | None] = Column(String(254))
    national_id_kind: Named[str | None] = Column(String(16))
    national_id: Named[str | None] = Column(String(32))
    language: Named[str] = Column(String(8))
    region: Named[str] = Column(String(16))
    owner_id: Named[str] = Column(ForeignKey("staff.id"))
    company_id: Named[str] = Column(ForeignKey("companies.id"))
    version: Named[int] = Column(Integer, default=1, onupdate=_NEXT_VERSION)


class _Deals(TypedColumns):
    id: Named[str] = Column(String(64), primary_key=True)
    title: Named[str] = Column(String(200))
    stage: Named[str] = Column(String(40))
    stage_since: Named[datetime] = Column(_UTCDateTime)
    amount: Named[Decimal] = Column(_Money)
    currency: Named[str] = Column(String(3))
    owner_id: Named[str] = Column(ForeignKey("staff.id"))
    contact_id: Named[str] = Column(ForeignKey("contacts.id"))
    company_id: Named[str] = Column(ForeignKey("companies.id"))
    region: Named[str] = Column(String(16))
    created_at: Named[datetime] = Column(_UTCDateTime)
    updated_at: Named[datetime] = Column(_UTCDateTime)
    version: Named[int] = Column(Integer, default=1, onupdate=_NEXT_VERSION)


class _Activities(TypedColumns):
    id: Named[int] = Column(_RowId, primary_key=True)
    deal_id: Named[str] = Column(ForeignKey("deals.id"))
    kind: Named[str] = Column(String(20))
    at: Named[datetime] = Column(_UTCDateTime)
    summary: Named[str] = Column(Text)
    by_agent: Named[bool]
    """An agent did it: that is no sign of life from the customer."""
    inbound: Named[bool] = Column(Boolean, default=False)
    """The customer did it, e.g. wrote an e-mail; somebody should answer."""


class _Tasks(TypedColumns):
    id: Named[int] = Column(_RowId, primary_key=True)
    deal_id: Named[str] = Column(ForeignKey("deals.id"))
    kind: Named[str] = Column(String(20))
    subject: Named[str] = Column(String(120))
    due: Named[date]
    status: Named[str] = Column(String(20))
    source: Named[str] = Column(String(40))
    qualification: Named[Any] = Column(JSON(none_as_null=True), nullable=True)
    key: Named[str] = Column(String(200))
    body: Named[str] = Column(String(71))
    """Digest of what was asked for under ``key``; an edit by a human leaves it alone."""
    created_at: Named[datetime] = Column(_UTCDateTime)
    version: Named[int] = Column(Integer, default=1, onupdate=_NEXT_VERSION)


class _FollowUps(TypedColumns):
    id: Named[int] = Column(_RowId, primary_key=True)
    deal_id: Named[str] = Column(ForeignKey("deals.id"))
    due: Named[date]
    done: Named[bool] = Column(Boolean, default=False)


staff = Table("staff", metadata, _Staff)
companies = Table("companies", metadata, _Companies)
contacts = Table("contacts", metadata, _Contacts, Index("contacts_of_company", "company_id"))
deals = Table(
    "deals",
    metadata,
    _Deals,
    # the scan for forgotten deals goes owner by owner, in the order of ids
    Index("deals_of_owner", "owner_id", "id"),
    Index("deals_of_company", "company_id"),
)
activities = Table(
    "activities",
    metadata,
    _Activities,
    Index("activities_latest", "deal_id", "at"),
    # the last touch that is not an agent's is one look into this index, however long a deal's history is
    Index("activities_touch", "deal_id", "by_agent", "at"),
)
tasks = Table(
    "tasks",
    metadata,
    _Tasks,
    # One table per kind of record, so this is the port's unique (kind, key).
    UniqueConstraint("key", name="tasks_once"),
    Index("tasks_of_deal", "deal_id", "status"),
)
follow_ups = Table("follow_ups", metadata, _FollowUps, Index("follow_ups_of_deal", "deal_id", "done", "due"))
"""What a member of staff promised to do by a day. An agent's drafts are no promise: they stand in ``tasks``."""
