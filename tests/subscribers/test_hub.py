"""Subscribers: told of exactly what was committed, in order, and never in a call's way."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from agent_guard.audit import Audit, AuditEvent
from agent_guard.errors import ConfigError
from agent_guard.subscribers.hub import Subscribers
from tests.conftest import World
from tests.receiver import PATIENCE_S
from tests.record import event
from tests.samples import KEYS, NOW_MS, opened

ROOT = Path(__file__).parents[2]
TASK = {"deal_id": "42", "subject": "Call <PERSON_1>"}


class Seen:
    """Keeps what it is told.

    Args:
        error: raised at each event.
    """

    def __init__(self, error: Exception | None = None) -> None:
        self.events: list[AuditEvent] = []
        self.error = error
        self.closed = False

    def on_event(self, event: AuditEvent) -> None:
        self.events.append(event)
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True


class Slow(Seen):
    """Takes its first event when the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.at_work = threading.Event(), threading.Event()

    def on_event(self, event: AuditEvent) -> None:
        self.at_work.set()
        self.gate.wait(PATIENCE_S)
        super().on_event(event)


@pytest.mark.databases
@pytest.mark.req("B8", "B14")
def test_it_is_told_of_what_is_recorded_in_that_order(world: World) -> None:
    """Every event of a conversation, with an approval, as it stands in the record."""
    seen = Seen()
    gateway = world.gateway(subscribers=[seen])
    thread = gateway.open(world.sdr, party=world.anna)
    thread.invoke("crm.create_task", TASK)
    asked = thread.invoke("crm.set_stage", {"deal_id": "42", "stage": "won"})
    thread.resume(str(asked.approval_id), "approve", by=world.boss)
    recorded = [event.data for event in gateway.audit.events()]
    gateway.subscribers.close()
    assert [(item.kind, item.trace_id, item.tool) for item in seen.events] == [
        (item["kind"], item["trace_id"], item["tool"]) for item in recorded
    ]
    assert [item.args_redacted for item in seen.events] == [item["args_redacted"] for item in recorded]
    assert seen.closed


@pytest.mark.databases
def test_what_was_undone_is_told_to_nobody(world: World) -> None:
    """A transaction that fails after its events were written leaves no trace at a subscriber, and holds up no other."""
    seen = Seen()
    gateway = world.gateway(subscribers=[seen])
    for fails in (True, False):
        try:
            with gateway.store.write(locks=["test"]) as connection:
                gateway.audit.append(connection, [event("opened", "t1")], now_ms=NOW_MS)
                gateway.audit.append(connection, [event("opened", "t2")], now_ms=NOW_MS)
                assert seen.events == []
                if fails:
                    raise IntegrityError("", None, ValueError())
        except IntegrityError:
            pass
    gateway.subscribers.close()
    assert [item.thread for item in seen.events] == ["t1", "t2"]


def test_a_later_commit_that_comes_first_waits_for_the_one_before() -> None:
    """Places of one chain are told in the order of the chain, those of another chain at once."""
    seen = Seen()
    hub = Subscribers([seen])
    first, second, other, undone = (
        hub.written([event(kind, thread)])
        for kind, thread in (("opened", "a"), ("proposed", "a"), ("opened", "b"), ("decided", "a"))
    )
    second(True)
    other(True)
    undone(False)
    hub.close()
    assert [item.kind for item in seen.events] == ["opened"]
    first(True)
    hub.close()
    assert [(item.thread, item.kind) for item in seen.events] == [("b", "opened"), ("a", "opened"), ("a", "proposed")]
    assert hub._lines == {}


FORKS = """
import os, sys, threading
from agent_guard.subscribers.hub import Subscribers
from tests.record import event
from tests.subscribers.test_hub import Slow

slow = Slow()
hub = Subscribers([slow])
hub.written([event("opened", "a")])(True)
assert slow.at_work.wait(10)
hub.written([event("proposed", "a")])(True)  # waits for the one at work
open_ = hub.written([event("decided", "a")])  # its transaction is the parent's
busy = hub._subscribers[0][1]._changed
with busy, hub._turn:  # as another thread of the parent may hold them in this moment
    child = os.fork()
slow.gate.set()
if child == 0:
    open_(True)
    hub.written([event("asked", "a")])(True)
    hub.close()
    os._exit(0 if [item.kind for item in slow.events] == ["asked"] else 1)
open_(True)
hub.close()
assert [item.kind for item in slow.events] == ["opened", "proposed", "decided"], slow.events
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@pytest.mark.req("B8")
def test_a_forked_process_tells_its_own_events_and_waits_for_nobody() -> None:
    """What the parent had taken the parent tells, once; no lock that it held keeps a call of the child waiting."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_that_fails_is_logged_once_by_its_kind(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The call is as it is without it, another subscriber hears everything, and no word of the error is repeated."""
    bad, good = Seen(ValueError("Anna Kowalska")), Seen()
    gateway = world.gateway(subscribers=[bad, good])
    result = gateway.open(world.sdr, party=world.anna).invoke("crm.create_task", TASK)
    gateway.subscribers.close()
    assert result.status == "executed"
    assert len(bad.events) == len(good.events) == len(gateway.audit.events())
    assert gateway.subscribers.failed == {"Seen": len(bad.events)}
    told = [record.getMessage() for record in caplog.records if "could not take" in record.getMessage()]
    assert told == ["Seen could not take an event: ValueError; further ones are counted"]
    assert "Kowalska" not in caplog.text


def test_a_slow_one_holds_up_no_call(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """While it hangs calls run to their end; what does not fit into its queue is dropped, counted and logged once."""
    slow, good = Slow(), Seen()
    gateway = world.gateway()
    hub = Subscribers([slow, good], most=2)
    gateway.audit._told = hub.written
    thread = gateway.open(world.sdr, party=world.anna)
    assert slow.at_work.wait(PATIENCE_S)
    for n in range(4):
        assert thread.invoke("crm.create_task", TASK | {"subject": f"Call {n}"}).status == "executed"
    every = len(gateway.audit.events())
    slow.gate.set()
    hub.close()
    assert len(slow.events) + hub.dropped["Slow"] == every
    assert hub.dropped["Slow"] > 0
    assert [record.getMessage() for record in caplog.records if "too slow" in record.getMessage()] == [
        "Slow is too slow: events are dropped and counted; the record has them"
    ]


@pytest.mark.databases
@pytest.mark.req("B8")
def test_eight_writers_are_told_in_the_order_of_each_chain(world: World) -> None:
    """Every event of every conversation, none twice, each chain in its order."""
    seen = Seen()
    gateway = world.gateway(file=True, subscribers=[seen])
    wrong: list[BaseException] = []

    def write() -> None:
        try:
            thread = gateway.open(world.sdr, party=world.anna)
            for n in range(5):
                thread.invoke("crm.create_task", TASK | {"subject": f"Call {thread.id} {n}"})
                gateway.press("tool:crm.set_stage", reason="drill", by="boss", tenant="acme")
        except BaseException as error:
            wrong.append(error)

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert wrong == []
    gateway.subscribers.close()
    recorded: dict[str, list[Any]] = {}
    for item in gateway.audit.events():
        recorded.setdefault(item.thread, []).append((item.data["kind"], item.data["trace_id"], item.data["timestamp"]))
    told: dict[str, list[Any]] = {}
    for heard in seen.events:
        told.setdefault(heard.thread, []).append((heard.kind, heard.trace_id, heard.timestamp))
    assert told == recorded
    assert all(list(gateway.audit.broken(name)) == [] for name in recorded)


@pytest.mark.parametrize("given", [object(), "log", Seen])
def test_what_is_no_subscriber_is_refused(given: Any, world: World) -> None:
    """When the gateway is built, by the name of what was given."""
    if given is Seen:  # a class has the method and cannot be called without an event; an object of it is meant
        assert Subscribers([given()])
        return
    with pytest.raises(ConfigError, match="is no subscriber; it needs a method on_event"):
        world.gateway(subscribers=[given])


def test_without_one_nothing_is_kept() -> None:
    """A record without subscribers calls nobody."""
    with opened() as store:
        audit = Audit(store, KEYS)
        with store.write(locks=["test"]) as connection:
            audit.append(connection, [event()], now_ms=NOW_MS)
        assert not Subscribers([])
    assert logging.getLogger("agent_guard").name == "agent_guard"
