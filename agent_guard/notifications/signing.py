"""Signed messages that can be played once: HMAC-SHA256 over id, time and body, in the form of Standard Webhooks.

Source: the Standard Webhooks specification 1.0.0 (github.com/standard-webhooks/standard-webhooks,
``spec/standard-webhooks.md``). Three headers: ``webhook-id``, ``webhook-timestamp`` in seconds since 1970, and
``webhook-signature``, a list of ``v1,<base64>`` with spaces between, one for each key. Signed is ``id.timestamp.body``,
the body byte for byte. A secret is written ``whsec_<base64>`` and is 24 to 64 bytes long. Any library for Standard
Webhooks can be the other side.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets as random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import NoReturn, Protocol

from agent_guard.credentials import Secret
from agent_guard.errors import ConfigError, SignatureError

__all__ = ["TOLERANCE_S", "Nonces", "Signed", "check_secrets", "new_secret", "sign", "verify"]

PREFIX = "whsec_"
KEY_BYTES = (24, 64)
TOLERANCE_S = 300
"""How far a message's time may be from ours, in seconds, unless the caller says otherwise."""

SIGNATURES_MAX = 16
"""More signatures than anybody has keys are not looked at."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Nonces(Protocol):
    """Port of the ids that were seen; ``notifications.nonces.StoredNonces`` keeps them in the guard's database."""

    def take(self, source: str, id: str, *, now_ms: int, expires_ms: int) -> bool:
        """Keeps an id of a source; false where it was there already. Of two at once one is told false.

        Raises:
            StoreError: it cannot be asked, so the message must not be believed.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What a verified message says about itself.

    Args:
        id: the same for each attempt to deliver the same message.
        at: when this attempt was signed, in seconds since 1970.
    """

    id: str
    at: int


def new_secret() -> str:
    """A new secret of 32 bytes, as both sides keep it: ``whsec_...``."""
    return PREFIX + base64.b64encode(random.token_bytes(32)).decode()


def check_secrets(secrets: Sequence[Secret]) -> None:
    """Refuses secrets that cannot sign.

    Raises:
        ConfigError: there is none, or one is not of the format; the message holds its name and never its value.
    """
    if not secrets:
        raise ConfigError("a signature needs a secret; make one with agent_guard.notifications.signing.new_secret()")
    for secret in secrets:
        if not isinstance(secret, Secret):
            raise ConfigError(f"a signature's secret is a Secret, not {type(secret).__name__}")
        if not _is_key(secret):
            least, most = KEY_BYTES
            raise ConfigError(
                f"the secret {secret.name!r} is not {PREFIX} and {least} to {most} bytes in base64; "
                "make one with agent_guard.notifications.signing.new_secret()"
            )


def sign(secrets: Sequence[Secret], *, id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of one attempt to deliver a message.

    Args:
        secrets: while a key is changed both the new and the old one; the receiver needs any of them.
        id: of the message, 1 to 100 of ``A-Z a-z 0-9 _ -``; each attempt has the same.
        at: the time of this attempt.

    Raises:
        ConfigError: a secret is not of the format.
        ValueError: the id is not of the format.
    """
    check_secrets(secrets)
    if not _ID.fullmatch(id):
        raise ValueError(f"{id!r} is no id of a message; write 1 to 100 letters, digits, _ and -")
    seconds = int(at.timestamp())
    signatures = " ".join(f"v1,{_signature(secret, id, seconds, body).decode()}" for secret in secrets)
    return dict(zip(_HEADERS, (id, str(seconds), signatures), strict=True))


def verify(
    secrets: Sequence[Secret],
    headers: Mapping[str, str],
    body: bytes,
    *,
    source: str,
    nonces: Nonces,
    now: datetime,
    tolerance_s: int = TOLERANCE_S,
) -> Signed:
    """Believes a message once, or refuses it.

    The id is used up before the message is worked on: whoever fails afterwards has to be sent a new one. Where a
    repeat is harmless, answer a ``replayed`` one as if it had been done.

    Args:
        secrets: the keys that may have signed it; any of them will do.
        headers: as they came; upper and lower case are one.
        body: as it came, byte for byte, before anything was parsed.
        source: whose message it is; ids of different sources do not meet.
        tolerance_s: how far the time of signing may be from ``now``, either way, in seconds.

    Raises:
        SignatureError: ``unsigned`` where a header is missing, there twice or unreadable, ``signature`` where no key
            made it, ``old`` or ``future`` by more than the tolerance, ``replayed`` where the id was seen before.
        ConfigError: a secret is not of the format.
        StoreError: the seen ids cannot be asked; nothing was believed.
    """
    check_secrets(secrets)
    id_, seconds, signatures = (_header(headers, name) for name in _HEADERS)
    given = [text for version, _, text in (part.partition(",") for part in signatures.split(" ")) if version == "v1"]
    if not _ID.fullmatch(id_) or not _SECONDS.fullmatch(seconds) or not 0 < len(given) <= SIGNATURES_MAX:
        _refuse("its signature's headers cannot be read", "unsigned")
    at = int(seconds)
    made = [_signature(secret, id_, at, body) for secret in secrets]
    # every pair is compared, in the same time wherever they differ
    if not sum(hmac.compare_digest(mine, theirs.encode("utf-8", "replace")) for mine in made for theirs in given):
        _refuse("it was not signed with a key that is known here", "signature")
    age_s = now.timestamp() - at
    if age_s > tolerance_s:
        _refuse(f"it was signed more than {tolerance_s} seconds ago", "old")
    if age_s < -tolerance_s:
        _refuse(f"it was signed more than {tolerance_s} seconds from now", "future")
    # kept for twice as long as it could be believed: clocks of two processes may differ
    expires_ms = (at + 2 * tolerance_s) * 1000
    if not nonces.take(source, id_, now_ms=int(now.timestamp() * 1000), expires_ms=expires_ms):
        _refuse("it was seen before", "replayed")
    return Signed(id=id_, at=at)


def _refuse(why: str, code: str) -> NoReturn:
    raise SignatureError(f"the message is refused: {why}", code=code)


def _header(headers: Mapping[str, str], name: str) -> str:
    found = [value for key, value in headers.items() if key.lower() == name]
    if len(found) != 1:
        _refuse(f"the header {name} is {'there more than once' if found else 'missing'}", "unsigned")
    return found[0]


def _is_key(secret: Secret) -> bool:
    try:
        return KEY_BYTES[0] <= len(_key(secret)) <= KEY_BYTES[1]
    except ValueError:
        return False


def _key(secret: Secret) -> bytes:
    if not secret.reveal().startswith(PREFIX):
        raise ValueError(PREFIX)
    try:
        return base64.b64decode(secret.reveal()[len(PREFIX) :].encode("ascii", "replace"), validate=True)
    except binascii.Error:
        pass  # left before the next line, so that no error holds the value
    raise ValueError("base64")


def _signature(secret: Secret, id: str, at: int, body: bytes) -> bytes:
    return base64.b64encode(hmac.digest(_key(secret), b"%b.%d.%b" % (id.encode(), at, body), sha256))
