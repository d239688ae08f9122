"""``agent-guard vault rotate``: every data key moves to the new master key, and nobody loses a value on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_guard.auditing.verify import verify
from agent_guard.credentials import Credentials, EnvironmentCredentials, FileCredentials, Keys
from agent_guard.data_keys import MASTER, OLDEST as OLDEST_ROW
from agent_guard.errors import ConfigError, StoreError
from agent_guard.gateway import Gateway
from agent_guard.operations import oldest_key, rotation
from agent_guard.operations.rotation import Rotation, keys_for, rotate
from agent_guard.privacy.erasure import erase
from agent_guard.types import Party
from tests.conftest import Database, World
from tests.operations.test_rotation import NEW, OLD, OLDEST, TASK, text

pytestmark = [pytest.mark.databases, pytest.mark.req("B10", "A23")]

BOTH = Keys(NEW, [OLD])


def given(*keys: bytes) -> Credentials:
    return EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY": text(*keys)})


def known(n: int) -> Party:
    return Party(id=f"contact:{n}", known={"PERSON": [f"Anna Kowalska{n}"]})


def filled(world: World, *keys: bytes, parties: int = 3) -> Gateway:
    """A gateway with a conversation for each party, and one without any."""
    gateway = world.gateway(file=True, credentials=given(*keys))
    for n in range(parties):
        gateway.open(world.sdr, party=known(n), thread_id=f"t{n}")
    gateway.open(world.sdr, user_text="Write to anna@kowalska.example.", thread_id="alone")
    return gateway


def turned(gateway: Gateway, keys: Keys = BOTH, **options: Any) -> Rotation:
    """One rotation over the gateway's database."""
    told: dict[str, Any] = {"reason": "yearly", "by": "ops", "environment": "dev", "now": gateway.clock()}
    audit = type(gateway.audit)(gateway.store, keys)
    return rotate(gateway.store, audit, keys, **(told | options))


def unchecked(world: World, *keys: bytes) -> Gateway:
    """A gateway that is let in without the oldest master key, to see what the vault alone needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oldest_key, "check", lambda *_: None)
        return world.gateway(file=True, credentials=given(*keys))


def readable(world: World, *keys: bytes, parties: int = 3) -> bool:
    """Whether a process with these keys reads every value; none is ever wrong."""
    gateway = unchecked(world, *keys)
    try:
        got = [gateway.thread(f"t{n}").restore("<PERSON_1>", reader="user") for n in range(parties)]
        got.append(gateway.thread("alone").restore("<EMAIL_1>", reader="user"))
    except StoreError as error:
        assert "vault rotate" in str(error)
        return False
    assert got == [*(f"Anna Kowalska{n}" for n in range(parties)), "anna@kowalska.example"]
    return True


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two keys a transaction, so that a few of them are several."""
    monkeypatch.setattr(rotation, "PAGE", 2)
    yield


def test_the_new_key_opens_everything_and_the_former_one_nothing(world: World) -> None:
    """Every data key is wrapped anew, values come back under the new key alone, and who did it is in the record."""
    gateway = filled(world, OLD)
    assert turned(gateway, dry_run=True) == Rotation(keys=4, renewed=4)
    assert readable(world, OLD) and not readable(world, NEW)
    assert turned(gateway) == Rotation(keys=4, renewed=4)
    assert readable(world, NEW) and readable(world, NEW, OLD)
    assert not readable(world, OLD)
    (event,) = [item.data for item in gateway.audit.events(thread="system/-")]
    assert (event["kind"], event["actor"]["user_id"], event["reason"]) == ("rotated", "ops", "yearly")
    assert event["result_meta"] == {"records": 4, "renewed": 4}
    assert turned(gateway) == Rotation(keys=4, renewed=0)
    assert len(gateway.audit.events(thread="system/-")) == 1
    assert verify(gateway.store, BOTH).status == "whole"


def test_conversations_go_on_under_the_new_key(world: World) -> None:
    """New values, new parties and known ones are written and read, and an equal intent is still a duplicate."""
    before = world.gateway(file=True, credentials=given(OLD))
    thread = before.open(world.sdr, party=world.anna, thread_id="t")
    thread.invoke("crm.create_task", TASK, call_id="c1")
    turned(before)
    after = world.gateway(file=True, credentials=given(NEW, OLD))
    again = after.thread("t")
    assert again.observe("Also at anna2@kowalska.example", origin="party") == "Also at <EMAIL_2>"
    assert again.invoke("crm.create_task", TASK, call_id="c2").status == "duplicate"
    after.open(world.sdr, party=known(9), thread_id="t9")
    alone = unchecked(world, NEW)
    assert alone.thread("t").restore("<EMAIL_2> <PERSON_1>", reader="user") == "anna2@kowalska.example Anna Kowalska"
    assert alone.thread("t9").restore("<PERSON_1>", reader="user") == "Anna Kowalska9"


def test_a_process_with_the_former_key_is_told_and_loses_nothing(world: World) -> None:
    """It can neither read nor make a data key that nobody else could open; what it was refused, it did not half do."""
    old = filled(world, OLD)
    held = old.thread("t1").vault()
    turned(world.gateway(file=True, credentials=given(NEW, OLD)))
    for refused in (
        lambda: old.thread("t1").restore("<PERSON_1>", reader="user"),
        lambda: old.thread("t1").observe("Mail eve@x.example", origin="party"),
        lambda: old.thread("t1").invoke("crm.create_task", TASK),
        lambda: old.open(world.sdr, party=known(7), thread_id="t7"),
        lambda: old.open(world.sdr, user_text="Mail eve@x.example", thread_id="t8"),
    ):
        with pytest.raises(StoreError, match="master key"):
            refused()
    ids = {row["id"] for row in world.rows(old, "vault_keys")}
    assert ids == {MASTER, OLDEST_ROW + "dev", "acme/thread/alone", *(f"acme/party/contact:{n}" for n in range(3))}
    held.mint("EMAIL", "late@x.example", "party", "m9")  # begun before, and written after: the data key is the same
    with old.store.write(locks=["test"]) as connection:
        held.flush(connection)
    assert readable(world, NEW)
    after = unchecked(world, NEW)
    assert after.thread("t1").restore("<EMAIL_1>", reader="user") == "late@x.example"
    assert world.desk.effects == []


def test_a_key_that_nobody_has_changes_nothing(world: World) -> None:
    """With the wrong former key nothing is begun: the old processes go on."""
    gateway = filled(world, OLD)
    with pytest.raises(StoreError, match="4 of 4 data keys can be opened by none"):
        turned(gateway, Keys(NEW, [OLDEST]))
    assert readable(world, OLD)
    gateway.open(world.sdr, party=known(7), thread_id="t7")
    assert turned(gateway).renewed == 5


def test_an_erased_party_stays_erased(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data key that is destroyed while its page is wrapped anew does not come back, and does not take the place of
    the one that a new conversation with the same party was given meanwhile.
    """
    gateway = filled(world, OLD)
    new = world.gateway(file=True, credentials=given(NEW, OLD))
    pages: list[int] = []
    real = rotation._renew

    def renew(*args: Any) -> int:
        if not pages:
            told: dict[str, Any] = {"reason": "x", "by": "dpo", "environment": "dev", "now": gateway.clock()}
            for party in ("contact:0", "contact:1"):
                erase(gateway.store, gateway.audit, gateway.sources.keys, tenant="acme", party=party, **told)
            new.open(world.sdr, party=known(1), thread_id="later")
        pages.append(len(args[2]))
        return real(*args)

    monkeypatch.setattr(rotation, "_renew", renew)
    assert turned(gateway) == Rotation(keys=3, renewed=2)
    assert "acme/party/contact:0" not in {row["id"] for row in world.rows(gateway, "vault_keys")}
    assert new.thread("later").restore("<PERSON_1>", reader="user") == "Anna Kowalska1"


def test_a_second_and_a_third_rotation(world: World) -> None:
    """Each is followed by the next; only the newest key opens the vault, and values are what they were."""
    gateway = filled(world, OLDEST)
    turned(gateway, Keys(OLD, [OLDEST]))
    turned(gateway, Keys(NEW, [OLD, OLDEST]))
    assert readable(world, NEW)
    assert not readable(world, OLD) and not readable(world, OLD, OLDEST)


def test_writers_go_on_while_keys_are_wrapped_anew(world: World) -> None:
    """Processes with both keys open conversations and talk all the while; afterwards the new key alone reads it all."""
    gateway = filled(world, OLD)
    new = world.gateway(file=True, credentials=given(NEW, OLD))
    wrong: list[BaseException] = []
    begun = threading.Barrier(4)

    def talk(n: int) -> None:
        try:
            begun.wait()
            for i in range(5):
                thread = new.open(world.sdr, party=known(100 * n + i), thread_id=f"w{n}.{i}")
                thread.observe(f"mail m{i}@w{n}.example", origin="party")
        except BaseException as error:
            wrong.append(error)

    talkers = [threading.Thread(target=talk, args=(n,)) for n in (1, 2, 3)]
    for talker in talkers:
        talker.start()
    begun.wait()
    turned(gateway)
    for talker in talkers:
        talker.join()
    assert wrong == []
    after = unchecked(world, NEW)
    for n in (1, 2, 3):
        for i in range(5):
            restored = after.thread(f"w{n}.{i}").restore("<PERSON_1> <EMAIL_1>", reader="user")
            assert restored == f"Anna Kowalska{100 * n + i} m{i}@w{n}.example"


@pytest.mark.databases("postgres")
def test_a_data_key_that_is_just_being_made_is_not_left_behind(world: World) -> None:
    """A writer with the former key whose transaction is open when the rotation begins is waited for, and included."""
    old = world.gateway(file=True, credentials=given(OLD))
    row = old.open(world.sdr, thread_id="alone").row
    pseudonyms = old.vault.of(row)
    pseudonyms.mint("EMAIL", "anna@kowalska.example", "user", "m1")
    done: list[Rotation] = []
    with old.store.write(locks=["test"]) as connection:
        pseudonyms.flush(connection)
        turning = threading.Thread(target=lambda: done.append(turned(old)))
        turning.start()
        while not connection.exec_driver_sql(
            "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'vault_keys'::regclass"
        ).scalar():
            turning.join(0.01)
            assert turning.is_alive()
    turning.join()
    assert done == [Rotation(keys=1, renewed=1)]


KILLED = """
import os, signal, sys
from agent_guard.operations import rotation
from tests.conftest import World
from tests.operations.test_rotate import given, turned
from tests.operations.test_rotation import NEW, OLD
at, home = int(sys.argv[1]), (sys.argv[2], sys.argv[3])
gateway = World.at(home).gateway(file=True, credentials=given(NEW, OLD))
rotation.PAGE = 2
steps = iter(range(100))
def dying(function):
    def call(*args, **options):
        made = function(*args, **options)
        if next(steps) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return made
    return call
rotation._mark = dying(rotation._mark)
rotation._renew = dying(rotation._renew)
turned(gateway)
"""


def test_a_kill_leaves_every_value_to_whoever_has_both_keys(world: World) -> None:
    """SIGKILL before the first page, between two pages and in the last transaction: both keys read everything, each run
    does what is left, and it is recorded once.
    """
    gateway = filled(world, OLD)
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    for at, left in ((0, 4), (1, 2), (3, 0)):
        ended = subprocess.run([sys.executable, "-c", KILLED, str(at), *world.home], env=env, check=False)
        assert ended.returncode == -signal.SIGKILL
        assert readable(world, NEW, OLD), at
        assert turned(gateway, dry_run=True) == Rotation(keys=4, renewed=left)
    assert turned(gateway) == Rotation(keys=4, renewed=0)
    assert readable(world, NEW) and not readable(world, OLD)
    assert len(gateway.audit.events(thread="system/-")) == 1
    assert verify(gateway.store, BOTH).status == "whole"


def test_the_key_is_made_where_it_lies(world: World, database: Database, tmp_path: Path) -> None:
    """A file gets a new key when none waits, and keeps the one it has while a rotation is not over."""
    path = tmp_path / "master"
    path.write_text(text(OLD), encoding="ascii")
    path.chmod(0o600)
    source, gateway = FileCredentials(path), filled(world, OLD)
    keys = keys_for(gateway.store, source, "prod")
    first = source.master_key("prod")
    assert first != OLD and source.former_keys("prod") == (OLD,)
    assert keys_for(gateway.store, source, "prod").derive("vault") == keys.derive("vault")  # nothing was wrapped yet
    turned(gateway, keys)
    again = keys_for(gateway.store, source, "prod")
    assert again.derive("vault") != keys.derive("vault")
    assert source.former_keys("prod") == (first, OLD)
    turned(gateway, again)
    with pytest.raises(ConfigError, match="put a new one before it"):
        keys_for(gateway.store, given(source.master_key("prod"), first), "prod")
    with pytest.raises(StoreError, match="master key"):
        keys_for(gateway.store, given(OLDEST), "prod")


def test_a_reason_is_needed(world: World) -> None:
    """It stands in the record."""
    gateway = filled(world, OLD)
    with pytest.raises(ConfigError, match="give a reason"):
        turned(gateway, reason=" ")
