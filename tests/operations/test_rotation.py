"""The master key is changed, and everything that was written under the old one still counts."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from agent_guard.auditing.sealing import seal
from agent_guard.auditing.verify import verify
from agent_guard.credentials import (
    Credentials,
    EnvironmentCredentials,
    FileCredentials,
    Keys,
    MemoryCredentials,
    SplitCredentials,
)
from agent_guard.errors import ConfigError, StoreError
from agent_guard.operations import oldest_key
from tests.conftest import World

OLD, NEW, OLDEST = b"o" * 32, b"n" * 32, b"1" * 32
TASK = {"deal_id": "42", "subject": "Call Anna Kowalska"}


def text(*keys: bytes, between: str = ",") -> str:
    return between.join(base64.b64encode(key).decode() for key in keys)


def variable(*keys: bytes) -> Credentials:
    return EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY": text(*keys)})


@pytest.mark.req("B10")
@pytest.mark.parametrize("between", [",", "\n", " ", ", ", "\r\n"])
def test_former_keys_follow_the_present_one(tmp_path: Path, between: str) -> None:
    """In a variable or a file, the newest first, with commas or white space between."""
    path = tmp_path / "key"
    path.write_text(text(NEW, OLD, OLDEST, between=between) + "\n", encoding="ascii")
    path.chmod(0o600)
    sources = (
        FileCredentials(path),
        EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY_PROD": text(NEW, OLD, OLDEST, between=between)}),
    )
    for source in (*sources, *(SplitCredentials(key=item, secrets=MemoryCredentials()) for item in sources)):
        assert source.master_key("prod") == NEW
        assert source.former_keys("prod") == (OLD, OLDEST)
        assert Keys.of(source, "prod").every("audit") == tuple(Keys(key).derive("audit") for key in (NEW, OLD, OLDEST))


@pytest.mark.req("B10")
@pytest.mark.parametrize(
    "bad", [text(NEW) + ",", text(NEW) + "," + text(OLD)[:-4], "," + text(NEW), text(NEW) + ";" + text(OLD)]
)
def test_one_bad_key_among_them_is_refused(bad: str) -> None:
    """A list with something else in it is no list of keys, and the message holds none of them."""
    with pytest.raises(ConfigError, match="not 32 bytes in base64") as caught:
        EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY": bad}).master_key()
    assert text(NEW)[:12] not in str(caught.value)


def test_a_source_without_former_keys_has_none() -> None:
    """A source of the host's own needs no more than the port asks for."""
    assert Keys.of(MemoryCredentials(), "prod").every("audit")[1:] == ()
    assert SplitCredentials(key=MemoryCredentials(), secrets=MemoryCredentials()).former_keys("prod") == ()
    with pytest.raises(ConfigError, match="no master key"):
        Keys(NEW, [b"short"])


@pytest.mark.databases
@pytest.mark.req("A5", "B10", "B17")
def test_a_gateway_goes_on_under_a_new_key(world: World) -> None:
    """Pseudonyms are restored, an equal intent stays a duplicate, an open question is answered, the record is whole."""
    before = world.gateway(file=True, credentials=variable(OLD))
    thread = before.open(world.sdr, party=world.anna, thread_id="t1")
    assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "executed"
    asked = thread.invoke("crm.set_stage", {"deal_id": "42", "stage": "won"}, call_id="c2")
    seal(before.store, Keys(OLD), now=world.clock())
    before.close()
    after = world.gateway(file=True, credentials=variable(NEW, OLD))
    again = after.thread("t1")
    assert again.invoke("crm.create_task", TASK, call_id="c3").status == "duplicate"
    assert again.resume(asked.approval_id, "approve", by=world.boss).status == "executed"
    assert (
        again.invoke("crm.create_task", TASK | {"subject": "Write to Anna Kowalska"}, call_id="c4").status == "executed"
    )
    assert [item["subject"] for item in world.desk.effects if item["kind"] == "task"] == [
        "Call Anna Kowalska",
        "Write to Anna Kowalska",
    ]
    seal(after.store, Keys(NEW, [OLD]), now=world.clock())
    report = verify(after.store, Keys(NEW, [OLD]))
    assert (report.status, report.unsealed, report.proven.n) == ("whole", 0, 2)
    assert verify(after.store, Keys(NEW)).status == "undecided"


@pytest.mark.req("A23", "B10")
def test_without_the_former_key_nothing_is_restored(world: World) -> None:
    """Where the old key is left out before the vault is moved, nobody who was let in reads a wrong value."""
    before = world.gateway(file=True, credentials=variable(OLD))
    before.open(world.sdr, party=world.anna, thread_id="t1").check("crm.create_task", TASK)
    before.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oldest_key, "check", lambda *_: None)
        after = world.gateway(file=True, credentials=variable(NEW))
    with pytest.raises(StoreError, match="master key"):
        after.thread("t1").check("crm.create_task", TASK)
