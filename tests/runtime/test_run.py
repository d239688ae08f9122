"""Running a tool: time-outs that cut off, reserved parameters, and nothing of the caller's."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
from pydantic import BaseModel

from agent_guard.credentials import MemoryCredentials, Secrets
from agent_guard.errors import ToolUnavailable
from agent_guard.runtime.run import run, within
from agent_guard.runtime.running import THREADS_MOST, start
from agent_guard.runtime.waits import drive
from agent_guard.runtime.workers import Workers
from agent_guard.tool import tool
from agent_guard.types import Subject
from tests.samples import TaskArgs, TaskMade

ARGS = TaskArgs(deal_id="42", subject="Call")
USER = Subject(id="u1", tenant="acme")
CALLER = contextvars.ContextVar("CALLER", default="nobody")


def made(function, timeout_s=5.0, effect="write"):
    return tool(name="a.b", effect=effect, timeout_s=timeout_s, description="Does it.")(function)


def go(function, resources=None, *, key="k", timeout_s=5.0, secrets=None):
    secrets = secrets or Secrets(MemoryCredentials(), environment="dev", agent="default")
    tool = made(function, timeout_s)
    return drive(run(tool, ARGS, resources or {}, idempotency_key=key, subject=USER, secrets=secrets))


@pytest.mark.req("B3")
def test_a_tool_gets_its_arguments_and_its_result_comes_back():
    """The model of the arguments goes in, the model of the result comes out."""

    def sync(args: TaskArgs) -> TaskMade:
        return TaskMade(task_id=f"{args.deal_id} {args.subject} {args.days}")

    async def coroutine(args: TaskArgs) -> TaskMade:
        await asyncio.sleep(0)
        return TaskMade(task_id=f"{args.deal_id} {args.subject} {args.days}")

    for function in (sync, coroutine):
        assert go(function) == TaskMade(task_id="42 Call 3")


def test_parameters_are_filled_by_their_names():
    """Resources come by name, the key and the subject from the gateway, in whatever order they are asked for."""

    def function(args: TaskArgs, subject: Subject, crm, idempotency_key: str, mailer) -> TaskMade:
        return TaskMade(task_id=f"{subject.id}|{crm}|{idempotency_key}|{mailer}")

    given = {"crm": "C", "mailer": "M", "unused": "U", "subject": "forged", "idempotency_key": "forged"}
    assert go(function, given).task_id == "u1|C|k|M"


def test_without_a_key_an_empty_one_is_given():
    """A read has no idempotency key."""

    def function(args: TaskArgs, idempotency_key: str) -> TaskMade:
        return TaskMade(task_id=repr(idempotency_key))

    assert go(function, key=None).task_id == "''"


@pytest.mark.req("A20")
def test_a_slow_tool_is_left_behind_in_a_daemon_thread():
    """A sync tool that takes too long is a TimeoutError at once; its thread cannot hold the process."""
    inside, end, ended, seen = threading.Event(), threading.Event(), threading.Event(), []

    def slow(args: TaskArgs) -> TaskMade:
        seen.append(threading.current_thread())
        inside.set()
        end.wait(10)
        ended.set()
        return TaskMade(task_id="late")

    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"a\.b took longer than 0\.05 seconds"):
        go(slow, timeout_s=0.05)
    assert time.monotonic() - began < 2
    assert inside.is_set()
    assert seen[0].daemon
    assert seen[0].is_alive()
    end.set()
    assert ended.wait(5)
    seen[0].join(5)


@pytest.mark.req("A20")
def test_a_slow_async_tool_is_cancelled():
    """An async tool is cut off where it waits, and may clean up."""
    cancelled = threading.Event()

    async def slow(args: TaskArgs) -> TaskMade:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return TaskMade(task_id="late")

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        go(slow, timeout_s=0.05)
    assert cancelled.wait(5)
    assert time.monotonic() - began < 5


@pytest.mark.req("A20")
def test_a_blocking_async_tool_does_not_hold_its_caller():
    """An async tool that never waits is left behind like a sync one."""
    end, ended = threading.Event(), threading.Event()

    async def stubborn(args: TaskArgs) -> TaskMade:
        end.wait(10)
        ended.set()
        return TaskMade(task_id="late")

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        go(stubborn, timeout_s=0.05)
    assert time.monotonic() - began < 2
    end.set()
    assert ended.wait(5)


def test_a_tool_may_be_called_from_inside_an_event_loop():
    """The caller's loop is not the tool's: a sync call from async code runs both kinds of tools."""

    async def function(args: TaskArgs) -> TaskMade:
        await asyncio.sleep(0)
        return TaskMade(task_id="9")

    async def caller():
        return go(function)

    assert asyncio.run(caller()).task_id == "9"


@pytest.mark.req("A23", "B6")
def test_a_tool_sees_no_context_of_its_caller():
    """No context variable of the caller reaches the tool, so no tracer that hangs there sees raw arguments."""
    seen = []

    def sync(args: TaskArgs) -> TaskMade:
        seen.append(CALLER.get())
        return TaskMade(task_id="9")

    async def coroutine(args: TaskArgs) -> TaskMade:
        seen.append(CALLER.get())
        CALLER.set("tool")
        return TaskMade(task_id="9")

    token = CALLER.set("caller")
    try:
        for function in (sync, coroutine, sync):
            go(function)
        assert CALLER.get() == "caller"
    finally:
        CALLER.reset(token)
    assert seen == ["nobody"] * 3


class Other(BaseModel):
    task_id: str = "9"


@pytest.mark.req("B3")
@pytest.mark.parametrize("answer", [None, "9", {"task_id": "9"}, Other(), TaskMade])
def test_another_result_is_refused(answer):
    """A result is an instance of the contract's model; what looks like one is not."""

    def function(args: TaskArgs) -> TaskMade:
        return answer

    with pytest.raises(TypeError, match=r"returned .* not TaskMade"):
        go(function)


def test_a_coroutine_that_gives_another_result_is_refused():
    """The same holds for what an async tool gives."""

    async def function(args: TaskArgs) -> TaskMade:
        return {"task_id": "9"}

    with pytest.raises(TypeError, match="returned dict, not TaskMade"):
        go(function)


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("y"), TimeoutError("mine"), ConnectionResetError(104)])
def test_an_exception_of_the_tool_comes_out_as_it_was(error):
    """The caller judges what a tool raises."""

    def sync(args: TaskArgs) -> TaskMade:
        raise error

    async def coroutine(args: TaskArgs) -> TaskMade:
        raise error

    for function in (sync, coroutine):
        with pytest.raises(type(error)) as caught:
            go(function)
        assert caught.value is error


@pytest.mark.req("A8")
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
def test_a_tool_cannot_end_its_caller(error):
    """A tool that exits, or is cancelled inside, is a tool that failed."""

    def function(args: TaskArgs) -> TaskMade:
        raise error

    with pytest.raises(Exception, match=error.__name__) as caught:
        go(function)
    assert isinstance(caught.value, Exception)


def test_threads_are_used_again_and_nothing_of_a_call_is_in_the_context_of_the_next():
    """A call starts no thread where one is free, and meets no context variable that an earlier call has set."""
    seen = []

    def function(args: TaskArgs) -> TaskMade:
        seen.append((threading.get_ident(), CALLER.get()))
        CALLER.set("an earlier call")
        return TaskMade(task_id="9")

    for _ in range(20):
        go(function)
    assert {who for _, who in seen} == {"nobody"}
    assert len({thread for thread, _ in seen}) < 20
    assert threading.get_ident() not in {thread for thread, _ in seen}


# ---- the tools' event loop


class Pool:
    """A connection pool as async clients have one: it belongs to the loop that it was first used on."""

    def __init__(self):
        self.loop = None

    async def ask(self):
        self.loop = self.loop or asyncio.get_running_loop()
        if self.loop is not asyncio.get_running_loop() or self.loop.is_closed():
            raise RuntimeError("attached to a different loop")
        return await asyncio.wait_for(asyncio.sleep(0, "9"), 5)


def test_async_tools_keep_their_connections_from_call_to_call():
    """One loop serves every call, whatever became of the loops that its callers had."""
    pool = Pool()

    async def function(args: TaskArgs, pool) -> TaskMade:
        return TaskMade(task_id=await pool.ask())

    async def caller():
        return go(function, {"pool": pool})

    assert [
        go(function, {"pool": pool}),
        asyncio.run(caller()),
        asyncio.run(caller()),
        go(function, {"pool": pool}),
    ] == [TaskMade(task_id="9")] * 4


@pytest.mark.req("A20")
def test_a_tool_that_swallows_its_cancellation_does_not_hold_its_caller():
    """The caller is told at once; the tool goes on by itself, and what it returns is nobody's."""
    swallowed, end, ended = threading.Event(), threading.Event(), threading.Event()

    async def stubborn(args: TaskArgs) -> TaskMade:
        while not end.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                swallowed.set()
        ended.set()
        return TaskMade(task_id="late")

    with pytest.raises(TimeoutError):
        go(stubborn, timeout_s=0.05)
    assert swallowed.wait(5) and not ended.is_set()
    end.set()
    assert ended.wait(5)


@pytest.mark.req("A20")
def test_what_a_tool_started_is_cut_with_it():
    """A task that an async tool spawned, and one that this one spawned, do nothing after the time-out."""
    cut = [threading.Event(), threading.Event()]

    async def writes(n):
        try:
            if n == 0:
                writes.child = asyncio.create_task(writes(1))
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cut[n].set()
            raise

    async def spawning(args: TaskArgs) -> TaskMade:
        spawning.task = asyncio.create_task(writes(0))
        await asyncio.sleep(30)
        return TaskMade(task_id="late")

    with pytest.raises(TimeoutError):
        go(spawning, timeout_s=0.2)
    assert all(event.wait(5) for event in cut)


def test_what_a_tool_left_running_goes_on():
    """A task that outlives its call, as those of a connection pool do, is not cut when the call has ended by itself."""
    end, ended = threading.Event(), threading.Event()

    async def beats():
        while not end.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.01)
        ended.set()

    async def spawning(args: TaskArgs) -> TaskMade:
        spawning.task = asyncio.create_task(beats())
        return TaskMade(task_id="9")

    assert go(spawning).task_id == "9"
    end.set()
    assert ended.wait(5)


@pytest.mark.req("A8")
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_task_that_exits_does_not_end_the_loop_of_all_tools(error):
    """The next call runs on the same loop."""
    loops = []

    async def exits():
        raise error

    async def spawning(args: TaskArgs) -> TaskMade:
        loops.append(asyncio.get_running_loop())
        if len(loops) == 1:
            spawning.task = asyncio.create_task(exits())
            while not spawning.task.done():  # noqa: ASYNC110 - to await it would raise what it raised
                await asyncio.sleep(0)
            spawning.task.exception()
        return TaskMade(task_id="9")

    assert [go(spawning).task_id, go(spawning).task_id] == ["9", "9"]
    assert loops[0] is loops[1] and loops[0].is_running()


def test_a_sync_function_may_give_something_to_await():
    """A plain function that returns a coroutine is an async tool whose first part runs in a thread."""
    where = []

    async def rest(args):
        where.append(threading.current_thread().name)
        return TaskMade(task_id="9")

    def function(args: TaskArgs) -> TaskMade:
        where.append(threading.current_thread().name)
        return rest(args)

    assert go(function).task_id == "9"
    assert where == ["agent_guard tool", "agent_guard tools"]


def test_to_thread_of_an_async_tool_goes_to_threads_of_ours():
    """asyncio's own threads are joined at the end of the process; ours are not."""

    async def function(args: TaskArgs) -> TaskMade:
        thread = await asyncio.to_thread(threading.current_thread)
        return TaskMade(task_id=f"{thread.name}|{thread.daemon}")

    assert go(function).task_id == "agent_guard tool|True"


# ---- too many that hang


@pytest.mark.req("A8", "A20")
def test_three_hundred_that_hang_do_not_hang_the_next_one():
    """256 threads are the most there are: who finds none is told so within its time, and nothing of it ran or will."""
    end, begun = threading.Event(), []

    def hangs():
        begun.append(1)
        end.wait(60)

    def function(args: TaskArgs) -> TaskMade:
        begun.append("mine")
        return TaskMade(task_id="9")

    hanging = [start(hangs, "a.b", asynchronous=False) for _ in range(300)]
    try:
        with pytest.raises(
            ToolUnavailable, match=r"a\.b was not started within 0\.05 seconds.*256.* busy or hang"
        ) as told:
            go(function, timeout_s=0.05)
        assert told.value.code == "tools_busy"
        assert len(begun) <= THREADS_MOST
    finally:
        for running in hanging:
            running.late(0)
        end.set()
    assert go(function).task_id == "9"
    assert begun.count("mine") == 1


def test_a_job_that_was_given_up_before_it_began_never_begins():
    """A caller who stopped waiting for a thread is not surprised by an effect later."""
    workers, end, done = Workers("test", 1), threading.Event(), []
    first = start(lambda: end.wait(30), "first", asynchronous=False, workers=workers)
    with pytest.raises(ToolUnavailable):
        within(0.02, lambda: done.append("late"), "second", workers=workers)
    end.set()
    assert first.answer.result(5) is True
    assert within(5, lambda: "third", "third", workers=workers) == "third"
    assert done == []


# ---- within


def test_within_takes_sync_and_async_jobs():
    """A look-up or a dry run may be either, alone or with its arguments bound."""

    async def later(n):
        await asyncio.sleep(0)
        return n

    jobs = [lambda: 1, partial(max, 1, 0), partial(later, 1), partial(partial(later), 1), lambda: later(1)]
    assert [within(5, job, "job") for job in jobs] == [1] * 5


@pytest.mark.parametrize("job", [partial(time.sleep, 0.5), partial(asyncio.sleep, 30)], ids=["sync", "async"])
def test_within_names_what_took_too_long(job):
    """The message is for the log of whoever asked."""
    with pytest.raises(TimeoutError, match=r"dry run of a\.b took longer than 0\.02 seconds"):
        within(0.02, job, "dry run of a.b")


# ---- processes

HANGS = """
import asyncio, threading, time
from agent_guard.runtime.run import within

async def hangs():
    await asyncio.to_thread(time.sleep, 600)

async def stubborn():
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass

async def blocks():
    time.sleep(600)

for job in (lambda: time.sleep(600), hangs, stubborn, blocks):
    try:
        within(0.2, job, "x")
    except TimeoutError as error:
        print(error, flush=True)
"""


@pytest.mark.req("A20")
def test_what_hangs_does_not_keep_the_process_from_ending():
    """A sync tool, a thread of an async one, one that swallows cancellation and one that blocks its loop."""
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.count("took longer")) == (0, 4), done.stderr


FORKS = """
import asyncio, os, sys
from agent_guard.runtime.run import within

async def later():
    await asyncio.sleep(0.001)
    return "async"

def both():
    return [within(10, lambda: "sync", "x"), within(10, later, "x")]

assert both() == ["sync", "async"]
child = os.fork()
if child == 0:
    assert both() == ["sync", "async"]
    sys.exit(7)
assert both() == ["sync", "async"]
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert both() == ["sync", "async"]
"""


def test_a_forked_process_has_threads_and_a_loop_of_its_own():
    """Parent and child run tools after a fork, and both end."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


# ---- secrets


HELD = {"dev": {"default": {"crm_token": "tok-Zq81-canary"}}}


def handed():
    return Secrets(MemoryCredentials(secrets=HELD), environment="dev", agent="default")


@pytest.mark.req("B10", "B11")
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_tool_is_given_the_secrets_of_its_agent(kind):
    """A tool that has the parameter ``secrets`` gets them, whatever a resource of that name would be."""

    def sync(args: TaskArgs, secrets: Secrets) -> TaskMade:
        return TaskMade(task_id=str(len(secrets("crm_token").reveal())))

    async def coroutine(args: TaskArgs, secrets: Secrets) -> TaskMade:
        return sync(args, secrets)

    function = sync if kind == "sync" else coroutine
    assert go(function, {"secrets": "forged"}, secrets=handed()).task_id == "15"


@pytest.mark.req("A2", "B10")
def test_secrets_end_with_the_call():
    """A tool that keeps the object, or goes on after its time-out, is handed nothing more."""
    kept, end, ended = [], threading.Event(), threading.Event()

    def keeping(args: TaskArgs, secrets: Secrets) -> TaskMade:
        kept.append(secrets)
        return TaskMade(task_id="9")

    def slow(args: TaskArgs, secrets: Secrets) -> TaskMade:
        end.wait(5)
        try:
            secrets("crm_token")
        except ToolUnavailable as error:
            kept.append(error.code)
        ended.set()
        return TaskMade(task_id="9")

    go(keeping, secrets=handed())
    with pytest.raises(ToolUnavailable, match="the call is over"):
        kept[0]("crm_token")
    with pytest.raises(TimeoutError):
        go(slow, timeout_s=0.05, secrets=handed())
    end.set()
    assert ended.wait(5)
    assert kept[1] == "secret_withheld"


@pytest.mark.req("B6", "B10")
@pytest.mark.parametrize("form", ["{}", "Bearer {}", '{{"auth": "{}"}}'])
def test_a_result_that_holds_a_secret_is_refused(form):
    """What a tool was handed cannot come back in its result, alone or inside another text."""

    def function(args: TaskArgs, secrets: Secrets) -> TaskMade:
        return TaskMade(task_id=form.format(secrets("crm_token").reveal()))

    with pytest.raises(TypeError, match=r"a\.b returned a secret") as caught:
        go(function, secrets=handed())
    assert "tok-Zq81" not in str(caught.value)
