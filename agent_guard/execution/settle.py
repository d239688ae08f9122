"""The second transaction of ``execute``: what happened, masked, into the call's row and the record."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.exc import IntegrityError

from agent_guard import calls
from agent_guard.calls import CallRow
from agent_guard.core import Core
from agent_guard.databases.locks import chain_lock
from agent_guard.errors import StoreError
from agent_guard.execution import breaker
from agent_guard.execution.attempt import Outcome
from agent_guard.execution.claim import result_of, unknown_words
from agent_guard.execution.readback import compared, differing
from agent_guard.facts import Facts
from agent_guard.gathering import trail as trails
from agent_guard.gathering.gather import Gathered
from agent_guard.gathering.preview import diff, snapshot
from agent_guard.masking.tokens import defuse
from agent_guard.notifications.alerts import BUTTON_PRESSED, NOT_SETTLED, OUTCOME_UNKNOWN
from agent_guard.operations.scopes import failing_flag
from agent_guard.proposal.pseudonymise import is_id
from agent_guard.provenance import sightings
from agent_guard.recording.events import error_json, event
from agent_guard.types import JSON, Code, Status, ToolResult
from agent_guard.vault import ThreadVault

__all__ = ["Reconciled", "settle", "settle_once"]

SETTLE_TRIES = 5

log = logging.getLogger("agent_guard")

_WORDS = {
    "failed": "It was not done.",
    "unknown": "Nobody knows whether it happened. Stop; a person looks at it.",
}
_FOUND = {"failed": "It did not happen. It may be proposed again."}


def settle(
    core: Core, gathered: Gathered, row: CallRow, facts: Facts, outcome: Outcome, vault: ThreadVault
) -> ToolResult:
    """Records an outcome and returns what the model may see of it; never raises, because something has happened.

    Args:
        vault: the thread's pseudonyms as the call was gathered with them.
    """
    call = gathered.call
    for left in reversed(range(SETTLE_TRIES)):
        try:
            with core.watched():
                done = settle_once(core, gathered, row, facts, outcome, vault)
        except IntegrityError:  # another process minted the same pseudonym
            vault = core.vault.of(gathered.thread)
            if not left:
                log.critical("call %s: could not be settled; its outcome must be looked at", row.trace_id)
        except StoreError as error:
            log.critical("call %s: could not be settled: %s", row.trace_id, error)
            break
        except Exception as error:  # what came back cannot be written down; that it ran must be
            log.error(  # noqa: TRY400 - its traceback could hold values
                "call %s: its result cannot be recorded: %s", row.trace_id, type(error).__name__
            )
            failed = outcome.state == "failed" or gathered.tool is None or not gathered.tool.writes
            outcome = Outcome(
                state="failed" if failed else "unknown",
                code=Code.RESULT_INVALID,
                attempts=outcome.attempts,
                latency_ms=outcome.latency_ms,
                detail=type(error).__name__,
            )
        else:
            words = "Somebody else settled it."
            result = done or result_of(call, "unknown", Code.OUTCOME_UNKNOWN, words, trace_id=row.trace_id)
            if result.status == "unknown":
                core.alert(OUTCOME_UNKNOWN, "critical", f"tool:{row.tool}", unknown_words(row))
            return result
    text = f"A call of {row.tool} may have run and could not be recorded; look for it there. Trace {row.trace_id}"
    core.alert(NOT_SETTLED, "critical", f"tool:{row.tool}", text)
    words = "It ran and could not be recorded. Stop; a person looks at it."
    return result_of(call, "unknown", Code.STORE_UNAVAILABLE, words, trace_id=row.trace_id)


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """How it became known what became of a call whose outcome was unknown.

    Args:
        by: the person who said so, or None where the system of record did.
        reason: the person's words, masked.
    """

    by: str | None = None
    reason: str | None = None


def settle_once(
    core: Core,
    gathered: Gathered,
    row: CallRow,
    facts: Facts,
    outcome: Outcome,
    vault: ThreadVault,
    reconciled: Reconciled | None = None,
) -> ToolResult | None:
    """Records an outcome in one transaction, or None where somebody else was first.

    Args:
        reconciled: given for a call that was unknown before.

    Raises:
        IntegrityError: another process minted the same pseudonym; read the vault again.
        StoreError: the database cannot be used; nothing was recorded.
        Exception: what came back cannot be written down; nothing was recorded.
    """
    tool = gathered.tool
    named = _named(core, outcome, vault)
    content = _visible(core, gathered, outcome, vault, named)
    change, differs = None, {}
    if tool is not None and tool.writes and outcome.ref is not None and outcome.verified:
        source = named or ""
        change = diff(
            snapshot(outcome.before, core.masker, vault, source),
            snapshot(outcome.after, core.masker, vault, source),
        )
        fields = _fields(core, gathered, outcome, vault, source)
        differs = differing(gathered, fields)
        change |= {"fields": fields} if fields else {}
    reference = named if tool and tool.writes else None
    words = (_FOUND if reconciled else _WORDS).get(outcome.state, "")
    kind = {"done": "finished", "failed": "failed", "unknown": "unknown"}[outcome.state]
    finished = event(
        "reconciled" if reconciled else kind,
        gathered,
        row.trace_id,
        facts,
        approval_id=row.approval_id,
        result_meta={
            "records": 1 if outcome.result is not None else 0,
            "attempts": outcome.attempts,
            "latency_ms": outcome.latency_ms,
            "verified": outcome.verified,
            "reference": reference,
            **(_moved(row, outcome) if reconciled else {}),
        },
        diff=change,
        error=error_json(outcome.code, outcome.detail),
        **(_who(reconciled) if reconciled else {}),
    )
    finished = replace(finished, digest=row.digest) if reconciled else finished  # of what ran, not of now
    flag = failing_flag(gathered.thread.scenario, row.tool)
    with core.store.write(locks=[chain_lock(row.thread), *breaker.locks(outcome.code)]) as connection:
        core.ahead_of_record(connection, row.thread)
        now = core.now_ms()
        settled = calls.move(
            connection,
            row,
            outcome.state,
            code=outcome.code,
            for_model=words,
            settled=row.settled or now,  # what is found out later happened when it was tried
            flag=flag,
            reference=reference,
            result=content,
        )
        if not settled:
            return None
        vault.flush(connection)
        if outcome.state == "done":
            trail = core.trail(connection, gathered.thread)
            seen = sightings(gathered, facts, trail, content, named or (tool.name if tool else ""))
            trails.append(connection, gathered.thread.id, seen, after=trail.n)
        core.audit.append(connection, [finished], now_ms=now)
        tripped = reconciled is None and breaker.trip(core, connection, flag, outcome.code)
    if tripped:
        core.alert(BUTTON_PRESSED, "critical", flag, breaker.words(flag, row.trace_id))
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
        differs=differs,
    )


def _fields(
    core: Core, gathered: Gathered, outcome: Outcome, vault: ThreadVault, source: str
) -> dict[str, dict[str, JSON]]:
    """What was asked, executed and observed, masked."""
    result = {} if outcome.result is None else outcome.result.model_dump(mode="json")

    def mask(fields: Mapping[str, JSON]) -> Mapping[str, JSON]:
        record = outcome.after and replace(outcome.after, snapshot=fields)
        return snapshot(record, core.masker, vault, source) or {}

    return compared(gathered, result, outcome.before, outcome.after, mask)


def _moved(row: CallRow, outcome: Outcome) -> dict[str, JSON]:
    """From what state and code to what."""
    return {
        "before": {"state": row.state, "code": str(row.code)},
        "after": {"state": outcome.state, "code": str(outcome.code)},
    }


def _who(reconciled: Reconciled) -> dict[str, Any]:
    if reconciled.by is None:
        return {"note": "adapter"}
    return {"note": "person", "approver": reconciled.by, "reason": reconciled.reason}


def _named(core: Core, outcome: Outcome, vault: ThreadVault) -> str | None:
    """The record a call is about, as it may be stored: an id that is not opaque may be somebody's address."""
    if outcome.ref is None or is_id(outcome.ref.id, vault):
        return str(outcome.ref) if outcome.ref else None
    return core.masker.mask(defuse(str(outcome.ref)), vault, "trusted", source="reference")


def _visible(
    core: Core, gathered: Gathered, outcome: Outcome, vault: ThreadVault, named: str | None
) -> Mapping[str, JSON] | None:
    """The fields the policy shows, masked (A21, B6)."""
    tool = gathered.tool
    if tool is None or outcome.result is None:
        return None
    rule = gathered.policy.tools[tool.name]
    data = outcome.result.model_dump(mode="json")
    shown = {name: data[name] for name in (rule.fields if rule.fields is not None else data)}
    source = f"{tool.name} {named}" if named else tool.name
    ids = {name: "plain" if is_id(data[name], vault) else "text" for name in tool.result_refs}
    masker, classes = core.masker, ids | dict(tool.result_fields)
    trusted = {name: value for name, value in shown.items() if name not in tool.untrusted}
    outside = {name: value for name, value in shown.items() if name in tool.untrusted}
    masked = dict(masker.mask_record(trusted, classes, vault, "trusted", source=source))
    if outside:
        masked |= masker.mask_record(outside, classes, vault, "untrusted", source=source)
    return {name: masked[name] for name in shown if name in masked}
