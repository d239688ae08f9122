"""What the operators must hear at once: the red button, a database that fails, a call of which nobody knows.

Alerts pass neither the gateway nor the database, because both may be what has failed. This module imports neither,
which a contract of the imports holds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, Protocol

from ulid import ULID

from agent_guard.credentials import Secret
from agent_guard.errors import ConfigError, DeliveryError
from agent_guard.notifications.courier import Courier
from agent_guard.notifications.webhook import TIMEOUT_S, Webhook
from agent_guard.types import Clock, utc_now

__all__ = [
    "BUTTON_PRESSED",
    "BUTTON_RELEASED",
    "NOTICE_UNDELIVERED",
    "NOT_SETTLED",
    "OUTCOME_UNKNOWN",
    "STORE_UNREACHABLE",
    "Alert",
    "Alerter",
    "Alerts",
    "LogAlerter",
    "Severity",
    "WebhookAlerter",
]

Severity = Literal["info", "warning", "critical"]
"""``critical`` wants a person now."""

BUTTON_PRESSED = "button_pressed"
BUTTON_RELEASED = "button_released"
STORE_UNREACHABLE = "store_unreachable"
OUTCOME_UNKNOWN = "outcome_unknown"
NOT_SETTLED = "not_settled"
NOTICE_UNDELIVERED = "notice_undelivered"

WINDOW_S = 300.0
WAITING_MAX = 1000
"""How many alerts may wait to be sent."""

REMEMBERED_MAX = 1000
"""How many kinds and scopes are remembered at a time."""

TEXT_MAX = 500
CLOSE_S = 5.0

log = logging.getLogger("agent_guard.alerts")

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing that operators must hear.

    Args:
        kind: a short word, e.g. ``outcome_unknown``.
        scope: what it is about, e.g. ``tool:crm.create_task``, ``scenario:sdr``, ``database``; with the kind it tells
            whether two alerts are the same.
        text: a sentence or two, which leave the process: names of tools, trace ids, staff; no customer's value and no
            words of an exception. Longer than 500 characters is cut.
        at: when; the present by default.
        ends: a kind whose next alert of this scope is news, however soon it comes: a release ends a press.
        suppressed: how many of the same were not sent since the last; counted by :class:`Alerts`.
        id: the same at each attempt to send it.
    """

    kind: str
    severity: Severity
    scope: str
    text: str
    at: datetime | None = None
    ends: str | None = None
    suppressed: int = 0
    id: str = field(default_factory=lambda: f"alr_{ULID()}")


class Alerter(Protocol):
    """Port of whoever tells the operators."""

    def send(self, alert: Alert) -> None:
        """Tells them. Called in a thread of its own; must come to an end by itself.

        Raises:
            DeliveryError: it was not told; ``soon`` says whether to try again within seconds.
            Exception: it was not told.
        """
        ...


class LogAlerter:
    """Writes alerts to the logger ``agent_guard.notifications.alerts``, at the level of their severity."""

    def send(self, alert: Alert) -> None:
        """See :class:`Alerter`."""
        more = f" ({alert.suppressed} more like it were not told)" if alert.suppressed else ""
        log.log(_LEVELS[alert.severity], "%s %s: %s%s", alert.kind, alert.scope, alert.text, more)


class WebhookAlerter:
    """Sends alerts to one address as signed messages of the type ``guard.alert``; see :class:`Webhook` for both.

    Raises:
        ConfigError: an address, a secret or a time-out that cannot be used.
    """

    def __init__(
        self, url: str, secret: Secret | Sequence[Secret], *, timeout_s: float = TIMEOUT_S, clock: Clock = utc_now
    ) -> None:
        self._webhook = Webhook(url, secret, timeout_s=timeout_s, clock=clock)
        self._clock = clock

    def send(self, alert: Alert) -> None:
        """See :class:`Alerter`."""
        at = (alert.at or self._clock()).isoformat(timespec="milliseconds")
        data = {
            "kind": alert.kind,
            "severity": alert.severity,
            "scope": alert.scope,
            "text": alert.text,
            "suppressed": alert.suppressed,
        }
        self._webhook.post(alert.id, "guard.alert", at, data)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._webhook.host})"


class Alerts:
    """Sends alerts to every alerter, each kind and scope once in a while.

    Args:
        alerters: all of them are told; by default the log.
        window_s: for how long the same kind and scope is counted instead of sent, in seconds. Remembered by this
            object alone: another process tells for itself.
        clock: for the window.

    Raises:
        ConfigError: something that is no alerter.
    """

    def __init__(
        self, alerters: Sequence[Alerter] | None = None, *, window_s: float = WINDOW_S, clock: Clock = utc_now
    ) -> None:
        self._alerters: tuple[Alerter, ...] = (LogAlerter(),) if alerters is None else tuple(alerters)
        for alerter in self._alerters:
            if not callable(getattr(alerter, "send", None)):
                raise ConfigError(f"{type(alerter).__name__} is no alerter; it needs a method send(alert)")
        self._window = timedelta(seconds=window_s)
        self._clock = clock
        self._told: dict[tuple[str, str], tuple[datetime, int]] = {}
        self._turn = threading.Lock()
        self._courier = Courier("agent_guard alerts", most=WAITING_MAX)

    def send(self, alert: Alert) -> None:
        """Takes an alert and sends it in a thread of its own. Never raises and never waits; what cannot be sent is in
        the log.
        """
        try:
            self._send(replace(alert, at=alert.at or self._clock(), text=_line(alert.text), scope=_line(alert.scope)))
        except Exception as error:  # telling of a failure must not be one
            log.error("an alert could not be taken: %s", type(error).__name__)  # noqa: TRY400

    def drain(self, wait_s: float = CLOSE_S) -> None:
        """Waits until what was taken is sent, ``wait_s`` seconds at most; the object can be used afterwards."""
        if not self._courier.drain(wait_s):
            log.error("some alerts were not sent in %g seconds and are given up", wait_s)

    def _send(self, alert: Alert) -> None:
        suppressed = self._counted(alert)
        if suppressed is None:
            return
        alert = replace(alert, suppressed=suppressed)
        for alerter in self._alerters:
            if not self._courier.hand(partial(self._deliver, alerter, alert)):
                log.error("the alert %s %s is not sent by %s: too many wait", alert.kind, alert.scope, _name(alerter))

    def _counted(self, alert: Alert) -> int | None:
        """None where the alert is not to be sent now, else how many like it were not."""
        now, key = self._clock(), (alert.kind, alert.scope)
        with self._turn:
            if alert.ends is not None:
                self._told.pop((alert.ends, alert.scope), None)
            last, count = self._told.get(key, (None, 0))
            if last is not None and timedelta() <= now - last < self._window:
                self._told[key] = (last, count + 1)
                return None
            if len(self._told) >= REMEMBERED_MAX:
                self._told = {k: v for k, v in self._told.items() if now - v[0] < self._window}
            if len(self._told) >= REMEMBERED_MAX:
                self._told.clear()
            self._told[key] = (now, 0)
            return count

    def _deliver(self, alerter: Alerter, alert: Alert) -> None:
        try:
            self._courier.steadily(partial(alerter.send, alert))
        except Exception as error:  # an alerter of the host's may raise anything, with any words
            log.error(  # noqa: TRY400
                "the alert %s %s was not taken by %s: %s", alert.kind, alert.scope, _name(alerter), _why(error)
            )


def _line(text: str) -> str:
    """One line of bounded length: nobody may write a second one into a log."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:TEXT_MAX])


def _name(alerter: Alerter) -> str:
    return repr(alerter) if isinstance(alerter, WebhookAlerter) else type(alerter).__name__


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, DeliveryError) else type(error).__name__
