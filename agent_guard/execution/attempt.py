"""Between the transactions of ``execute``: the kill flags once more, the run, and the look at what it did."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from pydantic import BaseModel

from agent_guard.calls import CallRow, State
from agent_guard.core import Core
from agent_guard.errors import OutcomeUnknown, StoreError, ToolError, ToolRejected, ToolUnavailable
from agent_guard.gathering.gather import Gathered, kill_scopes
from agent_guard.runtime.retries import Tries
from agent_guard.runtime.run import run
from agent_guard.runtime.running import Cut
from agent_guard.runtime.waits import Pause, Waits
from agent_guard.tool import Tool
from agent_guard.types import Code, Description, Ref

__all__ = ["Outcome", "attempt", "verified", "word_of"]

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")

log = logging.getLogger("agent_guard")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What happened while the tool ran. Raw; masked when it is settled.

    Args:
        attempts: how often the tool was run for it.
        latency_ms: of all attempts together.
    """

    state: State
    code: Code
    result: BaseModel | None = None
    ref: Ref | None = None
    before: Description | None = None
    after: Description | None = None
    verified: bool = False
    attempts: int = 1
    latency_ms: int = 0
    detail: str | None = None


def attempt(
    core: Core, gathered: Gathered, row: CallRow, *, clock: Callable[[], float] = time.monotonic
) -> Waits[Outcome]:
    """Runs a claimed call and looks at what it did; yields where it waits. Never raises: anything is an outcome.

    A try that provably changed nothing is followed by another one, within the tool's time; see
    :mod:`agent_guard.runtime.retries`. Before each one the kill flags are read.

    Args:
        clock: seconds that never go back.
    """
    tool, model = gathered.tool, gathered.arguments.model
    if tool is None or model is None:  # decided against above; here for the reader and the type checker
        return Outcome(state="failed", code=Code.INTERNAL)
    tries, began = Tries(tool), clock()
    while True:
        stopped = _stopped(core, gathered, row, tool)
        if stopped is not None:
            return replace(stopped, attempts=tries.made, latency_ms=_ms(clock() - began))
        tries.made += 1
        try:
            result = yield from run(
                tool,
                model,
                core.resources,
                idempotency_key=gathered.key,
                subject=gathered.thread.subject,
                secrets=core.secrets(),
                rendered=gathered.rendered,
                seconds=tool.timeout_s - (clock() - began),
                watched=partial(core.watch.add, scopes=kill_scopes(gathered)),
            )
        except Exception as error:  # whatever a tool raises becomes one of three outcomes
            state, code = _judged(tool, error)
            log.warning("tool %s: %s (%s)", tool.name, type(error).__name__, code)
            pause = tries.again_in(error, tool.timeout_s - (clock() - began))
            if pause is None:
                return Outcome(
                    state=state,
                    code=code,
                    attempts=tries.made,
                    latency_ms=_ms(clock() - began),
                    detail=word_of(error),
                )
        else:
            latency_ms = _ms(clock() - began)
            return replace(verified(core, gathered, tool, model, result, latency_ms), attempts=tries.made)
        try:
            yield Pause(seconds=pause)
        except Cut as error:  # whoever waits for the call has gone: what the last try came to stands
            return Outcome(
                state=state, code=code, attempts=tries.made, latency_ms=_ms(clock() - began), detail=error.detail
            )


def _stopped(core: Core, gathered: Gathered, row: CallRow, tool: Tool) -> Outcome | None:
    """Why nothing may run now, or None."""
    try:
        with core.watched():
            pressed = core.kill_switch.pressed(kill_scopes(gathered))
    except StoreError:
        pressed = ("unreadable",)
    if pressed:
        return Outcome(state="failed", code=Code.KILLED, detail=", ".join(pressed))
    if row.lease is not None and core.now_ms() + int(tool.timeout_s * 1000) > row.lease:
        # this process slept over its own claim: when it is over, others look whether the call happened, so that a run
        # which could outlast it must not begin
        return Outcome(state="failed", code=Code.TIMEOUT, detail="claim too old")
    return None


def verified(
    core: Core, gathered: Gathered, tool: Tool, model: BaseModel, result: BaseModel, latency_ms: int
) -> Outcome:
    """Reads the record back after a write and asks the tool's post-check (A14)."""
    records = core.sources.records
    ref, before, after, verified = _target(tool, model, result), None, None, False
    if tool.changes is not None:
        before = gathered.descriptions.get(tool.changes)
    if tool.writes and ref is not None and records is not None:
        try:
            after = records.describe(ref)
            verified = after is not None
        except Exception as error:  # it ran; that nobody can look at it now changes nothing
            log.warning("tool %s: could not be read back: %s", tool.name, type(error).__name__)
    problem = None
    if tool.post_check is not None:
        try:
            problem = tool.post_check(model, result, after)
            problem = problem and _plain(problem, "problem")
        except Exception as error:  # a check that cannot check has found something
            problem = type(error).__name__
    return Outcome(
        state="unknown" if problem else "done",
        code=Code.POST_CHECK_FAILED if problem else Code.ALLOWED,
        result=result,
        ref=ref,
        before=before,
        after=after,
        verified=verified,
        latency_ms=latency_ms,
        detail=problem,
    )


def _judged(tool: Tool, error: Exception) -> tuple[State, Code]:
    """A read that went wrong has failed. A write that went wrong has failed only where the adapter says so."""
    match error:
        case Cut(begun=True) if tool.writes:
            return "unknown", error.code
        case Cut():
            return "failed", error.code
        case ToolRejected():
            return "failed", Code.TOOL_REJECTED
        case ToolUnavailable():
            return "failed", Code.TOOL_UNAVAILABLE
        case OutcomeUnknown():
            return ("unknown", Code.OUTCOME_UNKNOWN) if tool.writes else ("failed", Code.TOOL_UNAVAILABLE)
        case TimeoutError():
            return ("unknown" if tool.writes else "failed"), Code.TIMEOUT
        case TypeError() if "returned" in str(error):
            return ("unknown" if tool.writes else "failed"), Code.RESULT_INVALID
        case _:
            return ("unknown", Code.OUTCOME_UNKNOWN) if tool.writes else ("failed", Code.TOOL_FAILED)


def word_of(error: Exception) -> str:
    """A word for the audit that cannot hold a customer's data: an adapter's code, or the kind of the exception."""
    if isinstance(error, Cut):
        return error.detail
    return _plain(error.code, "tool_error") if isinstance(error, ToolError) else type(error).__name__


def _plain(word: str, otherwise: str) -> str:
    """One short word, or what stands for it: a sentence could name somebody."""
    return word if _WORD.fullmatch(word) else otherwise


def _target(tool: Tool, model: BaseModel, result: BaseModel) -> Ref | None:
    """The record a call is about: the one it made, else the one it changes, else the first one it names."""
    for name, kind in tool.result_refs.items():
        return Ref(kind=kind, id=str(getattr(result, name)))
    argument = tool.changes or next(iter(tool.refs), None)
    return Ref(kind=tool.refs[argument], id=str(getattr(model, argument))) if argument else None


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
