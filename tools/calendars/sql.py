"""The embedded calendar: the port's laws in the embedded CRM's database, on SQLite and PostgreSQL.

A write is one transaction that first takes the calendar's row (``BEGIN IMMEDIATE`` takes the whole file on SQLite), so
that what it reads stays true until it has written. On PostgreSQL an exclusion constraint stands behind that.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from agent_guard.errors import ToolRejected
from agent_guard.types import Description, Ref
from tools.calendars.port import (
    ALREADY_CONFIRMED,
    HOLD,
    HOLD_ENDED,
    NOT_OFFERED,
    SLOT_TAKEN,
    Attendee,
    Calendar,
    Event,
    Held,
    HoldDraft,
    calendar_described,
    described,
)
from tools.calendars.rows import calendar_row, event_of, hours_of, moment, organizer_of, seconds, slot_of, times_row
from tools.calendars.tables import calendars, events, metadata
from tools.crm.port import KEY_REUSED, NOT_FOUND, check_key
from tools.crm.sql import SqlCRM
from tools.slots import Hours, Interval, offered

__all__ = ["SqlCalendar"]

_ID = re.compile(r"[1-9][0-9]{0,17}")  # one way to write each number: keys are made of it
_OURS = ("held", "confirmed", "released", "expired")
_ROWS = select(
    events, calendars.c.id.label("calendar_id"), calendars.c.owner_id, calendars.c.region, calendars.c.buffer_min
).join(calendars, calendars.c.no == events.c.calendar_no)


class SqlCalendar:
    """Calendars in the embedded CRM's database; see :class:`Calendar`.

    Args:
        crm: its database and clock are used; the tables are made by :meth:`create`.
    """

    def __init__(self, crm: SqlCRM) -> None:
        self._crm = crm

    def create(self) -> None:
        """Makes the tables where they are missing. Raises as ``SqlCRM.add_tables``."""
        self._crm.add_tables(metadata)

    def open_calendar(
        self, calendar_id: str, hours: Hours, *, owner: str, region: str, organizer: Attendee | None = None
    ) -> bool:
        """Adds a calendar, for the host; False where there is one of this id, which stays as it is."""
        row = calendar_row(calendar_id, hours, owner=owner, region=region, organizer=organizer)
        with self._crm.writing() as connection:
            if connection.execute(select(calendars.c.no).where(calendars.c.id == calendar_id)).first():
                return False
            connection.execute(insert(calendars).values(row))
        return True

    def put_in(self, calendar_id: str, slot: Interval, title: str = "") -> None:
        """Puts a person's own event into a calendar, for the host: people may overlap whatever they like."""
        with self._crm.writing() as connection:
            calendar = self._calendar(connection, calendar_id, lock=True)
            row = times_row(slot, timedelta(0)) | {"uid": uuid4().hex, "calendar_no": calendar.no, "status": "busy"}
            connection.execute(insert(events).values(row | {"title": title, "created_at": seconds(self.now())}))

    def now(self) -> datetime:
        """The CRM's clock."""
        return self._crm.clock()

    def hours(self, calendar_id: str) -> Hours:
        """See :class:`Calendar`."""
        with self._crm.reading() as connection:
            return hours_of(self._calendar(connection, calendar_id))

    def organizer(self, calendar_id: str) -> Attendee | None:
        """See :class:`Calendar`."""
        with self._crm.reading() as connection:
            return organizer_of(self._calendar(connection, calendar_id))

    def busy(self, calendar_id: str, window: Interval) -> list[Interval]:
        """See :class:`Calendar`."""
        with self._crm.reading() as connection:
            calendar = self._calendar(connection, calendar_id)
            rows = self._taken(connection, calendar.no, window, buffer_s=0)
        return [slot_of(row) for row in rows]

    def event(self, event_id: str) -> Event | None:
        """See :class:`Calendar`."""
        with self._crm.reading() as connection:
            row = self._row(connection, event_id)
        return None if row is None else self._event(row)

    def hold(self, draft: HoldDraft, key: str) -> Held:
        """See :class:`Calendar`."""
        check_key(key)
        body = draft.digest()
        with self._crm.writing() as connection:
            calendar = self._calendar(connection, draft.calendar_id, lock=True)
            now = self.now()
            # what ran out of time would still be in the way of the constraint
            connection.execute(self._ending(now).where(or_(events.c.calendar_no == calendar.no, events.c.key == key)))
            found = self._same(connection, calendar.no, draft, key, body)
            if found is not None:
                return Held(event_id=str(found.id), outcome="replayed", until=moment(found.held_until or found.ends))
            hours = hours_of(calendar)
            if not offered(hours, draft.slot, now=now):
                raise ToolRejected("this slot is not offered", code=NOT_OFFERED)
            if self._taken(connection, calendar.no, draft.slot, buffer_s=calendar.buffer_min * 60):
                raise ToolRejected("this slot is taken", code=SLOT_TAKEN)
            until = now + HOLD
            row = times_row(draft.slot, hours.buffer) | {
                "uid": uuid4().hex,
                "calendar_no": calendar.no,
                "status": "held",
                "contact_id": draft.contact_id,
                "title": draft.title,
                "key": key,
                "body": body,
                "held_until": seconds(until),
                "created_at": seconds(now),
            }
            try:
                made = connection.execute(insert(events).values(row).returning(events.c.id)).scalar_one()
            except IntegrityError:  # the constraint: somebody wrote without taking the calendar's row
                raise ToolRejected("this slot is taken", code=SLOT_TAKEN) from None
            return Held(event_id=str(made), outcome="created", until=moment(seconds(until)))

    def check(self, event_id: str) -> Event:
        """See :class:`Calendar`."""
        with self._crm.reading() as connection:
            row = self._found(connection, event_id)
            self._confirmable(connection, row)
        return self._event(row)

    def confirm(self, event_id: str, link: str, key: str) -> Event:
        """See :class:`Calendar`."""
        check_key(key)
        with self._crm.writing() as connection:
            row = self._locked(connection, event_id)
            if not (row.status == "confirmed" and row.confirm_key == key):
                self._confirmable(connection, row)
                self._change(connection, row, status="confirmed", link=link, confirm_key=key, held_until=None)
            return self._event(self._found(connection, event_id))

    def invite(self, event_id: str, attendee: Attendee) -> Event:
        """See :class:`Calendar`."""
        with self._crm.writing() as connection:
            row = self._locked(connection, event_id)
            if row.status != "confirmed":
                raise ToolRejected("the event is not confirmed", code=HOLD_ENDED)
            if row.attendee != attendee.email:
                self._change(connection, row, attendee=attendee.email)
            return self._event(self._found(connection, event_id))

    def release(self, event_id: str) -> Event:
        """See :class:`Calendar`."""
        with self._crm.writing() as connection:
            row = self._locked(connection, event_id)
            if row.status == "confirmed":
                raise ToolRejected("the event is confirmed; a person may cancel it", code=ALREADY_CONFIRMED)
            if self._event(row).status == "held":
                self._change(connection, row, status="released", held_until=None)
            return self._event(self._found(connection, event_id))

    def find_by_key(self, key: str) -> Event | None:
        """See :class:`Calendar`."""
        live = events.c.status.in_(("held", "confirmed"))
        statement = _ROWS.where(live, or_(events.c.key == key, events.c.confirm_key == key))
        with self._crm.reading() as connection:
            found = [self._event(row) for row in connection.execute(statement)]
        return next((item for item in found if item.status in ("held", "confirmed")), None)

    def sweep(self) -> int:
        """See :class:`Calendar`."""
        with self._crm.writing() as connection:
            return connection.execute(self._ending(self.now())).rowcount

    def describe(self, ref: Ref) -> Description | None:
        """See :class:`Calendar`."""
        if ref.kind == "event":
            with self._crm.reading() as connection:
                row = self._row(connection, ref.id)
            return None if row is None else described(self._event(row), owner=row.owner_id, region=row.region)
        if ref.kind != "calendar":
            return None
        with self._crm.reading() as connection:
            found = connection.execute(select(calendars).where(calendars.c.id == ref.id)).one_or_none()
        if found is None:
            return None
        return calendar_described(ref.id, hours_of(found), owner=found.owner_id, region=found.region)

    # ---- parts of them

    def _calendar(self, connection: Connection, calendar_id: str, *, lock: bool = False) -> Row[Any]:
        statement = select(calendars).where(calendars.c.id == calendar_id)
        found = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
        if found is None:
            raise ToolRejected("there is no calendar of this id", code=NOT_FOUND)
        return found

    def _row(self, connection: Connection, event_id: str) -> Row[Any] | None:
        if not _ID.fullmatch(event_id):
            return None
        return connection.execute(_ROWS.where(events.c.id == int(event_id), events.c.status.in_(_OURS))).one_or_none()

    def _found(self, connection: Connection, event_id: str) -> Row[Any]:
        row = self._row(connection, event_id)
        if row is None:
            raise ToolRejected("there is no event of this id", code=NOT_FOUND)
        return row

    def _locked(self, connection: Connection, event_id: str) -> Row[Any]:
        """The event, after its calendar was taken, so that it stays as it is."""
        self._calendar(connection, self._found(connection, event_id).calendar_id, lock=True)
        return self._found(connection, event_id)

    def _taken(
        self, connection: Connection, calendar_no: int, window: Interval, *, buffer_s: int, besides: int = 0
    ) -> list[Row[Any]]:
        """What overlaps a window, with the buffer on either side, and is not this event itself."""
        live = or_(
            events.c.status.in_(("busy", "confirmed")),
            and_(events.c.status == "held", events.c.held_until > seconds(self.now())),
        )
        statement = (
            select(events.c.starts, events.c.ends)
            .where(events.c.calendar_no == calendar_no, events.c.id != besides, live)
            .where(events.c.starts < seconds(window.end) + buffer_s, events.c.ends > seconds(window.start) - buffer_s)
            .order_by(events.c.starts, events.c.ends)
        )
        return list(connection.execute(statement))

    def _same(self, connection: Connection, calendar_no: int, draft: HoldDraft, key: str, body: str) -> Row[Any] | None:
        """The live event that a repeat means."""
        live = events.c.status.in_(("held", "confirmed"))
        keyed = connection.execute(select(events).where(events.c.key == key, live)).one_or_none()
        if keyed is not None:
            if keyed.body != body:
                raise ToolRejected("this key stands for another slot", code=KEY_REUSED)
            return keyed
        same = (
            events.c.calendar_no == calendar_no,
            events.c.status == "held",
            events.c.contact_id == draft.contact_id,
            events.c.starts == seconds(draft.slot.start),
            events.c.ends == seconds(draft.slot.end),
        )
        return connection.execute(select(events).where(*same)).one_or_none()

    def _confirmable(self, connection: Connection, row: Row[Any]) -> None:
        event = self._event(row)
        if event.status == "confirmed":
            raise ToolRejected("the event is confirmed already", code=ALREADY_CONFIRMED)
        if event.status != "held":
            raise ToolRejected("the hold has ended", code=HOLD_ENDED)
        if self._taken(connection, row.calendar_no, event.slot, buffer_s=row.buffer_min * 60, besides=row.id):
            raise ToolRejected("something else is in this slot now", code=SLOT_TAKEN)

    def _change(self, connection: Connection, row: Row[Any], **values: Any) -> None:
        changed = update(events).where(events.c.id == row.id, events.c.version == row.version)
        connection.execute(changed.values(sequence=row.sequence + 1, **values))

    def _ending(self, now: datetime) -> Any:
        over = (events.c.status == "held", events.c.held_until <= seconds(now))
        return update(events).where(*over).values(status="expired")

    def _event(self, row: Row[Any]) -> Event:
        return event_of(row, self.now())


_port: type[Calendar] = SqlCalendar
"""Checked by the type checker: the embedded calendar is one."""
