"""The embedded calendar keeps the port's laws, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from tests.conftest import Database
from tests.tools.calendar_contract import DRAFT, HALF, HOURS, NOW, CalendarContract, Clock, Store, at
from tools.calendars.port import Calendar
from tools.calendars.sql import SqlCalendar
from tools.calendars.sql_invitations import SqlInvitations
from tools.calendars.tables import events
from tools.crm.sql import SqlCRM
from tools.slots import Hours, Interval


class Opened(SqlCalendar):
    """A calendar that closes its database."""

    def close(self) -> None:
        self._crm.close()


def opened(url: str, clock: Any, wait_s: float = 30.0) -> Opened:
    """The calendar of a database; a function of a module, so that another process can have it."""
    return Opened(SqlCRM(url, clock=clock, wait_s=wait_s))


@pytest.fixture
def url(database: Database) -> str:
    """A database with one calendar."""
    made = database.empty()
    with closing(opened(made, Clock())) as calendar:
        calendar.create()
        assert calendar.open_calendar("u-nowak", HOURS, owner="u-nowak", region="pl")
    return made


@pytest.mark.databases
class TestSqlCalendar(CalendarContract):
    """The embedded calendar."""

    @pytest.fixture
    def open_store(self, url: str) -> Callable[..., Store]:
        return partial(opened, url)

    def person_books(self, calendar: Store, slot: Interval) -> None:
        assert isinstance(calendar, SqlCalendar)
        calendar.put_in("u-nowak", slot, "Dentist")

    @pytest.fixture
    def down(self, tmp_path: Path) -> Iterator[Calendar]:
        with closing(opened(f"sqlite:///{tmp_path}/no/such/folder/crm.db", Clock(), 0.01)) as calendar:
            yield calendar


@pytest.mark.req("A19")
@pytest.mark.databases("postgres")
def test_the_database_itself_keeps_the_agents_events_apart(url: str) -> None:
    """A writer that looks at nothing cannot put a second live event of the agent's over the first, nor within the buffer;
    beside it, in another calendar, or of a person, it can.
    """
    with closing(opened(url, Clock())) as calendar:
        calendar.open_calendar("u-reed", HOURS, owner="u-reed", region="us")
        calendar.hold(DRAFT, "k1")
        with calendar._crm.reading() as connection:
            first = dict(connection.execute(select(events)).one()._mapping)
        written = 0

        def write(**change: Any) -> None:
            nonlocal written
            written += 1
            row = {**first, "id": 1000 + written, "uid": str(written), "key": str(written), **change}
            with calendar._crm.engine.begin() as connection:
                connection.execute(insert(events).values(row))

        start, end = first["starts"], first["ends"]
        for change in ({}, {"status": "confirmed"}, {"starts": end, "ends": end + 60, "blocks_until": end + 660}):
            with pytest.raises(IntegrityError, match="calendar_events_apart"):
                write(**change)
        write(starts=end + 600, ends=end + 1200, blocks_until=end + 1800)
        write(calendar_no=2)
        write(status="busy")
        write(status="expired")
        assert start < end


@pytest.mark.databases
def test_tables_are_made_once(database: Database) -> None:
    """To make the tables again, and to add a calendar that is there, changes nothing."""
    with closing(opened(database.empty(), Clock())) as calendar:
        calendar.create()
        calendar.create()
        assert calendar.open_calendar("u-nowak", HOURS, owner="u-nowak", region="pl")
        assert not calendar.open_calendar("u-nowak", Hours(zone="UTC"), owner="x", region="us")
        assert calendar.hours("u-nowak") == HOURS


@pytest.mark.req("A23")
def test_a_persons_event_is_no_record(url: str) -> None:
    """What people have in their calendars is told as intervals; no id leads to it."""
    with closing(opened(url, Clock())) as calendar:
        calendar.put_in("u-nowak", at(9), "Dentist")
        assert calendar.event("1") is None
        assert calendar.busy("u-nowak", at(9, length=HALF)) == [at(9)]


@pytest.mark.databases
def test_an_invitation_is_a_draft_of_its_event(url: str) -> None:
    """One draft for an event: a later one takes its place, and its status says that nobody sent it."""
    with closing(opened(url, Clock())) as calendar:
        drafts = SqlInvitations(calendar._crm)
        assert drafts.draft("uid1") is None
        drafts.keep("uid1", "BEGIN:VCALENDAR one")
        drafts.keep("uid1", "BEGIN:VCALENDAR two")
        assert drafts.draft("uid1") == "BEGIN:VCALENDAR two"
        with calendar._crm.reading() as connection:
            assert connection.execute(text("SELECT uid, status FROM invitations")).all() == [("uid1", "draft")]


def test_the_clock_is_the_crms(url: str) -> None:
    """Holds end by the clock that the CRM was given."""
    with closing(opened(url, Clock())) as calendar:
        assert calendar.now() == NOW
