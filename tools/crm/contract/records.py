"""Law 5: plain values, and what a description tells of a record."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal

from agent_guard.tool import FIELD_CLASSES
from agent_guard.types import Ref
from tools.crm.anchors import ANCHORS
from tools.crm.contract.given import DEAL, DRAFT, NOW, NOWHERE, Store, described, refused
from tools.crm.contract.under_test import UnderTest
from tools.crm.port import FIELDS, Activity, DealSummary, amount_text

__all__ = ["Records"]


class Records(UnderTest):
    """What tools and policies see."""

    def test_a_deal_is_a_summary(self, crm: Store) -> None:
        """A deal has an exact amount, its owner and aware times, and no field for its contact."""
        deal = crm.deal("1001")
        assert (deal.id, deal.title, deal.stage) == ("1001", "Fleet tracking rollout", "qualification")
        assert (deal.amount, deal.currency, deal.owner_name) == (Decimal(48000), "USD", "Daniel Reed")
        assert isinstance(deal.amount, Decimal)
        assert (deal.as_of, deal.stage_since) == (NOW, NOW - timedelta(days=9))
        assert deal.stage_since.utcoffset() == timedelta(0)
        assert {field.name for field in fields(DealSummary)} == {
            "id", "title", "stage", "amount", "currency", "owner_name", "stage_since", "as_of",
        }  # fmt: skip

    def test_no_deal_is_not_found(self, crm: Store) -> None:
        """An id that names no deal is rejected as not found, whatever its form, by a read and by a write."""
        for id_ in NOWHERE:
            assert refused(lambda id_=id_: crm.deal(id_)) == "not_found"  # type: ignore[misc]
        for id_ in NOWHERE[:5]:
            assert refused(lambda id_=id_: crm.create_task(replace(DRAFT, deal_id=id_), "k1")) == "not_found"  # type: ignore[misc]

    def test_activities_are_the_latest(self, crm: Store) -> None:
        """Activities come newest first, three unless asked otherwise, in UTC; an unknown deal has none."""
        latest = crm.activities("1003")
        assert [(NOW - activity.at).days for activity in latest] == [1, 3, 8]
        assert all(activity.at.utcoffset() == timedelta(0) for activity in latest)
        assert [activity.kind for activity in crm.activities("1003", limit=1)] == ["email"]
        assert len(crm.activities("1003", 10)) == 4
        assert crm.activities("999999") == ()
        assert {field.name for field in fields(Activity)} == {"kind", "at", "summary"}

    def test_activities_are_bounded(self, crm: Store) -> None:
        """More than ten activities, or fewer than one, cannot be asked for."""
        for limit in (0, -1, 11):
            assert refused(lambda limit=limit: crm.activities("1003", limit)) == "invalid"  # type: ignore[misc]

    def test_a_deal_tells_whose_it_is(self, crm: Store) -> None:
        """A deal's description names its customer, its owner and its region, which policies compare."""
        for id_, anchor in ANCHORS.items():
            deal = described(crm, Ref(kind="deal", id=id_))
            assert deal.party == f"contact:{int(id_) + 1000}"
            assert (deal.responsible, deal.region, deal.name) == (anchor.owner.id, anchor.region, anchor.title)
            assert deal.snapshot["owner_name"] == anchor.owner.name
            assert deal.snapshot["amount"] == amount_text(anchor.amount)
            assert set(deal.snapshot) == set(FIELDS["deal"])

    def test_whoever_a_deal_names_is_there(self, crm: Store) -> None:
        """The party of each deal is a contact that is described, and that is its own party."""
        for id_ in ANCHORS:
            party = described(crm, Ref(kind="deal", id=id_)).party
            assert party is not None
            assert described(crm, Ref(kind="contact", id=party.removeprefix("contact:"))).party == party

    def test_a_contact_says_what_each_field_holds(self, crm: Store) -> None:
        """A contact's description gives its own data, each field with the type of personal data it holds."""
        contact = described(crm, Ref(kind="contact", id="2005"))
        assert (contact.party, contact.responsible, contact.region) == ("contact:2005", "u-abenova", "kz")
        assert contact.name == "Айгерим Сатыбалдиева"
        assert contact.snapshot == {
            "name": "Айгерим Сатыбалдиева",
            "phone": "+77015553322",
            "email": "aigerim.s@altyn.example",
            "company": "Алтын Логистика",
        }
        assert contact.fields == {"name": "PERSON", "phone": "PHONE", "email": "EMAIL", "company": "ORG"}

    def test_a_task_belongs_to_its_deals_customer(self, crm: Store) -> None:
        """A task's description has the party, owner and region of its deal."""
        task, deal = described(crm, crm.create_task(DRAFT, "k1").ref), described(crm, DEAL)
        assert (task.party, task.responsible, task.region) == (deal.party, deal.responsible, deal.region)
        assert task.name == DRAFT.subject

    def test_every_snapshot_field_has_a_class(self, crm: Store) -> None:
        """Each field of each snapshot is declared, with a class that masking knows."""
        made = crm.create_task(DRAFT, "k1").ref
        for ref in (DEAL, Ref(kind="contact", id="2001"), made):
            record = described(crm, ref)
            assert set(record.snapshot) == set(record.fields)
            assert record.fields == FIELDS[ref.kind]
            assert set(record.fields.values()) <= set(FIELD_CLASSES)

    def test_a_record_has_one_spelling(self, crm: Store) -> None:
        """An id with a zero, a sign or a blank too much names nothing: a record with two names would have two keys."""
        made = crm.create_task(DRAFT, "k1").ref
        for ref in (DEAL, Ref(kind="contact", id="2001"), made):
            for id_ in (f"0{ref.id}", f"+{ref.id}", f" {ref.id}", f"{ref.id} ", f"{ref.id}.0", f"{ref.id}\n"):
                assert crm.describe(Ref(kind=ref.kind, id=id_)) is None, (ref.kind, id_)

    def test_no_record_is_no_description(self, crm: Store) -> None:
        """What is not there, or is of a kind that no tool may name, has no description."""
        for kind in ("deal", "contact", "task", "staff", "invoice", ""):
            for id_ in (*NOWHERE, "0", "u-nobody"):
                assert crm.describe(Ref(kind=kind, id=id_)) is None, (kind, id_)
