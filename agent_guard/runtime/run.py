"""Running a tool: the one place where ``Tool.run`` is called (law L1), with a time-out that cuts off.

An async tool is cancelled, with every task that it started; a sync one is left behind in a daemon thread, and its
adapter's own deadline ends it. A tool that swallows its cancellation is left behind as well: nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel

from agent_guard.credentials import Secrets
from agent_guard.errors import ToolError
from agent_guard.runtime.running import Running, is_async, start
from agent_guard.runtime.waits import Run, Waits, drive
from agent_guard.runtime.workers import Workers
from agent_guard.tool import RESERVED, Tool, parameters_of
from agent_guard.types import Subject

__all__ = ["look_up", "run", "within"]


def run(
    tool: Tool,
    args: BaseModel,
    resources: Mapping[str, Any],
    *,
    idempotency_key: str | None,
    subject: Subject,
    secrets: Secrets,
    rendered: str | Mapping[str, str] | None = None,
    seconds: float | None = None,
    watched: Callable[[Running], object] | None = None,
) -> Waits[BaseModel]:
    """Runs a tool once and returns its result; yields where it waits, see :mod:`agent_guard.runtime.waits`.

    Args:
        secrets: of the gateway's agent; hands out nothing more when this function is left, also by a time-out.
        rendered: what the tool's ``render`` gave, for a tool that takes it.
        seconds: how long it may take; ``tool.timeout_s`` by default.
        watched: is told the run before it begins, so that somebody else can cut it.

    Raises:
        TimeoutError: it took longer.
        ToolUnavailable: it was not begun in that time, because too many others run or hang.
        Cut: somebody cut it.
        TypeError: it returned something else than its result model, or a secret in it.
        Exception: whatever the tool raised.
    """
    filled = _filled(tool.parameters, resources, idempotency_key, subject, secrets, rendered)
    kind, most = is_async(tool.run), tool.timeout_s if seconds is None else seconds
    running = Running(tool.name)
    begin = partial(
        start, lambda: tool.run(args, **filled), tool.name, asynchronous=kind, watched=watched, running=running
    )
    request = Run(start=begin, seconds=most, running=running)
    answer = yield from _answer(tool, request, filled, secrets)
    if answer is None:
        raise TypeError(f"{tool.name} returned NoneType, not {tool.result_model.__name__}")
    return answer


def look_up(
    tool: Tool,
    args: BaseModel,
    resources: Mapping[str, Any],
    *,
    idempotency_key: str,
    subject: Subject,
    secrets: Secrets,
) -> Waits[BaseModel | None]:
    """Asks a tool's ``lookup`` what became of the call with this key: its result, or None where the system of record
    is sure that it never happened. Yields where it waits, as :func:`run` does.

    Raises:
        Exception: as :func:`run`; whatever it is, nobody knows more than before.
    """
    lookup = tool.lookup
    if lookup is None:
        raise TypeError(f"{tool.name} has no lookup")
    filled = _filled(parameters_of(lookup), resources, idempotency_key, subject, secrets)
    name = f"look-up of {tool.name}"
    begin = partial(start, lambda: lookup(args, **filled), name, asynchronous=is_async(lookup))
    return (yield from _answer(tool, Run(start=begin, seconds=tool.timeout_s), filled, secrets))


def _filled(
    names: Sequence[str],
    resources: Mapping[str, Any],
    idempotency_key: str | None,
    subject: Subject,
    secrets: Secrets,
    rendered: str | Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a function is given besides the arguments, by the names of its parameters."""
    key = idempotency_key or ""
    reserved = {"idempotency_key": key, "subject": subject, "secrets": secrets, "rendered": rendered}
    return {name: reserved[name] if name in RESERVED else resources[name] for name in names}


def _answer(
    tool: Tool,
    request: Run,
    filled: Mapping[str, Any],
    secrets: Secrets,
) -> Waits[BaseModel | None]:
    try:
        answer = yield request
    except ToolError as error:
        if secrets.told_in(error.code):  # the code goes into the record
            error.code = "tool_error"
        raise
    finally:
        secrets.close()
    if answer is not None and not isinstance(answer, tool.result_model):
        raise TypeError(f"{tool.name} returned {type(answer).__name__}, not {tool.result_model.__name__}")
    if answer is not None and "secrets" in filled and secrets.told_in(answer.model_dump_json()):
        raise TypeError(f"{tool.name} returned a secret")
    return answer


def within(seconds: float, job: Callable[[], Any], name: str, *, workers: Workers | None = None) -> Any:
    """Does a job that may hang, such as a tool's dry run, and returns its answer.

    Args:
        seconds: the most it may take.
        job: sync or async, without arguments; a ``partial`` of a function with them. It sees no context variables.
        name: for messages, e.g. ``"dry run of crm.set_stage"``.
        workers: the threads for a sync job; by default those of the tools.

    Raises:
        TimeoutError: it took longer; an async job is cancelled, a sync one is left behind in its thread.
        ToolUnavailable: it was not begun in that time, because too many others run or hang.
        Exception: whatever the job raised.
    """

    def waiting() -> Waits[Any]:
        begin = partial(start, job, name, asynchronous=is_async(job), workers=workers)
        return (yield Run(start=begin, seconds=seconds))

    return drive(waiting())
