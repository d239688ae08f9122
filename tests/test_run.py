"""Running a tool: time-outs that cut off, reserved parameters, and nothing of the caller's."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest
from pydantic import BaseModel

from agent_guard.credentials import MemoryCredentials, Secrets
from agent_guard.errors import ToolUnavailable
from agent_guard.run import run
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
    return run(tool, ARGS, resources or {}, idempotency_key=key, subject=USER, secrets=secrets)


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


def test_every_call_has_a_thread_of_its_own():
    """Nothing that a tool leaves in its thread is met by the next call."""
    local, seen = threading.local(), []

    def function(args: TaskArgs) -> TaskMade:
        seen.append((threading.current_thread() is threading.main_thread(), getattr(local, "left", None)))
        local.left = "something"
        return TaskMade(task_id="9")

    go(function)
    go(function)
    assert seen == [(False, None)] * 2


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
