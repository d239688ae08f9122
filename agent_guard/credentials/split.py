"""The master key from one source, secrets from another."""

from __future__ import annotations

from collections.abc import Sequence

from agent_guard.credentials.port import Credentials, renew
from agent_guard.credentials.secret import Secret

__all__ = ["SplitCredentials"]


class SplitCredentials:
    """Asks one source for the master key and another for secrets; neither stands in for the other."""

    def __init__(self, *, key: Credentials, secrets: Credentials) -> None:
        self._key = key
        self._secrets = secrets

    def master_key(self, environment: str | None = None) -> bytes:
        """See :class:`agent_guard.credentials.Credentials`."""
        return self._key.master_key(environment)

    def former_keys(self, environment: str | None = None) -> Sequence[bytes]:
        """Those of the source of the master key, where it has any."""
        former = getattr(self._key, "former_keys", None)
        return () if former is None else tuple(former(environment))

    def renew(self, environment: str | None = None) -> None:
        """As the source of the master key does it.

        Raises:
            ConfigError: it cannot; put a new key before the present one where it lies.
        """
        renew(self._key, environment)

    def secret(self, name: str, *, environment: str, agent: str) -> Secret:
        """See :class:`agent_guard.credentials.Credentials`."""
        return self._secrets.secret(name, environment=environment, agent=agent)
