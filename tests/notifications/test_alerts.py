"""What operators hear: once a while of each kind and scope, beside whatever happens, and never in its way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from agent_guard.calls import CALLS
from agent_guard.errors import ConfigError, DeliveryError, OutcomeUnknown, StoreError
from agent_guard.gateway import Gateway
from agent_guard.notifications import alerts as module, courier
from agent_guard.notifications.alerts import (
    BUTTON_PRESSED,
    BUTTON_RELEASED,
    NOT_SETTLED,
    OUTCOME_UNKNOWN,
    STORE_UNREACHABLE,
    Alert,
    Alerts,
    LogAlerter,
    WebhookAlerter,
)
from agent_guard.testing import FixedClock
from tests.conftest import World
from tests.receiver import PATIENCE_S, SECRET, Receiver, receiving

TASK = {"deal_id": "42", "subject": "Call Anna Kowalska"}


class Pager:
    """Port ``Alerter``: remembers what it was told, and fails as it is told."""

    def __init__(self) -> None:
        self.told: list[Alert] = []
        self.error: Exception | None = None

    def send(self, alert: Alert) -> None:
        """Remembers one."""
        self.told.append(alert)
        if self.error is not None:
            raise self.error


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "PAUSE_S", 0)


@pytest.fixture(name="clock")
def _clock() -> FixedClock:
    return FixedClock()


@pytest.fixture(name="receiver")
def _receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def alert(kind: str = "drill", scope: str = "tool:x", **given: Any) -> Alert:
    """An alert that is a drill."""
    return Alert(**({"kind": kind, "severity": "warning", "scope": scope, "text": "A drill."} | given))


def told(pager: Pager, alerts: Alerts) -> list[tuple[str, str]]:
    """Kind and scope of everything that was told so far."""
    alerts.drain(PATIENCE_S)
    return [(item.kind, item.scope) for item in pager.told]


# ---- once in a while


@pytest.mark.req("B17")
def test_the_same_alert_is_told_once_a_window(clock: FixedClock) -> None:
    """Within the window it is counted, and the next one after it says how many there were."""
    pager = Pager()
    alerts = Alerts([pager], window_s=60, clock=clock)
    for seconds in (0, 1, 30, 28.999, 0.001, 59, 1):
        clock.forward(seconds=seconds)
        alerts.send(alert())
    alerts.drain(PATIENCE_S)
    assert [item.suppressed for item in pager.told] == [0, 3, 1]


@pytest.mark.req("B17")
def test_other_kinds_and_scopes_are_other_alerts(clock: FixedClock) -> None:
    """What is the same is told by kind and scope, whatever the words."""
    pager = Pager()
    alerts = Alerts([pager], clock=clock)
    for item in (alert(), alert(kind="other"), alert(scope="tool:y"), alert(text="Other words.", severity="critical")):
        alerts.send(item)
    assert told(pager, alerts) == [("drill", "tool:x"), ("other", "tool:x"), ("drill", "tool:y")]


@pytest.mark.req("A31")
def test_an_alert_that_ends_another_makes_it_news_again(clock: FixedClock) -> None:
    """Pressed, released and pressed again within a minute are three alerts, or the last one would look released."""
    pager = Pager()
    alerts = Alerts([pager], clock=clock)
    for kind, ends in ((BUTTON_PRESSED, BUTTON_RELEASED), (BUTTON_RELEASED, BUTTON_PRESSED)) * 2:
        alerts.send(alert(kind=kind, ends=ends))
        alerts.send(alert(kind=kind, ends=ends))
    assert [kind for kind, _ in told(pager, alerts)] == [BUTTON_PRESSED, BUTTON_RELEASED] * 2


def test_a_clock_that_goes_back_silences_nothing(clock: FixedClock) -> None:
    """A window that would begin in the future is none."""
    pager = Pager()
    alerts = Alerts([pager], clock=clock)
    alerts.send(alert())
    clock.forward(hours=-5)
    alerts.send(alert())
    assert len(told(pager, alerts)) == 2


def test_what_is_remembered_is_bounded(clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless scopes fill no memory; what is over is forgotten first."""
    monkeypatch.setattr(module, "REMEMBERED_MAX", 10)
    alerts = Alerts([Pager()], window_s=60, clock=clock)
    for n in range(500):
        alerts.send(alert(scope=f"tool:{n}"))
        clock.forward(seconds=1)
        assert len(alerts._told) <= 10
    alerts.drain(PATIENCE_S)


# ---- never in the way


def test_it_is_sent_in_a_thread_of_its_own() -> None:
    """An alerter that hangs holds up nobody who sends."""
    gate, names = threading.Event(), []

    class Slow:
        def send(self, alert: Alert) -> None:
            names.append(threading.current_thread().name)
            gate.wait(PATIENCE_S)

    alerts = Alerts([Slow()])
    alerts.send(alert())
    alerts.send(alert(kind="other"))
    gate.set()
    alerts.drain(PATIENCE_S)
    assert names == ["agent_guard alerts"] * 2


@pytest.mark.parametrize("error", [ValueError("Anna Kowalska"), DeliveryError("the receiver x: gone", code="timeout")])
def test_an_alerter_that_fails_silences_no_other(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, without words that nobody vouches for, and the others are told."""
    broken, pager = Pager(), Pager()
    broken.error = error
    alerts = Alerts([broken, pager])
    alerts.send(alert())
    assert told(pager, alerts) == [("drill", "tool:x")]
    assert "was not taken by Pager" in caplog.text
    assert "Anna" not in caplog.text


def test_sending_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    """Not for an alert of wrong values, nor for a clock that fails."""

    def broken() -> Any:
        raise RuntimeError("Anna Kowalska")

    Alerts([Pager()], clock=broken).send(alert())
    Alerts([Pager()]).send(alert(text=None))
    Alerts([Pager()]).send(None)  # type: ignore[arg-type]
    assert caplog.text.count("could not be taken") == 3
    assert "Anna" not in caplog.text


def test_more_than_can_wait_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A full queue drops to the log and waits for nobody."""
    monkeypatch.setattr(module, "WAITING_MAX", 0)
    Alerts([Pager()]).send(alert())
    assert "too many wait" in caplog.text


def test_something_that_cannot_tell_is_refused() -> None:
    """When the object is made, not at three in the night."""
    with pytest.raises(ConfigError, match="str is no alerter"):
        Alerts(["ops@acme.example"])  # type: ignore[list-item]


# ---- the two that are built in


def test_the_log_has_one_line_at_the_severitys_level(caplog: pytest.LogCaptureFixture) -> None:
    """A second line cannot be written into it, and a long text is cut."""
    caplog.set_level(logging.INFO)
    alerts = Alerts()
    for severity in ("info", "warning", "critical"):
        alerts.send(alert(kind=severity, severity=severity, text="One.\nTwo.\u2028Three." + "x" * 9000))
    alerts.drain(PATIENCE_S)
    assert [(record.name, record.levelname) for record in caplog.records] == [
        ("agent_guard.alerts", name) for name in ("INFO", "WARNING", "CRITICAL")
    ]
    for record in caplog.records:
        assert "One. Two. Three." in record.getMessage()
        assert len(record.getMessage().splitlines()) == 1
        assert len(record.getMessage()) < 600


def test_the_log_says_how_many_were_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """A count stands at the end of the line."""
    LogAlerter().send(alert(suppressed=7))
    assert caplog.messages == ["drill tool:x: A drill. (7 more like it were not told)"]


@pytest.mark.req("A7", "B17")
def test_a_webhook_is_sent_signed_and_again_under_one_id(receiver: Receiver, clock: FixedClock) -> None:
    """After a failure the same alert comes again, and its receiver can tell."""
    receiver.answers = [503]
    alerts = Alerts([WebhookAlerter(receiver.url, SECRET)], clock=clock)
    alerts.send(alert())
    first, second = receiver.got(2)
    alerts.drain(PATIENCE_S)
    assert first.signed and second.signed
    assert first.id == second.id
    assert first.body == second.body
    assert second.data == {
        "kind": "drill", "severity": "warning", "scope": "tool:x", "text": "A drill.", "suppressed": 0,
    }  # fmt: skip
    assert b'"timestamp":"2026-01-05T11:20:04.000+00:00"' in second.body


def test_an_alerter_shows_its_host_alone() -> None:
    """An address may hold a token."""
    assert repr(WebhookAlerter("https://hooks.example/T0KEN", SECRET)) == "WebhookAlerter(hooks.example)"


# ---- who sends


@pytest.fixture(name="pager")
def _pager() -> Pager:
    return Pager()


def at(world: World, pager: Pager, **options: Any) -> tuple[Gateway, Alerts]:
    """A gateway that tells the pager."""
    alerts = Alerts([pager], clock=world.clock)
    return world.gateway(alerts=alerts, **options), alerts


@pytest.mark.req("A31")
@pytest.mark.databases()
def test_the_red_button_is_told(world: World, pager: Pager) -> None:
    """Who switched what; why stands in the record, because it is free text."""
    gateway, alerts = at(world, pager)
    gateway.press("tool:crm.create_task", reason="Anna Kowalska complained", by="ops")
    gateway.revive("tool:crm.create_task", reason="over", by="ops")
    assert told(pager, alerts) == [(BUTTON_PRESSED, "tool:crm.create_task"), (BUTTON_RELEASED, "tool:crm.create_task")]
    assert [item.severity for item in pager.told] == ["critical", "warning"]
    assert "by ops" in pager.told[0].text
    assert "Anna" not in repr(pager.told)
    assert pager.told[0].at == world.clock()


def test_a_switch_that_was_refused_is_not_told(world: World, pager: Pager) -> None:
    """Nothing was switched."""
    gateway, alerts = at(world, pager)
    with pytest.raises(ConfigError):
        gateway.press("agent:nobody", reason="x", by="ops")
    assert told(pager, alerts) == []


@pytest.mark.req("A8", "A14")
@pytest.mark.databases()
def test_a_call_of_unknown_outcome_is_told(world: World, pager: Pager) -> None:
    """Tool and trace, and no value of the call."""
    gateway, alerts = at(world, pager)
    thread = gateway.open(world.sdr, party=world.anna)

    def lose() -> None:
        raise OutcomeUnknown("Anna Kowalska")

    world.desk.after = lose
    done = thread.invoke("crm.create_task", TASK)
    assert done.status == "unknown"
    assert told(pager, alerts) == [(OUTCOME_UNKNOWN, "tool:crm.create_task")]
    assert str(done.trace_id) in pager.told[0].text
    assert "Kowalska" not in repr(pager.told)


@pytest.mark.req("A8")
@pytest.mark.databases()
def test_a_claim_whose_process_died_is_told(world: World, pager: Pager) -> None:
    """Whoever finds a claim that is over tells the operators once."""
    gateway, alerts = at(world, pager)
    thread = gateway.open(world.sdr, party=world.anna)
    call = thread.masked_call("crm.create_task", TASK, "c1", None)
    proposal = gateway.propose(thread.row, call)
    with gateway.store.write(locks=["test"]) as connection:  # as it stands after a power cut
        here = CALLS.c.trace_id == proposal.row.trace_id
        connection.execute(CALLS.update().where(here).values(state="claimed", claimed=1, lease=2))
    for _ in range(2):
        assert gateway.execute(thread.row, call).status == "unknown"
    assert told(pager, alerts) == [(OUTCOME_UNKNOWN, "tool:crm.create_task")]
    world.clock.forward(hours=1)
    gateway.execute(thread.row, call)
    assert len(told(pager, alerts)) == 1


@pytest.mark.req("A8")
@pytest.mark.parametrize("verb", ["propose", "execute"])
def test_a_database_that_is_gone_is_told(
    world: World, pager: Pager, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The call fails as it did, and operators hear of it without any help of the database."""
    gateway, alerts = at(world, pager, file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    call = thread.masked_call("crm.create_task", TASK, "c1", None)
    gateway.propose(thread.row, replace(call, id="c0"))
    with gateway.store.write(locks=["test"]) as connection:
        connection.exec_driver_sql("DROP TABLE calls")
    for _ in range(3):
        with pytest.raises(StoreError):
            getattr(gateway, verb)(thread.row, call)
    assert told(pager, alerts) == [(STORE_UNREACHABLE, "database")]
    assert "Kowalska" not in repr(pager.told) + caplog.text


@pytest.mark.req("A8")
def test_flags_that_cannot_be_read_before_a_run_are_told(
    world: World, pager: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call does not run, and operators hear why."""
    gateway, alerts = at(world, pager)
    thread = gateway.open(world.sdr, party=world.anna)

    def broken(_: Any) -> Any:
        raise StoreError("gone")

    monkeypatch.setattr(gateway.kill_switch, "pressed", broken)
    assert thread.invoke("crm.create_task", TASK).status == "failed"
    assert told(pager, alerts) == [(STORE_UNREACHABLE, "database")]
    assert world.desk.effects == []


@pytest.mark.req("A8")
def test_a_call_that_could_not_be_settled_is_told(world: World, pager: Pager) -> None:
    """It ran, and the database was gone when it came back."""
    gateway, alerts = at(world, pager, file=True)
    thread = gateway.open(world.sdr, party=world.anna)

    def lose_the_database() -> None:
        with gateway.store.write(locks=["test"]) as connection:
            connection.exec_driver_sql("DROP TABLE audit")

    world.desk.after = lose_the_database
    assert thread.invoke("crm.create_task", TASK).status == "unknown"
    assert told(pager, alerts) == [(STORE_UNREACHABLE, "database"), (NOT_SETTLED, "tool:crm.create_task")]
    assert "Kowalska" not in repr(pager.told)


def test_a_call_that_goes_well_tells_nobody(world: World, pager: Pager) -> None:
    """An alert is news."""
    gateway, alerts = at(world, pager)
    thread = gateway.open(world.sdr, party=world.anna)
    assert thread.invoke("crm.create_task", TASK).status == "executed"
    assert thread.invoke("crm.set_stage", {"deal_id": "43", "stage": "won"}).status == "denied"
    assert told(pager, alerts) == []


def test_without_anybody_the_log_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A gateway that was given no alerter still says it."""
    gateway = world.gateway()
    gateway.press(reason="drill", by="ops")
    gateway.close()
    assert any(record.name == "agent_guard.alerts" and "ops" in record.getMessage() for record in caplog.records)
