"""What ran before a recorded call, counted as another policy's limits would count it: out of the record itself.

The places that a limit of then took stand in the facts of each call; those of a limit that nobody had then do not, so
they are counted here from the calls that really ran. A clock that was set back makes a window longer, as it did then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial

from agent_guard.audit import StoredEvent
from agent_guard.auditing.recorded import RecordedDecision
from agent_guard.auditing.selection import part
from agent_guard.facts import Facts
from agent_guard.gathering.limits import amount, whose
from agent_guard.guards.base import effect_of
from agent_guard.policy import Policy
from agent_guard.tool import Tool

__all__ = ["DAY_MS", "Tallies", "contacted", "counts"]

DAY_MS = 86_400_000
"""The longest window of a limit."""

WAITING = 1000
"""How many calls are remembered that were decided and have not begun to run."""

KEPT = 4096
"""From how many places on those are forgotten that lie outside every window."""


def contacted(tool: Tool, facts: Facts) -> list[str]:
    """Whom a call contacts, as caps count: the customers whose records it names, else the thread's."""
    if effect_of(tool, facts) != "send":
        return []
    named = {record.party for record in facts.records.values() if record.party is not None}
    return sorted(named or {facts.party or facts.thread})


class _Tally:
    """Places in the order of time, each with the sum up to it."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self.sums: list[int] = []
        self.sure = True

    def add(self, at_ms: int, places: int) -> None:
        at_ms = max(at_ms, self.at[-1]) if self.at else at_ms
        self.at.append(at_ms)
        self.sums.append((self.sums[-1] if self.sums else 0) + places)

    def forget(self, before_ms: int) -> None:
        old = bisect_right(self.at, before_ms) - 1  # the last old one holds the sum
        if old > 0:
            del self.at[:old], self.sums[:old]

    def used(self, since_ms: int | None) -> int:
        if not self.at:
            return 0
        old = 0 if since_ms is None else bisect_right(self.at, since_ms)
        return self.sums[-1] - (self.sums[old - 1] if old else 0)


def counts(policy: Policy) -> bool:
    """Whether a policy has limits that count over calls."""
    return bool(policy.contact_caps) or any(rule.limits or rule.totals for rule in policy.tools.values())


class Tallies:
    """Counts the calls that ran, for the limits of one policy; memory grows with the calls of a day.

    Args:
        tools: the contracts, by name.
        proposed: finds the proposal's decision of a trace that was decided before the counting began.
    """

    def __init__(
        self, policy: Policy, tools: Mapping[str, Tool], proposed: Callable[[str], RecordedDecision | None]
    ) -> None:
        self._tools = tools
        self._proposed = proposed
        self._rates = {name: {rate.scope for rate in rule.rates} for name, rule in policy.tools.items()}
        self._totals = {name: rule.totals for name, rule in policy.tools.items() if rule.totals}
        self._caps = bool(policy.contact_caps)
        self.needed = counts(policy)
        self._found: dict[tuple[str, ...], _Tally] = {}
        self._waiting: OrderedDict[str, RecordedDecision] = OrderedDict()
        self._first: dict[str, int] = {}

    def add(self, event: StoredEvent, found: RecordedDecision | None) -> None:
        """Takes the next event of the record."""
        if not self.needed:
            return
        if self._totals:
            self._first.setdefault(event.thread, event.seq)
        if found is not None and found.first and found.facts is not None:
            self._waiting[found.trace_id] = found
            if len(self._waiting) > WAITING:
                self._waiting.popitem(last=False)
        if event.data.get("kind") == "started":
            self._ran(event)

    def used(self, kind: str, tool: str, scope: str, who: str, *, now_ms: int, window_s: float | None) -> int | None:
        """How many places were taken, or None where the record does not tell an amount.

        Args:
            kind: ``rate``, ``contact``, or the name of the argument that is added up.
            who: as :func:`agent_guard.gathering.limits.whose` says it.
            window_s: seconds, or None for ever.
        """
        tally = self._found.get((kind, tool, scope, who))
        since = None if window_s is None else now_ms - int(window_s * 1000)
        if tally is None:
            return 0
        return tally.used(since) if tally.sure else None

    def whole(self, thread: str) -> bool:
        """Whether everything that a thread did was counted, and not its end alone."""
        return self._first.get(thread) == 1

    def _ran(self, event: StoredEvent) -> None:
        data, tool = event.data, str(event.data.get("tool"))
        by = partial(
            whose,
            thread=event.thread,
            tenant=str(data.get("tenant")),
            subject=str(part(data, "actor").get("user_id")),
            party=data.get("party"),
        )
        for scope in self._rates.get(tool, ()):
            self._take(("rate", tool, scope, by(scope)), event.at, 1)
        totals, contract = self._totals.get(tool, ()), self._tools.get(tool)
        if not totals and not (self._caps and contract is not None and contract.effect == "send"):
            return
        trace = str(data.get("trace_id"))
        proposed = self._waiting.pop(trace, None) or self._proposed(trace)
        for total in totals:
            places = -1 if proposed is None else amount(proposed.call.args.get(total.arg))
            self._take((total.arg, tool, total.per, by(total.scope)), event.at, places)
        if proposed is not None and proposed.facts is not None and self._caps and contract is not None:
            for party in contacted(contract, proposed.facts):
                self._take(("contact", "", "", f"{data.get('tenant')}|{party}"), event.at, 1)

    def _take(self, key: tuple[str, ...], at_ms: int, places: int) -> None:
        tally = self._found.setdefault(key, _Tally())
        tally.sure = tally.sure and places >= 0
        tally.add(at_ms, max(0, places))
        if len(tally.at) % KEPT == 0 and "thread" not in key:
            tally.forget(at_ms - DAY_MS)
