"""One address that takes signed messages: a POST of JSON, signed as ``notifications.signing`` says, and its status.

Nothing of the answer but the status is read. Redirects are not followed, and no proxy of the environment is used: the
message goes where the configuration says or nowhere.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

from agent_guard.credentials import Secret
from agent_guard.errors import ConfigError, DeliveryError, ToolUnavailable
from agent_guard.notifications.signing import check_secrets, sign
from agent_guard.runtime.run import within
from agent_guard.runtime.workers import Workers
from agent_guard.types import JSON, Clock, utc_now

__all__ = ["TIMEOUT_MAX_S", "TIMEOUT_S", "Webhook"]

TIMEOUT_S = 5.0
TIMEOUT_MAX_S = 30.0
"""The longest time-out of one attempt, in seconds; the specification recommends 15 to 30."""

_PRINTABLE = re.compile(r"[!-~]+")
_LATER = (408, 425, 500, 502, 503, 504)
"""Answers after which another try within seconds may help. 429 is not one of them: the receiver asks for a pause."""

_THREADS = Workers("agent_guard webhook", 32)
"""Not those of the tools: operators hear of tools that hang also when all of those do."""


class Webhook:
    """Sends signed messages to one address.

    Args:
        url: ``https://...``; ``http://`` on this machine only (``localhost``, ``127.0.0.1``, ``::1``). It may hold a
            token of its own, so only its host is ever shown.
        secret: one, or several while a key is changed, the new one first; ``whsec_...`` each.
        timeout_s: of a whole attempt, from the look-up of the name to the status; 0 < t <= 30.
        clock: for the time in the signature.

    Raises:
        ConfigError: an address, a secret or a time-out that cannot be used; the message repeats neither of the first
            two.
    """

    def __init__(
        self, url: str, secret: Secret | Sequence[Secret], *, timeout_s: float = TIMEOUT_S, clock: Clock = utc_now
    ) -> None:
        self._secrets = (secret,) if isinstance(secret, Secret) else tuple(secret)
        check_secrets(self._secrets)
        if not 0 < timeout_s <= TIMEOUT_MAX_S:
            raise ConfigError(f"a webhook's timeout_s is more than 0 and at most {TIMEOUT_MAX_S:g}, not {timeout_s:g}")
        self._parts = _parts(url)
        self._timeout_s = timeout_s
        self._clock = clock
        # certificates are checked against the system's, or those of SSL_CERT_FILE
        self._context = ssl.create_default_context() if self._parts.scheme == "https" else None

    @property
    def host(self) -> str:
        """Where it sends to, for messages."""
        return self._parts.hostname or ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.host})"

    def post(self, id: str, kind: str, at: str, data: Mapping[str, JSON]) -> None:
        """Sends ``{"type", "timestamp", "data"}``, signed now.

        Args:
            id: the same at each attempt to send the same message.
            kind, at: what happened, as ``approval.asked``, and when, ISO 8601.

        Raises:
            DeliveryError: the receiver did not take it, or cannot be told to have.
        """
        body = json.dumps({"type": kind, "timestamp": at, "data": data}, separators=(",", ":")).encode()
        headers = {"content-type": "application/json", "user-agent": "agent-guard"}
        headers |= sign(self._secrets, id=id, at=self._clock(), body=body)
        connection = self._connection()
        try:
            sends = partial(_status, connection, self._path, body, headers)
            status = within(self._timeout_s, sends, "webhook", workers=_THREADS)
        except ToolUnavailable:
            raise self._failed("too many receivers hang", "busy", soon=False) from None
        except TimeoutError:
            raise self._failed(f"no answer in {self._timeout_s:g} seconds", "timeout", soon=True) from None
        except ssl.SSLCertVerificationError:
            raise self._failed("its certificate is not trusted", "certificate", soon=False) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(f"it cannot be reached ({type(error).__name__})", "unreachable", soon=True) from None
        finally:
            _end(connection)
        if not 200 <= status <= 299:
            why = "it redirects, which is not followed: correct the url" if 300 <= status <= 399 else "it refused"
            raise self._failed(f"{why} (status {status})", f"http_{status}", soon=status in _LATER)

    def _connection(self) -> http.client.HTTPConnection:
        port = self._parts.port
        if self._context is None:
            return http.client.HTTPConnection(self.host, port, timeout=self._timeout_s)
        return http.client.HTTPSConnection(self.host, port, timeout=self._timeout_s, context=self._context)

    @property
    def _path(self) -> str:
        query = f"?{self._parts.query}" if self._parts.query else ""
        return (self._parts.path or "/") + query

    def _failed(self, why: str, code: str, *, soon: bool) -> DeliveryError:
        return DeliveryError(f"the receiver {self.host}: {why}", code=code, soon=soon)


def _status(connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]) -> int:
    connection.request("POST", path, body=body, headers=dict(headers))
    return connection.getresponse().status


def _end(connection: http.client.HTTPConnection) -> None:
    """Closes it, and wakes a thread that still waits at it."""
    sock: Any = connection.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    connection.close()


def _parts(url: object) -> SplitResult:
    words = "a webhook's url is https://host/path; http:// is for this machine alone"
    if not isinstance(url, str) or not _PRINTABLE.fullmatch(url):
        raise ConfigError(words)
    try:
        parts = urlsplit(url)
        _ = parts.port  # read here, because a port that is none raises when it is read
    except ValueError:
        raise ConfigError(words) from None
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise ConfigError(words)
    if parts.scheme == "http" and not _is_this_machine(parts.hostname):
        raise ConfigError(f"a webhook to {parts.hostname} would go unencrypted; {words}")
    if "@" in parts.netloc:
        raise ConfigError(f"the url of the webhook to {parts.hostname} holds a name or a password; leave them out")
    return parts


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
