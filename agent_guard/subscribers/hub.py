"""Tells the subscribers of a gateway what it recorded: after the commit, in order, beside the call.

    written       in the transaction: the events take their place in the line of their chain
    committed     the place is ready; what stands before it in the line goes first
    undone        the place is given up: nobody is told of what did not happen

So of each chain a subscriber hears exactly the events that this process wrote, in the order of the chain. Each
subscriber is told in a thread of its own with a bounded queue: one that is slow or fails holds up neither a call nor
another subscriber. What does not fit into its queue is dropped, counted and logged; the record has it. What a process
had not told when it died is not told again.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol
from weakref import WeakSet

from agent_guard.audit import AuditEvent
from agent_guard.errors import ConfigError
from agent_guard.notifications.courier import Courier
from agent_guard.runtime.workers import after_fork

__all__ = ["CLOSE_S", "QUEUED_MAX", "Subscriber", "Subscribers"]

QUEUED_MAX = 1000
"""How many transactions' events may wait for one subscriber; those of further ones are dropped."""

CLOSE_S = 5.0
"""How long a gateway that closes waits for what was not told yet, in seconds."""

log = logging.getLogger("agent_guard")


class Subscriber(Protocol):
    """Port of whoever is told of events."""

    def on_event(self, event: AuditEvent) -> None:
        """Takes one event. Called in a thread of this subscriber's own, one event after another; must come to an end
        by itself. Whatever it raises is logged by its kind, once, and counted.
        """
        ...


class _Place:
    """The events of one transaction in the line of their chain; ``told`` says whether it was committed."""

    def __init__(self, events: Sequence[AuditEvent]) -> None:
        self.thread = events[0].thread
        self.events = tuple(events)
        self.told: bool | None = None


class Subscribers:
    """The subscribers of one gateway.

    Args:
        subscribers: all of them are told.

    Raises:
        ConfigError: something that is no subscriber.
    """

    def __init__(self, subscribers: Sequence[Subscriber], *, most: int = QUEUED_MAX) -> None:
        for subscriber in subscribers:
            if not callable(getattr(subscriber, "on_event", None)):
                raise ConfigError(f"{type(subscriber).__name__} is no subscriber; it needs a method on_event(event)")
        self._subscribers = tuple(
            (item, Courier(f"agent_guard {type(item).__name__}", most=most)) for item in subscribers
        )
        self._begin()
        _HUBS.add(self)
        self._dropped: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()

    def _begin(self) -> None:
        """Without a line: in a forked process those of the parent would wait for commits that it never sees."""
        self._lines: dict[str, deque[_Place]] = {}
        self._turn = threading.Lock()

    def forked(self) -> None:
        """Tells that this process was forked; what the parent had taken the parent tells."""
        self._begin()

    def __bool__(self) -> bool:
        return bool(self._subscribers)

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many events a subscriber was not told because too many waited, by the name of its class."""
        return dict(self._dropped)

    @property
    def failed(self) -> Mapping[str, int]:
        """How many events a subscriber raised at, by the name of its class."""
        return dict(self._failed)

    def written(self, events: Sequence[AuditEvent]) -> Callable[[bool], None]:
        """Takes the events of one chain, which are written and not committed; whoever writes the next of this chain has
        to wait for the commit.

        Returns:
            what must be called afterwards with whether they were committed. It never raises and never waits.
        """
        place = _Place(events)
        with self._turn:
            self._lines.setdefault(place.thread, deque()).append(place)
        return partial(self._ended, place)

    def close(self, wait_s: float = CLOSE_S) -> None:
        """Waits until what was taken is told, ``wait_s`` seconds at most for each subscriber, and says what was not.
        A subscriber that has a method ``close`` is closed then.
        """
        for subscriber, courier in self._subscribers:
            name = type(subscriber).__name__
            if not courier.drain(wait_s):
                log.warning("%s was not told of some events in %g seconds; the record has them", name, wait_s)
            if self._dropped[name]:
                log.warning("%s was not told of %d events in all: too many waited", name, self._dropped[name])
            try:
                getattr(subscriber, "close", lambda: None)()
            except Exception as error:
                log.error("%s could not be closed: %s", name, type(error).__name__)  # noqa: TRY400

    def _ended(self, place: _Place, committed: bool) -> None:
        with self._turn:
            place.told = committed
            line = self._lines.get(place.thread, deque())  # none for a place that was taken before a fork
            while line and line[0].told is not None:
                first = line.popleft()
                if first.told:
                    self._hand(first.events)
            if not line:
                self._lines.pop(place.thread, None)

    def _hand(self, events: Sequence[AuditEvent]) -> None:
        for subscriber, courier in self._subscribers:
            if courier.hand(partial(self._tell, subscriber, events)):
                continue
            name = type(subscriber).__name__
            if not self._dropped[name]:
                log.warning("%s is too slow: events are dropped and counted; the record has them", name)
            self._dropped[name] += len(events)

    def _tell(self, subscriber: Subscriber, events: Sequence[AuditEvent]) -> None:
        for event in events:
            try:
                subscriber.on_event(event)
            except Exception as error:  # one of the host's may raise anything, with any words
                name = type(subscriber).__name__
                if not self._failed[name]:
                    log.error(  # noqa: TRY400 - its traceback could hold values
                        "%s could not take an event: %s; further ones are counted", name, type(error).__name__
                    )
                self._failed[name] += 1


_HUBS: WeakSet[Subscribers] = WeakSet()


def _forked() -> None:
    for hub in list(_HUBS):
        hub.forked()


after_fork(_forked)
