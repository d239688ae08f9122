"""What goes out: the messages of an answer with the values that its reader may see, whole or event by event."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent_guard.guarded import GuardedThread
from agent_guard.serving.sse import Event
from agent_guard.types import Origin

__all__ = ["Restorer"]

_KINDS = frozenset({"human", "ai", "tool"})
_CHUNK = "AIMessageChunk"
_BEGUN = re.compile(r"<[A-Z]{0,20}(?:_[0-9]{0,6})?\Z")
"""A pseudonym that a later piece of the text may end."""


class Restorer:
    """One thread's answers for one reader. Interrupts stay masked: what a question shows is the policy's to say.

    Args:
        reader: as in :meth:`GuardedThread.restore`; None changes nothing.
    """

    def __init__(self, thread: GuardedThread, reader: Origin | None) -> None:
        self._thread, self._reader = thread, reader
        self._held: dict[str, tuple[Event, str]] = {}

    def value(self, value: Any) -> Any:
        """A copy with the values put back in every message.

        Raises:
            StoreError: the vault cannot be read.
        """
        if self._reader is None:
            return value
        if isinstance(value, Mapping):
            if value.get("type") in _KINDS and "content" in value:
                return self._message(value)
            return {key: self.value(item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list) else value

    def event(self, event: Event) -> Iterator[Event]:
        """An event of a stream. A message that comes in pieces is passed on up to where a pseudonym may have begun;
        the rest follows with its next piece, or at the stream's end.

        Raises:
            StoreError: the vault cannot be read.
        """
        piece = event.data[0] if event.name.partition("|")[0] == "messages" and isinstance(event.data, list) else None
        if self._reader is None or not isinstance(piece, Mapping) or piece.get("type") != _CHUNK:
            if event.name in ("end", "error"):
                yield from self.rest()
            yield event.with_data(self.value(event.data))
        elif isinstance(piece.get("content"), str):
            key = str(piece.get("id"))
            text = self._held.pop(key, (event, ""))[1] + piece["content"]
            begun = _BEGUN.search(text)
            if begun is not None:
                self._held[key] = (event, text[begun.start() :])
                text = text[: begun.start()]
            yield _piece(event, self._back(text))
        else:
            yield event  # a piece of no plain text stays masked

    def rest(self) -> Iterator[Event]:
        """What is still held back of messages that came in pieces."""
        held, self._held = self._held, {}
        for event, text in held.values():
            yield _piece(event, self._back(text))

    # ---- parts

    def _message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        restored = {**message, "content": self._back(message["content"])}
        if calls := message.get("tool_calls"):
            restored["tool_calls"] = [{**call, "args": self._back(call.get("args"))} for call in calls]
        return restored

    def _back(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._thread.restore(value, reader=self._reader)
        if isinstance(value, Mapping):
            return {key: self._back(item) for key, item in value.items()}
        return [self._back(item) for item in value] if isinstance(value, list) else value


def _piece(event: Event, text: str) -> Event:
    message, *others = event.data
    return event.with_data([{**message, "content": text}, *others])
