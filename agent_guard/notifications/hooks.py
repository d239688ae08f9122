"""The ``hooks`` of ``guard.yaml``: who is told of questions that wait, of what operators must hear, and of events.

Addresses stand in the file, secrets never: a webhook names its secret, and the credentials of the gateway's agent have
it, in this environment.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent_guard.credentials import Credentials, Secret
from agent_guard.errors import ConfigError
from agent_guard.notifications.alerts import Alerter, Alerts, LogAlerter, WebhookAlerter
from agent_guard.notifications.notify import LogNotifier, Notifier, WebhookNotifier
from agent_guard.notifications.webhook import TIMEOUT_MAX_S, TIMEOUT_S
from agent_guard.subscribers.hub import Subscriber
from agent_guard.types import Clock, utc_now

__all__ = ["EventHook", "Hook", "Hooks", "PrometheusHook", "WebhookHook"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LITERAL = "a secret never stands in this file: put it into the credentials, and its name into 'secret_name'"

_Port = TypeVar("_Port")

log = logging.getLogger("agent_guard")


class WebhookHook(BaseModel):
    """One address that takes signed messages.

    Args:
        url: ``https://...``, or ``http://`` on this machine.
        secret_name: of the agent's secret ``whsec_...``; several while a key is changed, the new one first.
        timeout_s: of one attempt, 0 < t <= 30.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str
    secret_name: str | tuple[str, ...]
    timeout_s: Annotated[float, Field(gt=0, le=TIMEOUT_MAX_S)] = TIMEOUT_S

    @model_validator(mode="before")
    @classmethod
    def _no_literal(cls, data: Any) -> Any:
        if isinstance(data, dict) and {str(name).lower() for name in data} & {"secret", "secrets", "key", "token"}:
            raise ValueError(_LITERAL)
        return data

    @field_validator("secret_name")
    @classmethod
    def _is_name(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        names = (value,) if isinstance(value, str) else value
        if not names:
            raise ValueError("name at least one secret")
        if any(name.startswith("whsec_") or not _NAME.fullmatch(name) for name in names):
            raise ValueError(_LITERAL)
        return value

    def secrets(self, credentials: Credentials, *, environment: str, agent: str) -> list[Secret]:
        """The secrets it names.

        Raises:
            ConfigError: one is missing; the message names it and says where it belongs.
        """
        names = (self.secret_name,) if isinstance(self.secret_name, str) else self.secret_name
        return [credentials.secret(name, environment=environment, agent=agent) for name in names]


class Hook(BaseModel):
    """One receiver: ``{log: true}`` or ``{webhook: {...}}``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    log: Literal[True] | None = None
    webhook: WebhookHook | None = None

    @model_validator(mode="after")
    def _one(self) -> Hook:
        if (self.log is None) == (self.webhook is None):
            raise ValueError("a hook is one of 'log: true' and 'webhook: {...}'")
        return self


class PrometheusHook(BaseModel):
    """Metrics, served at ``http://address:port/metrics`` where a port is given.

    Args:
        address: of this machine to listen at; by default nobody else's can reach it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    address: str = "127.0.0.1"


class EventHook(BaseModel):
    """One subscriber: ``{log: true}``, ``{prometheus: {port: 9464}}`` or ``{opentelemetry: true}``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    log: Literal[True] | None = None
    prometheus: PrometheusHook | None = None
    opentelemetry: Literal[True] | None = None

    @model_validator(mode="after")
    def _one(self) -> EventHook:
        if sum(item is not None for item in (self.log, self.prometheus, self.opentelemetry)) != 1:
            raise ValueError("a hook of events is one of 'log: true', 'prometheus: {...}' and 'opentelemetry: true'")
        return self

    def subscriber(self, tools: Collection[str]) -> Subscriber:
        """What it names.

        Raises:
            ConfigError: its package is not installed.
        """
        if self.log:
            from agent_guard.subscribers.log import LogSubscriber

            return LogSubscriber(tools=tools)
        if self.opentelemetry:
            from agent_guard.subscribers.opentelemetry import OpenTelemetrySubscriber

            return OpenTelemetrySubscriber(tools=tools)
        from agent_guard.subscribers import prometheus

        hook = self.prometheus or PrometheusHook()
        made = prometheus.PrometheusSubscriber(prometheus.registry(), tools=tools)
        if hook.port is not None and not prometheus.serve(made.registry, port=hook.port, address=hook.address):
            log.warning("port %d is taken, so this process serves no metrics", hook.port)
        return made


class Hooks(BaseModel):
    """Receivers of notices, of alerts and of events.

    Args:
        approvals: told of every new question.
        alerts: told what operators must hear; the log alone where nothing is said.
        events: told of each event of the record.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    approvals: tuple[Hook, ...] = ()
    alerts: tuple[Hook, ...] | None = None
    events: tuple[EventHook, ...] = ()

    def subscribers(self, tools: Collection[str]) -> list[Subscriber]:
        """Who is told of events.

        Args:
            tools: names of the contracts.

        Raises:
            ConfigError: a package is not installed.
        """
        made = []
        for number, hook in enumerate(self.events):
            try:
                made.append(hook.subscriber(tools))
            except ConfigError as error:
                raise ConfigError(f"hooks.events.{number}: {error}") from None
        return made

    def notifiers(self, credentials: Credentials, *, environment: str, agent: str) -> list[Notifier]:
        """Who is told of questions.

        Raises:
            ConfigError: a secret is missing or no key, or an address cannot be used.
        """

        def webhook(hook: WebhookHook) -> Notifier:
            secrets = hook.secrets(credentials, environment=environment, agent=agent)
            return WebhookNotifier(hook.url, secrets, timeout_s=hook.timeout_s)

        return _made("hooks.approvals", self.approvals, LogNotifier, webhook)

    def operators(
        self, credentials: Credentials, *, environment: str, agent: str, clock: Clock = utc_now
    ) -> Alerts | None:
        """Who tells the operators, or None where the file says nothing.

        Raises:
            ConfigError: a secret is missing or no key, or an address cannot be used.
        """
        if self.alerts is None:
            return None

        def webhook(hook: WebhookHook) -> Alerter:
            secrets = hook.secrets(credentials, environment=environment, agent=agent)
            return WebhookAlerter(hook.url, secrets, timeout_s=hook.timeout_s)

        return Alerts(_made("hooks.alerts", self.alerts, LogAlerter, webhook), clock=clock)


def _made(
    where: str, hooks: Sequence[Hook], log: Callable[[], _Port], webhook: Callable[[WebhookHook], _Port]
) -> list[_Port]:
    made = []
    for number, hook in enumerate(hooks):
        try:
            made.append(log() if hook.webhook is None else webhook(hook.webhook))
        except ConfigError as error:
            raise ConfigError(f"{where}.{number}: {error}") from None
    return made
