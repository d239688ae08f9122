"""Server-sent events, read from pieces that may end anywhere, and written again.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Event", "Events"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event.

    Args:
        name: its ``event`` field; empty where it has none.
        data: its JSON.
        id: its ``id`` field.
        comment: an event that is none: a sign of life.
    """

    name: str = ""
    data: Any = None
    id: str | None = None
    comment: str | None = None

    def with_data(self, data: Any) -> Event:
        """The same event with other data."""
        return replace(self, data=data)

    def __bytes__(self) -> bytes:
        if self.comment is not None:
            return f": {self.comment}\r\n\r\n".encode()
        named = f"event: {self.name}\r\n" if self.name else ""
        numbered = "" if self.id is None else f"id: {self.id}\r\n"
        data = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))
        return f"{named}data: {data}\r\n{numbered}\r\n".encode("utf-8", "replace")


class Events:
    """Reads events of a stream of bytes."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yields the events that are whole now."""
        self._left += piece
        *lines, self._left = self._ends(self._left)
        found: list[bytes] = []
        for line in lines:
            if line:
                found.append(line)
            elif found:
                yield _event(found)
                found = []
        if found:
            self._left = b"\n".join([*found, self._left])

    @staticmethod
    def _ends(text: bytes) -> list[bytes]:
        held = b"\r" if text.endswith(b"\r") else b""  # its other half may come yet
        lines = text.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        lines[-1] += held
        return lines


def _event(lines: list[bytes]) -> Event:
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.decode("utf-8", "replace").partition(":")
        fields.setdefault(name, []).append(value.removeprefix(" "))
    if not fields.keys() & {"event", "data", "id"}:
        return Event(comment=" ".join(fields.get("", [])))
    data = "\n".join(fields.get("data", []))
    try:
        read = json.loads(data) if data else None
    except (ValueError, RecursionError):
        read = data  # it is masked, and stays so
    return Event(name="".join(fields.get("event", [])[-1:]), data=read, id=fields["id"][-1] if "id" in fields else None)
