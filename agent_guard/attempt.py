"""Between the transactions of ``execute``: the kill flags once more, the run, and the look at what it did."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass

from pydantic import BaseModel

from agent_guard.calls import CallRow, State
from agent_guard.core import Core
from agent_guard.errors import OutcomeUnknown, StoreError, ToolError, ToolRejected, ToolUnavailable
from agent_guard.gather import Gathered, kill_scopes
from agent_guard.run import run
from agent_guard.tool import Tool
from agent_guard.types import Code, Description, Ref

__all__ = ["Outcome", "attempt"]

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")

log = logging.getLogger("agent_guard")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What happened while the tool ran. Raw; masked when it is settled."""

    state: State
    code: Code
    result: BaseModel | None = None
    ref: Ref | None = None
    before: Description | None = None
    after: Description | None = None
    verified: bool = False
    latency_ms: int = 0
    detail: str | None = None


def attempt(core: Core, gathered: Gathered, row: CallRow) -> Outcome:
    """Runs a claimed call and looks at what it did. Never raises: whatever happens is an outcome."""
    tool, model = gathered.tool, gathered.arguments.model
    if tool is None or model is None:  # decided against above; here for the reader and the type checker
        return Outcome(state="failed", code=Code.INTERNAL)
    try:
        pressed = core.kill_switch.pressed(kill_scopes(gathered))
    except StoreError:
        pressed = ("unreadable",)
    if pressed:
        return Outcome(state="failed", code=Code.KILLED, detail=", ".join(pressed))
    if row.lease is not None and core.now_ms() > row.lease:
        # this process slept over its own claim, and others have called the outcome unknown by now
        return Outcome(state="failed", code=Code.TIMEOUT, detail="claim too old")
    began = time.monotonic()
    try:
        result = run(
            tool,
            model,
            core.resources,
            idempotency_key=gathered.key,
            subject=gathered.thread.subject,
            secrets=core.secrets(),
        )
    except Exception as error:  # whatever a tool raises becomes one of three outcomes
        state, code = _judged(tool, error)
        log.warning("tool %s: %s (%s)", tool.name, type(error).__name__, code)
        return Outcome(state=state, code=code, latency_ms=_since(began), detail=_word(error))
    return _verified(core, gathered, tool, model, result, _since(began))


def _verified(
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


def _word(error: Exception) -> str:
    """A word for the audit that cannot hold a customer's data: an adapter's code, or the kind of the exception."""
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


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
