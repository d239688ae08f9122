"""What the record says in numbers: who calls what, how long it takes, what stops it, and how often a person is asked.

One pass over the events, in memory that grows with the number of users, tools and tenants, and with the questions that
wait; not with the number of events. Times are counted by the millisecond, so that percentiles are exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from math import ceil

from agent_guard.audit import StoredEvent
from agent_guard.auditing.selection import EVERYTHING, Selection, find, part
from agent_guard.store import Store
from agent_guard.types import JSON

__all__ = ["percentiles", "stats"]

PROGRESS = 1000
_ENDS = frozenset({"finished", "failed", "unknown"})
_ANSWERS = frozenset({"answered", "edited", "expired"})


def stats(
    store: Store, selection: Selection = EVERYTHING, *, progress: Callable[[int], object] = int
) -> dict[str, JSON]:
    """The record in numbers, as plain JSON.

    ``calls`` counts proposals, by user, tool and tenant, and ``outcomes`` what was decided on them. ``latency_ms`` is
    of calls that ran, all and by tool. ``errors`` counts events by class and code, ``limits`` those of the class
    ``limit``. ``approvals`` counts questions, what became of them, and how long people took, in milliseconds.
    ``unattended`` is the share of the calls that ran with no person asked, or None where none ran.

    Raises:
        StoreError: the database cannot be read.
    """
    tally = _Tally()
    for seen, event in enumerate(find(store, selection), start=1):
        tally.add(event)
        if not seen % PROGRESS:
            progress(seen)
    progress(tally.events)
    return tally.as_json()


def percentiles(counts: Counter[int]) -> dict[str, JSON]:
    """P50, P95 and P99 by nearest rank: the least value that at least so many are not above.

    Args:
        counts: value -> how often.
    """
    total = counts.total()
    found: dict[str, JSON] = {"count": total}
    for share in (50, 95, 99):
        rank, seen = ceil(total * share / 100), 0
        for value in sorted(counts):
            seen += counts[value]
            if seen >= rank:
                found[f"p{share}"] = value
                break
    return found


class _Tally:
    """What was counted so far."""

    def __init__(self) -> None:
        self.events = 0
        self._first: int | None = None
        self._last: int | None = None
        self._by: dict[str, Counter[str]] = {name: Counter() for name in ("user", "tool", "tenant")}
        self._outcomes: Counter[str] = Counter()
        self._errors: dict[str, Counter[str]] = {}
        self._latency: dict[str, Counter[int]] = {}
        self._asked: dict[str, int] = {}
        self._answers: Counter[str] = Counter()
        self._questions = 0
        self._waited: Counter[int] = Counter()
        self._started = self._alone = 0

    def add(self, event: StoredEvent) -> None:
        """Counts one event."""
        data, kind = event.data, event.data["kind"]
        self.events += 1
        self._first = event.at if self._first is None else min(self._first, event.at)
        self._last = event.at if self._last is None else max(self._last, event.at)
        error = part(data, "error")
        if error:
            self._errors.setdefault(str(error.get("class")), Counter())[str(error.get("code"))] += 1
        if kind == "proposed":
            self._by["user"][f"{data['tenant']}/{part(data, 'actor').get('user_id')}"] += 1
            self._by["tool"][str(data["tool"])] += 1
            self._by["tenant"][str(data["tenant"])] += 1
        elif kind in ("decided", "suggested"):
            self._outcomes[str(part(data, "decision").get("outcome"))] += 1
        elif kind == "started":
            self._started += 1
            self._alone += data["approval_id"] is None
        elif kind in _ENDS:
            took = part(data, "result_meta").get("latency_ms")
            if isinstance(took, int):
                self._latency.setdefault(str(data["tool"]), Counter())[took] += 1
        elif kind == "asked":
            self._questions += 1
            self._asked[str(data["approval_id"])] = event.at
        elif kind in _ANSWERS and data["approval_id"] is not None:
            self._answered(event)

    def _answered(self, event: StoredEvent) -> None:
        asked = self._asked.pop(str(event.data["approval_id"]), None)
        if asked is None:  # asked before the selection begins, or answered with another question
            return
        word = event.data["note"] if event.data["kind"] == "answered" else event.data["kind"]
        self._answers[str(word)] += 1
        if event.data["kind"] != "expired":
            self._waited[max(0, event.at - asked)] += 1

    def as_json(self) -> dict[str, JSON]:
        """Everything, the most frequent first."""
        every: Counter[int] = Counter()
        for counts in self._latency.values():
            every.update(counts)
        return {
            "events": self.events,
            "first_ms": self._first,
            "last_ms": self._last,
            "calls": {name: dict(counts.most_common()) for name, counts in self._by.items()},
            "outcomes": dict(self._outcomes.most_common()),
            "latency_ms": {"all": percentiles(every), "tool": _each(self._latency.items())},
            "limits": dict(self._errors.get("limit", Counter()).most_common()),
            "errors": {name: dict(counts.most_common()) for name, counts in sorted(self._errors.items())},
            "approvals": {
                "asked": self._questions,
                "answers": dict(self._answers.most_common()),
                "open": len(self._asked),
                "waited_ms": percentiles(self._waited),
            },
            "unattended": self._alone / self._started if self._started else None,
        }


def _each(counted: Iterable[tuple[str, Counter[int]]]) -> dict[str, JSON]:
    return {name: percentiles(counts) for name, counts in sorted(counted)}
