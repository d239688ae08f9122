"""Running a tool: the one place where ``Tool.run`` is called (law L1), with a time-out that cuts off.

An async tool is cancelled; a sync one is left behind in a daemon thread, and its adapter's own deadline ends it.
"""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from agent_guard.credentials import Secrets
from agent_guard.errors import ToolError
from agent_guard.tool import RESERVED, Tool
from agent_guard.types import Subject

__all__ = ["run", "within"]


def run(
    tool: Tool,
    args: BaseModel,
    resources: Mapping[str, Any],
    *,
    idempotency_key: str | None,
    subject: Subject,
    secrets: Secrets,
) -> BaseModel:
    """Runs a tool and returns its result.

    Args:
        secrets: of the gateway's agent; hands out nothing more when this function is left, also by a time-out.

    Raises:
        TimeoutError: it took longer than ``tool.timeout_s``.
        TypeError: it returned something else than its result model, or a secret in it.
        Exception: whatever the tool raised.
    """
    reserved = {"idempotency_key": idempotency_key or "", "subject": subject, "secrets": secrets}
    filled = {name: reserved[name] if name in RESERVED else resources[name] for name in tool.parameters}
    try:
        answer = within(tool.timeout_s, lambda: _call(tool, args, filled), tool.name)
    except ToolError as error:
        if secrets.told_in(error.code):  # the code goes into the record
            error.code = "tool_error"
        raise
    finally:
        secrets.close()
    if not isinstance(answer, tool.result_model):
        raise TypeError(f"{tool.name} returned {type(answer).__name__}, not {tool.result_model.__name__}")
    if "secrets" in filled and secrets.told_in(answer.model_dump_json()):
        raise TypeError(f"{tool.name} returned a secret")
    return answer


def within(seconds: float, job: Callable[[], Any], name: str) -> Any:
    """Does a job in a daemon thread of its own and returns its answer.

    Raises:
        TimeoutError: it took longer; the thread is left behind.
        Exception: whatever the job raised.
    """
    answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((True, job()))
        except BaseException as error:  # handed to the caller's thread, whatever it is
            answers.put((False, error))

    # a new thread has no context variables, so no tracer of the caller's sees the raw arguments
    threading.Thread(target=work, name=name, daemon=True).start()
    try:
        fine, answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"{name} took longer than {seconds:g} seconds") from None
    if not fine:
        # a tool that exits or is cancelled inside must not end its caller
        raise answer if isinstance(answer, Exception) else RuntimeError(type(answer).__name__)
    return answer


def _call(tool: Tool, args: BaseModel, filled: Mapping[str, Any]) -> Any:
    answer = tool.run(args, **filled)
    if inspect.isawaitable(answer):

        async def bounded() -> Any:
            return await asyncio.wait_for(answer, tool.timeout_s)

        return asyncio.run(bounded())
    return answer
