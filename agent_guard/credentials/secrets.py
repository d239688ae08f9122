"""What a tool is given: the secrets of its gateway's agent, for the length of one call."""

from __future__ import annotations

import json
import logging
from typing import NoReturn

from agent_guard.credentials.port import Credentials
from agent_guard.credentials.secret import Secret
from agent_guard.errors import ConfigError, ToolUnavailable

__all__ = ["Secrets"]

TELLING = 8
"""The shortest value, in characters, whose appearance in a text is no accident."""

log = logging.getLogger("agent_guard")


class Secrets:
    """Hands out the secrets of one agent in one environment: ``secrets("crm_token").reveal()``.

    A tool asks before it sends anything: that a secret is missing is told as "nothing happened". Once the tool's call
    is over the object hands out nothing more, whoever kept it.
    """

    def __init__(self, credentials: Credentials, *, environment: str, agent: str) -> None:
        self._credentials = credentials
        self._environment = environment
        self._agent = agent
        self._given: list[Secret] = []
        self._over = False

    def __call__(self, name: str) -> Secret:
        """One secret, read now.

        Raises:
            ToolUnavailable: there is none of this name, agent and environment, its source cannot be read, or the call
                is over; the message holds names and never a value.
        """
        if self._over:
            raise ToolUnavailable(f"the call is over; {self._words(name)} is not given", code="secret_withheld")
        try:
            found: object = self._credentials.secret(name, environment=self._environment, agent=self._agent)
        except ConfigError as error:
            log.warning("a tool asked for %s: %s", self._words(name), error)
            code = "secret_missing"
        except Exception as error:  # a source may fail in any way, and its words could be the value
            log.warning("a tool asked for %s: %s", self._words(name), type(error).__name__)
            code = "secret_unreadable"
        else:
            if isinstance(found, Secret):
                self._given.append(found)
                return found
            log.warning(
                "a tool asked for %s: its source gave %s, not a Secret", self._words(name), type(found).__name__
            )
            code = "secret_unreadable"
        raise ToolUnavailable(f"there is no {self._words(name)}", code=code)

    def close(self) -> None:
        """Ends it: nothing is handed out any more."""
        self._over = True

    def told_in(self, text: str) -> bool:
        """Whether a JSON document holds a value that was handed out. Values under 8 characters are not looked for."""
        values = (secret.reveal() for secret in self._given)
        return any(len(value) >= TELLING and json.dumps(value, ensure_ascii=False)[1:-1] in text for value in values)

    def __repr__(self) -> str:
        return f"Secrets({self._environment}/{self._agent})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{self!r} is neither copied nor pickled")

    def _words(self, name: str) -> str:
        return f"secret {name!r} of the agent {self._agent!r} in {self._environment}"
