"""Three failures in a row switch a scenario off; a success, a release and a refusal of the data end the row."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite

from agent_guard.errors import OutcomeUnknown, ToolRejected, ToolUnavailable
from agent_guard.execution import breaker
from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.notifications.alerts import BUTTON_PRESSED, Alert, Alerts
from agent_guard.types import Code, Subject
from tests.conftest import World

pytestmark = [pytest.mark.databases, pytest.mark.req("A14", "B17")]

DOWN = ToolUnavailable(code="dns")


class Heard:
    """Keeps the alerts it is sent."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def send(self, alert: Alert) -> None:
        self.alerts.append(alert)


def gateway(world: World, **options: Any) -> Gateway:
    """A gateway of two scenarios with the company's policy, whose loop detector is not in the way."""
    policy = world.policy(loops={"same_call": 50, "cycle": 50})
    return world.gateway({"sales": policy, "support": policy}, **options)


def reads(world: World, thread: GuardedThread, *outcomes: BaseException | None) -> list[Code]:
    """One look at a deal after another, a second apart, each with its outcome; the codes that came of them."""
    return [tried(world, thread, outcome).code for outcome in outcomes]


def tried(world: World, thread: GuardedThread, error: BaseException | None, tool: str = "crm.read_deal") -> Any:
    """One call that goes wrong so, or well."""

    def hook() -> None:
        if error is not None:
            raise error

    world.desk.before = hook
    world.clock.forward(seconds=1)
    return thread.invoke(tool, {"deal_id": "42"} if tool == "crm.read_deal" else {"text": f"at {world.clock.now}"})


def pressed(gateway: Gateway) -> list[tuple[str, str, str]]:
    """The pressed flags: scope, who and why."""
    return [(item.scope, item.by, item.reason) for item in gateway.kill_switch.status() if item.pressed]


def test_three_failures_in_a_row_press_the_scenarios_flag(world: World) -> None:
    """Two do not; the third does, in the name of the guard, and from then on the scenario's calls are denied."""
    made = gateway(world)
    thread = made.open(world.sdr, scenario="sales", party=world.anna)
    assert reads(world, thread, DOWN, DOWN) == [Code.TOOL_UNAVAILABLE] * 2
    assert pressed(made) == []
    assert reads(world, thread, DOWN) == [Code.TOOL_UNAVAILABLE]
    assert pressed(made) == [("scenario:sales", "agent_guard", "three failures in a row")]
    denied = tried(world, thread, None)
    assert (denied.status, denied.code, denied.stop) == ("denied", Code.KILLED, True)


def test_the_scenario_is_counted_and_nothing_else(world: World) -> None:
    """Other threads and subjects of the scenario count with it; another scenario has a row and a flag of its own."""
    made = gateway(world)
    sales = [
        made.open(Subject(id=name, tenant="acme", roles={"sdr"}, region="kz"), scenario="sales", party=world.anna)
        for name in ("u1", "u2")
    ]
    support = made.open(world.sdr, scenario="support", party=world.anna)
    for thread in (sales[0], support, sales[1], support):
        tried(world, thread, DOWN)
    assert pressed(made) == []
    tried(world, sales[0], DOWN)
    assert [item[0] for item in pressed(made)] == ["scenario:sales"]
    assert tried(world, support, None).status == "executed"


def test_a_thread_without_a_scenario_presses_the_tools_flag(world: World) -> None:
    """There is nothing else to switch off; other tools of it go on."""
    thread = world.thread(world.policy(loops={"same_call": 50, "cycle": 50}))
    tried(world, thread, ToolUnavailable(), "messages.send")
    reads(world, thread, DOWN, DOWN, DOWN)
    assert [item[0] for item in pressed(thread.gateway)] == ["tool:crm.read_deal"]
    assert tried(world, thread, None, "messages.send").status == "executed"


@pytest.mark.parametrize(
    ("outcomes", "trips"),
    [
        ([DOWN, DOWN, None, DOWN, DOWN], False),
        ([DOWN, None, DOWN, DOWN, DOWN], True),
        ([DOWN, DOWN, ToolRejected(code="closed"), DOWN], False),
        ([ToolRejected(code="closed")] * 5, False),
        ([ValueError("x"), TimeoutError("late"), DOWN], True),
    ],
    ids=["a success between", "three after one", "a refusal between", "refusals", "three kinds"],
)
def test_what_counts_is_a_system_that_does_not_work(world: World, outcomes: Any, trips: bool) -> None:
    """A success or a refusal of the data says that it works, and begins the row anew."""
    made = gateway(world)
    reads(world, made.open(world.sdr, scenario="sales", party=world.anna), *outcomes)
    assert bool(pressed(made)) is trips


def test_unknown_outcomes_count(world: World) -> None:
    """Three writes of which nobody knows whether they happened are three failures."""
    made = gateway(world)
    thread = made.open(world.sdr, scenario="sales", party=world.anna)
    codes = [tried(world, thread, OutcomeUnknown(), "messages.send").code for _ in range(3)]
    assert codes == [Code.OUTCOME_UNKNOWN] * 3
    assert [item[0] for item in pressed(made)] == ["scenario:sales"]


@pytest.mark.req("A31")
def test_what_the_button_stopped_is_no_failure(world: World) -> None:
    """A call that was killed before its run neither counts nor ends the row."""
    made = gateway(world)
    thread = made.open(world.sdr, scenario="sales", party=world.anna)
    reads(world, thread, DOWN, DOWN)
    read: Callable[[Any], Any] = made.kill_switch.pressed

    def press_first(scopes: Any) -> Any:
        made.press("tenant:acme", reason="drill", by="m7")
        return read(scopes)

    made.kill_switch.pressed = press_first  # type: ignore[method-assign]
    assert reads(world, thread, None) == [Code.KILLED]
    made.kill_switch.pressed = read  # type: ignore[method-assign]
    made.revive("tenant:acme", reason="over", by="m7")
    assert [item[0] for item in pressed(made)] == []
    reads(world, thread, DOWN)
    assert [item[0] for item in pressed(made)] == ["scenario:sales"]


def test_after_the_release_the_row_begins_anew(world: World) -> None:
    """What failed before the flag was released does not count any more; three new ones press it again."""
    made = gateway(world)
    thread = made.open(world.sdr, scenario="sales", party=world.anna)
    reads(world, thread, DOWN, DOWN, DOWN)
    for _ in range(2):
        world.clock.forward(seconds=1)
        made.revive("scenario:sales", reason="fixed", by="m7")
        reads(world, thread, DOWN, DOWN)
        assert pressed(made) == []
        reads(world, thread, DOWN)
        assert len(pressed(made)) == 1


@pytest.mark.req("A5")
def test_the_record_has_the_flag_with_the_call(world: World) -> None:
    """One ``killed`` event in the system's chain, in the transaction of the third failure, and both chains hold."""
    made = gateway(world)
    thread = made.open(world.sdr, scenario="sales", party=world.anna)
    reads(world, thread, DOWN, DOWN, DOWN)
    (event,) = [item.data for item in made.audit.events(thread="system/-")]
    assert (event["kind"], event["note"], event["reason"]) == ("killed", "scenario:sales", "three failures in a row")
    assert (event["actor"], event["environment"]) == ({"user_id": "agent_guard"}, "dev")
    assert [list(made.audit.broken(name)) for name in ("system/-", thread.id)] == [[], []]


@pytest.mark.databases("sqlite")
def test_a_flag_that_cannot_be_written_takes_the_outcome_back_with_it(world: World) -> None:
    """Both are one transaction: a third failure is never recorded without the flag."""
    made = gateway(world, file=True)
    thread = made.open(world.sdr, scenario="sales", party=world.anna)
    reads(world, thread, DOWN, DOWN)
    with closing(sqlite3.connect(world.folder / "guard.db")) as other:
        other.execute("CREATE TRIGGER stop BEFORE INSERT ON switches BEGIN SELECT RAISE(ABORT, 'no'); END")
        other.commit()
        tried(world, thread, DOWN)
        assert other.execute("SELECT count(*) FROM calls WHERE state = 'failed'").fetchone() == (2,)
    assert pressed(made) == []


@pytest.mark.req("A30")
def test_operators_are_told_once_and_after_it_is_so(world: World) -> None:
    """One critical alert names the scenario and the last trace, and no value; later failures in flight add none."""
    heard = Heard()
    made = gateway(world, alerts=Alerts([heard], clock=world.clock))
    thread = made.open(world.sdr, scenario="sales", party=world.anna)
    reads(world, thread, DOWN, DOWN)
    made.alerts.drain()
    assert heard.alerts == []
    failed = tried(world, thread, DOWN)
    made.alerts.drain()
    (alert,) = heard.alerts
    assert (alert.kind, alert.severity, alert.scope) == (BUTTON_PRESSED, "critical", "scenario:sales")
    assert failed.trace_id in alert.text and "three failures in a row" in alert.text


@pytest.mark.parametrize(("found", "trips"), [("done", False), ("failed", True)])
def test_what_was_reconciled_counts_as_what_it_became(world: World, found: Any, trips: bool) -> None:
    """A call that turns out done ends the row where it stood, one that did not happen stays a failure; the reconciling
    itself presses nothing.
    """
    made = gateway(world)
    thread = made.open(world.sdr, scenario="sales", party=world.anna)
    reads(world, thread, DOWN, DOWN)
    trace = tried(world, thread, OutcomeUnknown(), "messages.send").trace_id
    world.clock.forward(seconds=60)
    made.revive("scenario:sales", reason="looked into", by="m7")
    reads(world, thread, DOWN)
    second = tried(world, thread, OutcomeUnknown(), "messages.send").trace_id
    world.clock.forward(seconds=60)
    for item in (trace, second):
        made.resolve(item, found, by=world.boss, reason="I looked")
    assert pressed(made) == []
    reads(world, thread, DOWN)
    assert bool(pressed(made)) is trips


def test_a_dead_workers_call_counts_with_the_next_failure(world: World) -> None:
    """A claim that was left behind is a failure too; that somebody finds it out presses nothing by itself."""
    made = gateway(world)
    thread = made.open(world.sdr, scenario="sales", party=world.anna)
    reads(world, thread, DOWN, DOWN)
    world.clock.forward(seconds=1)
    call = thread.masked_call("crm.read_deal", {"deal_id": "42"}, "c9", None)
    trace = made.propose(thread.row, call).row.trace_id
    with made.store.write(locks=["test"]) as connection:
        connection.exec_driver_sql("UPDATE calls SET state = 'claimed', lease = 1 WHERE state = 'proposed'")
    assert made.reconcile(trace).code is Code.NOT_EXECUTED
    assert pressed(made) == []
    reads(world, thread, DOWN)
    assert len(pressed(made)) == 1


def test_what_failed_before_the_release_stays_before_it(world: World) -> None:
    """A call that is found not to have happened after the release failed when it was tried, and not now."""
    made = gateway(world)
    thread = made.open(world.sdr, scenario="sales", party=world.anna)
    reads(world, thread, DOWN, DOWN)
    trace = tried(world, thread, OutcomeUnknown(), "messages.send").trace_id
    world.clock.forward(seconds=60)
    made.revive("scenario:sales", reason="looked into", by="m7")
    world.clock.forward(seconds=60)
    made.resolve(trace, "failed", by=world.boss, reason="I looked")
    reads(world, thread, DOWN, DOWN)
    assert pressed(made) == []
    reads(world, thread, DOWN)
    assert len(pressed(made)) == 1


@pytest.mark.databases("sqlite")
def test_the_row_is_read_from_an_index(world: World) -> None:
    """However many calls there were, a failure looks at three of its own kind; other calls ask nothing."""
    asked = breaker.NEWEST.params(flag="tool:x", since=0)
    text = asked.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    made = world.gateway(file=True)
    with made.store.read() as connection:
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all())
    assert "USING INDEX calls_ran (flag=? AND settled>?)" in plan
    assert "SCAN" not in plan
    assert [breaker.locks(code) for code in (Code.ALLOWED, Code.TOOL_REJECTED, Code.KILLED)] == [[], [], []]
