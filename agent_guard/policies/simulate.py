"""``simulate``: what recorded calls would have become under another policy, counted, with examples.

Each call is judged by itself, on the history as it really was: what a call before it did or took it did and took, also
where the other policy would have stopped it. Calls are counted by what was decided when they were proposed. What the
record does not tell is counted apart, with the reason; nothing is guessed.

Not simulated, because no single call shows them: ``steps_per_thread``, ``model_regions``, which fields of a result the
model sees, and what the model would have done next.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from agent_guard import calls
from agent_guard.audit import Audit, StoredEvent
from agent_guard.auditing.recorded import Proposals, RecordedDecision, decided, decisions, recorded
from agent_guard.auditing.replay import again
from agent_guard.auditing.selection import EVERYTHING, Selection
from agent_guard.credentials import Keys
from agent_guard.decide import answerable, decide
from agent_guard.gathering.recall import among
from agent_guard.guards import Guard
from agent_guard.policies.supposing import supposed
from agent_guard.policies.tallies import DAY_MS, Tallies, counts
from agent_guard.policy import Policy, Requires
from agent_guard.recording.chain import ChainKeys
from agent_guard.recording.rulebook import KnownPolicy, Rulebook
from agent_guard.store import Store
from agent_guard.tool import Tool
from agent_guard.types import JSON, Decision
from agent_guard.units import parse_duration

__all__ = ["SEVERAL", "Move", "Simulation", "Untold", "reading", "simulate"]

PROGRESS = 1000
EXAMPLES = 3

SEVERAL = "(several)"
"""Stands for the code where the outcome is sure and its reason is one of several."""

UNKNOWN_TOOL = "(no such tool)"
"""Stands for the names that a model made up."""

Direction = Literal["wider", "narrower", "same"]
_STRICTNESS = {"allow": 0, "require_approval": 1, "suggest": 2, "deny": 3}
_EPOCH_YEAR = 2


@dataclass(frozen=True, kw_only=True)
class Move:
    """Calls of one tool that were decided in one way and would be decided in one other way, or the same.

    Args:
        before, after: outcome and code.
        examples: trace ids of some of them, the oldest first.
    """

    tool: str
    before: tuple[str, str]
    after: tuple[str, str]
    count: int
    examples: tuple[str, ...]

    @property
    def direction(self) -> Direction:
        """``wider`` where less would stand between such a call and its running."""
        old, new = (_STRICTNESS.get(item[0], 0) for item in (self.before, self.after))
        return "same" if old == new else "wider" if new < old else "narrower"

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        before, after = (dict(zip(("outcome", "code"), item, strict=True)) for item in (self.before, self.after))
        return {
            "tool": self.tool, "before": before, "after": after, "direction": self.direction, "count": self.count,
            "examples": list(self.examples),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Untold:
    """Calls of one tool of which the record does not tell what they would have become.

    Args:
        before: outcome and code, as they were decided.
        reason: what is missing, as a sentence.
    """

    tool: str
    before: tuple[str, str]
    reason: str
    count: int
    examples: tuple[str, ...]

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        before = dict(zip(("outcome", "code"), self.before, strict=True))
        return {
            "tool": self.tool, "before": before, "reason": self.reason, "count": self.count,
            "examples": list(self.examples),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What a simulation found.

    Args:
        policy, policy_hash: the other policy.
        moves: every way from a decision of then to one of now, also where they are the same; the most frequent first.
        untold: what the record does not tell.
        damaged: decisions whose events were changed, or that are not reached from their own record: they are left out.
    """

    policy: str
    policy_hash: str
    moves: tuple[Move, ...]
    untold: tuple[Untold, ...]
    damaged: int

    @property
    def calls(self) -> int:
        """How many calls were looked at."""
        return sum(item.count for item in self.moves) + sum(item.count for item in self.untold) + self.damaged

    @property
    def changed(self) -> tuple[Move, ...]:
        """The moves that lead elsewhere."""
        return tuple(item for item in self.moves if item.before != item.after)

    def total(self, direction: Direction) -> int:
        """How many calls became wider, narrower or stayed as strict as they were."""
        return sum(item.count for item in self.moves if item.direction == direction)

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        return {
            "policy": self.policy,
            "policy_hash": self.policy_hash,
            "calls": self.calls,
            "wider": self.total("wider"),
            "narrower": self.total("narrower"),
            "as_strict": self.total("same"),
            "cannot_tell": sum(item.count for item in self.untold),
            "damaged": self.damaged,
            "moves": [item.as_json() for item in self.moves],
            "untold": [item.as_json() for item in self.untold],
        }


def simulate(
    store: Store,
    keys: Keys,
    policy: Policy,
    tools: Mapping[str, Tool],
    rulebook: Rulebook,
    selection: Selection = EVERYTHING,
    *,
    scenarios: Collection[str | None] | None = None,
    extra_guards: Sequence[Guard] = (),
    examples: int = EXAMPLES,
    progress: Callable[[int], object] = int,
) -> Simulation:
    """Judges every recorded call of a selection by another policy.

    Memory grows with the tools and codes, and where the policy has limits that nobody had then, with the calls of a
    day. For those the day before ``since`` is read as well.

    Args:
        keys: the chain's; an event that was edited is left out.
        tools: the contracts, by name.
        rulebook: where the policies of then are found.
        scenarios: only calls of these; by default of all.
        extra_guards: those that the gateway had.
        examples: how many trace ids are given for each way.
        progress: told how many events were looked at, now and then.

    Raises:
        ConfigError: the policy's stop-words are not there.
        StoreError: the database cannot be read.
    """
    judge = _Judge(store, keys, policy, tools, rulebook, extra_guards)
    counted = _Counted(examples)
    seen = 0
    for seen, (event, found) in enumerate(decisions(store, keys, reading(policy, selection)), start=1):
        if not seen % PROGRESS:
            progress(seen)
        judge.tallies.add(event, found)
        if found is None or not _chosen(event, selection, scenarios):
            continue
        if found.first or found.facts is None:
            counted.add(found, *judge.told(found))
    progress(seen)
    return counted.done(policy)


def reading(policy: Policy, selection: Selection) -> Selection:
    """What has to be read for a selection to be judged by a policy: limits count what ran before it as well."""
    if not counts(policy):
        return selection
    since = selection.since
    if since is not None and since.year >= _EPOCH_YEAR:
        since -= timedelta(milliseconds=DAY_MS)
    return Selection(since=since, until=selection.until)


class _Judge:
    """Judges one recorded call after another."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        policy: Policy,
        tools: Mapping[str, Tool],
        rulebook: Rulebook,
        extra_guards: Sequence[Guard],
    ) -> None:
        self._store, self._keys, self._policy, self._tools = store, keys, policy, tools
        self._rulebook, self._extra_guards = rulebook, extra_guards
        self.tallies = Tallies(policy, tools, self._proposed)

    def told(self, found: RecordedDecision) -> tuple[Decision | None, bool, str]:
        """The decision, whether its code is sure, and why there is none; the reason is empty for a damaged record."""
        replayed = again(found, self._tools, self._rulebook, self._extra_guards)
        if replayed.status == "differs":
            return None, False, ""
        then = self._rulebook.find(str(found.decision.get("policy_hash")))
        if replayed.status == "undecided" or found.facts is None or isinstance(then, str) or replayed.reached is None:
            return None, False, replayed.words[0] if replayed.words else "its facts cannot be read"
        if then.hash == self._policy.hash:
            return replayed.reached, True, ""
        return self._supposed(found, then)

    def _supposed(self, found: RecordedDecision, then: KnownPolicy) -> tuple[Decision | None, bool, str]:
        facts, call = found.facts, found.call
        if facts is None:
            raise AssertionError("a decision without facts was not reached")
        tool = self._tools.get(call.tool) if facts.known else None
        if tool is None:
            return self._decided(found, tool, facts), True, ""
        at_ms = found.event.at
        case = supposed(
            call, tool, facts, then, self._policy,
            tallies=self.tallies, earlier=partial(self._earlier, found), at_ms=at_ms,
        )  # fmt: skip
        decision, sure = self._decided(found, tool, case.facts), True
        for doubt in case.doubts:
            other = self._decided(found, tool, doubt.otherwise)
            if other.outcome != decision.outcome:
                return None, False, doubt.reason
            sure = sure and other.code == decision.code
        return decision, sure, ""

    def _decided(self, found: RecordedDecision, tool: Tool | None, facts: Any) -> Decision:
        decision = decide(found.call, tool, self._policy, facts, self._extra_guards)
        return answerable(decision, found.call, self._policy)

    def _earlier(self, found: RecordedDecision, wanted: Requires) -> bool:
        until = found.event.at
        since = until - int(parse_duration(wanted.within).total_seconds() * 1000)
        with self._store.read() as connection:
            ran = calls.earlier(connection, found.event.thread, wanted.tool, since_ms=since, until_ms=until)
            return among(wanted, found.call.args, ran)

    def _proposed(self, trace: str) -> RecordedDecision | None:
        events = Audit(self._store, self._keys).events(trace_id=trace)
        event = next((item for item in events if decided(item)), None)
        if event is None:
            return None
        return recorded(event, Proposals(self._store, self._keys), ChainKeys(self._keys))


def _chosen(event: StoredEvent, selection: Selection, scenarios: Collection[str | None] | None) -> bool:
    """Whether an event that was read is one of those that were asked for."""
    data = event.data
    known = {"thread": event.thread, "trace_id": data.get("trace_id"), "tenant": data.get("tenant")}
    return (
        all(getattr(selection, name) in (None, value) for name, value in known.items())
        and (selection.since is None or event.at >= selection.since.timestamp() * 1000)
        and selection.meets(data)
        and (scenarios is None or data.get("scenario") in scenarios)
    )


class _Counted:
    """What was counted so far."""

    def __init__(self, examples: int) -> None:
        self._most = examples
        self._moves: dict[tuple[str, tuple[str, str], tuple[str, str]], list[Any]] = {}
        self._untold: dict[tuple[str, tuple[str, str], str], list[Any]] = {}
        self._damaged = 0

    def add(self, found: RecordedDecision, decision: Decision | None, sure: bool, why: str) -> None:
        """Counts one call."""
        tool = found.call.tool if found.facts is not None and found.facts.known else UNKNOWN_TOOL
        before = (str(found.decision.get("outcome")), str(found.decision.get("code")))
        if decision is not None:
            after = (decision.outcome, str(decision.code) if sure else SEVERAL)
            self._one(self._moves.setdefault((tool, before, after), [0, []]), found)
        elif why:
            self._one(self._untold.setdefault((tool, before, why), [0, []]), found)
        else:
            self._damaged += 1

    def _one(self, kept: list[Any], found: RecordedDecision) -> None:
        kept[0] += 1
        if len(kept[1]) < self._most:
            kept[1].append(found.trace_id)

    def done(self, policy: Policy) -> Simulation:
        """Everything, the most frequent first."""
        return Simulation(
            policy=policy.name,
            policy_hash=policy.hash,
            moves=tuple(
                Move(tool=tool, before=before, after=after, count=count, examples=tuple(examples))
                for (tool, before, after), (count, examples) in _sorted(self._moves)
            ),
            untold=tuple(
                Untold(tool=tool, before=before, reason=reason, count=count, examples=tuple(examples))
                for (tool, before, reason), (count, examples) in _sorted(self._untold)
            ),
            damaged=self._damaged,
        )


def _sorted(counted: Mapping[Any, list[Any]]) -> Iterator[tuple[Any, list[Any]]]:
    yield from sorted(counted.items(), key=lambda item: (-item[1][0], item[0]))
