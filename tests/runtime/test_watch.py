"""The red button while calls run: seen by every process, within an interval, at one query."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import multiprocessing
import os
import queue
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_guard.errors import StoreError, ToolUnavailable
from agent_guard.guarded import GuardedThread
from agent_guard.masking import Masker
from agent_guard.operations import enrolment
from agent_guard.runtime import watch as watching
from agent_guard.runtime.running import Cut, Running, start
from agent_guard.runtime.watch import IDLE_ROUNDS, INTERVAL_S, Watch
from agent_guard.types import Code, ToolResult
from tests.conftest import Database, World

# ---- the watch itself


class Ticks:
    """Stands in for the event that a watch waits at: a test lets it go on, interval by interval."""

    def __init__(self) -> None:
        self._goes, self._comes = queue.Queue[bool](), queue.Queue[float]()
        self._set = False

    def wait(self, seconds: float) -> bool:
        self._comes.put(seconds)
        return self._goes.get(timeout=10) or self._set

    def tick(self, times: int = 1) -> None:
        """Lets so many intervals pass, and waits until the watch has done what it does then."""
        for _ in range(times):
            self._comes.get(timeout=10)
            self._goes.put(False)
        self._comes.put(self._comes.get(timeout=10))

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        self._goes.put(True)


class Board:
    """Flags that a test presses, and how often they were read."""

    def __init__(self) -> None:
        self.flags: set[str] = set()
        self.errors: list[Exception] = []
        self.asked = 0

    def pressed(self) -> set[str]:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.flags


@pytest.fixture(name="board")
def _board() -> Board:
    return Board()


@pytest.fixture(name="ticks")
def _ticks() -> Any:
    made = Ticks()
    yield made
    made.set()


@pytest.fixture(name="watch")
def _watch(board: Board, ticks: Ticks) -> Watch:
    made = Watch(board.pressed, interval_s=0.5)
    made._closed = ticks  # type: ignore[assignment]
    return made


def begun(name: str = "job") -> Running:
    """A run under way."""
    running = Running(name)
    assert running.begin()
    return running


def cut(running: Running) -> tuple[Code, str]:
    """How a run was cut."""
    error = running.answer.exception(timeout=5)
    assert isinstance(error, Cut) and error.begun
    return error.code, error.detail


@pytest.mark.req("A31")
@pytest.mark.parametrize(
    ("flag", "covered"),
    [("*", True), ("tool:a", True), ("tenant:acme", True), ("tool:b", False), ("tool", False), ("acme", False)],
)
def test_a_flag_cuts_what_it_covers(watch: Watch, board: Board, ticks: Ticks, flag: str, covered: bool) -> None:
    """And nothing else."""
    running = begun()
    watch.add(running, ["tool:a", "tenant:acme"])
    ticks.tick()
    assert not running.answer.done()
    board.flags.add(flag)
    ticks.tick()
    assert running.answer.done() == covered
    if covered:
        assert cut(running) == (Code.KILLED, flag)


@pytest.mark.req("A31")
def test_runs_that_end_while_they_are_listed_do_not_end_the_watch(watch: Watch, board: Board, ticks: Ticks) -> None:
    """A collection of garbage lets others go on in the middle of a list; what still runs is cut all the same."""
    ends, stays = [begun() for _ in range(3000)], begun()
    for running in (*ends, stays):
        watch.add(running, [])

    def collecting(*_: object) -> None:
        if ends and threading.current_thread() is watch._thread:
            ends.pop().end()

    before = gc.get_threshold()
    gc.callbacks.append(collecting)
    gc.set_threshold(1, 1000, 1000)
    try:
        ticks.tick()
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(collecting)
    assert len(ends) < 3000
    board.flags.add("*")
    ticks.tick()
    assert cut(stays) == (Code.KILLED, "*")


def test_several_flags_are_told_in_order(watch: Watch, board: Board, ticks: Ticks) -> None:
    """The record names all of them."""
    running = begun()
    board.flags |= {"tool:a", "*", "tool:b"}
    watch.add(running, ["tool:a"])
    ticks.tick()
    assert cut(running) == (Code.KILLED, "*, tool:a")


@pytest.mark.req("A31", "A8")
@pytest.mark.parametrize("error", [StoreError("gone"), ValueError("anything")])
def test_flags_that_cannot_be_read_cut_everything(watch: Watch, board: Board, ticks: Ticks, error: Exception) -> None:
    """They are asked for once more first: a single lost connection costs nobody a call."""
    running = [begun(), begun()]
    watch.add(running[0], ["tool:a"])
    watch.add(running[1], ["tool:b"])
    board.errors = [error]
    ticks.tick()
    assert board.asked == 2 and not any(item.answer.done() for item in running)
    board.errors = [error, error]
    ticks.tick()
    assert [cut(item) for item in running] == [(Code.KILLED, "unreadable")] * 2


@pytest.mark.req("A31", "A8")
def test_flags_that_nobody_answers_about_cut_everything(ticks: Ticks) -> None:
    """A server that is asked and stays silent counts as one that cannot be read; it is not asked by more and more."""
    silence, asked = threading.Event(), []

    def hangs() -> set[str]:
        asked.append(1)
        assert silence.wait(10)
        return set()

    watch = Watch(hangs, late_s=0.01)
    watch._closed = ticks  # type: ignore[assignment]
    for _ in range(2):
        running = begun()
        watch.add(running, ["tool:a"])
        ticks.tick()
        assert cut(running) == (Code.KILLED, "unreadable")
    assert len(asked) == 1
    silence.set()
    assert watch._reading is not None and watch._reading.result(timeout=5) == set()
    running = begun()
    watch.add(running, ["tool:a"])
    watch._late_s = 5.0
    ticks.tick()
    assert (len(asked), running.answer.done()) == (2, False)


@pytest.mark.req("A31", "A8")
def test_a_process_that_slept_while_it_waited_loses_one_look(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it was stopped: flags that are read once it goes on cut nothing."""
    awake = threading.Event()

    def asleep(futures: Any, timeout: float) -> Any:
        monkeypatch.setattr(watching, "wait", concurrent.futures.wait)
        awake.set()  # the whole time is over at once, and nobody else could do anything in it
        return concurrent.futures.wait(futures, timeout=0)

    def reads() -> set[str]:
        assert awake.wait(10)
        return set()

    monkeypatch.setattr(watching, "wait", asleep)
    watch = Watch(reads, late_s=5.0)
    watch._closed = ticks  # type: ignore[assignment]
    running = begun()
    watch.add(running, ["tool:a"])
    ticks.tick()
    assert not running.answer.done()


def test_it_asks_once_an_interval_and_only_while_something_runs(watch: Watch, board: Board, ticks: Ticks) -> None:
    """However many calls run; when none does, the thread waits some intervals and ends."""
    running = [begun() for _ in range(5)]
    for item in running:
        watch.add(item, ["tool:a"])
    thread = watch._thread
    assert thread is not None and thread.daemon and ticks._comes.get(timeout=5) == 0.5
    ticks._comes.put(0.5)
    ticks.tick(3)
    assert board.asked == 3
    for item in running:
        item.end("done")
    ticks.tick(IDLE_ROUNDS)
    assert board.asked == 3 and thread.is_alive()
    ticks._comes.get(timeout=5)
    ticks._goes.put(False)
    thread.join(5)
    assert not thread.is_alive()
    late = begun()
    watch.add(late, ["tool:a"])
    board.flags.add("*")
    ticks.tick()
    assert cut(late) == (Code.KILLED, "*")


def test_what_has_ended_is_watched_no_longer(watch: Watch, board: Board, ticks: Ticks) -> None:
    """A call that is over is not held in memory, and cannot be cut any more."""
    running = begun()
    watch.add(running, ["tool:a"])
    running.end("done")
    assert watch._running == {}
    board.flags.add("*")
    ticks.tick()
    assert running.answer.result() == "done"


def test_what_nobody_can_watch_does_not_begin(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without a thread for the watch runs no tool."""

    def refuses(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuses)
    ran: list[int] = []
    with pytest.raises(ToolUnavailable, match="nobody can watch the red button"):
        start(lambda: ran.append(1), "job", asynchronous=False, watched=lambda item: watch.add(item, ["tool:a"]))
    assert (ran, watch._running) == ([], {})


def test_closing_ends_the_thread(watch: Watch) -> None:
    """What still runs goes on; nothing that is added later starts a thread."""
    running = begun()
    watch.add(running, ["tool:a"])
    thread = watch._thread
    watch.close()
    assert thread is not None
    thread.join(5)
    assert not thread.is_alive() and not running.answer.done()
    watch._thread = None
    watch.add(begun(), ["tool:a"])
    assert watch._thread is None


def test_a_forked_process_watches_anew(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent's thread is not in the child, and the parent's calls are not the child's."""
    watch = Watch(board.pressed, interval_s=60)
    watch.add(begun(), ["tool:a"])
    first = watch._thread
    watch._closed.set()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    mine = begun()
    watch.add(mine, ["tool:a"])
    assert list(watch._running) == [mine] and watch._thread is not first
    watch.close()


# ---- at a gateway


class Held:
    """A tool that hangs until it is released, sync or async; says when it began and whether it was cancelled."""

    def __init__(self) -> None:
        self.begun, self.cancelled, self.end = threading.Event(), threading.Event(), threading.Event()

    def sync(self, args: Any, desk: Any) -> Any:
        self.begun.set()
        self.end.wait(30)
        return None

    async def later(self, args: Any, desk: Any) -> Any:
        self.begun.set()
        try:
            await asyncio.sleep(9.5)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def held(world: World, name: str, kind: str, **options: Any) -> tuple[GuardedThread, Held]:
    """A thread at a gateway where one tool hangs and has ten seconds to do so."""
    hangs = Held()
    function = hangs.sync if kind == "sync" else hangs.later
    tools = [world.read_deal, world.create_task, world.set_stage, world.send_note]
    changed = [replace(item, run=function, timeout_s=10) if item.name == name else item for item in tools]
    thread = world.thread(tools=changed, **options)
    thread.gateway.watch.interval_s = 0.02
    return thread, hangs


def pressed_while_running(thread: GuardedThread, hangs: Held, name: str, args: Any, press: Any) -> ToolResult:
    """Calls the tool, presses when it runs, and returns what the caller is told."""
    found: list[ToolResult] = []
    caller = threading.Thread(target=lambda: found.append(thread.invoke(name, args)))
    caller.start()
    assert hangs.begun.wait(10)
    press()
    caller.join(20)
    hangs.end.set()
    return found[0]


CALLS = {"crm.read_deal": {"deal_id": "42"}, "messages.send": {"text": "Hello"}}


@pytest.mark.databases
@pytest.mark.req("A31")
@pytest.mark.parametrize(
    ("kind", "name", "status", "flag"),
    [
        ("sync", "crm.read_deal", "failed", "*"),
        ("async", "crm.read_deal", "failed", "tool:crm.read_deal"),
        ("sync", "messages.send", "unknown", "tool:messages.send"),
        ("async", "messages.send", "unknown", "*"),
        ("async", "messages.send", "unknown", "tenant:acme"),
        ("sync", "messages.send", "unknown", "agent:default"),
    ],
)
def test_a_pressed_button_cuts_a_running_call(world: World, kind: str, name: str, status: str, flag: str) -> None:
    """Long before its time-out: a read has failed, a write is unknown; an async tool is cancelled, a sync one left."""
    thread, hangs = held(world, name, kind)
    result = pressed_while_running(
        thread, hangs, name, CALLS[name], lambda: thread.gateway.press(flag, reason="drill", by="m7")
    )
    assert (result.status, result.code, result.stop) == (status, Code.KILLED, True)
    event = thread.gateway.audit.events(thread=thread.id)[-1].data
    assert (event["kind"], event["error"]["detail"]) == (status, flag)
    assert kind == "sync" or hangs.cancelled.wait(5)
    assert [row["state"] for row in world.rows(thread.gateway, "calls")] == [status]


@pytest.mark.databases
@pytest.mark.req("A31")
def test_a_button_that_covers_something_else_cuts_nothing(world: World) -> None:
    """Another tool's flag, pressed while this one runs."""
    thread, hangs = held(world, "messages.send", "sync")
    looked = threading.Event()
    real = thread.gateway.kill_switch.flags

    def flags() -> frozenset[str]:
        found = real()
        if found:
            looked.set()
        return found

    thread.gateway.watch._pressed = flags

    def press() -> None:
        thread.gateway.press("tool:crm.read_deal", reason="drill", by="m7")
        assert looked.wait(10)
        hangs.end.set()

    result = pressed_while_running(thread, hangs, "messages.send", CALLS["messages.send"], press)
    assert (result.status, result.code) == ("unknown", Code.RESULT_INVALID)  # it ran to its end, which is no result


@pytest.mark.databases
@pytest.mark.req("A2", "A31")
def test_a_revoked_agent_is_cut(world: World) -> None:
    """Its running call ends; the CRM, and what other agents do there, goes on."""
    thread, hangs = held(world, "messages.send", "async", file=True)
    gateway = thread.gateway
    enrolment.add(gateway.store, gateway.audit, "bot", environment="dev", reason="new", by="m7", now=gateway.now())
    other = world.gateway(file=True, agent="bot").open(world.sdr, party=world.anna)

    def revoke() -> None:
        enrolment.revoke(
            gateway.store, gateway.audit, "default", environment="dev", reason="leaked", by="m7", now=gateway.now()
        )

    result = pressed_while_running(thread, hangs, "messages.send", CALLS["messages.send"], revoke)
    assert (result.status, result.code) == ("unknown", Code.KILLED)
    assert hangs.cancelled.wait(5)
    assert other.invoke("crm.read_deal", CALLS["crm.read_deal"]).status == "executed"


@pytest.mark.databases
@pytest.mark.req("A8", "A31")
def test_a_store_that_cannot_be_reached_cuts_what_runs(world: World) -> None:
    """Nobody could say stop any more."""
    thread, hangs = held(world, "messages.send", "async")

    def unreadable() -> frozenset[str]:
        raise StoreError("gone")

    def fails() -> None:
        thread.gateway.watch._pressed = unreadable

    result = pressed_while_running(thread, hangs, "messages.send", CALLS["messages.send"], fails)
    assert (result.status, result.code) == ("unknown", Code.KILLED)
    assert thread.gateway.audit.events(thread=thread.id)[-1].data["error"]["detail"] == "unreadable"


def press_elsewhere(folder: str, url: str, ready: Any, now: Any) -> None:
    """In a process of its own: somebody presses the button, when it is time."""
    world = World(Path(folder), Masker(profile="patterns"), Database(Path(folder), url))
    gateway = world.gateway(file=True)
    ready.set()
    assert now.wait(60)
    gateway.press("tool:messages.send", reason="wrong words", by="op")
    world.close()


@pytest.mark.databases
@pytest.mark.req("A31")
def test_a_button_pressed_in_another_process_cuts_a_running_call(world: World) -> None:
    """A real second process presses: the tool is cancelled, and its caller told, while it has time left."""
    thread, hangs = held(world, "messages.send", "async", file=True)
    thread.gateway.watch.interval_s = INTERVAL_S
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["agent_guard.session", "agent_guard.masking.engine", "presidio_analyzer"])
    ready, now = context.Event(), context.Event()
    other = context.Process(target=press_elsewhere, args=(str(world.folder), world.database.shared, ready, now))
    other.start()
    assert ready.wait(60)
    result = pressed_while_running(thread, hangs, "messages.send", CALLS["messages.send"], now.set)
    assert hangs.cancelled.wait(5)
    assert (result.status, result.code) == ("unknown", Code.KILLED)
    other.join(60)
    assert other.exitcode == 0
    other.close()


def test_half_a_second_is_what_it_takes_at_most() -> None:
    """Read twice a second, so that whatever is pressed cuts within one."""
    assert INTERVAL_S == 0.5


def test_a_gateway_that_is_closed_watches_no_more(world: World) -> None:
    """Its thread ends with it."""
    thread = world.thread()
    thread.invoke("crm.read_deal", {"deal_id": "42"})
    watching = thread.gateway.watch._thread
    assert watching is not None and watching.is_alive()
    thread.gateway.close()
    watching.join(5)
    assert not watching.is_alive()
