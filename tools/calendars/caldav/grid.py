"""Winning a place on the grid: a slot's place is a path, and a server writes an object only where none is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agent_guard.errors import ToolError, ToolRejected
from tools.calendars.caldav.sealed import Entry
from tools.calendars.caldav.webdav import Changed, Resource, WebDav
from tools.calendars.port import SLOT_TAKEN
from tools.slots import Hours, Interval, blocked

__all__ = ["put_on_grid", "take_back"]

_PLACES = 4
"""How many paths one place on the grid has: a person may have moved away what once stood there."""


def put_on_grid(
    dav: WebDav, path: str, slot: Interval, text: str, *, hours: Hours, read: Callable[[Resource], Iterable[Entry]]
) -> str:
    """Writes a hold on the first path of its place that is free, and returns the path.

    Args:
        path: of the collection.
        read: the events of an object that stands there already.

    Raises:
        ToolRejected: ``slot_taken``, or what :meth:`WebDav.put` raises.
        ToolUnavailable, OutcomeUnknown: as :meth:`WebDav.put`.
    """
    for number in range(_PLACES):
        href = f"{path}hold-{slot.start:%Y%m%dT%H%MZ}-{number}.ics"
        try:
            dav.put(href, text, etag=None)
        except Changed:
            found = dav.get(href)
            there = list(read(found)) if found else []
            if any(item.blocks and blocked(hours, [item.slot], slot) for item in there):
                raise _taken() from None
            if found is None or not any(item.event and item.event.status == "expired" for item in there):
                continue
            try:  # the object of a hold that is over has another UID, which a server lets nobody change
                dav.delete(href, etag=found.etag)
                dav.put(href, text, etag=None)
            except Changed:
                raise _taken() from None
        return href
    raise _taken()


def take_back(dav: WebDav, href: str, uid: str) -> None:
    """Removes a hold that was written over something else. What fails here ends by itself."""
    try:
        found = dav.get(href)
        if found is not None and f"UID:{uid}" in found.text:
            dav.delete(href, etag=found.etag)
    except (Changed, ToolError):
        return


def _taken() -> ToolRejected:
    return ToolRejected("this slot is taken", code=SLOT_TAKEN)
