"""The port of keys and secrets, and the names under which secrets are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from agent_guard.credentials.secret import Secret
from agent_guard.errors import ConfigError
from agent_guard.operations.scopes import AGENT_NAME

__all__ = ["MASTER", "Credentials", "Place", "renew"]

MASTER = "master_key"
"""What the guard's own key is called; no secret can have this name."""

_ENVIRONMENT = re.compile(r"[a-z]{1,10}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Credentials(Protocol):
    """Port of the keys and secrets.

    A source that keeps master keys which were used before has one method more, ``former_keys(environment)``; it
    returns them, the newest first, and what was written under them can then still be read. One that can write has
    ``renew(environment)``: a new master key, and the present one becomes a former one.
    """

    def master_key(self, environment: str | None = None) -> bytes:
        """The 32 bytes from which every other key of the guard is derived.

        Args:
            environment: whose key, where a source holds one for each.

        Raises:
            ConfigError: there is no key, or it is not 32 bytes of base64; the message never repeats it.
        """
        ...

    def secret(self, name: str, *, environment: str, agent: str) -> Secret:
        """One secret of one agent in one environment, read now.

        Raises:
            ConfigError: there is none of exactly this agent and environment, or it cannot be read; the message holds
                names and never a value.
        """
        ...


def renew(credentials: Credentials, environment: str | None) -> None:
    """Has a source make a new master key, see :class:`Credentials`.

    Raises:
        ConfigError: the source cannot write; the message says what to do.
    """
    method = getattr(credentials, "renew", None)
    if method is None:
        raise ConfigError(
            f"{type(credentials).__name__} cannot write a master key: put a new one before the present one where it "
            "lies, and run this again"
        )
    method(environment)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one secret is kept: environment, then agent, then name. Names that could lead elsewhere are refused.

    Raises:
        ConfigError: one of the three is no name.
    """

    environment: str
    agent: str
    name: str

    def __post_init__(self) -> None:
        if not _ENVIRONMENT.fullmatch(self.environment):
            raise ConfigError(f"{self.environment!r} is no environment; write lower-case letters")
        if not AGENT_NAME.fullmatch(self.agent):
            raise ConfigError(f"{self.agent!r} is no agent's name; write lower-case letters, digits and any of . _ -")
        if not _NAME.fullmatch(self.name) or self.name.lower() == MASTER:
            raise ConfigError(f"{self.name!r} is no secret's name; write letters, digits and any of . _ -")

    def __str__(self) -> str:
        return f"secret {self.name!r} of the agent {self.agent!r} in {self.environment}"

    def filled(self, value: object, how: str) -> Secret:
        """The secret of this place.

        Args:
            value: what a source found there.
            how: what to do where it found nothing.

        Raises:
            ConfigError: nothing, an empty text, or no text at all; the value is not repeated.
        """
        fine = value if isinstance(value, str) else ""
        missing = value is None or value == ""
        value = None  # a tracer that shows the variables of a frame must not show it
        if fine:
            return Secret(self.name, fine)
        if missing:
            raise ConfigError(f"there is no {self}; {how}")
        raise ConfigError(f"the {self} is not a text; write it in quotes")
