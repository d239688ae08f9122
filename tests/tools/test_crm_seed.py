"""The seed is the same every time, right in form, and holds what the scenarios need."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import phonenumbers
import pytest
from sqlalchemy import Table, func, select

from agent_guard.types import Ref
from tests.tools.moment import NOW, fixed_clock
from tools.crm.seed import ANCHORS, STALE, seed
from tools.crm.sql import SqlCRM, known
from tools.crm.tables import activities, companies, contacts, deals, metadata, staff, tasks

Rows = list[dict[str, Any]]
COUNTRIES = {"us": "US", "kz": "KZ", "pl": "PL"}


def rows(crm: SqlCRM, table: Table[Any]) -> Rows:
    """Every row of a table."""
    with crm.reading() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def dump(crm: SqlCRM) -> dict[str, Rows]:
    """Every row of every table."""
    return {table.name: rows(crm, table) for table in metadata.sorted_tables}


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Callable[[], SqlCRM]]:
    """Makes empty CRMs, closed afterwards."""
    made: list[SqlCRM] = []

    def make() -> SqlCRM:
        crm = SqlCRM(f"sqlite:///{tmp_path}/{len(made)}.db", clock=fixed_clock)
        crm.create()
        made.append(crm)
        return crm

    yield make
    for crm in made:
        crm.close()


def test_equal_arguments_give_equal_rows(empty: Callable[[], SqlCRM]) -> None:
    """Two databases with the same seed and now are equal, row by row; another seed gives other people."""
    one, two, other = empty(), empty(), empty()
    assert seed(one, now=NOW)
    assert seed(two, now=NOW.astimezone(timezone(timedelta(hours=5))))
    assert seed(other, now=NOW, seed=8)
    assert dump(one) == dump(two)
    assert dump(one)["contacts"] != dump(other)["contacts"]


def test_a_seeded_database_is_left_alone(seeded: SqlCRM) -> None:
    """A second seed writes nothing, whatever its arguments."""
    before = dump(seeded)
    assert not seed(seeded, now=NOW + timedelta(days=1), seed=9, deals=5)
    assert dump(seeded) == before


def test_the_seed_is_quick(empty: Callable[[], SqlCRM]) -> None:
    """The default seed takes less than a second."""
    crm, started = empty(), perf_counter()
    seed(crm, now=NOW)
    assert perf_counter() - started < 1


@pytest.mark.parametrize("deals_", [0, 1, 1000])
def test_any_number_of_deals_can_be_invented(empty: Callable[[], SqlCRM], deals_: int) -> None:
    """As many deals as asked for are invented besides the anchors, each with its own contact."""
    crm = empty()
    seed(crm, now=NOW, deals=deals_)
    with crm.reading() as connection:
        counts = [connection.scalar(select(func.count()).select_from(table)) for table in (deals, contacts)]
    assert counts == [deals_ + 8] * 2


@pytest.mark.parametrize("deals_", [-1, 1001])
def test_the_number_of_deals_is_bounded(empty: Callable[[], SqlCRM], deals_: int) -> None:
    """More deals than there are fictitious phone numbers cannot be asked for."""
    with pytest.raises(ValueError, match="0 to 1000"):
        seed(empty(), now=NOW, deals=deals_)


def test_now_is_aware(empty: Callable[[], SqlCRM]) -> None:
    """A naive now is refused."""
    with pytest.raises(ValueError, match="aware"):
        seed(empty(), now=NOW.replace(tzinfo=None))


def test_the_staff_are_three(seeded: SqlCRM) -> None:
    """Three people own all deals, one in each region."""
    assert {(row["id"], row["name"], row["region"]) for row in rows(seeded, staff)} == {
        ("u-reed", "Daniel Reed", "us"),
        ("u-abenova", "Дана Абенова", "kz"),
        ("u-nowak", "Katarzyna Nowak", "pl"),
    }
    owners = {row["id"]: row["region"] for row in rows(seeded, staff)}
    assert all(owners[row["owner_id"]] == row["region"] for row in rows(seeded, deals))


ANCHORED = {
    "1001": ("u-reed", "us", "Emily Carter", "emily.carter@northwind.example", "Northwind Logistics",
             "Fleet tracking rollout", "48000", "USD"),
    "1002": ("u-reed", "us", "James O'Connor", "james.oconnor@harbourfoods.example", "Harbour Foods",
             "Cold chain sensors", "19000", "USD"),
    "1003": ("u-reed", "us", "Priya Nair", "priya.nair@brightline.example", "Brightline Clinics",
             "Appointment reminders", "27500", "USD"),
    "1004": ("u-reed", "us", "Thomas Becker", "thomas.becker@alpinetools.example", "Alpine Tools",
             "Dealer portal", "61000", "USD"),
    "1005": ("u-abenova", "kz", "Айгерим Сатыбалдиева", "aigerim.s@altyn.example", "Алтын Логистика",
             "Внедрение CRM", "12500000", "KZT"),
    "1006": ("u-abenova", "kz", "Иван Петров", "ivan.petrov@stepstroy.example", "СтепьСтрой",
             "Складской учёт", "8000000", "KZT"),
    "1007": ("u-abenova", "kz", "Ольга Смирнова", "olga.smirnova@medlife.example", "МедЛайф",
             "Колл-центр", "5400000", "KZT"),
    "1008": ("u-abenova", "kz", "Нурлан Ахметов", "nurlan.akhmetov@tulpar.example", "Тулпар Авто",
             "Онлайн-запись", "9900000", "KZT"),
}  # fmt: skip
PHONES = {"1001": "+14155552671", "1005": "+77015553322", "1006": "+77012345678"}


def test_the_anchors_are_eight() -> None:
    """The anchors are the eight deals of the sample conversations."""
    assert set(ANCHORS) == set(ANCHORED)


@pytest.mark.parametrize("deal_id", ANCHORED)
def test_an_anchor_is_as_the_samples_say(seeded: SqlCRM, deal_id: str) -> None:
    """An anchor's deal, owner, contact and company are exactly those of the sample conversations."""
    deal = seeded.describe(Ref(kind="deal", id=deal_id))
    contact = seeded.describe(Ref(kind="contact", id=str(int(deal_id) + 1000)))
    assert deal is not None
    assert contact is not None
    assert (
        deal.responsible, deal.region, contact.name, contact.snapshot["email"], contact.snapshot["company"],
        deal.name, deal.snapshot["amount"], deal.snapshot["currency"],
    ) == ANCHORED[deal_id]  # fmt: skip
    assert deal.party == contact.party
    assert deal.snapshot["stage"] == "qualification"
    assert contact.snapshot["phone"] == PHONES.get(deal_id, contact.snapshot["phone"])
    assert ANCHORS[deal_id].contact_id == str(int(deal_id) + 1000)
    person = ANCHORS[deal_id].contact
    assert known(seeded, ANCHORS[deal_id].contact_id)["PERSON"] == [person.name]
    assert (person.phone, person.email) == (contact.snapshot["phone"], contact.snapshot["email"])


def test_anchors_have_activities_without_contact_data(seeded: SqlCRM) -> None:
    """What is written about an anchor names neither the person nor the company."""
    for anchor in ANCHORS.values():
        written = " ".join(activity.summary for activity in seeded.activities(anchor.deal_id, 10)).casefold()
        assert written
        for word in (*anchor.contact.name.split(), anchor.company, anchor.contact.phone):
            assert word.casefold() not in written


def test_names_come_in_three_languages(seeded: SqlCRM) -> None:
    """Contacts are English, Russian and Polish; Polish names have their letters and Russian ones their script."""
    by_language = defaultdict(list)
    for row in rows(seeded, contacts):
        by_language[row["language"]].append(row["name"])
    assert {language: len(names) >= 20 for language, names in by_language.items()} == dict.fromkeys(
        ("en", "ru", "pl"), True
    )
    assert any(set(name) & set("ąćęłńóśźżŁŚŻ") for name in by_language["pl"])
    assert sum("а" <= name[0].lower() <= "я" for name in by_language["ru"]) >= 20
    assert all(name.isascii() for name in by_language["en"])


def test_phones_are_valid_for_their_country(seeded: SqlCRM) -> None:
    """Every phone is valid E.164 of the contact's region, and each notation is the same number."""
    for row in rows(seeded, contacts):
        country = COUNTRIES[row["region"]]
        number = phonenumbers.parse(row["phone"])
        assert phonenumbers.is_valid_number(number), row
        assert phonenumbers.region_code_for_number(number) == country, row
        assert phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == row["phone"]
        if row["phone_typed"]:
            assert phonenumbers.parse(row["phone_typed"], country) == number, row


def test_addresses_cannot_be_delivered(seeded: SqlCRM) -> None:
    """Every e-mail address is plain ASCII under the reserved top-level domain .example (RFC 2606)."""
    for row in rows(seeded, contacts):
        local, _, domain = row["email"].partition("@")
        assert row["email"].isascii()
        assert local.strip()
        assert " " not in row["email"]
        assert domain.endswith(".example")


def iin_is_right(number: str) -> bool:
    """Kazakhstan's rule, written down from the register's side: position i weighs i, then i + 2 around the circle."""
    digits = [int(digit) for digit in number]
    total = sum(digits[i] * (i + 1) for i in range(11)) % 11
    if total == 10:
        total = sum(digits[i] * ((i + 2) % 11 + 1) for i in range(11)) % 11
    century = {"3": "19", "4": "19", "5": "20", "6": "20"}[number[6]]
    born = date.fromisoformat(f"{century}{number[:2]}-{number[2:4]}-{number[4:6]}")
    return len(number) == 12 and born < NOW.date() and total == digits[11]


def pesel_is_right(number: str) -> bool:
    """Poland's rule: the weighted sum with the check digit ends in nought."""
    total = sum(int(digit) * weight for digit, weight in zip(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), strict=True))
    return 1 <= int(number[2:4]) % 20 <= 12 and total % 10 == 0


def test_the_checks_of_national_ids_are_right() -> None:
    """The checkers of this test accept published examples and refuse a changed digit."""
    assert pesel_is_right("44051401359")
    assert not pesel_is_right("44051401358")
    assert iin_is_right("880512400150")
    assert not iin_is_right("880512400158")


def test_national_ids_have_right_checksums(seeded: SqlCRM) -> None:
    """Every IIN and PESEL of the seed passes its country's check, and there are many of both."""
    checks = {"IIN": iin_is_right, "PESEL": pesel_is_right}
    seen: Counter[str] = Counter()
    for row in rows(seeded, contacts):
        kind = row["national_id_kind"]
        assert (kind is None) == (row["national_id"] is None)
        if kind:
            assert checks[kind](row["national_id"]), row
            seen[kind] += 1
    assert min(seen["IIN"], seen["PESEL"]) >= 15


@pytest.mark.req("A17")
def test_duplicates_are_planted(seeded: SqlCRM) -> None:
    """Some people are there twice: one phone, two spellings, two notations."""
    by_phone = defaultdict(list)
    for row in rows(seeded, contacts):
        by_phone[row["phone"]].append(row)
    twice = [group for group in by_phone.values() if len(group) > 1]
    assert len(twice) == 6
    assert {group[0]["region"] for group in twice} == set(COUNTRIES)
    for first, second in twice:
        assert first["name"] != second["name"]
        assert first["phone_typed"] != second["phone_typed"]
        assert first["region"] == second["region"]


@pytest.mark.req("A29")
def test_deals_stand_on_both_sides_of_day_14(seeded: SqlCRM) -> None:
    """Last activities lie before and after 14 days, an hour on either side among them; an agent's does not count."""
    last: dict[str, datetime] = {}
    touched_by_agent: dict[str, datetime] = {}
    for row in rows(seeded, activities):
        latest = touched_by_agent if row["by_agent"] else last
        latest[row["deal_id"]] = max(latest.get(row["deal_id"], row["at"]), row["at"])
    silence = {deal_id: NOW - at for deal_id, at in last.items()}
    assert set(silence) == {row["id"] for row in rows(seeded, deals)}
    assert sum(one >= STALE for one in silence.values()) >= 20
    assert sum(one < STALE for one in silence.values()) >= 20
    hour = timedelta(hours=1)
    assert {STALE - hour, STALE + hour} <= set(silence.values())
    assert any(silence[deal_id] > STALE > NOW - at for deal_id, at in touched_by_agent.items())


def test_times_are_in_order(seeded: SqlCRM) -> None:
    """A deal is created before it enters its stage, and nothing happens after now."""
    for row in rows(seeded, deals):
        moments = [row["created_at"], row["stage_since"], row["updated_at"], NOW]
        assert all(earlier <= later for earlier, later in pairwise(moments)), row
        assert all(moment.utcoffset() == timedelta(0) for moment in moments)
    created = {row["id"]: row["created_at"] for row in rows(seeded, deals)}
    assert all(created[row["deal_id"]] <= row["at"] <= NOW for row in rows(seeded, activities))


def test_there_is_no_task_yet_and_no_idle_company(seeded: SqlCRM) -> None:
    """A seeded CRM has no task, and each company has a deal."""
    assert rows(seeded, tasks) == []
    assert {row["id"] for row in rows(seeded, companies)} == {row["company_id"] for row in rows(seeded, deals)}


def test_seeding_at_once_seeds_once(tmp_path: Path) -> None:
    """Of two CRMs that seed one file only the first writes."""
    url = f"sqlite:///{tmp_path}/shared.db"
    with closing(SqlCRM(url)) as one, closing(SqlCRM(url)) as two:
        one.create()
        assert [seed(one, now=NOW), seed(two, now=NOW)] == [True, False]
