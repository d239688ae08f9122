"""How an answer of the server goes out: as it is, or restored for its reader."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from agent_guard.runtime.waits import aside
from agent_guard.serving.conversation import Conversation
from agent_guard.serving.refused import Refused
from agent_guard.serving.restoring import Restorer
from agent_guard.serving.routes import Gives
from agent_guard.serving.sse import Events

__all__ = ["Reply", "reply_of"]

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Find = Callable[[str], Conversation | None]

log = logging.getLogger("agent_guard")


class Reply:
    """An answer that is kept and goes nowhere."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""

    async def send(self, message: Message) -> None:
        """ASGI's ``send``."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


class _Whole:
    """A JSON answer, changed when it is whole. White space before it, a sign of life, goes out at once."""

    def __init__(self, send: Send, change: Callable[[Any], Any]) -> None:
        self._send, self._change = send, change
        self._body, self._good = b"", False

    async def send(self, message: Message) -> None:
        """ASGI's ``send``."""
        if message["type"] == "http.response.start":
            self._good = 200 <= message["status"] < 300
            await self._send(_unsized(message))
        elif message["type"] != "http.response.body" or (
            message.get("more_body") and not self._body and not message.get("body", b"").strip()
        ):
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                body = await aside(self._changed) if self._good and self._body.strip() else self._body
                await self._send({**message, "body": body})

    def _changed(self) -> bytes:
        try:
            return json.dumps(self._change(json.loads(self._body)), ensure_ascii=False).encode("utf-8", "replace")
        except Exception as error:  # it is under way, and masked
            log.warning("an answer goes out as the server gave it: %s", type(error).__name__)
            return self._body


class _Stream:
    """An answer of events, each restored for itself."""

    def __init__(self, send: Send, restorer: Restorer) -> None:
        self._send, self._restorer = send, restorer
        self._events, self._good = Events(), False

    async def send(self, message: Message) -> None:
        """ASGI's ``send``."""
        if message["type"] == "http.response.start":
            self._good = 200 <= message["status"] < 300
            await self._send(_unsized(message))
        elif message["type"] != "http.response.body" or not self._good:
            await self._send(message)
        else:
            more = bool(message.get("more_body"))
            body = await aside(self._changed, message.get("body", b""), more)
            if body or not more:
                await self._send({**message, "body": body})

    def _changed(self, piece: bytes, more: bool) -> bytes:
        out = [bytes(event) for read in self._events.feed(piece) for event in self._restorer.event(read)]
        return b"".join(out if more else [*out, *map(bytes, self._restorer.rest())])


def reply_of(gives: Gives, send: Send, find: Find, talk: Conversation | None) -> Send:
    """ASGI's ``send`` for an answer of this kind.

    Args:
        find: the conversation of a thread's id as the caller may use it.
        talk: the conversation of the request, or None where it is about none, or one that nobody opened.
    """
    match gives:
        case "plain":
            return send
        case "run":
            return _Whole(send, _without_kwargs).send
        case "stream":
            return send if talk is None else _Stream(send, Restorer(talk.thread, talk.reader)).send
        case "thread":
            restored = None if talk is None else Restorer(talk.thread, talk.reader).value
            return _Whole(send, restored or (lambda value: _threads(value, find))).send


def _threads(value: Any, find: Find) -> Any:
    """Threads of a search, each restored by itself; one of another tenant is left out."""
    if not isinstance(value, list):
        found = _thread(value, find)
        return {"detail": "there is no such thread"} if found is None else found
    return [found for item in value if (found := _thread(item, find)) is not None]


def _thread(value: Any, find: Find) -> Any:
    id_ = value.get("thread_id") if isinstance(value, Mapping) else None
    try:
        talk = None if id_ is None else find(str(id_))
    except Refused:
        return None
    return value if talk is None else Restorer(talk.thread, talk.reader).value(value)


def _without_kwargs(value: Any) -> Any:
    """Runs without what they were given: it names their caller."""
    if isinstance(value, list):
        return [_without_kwargs(item) for item in value]
    return {key: item for key, item in value.items() if key != "kwargs"} if isinstance(value, Mapping) else value


def _unsized(message: Message) -> Message:
    """The start of an answer whose length is not known."""
    headers = [(name, value) for name, value in message.get("headers", []) if name.lower() != b"content-length"]
    return {**message, "headers": headers}
