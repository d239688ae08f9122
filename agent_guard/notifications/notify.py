"""Telling people that a question waits for them: what they are told, and who tells.

A notice holds pseudonyms and ids and no customer's value (law L4). It asks nobody to trust it: the answer is given at
a door that knows who answers.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from agent_guard.credentials import Secret
from agent_guard.notifications.webhook import TIMEOUT_S, Webhook
from agent_guard.types import Clock, utc_now

__all__ = ["LogNotifier", "Notice", "Notifier", "WebhookNotifier"]

log = logging.getLogger("agent_guard.notify")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One question that waits, as it leaves the process: masked, and JSON throughout.

    Args:
        effect: what the tool does to the world.
        requester: the member of staff on whose behalf the call was proposed.
        roles: who may answer; ``not_requester`` leaves the requester out.
        asked_at, expires_at: ISO 8601, UTC.
        description: the question as a person reads it, in Markdown; cut at 4000 characters.
    """

    approval_id: str
    tool: str
    effect: str | None
    tenant: str
    requester: str
    roles: tuple[str, ...]
    not_requester: bool
    asked_at: str
    expires_at: str
    description: str
    thread: str
    trace_id: str


class Notifier(Protocol):
    """Port of whoever tells people that a question waits."""

    def asked(self, notice: Notice) -> None:
        """Tells them. Called after the question is stored, in a thread of its own; must come to an end by itself.

        The same notice may come twice, also from another process: ``approval_id`` tells.

        Raises:
            DeliveryError: nobody was told; ``soon`` says whether to try again within seconds.
            Exception: nobody was told; the question stays among those that wait for a notice.
        """
        ...


class LogNotifier:
    """Writes notices to the logger ``agent_guard.notifications.notify``, without the description."""

    def asked(self, notice: Notice) -> None:
        """See :class:`Notifier`."""
        log.info(
            "%s waits until %s: %s (%s) of %s in %s, thread %s, trace %s; may be answered by: %s",
            notice.approval_id,
            notice.expires_at,
            notice.tool,
            notice.effect,
            notice.requester,
            notice.tenant,
            notice.thread,
            notice.trace_id,
            ", ".join(notice.roles),
        )


class WebhookNotifier:
    """Sends notices to one address as signed messages of the type ``approval.asked``.

    The ``webhook-id`` is the approval's id at every attempt, in every process: a receiver that has seen it has seen the
    question.

    Args:
        url, secret, timeout_s, clock: as :class:`agent_guard.notifications.webhook.Webhook` takes them.

    Raises:
        ConfigError: an address, a secret or a time-out that cannot be used.
    """

    def __init__(
        self, url: str, secret: Secret | Sequence[Secret], *, timeout_s: float = TIMEOUT_S, clock: Clock = utc_now
    ) -> None:
        self._webhook = Webhook(url, secret, timeout_s=timeout_s, clock=clock)

    def asked(self, notice: Notice) -> None:
        """See :class:`Notifier`."""
        data = asdict(notice) | {"roles": list(notice.roles)}
        self._webhook.post(notice.approval_id, "approval.asked", notice.asked_at, data)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._webhook.host})"
