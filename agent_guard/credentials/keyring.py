"""Keys and secrets in the operating system's keyring, by the ``keyring`` package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_guard.credentials.key import decoded, encoded, new_key
from agent_guard.credentials.port import MASTER, Place
from agent_guard.credentials.secret import Secret
from agent_guard.errors import ConfigError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

__all__ = ["KeyringCredentials"]


class KeyringCredentials:
    """Takes the master key of an environment from the entry ``master_key`` of the service ``agent_guard/<environment>``
    and an agent's secrets from ``agent_guard/<environment>/<agent>``; ``keyring set SERVICE NAME`` writes one.

    Args:
        backend: a keyring of your own; by default the one that ``keyring`` picks for this machine.

    The package is looked for at the first lookup; where it is missing, or the machine has no keyring, that is a
    ``ConfigError``.
    """

    def __init__(self, backend: KeyringBackend | None = None) -> None:
        self._backend = backend

    def master_key(self, environment: str | None = None) -> bytes:
        """See :class:`agent_guard.credentials.Credentials`; the environment must be told."""
        return self._keys(environment)[0]

    def former_keys(self, environment: str | None = None) -> tuple[bytes, ...]:
        """The keys that follow the master key in its entry, with commas or spaces between."""
        return self._keys(environment)[1:]

    def renew(self, environment: str | None = None) -> None:
        """Writes a new master key before the present one, which becomes a former one.

        Raises:
            ConfigError: there is no present one, or the keyring does not keep what is written.
        """
        keys = [new_key(), *self._keys(environment)]
        service, text = f"agent_guard/{environment}", ",".join(encoded(key).decode().strip() for key in keys)
        try:
            (self._backend or _system()).set_password(service, MASTER, text)
            kind = "" if self._keys(environment) == tuple(keys) else "it kept something else"
        except ConfigError:
            raise
        except Exception as error:  # as in _ask
            kind = type(error).__name__
        keys, text = [], ""  # a tracer that shows the variables of a frame must not show them
        if kind:
            raise ConfigError(f"the new master key could not be written to the keyring ({kind}); nothing uses it yet")

    def _keys(self, environment: str | None) -> tuple[bytes, ...]:
        if environment is None:
            raise ConfigError("a keyring holds a master key for each environment; tell which")
        service = f"agent_guard/{environment}"
        found = [self._ask(service, MASTER)]
        if not found[0]:
            raise ConfigError(f"the keyring has no master key; write one with: keyring set {service} {MASTER}")
        return decoded(found.pop() or "", f"{MASTER} of {service} in the keyring")

    def secret(self, name: str, *, environment: str, agent: str) -> Secret:
        """See :class:`agent_guard.credentials.Credentials`."""
        place = Place(environment=environment, agent=agent, name=name)
        service = f"agent_guard/{environment}/{agent}"
        return place.filled(self._ask(service, name), f"write it with: keyring set {service} {name}")

    def _ask(self, service: str, name: str) -> str | None:
        backend = self._backend or _system()
        try:
            return backend.get_password(service, name)
        except Exception as error:  # a backend may fail in any way, and its words are not ours to repeat
            kind = type(error).__name__
        raise ConfigError(f"the keyring cannot be read ({kind}); unlock it, or use another source")


def _system() -> KeyringBackend:
    try:
        import keyring
        from keyring.backends import fail, null
    except ImportError:
        raise ConfigError("the keyring needs: pip install 'langgraph-agent-guard[keyring]'") from None
    backend = keyring.get_keyring()
    if isinstance(backend, (fail.Keyring, null.Keyring)):
        raise ConfigError("this machine has no keyring; use variables or files, or install a backend of 'keyring'")
    return backend
