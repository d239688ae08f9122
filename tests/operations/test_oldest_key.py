"""Nobody goes on without the master key that idempotency keys come from, because what ran would run again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent_guard.auditing.verify import verify
from agent_guard.credentials import Keys
from agent_guard.data_keys import DATA_KEYS, IS_DATA_KEY, OLDEST as ROW, Wrapping, add, party_key_id
from agent_guard.errors import ConfigError, StoreError
from agent_guard.gateway import Gateway
from agent_guard.operations import oldest_key
from agent_guard.operations.oldest_key import Adopted, adopt, names
from agent_guard.privacy.erasure import erase
from agent_guard.privacy.retention import retain, rules_of
from agent_guard.types import Subject
from tests.conftest import World
from tests.operations.test_rotate import given, turned, unchecked
from tests.operations.test_rotation import NEW, OLD, OLDEST, TASK

pytestmark = [pytest.mark.databases, pytest.mark.req("A10", "B10")]

(OLD_NAME,), (NEW_NAME,), (OLDEST_NAME,) = names(Keys(OLD)), names(Keys(NEW)), names(Keys(OLDEST))
MISSING = (
    f"{OLD_NAME}, which is not among those given .{NEW_NAME}.: put it behind them.*run again.*vault keys.*vault adopt"
)


def opened(world: World, *keys: bytes, **options: Any) -> Gateway:
    return world.gateway(file=True, credentials=given(*keys), **options)


def worked(world: World, *keys: bytes) -> Gateway:
    """A gateway at which a task was made."""
    gateway = opened(world, *keys)
    assert gateway.open(world.sdr, party=world.anna, thread_id="t").invoke("crm.create_task", TASK).status == "executed"
    return gateway


def written(world: World, gateway: Gateway) -> dict[str, str]:
    """Environment -> the name that stands in the database."""
    rows = world.rows(gateway, "vault_keys")
    return {row["id"].removeprefix(ROW): bytes(row["wrapped"]).hex() for row in rows if row["id"].startswith(ROW)}


def forget(gateway: Gateway) -> None:
    """Makes of it a database of an earlier release."""
    with gateway.store.write(locks=["test"]) as connection:
        connection.execute(DATA_KEYS.delete().where(DATA_KEYS.c.id.like(f"{ROW}%")))


def adopted(gateway: Gateway, keys: Keys, **options: Any) -> Adopted:
    told: dict[str, Any] = {"reason": "it is lost", "by": "ops", "environment": "dev", "now": gateway.clock()}
    return adopt(gateway.store, type(gateway.audit)(gateway.store, keys), keys, **(told | options))


def test_without_the_oldest_key_nobody_starts(world: World) -> None:
    """What is missing is named, and what to do; whoever is let in by mistake does what was done before once more."""
    before = worked(world, OLD)
    turned(before)
    with pytest.raises(ConfigError, match=MISSING):
        opened(world, NEW)
    after = opened(world, NEW, OLD)
    assert after.thread("t").invoke("crm.create_task", TASK, call_id="c2").status == "duplicate"
    blind = unchecked(world, NEW).open(world.sdr, party=world.anna)
    assert blind.invoke("crm.create_task", TASK).status == "executed"  # so it is refused
    assert len(world.desk.effects) == 2


def test_the_oldest_key_is_the_last(world: World) -> None:
    """One that is given, with another behind it, is refused too: keys would come from that other."""
    worked(world, OLD)
    with pytest.raises(ConfigError, match=f"{OLD_NAME}, which is among those given .*, but not the last .*put it last"):
        opened(world, OLD, OLDEST)
    assert opened(world, NEW, OLD).thread("t").invoke("crm.create_task", TASK, call_id="c2").status == "duplicate"


def test_a_refused_gateway_leaves_no_connection(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is closed before the error is told, also where the database itself is what fails."""
    worked(world, OLD)
    closed: list[object] = []
    real = type(opened(world, OLD).store).close
    monkeypatch.setattr("agent_guard.store.Store.close", lambda store: (closed.append(store), real(store)))
    with pytest.raises(ConfigError):
        opened(world, NEW)
    assert len(closed) == 1
    monkeypatch.setattr(oldest_key, "ring", lambda *_: (_ for _ in ()).throw(StoreError("gone")))
    with pytest.raises(StoreError, match="gone"):
        opened(world, OLD)
    assert len(closed) == 2


# ---- what is written, and when


def test_the_row_tells_nothing_of_the_key(world: World) -> None:
    """Six bytes that come from the key one way, and stand in nothing else that comes from it."""
    gateway = worked(world, OLD)
    assert written(world, gateway) == {"dev": OLD_NAME}
    name = bytes.fromhex(OLD_NAME)
    assert len(name) == 6 and name not in OLD
    purposes = ("vault", "audit", "idempotency/acme", "rendered/acme", "seal")
    assert not any(name in Keys(OLD).derive(purpose) for purpose in purposes)


def test_a_database_of_an_earlier_release_goes_on(world: World) -> None:
    """The row is written by the first gateway whose keys open the vault; one whose keys do not is let in as before and
    writes nothing.
    """
    before = worked(world, OLD)
    forget(before)
    opened(world, NEW)
    assert written(world, before) == {}
    opened(world, NEW, OLD)
    assert written(world, before) == {"dev": OLD_NAME}
    with pytest.raises(ConfigError, match=MISSING):
        opened(world, NEW)


def test_after_a_rotation_of_an_earlier_release_the_row_that_tells_of_it_decides(world: World) -> None:
    """The keys that open the vault as it was moved write the row, also where every party has been erased; the former
    one alone writes nothing.
    """
    before = worked(world, OLD)
    turned(before)
    forget(before)
    with before.store.write(locks=["test"]) as connection:
        connection.execute(DATA_KEYS.delete().where(IS_DATA_KEY))
    opened(world, OLD)
    assert written(world, before) == {}
    opened(world, NEW, OLD)
    assert written(world, before) == {"dev": OLD_NAME}


def test_where_nothing_tells_whose_it_is_nothing_is_written(world: World) -> None:
    """Calls without any data key were made under nobody knows which keys, so any are let in until there is one."""
    before = opened(world, OLD)
    assert before.open(world.sdr, thread_id="bare").invoke("crm.read_deal", {"deal_id": "42"}).status == "executed"
    with before.store.write(locks=["test"]) as connection:
        connection.execute(DATA_KEYS.delete())
    opened(world, NEW)
    assert written(world, before) == {}
    opened(world, OLD).open(world.sdr, party=world.anna)
    opened(world, OLD)
    assert written(world, before) == {"dev": OLD_NAME}


def test_of_two_that_are_first_one_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways that are opened at one moment in a new database with other keys: the second is refused."""
    real = oldest_key._opens_vault

    def meanwhile(*args: Any) -> bool | None:
        monkeypatch.setattr(oldest_key, "_opens_vault", real)
        opened(world, OLD)
        return None

    monkeypatch.setattr(oldest_key, "_opens_vault", meanwhile)
    with pytest.raises(ConfigError, match=MISSING):
        opened(world, NEW)
    assert written(world, opened(world, OLD)) == {"dev": OLD_NAME}


def test_each_environment_has_its_own_and_all_tenants_share_it(world: World) -> None:
    """A database that two environments share with keys of their own names both; other tenants ask for no other."""
    dev = worked(world, OLD)
    stage = opened(world, NEW, environment="stage")
    assert written(world, dev) == {"dev": OLD_NAME}  # nothing of the vault is under its key yet
    stage.open(Subject(id="u1", tenant="other", roles={"sdr"}, region="kz"), user_text="Mail anna@kowalska.example.")
    opened(world, NEW, environment="stage")
    assert written(world, dev) == {"dev": OLD_NAME, "stage": NEW_NAME}
    with pytest.raises(ConfigError, match=f"keys of stage .* {NEW_NAME}, which is not among"):
        opened(world, OLD, environment="stage")
    opened(world, OLD)


# ---- what leaves it alone


def test_the_data_keys_of_another_environment_hide_nobodys(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many lie before them in the same database: each environment's own key is known by its own data keys."""
    monkeypatch.setattr(oldest_key, "PAGE", 2)
    gateway = worked(world, OLD)
    with gateway.store.write(locks=["test"]) as connection:
        for n in range(5):
            add(connection, Wrapping(Keys(OLD)), party_key_id("acme", f"p{n}"), bytes(32))
        add(connection, Wrapping(Keys(NEW)), party_key_id("zeta", "p"), bytes(32))
    oldest_key.check(gateway.store, Keys(NEW), "stage")
    assert written(world, gateway) == {"dev": OLD_NAME, "stage": NEW_NAME}
    with pytest.raises(ConfigError, match=NEW_NAME):
        oldest_key.check(gateway.store, Keys(OLDEST), "stage")


def test_rotating_erasing_and_retention_leave_it(world: World) -> None:
    """After two rotations, with every party erased and the record cut, the first key is the one that must be there."""
    gateway = worked(world, OLD)
    turned(gateway)
    gateway = opened(world, NEW, OLD)
    told: dict[str, Any] = {"reason": "asked", "by": "dpo", "environment": "dev", "now": gateway.clock()}
    keys = Keys(NEW, [OLD])
    assert erase(gateway.store, gateway.audit, keys, tenant="acme", party=world.anna.id, **told).already is None
    cut: dict[str, Any] = {"tenant": "acme", "rules": rules_of({"*": 1}), "by": "dpo", "environment": "dev"}
    assert retain(gateway.store, gateway.audit, keys, now=gateway.clock() + timedelta(days=9), **cut).events > 0
    assert written(world, gateway) == {"dev": OLD_NAME}
    assert turned(gateway, Keys(b"3" * 32, [NEW, OLD])).keys == 0
    assert world.data_keys(gateway) == []
    with pytest.raises(ConfigError, match=f"{OLD_NAME}, which is not among those given"):
        opened(world, b"3" * 32, NEW)
    opened(world, b"3" * 32, NEW, OLD)


def test_a_copy_that_is_put_back_needs_what_it_needed(world: World) -> None:
    """A vault of before the rotation, and before the key was given up, is refused without the key that it is under."""
    gateway = worked(world, OLD)
    copy = world.rows(gateway, "vault_keys")
    turned(gateway)
    assert adopted(gateway, Keys(NEW)).after == NEW_NAME
    opened(world, NEW)
    with gateway.store.write(locks=["test"]) as connection:
        connection.execute(DATA_KEYS.delete())
        connection.execute(DATA_KEYS.insert(), copy)
    with pytest.raises(ConfigError, match=MISSING):
        opened(world, NEW)
    after = opened(world, NEW, OLD).thread("t")
    assert after.restore("<PERSON_1>", reader="user") == "Anna Kowalska"
    assert after.invoke("crm.create_task", TASK, call_id="c2").status == "duplicate"


# ---- where it is lost


def test_a_lost_key_is_given_up_by_a_person(world: World) -> None:
    """How much is forgotten is counted first; it is in the record, the chains hold, and gateways start again."""
    gateway = worked(world, OLD)
    turned(gateway)
    keys = Keys(NEW)
    assert adopted(gateway, keys, dry_run=True) == Adopted(before=OLD_NAME, after=NEW_NAME, forgotten=1)
    with pytest.raises(ConfigError, match=MISSING):
        opened(world, NEW)
    assert adopted(gateway, keys) == Adopted(before=OLD_NAME, after=NEW_NAME, forgotten=1)
    assert adopted(gateway, keys) == Adopted(before=NEW_NAME, after=NEW_NAME, forgotten=0)
    event = gateway.audit.events(thread="system/-")[-1].data
    assert (event["kind"], event["actor"]["user_id"], event["reason"]) == ("rotated", "ops", "it is lost")
    assert event["diff"] == {"before": {"oldest_key": OLD_NAME}, "after": {"oldest_key": NEW_NAME}}
    assert verify(gateway.store, Keys(NEW, [OLD])).status == "whole"
    assert opened(world, NEW).thread("t").invoke("crm.create_task", TASK, call_id="c2").status == "executed"
    with pytest.raises(ConfigError, match=f"{NEW_NAME}, which is among those given"):
        opened(world, NEW, OLD)


def test_keys_that_open_nothing_are_not_adopted(world: World) -> None:
    """A slip with the wrong key changes nothing; nor does one without a reason."""
    gateway = worked(world, OLD)
    with pytest.raises(StoreError, match="open nothing of this database's vault"):
        adopted(gateway, Keys(NEW))
    with pytest.raises(ConfigError, match="give a reason"):
        adopted(gateway, Keys(OLD), reason=" ")
    assert written(world, gateway) == {"dev": OLD_NAME}
