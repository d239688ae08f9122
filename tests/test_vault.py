"""The vault: values encrypted, entries immutable, and one data key a customer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import FrozenInstanceError

import pytest
import sqlalchemy as sa
from hypothesis import given, strategies as st
from sqlalchemy.exc import IntegrityError

from agent_guard.credentials import Keys
from agent_guard.errors import StoreError
from agent_guard.testing import assert_no_personal_data
from agent_guard.types import Entry
from agent_guard.vault import DATA_KEYS, ENTRIES, SIGHTINGS, Vault, data_key_id
from tests.samples import KEYS, opened, thread

pytestmark = pytest.mark.databases

VALUES = [
    ("PERSON", "Anna Kowalska"),
    ("EMAIL", "anna@acme.example"),
    ("PERSON", "Иван Петров"),
    ("PHONE", "+48600100200"),
]


@pytest.fixture
def store(database):
    with opened(database.shared) as made:
        yield made


@pytest.fixture
def vault(store):
    return Vault(store, KEYS)


def keep(store, pseudonyms):
    with store.write(locks=["test"]) as connection:
        pseudonyms.flush(connection)


def fill(store, vault, row, values=VALUES):
    pseudonyms = vault.of(row)
    for type_, value in values:
        pseudonyms.mint(type_, value, "user", "m1")
    keep(store, pseudonyms)
    return pseudonyms


def rows(store, table):
    with store.read() as connection:
        return connection.execute(sa.select(table)).all()


@pytest.mark.req("A23", "B6")
def test_what_was_minted_is_read_back(store, vault):
    """Types are counted apart, the order is kept, and the values come back."""
    fill(store, vault, thread())
    found = vault.of(thread())
    assert [(entry.token, entry.value) for entry in found.entries()] == [
        ("<PERSON_1>", "Anna Kowalska"),
        ("<EMAIL_1>", "anna@acme.example"),
        ("<PERSON_2>", "Иван Петров"),
        ("<PHONE_1>", "+48600100200"),
    ]
    assert found.find("<PERSON_2>") == Entry(token="<PERSON_2>", type="PERSON", value="Иван Петров", origins=("user",))
    assert found.find("<PERSON_3>") is None
    assert not found.changed


@pytest.mark.req("A23", "B6", "B16")
@pytest.mark.databases("sqlite")
def test_no_value_stands_in_the_file(store, vault, tmp_path):
    """Neither the database nor its log holds a value, in any writing."""
    fill(store, vault, thread(party="contact:17"))
    assert_no_personal_data(tmp_path, [value for _, value in VALUES])
    assert store.scrub([ENTRIES.name])
    assert_no_personal_data(tmp_path, [value for _, value in VALUES])
    for row in rows(store, ENTRIES):
        assert not [value for _, value in VALUES if value.encode() in row.sealed]


def test_equal_values_are_not_equal_when_sealed(store, vault):
    """Two threads that hold the same value do not show it: each sealing has a nonce of its own."""
    for name in ("t1", "t2"):
        fill(store, vault, thread(name, party="contact:17"), VALUES[:1])
    one, other = rows(store, ENTRIES)
    assert one.sealed != other.sealed
    assert one.sealed[:12] != other.sealed[:12]


@pytest.mark.req("B10")
def test_another_master_key_is_told(store, vault):
    """A vault written under another key cannot be read, and the message says which key it takes."""
    fill(store, vault, thread())
    other = Vault(store, Keys(b"x" * 32))
    with pytest.raises(StoreError, match="master key"):
        other.of(thread())


def test_another_master_key_cannot_write_into_a_customers_data(store, vault):
    """A second thread of the customer does not get a data key that nobody else can read."""
    fill(store, vault, thread("t1", party="contact:17"))
    other = Vault(store, Keys(b"x" * 32))
    second = other.of(thread("t2", party="contact:17"))
    second.mint("PERSON", "Anna", "user")
    with pytest.raises(StoreError, match="master key"), store.write(locks=["test"]) as connection:
        second.flush(connection)


def change(store, table, values, **where):
    with store.write(locks=["test"]) as connection:
        query = table.update().values(**values)
        for name, value in where.items():
            query = query.where(table.c[name] == value)
        assert connection.execute(query).rowcount == 1


@pytest.mark.req("A23")
def test_swapped_rows_are_detected(store, vault):
    """A value that is moved to another pseudonym, another thread or another customer cannot be opened."""
    fill(store, vault, thread("t1", party="contact:17"))
    fill(store, vault, thread("t2", party="contact:17"))
    sealed = {(row.thread, row.token): row.sealed for row in rows(store, ENTRIES)}
    for source, target in [
        (("t1", "<PERSON_2>"), ("t1", "<PERSON_1>")),
        (("t2", "<PERSON_1>"), ("t1", "<PERSON_1>")),
        (("t1", "<EMAIL_1>"), ("t1", "<PERSON_1>")),
    ]:
        change(store, ENTRIES, {"sealed": sealed[source]}, thread=target[0], token=target[1])
        with pytest.raises(StoreError):
            vault.of(thread("t1", party="contact:17"))
        change(store, ENTRIES, {"sealed": sealed[target]}, thread=target[0], token=target[1])
    assert len(vault.of(thread("t1", party="contact:17")).entries()) == 4


def test_a_damaged_value_and_a_swapped_data_key_are_detected(store, vault):
    """A flipped bit, a cut value and another customer's key are errors and not wrong values."""
    fill(store, vault, thread("t1", party="contact:17"))
    fill(store, vault, thread("t2", party="contact:18"))
    row = next(row for row in rows(store, ENTRIES) if (row.thread, row.token) == ("t1", "<PERSON_1>"))
    for bad in (bytes([row.sealed[0] ^ 1]) + row.sealed[1:], row.sealed[:-1] + b"\0", row.sealed[:20], b"", b"short"):
        change(store, ENTRIES, {"sealed": bad}, thread="t1", token="<PERSON_1>")
        with pytest.raises(StoreError):
            vault.of(thread("t1", party="contact:17"))
    change(store, ENTRIES, {"sealed": row.sealed}, thread="t1", token="<PERSON_1>")
    wrapped = {row.id: row.wrapped for row in rows(store, DATA_KEYS)}
    change(store, DATA_KEYS, {"wrapped": wrapped["acme/party/contact:18"]}, id="acme/party/contact:17")
    with pytest.raises(StoreError):
        vault.of(thread("t1", party="contact:17"))


def test_an_entry_never_changes(store, vault):
    """An entry is frozen, and a new pseudonym is made for a new value of the same type."""
    pseudonyms = fill(store, vault, thread())
    entry = pseudonyms.find("<PERSON_1>")
    with pytest.raises(FrozenInstanceError):
        entry.value = "Somebody else"
    assert pseudonyms.mint("PERSON", "Somebody else", "untrusted").token == "<PERSON_3>"
    keep(store, pseudonyms)
    assert vault.of(thread()).find("<PERSON_1>").value == "Anna Kowalska"


def test_sightings_add_origins_and_the_same_one_twice_is_one(store, vault):
    """Where a value was seen is kept in the order of sight, with its sources, once each."""
    pseudonyms = fill(store, vault, thread(), VALUES[:1])
    for origin, source in [
        ("untrusted", "ticket 7"),
        ("trusted", "deal:42"),
        ("untrusted", "ticket 8"),
        ("user", "m1"),
    ]:
        pseudonyms.saw("<PERSON_1>", origin, source)
        pseudonyms.saw("<PERSON_1>", origin, source)
    assert pseudonyms.find("<PERSON_1>").origins == ("user", "untrusted", "trusted")
    keep(store, pseudonyms)
    again = vault.of(thread())
    again.saw("<PERSON_1>", "trusted", "deal:42")
    assert not again.changed
    assert again.find("<PERSON_1>").origins == ("user", "untrusted", "trusted")
    assert len(rows(store, SIGHTINGS)) == 4


def test_a_value_seen_in_a_later_process_keeps_the_order(store, vault):
    """New sightings come after the stored ones."""
    fill(store, vault, thread(), VALUES[:2])
    again = vault.of(thread())
    again.saw("<PERSON_1>", "invented", "model")
    again.mint("PHONE", "+1", "party", "m2")
    keep(store, again)
    found = vault.of(thread())
    assert found.find("<PERSON_1>").origins == ("user", "invented")
    assert [entry.token for entry in found.entries()] == ["<PERSON_1>", "<EMAIL_1>", "<PHONE_1>"]


def test_a_long_source_is_cut_and_still_the_same(store, vault):
    """A source is bounded, and seeing it again is no new sighting."""
    pseudonyms = vault.of(thread())
    pseudonyms.mint("PERSON", "Anna", "user", "s" * 500)
    keep(store, pseudonyms)
    again = vault.of(thread())
    again.saw("<PERSON_1>", "user", "s" * 500)
    assert not again.changed
    assert rows(store, SIGHTINGS)[0].source == "s" * 200


@pytest.mark.req("A23")
def test_two_that_mint_the_same_pseudonym_collide_and_nothing_is_kept(store, vault):
    """The second is undone whole, with everything else of its transaction, and finds the first when it reads again."""
    one, other = vault.of(thread()), vault.of(thread())
    one.mint("PERSON", "Anna Kowalska", "user")
    other.mint("EMAIL", "b@acme.example", "user")
    other.mint("PERSON", "Someone Else", "user")
    keep(store, one)
    with pytest.raises(IntegrityError):
        keep(store, other)
    found = vault.of(thread())
    assert [(entry.token, entry.value) for entry in found.entries()] == [("<PERSON_1>", "Anna Kowalska")]
    assert len(rows(store, SIGHTINGS)) == 1
    assert found.mint("PERSON", "Someone Else", "user").token == "<PERSON_2>"
    keep(store, found)
    assert vault.of(thread()).find("<PERSON_2>").value == "Someone Else"


def test_an_error_of_a_collision_shows_no_value(store, vault):
    """The exception that tells of the race holds nothing but what is sealed."""
    one, other = vault.of(thread()), vault.of(thread())
    one.mint("PERSON", "Anna Kowalska", "user")
    other.mint("PERSON", "Someone Else", "user")
    keep(store, one)
    with pytest.raises(IntegrityError) as caught:
        keep(store, other)
    assert "Someone" not in f"{caught.value} {caught.value.params}"


def test_a_first_write_that_was_undone_leaves_no_key_behind(store, vault):
    """When the transaction that made a data key is undone, the same object writes under a key that is stored."""
    pseudonyms = vault.of(thread())
    pseudonyms.mint("PERSON", "Anna Kowalska", "user")
    with pytest.raises(KeyError), store.write(locks=["test"]) as connection:
        pseudonyms.flush(connection)
        raise KeyError
    assert rows(store, DATA_KEYS) == rows(store, ENTRIES) == []
    again = vault.of(thread())
    again.mint("PERSON", "Anna Kowalska", "user")
    keep(store, again)
    assert vault.of(thread()).find("<PERSON_1>").value == "Anna Kowalska"


@pytest.mark.req("A23")
def test_threads_of_one_customer_share_a_data_key_and_others_do_not(store, vault):
    """The customer's values are under one key, whatever the thread; another customer's, another tenant's, and a
    thread's without a customer under their own.
    """
    of = {
        "t1": thread("t1", party="contact:17"),
        "t2": thread("t2", party="contact:17"),
        "t3": thread("t3", party="contact:18"),
        "t4": thread("t4", party="contact:17", tenant="other"),
        "t5": thread("t5"),
        "t6": thread("t6"),
    }
    for row in of.values():
        fill(store, vault, row, VALUES[:1])
    keys = {row.thread: row.key_id for row in rows(store, ENTRIES)}
    assert keys["t1"] == keys["t2"]
    assert len(set(keys.values())) == len(rows(store, DATA_KEYS)) == 5
    assert len({row.wrapped for row in rows(store, DATA_KEYS)}) == 5


NAMES = st.lists(st.sampled_from(["a", "/", "party", "thread", "t", "%2F"]), min_size=1, max_size=6).map("".join)


@given(NAMES, st.none() | NAMES, NAMES, st.none() | NAMES)
def test_no_two_owners_share_the_name_of_a_key(tenant, party, other_tenant, other_party):
    """Whatever stands in ids, another tenant or another customer has another data key."""
    one, other = (
        data_key_id(thread("t", tenant=tenant, party=party)),
        data_key_id(thread("t", tenant=other_tenant, party=other_party)),
    )
    assert (one == other) == ((tenant, party) == (other_tenant, other_party))


@pytest.mark.req("A23")
def test_without_its_data_key_a_customers_values_are_gone_and_the_pseudonyms_stay_taken(store, vault):
    """Destroying the key leaves nothing to read in any thread, and no pseudonym is ever given to another person."""
    fill(store, vault, thread("t1", party="contact:17"))
    fill(store, vault, thread("t2", party="contact:17"))
    with store.write(locks=["test"]) as connection:
        connection.execute(DATA_KEYS.delete())
    for name in ("t1", "t2"):
        found = vault.of(thread(name, party="contact:17"))
        assert found.entries() == []
        assert found.find("<PERSON_1>") is None
        assert found.mint("PERSON", "Somebody new", "user").token == "<PERSON_3>"


@pytest.mark.req("A23")
def test_a_thread_goes_on_after_its_customers_key_was_destroyed(store, vault):
    """What is said after an erasure is kept under a new key; what was before stays unreadable and harms nothing."""
    row = thread("t1", party="contact:17")
    fill(store, vault, row)
    with store.write(locks=["test"]) as connection:
        connection.execute(DATA_KEYS.delete())
    fill(store, vault, row, [("PERSON", "Somebody new")])
    found = vault.of(row)
    assert [(entry.token, entry.value) for entry in found.entries()] == [("<PERSON_3>", "Somebody new")]
    assert found.find("<PERSON_1>") is None


class Undone(Exception):
    """Undoes a transaction."""


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["kept", "undone", "erased", "seen"]),
        st.sampled_from(["one", "other"]),
        st.sampled_from(VALUES),
        st.sampled_from(["m1", "m2"]),
        st.booleans(),
    ),
    max_size=8,
)


@given(STEPS)
def test_what_a_process_keeps_of_a_vault_is_never_older_than_the_database(steps):
    """Whatever two processes wrote, undid or erased, a vault opened by either shows what a new process would read."""
    with opened("sqlite://") as store:
        processes = {"one": Vault(store, KEYS), "other": Vault(store, KEYS)}
        for act, who, (type_, value), source, looked in [*steps, ("seen", "one", VALUES[0], "m3", True)]:
            pseudonyms = processes[who].of(thread())
            if act == "erased":
                with store.write(locks=["test"]) as connection:
                    connection.execute(DATA_KEYS.delete())
            elif act == "seen" and pseudonyms.entries():
                pseudonyms.saw(pseudonyms.entries()[0].token, "untrusted", source)
                keep(store, pseudonyms)
            else:
                pseudonyms.mint(type_, value, "user", source)
                with suppress(Undone), store.write(locks=["test"]) as connection:
                    pseudonyms.flush(connection)
                    assert found(processes[who].read(connection, thread())) == found(pseudonyms)
                    if act == "undone":
                        raise Undone
            if not looked:
                continue
            fresh = found(Vault(store, KEYS).of(thread()))
            assert [found(process.of(thread())) for process in processes.values()] == [fresh, fresh]


def found(pseudonyms):
    """Everything that a vault shows of itself."""
    return [(entry, tuple(pseudonyms.sightings(entry.token))) for entry in pseudonyms.entries()]
