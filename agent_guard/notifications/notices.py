"""Notices of new questions: sent after the question is stored, beside the call, and kept waiting until they arrive.

    asked            the call's thread hands a notice to the courier and goes on; nothing is lost if it cannot
    deliver_waiting  the worker sends what no process has delivered, because it died, or the receiver was down

The row of the question is the memory: ``notified`` is set when every notifier has taken the notice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from agent_guard import approvals
from agent_guard.approvals import Approval
from agent_guard.databases.locks import chain_lock
from agent_guard.errors import ConfigError, DeliveryError, StoreError
from agent_guard.notifications.alerts import NOTICE_UNDELIVERED, Alert, Alerts
from agent_guard.notifications.courier import Courier
from agent_guard.notifications.notify import Notice, Notifier, WebhookNotifier
from agent_guard.store import Store
from agent_guard.types import Clock

__all__ = ["GRACE_S", "Notices", "notice_of"]

GRACE_S = 30.0
"""How old a question is, in seconds, before others than its own process send its notice."""

PAUSE_S, PAUSE_MAX_S = 5.0, 600.0
"""How long a notice rests after a delivery that failed, in seconds; doubled with each further one."""

QUEUED_MAX = 1000
"""How many notices may wait in this process; further ones wait in the database alone."""

FAILURES_MAX = 3
"""After so many failures one after another a round ends: the receiver is down."""

LOOKED_AT_MAX = 1000
DESCRIPTION_MAX = 4000
CLOSE_S = 5.0

log = logging.getLogger("agent_guard")


class Notices:
    """The notices of one gateway.

    Args:
        notifiers: all of them are told; without any, nothing is sent and questions wait unannounced.
        alerts: told when a notice cannot be delivered.

    Raises:
        ConfigError: something that is no notifier.
    """

    def __init__(self, store: Store, notifiers: Sequence[Notifier], *, clock: Clock, alerts: Alerts) -> None:
        for notifier in notifiers:
            if not callable(getattr(notifier, "asked", None)):
                raise ConfigError(f"{type(notifier).__name__} is no notifier; it needs a method asked(notice)")
        self._store = store
        self._notifiers = tuple(notifiers)
        self._clock = clock
        self._alerts = alerts
        self._courier = Courier("agent_guard notices", most=QUEUED_MAX)
        self._resting: dict[str, tuple[int, int]] = {}
        self._closed = False

    def asked(self, approval: Approval) -> None:
        """Sends the notice of a question that has been committed. Never raises and never waits for a receiver; a
        notice that does not arrive stays waiting.
        """
        if self._notifiers and not self._courier.hand(partial(self._tell, approval, at_once=False)):
            log.warning("the notice of %s waits: too many are being sent", approval.id)

    def deliver_waiting(self, *, most: int = 100) -> int:
        """Sends, in the caller's thread, what waits: notices of questions that are open and that nobody delivered.

        Each is tried once; one that fails rests for seconds, later for minutes. Three failures in a row end the round.

        Returns:
            how many were delivered, ``most`` at most.

        Raises:
            StoreError: the database cannot be read; nothing was sent.
        """
        if not self._notifiers:
            return 0
        now = self._now_ms()
        with self._store.read() as connection:
            before = now - int(GRACE_S * 1000)
            waiting = approvals.untold(connection, now_ms=now, before_ms=before, most=LOOKED_AT_MAX)
        ids = {approval.id for approval in waiting}
        self._resting = {id: rest for id, rest in self._resting.items() if id in ids}
        told = failed = 0
        for approval in waiting:
            if told >= most or failed >= FAILURES_MAX:
                break
            if self._resting.get(approval.id, (0, 0))[1] > now:
                continue
            if self._tell(approval, at_once=True):
                told, failed = told + 1, 0
            else:
                failed += 1
        return told

    def close(self) -> None:
        """Tries once more what is queued, for five seconds at most; the rest stays waiting in the database."""
        if not self._courier.drain(CLOSE_S):
            log.warning("some notices were not sent in %g seconds; they wait in the database", CLOSE_S)
        self._closed = True

    def _tell(self, approval: Approval, *, at_once: bool) -> bool:
        notice = notice_of(approval)
        failed = [notifier for notifier in self._notifiers if not self._taken(notifier, notice, at_once=at_once)]
        if failed:
            times = self._resting.get(approval.id, (0, 0))[0] + 1
            pause_s = min(PAUSE_S * 2 ** min(times - 1, 20), PAUSE_MAX_S)
            self._resting[approval.id] = (times, self._now_ms() + int(pause_s * 1000))
            return False
        return self._marked(approval)

    def _taken(self, notifier: Notifier, notice: Notice, *, at_once: bool) -> bool:
        send = partial(notifier.asked, notice)
        try:
            send() if at_once else self._courier.steadily(send)
        except Exception as error:  # a notifier of the host's may raise anything, with any words
            name = repr(notifier) if isinstance(notifier, WebhookNotifier) else type(notifier).__name__
            why = str(error) if isinstance(error, DeliveryError) else type(error).__name__
            log.warning("the notice of %s was not taken by %s: %s; it waits", notice.approval_id, name, why)
            text = "People are not told of questions that wait for them; the log says why. The notices are kept."
            self._alerts.send(
                Alert(kind=NOTICE_UNDELIVERED, severity="warning", scope=f"hook:{name}", text=text, at=self._clock())
            )
            return False
        return True

    def _marked(self, approval: Approval) -> bool:
        if self._closed:  # it was delivered while the gateway closed; the worker may send it once more
            return False
        try:
            with self._store.write(locks=[chain_lock(approval.thread)]) as connection:
                approvals.mark_notified(connection, approval.id, now_ms=self._now_ms())
        except StoreError as error:
            log.warning("the notice of %s was delivered, and that could not be written down: %s", approval.id, error)
            return False
        return True

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)


def notice_of(approval: Approval) -> Notice:
    """What people are told of a question: ids, names of tools and roles, and its masked description."""
    description = str(approval.shown.get("description") or "")
    if len(description) > DESCRIPTION_MAX:
        whole_lines = description[:DESCRIPTION_MAX].rpartition("\n")[0]
        description = f"{whole_lines or description[:DESCRIPTION_MAX]}\n\n(cut here)"
    asked_at = datetime.fromtimestamp(approval.created / 1000, UTC).isoformat(timespec="milliseconds")
    return Notice(
        approval_id=approval.id,
        tool=approval.tool,
        effect=approval.shown.get("effect"),
        tenant=approval.tenant,
        requester=approval.requester,
        roles=approval.roles,
        not_requester=approval.not_requester,
        asked_at=asked_at,
        expires_at=approval.expires_at,
        description=description,
        thread=approval.thread,
        trace_id=approval.trace_id,
    )
