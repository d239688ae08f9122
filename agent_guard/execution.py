"""``execute``: decide again, claim, run, verify, settle.

Two transactions around the run. The first verifies and uses the answer, reads the kill flags and the limits, decides
again and claims the call; it is on disk before anything runs. The second settles it. A process that dies between them
leaves a claim, and a claim is never run again by itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError

from agent_guard import approvals, calls, meter
from agent_guard.calls import CallRow
from agent_guard.errors import OutcomeUnknown, StoreError, ToolError, ToolRejected, ToolUnavailable
from agent_guard.events import decision_json, error_json, event
from agent_guard.facts import Facts
from agent_guard.gather import Gathered, kill_scopes, limit_keys
from agent_guard.preview import diff, snapshot
from agent_guard.run import run
from agent_guard.threads import ThreadRow
from agent_guard.tool import Tool
from agent_guard.types import JSON, Code, Decision, Description, Ref, Status, ToolCall, ToolResult
from agent_guard.vault import ThreadVault

if TYPE_CHECKING:
    from agent_guard.gateway import Gateway

__all__ = ["Execution"]

LEASE_S = 30.0
"""How long after its time-out a claim counts as running, in seconds; after that its outcome is unknown."""

log = logging.getLogger("agent_guard")

_SETTLE_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What happened while the tool ran. Raw; masked when it is settled."""

    state: calls.State
    code: Code
    result: BaseModel | None = None
    ref: Ref | None = None
    before: Description | None = None
    after: Description | None = None
    verified: bool = False
    latency_ms: int = 0
    detail: str | None = None


class Execution:
    """The executing half of a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def __call__(self, thread: ThreadRow, call: ToolCall) -> ToolResult:
        """Runs a proposed call once.

        Returns:
            the result; for a call that ran before, what it did then, as ``duplicate``.

        Raises:
            StoreError: the database cannot be used and nothing ran.
        """
        gateway = self._gateway
        gathered = gateway.gather(thread, call, gateway.vault.of(thread))
        claimed = self._claim(gathered)
        if isinstance(claimed, ToolResult):
            return claimed
        row, facts = claimed
        outcome = self._run(gathered)
        return self._settle(gathered, row, facts, outcome)

    # ---- first transaction

    def _claim(self, gathered: Gathered) -> tuple[CallRow, Facts] | ToolResult:
        gateway, call = self._gateway, gathered.call
        durable = gathered.tool is None or gathered.tool.writes
        with gateway.store.write(durable=durable) as connection:
            rows = calls.find(connection, gathered.thread.id, call.id)
            row = next((item for item in rows if item.same == gathered.same), None)
            if row is None:
                return _result(call, "denied", Code.APPROVAL_CHANGED, "This call was never decided. Propose it first.")
            if row.state not in ("proposed", "approved"):
                return self._ended(connection, gathered, row)
            facts, decision = gateway.decide(gathered, connection, row.trace_id)
            refusal = self._refusal(connection, gathered, row, decision)
            if refusal is not None:
                return self._refuse(connection, gathered, row, facts, decision, refusal)
            now = gateway.now_ms()
            seconds = (gathered.tool.timeout_s if gathered.tool else 0) + LEASE_S
            calls.move(
                connection, row, "claimed", code=Code.ALLOWED, hold=True, claimed=now, lease=now + int(seconds * 1000)
            )
            meter.take(connection, limit_keys(gathered), now_ms=now, trace_id=row.trace_id)
            started = event("started", gathered, row.trace_id, facts, approval_id=row.approval_id)
            gateway.audit.append(connection, [started], now_ms=now)
            claimed = calls.by_id(connection, row.trace_id)
        if claimed is None:
            raise StoreError("a claimed call vanished from the database; nothing was run")
        return claimed, facts

    def _refusal(
        self, connection: sa.Connection, gathered: Gathered, row: CallRow, decision: Decision
    ) -> tuple[Code, str] | None:
        """Why the call may not run now, or None. An approval satisfies ``require_approval`` and nothing else."""
        if decision.outcome in ("deny", "suggest"):
            return decision.code, decision.for_model
        if row.state == "proposed":
            if decision.outcome == "allow":
                return None
            return Code.APPROVAL_REQUIRED, "A person must approve this now. Propose it again."
        if row.digest != gathered.digest:
            return Code.APPROVAL_CHANGED, "The record or the policy changed after the approval. Propose it again."
        used = row.approval_id is not None and approvals.use(
            connection, row.approval_id, digest=gathered.digest, now_ms=self._gateway.now_ms()
        )
        return None if used else (Code.APPROVAL_EXPIRED, "The approval has expired. Propose it again.")

    def _refuse(
        self,
        connection: sa.Connection,
        gathered: Gathered,
        row: CallRow,
        facts: Facts,
        decision: Decision,
        refusal: tuple[Code, str],
    ) -> ToolResult:
        code, words = refusal
        asked_again = code in (Code.APPROVAL_CHANGED, Code.APPROVAL_EXPIRED, Code.APPROVAL_REQUIRED)
        calls.move(connection, row, "expired" if asked_again else "denied", code=code, for_model=words)
        happened = event(
            "expired" if asked_again else "decided",
            gathered,
            row.trace_id,
            facts,
            approval_id=row.approval_id,
            facts=facts.as_json(),
            decision=decision_json(decision),
            error=error_json(code),
        )
        self._gateway.audit.append(connection, [happened], now_ms=self._gateway.now_ms())
        if code is Code.DUPLICATE and facts.twin is not None:
            return self._duplicate(connection, gathered.call, facts.twin.trace_id, row.trace_id)
        return _result(gathered.call, "denied", code, words, trace_id=row.trace_id, decision=decision)

    def _duplicate(self, connection: sa.Connection, call: ToolCall, twin_id: str, trace_id: str | None) -> ToolResult:
        twin = calls.by_id(connection, twin_id)
        return ToolResult(
            status="duplicate",
            code=Code.DUPLICATE,
            content=twin.result if twin and twin.thread == call.thread else None,  # another thread's pseudonyms
            tool=call.tool,
            call_id=call.id,
            trace_id=trace_id,
            reference=twin.reference if twin else None,
        )

    def _ended(self, connection: sa.Connection, gathered: Gathered, row: CallRow) -> ToolResult:
        """The answer to a call that is not waiting to run: what became of it."""
        call = gathered.call
        match row.state:
            case "done":
                return self._duplicate(connection, call, row.trace_id, row.trace_id)
            case "claimed" if (row.lease or 0) > self._gateway.now_ms():
                return _result(call, "denied", Code.IN_PROGRESS, "The same call is running.", trace_id=row.trace_id)
            case "claimed":
                words = "The process that ran this call died; nobody knows whether it happened. A person looks at it."
                calls.move(connection, row, "unknown", code=Code.OUTCOME_UNKNOWN, for_model=words)
                happened = event(
                    "unknown", gathered, row.trace_id, gathered.facts, error=error_json(Code.OUTCOME_UNKNOWN)
                )
                self._gateway.audit.append(connection, [happened], now_ms=self._gateway.now_ms())
                return _result(call, "unknown", Code.OUTCOME_UNKNOWN, words, trace_id=row.trace_id)
            case "unknown":
                return _result(call, "unknown", row.code, row.for_model, trace_id=row.trace_id)
            case "failed":
                return _result(call, "failed", row.code, row.for_model, trace_id=row.trace_id)
            case "suggested":
                return _result(call, "suggested", row.code, row.for_model, trace_id=row.trace_id)
            case "pending":
                return _result(
                    call,
                    "denied",
                    Code.APPROVAL_PENDING,
                    "A person has not answered yet.",
                    trace_id=row.trace_id,
                    approval_id=row.approval_id,
                )
            case _:
                return _result(call, "denied", row.code, row.for_model, trace_id=row.trace_id)

    # ---- between them

    def _run(self, gathered: Gathered) -> _Outcome:
        tool, model, gateway = gathered.tool, gathered.arguments.model, self._gateway
        if tool is None or model is None:  # decided against above; here for the reader and the type checker
            return _Outcome(state="failed", code=Code.INTERNAL)
        try:
            pressed = gateway.kill_switch.pressed(kill_scopes(gathered))
        except StoreError:
            pressed = ("unreadable",)
        if pressed:
            return _Outcome(state="failed", code=Code.KILLED, detail=", ".join(pressed))
        began = time.monotonic()
        try:
            result = run(tool, model, gateway.resources, idempotency_key=gathered.key, subject=gathered.thread.subject)
        except Exception as error:  # whatever a tool raises becomes one of three outcomes
            state, code = _judged(tool, error)
            log.warning("tool %s: %s (%s)", tool.name, type(error).__name__, code)
            return _Outcome(state=state, code=code, latency_ms=_since(began), detail=_word(error))
        return self._verified(gathered, tool, model, result, _since(began))

    def _verified(
        self, gathered: Gathered, tool: Tool, model: BaseModel, result: BaseModel, latency_ms: int
    ) -> _Outcome:
        """Reads the record back after a write and asks the tool's post-check (A14)."""
        records = self._gateway.sources.records
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
            except Exception as error:  # a check that cannot check has found something
                problem = type(error).__name__
        return _Outcome(
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

    # ---- second transaction

    def _settle(self, gathered: Gathered, row: CallRow, facts: Facts, outcome: _Outcome) -> ToolResult:
        for left in reversed(range(_SETTLE_TRIES)):
            try:
                return self._settle_once(gathered, row, facts, outcome)
            except IntegrityError:
                if not left:
                    log.critical("call %s: could not be settled; its outcome must be looked at", row.trace_id)
            except StoreError as error:
                log.critical("call %s: could not be settled: %s", row.trace_id, error)
                break
            except Exception as error:  # what came back cannot be written down; that it ran must be
                log.error("call %s: its result cannot be recorded: %s", row.trace_id, type(error).__name__)
                failed = outcome.state == "failed" or gathered.tool is None or not gathered.tool.writes
                outcome = _Outcome(
                    state="failed" if failed else "unknown",
                    code=Code.RESULT_INVALID,
                    latency_ms=outcome.latency_ms,
                    detail=type(error).__name__,
                )
        words = "It ran and could not be recorded. Stop; a person looks at it."
        return _result(gathered.call, "unknown", Code.STORE_UNAVAILABLE, words, trace_id=row.trace_id)

    def _settle_once(self, gathered: Gathered, row: CallRow, facts: Facts, outcome: _Outcome) -> ToolResult:
        gateway, tool = self._gateway, gathered.tool
        vault = gateway.vault.of(gathered.thread)
        content = self._visible(gathered, outcome, vault)
        change = None
        if tool is not None and tool.writes and outcome.ref is not None and outcome.verified:
            source = str(outcome.ref)
            change = diff(
                snapshot(outcome.before, gateway.masker, vault, source),
                snapshot(outcome.after, gateway.masker, vault, source),
            )
        reference = str(outcome.ref) if outcome.ref and tool and tool.writes else None
        words = _WORDS.get(outcome.state, "")
        kind = {"done": "finished", "failed": "failed", "unknown": "unknown"}[outcome.state]
        finished = event(
            kind,
            gathered,
            row.trace_id,
            facts,
            approval_id=row.approval_id,
            result_meta={
                "records": 1 if outcome.result is not None else 0,
                "latency_ms": outcome.latency_ms,
                "verified": outcome.verified,
                "reference": reference,
            },
            diff=change,
            error=error_json(outcome.code, outcome.detail),
        )
        with gateway.store.write() as connection:
            now = gateway.now_ms()
            settled = calls.move(
                connection,
                row,
                outcome.state,
                code=outcome.code,
                for_model=words,
                settled=now,
                reference=reference,
                result=content,
            )
            if not settled:
                return _result(
                    gathered.call, "unknown", Code.OUTCOME_UNKNOWN, "Somebody else settled it.", trace_id=row.trace_id
                )
            vault.flush(connection)
            gateway.audit.append(connection, [finished], now_ms=now)
        status: Status = {"done": "executed", "failed": "failed", "unknown": "unknown"}[outcome.state]  # type: ignore[assignment]
        return ToolResult(
            status=status,
            code=outcome.code,
            content=content if outcome.state == "done" else words,
            tool=gathered.call.tool,
            call_id=gathered.call.id,
            trace_id=row.trace_id,
            approval_id=row.approval_id,
            reference=reference,
        )

    def _visible(self, gathered: Gathered, outcome: _Outcome, vault: ThreadVault) -> Mapping[str, JSON] | None:
        """The fields the policy shows, masked (A21, B6)."""
        tool = gathered.tool
        if tool is None or outcome.result is None:
            return None
        rule = gathered.policy.tools[tool.name]
        data = outcome.result.model_dump(mode="json")
        shown = {name: data[name] for name in (rule.fields if rule.fields is not None else data)}
        source = f"{tool.name} {outcome.ref}" if outcome.ref else tool.name
        masker, classes = self._gateway.masker, dict.fromkeys(tool.result_refs, "plain") | dict(tool.result_fields)
        trusted = {name: value for name, value in shown.items() if name not in tool.untrusted}
        outside = {name: value for name, value in shown.items() if name in tool.untrusted}
        masked = dict(masker.mask_record(trusted, classes, vault, "trusted", source=source))
        masked |= masker.mask_record(outside, classes, vault, "untrusted", source=source)
        return {name: masked[name] for name in shown if name in masked}


_WORDS = {
    "failed": "It was not done.",
    "unknown": "Nobody knows whether it happened. Stop; a person looks at it.",
}


def _judged(tool: Tool, error: Exception) -> tuple[calls.State, Code]:
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
    return error.code if isinstance(error, ToolError) else type(error).__name__


def _target(tool: Tool, model: BaseModel, result: BaseModel) -> Ref | None:
    """The record a call is about: the one it made, else the one it changes, else the first one it names."""
    for name, kind in tool.result_refs.items():
        return Ref(kind=kind, id=str(getattr(result, name)))
    argument = tool.changes or next(iter(tool.refs), None)
    return Ref(kind=tool.refs[argument], id=str(getattr(model, argument))) if argument else None


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


def _result(call: ToolCall, status: Status, code: Code, words: str, **more: Any) -> ToolResult:
    return ToolResult(status=status, code=code, content=words, tool=call.tool, call_id=call.id, **more)
