"""The master key as it is written down, and the keys derived from it."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agent_guard.errors import ConfigError

if TYPE_CHECKING:
    from agent_guard.credentials.port import Credentials

__all__ = ["HOW", "KEY_BYTES", "VARIABLE", "Keys", "decoded", "encoded", "new_key"]

KEY_BYTES = 32
VARIABLE = "AGENT_GUARD_MASTER_KEY"
HOW = "make one with: python -c 'import secrets, base64; print(base64.b64encode(secrets.token_bytes(32)).decode())'"


class Keys:
    """The keys derived from the master key, one for each purpose (HKDF-SHA256, RFC 5869).

    Args:
        master: what is written from now on is written under it.
        former: master keys that were used before, the newest first; what was written under them can still be read.

    Raises:
        ConfigError: a master key is not 32 bytes; a source of the host's own may give anything.
    """

    def __init__(self, master: bytes, former: Sequence[bytes] = ()) -> None:
        self._masters = (master, *former)
        if not all(isinstance(key, bytes) and len(key) == KEY_BYTES for key in self._masters):
            raise ConfigError(f"the credentials gave no master key of {KEY_BYTES} bytes; {HOW}")
        self._derived: dict[str, tuple[bytes, ...]] = {}

    @classmethod
    def of(cls, credentials: Credentials, environment: str) -> Self:
        """The keys of an environment: its master key, and the former ones where the source has ``former_keys``.

        Raises:
            ConfigError: there is no master key, or one is not 32 bytes.
        """
        former = getattr(credentials, "former_keys", None)
        return cls(credentials.master_key(environment), () if former is None else former(environment))

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, e.g. ``"vault"`` or ``"idempotency/acme"``."""
        return self.every(purpose)[0]

    def every(self, purpose: str) -> tuple[bytes, ...]:
        """The same of every master key: the present one, then the former ones, the newest first."""
        if purpose not in self._derived:
            info = f"agent_guard/{purpose}".encode()
            self._derived[purpose] = tuple(
                HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(master)
                for master in self._masters
            )
        return self._derived[purpose]

    def oldest(self, purpose: str) -> bytes:
        """The same of the oldest master key that is given: for what must stay equal while master keys change."""
        return self.every(purpose)[-1]


def new_key() -> bytes:
    """A new master key."""
    return secrets.token_bytes(KEY_BYTES)


def encoded(key: bytes) -> bytes:
    """A key as a line of base64."""
    return base64.b64encode(key) + b"\n"


def decoded(text: str, source: str) -> tuple[bytes, ...]:
    """The keys of a text: the present one first, then former ones, with commas, spaces or ends of lines between.

    Raises:
        ConfigError: one is not 32 bytes in base64; the message names the source and does not repeat the text.
    """
    keys = tuple(map(_decoded, re.split(r"[\s,]+", text.strip())))
    if all(keys):
        return keys
    text, keys = "", ()  # a tracer that shows the variables of a frame must not show them
    raise ConfigError(f"{source} is not {KEY_BYTES} bytes in base64; {HOW}")


def _decoded(text: str) -> bytes:
    """One key, or nothing where it is none."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return key if len(key) == KEY_BYTES else b""
