"""The red button in the database."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from agent_guard.errors import StoreError
from agent_guard.kill_switch import SWITCHES, KillSwitch
from agent_guard.store import Store
from tests.samples import NOW_MS, opened

pytestmark = pytest.mark.databases

MINE = ["tenant:acme", "scenario:sdr", "tool:crm.create_task", "agent:default"]


@pytest.fixture
def store(database):
    with opened(database.new()) as made:
        yield made


def press(store, *scopes, pressed=True):
    with store.write(locks=["test"]) as connection:
        for scope in scopes:
            KillSwitch(store).set(connection, scope, pressed=pressed, reason="test", by="op", at_ms=NOW_MS)


@pytest.mark.req("A31")
@pytest.mark.parametrize(
    ("scope", "covers"),
    [
        ("*", True),
        ("tenant:acme", True),
        ("scenario:sdr", True),
        ("tool:crm.create_task", True),
        ("agent:default", True),
        ("tenant:other", False),
        ("tool:crm.create", False),
        ("tool:crm.*", False),
        ("tool:CRM.CREATE_TASK", False),
        ("acme", False),
    ],
)
def test_a_flag_covers_its_scope_and_no_other(store, scope, covers):
    """Scopes are exact; ``*`` alone covers everything."""
    press(store, scope)
    assert KillSwitch(store).pressed(MINE) == ((scope,) if covers else ())
    press(store, scope, pressed=False)
    assert KillSwitch(store).pressed(MINE) == ()


@pytest.mark.req("A31")
def test_a_new_database_is_not_pressed_and_star_needs_no_asking(store):
    """Nothing is pressed at first; the flag for everything is looked at even when nobody names it."""
    assert KillSwitch(store).pressed([]) == ()
    press(store, "*")
    assert KillSwitch(store).pressed([]) == ("*",)


@pytest.mark.req("A31", "A8")
def test_a_lost_row_counts_as_pressed(store):
    """A database without the row for everything lets nothing run, whatever else it says."""
    with store.write(locks=["test"]) as connection:
        connection.execute(SWITCHES.delete().where(SWITCHES.c.scope == "*"))
    assert KillSwitch(store).pressed(MINE) == ("*",)
    press(store, "tenant:acme", pressed=False)
    assert KillSwitch(store).pressed(MINE) == ("*",)


@pytest.mark.req("A31", "A8")
def test_flags_that_cannot_be_read_are_an_error_and_not_a_no(tmp_path):
    """Without its table the switch raises: there is no answer that would let a call run."""
    store = Store(f"sqlite:///{tmp_path}/guard.db")
    with pytest.raises(StoreError):
        KillSwitch(store).pressed(MINE)
    store.close()


def test_several_pressed_flags_are_told_in_order(store):
    """All flags that cover a call are named, sorted, so that equal facts are equal."""
    press(store, "tool:crm.create_task", "agent:default", "*")
    assert KillSwitch(store).pressed(MINE) == ("*", "agent:default", "tool:crm.create_task")


def test_the_status_names_every_flag_ever_set(store):
    """An operator reads who pressed what, when and why; everything comes first."""
    press(store, "tenant:acme", "agent:default")
    press(store, "tenant:acme", pressed=False)
    status = KillSwitch(store).status()
    assert [(item.scope, item.pressed) for item in status] == [
        ("*", False), ("agent:default", True), ("tenant:acme", False),
    ]  # fmt: skip
    assert (status[1].by, status[1].reason) == ("op", "test")
    assert status[1].at.timestamp() * 1000 == NOW_MS
    assert status[1].at.utcoffset() is not None


def test_pressing_happens_in_the_callers_transaction(store):
    """A flag is set with the event that records it, or not at all."""
    with pytest.raises(IntegrityError), store.write(locks=["test"]) as connection:
        KillSwitch(store).set(connection, "*", pressed=True, reason="", by="op", at_ms=0)
        connection.execute(SWITCHES.insert().values(scope="*", pressed=True, reason="", by="x", at=0))
    assert KillSwitch(store).pressed([]) == ()


@pytest.mark.req("A31", "A8")
def test_all_pressed_flags_are_read_at_once(store):
    """What a running call is held against: every pressed flag, and everything where its row is lost."""
    assert KillSwitch(store).flags() == frozenset()
    press(store, "tool:crm.create_task", "tenant:acme")
    press(store, "tenant:acme", pressed=False)
    assert KillSwitch(store).flags() == {"tool:crm.create_task"}
    with store.write(locks=["test"]) as connection:
        connection.execute(SWITCHES.delete().where(SWITCHES.c.scope == "*"))
    assert KillSwitch(store).flags() == {"*", "tool:crm.create_task"}
