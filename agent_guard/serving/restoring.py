"""What goes out: the messages of an answer with the values that its reader may see, whole or event by event."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from agent_guard.guarded import GuardedThread
from agent_guard.masking.streamed import Streamed
from agent_guard.serving.sse import Event
from agent_guard.types import Origin

__all__ = ["Restorer"]

_KINDS = frozenset({"human", "ai", "tool"})
_CHUNK = "AIMessageChunk"

log = logging.getLogger("agent_guard")


class Restorer:
    """One answer for one reader. Interrupts stay masked: what a question shows is the policy's to say. Where a value
    cannot be put back the answer goes out with its pseudonyms from there on; nothing is raised.

    Args:
        reader: as in :meth:`GuardedThread.restore`; None changes nothing.
    """

    def __init__(self, thread: GuardedThread, reader: Origin | None) -> None:
        self._thread, self._reader = thread, reader
        self._pieces: dict[str, tuple[Event, Streamed]] = {}
        self._known: dict[str, str] = {}
        self._broken = False

    def value(self, value: Any) -> Any:
        """A copy with the values put back in every message."""
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
        """
        self._known.clear()  # what was erased meanwhile is put back no more
        content = _piece_of(event)
        if self._reader is None or content is None:
            if event.name in ("end", "error"):
                yield from self.rest()
            yield event.with_data(self.value(event.data))
        elif isinstance(content, str):
            key = str(event.data[0].get("id"))
            text = self._pieces[key][1] if key in self._pieces else Streamed(self._back)
            self._pieces[key] = (event, text)
            yield _with_content(event, text.feed(content))
        else:
            yield event  # a piece of no plain text stays masked

    def rest(self) -> Iterator[Event]:
        """What is still held back of messages that came in pieces."""
        pieces, self._pieces = self._pieces, {}
        for event, text in pieces.values():
            if text.held:
                yield _with_content(event, text.end())

    # ---- parts

    def _message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        restored = {**message, "content": self._back(message["content"])}
        if calls := message.get("tool_calls"):
            restored["tool_calls"] = [{**call, "args": self._back(call.get("args"))} for call in calls]
        return restored

    def _back(self, value: Any) -> Any:
        if isinstance(value, str):
            if value not in self._known:  # a history says the same again and again
                self._known[value] = self._restored(value)
            return self._known[value]
        if isinstance(value, Mapping):
            return {key: self._back(item) for key, item in value.items()}
        return [self._back(item) for item in value] if isinstance(value, list) else value

    def _restored(self, text: str) -> str:
        if self._broken:  # the database is not asked for each text of an answer
            return text
        try:
            return self._thread.restore(text, reader=self._reader)
        except Exception as error:  # the answer is under way, and masked
            log.warning("an answer keeps its pseudonyms: %s", type(error).__name__)
            self._broken = True
            return text


def _piece_of(event: Event) -> Any:
    """The content of a message's piece; None where the event is something else."""
    if event.name.partition("|")[0] != "messages" or not isinstance(event.data, list) or not event.data:
        return None
    piece = event.data[0]
    return piece.get("content") if isinstance(piece, Mapping) and piece.get("type") == _CHUNK else None


def _with_content(event: Event, text: str) -> Event:
    message, *others = event.data
    return event.with_data([{**message, "content": text}, *others])
