"""The second transaction of ``execute``: what happened, masked, into the call's row and the record."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sqlalchemy.exc import IntegrityError

from agent_guard import calls, trail as trails
from agent_guard.attempt import Outcome
from agent_guard.calls import CallRow
from agent_guard.claim import result_of
from agent_guard.core import Core
from agent_guard.errors import StoreError
from agent_guard.events import error_json, event
from agent_guard.facts import Facts
from agent_guard.gather import Gathered
from agent_guard.preview import diff, snapshot
from agent_guard.provenance import sightings
from agent_guard.pseudonymise import is_id
from agent_guard.types import JSON, Code, Status, ToolResult
from agent_guard.vault import ThreadVault

__all__ = ["settle"]

SETTLE_TRIES = 3

log = logging.getLogger("agent_guard")

_WORDS = {
    "failed": "It was not done.",
    "unknown": "Nobody knows whether it happened. Stop; a person looks at it.",
}


def settle(
    core: Core, gathered: Gathered, row: CallRow, facts: Facts, outcome: Outcome, vault: ThreadVault
) -> ToolResult:
    """Records an outcome and returns what the model may see of it; never raises, because something has happened.

    Args:
        vault: the thread's pseudonyms as the call was gathered with them.
    """
    for left in reversed(range(SETTLE_TRIES)):
        try:
            return _settle_once(core, gathered, row, facts, outcome, vault)
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
                latency_ms=outcome.latency_ms,
                detail=type(error).__name__,
            )
    words = "It ran and could not be recorded. Stop; a person looks at it."
    return result_of(gathered.call, "unknown", Code.STORE_UNAVAILABLE, words, trace_id=row.trace_id)


def _settle_once(
    core: Core, gathered: Gathered, row: CallRow, facts: Facts, outcome: Outcome, vault: ThreadVault
) -> ToolResult:
    tool = gathered.tool
    named = _named(core, outcome, vault)
    content = _visible(core, gathered, outcome, vault, named)
    change = None
    if tool is not None and tool.writes and outcome.ref is not None and outcome.verified:
        source = named or ""
        change = diff(
            snapshot(outcome.before, core.masker, vault, source),
            snapshot(outcome.after, core.masker, vault, source),
        )
    reference = named if tool and tool.writes else None
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
    with core.store.write() as connection:
        now = core.now_ms()
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
            return result_of(
                gathered.call, "unknown", Code.OUTCOME_UNKNOWN, "Somebody else settled it.", trace_id=row.trace_id
            )
        vault.flush(connection)
        if outcome.state == "done":
            trail = core.trail(connection, gathered.thread)
            seen = sightings(gathered, facts, trail, content, named or (tool.name if tool else ""))
            trails.append(connection, gathered.thread.id, seen)
        core.audit.append(connection, [finished], now_ms=now)
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


def _named(core: Core, outcome: Outcome, vault: ThreadVault) -> str | None:
    """The record a call is about, as it may be stored: an id that is not opaque may be somebody's address."""
    if outcome.ref is None or is_id(outcome.ref.id, vault):
        return str(outcome.ref) if outcome.ref else None
    return core.masker.mask(str(outcome.ref), vault, "trusted", source="reference")


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
    masked |= masker.mask_record(outside, classes, vault, "untrusted", source=source)
    return {name: masked[name] for name in shown if name in masked}
