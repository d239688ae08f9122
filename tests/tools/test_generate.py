"""The generator of many deals: the same rows for the same seed, and what a scan must get right is planted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from agent_guard.errors import ConfigError
from tests.conftest import Database
from tests.tools.moment import NOW, fixed_clock
from tools.crm.generate import DST, fill
from tools.crm.overview import StaleRule
from tools.crm.sql import SqlCRM
from tools.crm.sql_overview import SqlOverview
from tools.crm.tables import activities, contacts, deals, metadata


@pytest.fixture(name="filled")
def _filled(database: Database) -> Iterator[SqlCRM]:
    crm = SqlCRM(database.empty(), clock=fixed_clock)
    crm.create()
    told: list[int] = []
    fill(crm, deals=1000, now=NOW, told=told.append)
    assert told[-1] == 1000
    yield crm
    crm.close()


def rows(crm: SqlCRM) -> dict[str, list[tuple[object, ...]]]:
    with crm.reading() as connection:
        return {
            name: [tuple(row) for row in connection.execute(table.select())] for name, table in metadata.tables.items()
        }


@pytest.mark.databases
@pytest.mark.req("A29")
def test_what_a_scan_must_get_right_is_there(filled: SqlCRM) -> None:
    """Both sides of day 14 to the second, an agent's writes, the future, deals that nobody touched, doubles, clocks."""
    with filled.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(deals)) == 1000
        touched = (
            select(activities.c.deal_id, func.max(activities.c.at))
            .where(~activities.c.by_agent, activities.c.at <= NOW)
            .group_by(activities.c.deal_id)
        )
        last = {deal: at for deal, at in connection.execute(touched)}
        ages = {NOW - at for at in last.values()}
        second, fortnight = timedelta(seconds=1), timedelta(days=14)
        assert {fortnight - second, fortnight + second} <= ages and len(last) < 1000
        assert connection.scalar(select(func.count()).where(activities.c.by_agent))
        assert connection.scalar(select(func.count()).where(activities.c.at > NOW + timedelta(days=14)))
        assert set(connection.scalars(select(activities.c.at).where(activities.c.at.in_(DST)))) == set(DST)
        phones = list(connection.scalars(select(contacts.c.phone)))
        assert len(set(phones)) < len(phones)
    overview = SqlOverview(filled)
    found = [
        deal
        for owner, region, _ in overview.owners()
        for deal in overview.idle(StaleRule(), region=region, limit=1000).deals
    ]
    assert {deal.bucket for deal in found} == {"stale", "planned", "unknown"}


def test_the_same_seed_gives_the_same_rows(filled: SqlCRM, tmp_path) -> None:
    """Two CRMs of one seed are equal, of another seed not."""
    others = []
    for seed in (7, 8):
        crm = SqlCRM(f"sqlite:///{tmp_path}/{seed}.db", clock=fixed_clock)
        crm.create()
        fill(crm, deals=1000, now=NOW, seed=seed)
        others.append(rows(crm))
        crm.close()
    assert rows(filled) == others[0] != others[1]


@pytest.mark.parametrize("count", [999, 1_000_001])
def test_a_number_out_of_range_is_refused(filled: SqlCRM, count: int) -> None:
    """So are a naive moment and a CRM that holds something."""
    with pytest.raises(ConfigError, match="1000 to 1000000"):
        fill(filled, deals=count, now=NOW)
    with pytest.raises(ConfigError, match="aware"):
        fill(filled, deals=1000, now=NOW.replace(tzinfo=None))
    with pytest.raises(ConfigError, match="empty one"):
        fill(filled, deals=1000, now=NOW)
