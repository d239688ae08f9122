"""A receiver of webhooks: a real HTTP server of this machine, in a thread, that remembers what it was sent."""

from __future__ import annotations

import base64
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agent_guard.credentials import Secret

KEY = b"an-hmac-key-of-32-bytes-for-test"
SECRET = Secret("approvals_hook", "whsec_" + base64.b64encode(KEY).decode())
OTHER = Secret("other_hook", "whsec_" + base64.b64encode(KEY[::-1]).decode())
PATIENCE_S = 20.0
"""How long a test waits for what must come, before it fails."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        """The message's own part of the body."""
        return dict(json.loads(self.body)["data"])

    @property
    def id(self) -> str:
        """The message's id."""
        return self.headers["webhook-id"]

    @property
    def signed(self) -> bool:
        """Whether ``KEY`` made one of its signatures, worked out without the product's code."""
        text = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        made = base64.b64encode(hmac.new(KEY, text, sha256).digest()).decode()
        return f"v1,{made}" in self.headers["webhook-signature"].split(" ")


class Receiver:
    """What was received, and what is answered.

    ``answers`` are given one after another, statuses or functions of the handler; after the last one ``then``.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[int | Callable[[BaseHTTPRequestHandler], object]] = []
        self.then: int | Callable[[BaseHTTPRequestHandler], object] = 200
        self.go = threading.Event()
        self.url = ""
        self._came = threading.Condition()

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        """Remembers a request and answers it."""
        body = handler.rfile.read(int(handler.headers["content-length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._came:
            self.requests.append(Request(path=handler.path, headers=headers, body=body))
            answer = self.answers.pop(0) if self.answers else self.then
            self._came.notify_all()
        if callable(answer):
            answer(handler)
            return
        handler.send_response(answer)
        handler.end_headers()

    def got(self, count: int) -> list[Request]:
        """The first ``count`` requests, waited for."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.requests) >= count, PATIENCE_S), f"{len(self.requests)} came"
            return self.requests[:count]

    def later(self, handler: BaseHTTPRequestHandler) -> None:
        """An answer that comes when the test says ``go``."""
        self.go.wait(PATIENCE_S)
        try:
            handler.send_response(200)
            handler.end_headers()
        except OSError:  # nobody waits for it any more
            handler.close_connection = True


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver at work; over TLS with a context."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that went away is none of this server's business."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.url = f"http{'s' if context else ''}://127.0.0.1:{server.server_port}/hook"
    worker = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    worker.start()
    try:
        yield receiver
    finally:
        receiver.go.set()
        server.shutdown()
        server.server_close()
        worker.join(PATIENCE_S)
