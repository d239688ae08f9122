"""Erasing a party: nothing can be restored, the record holds, nobody else loses anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from agent_guard.audit import Audit
from agent_guard.auditing.sealing import seal
from agent_guard.auditing.verify import verify
from agent_guard.credentials import Keys
from agent_guard.errors import ApprovalError, ConfigError, ErasedThread, Held, StoreError
from agent_guard.gateway import Gateway
from agent_guard.nodes import guarded_agent
from agent_guard.privacy import holds
from agent_guard.privacy.erasure import Erasure, erase
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel, assert_no_personal_data, call
from agent_guard.types import Code, Party, ToolCall
from agent_guard.vault import DATA_KEYS, ENTRIES, Vault
from tests.conftest import Database, World

pytestmark = [pytest.mark.databases, pytest.mark.req("A23")]

TASK = {"deal_id": "42", "subject": "Call <PERSON_1>"}
STAGE = {"deal_id": "42", "stage": "won"}
BORIS = Party(id="contact:18", refs={"deal_id": "43"}, known={"PERSON": ["Boris Sidorow"]})


def erased(gateway: Gateway, party: str = "contact:17", **options: Any) -> Erasure:
    """One erasure, by the gateway's clock."""
    given = {"tenant": "acme", "reason": "asked for it", "by": "dpo", "environment": "dev", "now": gateway.clock()}
    return erase(gateway.store, gateway.audit, keys(gateway), party=party, **(given | options))


def keys(gateway: Gateway) -> Keys:
    return gateway.sources.keys


def test_nothing_of_the_party_can_be_restored(world: World) -> None:
    """Its pseudonyms stay and say so, in every process, and no sealed value and no key of it is left."""
    gateway, other = world.gateway(file=True), world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna, user_text="Call Anna Kowalska at +48 512 345 678.")
    text = str(thread.text)
    seen_elsewhere = other.thread(thread.id)
    assert "Anna Kowalska" in seen_elsewhere.restore(text, reader="user")
    done = erased(gateway)
    assert (done.threads, done.already) == (1, None) and done.values >= 3
    for each in (thread, seen_elsewhere, world.gateway(file=True).thread(thread.id)):
        assert each.restore("Dear <PERSON_1>", reader="user") == "Dear <PERSON_1> (erased)"
        assert each.vault().entries() == []
        assert each.vault().erased
    assert world.data_keys(gateway) == []
    assert {bytes(row["sealed"]) for row in world.rows(gateway, "vault_entries")} == {b""}


def test_a_copy_of_the_key_opens_nothing_that_is_still_there(world: World) -> None:
    """The wrapped key put back as it was in a backup, and the mark taken off, the values stay gone."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    kept = world.data_keys(gateway)
    erased(gateway)
    with gateway.store.write(locks=["test"]) as connection:
        connection.execute(DATA_KEYS.insert(), kept)
        connection.exec_driver_sql("UPDATE threads SET erased = NULL")
    with pytest.raises(Exception, match="cannot be read"):
        Vault(gateway.store, keys(gateway)).of(thread.row)


def test_the_files_hold_no_value(world: World) -> None:
    """Neither the values nor the sealed rows stand in the database's file or its log after the erasure."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    sealed = [bytes(row["sealed"]) for row in world.rows(gateway, "vault_entries")]
    wrapped = [bytes(row["wrapped"]) for row in world.data_keys(gateway)]
    path = gateway.store.path
    if path is None:
        assert erased(gateway).scrubbed  # a server's files are its own
        return
    files = [path, Path(f"{path}-wal")]
    before = b"".join(file.read_bytes() for file in files)
    assert all(item in before for item in sealed + wrapped)
    assert erased(gateway).scrubbed
    after = b"".join(file.read_bytes() for file in files if file.exists())
    assert not any(item in after for item in sealed + wrapped)
    assert_no_personal_data([path], ["Anna Kowalska"])
    assert thread.vault().erased


def test_a_reader_of_an_older_state_keeps_the_log_and_it_is_said(world: World) -> None:
    """The values are gone for everybody all the same, and the second call finishes what the first could not."""
    gateway = world.gateway(file=True)
    gateway.open(world.sdr, party=world.anna)
    if gateway.store.path is None:
        return
    with world.gateway(file=True).store.read() as connection:
        connection.execute(sa.select(ENTRIES)).all()
        assert not erased(gateway).scrubbed
    assert erased(gateway).scrubbed


def test_the_record_holds_and_tells_of_it(world: World) -> None:
    """Every chain and every seal is as it was, and an event says who erased what, why and how much."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    thread.invoke("crm.create_task", TASK)
    seal(gateway.store, keys(gateway), now=world.clock())
    bodies = [event.body for event in gateway.audit.events()]
    done = erased(gateway)
    report = verify(gateway.store, keys(gateway))
    assert (report.status, report.proven and report.proven.n) == ("whole", 1)
    assert [event.body for event in gateway.audit.events()][: len(bodies)] == bodies
    (told,) = gateway.audit.events(thread="system/acme")
    data = told.data
    assert (data["kind"], data["party"], data["actor"]["user_id"]) == ("erased", "contact:17", "dpo")
    assert data["reason"] == "asked for it"
    assert (data["result_meta"]["values"], data["result_meta"]["threads"]) == (done.values, 1)


def test_nobody_else_loses_anything(world: World) -> None:
    """Another customer, the same id of another tenant and a thread without a customer read as before."""
    gateway = world.gateway(file=True)
    gateway.open(world.sdr, party=world.anna)
    boris = gateway.open(world.sdr, party=BORIS)
    theirs = gateway.open(world.stranger, party=world.anna)
    alone = gateway.open(world.sdr, user_text="Write to ann@acme.example")
    erased(gateway)
    assert boris.restore("<PERSON_1>", reader="user") == "Boris Sidorow"
    assert theirs.restore("<PERSON_1>", reader="user") == "Anna Kowalska"
    assert alone.restore(str(alone.text), reader="user") == "Write to ann@acme.example"


def test_what_waits_is_ended(world: World) -> None:
    """A question cannot be answered any more, what was approved does not run, and no worker takes either up."""
    gateway = world.gateway()
    waiting = gateway.open(world.sdr, party=world.anna)
    asked = waiting.invoke("crm.set_stage", STAGE)
    approved = gateway.open(world.sdr, party=world.anna)
    second = approved.invoke("crm.set_stage", STAGE | {"stage": "lost"})
    gateway.answer(str(second.approval_id), "approve", by=world.boss)
    assert erased(gateway).ended == 2
    with pytest.raises(ApprovalError, match="has expired"):
        waiting.resume(str(asked.approval_id), "approve", by=world.boss)
    row = world.rows(gateway, "calls")[1]
    call = ToolCall(id=row["call_id"], tool=row["tool"], args=STAGE | {"stage": "lost"}, thread=approved.id)
    assert gateway.execute(approved.row, call).status == "denied"
    assert world.desk.effects == []
    assert gateway.approvals.list(now_ms=gateway.now_ms()) == []
    assert {row["state"] for row in world.rows(gateway, "calls")} == {"expired"}
    assert all(row["resumed"] for row in world.rows(gateway, "approvals"))
    assert world.kinds(waiting)[-2:] == ["expired", "refused"]


def test_a_closed_conversation_takes_nothing(world: World) -> None:
    """It hears no message, decides no call, asks no model and is not opened again; the denial is a value."""
    gateway = world.gateway()
    thread = gateway.open(world.sdr, party=world.anna, thread_id="t1")
    erased(gateway)
    assert thread.check("crm.read_deal", {"deal_id": "42"}).code is Code.ERASED
    denied = thread.invoke("crm.read_deal", {"deal_id": "42"})
    assert (denied.status, denied.code, denied.code.stops) == ("denied", Code.ERASED, True)
    assert gateway.step(thread.row) is Code.ERASED
    with pytest.raises(ErasedThread, match="open a new conversation"):
        thread.hear("It is me, Anna Kowalska", origin="party")
    with pytest.raises(ErasedThread, match="open a new conversation"):
        gateway.open(world.sdr, party=world.anna, thread_id="t1")
    assert world.desk.effects == []


def test_a_later_conversation_is_a_new_one(world: World) -> None:
    """The same person has another key, and the old conversation's pseudonyms stay closed."""
    gateway = world.gateway(file=True)
    old = gateway.open(world.sdr, party=world.anna)
    (before,) = world.data_keys(gateway)
    erased(gateway)
    new = gateway.open(world.sdr, party=world.anna)
    (after,) = world.data_keys(gateway)
    assert before["wrapped"] != after["wrapped"]
    assert new.restore("<PERSON_1>", reader="user") == "Anna Kowalska"
    assert new.invoke("crm.create_task", TASK).status == "executed"
    assert old.restore("<PERSON_1>", reader="user") == "<PERSON_1> (erased)"
    generations = {row["thread"]: row["key_id"] for row in world.rows(gateway, "vault_entries")}
    assert generations[old.id] != generations[new.id]
    assert erased(gateway).threads == 1
    assert new.vault().erased and old.vault().erased


def test_the_same_again_says_that_it_is_done(world: World) -> None:
    """The second time nothing is written; the answer says when it was erased."""
    gateway = world.gateway()
    gateway.open(world.sdr, party=world.anna)
    erased(gateway)
    when, events = gateway.now_ms(), len(gateway.audit.events())
    world.clock.forward(hours=5)
    assert erased(gateway).already == when
    assert len(gateway.audit.events()) == events


def test_a_dry_run_counts_and_changes_nothing(world: World) -> None:
    """What it counts is what the erasure then does."""
    gateway = world.gateway()
    thread = gateway.open(world.sdr, party=world.anna)
    thread.invoke("crm.set_stage", STAGE)
    before = world.dump(gateway)
    counted = erased(gateway, dry_run=True)
    assert world.dump(gateway) == before
    done = erased(gateway)
    assert (counted.threads, counted.values, counted.ended) == (done.threads, done.values, done.ended) == (1, 3, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"party": "contact:99"}, "nothing of a party 'contact:99' is stored"),
        ({"party": " "}, "name the party by its id"),
        ({"reason": ""}, "give a reason"),
        ({"tenant": "other"}, "for the tenant 'other'"),
    ],
)
def test_a_slip_of_the_keyboard_erases_nothing(world: World, given: dict[str, str], message: str) -> None:
    """An unknown party, another tenant or no reason is refused, and nothing is recorded."""
    gateway = world.gateway()
    thread = gateway.open(world.sdr, party=world.anna)
    with pytest.raises(ConfigError, match=message):
        erased(gateway, **given)
    assert thread.restore("<PERSON_1>", reader="user") == "Anna Kowalska"
    assert len(gateway.audit.events()) == 1


def test_a_legal_hold_forbids_it_by_name(world: World) -> None:
    """While it is in force nothing is erased; once it is released it is. All of it is in the record."""
    gateway = world.gateway()
    thread = gateway.open(world.sdr, party=world.anna)
    given = {"tenant": "acme", "party": "contact:17", "environment": "dev", "now": world.clock()}
    for name in ("Kowalska v. Acme", "audit"):
        holds.place(gateway.store, gateway.audit, name=name, reason="a suit", by="dpo", **given)
    with pytest.raises(ConfigError, match="in force already"):
        holds.place(gateway.store, gateway.audit, name="audit", reason="a suit", by="dpo", **given)
    for dry_run in (True, False):
        with pytest.raises(Held, match=r"'Kowalska v. Acme' \(placed by dpo on 2026-01-05\), 'audit'"):
            erased(gateway, dry_run=dry_run)
    assert thread.restore("<PERSON_1>", reader="user") == "Anna Kowalska"
    for name in ("Kowalska v. Acme", "audit"):
        holds.release(gateway.store, gateway.audit, name=name, reason="settled", by="dpo2", **given)
    with pytest.raises(ConfigError, match="no hold 'audit' on 'contact:17' is in force; there is: none"):
        holds.release(gateway.store, gateway.audit, name="audit", reason="settled", by="dpo", **given)
    erased(gateway)
    told = [(event.data["kind"], event.data["note"]) for event in gateway.audit.events(thread="system/acme")]
    assert told == [
        ("held", "Kowalska v. Acme"), ("held", "audit"), ("released", "Kowalska v. Acme"), ("released", "audit"),
        ("erased", None),
    ]  # fmt: skip


def test_a_call_that_runs_meanwhile_ends_as_it_ends_and_leaves_no_value(world: World) -> None:
    """Erased while its tool runs, a call is settled and recorded, and what it learnt can be read by nobody."""
    gateway, other = world.gateway(file=True), world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    done: list[Erasure] = []
    world.desk.before = lambda: done.append(erased(other))
    result = thread.invoke("crm.read_deal", {"deal_id": "42"})
    assert (result.status, done[0].running) == ("executed", 1)
    assert result.content["owner_name"].startswith("<PERSON_")
    assert other.thread(thread.id).vault().entries() == []
    assert world.data_keys(gateway) == []
    assert list(gateway.audit.broken(thread.id)) == []
    assert world.kinds(thread)[-1] == "finished"


def test_a_call_that_was_decided_before_does_not_run_after(world: World) -> None:
    """Erased between its proposal and its claim, with the values in memory, a call is denied and nothing happens."""
    gateway, other = world.gateway(file=True), world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    call = thread.masked_call("crm.create_task", TASK, "c1", None)
    assert gateway.propose(thread.row, call).row.state == "proposed"
    gathered = gateway.gather(thread.row, call, gateway.vault.of(thread.row))
    assert gathered.arguments.real["subject"] == "Call Anna Kowalska"
    erased(other)
    with gateway.store.read() as connection:
        assert gateway.decide(gathered, connection, None)[1].code is Code.ERASED
    assert gateway.execute(thread.row, call).status == "denied"
    assert world.desk.effects == []


@pytest.mark.req("B16")
def test_writers_and_the_erasure_at_once(world: World) -> None:
    """Eight writers talk about the party while it is erased: afterwards nothing can be read in what is closed, what was
    opened later is whole, and so is every chain.
    """
    gateway = world.gateway(file=True)
    threads = [gateway.open(world.sdr, party=world.anna) for _ in range(8)]
    wrong: list[BaseException] = []
    begun = threading.Barrier(9)

    def write(n: int) -> None:
        try:
            begun.wait()
            for i in range(6):
                threads[n].observe(f"mail{i} to p{n}x{i}@acme.example", origin="party")
                threads[n].invoke("crm.read_deal", {"deal_id": "42"})
        except BaseException as error:
            wrong.append(error)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for writer in writers:
        writer.start()
    begun.wait()
    erased(gateway)
    later = gateway.open(world.sdr, party=world.anna)
    for writer in writers:
        writer.join()
    assert wrong == []
    for thread in threads:
        assert thread.vault().entries() == []
    assert later.restore("<PERSON_1>", reader="user") == "Anna Kowalska"
    own = {
        row["key_id"]
        for row in world.rows(gateway, "vault_entries")
        if bytes(row["sealed"]) and row["thread"] != later.id
    }
    assert all(key.endswith("#erased") for key in own)
    assert verify(gateway.store, keys(gateway)).status == "whole"


KILLED = """
import os, signal, sys
from agent_guard.privacy import erasure
from tests.conftest import World
at, home = sys.argv[1], (sys.argv[2], sys.argv[3])
world = World.at(home)
gateway = world.gateway(file=True)
def die(where):
    if where == at:
        os.kill(os.getpid(), signal.SIGKILL)
def dying(function):
    def call(*args, **options):
        die(f"before {function.__name__}")
        made = function(*args, **options)
        die(f"after {function.__name__}")
        return made
    return call
erasure._close = dying(erasure._close)
erasure.vault.destroy = dying(erasure.vault.destroy)
gateway.audit.append = dying(gateway.audit.append)
gateway.store.scrub = dying(gateway.store.scrub)
erasure.erase(gateway.store, gateway.audit, gateway.sources.keys, tenant="acme", party="contact:17", reason="x", by="dpo",
              environment="dev", now=gateway.clock())
"""


def test_a_kill_leaves_all_or_nothing(world: World) -> None:
    """SIGKILL at each step of an erasure: either everything of it happened or nothing, and the next one finishes it."""
    gateway = world.gateway(file=True)
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    steps = [f"{when} {what}" for what in ("_close", "append", "destroy", "scrub") for when in ("before", "after")]
    outcomes: list[bool] = []
    for at in steps:
        thread = gateway.open(world.sdr, party=world.anna)
        asked = thread.invoke("crm.set_stage", STAGE)
        ended = subprocess.run([sys.executable, "-c", KILLED, at, *world.home], env=env, check=False)
        told = [event for event in gateway.audit.events(thread="system/acme") if event.data["kind"] == "erased"]
        state = next(row["state"] for row in world.rows(gateway, "calls") if row["trace_id"] == asked.trace_id)
        after = (thread.vault().erased, state, len(world.data_keys(gateway)), len(told))
        assert after in [(False, "pending", 1, 0), (True, "expired", 0, 1)], at
        assert ended.returncode == -signal.SIGKILL
        outcomes.append(after[0])
        if after[0]:
            break
        assert thread.restore("<PERSON_1>", reader="user") == "Anna Kowalska"
        thread.resume(str(asked.approval_id), "reject", by=world.boss)
    assert outcomes == [False] * 6 + [True]
    assert erased(gateway).already is not None
    assert verify(gateway.store, keys(gateway)).status == "whole"


def test_another_master_key_erases_nothing(world: World) -> None:
    """It would write the record of it under a key that nobody knows; the message says what to do."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    with pytest.raises(StoreError, match="give the key the database was written with"):
        erase(
            gateway.store, Audit(gateway.store, Keys(b"x" * 32)), Keys(b"x" * 32), tenant="acme", party="contact:17",
            reason="x", by="dpo", environment="dev", now=gateway.clock(),
        )  # fmt: skip
    assert thread.restore("<PERSON_1>", reader="user") == "Anna Kowalska"
    assert len(gateway.audit.events()) == 1


def test_a_graph_that_waits_ends_without_an_error(world: World) -> None:
    """Its question cannot be answered, its next message is refused with what to do, and a run that is under way stops
    and calls a person; nothing was done.
    """
    gateway = world.gateway(file=True)
    other = world.gateway(file=True)
    proposing = call("crm.set_stage", "Because it was asked for.", **STAGE)
    model = ScriptedModel(proposing, lambda _: (erased(other, "contact:18"), proposing)[1], "Done.")
    with Session(guarded_agent(model, gateway), gateway, checkpointer=world.database.checkpoints) as session:
        waits = session.start("Close the deal", world.sdr, speaker="user", party=world.anna)
        erased(gateway)
        with pytest.raises(ApprovalError, match="expired"):
            session.resume(waits.pending.id, "approve", by=world.boss)
        with pytest.raises(ErasedThread, match="open a new conversation"):
            session.send(waits.thread_id, "Hello?", speaker="user", by=world.sdr)
        runs = session.start("Close the deal", world.sdr, speaker="user", party=BORIS)
        assert (runs.status, runs.code) == ("escalated", Code.ERASED)
    assert world.desk.effects == []


def test_the_vault_of_a_database_alone_tells_nothing(database: Database, world: World) -> None:
    """A thread row that is marked as erased cannot be read even where the key is still there."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    with gateway.store.write(locks=["test"]) as connection:
        connection.exec_driver_sql("UPDATE threads SET erased = 1")
    assert thread.vault().entries() == []


# ---- one conversation


def closed(gateway: Gateway, thread: str, **options: Any) -> Erasure:
    """One conversation erased, by the gateway's clock."""
    return erased(gateway, party=None, thread=thread, **options)  # type: ignore[arg-type]


def test_a_conversation_without_a_party_is_erased_with_its_key(world: World) -> None:
    """Its values are under a key of their own, and both are gone; other conversations keep theirs."""
    gateway, other = world.gateway(file=True), world.gateway(file=True)
    alone = gateway.open(world.sdr, user_text="Write to anna@kowalska.example.", thread_id="alone")
    stays = gateway.open(world.sdr, user_text="Write to boris@sidorow.example.", thread_id="stays")
    counted = closed(gateway, "alone", dry_run=True)
    done = closed(gateway, "alone")
    assert (counted.threads, counted.values) == (done.threads, done.values) == (1, 1)
    for each in (alone, other.thread("alone")):
        assert each.restore(str(alone.text), reader="user") == "Write to <EMAIL_1> (erased)."
        assert each.vault().entries() == []
    assert stays.restore(str(stays.text), reader="user") == "Write to boris@sidorow.example."
    assert [row["id"] for row in world.data_keys(gateway)] == ["acme/thread/stays"]
    (told,) = gateway.audit.events(thread="system/acme")
    assert (told.data["kind"], told.data["party"], told.data["note"]) == ("erased", None, "thread alone")
    assert verify(gateway.store, keys(gateway)).status == "whole"
    assert closed(gateway, "alone").already is not None
    with pytest.raises(ErasedThread, match="was erased"):
        gateway.open(world.sdr, thread_id="alone")


def test_of_a_partys_conversations_one_is_erased(world: World) -> None:
    """The others are under the same key and can be read; what waits in the one ends; later all of the party is erased."""
    gateway = world.gateway(file=True)
    one, two = (gateway.open(world.sdr, party=world.anna, thread_id=name) for name in ("one", "two"))
    asked = one.invoke("crm.set_stage", STAGE)
    done = closed(gateway, "one")
    assert (done.party, done.threads, done.values, done.ended) == ("contact:17", 1, 3, 1)
    assert one.vault().erased and one.vault().entries() == []
    assert not any(bytes(row["sealed"]) for row in world.rows(gateway, "vault_entries") if row["thread"] == "one")
    assert two.restore("<PERSON_1>", reader="user") == "Anna Kowalska"
    with pytest.raises(ApprovalError, match="expired"):
        gateway.answer(str(asked.approval_id), "approve", by=world.boss)
    assert erased(gateway).threads == 1
    assert world.data_keys(gateway) == []


def test_a_hold_on_the_party_covers_its_conversations(world: World) -> None:
    """While it is in force none of them is erased."""
    gateway = world.gateway()
    thread = gateway.open(world.sdr, party=world.anna, thread_id="one")
    given = {"tenant": "acme", "party": "contact:17", "environment": "dev", "now": world.clock()}
    holds.place(gateway.store, gateway.audit, name="suit", reason="a suit", by="dpo", **given)
    with pytest.raises(Held, match="'suit'"):
        closed(gateway, "one")
    assert thread.restore("<PERSON_1>", reader="user") == "Anna Kowalska"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"thread": "two"}, "there is no thread 'two' of the tenant 'acme'"),
        ({"thread": "one", "tenant": "other"}, "there is no thread 'one' of the tenant 'other'"),
        ({"thread": "one", "party": "contact:17"}, "a party or a thread, one of them"),
        ({"thread": None}, "a party or a thread, one of them"),
        ({"thread": "one", "reason": " "}, "give a reason"),
    ],
)
def test_another_conversation_is_not_erased_by_mistake(world: World, given: dict[str, Any], message: str) -> None:
    """An unknown one, another tenant's, both names or none: refused, and everything can be read."""
    gateway = world.gateway()
    thread = gateway.open(world.sdr, user_text="Write to anna@kowalska.example.", thread_id="one")
    with pytest.raises(ConfigError, match=message):
        erased(gateway, **({"party": None} | given))
    assert thread.restore("<EMAIL_1>", reader="user") == "anna@kowalska.example"
