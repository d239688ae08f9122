"""What a graph gives out, restored for its reader: whole values, messages, and messages that come in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage

from agent_guard.masking.streamed import Streamed

__all__ = ["Restoring", "restored"]

Restore = Callable[[str], str]
_Chunks = Callable[[AIMessageChunk], Any]


def restored(value: Any, restore: Restore) -> Any:
    """A copy with the values put back in every message; whatever is no message is left as it is, masked."""
    return _walked(value, restore, lambda chunk: _message(chunk, restore))


class Restoring:
    """Restores the parts of one stream. The text of a message that comes in chunks is held back where a chunk ends in
    the middle of a pseudonym, and given out with the next one.

    A chunk's fragments of a call's arguments stay masked: they are no text for a reader.
    """

    def __init__(self, restore: Restore) -> None:
        self._restore = restore
        self._texts: dict[tuple[Any, Any], Streamed] = {}
        self._last: dict[Any, Any] = {}

    def part(self, part: Any) -> Any:
        """One part of the stream, of any mode."""

        def chunk(item: AIMessageChunk) -> AIMessageChunk:
            over = getattr(item, "chunk_position", None) == "last"
            self._last[item.id] = part
            return item.model_copy(update={"content": self._content(item, over)})

        return _walked(part, self._restore, chunk)

    def end(self) -> Iterator[Any]:
        """What is still held back when the stream is over: a part like the last one of its message, with that text."""
        for (message, index), text in self._texts.items():
            if text.held:
                left = text.end()

                def chunk(item: AIMessageChunk, index: Any = index, left: str = left) -> AIMessageChunk:
                    content: Any = left if index is None else [{"type": "text", "text": left, "index": index}]
                    return AIMessageChunk(content=content, id=item.id)

                yield _walked(self._last[message], self._restore, chunk)

    def _content(self, item: AIMessageChunk, over: bool) -> Any:
        if isinstance(item.content, str):
            return self._fed(item.id, None, item.content, over)
        return [
            self._fed(item.id, None, block, over)
            if isinstance(block, str)
            else {**block, "text": self._fed(item.id, block.get("index", place), str(block["text"]), over)}
            if block.get("type") == "text" and "text" in block
            else block
            for place, block in enumerate(item.content)
        ]

    def _fed(self, message: Any, index: Any, piece: str, over: bool) -> str:
        text = self._texts.setdefault((message, index), Streamed(self._restore))
        return text.feed(piece) + (text.end() if over else "")


def _walked(value: Any, restore: Restore, chunk: _Chunks) -> Any:
    if isinstance(value, AIMessageChunk):
        return chunk(value)
    if isinstance(value, BaseMessage):
        return _message(value, restore)
    if isinstance(value, Mapping):
        return {key: _walked(item, restore, chunk) for key, item in value.items()}
    if isinstance(value, list):
        return [_walked(item, restore, chunk) for item in value]
    if type(value) is tuple:
        return tuple(_walked(item, restore, chunk) for item in value)
    if type(value).__name__ == "GraphOutput":
        return replace(value, value=_walked(value.value, restore, chunk))
    return value


def _message(message: BaseMessage, restore: Restore) -> BaseMessage:
    update: dict[str, Any] = {"content": _back(message.content, restore)}
    if calls := getattr(message, "tool_calls", None):
        update["tool_calls"] = [{**call, "args": _back(call["args"], restore)} for call in calls]
    return message.model_copy(update=update)


def _back(value: Any, restore: Restore) -> Any:
    if isinstance(value, str):
        return restore(value)
    if isinstance(value, Mapping):
        return {key: _back(item, restore) for key, item in value.items()}
    return [_back(item, restore) for item in value] if isinstance(value, list) else value
