"""Ed25519 (RFC 8032) in hexadecimal digits: what seals and cuts of the record are signed with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from agent_guard.credentials import Keys

__all__ = ["SignedLine", "Signer", "is_genuine", "public_keys"]

_PURPOSE = "seal"


class Signer:
    """Signs with the present key of the record."""

    def __init__(self, keys: Keys) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(keys.derive(_PURPOSE))

    @property
    def public_key(self) -> str:
        """64 hex digits."""
        return self._key.public_key().public_bytes_raw().hex()

    def sign(self, statement: bytes) -> str:
        """128 hex digits."""
        return self._key.sign(statement).hex()


class SignedLine:
    """One signed line of JSON: a frozen dataclass with the fields ``v``, ``key`` and ``signature``. The names in an
    object are sorted and there is no white space, so that the same line is always the same bytes.
    """

    key: str
    signature: str

    @property
    def line(self) -> bytes:
        """As it is kept, without an end of line."""
        return orjson.dumps(asdict(cast("Any", self)), option=orjson.OPT_SORT_KEYS)

    @property
    def statement(self) -> bytes:
        """What is signed."""
        data = {name: value for name, value in asdict(cast("Any", self)).items() if name != "signature"}
        return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)

    @property
    def genuine(self) -> bool:
        """Whether the holder of ``key`` signed it. Whose key that is must be known from elsewhere."""
        return is_genuine(self.key, self.signature, self.statement)

    @staticmethod
    def read(line: bytes, *, version: int) -> object:
        """The data of a line.

        Raises:
            ValueError: it is no JSON, or of another version; the message says so.
        """
        try:
            data: object = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise ValueError("is no JSON") from None
        if isinstance(data, dict) and data.get("v", version) != version:
            raise ValueError(f"is of version {data['v']!r}; a newer release can read it")
        return data


def public_keys(keys: Keys) -> tuple[str, ...]:
    """The public keys of the record: the present one, then those of former master keys; 64 hex digits each."""
    return tuple(
        Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw().hex() for key in keys.every(_PURPOSE)
    )


def is_genuine(public_key: str, signature: str, statement: bytes) -> bool:
    """Whether the holder of a public key signed a statement. Whose key that is must be known from elsewhere."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), statement)
    except (ValueError, InvalidSignature):
        return False
    return True
