"""A new question is told: after it is stored, beside the call, and until somebody has taken the notice."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from agent_guard import approvals
from agent_guard.approvals import Approval
from agent_guard.errors import ConfigError, DeliveryError, StoreError
from agent_guard.gateway import Gateway
from agent_guard.nodes import guarded_agent
from agent_guard.notifications import courier, notices
from agent_guard.notifications.alerts import NOTICE_UNDELIVERED, Alert, Alerts
from agent_guard.notifications.notices import notice_of
from agent_guard.notifications.notify import LogNotifier, Notice, WebhookNotifier
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel, call
from tests.conftest import World
from tests.receiver import PATIENCE_S, SECRET, Receiver, receiving
from tests.samples import NOW_MS

RAW = "Call Anna Kowalska, +48 512 345 678 or anna@kowalska.example"
VALUES = ("Kowalska", "512", "anna@", "kowalska.example")
TASK = {"deal_id": "42", "subject": RAW}
ASKED = {"crm.create_task": {"mode": "approve"}}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "PAUSE_S", 0)


@pytest.fixture(name="receiver")
def _receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


class Bell:
    """Port ``Notifier``: remembers what it was told, and fails as it is told."""

    def __init__(self) -> None:
        self.rung: list[Notice] = []
        self.error: Exception | None = None

    def asked(self, notice: Notice) -> None:
        """Remembers one."""
        self.rung.append(notice)
        if self.error is not None:
            raise self.error


class Deaf:
    """Port ``Alerter`` that remembers."""

    def __init__(self) -> None:
        self.told: list[Alert] = []

    def send(self, alert: Alert) -> None:
        """Remembers one."""
        self.told.append(alert)


def told(world: World, *notifiers: Any, **options: Any) -> Gateway:
    """A gateway that asks about every task, and tells."""
    return world.gateway(world.policy(ASKED), notify=notifiers, file=True, **options)


def ask(world: World, gateway: Gateway, thread: str = "t1", **args: Any) -> str:
    """Asks one question and returns its id."""
    opened = gateway.open(world.sdr, thread_id=thread, party=world.anna)
    pending = opened.invoke("crm.create_task", TASK | args, call_id=f"{thread}-{len(args)}")
    assert pending.status == "pending"
    assert pending.approval_id is not None
    return pending.approval_id


def settled(gateway: Gateway) -> None:
    """Waits until what was handed over is done."""
    assert gateway.notices._courier._changed is not None
    with gateway.notices._courier._changed:
        assert gateway.notices._courier._changed.wait_for(gateway.notices._courier._is_idle, PATIENCE_S)


def notified(gateway: Gateway, approval_id: str) -> int | None:
    """When a question's notice was delivered."""
    found = gateway.approvals.get(approval_id)
    assert found is not None
    return found.notified


# ---- what is told


@pytest.mark.req("A12", "A7")
@pytest.mark.databases()
def test_a_question_is_told_signed_and_masked(world: World, receiver: Receiver) -> None:
    """The receiver learns what is asked, of whom and until when, in pseudonyms; then the question counts as told."""
    gateway = told(world, WebhookNotifier(receiver.url, SECRET))
    id = ask(world, gateway)
    (came,) = receiver.got(1)
    settled(gateway)
    asked = gateway.approvals.get(id)
    assert asked is not None
    assert came.signed
    assert came.id == id
    assert b'"type":"approval.asked","timestamp":"2026-01-05T11:20:04.000+00:00"' in came.body
    assert came.data == {
        "approval_id": id, "tool": "crm.create_task", "effect": "draft", "tenant": "acme", "requester": "u1",
        "roles": ["manager"], "not_requester": False, "asked_at": "2026-01-05T11:20:04.000+00:00",
        "expires_at": "2026-01-06T11:20:04+00:00", "description": asked.shown["description"], "thread": "t1",
        "trace_id": asked.trace_id,
    }  # fmt: skip
    assert "Call <PERSON_1>, <PHONE_1> or <EMAIL_1>" in came.data["description"]
    assert asked.notified == NOW_MS


@pytest.mark.req("A23", "B6")
@pytest.mark.databases()
def test_no_raw_value_is_told_alerted_or_logged(
    world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever becomes of a notice, no value of the conversation leaves by it, by an alert or by the log."""
    caplog.set_level(logging.DEBUG)
    deaf, bell = Deaf(), Bell()
    bell.error = ValueError(RAW)
    gateway = told(
        world, WebhookNotifier(receiver.url, SECRET), LogNotifier(), bell, alerts=Alerts([deaf], clock=world.clock)
    )
    session = Session(
        guarded_agent(ScriptedModel(call("crm.create_task", RAW, **TASK), RAW), gateway), gateway,
        checkpointer=f"sqlite:///{world.folder}/threads.db",
    )  # fmt: skip
    reply = session.start(RAW, world.sdr, speaker="user", party=world.anna)
    assert reply.pending is not None
    world.desk.change("42", "won")
    session.resume(reply.pending.id, "edit", by=world.boss, args=TASK | {"subject": f"Again: {RAW}"}, message=RAW)
    receiver.got(2)
    settled(gateway)
    world.clock.forward(minutes=1)
    assert gateway.notify_waiting() == 0
    gateway.alerts.drain(PATIENCE_S)
    session.close()
    gateway.close()
    assert [alert.kind for alert in deaf.told] == [NOTICE_UNDELIVERED]
    everything = [*(item.body.decode() for item in receiver.requests), repr(receiver.requests), repr(deaf.told)]
    everything += [caplog.text, repr(caplog.records), repr([asdict(item) for item in bell.rung]), repr(gateway.notices)]
    assert "Again: Call <PERSON_1>" in "".join(everything)
    for text in everything:
        for value in VALUES:
            assert value.casefold() not in text.casefold()


def approval(**given: Any) -> Approval:
    """A question as it is stored."""
    return Approval(
        **{
            "id": "apr_1", "trace_id": "T1", "thread": "t1", "tenant": "acme", "requester": "u1", "tool": "crm.x",
            "digest": "sha256:x", "roles": ("lead", "manager"), "not_requester": True, "shown": {}, "created": NOW_MS,
            "expires": NOW_MS + 1000,
        }
        | given
    )  # fmt: skip


@pytest.mark.parametrize(
    ("description", "length", "end"),
    [
        ("x" * 4000, 4000, "x"),
        ("x\n" * 2001, 4011, "x\n\n(cut here)"),
        ("x" * 4001, 4012, "x\n\n(cut here)"),
        (None, 0, ""),
    ],
)
def test_a_long_description_is_cut(description: str | None, length: int, end: str) -> None:
    """At the end of a line where there is one: receivers are promised small messages."""
    found = notice_of(approval(shown={"description": description})).description
    assert (len(found), found.endswith(end)) == (length, True)


def test_something_that_cannot_tell_is_refused(world: World) -> None:
    """When the gateway is built."""
    with pytest.raises(ConfigError, match="str is no notifier"):
        world.gateway(notify=["manager@acme.example"])


# ---- when it is told


@pytest.mark.databases()
def test_a_question_is_told_after_it_is_stored(world: World) -> None:
    """Whoever is told can read the question at once, from another process, and no transaction of the call is open."""
    seen: list[Any] = []
    other = world.gateway(world.policy(ASKED), file=True)

    class Reader:
        def asked(self, notice: Notice) -> None:
            with other.store.write(locks=["test"]) as connection:
                seen.append(approvals.find(connection, notice.approval_id))

    gateway = told(world, Reader())
    id = ask(world, gateway)
    settled(gateway)
    assert [item.id for item in seen] == [id]


@pytest.mark.req("B17")
def test_a_slow_receiver_holds_up_nobody(world: World, receiver: Receiver) -> None:
    """The call goes on while its notice is on its way, and another one waits behind it."""
    receiver.answers = [receiver.later]
    gateway = told(world, WebhookNotifier(receiver.url, SECRET, timeout_s=20))
    first = ask(world, gateway, "t1")
    receiver.got(1)
    second = ask(world, gateway, "t2")
    thread = gateway.thread("t1")
    assert thread.resume(first, "approve", by=world.boss).status == "executed"
    assert (notified(gateway, first), notified(gateway, second)) == (None, None)
    receiver.go.set()
    receiver.got(2)
    settled(gateway)
    assert notified(gateway, first) and notified(gateway, second)


@pytest.mark.databases()
def test_what_is_no_new_question_is_not_told(world: World) -> None:
    """A call that runs, is denied or only suggested, and the same call proposed again."""
    bell = Bell()
    rules = {"crm.create_task": {"mode": "approve"}, "messages.send": {"mode": "suggest"}}
    gateway = world.gateway(world.policy(rules), notify=[bell])
    thread = gateway.open(world.sdr, party=world.anna)
    assert thread.invoke("crm.read_deal", {"deal_id": "42"}).status == "executed"
    assert thread.invoke("crm.create_task", TASK | {"deal_id": "43"}).status == "denied"
    assert thread.invoke("messages.send", {"text": "Hello"}).status == "suggested"
    settled(gateway)
    assert bell.rung == []
    for _ in range(3):
        assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "pending"
    settled(gateway)
    assert len(bell.rung) == 1


@pytest.mark.parametrize("same", [True, False])
def test_an_edit_is_told_only_where_it_asks_again(world: World, same: bool) -> None:
    """The editor's own answer stands for an edit, unless the record changed since: then there is a new question."""
    bell = Bell()
    gateway = told(world, bell)
    id = ask(world, gateway)
    if not same:
        world.desk.change("42", "won")
    done = gateway.thread("t1").resume(id, "edit", by=world.boss, args=TASK | {"subject": "Write"})
    settled(gateway)
    asked = [notice.approval_id for notice in bell.rung]
    assert (done.status, len(asked)) == (("executed", 1) if same else ("pending", 2))
    assert same or asked == [id, done.approval_id]


def test_a_graph_that_runs_its_nodes_again_tells_once(world: World) -> None:
    """A bad answer, a state that is read, and a double click make no second question."""
    bell = Bell()
    gateway = told(world, bell)
    session = Session(
        guarded_agent(ScriptedModel(call("crm.create_task", **TASK), "Done."), gateway), gateway,
        checkpointer=f"sqlite:///{world.folder}/threads.db",
    )  # fmt: skip
    reply = session.start("Remind me", world.sdr, speaker="user", party=world.anna)
    assert reply.pending is not None
    for _ in range(2):
        session.state(reply.thread_id, by=world.sdr)
        session.resume(reply.pending.id, "approve", by=world.boss)
    session.close()
    settled(gateway)
    assert len(bell.rung) == 1


# ---- until it is told


@pytest.mark.req("B17")
@pytest.mark.databases()
def test_a_receiver_that_fails_is_tried_again_under_one_id(world: World, receiver: Receiver) -> None:
    """Three attempts at most, each signed anew; the receiver can tell that they are one."""
    receiver.answers = [500, 503]
    gateway = told(world, WebhookNotifier(receiver.url, SECRET))
    id = ask(world, gateway)
    settled(gateway)
    assert [(item.id, item.signed) for item in receiver.got(3)] == [(id, True)] * 3
    assert notified(gateway, id) == NOW_MS


def down(receiver: Receiver) -> str:
    """An address where nobody is: the port of a receiver that has one, and something else in its place."""
    return receiver.url.replace(receiver.url.split(":")[2].split("/")[0], "1")


@pytest.mark.req("B17", "A8")
@pytest.mark.parametrize(
    ("trouble", "attempts"), [("down", 0), ("slow", 3), ("error", 3), ("refusal", 1), ("redirect", 1)]
)
def test_a_notice_that_nobody_takes_waits(world: World, receiver: Receiver, trouble: str, attempts: int) -> None:
    """The call goes on, its question can be answered, and its notice is sent when the receiver is there again."""
    given = {"slow": receiver.later, "error": 500, "refusal": 404, "redirect": 302}
    receiver.then = given.get(trouble, 200)
    url = down(receiver) if trouble == "down" else receiver.url
    gateway = told(world, WebhookNotifier(url, SECRET, timeout_s=0.1 if trouble == "slow" else 5))
    id, answered = ask(world, gateway), ask(world, gateway, "t2")
    settled(gateway)
    assert gateway.thread("t2").resume(answered, "approve", by=world.boss).status == "executed"
    assert (notified(gateway, id), notified(gateway, answered)) == (None, None)
    assert len(receiver.requests) == 2 * attempts
    receiver.then = 200
    receiver.go.set()
    receiver.requests.clear()
    later = told(world, WebhookNotifier(receiver.url, SECRET))
    world.clock.forward(minutes=1)
    assert later.notify_waiting() == 1
    assert [item.id for item in receiver.requests] == [id]
    assert notified(later, id) == NOW_MS + 60_000
    assert later.notify_waiting() == 0


@pytest.mark.req("B17")
def test_every_notifier_must_have_taken_it(world: World) -> None:
    """One that fails keeps the notice waiting and keeps no other from being told."""
    good, bad = Bell(), Bell()
    bad.error = DeliveryError("x", code="http_404", soon=False)
    gateway = told(world, bad, good)
    id = ask(world, gateway)
    settled(gateway)
    assert (len(good.rung), notified(gateway, id)) == (1, None)
    bad.error = None
    world.clock.forward(minutes=1)
    assert gateway.notify_waiting() == 1
    assert notified(gateway, id)


def test_operators_hear_of_notices_that_do_not_arrive(world: World) -> None:
    """Once, and without the words of whatever failed."""
    deaf, bell = Deaf(), Bell()
    bell.error = ValueError(RAW)
    gateway = told(world, bell, alerts=Alerts([deaf], clock=world.clock))
    ask(world, gateway)
    ask(world, gateway, "t2")
    settled(gateway)
    gateway.alerts.drain(PATIENCE_S)
    assert [(item.kind, item.scope) for item in deaf.told] == [(NOTICE_UNDELIVERED, "hook:Bell")]


PROCESS = """
import os, sys
from pathlib import Path
from agent_guard.masking import Masker
from tests.conftest import World

class Death:
    def asked(self, notice):
        os._exit(9)

world = World(Path(sys.argv[1]), Masker(profile="patterns"))
gateway = world.gateway(world.policy({"crm.create_task": {"mode": "approve"}}), notify=[Death()], file=True)
thread = gateway.open(world.sdr, thread_id="t1", party=world.anna)
thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call"})
gateway.close()
"""


@pytest.mark.req("B17")
def test_a_process_that_dies_before_the_delivery_loses_no_notice(world: World) -> None:
    """It is killed after the question was stored; another process finds what waits, and delivers it."""
    dead = subprocess.run(
        [sys.executable, "-c", PROCESS, str(world.folder)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert dead.returncode == 9, dead.stderr
    bell = Bell()
    gateway = told(world, bell)
    world.clock.forward(minutes=1)
    assert gateway.notify_waiting() == 1
    (notice,) = bell.rung
    assert (notice.thread, notice.tool) == ("t1", "crm.create_task")
    assert notified(gateway, notice.approval_id)


def waiting(world: World, count: int, **options: Any) -> tuple[Gateway, Bell, list[str]]:
    """A gateway with a bell, and questions that an earlier one asked and told nobody of."""
    silent = world.gateway(world.policy(ASKED), file=True)
    ids = []
    for n in range(count):
        ids.append(ask(world, silent, f"t{n}"))
        world.clock.forward(seconds=1)
    bell = Bell()
    return told(world, bell, **options), bell, ids


@pytest.mark.databases()
def test_what_waits_is_sent_oldest_first_and_once(world: World) -> None:
    """Over two rounds of two gateways of one database."""
    gateway, bell, ids = waiting(world, 5)
    other = told(world, bell)
    world.clock.forward(minutes=1)
    assert (gateway.notify_waiting(most=2), other.notify_waiting(), gateway.notify_waiting()) == (2, 3, 0)
    assert [notice.approval_id for notice in bell.rung] == ids


@pytest.mark.databases()
def test_what_is_over_is_not_told(world: World) -> None:
    """Questions that were answered, have expired or were replaced interest nobody."""
    gateway, bell, ids = waiting(world, 4)
    gateway.answer(ids[0], "reject", by=world.boss)
    gateway.step(gateway.thread("t1").row)  # a newer message
    world.clock.forward(minutes=1)
    assert gateway.notify_waiting() == 2
    world.clock.forward(days=2)
    assert gateway.notify_waiting() == 0
    assert [notice.approval_id for notice in bell.rung] == ids[2:]


def test_a_young_question_is_left_to_its_own_process(world: World) -> None:
    """For half a minute the process that asked may still be delivering."""
    gateway, bell, ids = waiting(world, 1)
    world.clock.forward(seconds=notices.GRACE_S - 1.001)
    assert gateway.notify_waiting() == 0
    world.clock.forward(seconds=0.001)
    assert gateway.notify_waiting() == 1
    assert [notice.approval_id for notice in bell.rung] == ids


@pytest.mark.req("B17")
def test_a_notice_that_fails_rests_longer_each_time(world: World) -> None:
    """Five seconds, doubled with each failure, ten minutes at most; then it is sent."""
    gateway, bell, _ = waiting(world, 1)
    world.clock.forward(minutes=1)
    bell.error = DeliveryError("x", code="http_500")
    for rest in (5, 10, 20, 40, 80, 160, 320, 600, 600):
        assert gateway.notify_waiting() == 0
        count = len(bell.rung)
        world.clock.forward(seconds=rest - 0.001)
        gateway.notify_waiting()
        assert len(bell.rung) == count
        world.clock.forward(seconds=0.001)
    bell.error = None
    assert gateway.notify_waiting() == 1


def test_three_failures_in_a_row_end_a_round(world: World) -> None:
    """A receiver that is down is not asked a hundred times, and one bad notice does not hold up the rest for ever."""
    gateway, bell, ids = waiting(world, 8)
    world.clock.forward(minutes=1)
    bell.error = OSError()
    assert gateway.notify_waiting() == 0
    assert [notice.approval_id for notice in bell.rung] == ids[:3]
    bell.error = None
    assert gateway.notify_waiting() == 5
    assert [notice.approval_id for notice in bell.rung[3:]] == ids[3:]


def test_failures_that_are_not_in_a_row_end_no_round(world: World) -> None:
    """Every second notice fails, and each of the others arrives in the same round."""
    gateway, bell, ids = waiting(world, 10)
    world.clock.forward(minutes=1)

    def every_second(notice: Notice) -> None:
        if ids.index(notice.approval_id) % 2 == 0:
            raise OSError

    bell.asked = every_second  # type: ignore[method-assign]
    assert gateway.notify_waiting() == 5


def test_a_full_queue_leaves_the_notice_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The call does not wait: the log says so, and the worker sends it."""
    monkeypatch.setattr(notices, "QUEUED_MAX", 0)
    bell = Bell()
    gateway = told(world, bell)
    id = ask(world, gateway)
    assert f"the notice of {id} waits" in caplog.text
    world.clock.forward(minutes=1)
    assert gateway.notify_waiting() == 1
    assert [notice.approval_id for notice in bell.rung] == [id]


def test_a_delivery_that_cannot_be_written_down_waits(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It may come twice, and is not lost."""
    gateway, bell, ids = waiting(world, 1)
    world.clock.forward(minutes=1)

    def broken(*_: Any, **__: Any) -> Any:
        raise StoreError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(gateway.store, "write", broken)
        assert gateway.notify_waiting() == 0
    assert "could not be written down" in caplog.text
    assert notified(gateway, ids[0]) is None
    assert gateway.notify_waiting() == 1
    assert len(bell.rung) == 2


def test_a_database_that_cannot_be_read_is_told_to_the_worker(world: World) -> None:
    """Nothing was sent, and the worker decides what to do."""
    gateway, bell, _ = waiting(world, 1)
    with gateway.store.write(locks=["test"]) as connection:
        connection.exec_driver_sql("DROP TABLE approvals")
    with pytest.raises(StoreError):
        gateway.notify_waiting()
    assert bell.rung == []


def test_without_notifiers_questions_wait_unannounced(world: World) -> None:
    """Nothing is sent and nothing is written."""
    gateway = world.gateway(world.policy(ASKED), file=True)
    id = ask(world, gateway)
    world.clock.forward(minutes=1)
    assert gateway.notify_waiting() == 0
    assert notified(gateway, id) is None


# ---- closing


def test_a_gateway_that_closes_sends_what_is_queued(world: World, receiver: Receiver) -> None:
    """A command that asks and ends at once has told."""
    gateway = told(world, WebhookNotifier(receiver.url, SECRET))
    id = ask(world, gateway)
    gateway.close()
    assert [item.id for item in receiver.requests] == [id]
    assert notified(world.gateway(file=True), id) == NOW_MS


def test_a_gateway_that_closes_does_not_wait_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A notifier that hangs is left, and what it held stays waiting."""
    monkeypatch.setattr(notices, "CLOSE_S", 0.01)
    gate, inside, left = threading.Event(), threading.Event(), threading.Event()

    class Stuck:
        def asked(self, notice: Notice) -> None:
            inside.set()
            gate.wait(PATIENCE_S)
            left.set()

    gateway = told(world, Stuck())
    id = ask(world, gateway)
    assert inside.wait(PATIENCE_S)
    gateway.close()
    assert "wait in the database" in caplog.text
    gate.set()
    assert left.wait(PATIENCE_S)
    settled(gateway)
    assert notified(world.gateway(file=True), id) is None
