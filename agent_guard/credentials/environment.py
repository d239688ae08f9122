"""Keys and secrets in environment variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NoReturn

from agent_guard.credentials.key import HOW, VARIABLE, decoded
from agent_guard.credentials.port import Place
from agent_guard.credentials.secret import Secret
from agent_guard.errors import ConfigError

__all__ = ["EnvironmentCredentials", "key_variables", "mangled"]

PREFIX = "AGENT_GUARD_SECRET"


class EnvironmentCredentials:
    """Takes the master key from ``AGENT_GUARD_MASTER_KEY_<ENVIRONMENT>``, else from ``AGENT_GUARD_MASTER_KEY``, and
    secrets from ``AGENT_GUARD_SECRET_<ENVIRONMENT>_<AGENT>_<NAME>``, in upper case, with ``_`` for whatever is no
    letter or digit.

    A second name that leads to a variable which another name led to before is refused. That two agents of one
    environment never share a variable is looked after where they are added.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._taken: dict[str, Place] = {}

    def master_key(self, environment: str | None = None) -> bytes:
        """See :class:`agent_guard.credentials.Credentials`."""
        name = self._found(environment)
        return decoded(self._environ[name], name)[0]

    def former_keys(self, environment: str | None = None) -> tuple[bytes, ...]:
        """The keys that follow the master key in its variable, with commas or spaces between."""
        name = self._found(environment)
        return decoded(self._environ[name], name)[1:]

    def renew(self, environment: str | None = None) -> NoReturn:
        """Tells what a person has to do: nobody can write into the variables of other processes.

        Raises:
            ConfigError: always.
        """
        name = self._found(environment)
        raise ConfigError(
            f"the master key is in {name}: put a new one before it, with a comma between, wherever {name} is set, and "
            f"run this again; {HOW}"
        )

    def _found(self, environment: str | None) -> str:
        names = key_variables(environment)
        found = next((name for name in names if self._environ.get(name)), None)
        if found is None:
            nor = f", nor {names[0]}" if len(names) > 1 else ""
            raise ConfigError(f"{VARIABLE} is not set{nor}; {HOW}")
        return found

    def secret(self, name: str, *, environment: str, agent: str) -> Secret:
        """See :class:`agent_guard.credentials.Credentials`."""
        place = Place(environment=environment, agent=agent, name=name)
        variable = "_".join([PREFIX, *(mangled(part) for part in (environment, agent, name))])
        first = self._taken.setdefault(variable, place)
        if first != place:
            raise ConfigError(f"the {place} and the {first} are both called {variable}; rename one of them")
        return place.filled(self._environ.get(variable), f"set {variable}")


def key_variables(environment: str | None) -> tuple[str, ...]:
    """The variables of the master key of an environment, the preferred one first."""
    return (VARIABLE,) if environment is None else (f"{VARIABLE}_{mangled(environment)}", VARIABLE)


def mangled(name: str) -> str:
    """A name as it stands in a variable."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
