"""Undoing a call: what its contract says turns the recorded change back, proposed as a new call of whoever asks for it.

Nothing is turned back by itself. The new call has a thread of its own, with the same customer and a scope of one tool,
and is decided as any other: the person's rights, limits, approval. Its id, ``undo-<trace>``, names the call that it
undoes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from agent_guard import calls, ledger, threads
from agent_guard.calls import CallRow
from agent_guard.core import Core
from agent_guard.errors import CannotUndo, UnknownCall
from agent_guard.execution.attempt import word_of
from agent_guard.execution.execute import executing
from agent_guard.gathering import trail
from agent_guard.gathering.arguments import TOKEN, tokens
from agent_guard.gathering.preview import snapshot
from agent_guard.gathering.trail import Sighting
from agent_guard.policy import ToolRule
from agent_guard.proposal.answerer import person_of
from agent_guard.proposal.pseudonymise import minting
from agent_guard.provenance import HOST
from agent_guard.runtime.waits import Waits
from agent_guard.threads import ThreadRow
from agent_guard.tool import Tool
from agent_guard.types import JSON, Change, Description, Entry, Origin, Ref, Subject, ToolCall, ToolResult
from agent_guard.vault import ThreadVault

__all__ = ["UNDO", "Inverse", "carried", "derive", "finishing", "is_undo"]

UNDO = "undo-"
"""How the id of such a call, and of its thread, begins."""

_SETTLED = ("finished", "reconciled")


@dataclass(frozen=True, kw_only=True)
class Inverse:
    """The call that would undo another one; its values are pseudonyms of the other one's thread.

    Args:
        of: the call that it undoes.
        change: what that call changed.
    """

    of: CallRow
    tool: str
    args: Mapping[str, JSON]
    change: Change = field(repr=False)


def is_undo(thread_id: str) -> bool:
    """Whether a thread was opened to undo a call: it has no graph."""
    return thread_id.startswith(UNDO)


def derive(core: Core, trace_id: str, *, by: Subject) -> Inverse:
    """The call that would turn a finished call back, by the change that was recorded and its tool's ``undo``. Nothing
    is proposed, kept or run.

    Args:
        by: the person who asks, authenticated by the host.

    Raises:
        UnknownCall: no call of the person's tenant has this trace.
        CannotUndo: it has not changed anything, nothing says how to undo it, its record was changed since, or the
            person may not. The message says which; it holds names of fields and no value.
        StoreError: the database cannot be read.
        ConfigError: the gateway has no policy for the call's scenario any more.
    """
    with core.store.read() as connection:
        row = calls.by_id(connection, trace_id)
        erased = None if row is None else threads.erased(connection, row.thread)
    if row is None or row.tenant != by.tenant:
        raise UnknownCall(f"there is no call {trace_id!r}; see: agent-guard calls list")
    if erased is not None:
        raise CannotUndo("its customer's data was erased, so what it was before is not known any more")
    tool = _undoable(core, row)
    thread = core.thread_row(row.thread)
    vault = core.vault.of(thread)
    recorded = _recorded(core, row, tool)
    found = _unchanged(core, row, recorded, vault)
    change = Change(
        args=dict(row.args),
        result=row.result,
        before=recorded["before"],
        after=recorded["after"],
        reference=str(row.reference),
    )
    name, args = _told(core, tool, change)
    rule = core.policy_of(thread.scenario).tools.get(name)
    if rule is None:
        raise CannotUndo(f"{name} would undo it, and the policy does not name that tool")
    _may(core, by, rule, name, found)
    if any(vault.find(token) is None for token in tokens(args)):
        raise CannotUndo(f"the undo of {tool.name} gives a pseudonym that its thread does not have")
    return Inverse(of=row, tool=name, args=args, change=change)


def carried(core: Core, inverse: Inverse, thread: ThreadRow, *, by: Subject) -> dict[str, JSON]:
    """The arguments in the pseudonyms of another thread. Each value keeps where it was seen; what the record held
    counts there as a record that the person named.

    Raises:
        StoreError: the database cannot be used; nothing was kept.
    """
    old_row = core.thread_row(inverse.of.thread)
    old = core.vault.of(old_row)
    held = {"args": dict(inverse.args), "before": inverse.change.before, "reference": inverse.change.reference}
    own = old_row.subject.id == by.id

    def work(vault: ThreadVault) -> dict[str, Any]:
        renamed: dict[str, str] = {}
        for token in dict.fromkeys([*tokens(held), *_known(old)]):
            entry = old.find(token)
            renamed[token] = token if entry is None else _minted(vault, entry, old, own=own)
        text = TOKEN.sub(lambda found: renamed.get(found[0], found[0]), json.dumps(held, ensure_ascii=False))
        made: dict[str, Any] = json.loads(text)
        return made

    def keep(connection: sa.Connection, made: dict[str, Any]) -> None:
        words = f"Undo the call {inverse.of.trace_id} of {inverse.of.tool} on {made['reference']}."
        before = Sighting(
            origin="trusted",
            source=f"{made['reference']} before {inverse.of.trace_id}",
            text=json.dumps(made["before"], ensure_ascii=False),
            linked=True,
        )
        asked = Sighting(origin="user", source="user", text=words, linked=True)
        trail.append(connection, thread.id, [asked, before] if made["before"] else [asked])

    args: dict[str, JSON] = minting(core, thread, work, keep=keep)["args"]
    return args


def finishing(core: Core, thread_id: str) -> Waits[ToolResult]:
    """Carries out the newest call of such a thread where it was approved, or says what became of it."""
    with core.store.read() as connection:
        (row,) = ledger.listed(connection, thread=thread_id, last=1)
    call = ToolCall(id=row.call_id, tool=row.tool, args=row.args, thread=thread_id, reason=row.reason)
    return (yield from executing(core, core.thread_row(thread_id), call))


def _undoable(core: Core, row: CallRow) -> Tool:
    """The contract that says how to undo a call."""
    if row.state in ("claimed", "unknown"):
        raise CannotUndo(f"nobody knows yet whether it happened; first: agent-guard calls reconcile {row.trace_id}")
    if row.state != "done":
        raise CannotUndo(f"it is {row.state}, so it changed nothing")
    tool = core.tools.get(row.tool)
    if tool is None:
        raise CannotUndo(f"the application has no tool {row.tool} any more")
    if not tool.writes:
        raise CannotUndo(f"{row.tool} only reads, so it changed nothing")
    if tool.undo is None:
        raise CannotUndo(f"the contract of {row.tool} names no way to undo it; change the record by hand")
    return tool


def _recorded(core: Core, row: CallRow, tool: Tool) -> Mapping[str, Any]:
    """What the record says that the call changed, once the record is known to be whole."""
    flaw = next(core.audit.broken(row.thread), None)
    if flaw is not None:
        raise CannotUndo(f"the record of its thread was changed ({flaw}); look with: agent-guard audit verify")
    events = [event.data for event in core.audit.events(trace_id=row.trace_id) if event.data["kind"] in _SETTLED]
    change: Mapping[str, Any] | None = events[-1]["diff"] if events else None
    if change is None or row.reference is None:
        raise CannotUndo("it was not verified by reading the record back, so what it changed is not known")
    if change["before"] is None and tool.changes is not None:
        raise CannotUndo("what the record was before is not known: it was settled later")
    if not change["after"]:
        raise CannotUndo("the record did not change, so there is nothing to undo")
    return change


def _unchanged(core: Core, row: CallRow, change: Mapping[str, Any], vault: ThreadVault) -> Description:
    """The record as it is now, where the fields that the call left are still as it left them."""
    kind, _, masked = str(row.reference).partition(":")
    named = TOKEN.sub(lambda token: entry.value if (entry := vault.find(token[0])) else token[0], masked)
    if core.sources.records is None:
        raise CannotUndo("there is no system of record to ask how the record is now")
    try:
        found = core.sources.records.describe(Ref(kind=kind, id=named))
    except Exception as error:  # an adapter may fail in any way
        raise CannotUndo(f"the system of record does not answer ({word_of(error)}); try again later") from None
    if found is None:
        raise CannotUndo("the record is not there any more")
    now = snapshot(found, core.masker, vault, str(row.reference)) or {}
    changed = sorted(name for name, value in change["after"].items() if now.get(name) != value)
    if changed:
        names = ", ".join(changed)
        raise CannotUndo(f"the record was changed since ({names}); look at it, and change it by hand")
    return found


def _told(core: Core, tool: Tool, change: Change) -> tuple[str, dict[str, JSON]]:
    """What the contract says turns the change back."""
    try:
        told = None if tool.undo is None else tool.undo(change)
    except Exception as error:  # a tool's function may fail in any way
        raise CannotUndo(f"the undo of {tool.name} failed ({type(error).__name__})") from None
    if told is None:
        raise CannotUndo(f"the contract of {tool.name} knows no way back from this change; change the record by hand")
    if not (isinstance(told, tuple) and len(told) == 2 and isinstance(told[0], str) and isinstance(told[1], Mapping)):
        raise CannotUndo(f"the undo of {tool.name} gives no tool's name with its arguments")
    name, args = told
    if name not in core.tools:
        raise CannotUndo(f"the undo of {tool.name} names a tool that the gateway does not have")
    return name, dict(args)


def _may(core: Core, by: Subject, rule: ToolRule, name: str, found: Description) -> None:
    """Refuses who could not make the new call either, before any value is carried into a thread of theirs."""
    person = person_of(core, by)
    if person is None or not set(person.roles) & set(rule.roles):
        raise CannotUndo(f"{by.id} may not use {name}, which would undo it; it takes: {', '.join(rule.roles)}")
    if rule.region == "own" and found.region is not None and person.region != found.region:
        raise CannotUndo(f"the record lies in another region than {by.id}")


def _known(vault: ThreadVault) -> list[str]:
    """The pseudonyms of the people that the host said a thread is about: their values are found in every text."""
    found = [(entry.token, vault.sightings(entry.token)) for entry in vault.entries()]
    return [token for token, seen in found if any(source.startswith(HOST) for _, source in seen)]


def _minted(vault: ThreadVault, entry: Entry, old: ThreadVault, *, own: bool) -> str:
    """The pseudonym of a value in another thread, seen there as it was seen here. Another person's words are not this
    one's.
    """
    seen: list[tuple[Origin, str]] = [item for item in old.sightings(entry.token) if own or item[0] != "user"]
    known = next(
        (other.token for other in vault.entries() if (other.type, other.value) == (entry.type, entry.value)), None
    )
    for origin, source in seen or [("invented", "undo")]:
        if known is None:
            known = vault.mint(entry.type, entry.value, origin, source).token
        else:
            vault.saw(known, origin, source)
    return str(known)
