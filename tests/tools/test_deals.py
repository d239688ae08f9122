"""Reading a deal: a bounded question, a bounded answer, and never the contact."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from agent_guard.errors import ToolRejected
from agent_guard.types import Ref
from tests.tools.bounds import unbounded
from tests.tools.moment import NOW
from tools import TOOLS
from tools.crm.port import Activity, DealSummary
from tools.crm.seed import ANCHORS
from tools.crm.sql import SqlCRM
from tools.crm.tables import companies, contacts, deals
from tools.deals import DealSeen, ReadDeal, read_deal


class Summaries:
    """A CRM that knows nothing but one deal's summary and its activities."""

    def __init__(self, deal: DealSummary, *latest: Activity) -> None:
        self.summary, self.latest = deal, latest

    def deal(self, deal_id: str) -> DealSummary:
        return self.summary

    def activities(self, deal_id: str, limit: int = 3) -> tuple[Activity, ...]:
        return self.latest[:limit]


SUMMARY = DealSummary(
    id="1",
    title="T",
    stage="s",
    amount=Decimal("10.50"),
    currency="PLN",
    owner_name="O",
    stage_since=NOW - timedelta(days=2, hours=23),
    as_of=NOW,
)


def read(crm: Any, deal_id: str) -> DealSeen:
    """What the tool answers."""
    seen = read_deal.run(ReadDeal(deal_id=deal_id), crm)
    assert isinstance(seen, DealSeen)
    return seen


def test_the_contract() -> None:
    """The tool is a read of at most five seconds that names its deal and marks what outsiders wrote."""
    assert read_deal in TOOLS
    assert (read_deal.name, read_deal.effect, read_deal.timeout_s) == ("crm.read_deal", "read", 5)
    assert not read_deal.writes
    assert read_deal.refs == {"deal_id": "deal"}
    assert read_deal.resources == ("crm",)
    assert read_deal.untrusted == {"last_activities"}
    assert set(read_deal.result_fields) == set(DealSeen.model_fields)
    assert read_deal.result_fields["owner_name"] == "PERSON"
    assert read_deal.result_fields["last_activities"] == "text"


@pytest.mark.req("B12")
def test_every_argument_and_result_is_bounded() -> None:
    """No text of the question or of the answer is unbounded, and neither takes a field that is not declared."""
    assert unbounded(ReadDeal) == []
    assert unbounded(DealSeen) == []


@pytest.mark.req("B4")
@pytest.mark.parametrize("deal_id", ["", "x", "1001x", "-1", "1 ", "1\n", "1" * 13, 1001, None, "١٠٠١", ["1001"]])
def test_a_deal_id_is_digits(deal_id: object) -> None:
    """A deal id is one to twelve ASCII digits in a text; all else is refused."""
    with pytest.raises(ValidationError):
        ReadDeal.model_validate({"deal_id": deal_id})


@pytest.mark.req("B4")
def test_an_extra_argument_is_refused() -> None:
    """An argument that the contract does not name is refused, and arguments cannot be changed afterwards."""
    with pytest.raises(ValidationError, match="extra_forbidden"):
        ReadDeal.model_validate({"deal_id": "1001", "fields": "*"})
    with pytest.raises(ValidationError, match="frozen"):
        ReadDeal(deal_id="1001").deal_id = "1002"


@pytest.mark.req("A15")
def test_a_deal_is_seen_as_a_summary(seeded: SqlCRM) -> None:
    """The answer is title, stage, budget, owner, days in the stage and the last activities, and nothing else."""
    assert read(seeded, "1001").model_dump(mode="json") == {
        "title": "Fleet tracking rollout",
        "stage": "qualification",
        "amount": "48000",
        "currency": "USD",
        "owner_name": "Daniel Reed",
        "days_in_stage": 9,
        "last_activities": [
            {"kind": "email", "days_ago": 2, "summary": "Asked for a price list for 120 trucks."},
            {
                "kind": "call",
                "days_ago": 6,
                "summary": "Their current tracker loses signal; the contract for it ends in autumn.",
            },
            {"kind": "form", "days_ago": 9, "summary": "Request from the website: fleet tracking."},
        ],
    }


@pytest.mark.req("A15")
@pytest.mark.parametrize("deal_id", ANCHORS)
def test_an_anchors_summary_has_no_contact_data(seeded: SqlCRM, deal_id: str) -> None:
    """No part of a contact's name, phone, address, id or company is in the answer."""
    answer, anchor = read(seeded, deal_id).model_dump_json().casefold(), ANCHORS[deal_id]
    person = anchor.contact
    for value in (*person.name.split(), person.phone, person.phone[-7:], person.email, person.national_id):
        assert value is None or value.casefold() not in answer
    assert anchor.company.casefold() not in answer
    assert anchor.contact_id not in answer


@pytest.mark.req("A15")
@pytest.mark.req("A21")
def test_no_field_of_any_deal_holds_contact_data(seeded: SqlCRM) -> None:
    """In every deal of the CRM, only the text that people wrote may name the contact; no field does."""
    query = (
        select(
            deals.c.id, contacts.c.name, contacts.c.phone, contacts.c.email, contacts.c.national_id, companies.c.name
        )
        .join(contacts, contacts.c.id == deals.c.contact_id)
        .join(companies, companies.c.id == deals.c.company_id)
    )
    with seeded.reading() as connection:
        cards = connection.execute(query).all()
    assert len(cards) == 68
    for deal_id, *values in cards:
        seen = read(seeded, deal_id).model_dump(mode="json")
        for activity in seen["last_activities"]:
            assert set(activity) == {"kind", "days_ago", "summary"}
            activity["summary"] = ""
        answer = json.dumps(seen, ensure_ascii=False).casefold()
        for value in values:
            assert value is None or value.casefold() not in answer


@pytest.mark.req("A21")
def test_only_the_last_three_activities_are_seen(seeded: SqlCRM) -> None:
    """A deal with four activities shows its latest three."""
    assert len(seeded.activities("1003", 10)) == 4
    assert [activity.days_ago for activity in read(seeded, "1003").last_activities] == [1, 3, 8]


@pytest.mark.req("A21")
def test_the_tool_asks_for_a_summary_only() -> None:
    """Two methods of the CRM are enough for the tool: it cannot reach the card."""
    seen = read(Summaries(SUMMARY), "1")
    assert (seen.amount, seen.days_in_stage, seen.last_activities) == ("10.50", 2, ())


@pytest.mark.req("B3")
def test_long_texts_are_cut() -> None:
    """However long a CRM's texts are, the answer keeps its bounds."""
    long = replace(SUMMARY, title="t" * 5000, stage="s" * 5000, owner_name="o" * 5000)
    seen = read(Summaries(long, *[Activity(kind="k" * 5000, at=NOW, summary="z" * 5000)] * 5), "1")
    assert (len(seen.title), len(seen.stage), len(seen.owner_name)) == (200, 40, 200)
    assert [len(activity.summary) for activity in seen.last_activities] == [280, 280, 280]
    assert seen.last_activities[0].summary.endswith("z…")


def test_a_time_to_come_is_today() -> None:
    """A row stamped by a clock that is ahead has an age of no days."""
    ahead = NOW + timedelta(minutes=5)
    seen = read(Summaries(replace(SUMMARY, stage_since=ahead), Activity(kind="call", at=ahead, summary="x")), "1")
    assert (seen.days_in_stage, seen.last_activities[0].days_ago) == (0, 0)


def test_no_deal_is_rejected(seeded: SqlCRM) -> None:
    """A deal that is not there is rejected with a code, not with an empty answer."""
    with pytest.raises(ToolRejected) as refused:
        read(seeded, "999999")
    assert refused.value.code == "not_found"


def test_reading_changes_nothing(seeded: SqlCRM) -> None:
    """A read leaves the deal as it was, version and all."""
    ref = Ref(kind="deal", id="1001")
    before = seeded.describe(ref)
    assert read(seeded, "1001") == read(seeded, "1001")
    assert seeded.describe(ref) == before
