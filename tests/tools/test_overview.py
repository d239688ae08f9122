"""Aggregates of the embedded CRM: which deals are forgotten, and the facts of accounts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert, update

from agent_guard.errors import ToolRejected, ToolUnavailable
from agent_guard.types import Ref
from tests.conftest import Database
from tests.tools.moment import NOW, fixed_clock
from tools.crm.overview import StaleRule
from tools.crm.seed import seed
from tools.crm.sql import SqlCRM
from tools.crm.sql_overview import SqlOverview
from tools.crm.tables import activities, companies, contacts, deals, follow_ups, staff

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
RULE = StaleRule(days=14, stages={"negotiation": 7}, planned_within=14)


class Books:
    """A CRM with one company, one contact and one member of staff, and deals as a test wants them."""

    def __init__(self, url: str) -> None:
        self.crm = SqlCRM(url, clock=fixed_clock)
        self.crm.create()
        self.overview = SqlOverview(self.crm)
        self._ids = itertools.count(1)
        with self.crm.writing() as connection:
            connection.execute(
                insert(staff), [{"id": "u1", "name": "Ann", "region": "us"}, {"id": "u2", "name": "Bo", "region": "us"}]
            )
            connection.execute(insert(companies), {"id": "1", "name": "Acme", "region": "us", "segment": "standard"})
            self._contact(connection, "1", "+14155550100")

    @staticmethod
    def _contact(connection, id_: str, phone: str | None) -> None:
        row = {
            "id": id_,
            "name": "C",
            "phone": phone,
            "language": "en",
            "region": "us",
            "owner_id": "u1",
            "company_id": "1",
        }
        connection.execute(insert(contacts), row)

    def contact(self, id_: str, phone: str | None) -> None:
        """Another contact of the company."""
        with self.crm.writing() as connection:
            self._contact(connection, id_, phone)

    def deal(
        self, *touches: timedelta, stage: str = "proposal", owner: str = "u1", in_stage: timedelta = 3 * DAY, **last
    ) -> str:
        """A deal with activities so long ago (a negative age lies ahead); ``last`` are fields of the last of them."""
        id_ = f"{next(self._ids):03d}"
        with self.crm.writing() as connection:
            connection.execute(
                insert(deals),
                {
                    "id": id_, "title": "T", "stage": stage, "stage_since": NOW - in_stage, "amount": Decimal(10),
                    "currency": "USD", "owner_id": owner, "contact_id": "1", "company_id": "1", "region": "us",
                    "created_at": NOW - 90 * DAY, "updated_at": NOW,
                },
            )  # fmt: skip
            for place, age in enumerate(touches):
                more = last if place == len(touches) - 1 else {}
                row = {"deal_id": id_, "kind": "call", "at": NOW - age, "summary": "s", "by_agent": False} | more
                connection.execute(insert(activities), row)
        return id_

    def buckets(self, rule: StaleRule = RULE, **options) -> dict[str, str]:
        """Deal -> bucket."""
        return {deal.id: deal.bucket for deal in self.overview.idle(rule, region="us", **options).deals}


@pytest.fixture(name="books")
def _books(database: Database) -> Iterator[Books]:
    made = Books(database.empty())
    yield made
    made.crm.close()


@pytest.mark.databases
@pytest.mark.req("A29")
@pytest.mark.parametrize(
    ("touches", "last", "stage", "bucket"),
    [
        ([14 * DAY - SECOND], {}, "proposal", None),
        ([14 * DAY], {}, "proposal", "stale"),
        ([14 * DAY + SECOND], {}, "proposal", "stale"),
        ([7 * DAY - SECOND], {}, "negotiation", None),
        ([7 * DAY], {}, "negotiation", "stale"),
        ([30 * DAY, DAY], {}, "proposal", None),
        ([30 * DAY, DAY], {"by_agent": True}, "proposal", "stale"),
        ([30 * DAY, -20 * DAY], {}, "proposal", "stale"),
        ([30 * DAY, -14 * DAY], {}, "proposal", "planned"),
        ([30 * DAY, -14 * DAY - SECOND], {}, "proposal", "stale"),
        ([30 * DAY, -DAY], {"by_agent": True}, "proposal", "stale"),
        ([], {}, "proposal", "unknown"),
        ([DAY], {"by_agent": True}, "proposal", "unknown"),
        ([-20 * DAY], {}, "proposal", "unknown"),
        ([-DAY], {}, "proposal", "planned"),
        ([30 * DAY], {}, "won", None),
        ([30 * DAY], {}, "lost", None),
    ],
    ids=str,
)  # fmt: skip
def test_which_deals_are_forgotten(books: Books, touches, last, stage: str, bucket: str | None) -> None:
    """The age counts to the second and by stage; an agent's writes and what lies ahead are no touch; a next step counts
    only when it is near; a deal that nobody can date is unknown, and a closed one is nothing."""
    deal = books.deal(*touches, stage=stage, **last)
    assert books.buckets() == ({deal: bucket} if bucket else {})


@pytest.mark.databases
@pytest.mark.req("A29")
def test_planned_steps_may_count_for_nothing(books: Books) -> None:
    """With ``planned_within=0`` a next step suppresses nothing."""
    deal = books.deal(30 * DAY, -DAY)
    assert books.buckets(StaleRule(planned_within=0)) == {deal: "stale"}


@pytest.mark.databases
@pytest.mark.req("A29", "A10")
def test_pages_are_stable_while_others_write(books: Books) -> None:
    """By ids: a deal that is touched or made between two pages makes no other deal come twice or be left out."""
    made = [books.deal(20 * DAY) for _ in range(7)]
    first = books.overview.idle(RULE, region="us", limit=3)
    assert [deal.id for deal in first.deals] == made[:3] and first.after == made[2]
    with books.crm.writing() as connection:
        connection.execute(update(activities).where(activities.c.deal_id == made[0]).values(at=NOW))
        connection.execute(update(activities).where(activities.c.deal_id == made[4]).values(at=NOW))
    late = books.deal(20 * DAY)
    rest = books.overview.idle(RULE, region="us", after=first.after, limit=10)
    assert [deal.id for deal in rest.deals] == [made[3], made[5], made[6], late] and rest.after is None


@pytest.mark.databases
@pytest.mark.req("A10")
def test_a_page_is_of_one_region_and_one_owner(books: Books) -> None:
    """Deals of another region or owner are on no page."""
    mine, theirs = books.deal(20 * DAY), books.deal(20 * DAY, owner="u2")
    assert set(books.buckets()) == {mine, theirs}
    assert set(books.buckets(owner_id="u2")) == {theirs}
    assert books.overview.idle(RULE, region="pl").deals == ()
    assert books.overview.owners() == (("u1", "us", 1), ("u2", "us", 1))


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1001}])
def test_a_page_has_bounds(books: Books, wrong) -> None:
    """A page of nothing and one without end are refused."""
    with pytest.raises(ToolRejected):
        books.overview.idle(RULE, region="us", **wrong)
    with pytest.raises(ToolRejected):
        StaleRule(days=0)


def test_an_empty_crm_has_nothing(database: Database) -> None:
    """No deal is no page, no owner and no account, and no error."""
    crm = SqlCRM(database.empty(), clock=fixed_clock)
    crm.create()
    overview = SqlOverview(crm)
    assert overview.idle(RULE, region="us").deals == () and overview.owners() == ()
    assert overview.accounts(region="us").accounts == ()
    crm.close()


def test_a_crm_that_is_down_says_so(tmp_path) -> None:
    """A database that cannot be opened is told as unavailable."""
    overview = SqlOverview(SqlCRM(f"sqlite:///{tmp_path}/no/such/crm.db", wait_s=0.01))
    for ask in (lambda: overview.idle(RULE, region="us"), lambda: overview.accounts(region="us"), overview.owners):
        with pytest.raises(ToolUnavailable):
            ask()


@pytest.mark.databases
@pytest.mark.req("A26")
def test_the_facts_of_an_account(books: Books) -> None:
    """Touches now and before, the oldest stage, the message nobody answered, late promises, people and the next step."""
    books.deal(*[age * DAY for age in (2, 5, 31, 33, 40, 45)], in_stage=40 * DAY, inbound=True)
    waiting = books.deal(9 * DAY, 6 * DAY, in_stage=9 * DAY, inbound=True)
    books.deal(400 * DAY, stage="won", in_stage=400 * DAY)
    with books.crm.writing() as connection:
        for due, done in ((NOW - DAY, False), (NOW - DAY, True), (NOW + DAY, False)):
            connection.execute(insert(follow_ups), {"deal_id": waiting, "due": due.date(), "done": done})
    books.contact("2", "+14155550100")
    books.contact("3", None)
    (facts,) = books.overview.accounts(region="us").accounts
    assert (facts.open_deals, facts.contacts, facts.owner_id) == (2, 2, "u1")
    assert (facts.last_touch_days, facts.touched_deal, facts.last_touch_days_before) == (2, "001", 1)
    assert (facts.touches, facts.touches_before) == (4, 4)
    assert (facts.stage_days, facts.stage_deal) == (40, "001")
    assert (facts.unanswered_days, facts.unanswered_deal) == (6, waiting)
    assert (facts.overdue, facts.next_step) == (1, True)


@pytest.mark.databases
@pytest.mark.req("A26")
def test_what_a_crm_cannot_tell_is_none(books: Books) -> None:
    """A deal that nobody touched has no last touch, no count and nothing to answer: none of them is a zero."""
    books.deal()
    (facts,) = books.overview.accounts(region="us").accounts
    found = (facts.last_touch_days, facts.touches, facts.touches_before, facts.unanswered_days)
    assert found == (None, None, None, None) and facts.next_step is False and facts.overdue == 0


@pytest.mark.databases
@pytest.mark.req("A10", "A26")
def test_accounts_come_by_pages_of_one_region(books: Books) -> None:
    """By ids, only those with an open deal unless one is asked for, and of one region and owner."""
    books.deal(DAY)
    with books.crm.writing() as connection:
        for id_ in ("2", "3"):
            connection.execute(insert(companies), {"id": id_, "name": "X", "region": "us", "segment": "small"})
        connection.execute(update(deals).values(company_id="2"))
    accounts = books.overview.accounts
    assert [item.id for item in accounts(region="us").accounts] == ["2"]
    assert [item.id for item in accounts(region="us", account_id="3").accounts] == ["3"]
    assert [item.id for item in accounts(region="us", owner_id="u1").accounts] == ["2"]
    assert accounts(region="us", owner_id="u2").accounts == accounts(region="pl").accounts == ()
    books.deal(DAY)
    first = accounts(region="us", limit=1)
    assert first.after == "1" and [item.id for item in accounts(region="us", after="1").accounts] == ["2"]


@pytest.mark.databases
@pytest.mark.req("A10")
def test_accounts_staff_and_regions_are_described(books: Books) -> None:
    """What the tools name is described with its region, so that the gateway can judge it; what is not there is not."""
    books.deal(DAY, owner="u2")
    described = {str(ref): books.crm.describe(ref) for ref in (Ref(kind="account", id="1"), Ref(kind="staff", id="u2"))}
    assert (described["account:1"].region, described["account:1"].responsible) == ("us", "u2")
    assert (described["staff:u2"].region, described["staff:u2"].responsible) == ("us", "u2")
    assert books.crm.describe(Ref(kind="region", id="us")).region == "us"
    for kind, id_ in (("account", "9"), ("staff", "nobody"), ("region", "pl"), ("region", "US"), ("account", "x")):
        assert books.crm.describe(Ref(kind=kind, id=id_)) is None
    before = described["account:1"].version
    with books.crm.writing() as connection:
        connection.execute(update(companies).values(segment="small"))
    assert books.crm.describe(Ref(kind="account", id="1")).version != before


def test_the_seed_has_something_for_every_measure(tmp_path) -> None:
    """The invented accounts hold late promises, unanswered messages, next steps and stale deals."""
    crm = SqlCRM(f"sqlite:///{tmp_path}/crm.db", clock=fixed_clock)
    crm.create()
    seed(crm, now=NOW)
    overview = SqlOverview(crm)
    found = [item for region in ("us", "kz", "pl") for item in overview.accounts(region=region, limit=100).accounts]
    assert any(item.overdue for item in found) and any(item.unanswered_days for item in found)
    assert {item.next_step for item in found} == {True, False}
    stale = [deal for region in ("us", "kz", "pl") for deal in overview.idle(RULE, region=region).deals]
    assert 10 < len(stale) < 60 and {deal.bucket for deal in stale} == {"stale"}
    crm.close()
