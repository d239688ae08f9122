"""The worker: what was answered elsewhere is carried out once, what nobody answered is told, and nothing is stuck."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agent_guard.credentials import MemoryCredentials
from agent_guard.errors import ApprovalError, ConfigError, DeliveryError, OutcomeUnknown, StoreError, ToolUnavailable
from agent_guard.nodes import GuardContext, guarded_agent
from agent_guard.notifications.alerts import Alert, Alerts
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel, call
from agent_guard.tool import tool
from agent_guard.types import Code
from agent_guard.work import leases, turns
from agent_guard.work.turns import LEASE_S, PAUSES_S, TRIES
from agent_guard.work.worker import PUT_ASIDE, REST_S, TIDY_S, Worker
from tests.conftest import Desk, NewTask, TaskMade, World

pytestmark = pytest.mark.databases

STAGE = call("crm.set_stage", deal_id="42", stage="won")
TASK = call("crm.create_task", deal_id="42", subject="Call <PERSON_1>")
APPROVED = {"crm.create_task": {"mode": "approve"}}


class Pager:
    """Port ``Alerter``: remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Alert] = []

    def send(self, alert: Alert) -> None:
        self.told.append(alert)


class Bench:
    """Sessions over one world's shared database and one checkpointer, as processes of a company have them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.saver = InMemorySaver()
        self.pager = Pager()
        self.model = ScriptedModel()

    def session(self, *turns_: Any, policy: Any = None, saver: Any = None, **options: Any) -> Session:
        self.model = ScriptedModel(*turns_)
        alerts = Alerts([self.pager], clock=self.world.clock)
        gateway = self.world.gateway(policy, file=True, alerts=alerts, **options)
        return Session(guarded_agent(self.model, gateway), gateway, checkpointer=saver or self.saver)

    def asked(self, session: Session, thread_id: str = "t1") -> str:
        """Starts a thread that stops at a question; its id."""
        reply = session.start("Move it", self.world.sdr, speaker="user", party=self.world.anna, thread_id=thread_id)
        assert reply.pending is not None
        return reply.pending.id

    def states(self, session: Session) -> list[str]:
        """The states of all calls, in order."""
        return [
            row["state"] for row in sorted(self.world.rows(session.gateway, "calls"), key=lambda row: row["trace_id"])
        ]


@pytest.fixture(name="bench")
def _bench(world: World) -> Bench:
    return Bench(world)


def worker_of(session: Session) -> Worker:
    """A worker that has this session for every scenario."""
    return Worker(session.gateway, lambda scenario: session)


def quiet(worker: Worker) -> None:
    """Nothing is due, and nothing is left undone."""
    assert list(worker.round()) == []
    assert worker.undone() == []


# ---- answers


@pytest.mark.req("A12")
@pytest.mark.parametrize(
    ("word", "options", "stages"),
    [
        ("approve", {}, ["won"]),
        ("edit", {"args": {"deal_id": "42", "stage": "lost"}}, ["lost"]),
        ("reject", {"message": "No."}, []),
        ("respond", {"message": "Ask again tomorrow."}, []),
    ],
)
def test_a_recorded_answer_is_carried_out_once(
    bench: Bench, world: World, word: Any, options: Any, stages: Any
) -> None:
    """An answer that was given elsewhere lets the thread go on to its end; a second round finds nothing to do."""
    session = bench.session(STAGE, "Done.")
    asked = bench.asked(session)
    worker = worker_of(session)
    quiet(worker)
    session.gateway.answer(asked, word, by=world.boss, **options)
    assert worker.undone() == ["t1"]
    (done,) = worker.round()
    assert (done.kind, done.thread, done.questions, done.status) == ("resumed", "t1", {asked: word}, "delivered")
    assert [item["stage"] for item in world.desk.effects] == stages
    quiet(worker)
    assert len(bench.model.heard) == 2
    assert world.rows(session.gateway, "leases") == []


@pytest.mark.req("A12")
def test_another_process_carries_it_out(bench: Bench, world: World) -> None:
    """The worker needs nothing of the process that asked: its own gateway, graph and session over the same databases."""
    first = bench.session(STAGE)
    first.gateway.answer(bench.asked(first), "approve", by=world.boss)
    session = bench.session("Moved it for <PERSON_1>.")
    assert [done.status for done in worker_of(session).round()] == ["delivered"]
    assert first.state("t1", by=world.sdr).text == "Moved it for Anna Kowalska."
    assert len(world.desk.effects) == 1


@pytest.mark.req("A12")
def test_a_thread_that_asks_again_waits_for_its_new_question(bench: Bench, world: World) -> None:
    """The next question of the thread is told, and the round leaves it to a person."""
    session = bench.session(STAGE, call("crm.set_stage", id="c2", deal_id="42", stage="lost"), "Moved.")
    session.gateway.answer(bench.asked(session), "approve", by=world.boss)
    worker = worker_of(session)
    (done,) = worker.round()
    assert done.status == "pending"
    waiting = session.gateway.approvals.waiting("t1", now_ms=session.gateway.now_ms())
    assert waiting is not None and done.asks == waiting.id
    quiet(worker)
    session.gateway.answer(waiting.id, "approve", by=world.boss)
    assert [done.status for done in worker.round()] == ["delivered"]
    assert [item["stage"] for item in world.desk.effects] == ["won", "lost"]


@pytest.mark.parametrize("door", ["session", "graph", "graph by id", "thread"])
def test_what_another_door_carries_out_is_not_the_workers(bench: Bench, world: World, door: str) -> None:
    """While a graph goes on by an answer that came through another door, and afterwards, nothing is due."""
    session = bench.session(STAGE, "Moved.")
    asked, worker = bench.asked(session), worker_of(session)
    seen: list[Any] = []
    world.desk.before = lambda: seen.append((turns.due(session.gateway), [d.kind for d in worker.round()]))
    config, context = {"configurable": {"thread_id": "t1"}}, GuardContext(approver=world.boss)
    match door:
        case "session":
            session.resume(asked, "approve", by=world.boss)
        case "graph":
            session.graph.invoke(Command(resume={"type": "approve"}), config, context=context)
        case "graph by id":
            session.gateway.answer(asked, "approve", by=world.boss)
            session.graph.invoke(Command(resume={"approval_id": asked}), config, context=GuardContext())
        case _:
            session.gateway.thread("t1").resume(asked, "approve", by=world.boss)
    assert seen == [([], [])]
    quiet(worker)
    assert len(world.desk.effects) == 1


def test_a_question_that_was_replaced_is_nobodys(bench: Bench, world: World) -> None:
    """A message through the bare graph takes the question's place; there is nothing to carry out then."""
    session = bench.session(STAGE, "Never mind.")
    bench.asked(session)
    message = {"messages": [{"role": "user", "content": "Forget it."}]}
    session.graph.invoke(message, {"configurable": {"thread_id": "t1"}}, context=GuardContext())
    world.clock.forward(days=2)
    quiet(worker_of(session))
    assert bench.states(session) == ["expired"]


def test_threads_of_others_are_left_alone(bench: Bench, world: World) -> None:
    """Threads of scenarios that this worker has no session for are neither taken nor counted as undone."""
    session = bench.session(STAGE, "Moved.", policies={"sales": world.policy(), "care": world.policy()})
    gateway = session.gateway
    for scenario in ("sales", "care"):
        session.start("Move", world.sdr, speaker="user", party=world.anna, thread_id=scenario, scenario=scenario)
        bench.model._said = 0
    for row in gateway.approvals.list():
        gateway.answer(row.id, "reject", by=world.boss)
    worker = Worker(gateway, lambda scenario: session if scenario == "care" else None)
    assert [done.thread for done in worker.round()] == ["care"]
    quiet(worker)
    assert turns.due(gateway) == ["sales"]


@pytest.mark.req("A12", "B10")
def test_another_environments_threads_are_left_to_its_workers(bench: Bench, world: World) -> None:
    """With one database and one master key for both: an approved call is not done in the systems of the other one."""
    keys = MemoryCredentials()
    prod = bench.session(STAGE, "Done.", environment="prod", credentials=keys)
    prod.gateway.answer(bench.asked(prod), "approve", by=world.boss)
    other = Desk(world.folder / "other.jsonl")
    options: dict[str, Any] = {"resources": {"desk": other}, "records": other, "credentials": keys}
    quiet(worker_of(bench.session("Done.", **options)))
    assert other.effects == []
    (done,) = worker_of(prod).round()
    assert (done.kind, len(world.desk.effects)) == ("resumed", 1)


def test_a_worker_that_is_told_to_stop_ends_after_the_thread_in_hand(bench: Bench, world: World) -> None:
    """What was not begun stays due, the longest wait first."""
    session = bench.session(*[STAGE, "Rejected."] * 3)
    for n in range(3):
        asked = bench.asked(session, f"t{n}")
        bench.model._said = 0
        session.gateway.answer(asked, "reject", by=world.boss)
        world.clock.forward(seconds=1)
    bench.model._said = 1
    worker, done = worker_of(session), []
    for item in worker.round(stop=lambda: bool(done)):
        done.append(item.thread)
    assert done == ["t0"]
    assert worker.undone() == ["t1", "t2"]


def test_what_a_worker_tells_holds_no_value(bench: Bench, world: World) -> None:
    """Every line is ids and closed words; the agent's answer to its reader is not in it."""
    session = bench.session(TASK, "I called Anna Kowalska on +48 512 345 678.", policy=world.policy(APPROVED))
    session.gateway.answer(bench.asked(session), "approve", by=world.boss, message="Tell Anna Kowalska")
    told = json.dumps([done.as_json() for done in worker_of(session).round()])
    assert '"delivered"' in told
    assert not [value for value in ("Kowalska", "512") if value in told]


# ---- questions that nobody answered


@pytest.mark.req("A12")
def test_an_expired_question_ends_and_the_model_is_told(bench: Bench, world: World) -> None:
    """After its time the call is expired, the record says so once, the model hears of it and the thread is free."""
    session = bench.session(STAGE, "Nobody answered.", "Hello.")
    asked, worker = bench.asked(session), worker_of(session)
    world.clock.forward(hours=24)
    (done,) = worker.round()
    assert (done.kind, done.questions, done.status) == ("resumed", {asked: "expired"}, "delivered")
    assert bench.states(session) == ["expired"]
    assert world.kinds(session.gateway.thread("t1")).count("expired") == 1
    assert "approval_expired" in bench.model.heard[-1][-1].text
    assert world.desk.effects == []
    quiet(worker)
    with pytest.raises(ApprovalError) as error:
        session.resume(asked, "approve", by=world.boss)
    assert error.value.code is Code.APPROVAL_EXPIRED
    assert session.send("t1", "Hello?", speaker="user", by=world.sdr).text == "Hello."


@pytest.mark.req("A12")
def test_a_late_answer_does_not_keep_the_thread_waiting(bench: Bench, world: World) -> None:
    """An answer after the end is refused and ends the call; the thread is told by the worker all the same."""
    session = bench.session(STAGE, "Nobody answered.")
    asked = bench.asked(session)
    world.clock.forward(hours=24)
    with pytest.raises(ApprovalError):
        session.gateway.answer(asked, "approve", by=world.boss)
    assert [done.questions for done in worker_of(session).round()] == [{asked: "expired"}]
    assert session.state("t1", by=world.sdr).text == "Nobody answered."


def test_a_stale_answer_without_an_id_does_not_answer_the_next_question(bench: Bench, world: World) -> None:
    """After a question expired the thread asks another one; an answer that names neither is asked again."""
    session = bench.session(STAGE, call("crm.set_stage", id="c2", deal_id="42", stage="lost"), "Moved.")
    bench.asked(session)
    world.clock.forward(hours=24)
    (done,) = worker_of(session).round()
    assert done.asks is not None
    context = GuardContext(approver=world.boss)
    out = session.graph.invoke(
        Command(resume={"type": "approve"}), {"configurable": {"thread_id": "t1"}}, context=context
    )
    assert "name the approval_id" in out["__interrupt__"][0].value["agent_guard"]["previous_error"]
    assert world.desk.effects == []


def test_a_message_may_take_an_expired_questions_place_first(bench: Bench, world: World) -> None:
    """Where the message is quicker than the worker the model hears the message, and the worker has nothing to tell."""
    session = bench.session(STAGE, "Hello again.")
    bench.asked(session)
    world.clock.forward(hours=24)
    assert session.send("t1", "Hello?", speaker="user", by=world.sdr).text == "Hello again."
    quiet(worker_of(session))


# ---- processes that die, and threads that fail


def abandoned(session: Session, thread: str = "t1") -> None:
    """A process takes a thread up and dies."""
    lease = turns._take(session.gateway, thread, again=False)
    assert lease is not None


@pytest.mark.req("A12")
def test_a_thread_of_a_dead_process_is_taken_up_after_a_while(bench: Bench, world: World) -> None:
    """As long as the process may live nobody interferes; then the next worker does the work, once."""
    session = bench.session(STAGE, "Moved.")
    session.gateway.answer(bench.asked(session), "approve", by=world.boss)
    abandoned(session)
    worker = worker_of(session)
    quiet(worker)
    world.clock.forward(seconds=LEASE_S - 1)
    quiet(worker)
    world.clock.forward(seconds=1)
    assert [(done.kind, done.questions) for done in worker.round()] == [("resumed", {})]
    assert len(world.desk.effects) == 1
    quiet(worker)


@pytest.mark.parametrize("after", ["plan", "decide", "approve", "execute"])
def test_a_run_that_stopped_between_two_steps_goes_on(bench: Bench, world: World, after: str) -> None:
    """A thread whose checkpoint stands between two nodes is taken to its end: its call runs once, its question is
    carried out.
    """
    session = bench.session(STAGE, "Moved.")
    if after in ("plan", "decide"):
        message = {"messages": [{"role": "user", "content": "Move it"}]}
        session.gateway.open(world.sdr, party=world.anna, thread_id="t1", user_text="Move it")
        session.graph.invoke(
            message, session._config("t1"), context=GuardContext(), interrupt_after=[after], durability="sync"
        )
        if after == "plan":
            session.graph.invoke(None, session._config("t1"), context=GuardContext(), interrupt_after=["decide"])
        (asked,) = [item.id for item in session.gateway.approvals.list()]
        session.gateway.answer(asked, "approve", by=world.boss)
    else:
        asked = bench.asked(session)
        session.gateway.answer(asked, "approve", by=world.boss)
        session.graph.invoke(
            Command(resume={"approval_id": asked}), session._config("t1"), context=GuardContext(),
            interrupt_after=[after], durability="sync",
        )  # fmt: skip
        assert len(world.desk.effects) == (1 if after == "execute" else 0)
        with session.gateway.store.write(locks=["test"]) as connection:  # whoever did it held a lease, and died
            leases.take(connection, "t1", "dead", until=0, now_ms=0, again=False)
    assert [done.status for done in worker_of(session).round()] == ["delivered"]
    assert len(world.desk.effects) == 1
    assert [item["state"] for item in world.rows(session.gateway, "calls")] == ["done"]


def test_a_living_process_gives_signs_of_life(bench: Bench, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in which the model takes longer than a lease keeps its thread."""
    monkeypatch.setattr(turns, "BEAT_S", 0.001)
    seen: list[Any] = []

    def think_long(messages: Any) -> AIMessage:
        world.clock.forward(seconds=LEASE_S - 1)
        wanted = session.gateway.now_ms() + LEASE_S * 1000
        for _ in range(10_000):
            if world.rows(session.gateway, "leases")[0]["until"] >= wanted:
                break
            threading.Event().wait(0.001)
        world.clock.forward(seconds=LEASE_S - 1)
        seen.extend(worker_of(session).round())
        seen.append(turns.due(session.gateway))
        return AIMessage("Moved.")

    session = bench.session(STAGE, think_long)
    session.gateway.answer(bench.asked(session), "approve", by=world.boss)
    assert [done.status for done in worker_of(session).round()] == ["delivered"]
    assert seen == [[]]


def test_a_process_that_lost_its_thread_takes_nothing_from_the_next_one(bench: Bench, world: World) -> None:
    """Whoever slept over its lease finds at its end that the thread is somebody else's."""
    session = bench.session(STAGE, "Moved.")
    session.gateway.answer(bench.asked(session), "approve", by=world.boss)
    with turns.turn(session.gateway, "t1", again=False) as first:
        world.clock.forward(seconds=LEASE_S)
        abandoned(session)
    (row,) = world.rows(session.gateway, "leases")
    assert first is not None and row["owner"] not in (first.owner, leases.NOBODY)


class Broken:
    """A session that cannot let threads go on; the rest is the real one's."""

    def __init__(self, session: Session, error: Callable[[], BaseException]) -> None:
        self.session = session
        self.error = error
        self.threads = {"t1"}

    def take_up(self, thread_id: str, *, again: bool) -> Any:
        if thread_id not in self.threads:
            return self.session.take_up(thread_id, again=again)
        with turns.turn(self.session.gateway, thread_id, again=again) as lease:
            if lease is not None:
                raise self.error()


@pytest.mark.req("A12")
def test_a_thread_that_keeps_failing_is_put_aside_and_stops_no_other(
    bench: Bench, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Three tries with growing pauses; then the log, an alert and the record name it, and nobody tries again until a
    person says so. What the graph said is in none of them.
    """
    caplog.set_level(logging.ERROR)
    session = bench.session(*[STAGE] * 2, "Moved.")
    for thread in ("t1", "t2"):
        session.gateway.answer(bench.asked(session, thread), "reject", by=world.boss)
    broken = Broken(session, lambda: RuntimeError("Anna Kowalska"))
    worker = Worker(session.gateway, lambda scenario: broken)  # type: ignore[arg-type,return-value]
    first = list(worker.round())
    assert [(done.kind, done.thread, done.words) for done in first] == [
        ("failed", "t1", "RuntimeError"),
        ("resumed", "t2", None),
    ]
    for pause in PAUSES_S:
        assert worker.undone() == ["t1"]
        world.clock.forward(seconds=pause - 1)
        assert list(worker.round()) == []
        world.clock.forward(seconds=1)
        (last,) = worker.round()
    assert (last.kind, last.thread) == ("put_aside", "t1")
    world.clock.forward(days=1)
    assert list(worker.round()) == []
    assert worker.undone() == ["t1"]
    session.gateway.alerts.drain()
    (alert,) = bench.pager.told
    assert (alert.kind, alert.severity, alert.scope) == (PUT_ASIDE, "critical", "thread:t1")
    assert "RuntimeError" in alert.text
    assert world.kinds(session.gateway.thread("t1"))[-1] == "escalated"
    assert "RuntimeError" in caplog.text and "Kowalska" not in caplog.text
    broken.threads = set()
    assert worker.retry() == 1
    assert [done.kind for done in worker.round()] == ["resumed"]
    quiet(worker)


def test_a_person_may_resume_what_was_put_aside(bench: Bench, world: World) -> None:
    """The same answer once more lets the thread go on where the cause is gone."""
    session = bench.session(STAGE, "Moved.")
    asked = bench.asked(session)
    session.gateway.answer(asked, "approve", by=world.boss)
    worker = Worker(session.gateway, lambda scenario: Broken(session, RuntimeError))  # type: ignore[arg-type,return-value]
    for _ in range(TRIES):
        list(worker.round())
        world.clock.forward(seconds=60)
    assert session.resume(asked, "approve", by=world.boss).status == "delivered"
    quiet(worker)


@pytest.mark.req("A12")
def test_an_approval_without_a_thread_is_put_aside(bench: Bench, world: World) -> None:
    """Where the checkpoints do not have the thread, nothing runs, and the words say what is missing."""
    session = bench.session(STAGE)
    session.gateway.answer(bench.asked(session), "approve", by=world.boss)
    other = bench.session("Moved.", saver=InMemorySaver())
    worker = worker_of(other)
    told = []
    for _ in range(TRIES):
        told += worker.round()
        world.clock.forward(seconds=60)
    assert [done.kind for done in told] == ["failed", "failed", "put_aside"]
    assert "checkpoints hold no thread 't1'" in str(told[-1].words)
    assert world.desk.effects == []
    assert bench.states(session) == ["approved"]


def test_a_thread_that_kills_its_process_is_put_aside_too(bench: Bench, world: World) -> None:
    """Three processes died over it: the next one does not try."""
    session = bench.session(STAGE, "Moved.")
    session.gateway.answer(bench.asked(session), "approve", by=world.boss)
    for _ in range(TRIES):
        abandoned(session)
        world.clock.forward(seconds=LEASE_S)
    assert [done.kind for done in worker_of(session).round()] == ["put_aside"]
    assert world.desk.effects == []


def test_a_thread_that_belongs_to_no_graph_is_put_aside(bench: Bench, world: World) -> None:
    """Where nobody can let such a thread go on, that is a failure like any other."""
    session = bench.session(STAGE)
    session.gateway.answer(bench.asked(session), "approve", by=world.boss)

    def nothing(scenario: str | None) -> Session:
        raise ConfigError("the thread was opened without a scenario")

    worker, told = Worker(session.gateway, nothing), []
    for _ in range(TRIES):
        told += worker.round()
        world.clock.forward(seconds=60)
    assert [done.kind for done in told] == ["failed", "failed", "put_aside"]
    assert told[0].words == "the thread was opened without a scenario"


def test_a_database_that_cannot_be_used_is_no_threads_fault(bench: Bench, world: World) -> None:
    """The round ends, no try is counted, and the next round goes on where it works again."""
    session = bench.session(STAGE, "Moved.")
    session.gateway.answer(bench.asked(session), "approve", by=world.boss)
    broken = Broken(session, lambda: StoreError("the checkpoint database cannot be used"))
    worker = Worker(session.gateway, lambda scenario: broken)  # type: ignore[arg-type,return-value]
    for _ in range(TRIES + 2):
        with pytest.raises(StoreError):
            list(worker.round())
    broken.threads = set()
    assert [done.kind for done in worker.round()] == ["resumed"]


def test_a_process_that_is_told_to_end_gives_its_thread_back(bench: Bench, world: World) -> None:
    """Ctrl-C in the middle of a run: the thread is free at once, and no try is counted."""
    session = bench.session(STAGE, "Moved.")
    session.gateway.answer(bench.asked(session), "approve", by=world.boss)
    with contextlib.suppress(KeyboardInterrupt), turns.turn(session.gateway, "t1", again=False):
        raise KeyboardInterrupt
    (row,) = world.rows(session.gateway, "leases")
    assert (row["owner"], row["tries"], row["until"]) == (leases.NOBODY, 0, session.gateway.now_ms())
    assert [done.status for done in worker_of(session).round()] == ["delivered"]


# ---- what else a round does


def test_notices_that_were_not_delivered_are_sent(bench: Bench, world: World) -> None:
    """A question whose notice did not arrive is told in a later round."""
    told: list[str] = []

    class Bell:
        down = True

        def asked(self, notice: Any) -> None:
            if self.down:
                raise DeliveryError("down", soon=False)
            told.append(notice.approval_id)

    bell = Bell()
    session = bench.session(STAGE, notify=[bell])
    asked = bench.asked(session)
    session.gateway.notices._courier.drain(5)
    world.clock.forward(minutes=15)
    bell.down = False
    worker = worker_of(session)
    assert [(done.kind, done.words) for done in worker.round()] == [("notified", "1 questions")]
    assert told == [asked]
    quiet(worker)


@pytest.mark.req("A12")
def test_a_thread_whose_checkpoints_cannot_be_used_stops_nothing_else(bench: Bench, world: World) -> None:
    """Round after round: people are told of their questions all the same, and what has run out is ended."""
    told: list[str] = []

    class Bell:
        def asked(self, notice: Any) -> None:
            if not world.clock().minute:
                raise DeliveryError("down", soon=False)
            told.append(notice.approval_id)

    session = bench.session(STAGE, STAGE, notify=[Bell()])
    world.clock.forward(minutes=60 - world.clock().minute)
    session.gateway.answer(bench.asked(session), "approve", by=world.boss)
    waiting = bench.asked(session, "t2")
    session.gateway.notices._courier.drain(5)
    world.clock.forward(minutes=15)
    broken: Any = Broken(session, lambda: StoreError("the checkpoint database cannot be used"))
    ended: list[int] = []
    worker = Worker(session.gateway, lambda _: broken, tidy=lambda: ended.append(1) or 0)
    with pytest.raises(StoreError):
        list(worker.round())
    assert (told, ended) == ([waiting], [1])


def _keeper(answers: list[Any]) -> Any:
    """``crm.create_task`` whose request leaves and whose answer never comes, and a look-up that answers so."""

    def look_up(args: NewTask, desk: Any, idempotency_key: str) -> TaskMade | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return TaskMade(task_id="1", subject=args.subject) if answer else None

    @tool(
        name="crm.create_task", effect="draft", timeout_s=2, key=("deal_id", "subject"), refs={"deal_id": "deal"},
        result_refs={"task_id": "task"}, unmask={"subject"}, lookup=look_up,
    )  # fmt: skip
    def create_task(args: NewTask, desk: Any, idempotency_key: str) -> TaskMade:
        """Makes a task."""
        desk.do("task", subject=args.subject)
        raise OutcomeUnknown("the line is dead")

    return create_task


@pytest.mark.req("A6")
def test_a_call_whose_outcome_nobody_knows_is_looked_up(bench: Bench, world: World) -> None:
    """The system of record is asked again and again with growing pauses, until it answers; the call is not repeated."""
    answers: list[Any] = [ToolUnavailable("down")] * 2 + [True]
    tools = [_keeper(answers), World.read_deal, World.set_stage, World.send_note]
    session = bench.session(TASK, tools=tools)
    session.start("Remind me", world.sdr, speaker="user", party=world.anna, thread_id="t1")
    world.clock.forward(minutes=5)
    worker, told = worker_of(session), []
    for seconds in (0, REST_S - 1, 1, 2 * REST_S - 1, 1):
        world.clock.now += timedelta(seconds=seconds)
        told.append([(done.kind, done.status) for done in worker.round()])
    assert told == [[], [], [], [], [("reconciled", "executed")]]
    assert answers == []
    assert bench.states(session) == ["done"]
    assert len(world.desk.effects) == 1
    quiet(worker)


@pytest.mark.req("A6", "A12")
def test_a_thread_of_a_dead_process_hears_what_became_of_its_call(bench: Bench, world: World) -> None:
    """The process died after the effect: the call is looked up before the thread goes on, so the model is told that it
    was done, and nobody has to look.
    """
    answers = [True]
    tools = [_keeper(answers), World.read_deal, World.set_stage, World.send_note]
    session = bench.session(TASK, "It is done.", policy=world.policy(APPROVED), tools=tools)
    asked = bench.asked(session)
    write = session.gateway.store.write
    world.desk.after = lambda: setattr(session.gateway.store, "write", _die)
    with pytest.raises(Death):
        session.resume(asked, "approve", by=world.boss)
    session.gateway.store.write = write  # type: ignore[method-assign]
    assert bench.states(session) == ["claimed"]
    world.clock.forward(seconds=LEASE_S)
    done = list(worker_of(session).round())
    assert [(item.kind, item.status) for item in done] == [("reconciled", "executed"), ("resumed", "delivered")]
    assert len(world.desk.effects) == 1
    assert bench.states(session) == ["done"]


class Death(BaseException):
    """The end of a process, as far as one process can play it."""


def _die(**_: Any) -> None:
    raise Death


# ---- several workers


def test_workers_at_the_same_time_take_each_thread_once(bench: Bench, world: World) -> None:
    """Two workers in two threads of one process, each with a gateway of its own: every thread goes on once."""
    first = bench.session(*[STAGE] * 6)
    for n in range(6):
        first.gateway.answer(bench.asked(first, f"t{n}"), "reject", by=world.boss)
    sessions = [bench.session(*["Understood."] * 6) for _ in range(2)]
    start, done = threading.Barrier(2), []

    def work(session: Session) -> None:
        start.wait(10)
        done.extend(list(worker_of(session).round()))

    working = [threading.Thread(target=work, args=(session,)) for session in sessions]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join(60)
    assert sorted(str(item.thread) for item in done) == [f"t{n}" for n in range(6)]
    assert {item.kind for item in done} == {"resumed"}
    assert [first.state(f"t{n}", by=world.sdr).text for n in range(6)] == ["Understood."] * 6
    assert world.rows(first.gateway, "leases") == []


def test_what_another_worker_did_meanwhile_is_not_done_again(bench: Bench, world: World) -> None:
    """A worker that looked before the other one began finds the thread done when it comes to it."""
    session = bench.session(*[STAGE] * 2, *["Understood."] * 2)
    for n in range(2):
        session.gateway.answer(bench.asked(session, f"t{n}"), "reject", by=world.boss)
    slow = worker_of(session).round()
    assert next(slow).thread == "t0"
    assert [done.thread for done in worker_of(session).round()] == ["t1"]
    assert list(slow) == []


@pytest.fixture(autouse=True)
def _nothing_left(world: World) -> Iterator[None]:
    """No chain of the record is broken by anything above."""
    yield
    for gateway in world._gateways:
        with contextlib.suppress(StoreError):
            assert list(gateway.audit.broken("t1")) == []


# ---- what runs out


@pytest.mark.req("A19")
def test_what_has_run_out_is_ended_about_once_a_minute(bench: Bench, world: World) -> None:
    """A round tidies at first and then when a minute is over; it is told of where something was ended."""
    ended, counts = [], iter([2, 0, 1])
    worker = Worker(bench.session().gateway, lambda scenario: None, tidy=lambda: ended.append(1) or next(counts))
    told = []
    for seconds in (0, TIDY_S - 1, 1, TIDY_S):
        world.clock.forward(seconds=seconds)
        told.append([(done.kind, done.words) for done in worker.round()])
    assert told == [[("tidied", "2 ended")], [], [], [("tidied", "1 ended")]]
    assert len(ended) == 3


@pytest.mark.req("A8", "A19")
@pytest.mark.parametrize("error", [ToolUnavailable("Emily", code="unavailable"), ValueError("Emily")])
def test_a_system_that_cannot_be_tidied_stops_nobody(
    bench: Bench, world: World, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged by a word that holds no value, threads go on, and the next minute it is tried again."""
    session = bench.session(STAGE, "Done.")
    asked = bench.asked(session)
    session.gateway.answer(asked, "approve", by=world.boss)
    tries = iter([error, None])

    def tidy() -> int:
        failure = next(tries)
        if failure:
            raise failure
        return 1

    worker = Worker(session.gateway, lambda scenario: session, tidy=tidy)
    assert [done.kind for done in worker.round()] == ["resumed"]
    assert getattr(error, "code", "ValueError") in caplog.text and "Emily" not in caplog.text
    world.clock.forward(seconds=TIDY_S)
    assert [done.kind for done in worker.round()] == ["tidied"]
