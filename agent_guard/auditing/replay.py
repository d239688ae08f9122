"""Replay: a recorded call and the facts it was decided on are given to ``decide`` again, with the policy of then. It
must reach the recorded decision; where it does not, what differs is named.

Nothing is asked of a system of record, and no pseudonym is restored. The facts are taken as they were recorded: that
they were true is what the chain's key and the seals stand for (``agent_guard.auditing.verify``), not a replay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, Literal

from agent_guard.auditing.recorded import RecordedDecision, decisions
from agent_guard.auditing.selection import EVERYTHING, Selection
from agent_guard.credentials import Keys
from agent_guard.decide import answerable, decide
from agent_guard.guards import GUARDS, Guard
from agent_guard.recording.rulebook import KnownPolicy, Rulebook
from agent_guard.store import Store
from agent_guard.tool import Tool
from agent_guard.types import JSON, Decision

__all__ = ["NAMED_MAX", "Replay", "Replayed", "Report", "again", "replay"]

NAMED_MAX = 1000
"""How many decisions that were not reached a report names; the others are counted."""

PROGRESS = 1000

Replay = Literal["agrees", "differs", "undecided"]
"""``differs``: another decision, or an event that was changed. ``undecided``: something it takes is not at hand."""


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One recorded decision, decided again.

    Args:
        recorded: ``{outcome, code, policy, policy_hash}`` as it stands in the record.
        reached: what was reached now, or None where nothing could be decided.
        words: what differs, or what is missing; empty where they agree.
    """

    trace_id: str
    thread: str
    seq: int
    tool: str
    status: Replay
    recorded: Mapping[str, JSON]
    reached: Decision | None
    words: tuple[str, ...] = ()

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        reached = self.reached
        return {
            "trace_id": self.trace_id,
            "thread": self.thread,
            "seq": self.seq,
            "tool": self.tool,
            "status": self.status,
            "recorded": dict(self.recorded),
            "reached": {"outcome": reached.outcome, "code": str(reached.code)} if reached else None,
            "words": list(self.words),
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a replay found.

    Args:
        decisions: how many were decided again.
        named: those that were not reached, at most a thousand, those that differ before the others.
    """

    decisions: int = 0
    agreed: int = 0
    differing: int = 0
    undecided: int = 0
    named: Sequence[Replayed] = ()

    @property
    def status(self) -> Replay:
        """``differs`` where one decision does, ``undecided`` where one could not be decided."""
        if self.differing:
            return "differs"
        return "undecided" if self.undecided else "agrees"

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        return {
            "status": self.status,
            "decisions": self.decisions,
            "agreed": self.agreed,
            "differing": self.differing,
            "undecided": self.undecided,
            "named": [item.as_json() for item in self.named],
        }


def replay(
    store: Store,
    keys: Keys,
    tools: Mapping[str, Tool],
    rulebook: Rulebook,
    selection: Selection = EVERYTHING,
    *,
    extra_guards: Sequence[Guard] = (),
    progress: Callable[[int], object] = int,
) -> Report:
    """Decides every recorded decision of a selection again, in memory that does not grow with their number.

    Args:
        keys: the chain's; an event that was edited is told even where the decision is the same.
        tools: the contracts, by name.
        rulebook: where the policies are found by the hash that each decision names.
        extra_guards: those that the gateway had.
        progress: told how many events were looked at, now and then.

    Raises:
        StoreError: the database cannot be read.
    """
    count = {"agrees": 0, "differs": 0, "undecided": 0}
    named: dict[str, list[Replayed]] = {"differs": [], "undecided": []}
    seen = 0
    for seen, (_, found) in enumerate(decisions(store, keys, selection), start=1):
        if not seen % PROGRESS:
            progress(seen)
        if found is None:
            continue
        done = again(found, tools, rulebook, extra_guards)
        count[done.status] += 1
        if done.status != "agrees" and len(named[done.status]) < NAMED_MAX:
            named[done.status].append(done)
    progress(seen)
    return Report(
        decisions=sum(count.values()),
        agreed=count["agrees"],
        differing=count["differs"],
        undecided=count["undecided"],
        named=tuple(named["differs"] + named["undecided"])[:NAMED_MAX],
    )


def again(
    found: RecordedDecision, tools: Mapping[str, Tool], rulebook: Rulebook, extra_guards: Sequence[Guard] = ()
) -> Replayed:
    """Decides one recorded decision again.

    Raises:
        StoreError: the policy cannot be read.
    """
    changed = tuple(f"event {flaw.seq} {flaw.words}" for flaw in found.flaws if not flaw.undecided)
    unclear = tuple(f"event {flaw.seq} {flaw.words}" for flaw in found.flaws if flaw.undecided)
    missing, reached, differing = _reached(found, tools, rulebook, extra_guards)
    known = {name: found.decision.get(name) for name in ("outcome", "code", "policy", "policy_hash")}
    done = Replayed(
        trace_id=found.trace_id,
        thread=found.event.thread,
        seq=found.event.seq,
        tool=found.call.tool,
        status="agrees",
        recorded=known,
        reached=reached,
    )
    if changed:
        return replace(done, status="differs", words=(*changed, *missing, *differing))
    if unclear or missing:
        return replace(done, status="undecided", words=(*unclear, *missing, *differing))
    return replace(done, status="differs" if differing else "agrees", words=differing)


def _reached(
    found: RecordedDecision, tools: Mapping[str, Tool], rulebook: Rulebook, extra_guards: Sequence[Guard]
) -> tuple[tuple[str, ...], Decision | None, tuple[str, ...]]:
    """What is missing, the decision, and what differs in it."""
    if found.facts is None:
        return (found.problem or "its facts cannot be read",), None, ()
    book = rulebook.find(str(found.decision.get("policy_hash")))
    if isinstance(book, str):
        return (book,), None, ()
    tool = tools.get(found.call.tool) if found.facts.known else None
    if found.facts.known and tool is None:
        words = f"there is no contract of {found.call.tool!r} here; name the application that has it with --app"
        return (words,), None, ()
    reached = decide(found.call, tool, book.policy, found.facts, extra_guards)
    reached = answerable(reached, found.call, book.policy)
    differing = tuple(_differing(found.decision, reached, book))
    return tuple(_missing(found, tool, extra_guards, differing)), reached, differing


def _missing(
    found: RecordedDecision, tool: Tool | None, extra_guards: Sequence[Guard], differing: Sequence[str]
) -> Iterator[str]:
    """What was there then and is not here, so that nobody knows whether the decision would be reached with it."""
    here = {guard.name for guard in (*GUARDS, *extra_guards)}
    strange = [name for name, *_ in _guards(found.decision) if name not in here]
    if strange:
        yield f"the guard {strange[0]} was asked then and is not here; give it as an extra guard"
    then = found.event.data.get("tool_version")
    if tool is not None and differing and tool.version != then:
        yield f"the contract of {tool.name} had the version {then} then, and has {tool.version} here"


def _differing(then: Mapping[str, Any], now: Decision, book: KnownPolicy) -> Iterator[str]:
    """What differs, the decision before its reasons."""
    if (then.get("outcome"), then.get("code")) != (now.outcome, str(now.code)):
        yield f"recorded is {then.get('outcome')} ({then.get('code')}), reached is {now.outcome} ({now.code})"
    elif then.get("allowed") is not now.allowed:
        yield f"recorded is that it was {'' if then.get('allowed') else 'not '}allowed, reached is {now.outcome}"
    if then.get("policy") != now.policy:
        yield f"recorded is a policy called {then.get('policy')}, and {book.hash} is called {now.policy}"
    reached = [(item.guard, item.outcome, str(item.code)) for item in now.guards]
    for before, after in zip_longest(_guards(then), reached):
        if before != after:
            yield f"the first guard that differs: recorded is {_said(before)}, reached is {_said(after)}"
            break
    else:
        if then.get("for_human") != now.for_human:
            yield "the decision is the same, and its reason is worded otherwise"


def _guards(decision: Mapping[str, Any]) -> list[tuple[Any, Any, Any]]:
    lines = decision.get("guards")
    known = [item for item in lines if isinstance(item, dict)] if isinstance(lines, list) else []
    return [(item.get("guard"), item.get("outcome"), item.get("code")) for item in known]


def _said(line: tuple[Any, Any, Any] | None) -> str:
    return "no further guard" if line is None else f"{line[0]}: {line[1]} ({line[2]})"
