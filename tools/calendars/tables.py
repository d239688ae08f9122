"""Tables of the embedded calendar, in the embedded CRM's database. Moments are whole seconds since 1970.

On PostgreSQL the database itself refuses two of the agent's events that overlap. The constraint is made of ranges of
numbers, so that it needs no extension; on SQLite the one writer looks for overlaps before it writes.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Named,
    String,
    Table,
    Text,
    TypedColumns,
    event,
    text,
)

__all__ = ["calendars", "events", "invitations", "metadata", "zones"]

metadata = MetaData()

_RowId = BigInteger().with_variant(Integer(), "sqlite")
_LIVE = text("status IN ('held', 'confirmed')")
_HELD = text("status = 'held'")


class _Calendars(TypedColumns):
    no: Named[int] = Column(_RowId, primary_key=True)
    id: Named[str] = Column(String(64), unique=True)
    owner_id: Named[str] = Column(String(64))
    region: Named[str] = Column(String(16))
    zone: Named[str] = Column(String(64))
    opens_min: Named[int]
    closes_min: Named[int]
    weekdays: Named[str] = Column(String(7))
    """Digits; Monday is 0."""
    step_min: Named[int]
    buffer_min: Named[int]
    notice_min: Named[int]
    horizon_min: Named[int]
    organizer_name: Named[str | None] = Column(String(200))
    organizer_email: Named[str | None] = Column(String(254))


class _Events(TypedColumns):
    id: Named[int] = Column(_RowId, primary_key=True)
    uid: Named[str] = Column(String(64), unique=True)
    calendar_no: Named[int] = Column(ForeignKey("calendars.no"))
    starts: Named[int] = Column(BigInteger)
    ends: Named[int] = Column(BigInteger)
    blocks_until: Named[int] = Column(BigInteger)
    """The end with the calendar's buffer: two events whose gap is shorter overlap by this."""
    status: Named[str] = Column(String(12))
    """``busy`` is an event of a person's; the others are the port's words."""
    contact_id: Named[str | None] = Column(String(64))
    title: Named[str] = Column(String(200))
    key: Named[str | None] = Column(String(200))
    body: Named[str | None] = Column(String(71))
    confirm_key: Named[str | None] = Column(String(200))
    held_until: Named[int | None] = Column(BigInteger)
    link: Named[str | None] = Column(Text)
    attendee: Named[str | None] = Column(String(254))
    created_at: Named[int] = Column(BigInteger)
    sequence: Named[int] = Column(Integer, default=0)
    version: Named[int] = Column(Integer, default=1, onupdate=text("version + 1"))


class _Invitations(TypedColumns):
    uid: Named[str] = Column(String(64), primary_key=True)
    text: Named[str] = Column(Text)
    status: Named[str] = Column(String(12), default="draft")


class _Zones(TypedColumns):
    contact_id: Named[str] = Column(String(64), primary_key=True)
    zone: Named[str] = Column(String(64))


calendars = Table("calendars", metadata, _Calendars)
zones = Table("contact_zones", metadata, _Zones)
"""Where customers are, as the host was told."""
events = Table(
    "calendar_events",
    metadata,
    _Events,
    Index("calendar_events_of_calendar", "calendar_no", "starts"),
    Index("calendar_events_once", "key", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
    Index("calendar_events_confirmed_by", "confirm_key", unique=True),
    Index("calendar_events_held", "held_until", sqlite_where=_HELD, postgresql_where=_HELD),
)
invitations = Table("invitations", metadata, _Invitations)
"""iCalendar invitations that wait for a person to send them."""

event.listen(
    events,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy has not typed it
        "ALTER TABLE calendar_events ADD CONSTRAINT calendar_events_apart EXCLUDE USING gist ("
        "int8range(calendar_no, calendar_no, '[]') WITH &&, int8range(starts, blocks_until) WITH &&) "
        "WHERE (status IN ('held', 'confirmed'))"
    ).execute_if(dialect="postgresql"),
)
