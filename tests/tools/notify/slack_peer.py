"""A peer on loopback that answers as Slack's pages say it does, and remembers what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

CHANNEL = "C0123456789"
TOKEN = "xoxb-a-token-of-tests"
Answer = tuple[int, dict[str, str], str]


def ok(**more: Any) -> Answer:
    """A success of the Web API."""
    return 200, {}, json.dumps({"ok": True, **more})


def error(word: str, status: int = 200) -> Answer:
    """An error of the Web API: status 200 and a word, as its pages say."""
    return status, {}, json.dumps({"ok": False, "error": word})


def limited(seconds: int = 30) -> Answer:
    """Too many requests: 429 with Retry-After."""
    return 429, {"Retry-After": str(seconds)}, json.dumps({"ok": False, "error": "ratelimited"})


@dataclass
class Slack:
    """The channel's messages, and what the next requests are answered with instead."""

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: list[Answer | Callable[[BaseHTTPRequestHandler], object]] = field(default_factory=list)
    page: int = 200

    def answer(self, path: str, body: dict[str, Any], token: str) -> Answer:
        """What Slack would say."""
        if path.startswith("/services/"):
            self.messages.append({"ts": f"1700000000.{len(self.messages):06d}", **body})
            return 200, {}, "ok"
        if token != f"Bearer {TOKEN}":
            return error("invalid_auth")
        if body.get("channel") != CHANNEL:
            return error("channel_not_found")
        if path.endswith("/chat.postMessage"):
            message = {"ts": f"1700000000.{len(self.messages):06d}", **body}
            self.messages.append(message)
            return ok(channel=CHANNEL, ts=message["ts"], message=message)
        newest = list(reversed(self.messages))
        start = int(body.get("cursor") or 0)
        more = start + self.page < len(newest)
        cursor = {"next_cursor": str(start + self.page)} if more else {"next_cursor": ""}
        return ok(messages=newest[start : start + self.page], has_more=more, response_metadata=cursor)


@contextmanager
def slack() -> Iterator[Slack]:
    """Serves one."""
    peer = Slack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            kind = self.headers.get("Content-Type", "")
            body = json.loads(raw) if "json" in kind else {name: found[0] for name, found in parse_qs(raw).items()}
            for name in ("blocks", "metadata"):
                if isinstance(body.get(name), str):
                    body[name] = json.loads(body[name])
            peer.requests.append((self.path, body))
            given = peer.answers.pop(0) if peer.answers else None
            if callable(given):
                given(self)
                return
            status, headers, text = given or peer.answer(self.path, body, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    peer.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
