"""Telling colleagues: facts checked by the tool, nothing told twice in seven rolling days, three outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import update

from agent_guard.credentials import MemoryCredentials, Secrets
from agent_guard.errors import OutcomeUnknown, ToolRejected, ToolUnavailable
from tests.conftest import Database
from tests.tools.moment import NOW
from tools.alert_log import AlertLog
from tools.alerts import Alerted, NewAlert, alert_slack
from tools.crm.seed import seed
from tools.crm.sql import SqlCRM
from tools.crm.sql_overview import SqlOverview
from tools.crm.tables import activities, deals
from tools.notify.outbox import Outbox
from tools.notify.port import Notice, Posted

WEEK = "2026-W10"
STALE, OTHER = "1004", "1008"
DAY = timedelta(days=1)


class Office:
    """The tool with what it works on, and a clock that a test moves."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.crm = SqlCRM(url, clock=lambda: self.now)
        self.crm.create()
        seed(self.crm, now=NOW)
        self.overview, self.log, self.outbox = SqlOverview(self.crm), AlertLog(self.crm), Outbox(self.crm)
        self.log.create()
        self.outbox.create()
        self.channel: Any = self.outbox
        self.secrets = Secrets(MemoryCredentials(), environment="dev", agent="default")

    def tell(self, *ids: str, key: str = "k1", **options: Any) -> Alerted:
        """What the tool answers."""
        args = {"topic": "forgotten_deals", "owner_id": "u-reed", "week": WEEK, "ids": ids} | options
        made = alert_slack.run(
            NewAlert(**args), self.crm, self.overview, self.log, self.channel, idempotency_key=key, secrets=self.secrets
        )
        assert isinstance(made, Alerted)
        return made

    def refused(self, *ids: str, **options: Any) -> str:
        """The code of a refusal."""
        with pytest.raises(ToolRejected) as caught:
            self.tell(*ids, **options)
        return caught.value.code

    def stale(self) -> list[str]:
        """Deals of u-reed without a touch, as of now."""
        return [deal.id for deal in self.overview.idle(_rule(), region="us").deals]


def _rule():
    from tools.stale_deals import RULE

    return RULE


class Broken:
    """A channel that fails as it is told to."""

    def __init__(self, error: Exception) -> None:
        self.error, self.asked = error, 0

    def post(self, notice: Notice, *, key: str, secrets: Secrets) -> Posted:
        self.asked += 1
        raise self.error

    def find(self, key: str, *, secrets: Secrets) -> Posted | None:
        return None


@pytest.fixture(name="office")
def _office(database: Database) -> Iterator[Office]:
    made = Office(database.empty())
    yield made
    made.crm.close()


def test_the_contract() -> None:
    """It is egress of one intent a week and owner, for ever; nobody repeats it by itself, and it can be looked up."""
    assert (alert_slack.effect, alert_slack.key, alert_slack.key_window) == (
        "egress",
        ("topic", "owner_id", "week"),
        None,
    )
    assert alert_slack.retries == 0 and alert_slack.lookup is not None
    assert alert_slack.refs == {"owner_id": "staff"}
    texts = {"topic", "owner_id", "week", "ids"}
    assert set(NewAlert.model_fields) == texts, "no argument takes a text or a receiver"


@pytest.mark.databases
@pytest.mark.req("A29")
def test_a_message_tells_of_deals_by_their_figures(office: Office) -> None:
    """The owner, each deal's stage, days and amount; no title, no company, no customer."""
    made = office.tell(STALE)
    assert made.listed == (STALE,) and made.left_out == ()
    (text,) = office.outbox.texts()
    assert "Daniel Reed: 1 deal." in text and "Deal 1004: qualification, 16 days without a touch, 61000 USD" in text
    for secret in ("Dealer portal", "Alpine Tools", "Thomas Becker", "thomas.becker", "3125550188"):
        assert secret not in text


@pytest.mark.databases
@pytest.mark.req("A29")
def test_nothing_is_told_twice_within_seven_rolling_days(office: Office) -> None:
    """A deal that was told of is left out of other messages for seven days to the second, and told of again then."""
    first, second, *_ = office.stale()
    assert office.tell(first).listed == (first,)
    made = office.tell(first, second, key="k2")
    assert (made.listed, made.left_out) == ((second,), (first,))
    office.now = NOW + 7 * DAY - timedelta(milliseconds=1)
    week = "2026-W11"
    assert office.refused(first, second, key="k3", week=week) == "nothing_new"
    office.now = NOW + 7 * DAY
    assert office.tell(first, key="k4", week=week).listed == (first,)
    assert len(office.outbox.texts()) == 3


@pytest.mark.req("A29", "B1")
@pytest.mark.parametrize(
    ("ids", "options", "code"),
    [
        (("1001",), {}, "not_a_finding"),
        ((OTHER,), {}, "not_a_finding"),
        (("999999",), {}, "not_a_finding"),
        ((STALE, "1001"), {}, "not_a_finding"),
        ((STALE,), {"week": "2026-W09"}, "wrong_week"),
        ((STALE,), {"week": "2026-W11"}, "wrong_week"),
        ((STALE,), {"owner_id": "nobody"}, "not_found"),
        (("104",), {"topic": "account_health"}, "not_a_finding"),
        (("999",), {"topic": "account_health"}, "not_a_finding"),
    ],
    ids=str,
)
def test_a_false_alarm_cannot_be_raised(office: Office, ids, options, code: str) -> None:
    """A fresh deal, somebody else's, one that is not there, another week: refused, and nothing of it is posted."""
    assert office.refused(*ids, **options) == code
    assert office.outbox.texts() == [] and office.log.last([f"deal:{STALE}"]) == {}


@pytest.mark.req("A29")
def test_a_planned_deal_is_not_told_of(office: Office) -> None:
    """Somebody is about to do something: that is on record, and nobody is alarmed."""
    with office.crm.writing() as connection:
        rows = {"deal_id": STALE, "kind": "call", "at": NOW + DAY, "summary": "s", "by_agent": False, "inbound": False}
        connection.execute(activities.insert(), rows)
    assert office.refused(STALE) == "not_a_finding"


@pytest.mark.req("A26")
def test_an_alarming_account_is_told_of_by_its_score(office: Office) -> None:
    """The score, how much of it is known and its weakest measures; the company's name stays in the CRM."""
    with office.crm.writing() as connection:
        old = {"at": NOW - 80 * DAY, "inbound": True}
        connection.execute(update(activities).where(activities.c.deal_id == STALE).values(old))
        connection.execute(update(deals).where(deals.c.id == STALE).values(stage_since=NOW - 100 * DAY))
    assert office.tell("104", topic="account_health").listed == ("104",)
    (text,) = office.outbox.texts()
    assert "Account 104: health" in text and "of 7 measures known" in text and "Alpine" not in text


@pytest.mark.databases
@pytest.mark.req("A8")
@pytest.mark.parametrize(
    ("error", "free"),
    [
        (ToolUnavailable(code="rate_limited"), True),
        (ToolRejected(code="channel_not_found"), True),
        (RuntimeError("a fault of ours"), True),
        (OutcomeUnknown(code="no_answer"), False),
    ],
    ids=str,
)
def test_what_may_have_left_is_not_told_again(office: Office, error: Exception, free: bool) -> None:
    """Where nothing was posted the deal may be told of at once; where that is not sure, not for seven days."""
    office.channel = Broken(error)
    with pytest.raises(type(error)):
        office.tell(STALE)
    assert office.channel.asked == 1
    office.channel = office.outbox
    if free:
        assert office.tell(STALE, key="k2").listed == (STALE,)
    else:
        assert office.refused(STALE, key="k2") == "nothing_new"


@pytest.mark.databases
@pytest.mark.req("A6")
def test_the_same_key_takes_its_own_places_again(office: Office) -> None:
    """A message whose process died after it took the places is posted under its key, once."""
    office.log.take([f"deal:{STALE}"], key="k1")
    assert office.tell(STALE, key="k1").listed == (STALE,)
    office.tell(STALE, key="k1")
    assert len(office.outbox.texts()) == 1


@pytest.mark.databases
@pytest.mark.req("A6")
def test_of_many_at_once_one_takes_a_place(office: Office) -> None:
    """Twelve messages about the same deals at the same moment: each deal is in one of them."""
    refs = [f"deal:{n}" for n in range(5)]

    def take(n: int) -> tuple[str, ...]:
        return office.log.take(refs if n % 2 else refs[::-1], key=f"k{n}")

    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(take, range(12)))
    assert sorted(ref for one in taken for ref in one) == refs


def test_the_lookup_tells_what_stands_in_the_channel(office: Office) -> None:
    """The message of a key is found, and of another key it is sure that there is none."""
    office.tell(STALE)
    lookup: Callable[..., Any] = alert_slack.lookup or (lambda *_: None)
    args = NewAlert(topic="forgotten_deals", owner_id="u-reed", week=WEEK, ids=(STALE,))
    found = lookup(args, office.outbox, idempotency_key="k1", secrets=office.secrets)
    assert found is not None and found.listed == (STALE,)
    assert lookup(args, office.outbox, idempotency_key="k2", secrets=office.secrets) is None


@pytest.mark.req("B4", "B12")
@pytest.mark.parametrize(
    "wrong",
    [{"topic": "all"}, {"owner_id": "U Reed"}, {"week": "now"}, {"ids": ()}, {"ids": ("x",)}, {"ids": ("1",) * 51}, {"text": "hi"}, {"channel": "#general"}],
    ids=str,
)  # fmt: skip
def test_an_alert_takes_nothing_else(wrong: dict[str, Any]) -> None:
    """No text, no channel, no more than fifty records."""
    with pytest.raises(ValidationError):
        NewAlert(**({"topic": "forgotten_deals", "owner_id": "u-reed", "week": WEEK, "ids": ("1",)} | wrong))


def test_weeks_are_iso_weeks() -> None:
    """The last days of a year may belong to the next year's first week."""
    from tools.stale_deals import week_of

    assert week_of(datetime(2025, 12, 29, tzinfo=NOW.tzinfo)) == "2026-W01"
    assert week_of(NOW) == WEEK
