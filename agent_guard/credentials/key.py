"""The master key as it is written down, and the keys derived from it."""

from __future__ import annotations

import base64
import binascii
import secrets

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agent_guard.errors import ConfigError

__all__ = ["HOW", "KEY_BYTES", "VARIABLE", "Keys", "decoded", "encoded", "new_key"]

KEY_BYTES = 32
VARIABLE = "AGENT_GUARD_MASTER_KEY"
HOW = "make one with: python -c 'import secrets, base64; print(base64.b64encode(secrets.token_bytes(32)).decode())'"


class Keys:
    """The keys derived from the master key, one for each purpose (HKDF-SHA256, RFC 5869).

    Raises:
        ConfigError: the master key is not 32 bytes; a source of the host's own may give anything.
    """

    def __init__(self, master: bytes) -> None:
        if not isinstance(master, bytes) or len(master) != KEY_BYTES:
            raise ConfigError(f"the credentials gave no master key of {KEY_BYTES} bytes; {HOW}")
        self._master = master
        self._derived: dict[str, bytes] = {}

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, e.g. ``"vault"`` or ``"idempotency/acme"``."""
        if purpose not in self._derived:
            hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"agent_guard/{purpose}".encode())
            self._derived[purpose] = hkdf.derive(self._master)
        return self._derived[purpose]


def new_key() -> bytes:
    """A new master key."""
    return secrets.token_bytes(KEY_BYTES)


def encoded(key: bytes) -> bytes:
    """A key as a line of base64."""
    return base64.b64encode(key) + b"\n"


def decoded(text: str, source: str) -> bytes:
    """The key of a text.

    Raises:
        ConfigError: it is not 32 bytes in base64; the message names the source and does not repeat the text.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) == KEY_BYTES:
        return key
    text, key = "", b""  # a tracer that shows the variables of a frame must not show them
    raise ConfigError(f"{source} is not {KEY_BYTES} bytes in base64; {HOW}")
