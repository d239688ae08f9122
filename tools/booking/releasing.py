"""Giving the slot of a hold back before it ends by itself."""

from __future__ import annotations

from typing import Literal

from agent_guard.tool import tool
from agent_guard.types import Description
from tools.booking.arguments import Closed, EventId, WhichEvent
from tools.calendars.port import Calendar

__all__ = ["Released", "release"]


class Released(Closed):
    """What became of the hold."""

    event_id: EventId
    status: Literal["released", "expired"]


def _is_free(_args: WhichEvent, _result: Released, after: Description | None) -> str | None:
    held = after is not None and after.snapshot.get("status") in ("held", "confirmed")
    return "status" if held else None


def _released_of(args: WhichEvent, calendar: Calendar, *, idempotency_key: str) -> Released | None:  # noqa: ARG001  a release keeps no key
    """Whether the hold has ended: then there is nothing that could be released again."""
    event = calendar.event(args.event_id)
    if event is None:
        return Released(event_id=args.event_id, status="released")
    return Released(event_id=event.id, status=event.status) if event.status in ("released", "expired") else None


@tool(
    name="calendar.release",
    effect="write",
    timeout_s=8,
    key=("event_id",),
    key_window="forever",
    refs={"event_id": "event"},
    changes="event_id",
    sets={},
    result_fields=dict.fromkeys(("event_id", "status"), "plain"),
    post_check=_is_free,
    lookup=_released_of,
    retries=0,
)
def release(args: WhichEvent, calendar: Calendar, *, idempotency_key: str) -> Released:  # noqa: ARG001  a release keeps no key
    """Gives the slot of a hold back. A confirmed event is a person's matter.

    Raises:
        ToolRejected: ``already_confirmed`` or ``not_found``.
        ToolUnavailable: nothing was changed.
        OutcomeUnknown: it may have been released; it ends by itself anyway.
    """
    event = calendar.release(args.event_id)
    return Released(event_id=event.id, status="expired" if event.status == "expired" else "released")
