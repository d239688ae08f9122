"""Events on the server, and the agent's own among them: an object of iCalendar in, an event out, and back.

What CalDAV has no property for stands in properties of our own, and all that matters under a seal: who changes a time,
a status, a customer or the end of a hold breaks it, and the event is a person's from then on.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256 as _sha256
from typing import Any
from zoneinfo import ZoneInfo

from agent_guard.errors import ToolUnavailable
from agent_guard.types import Clock
from agent_guard.units import canonical, sha256
from tools.calendars.caldav.components import interval_of, takes_time
from tools.calendars.caldav.webdav import Resource
from tools.calendars.ical import calendar_text, event_lines
from tools.calendars.port import Attendee, Event, Status
from tools.crm.port import UNAVAILABLE
from tools.slots import Interval

__all__ = ["SEAL_KEY_MIN", "Entry", "SealedEvents"]

SEAL_KEY_MIN = 32
"""The shortest key of seals, in bytes."""

_X = "X-AGENT-GUARD-"
_SCHEME = re.compile(r"^mailto:", re.IGNORECASE)
_TOLD = ("CONTACT", "UNTIL", "KEY", "BODY", "BY")
"""The customer, the end of the hold, the key and the digest it was held with, the key it was confirmed with."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An event on the server.

    Args:
        event: where it is the agent's and its seal is whole.
        blocks: whether it takes its time.
        key, body: what it was held with, where it is the agent's.
        confirmed_by: the key that confirmed it.
    """

    href: str
    etag: str
    slot: Interval
    blocks: bool
    event: Event | None = None
    key: str = ""
    body: str = ""
    confirmed_by: str = ""


class SealedEvents:
    """Reads events and writes the agent's.

    Args:
        key: of the seals, or what gives it, asked each time.
        clock: by which holds end.
    """

    def __init__(self, key: bytes | Callable[[], bytes], clock: Clock) -> None:
        self._key, self._clock = key, clock

    def read(self, resource: Resource, *, calendar_id: str, zone: ZoneInfo) -> Iterator[Entry]:
        """The events of one object.

        Raises:
            ToolUnavailable: it is not understood: then nobody knows what is free.
        """
        import icalendar

        try:
            for component in icalendar.Calendar.from_ical(resource.text).walk("VEVENT"):
                slot = interval_of(component, zone)
                if slot is not None:
                    yield self._entry(resource, component, slot, calendar_id)
        except ToolUnavailable:
            raise
        except Exception as error:  # a parser may fail in any way, and its words repeat what it read
            words = f"an event of this calendar cannot be read: {type(error).__name__}"
            raise ToolUnavailable(words, code="answer_unreadable") from None

    def text(
        self,
        event: Event,
        *,
        key: str,
        body: str,
        confirmed_by: str = "",
        attendee: Attendee | None = None,
        organizer: Attendee | None = None,
    ) -> str:
        """An event as an object of iCalendar, sealed.

        Raises:
            ToolUnavailable: the key of the seals is too short.
        """
        until = "" if event.held_until is None else event.held_until.isoformat()
        told = dict(zip(_TOLD, (event.contact_id, until, key, body, confirmed_by), strict=True))
        status = "CONFIRMED" if event.status == "confirmed" else "TENTATIVE"
        told["SEAL"] = self._seal(event.uid, event.slot, status, told)
        extra = [f"{_X}{name}:{value}" for name, value in told.items() if value]
        return calendar_text(event_lines(event, attendee=attendee, organizer=organizer, extra=extra))

    def _entry(self, resource: Resource, component: Any, slot: Interval, calendar_id: str) -> Entry:
        blocks = takes_time(component)
        entry = Entry(href=resource.href, etag=resource.etag, slot=slot, blocks=blocks)
        told = {name: str(component.get(f"{_X}{name}", "")) for name in (*_TOLD, "SEAL")}
        status, uid = str(component.get("STATUS", "")).upper(), str(component.get("UID", ""))
        seal = self._seal(uid, slot, status, told)
        if not told["SEAL"] or not hmac.compare_digest(seal.encode(), told["SEAL"].encode()):
            return entry
        until = datetime.fromisoformat(told["UNTIL"]) if told["UNTIL"] else None
        over = until is not None and until <= self._clock()
        state: Status = "confirmed" if status == "CONFIRMED" else "expired" if over else "held"
        attendee = component.get("ATTENDEE")
        event = Event(
            id=f"{calendar_id}.{uid}",
            uid=uid,
            calendar_id=calendar_id,
            contact_id=told["CONTACT"],
            slot=slot,
            title=str(component.get("SUMMARY", "")),
            status=state,
            held_until=until if state == "held" else None,
            link=str(component["URL"]) if component.get("URL") else None,
            attendee=_SCHEME.sub("", str(attendee)) if attendee and not isinstance(attendee, list) else None,
            created_at=component.decoded("DTSTAMP"),
            sequence=int(component.get("SEQUENCE", 0)),
            version=sha256([resource.etag, state])[7:39],
        )
        return replace(
            entry,
            event=event,
            blocks=blocks and state != "expired",
            key=told["KEY"],
            body=told["BODY"],
            confirmed_by=told["BY"],
        )

    def _seal(self, uid: str, slot: Interval, status: str, told: Mapping[str, str]) -> str:
        text = canonical([uid, slot.start.isoformat(), slot.end.isoformat(), status, *(told[name] for name in _TOLD)])
        key = self._key if isinstance(self._key, bytes) else self._key()
        if len(key) < SEAL_KEY_MIN:
            words = f"the key of the calendar's seals has less than {SEAL_KEY_MIN} bytes"
            raise ToolUnavailable(words, code=UNAVAILABLE)
        return hmac.new(key, text, _sha256).hexdigest()
