"""A key of the moment, and secrets given in code."""

from __future__ import annotations

from collections.abc import Mapping

from agent_guard.credentials.key import new_key
from agent_guard.credentials.port import Place
from agent_guard.credentials.secret import Secret

__all__ = ["MemoryCredentials"]


class MemoryCredentials:
    """A new key for every object: what it encrypted is unreadable afterwards. For databases in memory, and tests.

    Args:
        secrets: ``{environment: {agent: {name: value}}}``.
    """

    def __init__(self, *, secrets: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None) -> None:
        self._key = new_key()
        self._secrets = secrets or {}

    def master_key(self, environment: str | None = None) -> bytes:  # noqa: ARG002 - one object, one key
        """See :class:`agent_guard.credentials.Credentials`."""
        return self._key

    def secret(self, name: str, *, environment: str, agent: str) -> Secret:
        """See :class:`agent_guard.credentials.Credentials`."""
        place = Place(environment=environment, agent=agent, name=name)
        found = self._secrets.get(environment, {}).get(agent, {}).get(name)
        return place.filled(found, "pass it in 'secrets'")
