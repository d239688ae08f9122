"""Where keys come from. They are never part of a prompt, a state, a log or an exception (B10)."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agent_guard.errors import ConfigError

__all__ = ["Credentials", "EnvironmentCredentials", "FileCredentials", "Keys", "MemoryCredentials"]

KEY_BYTES = 32
VARIABLE = "AGENT_GUARD_MASTER_KEY"
_HOW = "make one with: python -c 'import secrets, base64; print(base64.b64encode(secrets.token_bytes(32)).decode())'"


class Credentials(Protocol):
    """Port of the keys."""

    def master_key(self) -> bytes:
        """The 32 bytes from which every other key is derived.

        Raises:
            ConfigError: there is no key, or it is not 32 bytes of base64; the message never repeats it.
        """
        ...


class EnvironmentCredentials:
    """Takes the master key from ``AGENT_GUARD_MASTER_KEY``, 32 bytes in base64."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    def master_key(self) -> bytes:
        """See :class:`Credentials`."""
        text = self._environ.get(VARIABLE)
        if not text:
            raise ConfigError(f"{VARIABLE} is not set; {_HOW}")
        return _decoded(text, VARIABLE)


class FileCredentials:
    """Takes the master key from a file, 32 bytes in base64.

    Args:
        path: refused when others than its owner may read it.
        create: make the file with a new key where there is none; for development.
    """

    def __init__(self, path: str | Path, *, create: bool = False) -> None:
        self._path = Path(path)
        self._create = create

    def master_key(self) -> bytes:
        """See :class:`Credentials`."""
        if self._create:
            self._make()
        try:
            mode = self._path.stat().st_mode
            text = self._path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"the key file {self._path} cannot be read; {_HOW} > {self._path}") from None
        if os.name == "posix" and mode & 0o077:
            raise ConfigError(f"the key file {self._path} can be read by others; run: chmod 600 {self._path}")
        return _decoded(text, f"the key file {self._path}")

    def _make(self) -> None:
        if self._path.exists():
            return
        draft = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            os.link(draft, self._path)  # whole or not at all, and never over another key
        except FileExistsError:
            return  # another process was first
        except OSError as error:
            raise ConfigError(f"the key file {self._path} cannot be made: {error.strerror}") from None
        finally:
            draft.unlink(missing_ok=True)


class MemoryCredentials:
    """A new key for every object: what it encrypted is unreadable afterwards. For databases in memory, and tests."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)

    def master_key(self) -> bytes:
        """See :class:`Credentials`."""
        return self._key


class Keys:
    """The keys derived from the master key, one for each purpose (HKDF-SHA256, RFC 5869)."""

    def __init__(self, master: bytes) -> None:
        self._master = master

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, e.g. ``"vault"`` or ``"idempotency/acme"``."""
        hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"agent_guard/{purpose}".encode())
        return hkdf.derive(self._master)


def _decoded(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{source} is not {KEY_BYTES} bytes in base64; {_HOW}")
    return key
