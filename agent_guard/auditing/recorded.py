"""Decisions read back from the record: each with the call it was about and the facts it rests on.

What cannot be read is told and not guessed: an event that was edited, a key that is not known here, facts of another
release. Nothing in a text that somebody else wrote ends the reading.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent_guard.audit import Audit, StoredEvent
from agent_guard.auditing.selection import EVERYTHING, Selection, find, part
from agent_guard.codes import Code
from agent_guard.credentials import Keys
from agent_guard.facts import Facts
from agent_guard.recording.chain import ChainKeys, Flaw, lone_flaw
from agent_guard.store import Store
from agent_guard.types import ToolCall

__all__ = ["Proposals", "RecordedDecision", "decided", "decisions", "recorded"]

REMEMBERED = 1000
"""How many proposals are remembered while their decisions are looked for; an older one is read again."""

UNREADABLE = (Code.ARGUMENTS_MALFORMED, Code.ARGUMENTS_TOO_LARGE)


@dataclass(frozen=True, kw_only=True)
class RecordedDecision:
    """One decision of the record.

    Args:
        call: what was proposed, masked, with its defaults filled; without arguments where they were not recorded.
        facts: what it was decided on, or None where they cannot be read; ``problem`` says why.
        first: whether it was made when the call was proposed; else when it was about to run.
        flaws: what is wrong with the events themselves.
    """

    event: StoredEvent
    call: ToolCall
    facts: Facts | None
    first: bool
    problem: str | None = None
    flaws: tuple[Flaw, ...] = ()

    @property
    def trace_id(self) -> str:
        """The call's trace, or an empty text where it cannot be read."""
        found = self.event.data.get("trace_id")
        return found if isinstance(found, str) else ""

    @property
    def decision(self) -> Mapping[str, Any]:
        """The decision as it was recorded."""
        return part(self.event.data, "decision")


class Proposals:
    """What was proposed, by trace: the events seen last, and the others from the database."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._audit = Audit(store, keys)
        self._seen: OrderedDict[str, StoredEvent] = OrderedDict()

    def add(self, event: StoredEvent) -> None:
        """Remembers a proposal."""
        trace = event.data.get("trace_id")
        if isinstance(trace, str):
            self._seen[trace] = event
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)

    def find(self, trace: object) -> StoredEvent | None:
        """The proposal of a trace, or None."""
        if not isinstance(trace, str):
            return None
        if trace not in self._seen:
            known = self._audit.events(trace_id=trace)
            for event in known[:1]:
                if event.data.get("kind") == "proposed":
                    self.add(event)
        return self._seen.get(trace)


def decided(event: StoredEvent) -> bool:
    """Whether an event holds a decision, or held one before it was damaged."""
    kind = event.data.get("kind")
    return kind in ("decided", "suggested") or bool(kind == "expired" and part(event.data, "decision"))


def decisions(
    store: Store, keys: Keys, selection: Selection = EVERYTHING, *, after: int = 0
) -> Iterator[tuple[StoredEvent, RecordedDecision | None]]:
    """Every event of a selection, and its decision where it holds one.

    Raises:
        StoreError: the database cannot be read.
    """
    proposals, chain = Proposals(store, keys), ChainKeys(keys)
    for event in find(store, selection, after=after):
        if event.data.get("kind") == "proposed":
            proposals.add(event)
        yield event, recorded(event, proposals, chain) if decided(event) else None


def recorded(event: StoredEvent, proposals: Proposals, chain: ChainKeys) -> RecordedDecision:
    """The decision of an event that holds one."""
    data, proposal = event.data, proposals.find(event.data.get("trace_id"))
    flaws = [flaw for item in (event, proposal) if item is not None and (flaw := _flaw(item, chain)) is not None]
    facts, problem = None, None
    try:
        facts = Facts.from_json(part(data, "facts"))
    except TypeError as error:
        problem = f"it was recorded by another release: {error}"
    said = proposal.data if proposal is not None else data
    args, code = said.get("args_redacted"), part(data, "decision").get("code")
    call = ToolCall(
        id=str(data.get("tool_call_id")),
        tool=str(data.get("tool")),
        args=args if isinstance(args, dict) else {},
        thread=event.thread,
        reason=said.get("reason") if isinstance(said.get("reason"), str) else None,
        problem=next((item for item in UNREADABLE if item == code), None),
    )
    first = proposal is not None and (proposal.thread, proposal.seq + 1) == (event.thread, event.seq)
    return RecordedDecision(event=event, call=call, facts=facts, first=first, problem=problem, flaws=tuple(flaws))


def _flaw(event: StoredEvent, chain: ChainKeys) -> Flaw | None:
    names = ("tenant", "kind", "trace_id")
    tenant, kind, trace = (event.data.get(name) for name in names)
    return lone_flaw(chain, (event.id, event.thread, event.seq, tenant, event.at, kind, trace, event.body, event.hash))
