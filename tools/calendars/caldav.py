"""Calendars on a CalDAV server: the port's laws kept with conditional requests, and nothing stored anywhere else.

A hold is a tentative event. Its path is its place on the grid, and it is written only where nothing is
(``If-None-Match: *``), so of many that want one slot one is first. Slots of different lengths have different paths:
after the write the calendar is read again, and whoever finds somebody else there takes their own event back. CalDAV
knows no end of a hold: until when it lives stands in the event, everybody who reads goes by that, and ``sweep``
removes what is over (``If-Match``, so that what was confirmed meanwhile stays).

Every event of the agent's bears a seal, an HMAC of what matters in it. An event without one, or that a person has
changed, is a person's: it is in the way like any other, and no tool touches it. So nobody can send an invitation that
passes for a hold and is swept away.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256 as _sha256
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from agent_guard.errors import ConfigError, OutcomeUnknown, ToolError, ToolRejected, ToolUnavailable
from agent_guard.types import Clock, Description, Ref, utc_now
from agent_guard.units import canonical, sha256
from tools.calendars.ical import calendar_text, event_lines
from tools.calendars.port import (
    ALREADY_CONFIRMED,
    FIELDS,
    HOLD,
    HOLD_ENDED,
    NOT_OFFERED,
    SLOT_TAKEN,
    Attendee,
    Calendar,
    Event,
    Held,
    HoldDraft,
    described,
)
from tools.calendars.webdav import Changed, Login, Resource, WebDav
from tools.crm.port import KEY_REUSED, NOT_FOUND, UNAVAILABLE, check_key
from tools.slots import Hours, Interval, blocked, offered, zone_of

__all__ = ["SEAL_KEY_MIN", "CalDavCalendar", "Collection"]

SEAL_KEY_MIN = 32
"""The shortest key of seals, in bytes."""

_X = "X-AGENT-GUARD-"
_ID = re.compile(r"(?P<calendar>[a-z0-9][a-z0-9._-]{0,63})\.(?P<uid>[0-9a-f]{32})")
_PLACES = 4
"""How many paths one place on the grid has: a person may have moved away what once stood there."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Collection:
    """One member of staff's calendar on the server.

    Args:
        path: of the collection, ending in ``/``.
        owner: whose it is; their region is where its data lie.
        organizer: who invites, in an event with an attendee.
    """

    path: str
    hours: Hours
    owner: str
    region: str
    organizer: Attendee | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """An event on the server.

    Args:
        event: where it is the agent's and its seal is whole.
        blocks: whether it takes its time.
    """

    href: str
    etag: str
    slot: Interval
    blocks: bool
    event: Event | None = None
    key: str = ""
    body: str = ""
    confirmed_by: str = ""


class CalDavCalendar:
    """Calendars on one CalDAV server; see :class:`Calendar`.

    Args:
        url: of the server, ``https://`` unless it is this machine.
        collections: calendar id -> where it lies and when it may be booked.
        login: gives the agent's own user and password, at each request.
        seal_key: at least 32 bytes, the same for all who write these calendars; see the module. Or what gives it, asked
            each time; where that gives too little, the calendar is unavailable.
        timeout_s: of each request; a tool makes up to five.

    Raises:
        ConfigError: a package is missing, the address or the key is wrong.
    """

    def __init__(
        self,
        url: str,
        collections: Mapping[str, Collection],
        *,
        login: Login,
        seal_key: bytes | Callable[[], bytes],
        clock: Clock = utc_now,
        timeout_s: float = 2.0,
    ) -> None:
        try:
            import icalendar  # noqa: F401  is it there
        except ImportError:
            raise ConfigError("a CalDAV calendar needs: pip install 'langgraph-agent-guard[caldav]'") from None
        if isinstance(seal_key, bytes) and len(seal_key) < SEAL_KEY_MIN:
            raise ConfigError(f"the key of a CalDAV calendar's seals has at least {SEAL_KEY_MIN} bytes")
        if any(not item.path.endswith("/") for item in collections.values()):
            raise ConfigError("the path of a CalDAV collection ends in /")
        self._dav = WebDav(url, login=login, timeout_s=timeout_s)
        self._collections, self._seal_key, self._clock = dict(collections), seal_key, clock

    def close(self) -> None:
        """Closes the connections."""
        self._dav.close()

    def now(self) -> datetime:
        """The clock's present."""
        return self._clock()

    def hours(self, calendar_id: str) -> Hours:
        """See :class:`Calendar`."""
        return self._collection(calendar_id).hours

    def organizer(self, calendar_id: str) -> Attendee | None:
        """See :class:`Calendar`."""
        return self._collection(calendar_id).organizer

    def busy(self, calendar_id: str, window: Interval) -> list[Interval]:
        """See :class:`Calendar`."""
        found = self._entries(calendar_id, window)
        return sorted(item.slot for item in found if item.blocks and item.slot.overlaps(window))

    def event(self, event_id: str) -> Event | None:
        """See :class:`Calendar`."""
        entry = self._entry(event_id)
        return entry.event if entry else None

    def hold(self, draft: HoldDraft, key: str) -> Held:
        """See :class:`Calendar`."""
        check_key(key)
        hours, now, body = self.hours(draft.calendar_id), self.now(), draft.digest()
        entries = self._entries(draft.calendar_id, self._ahead(hours))
        same = _same(entries, draft, key, body)
        if same is not None:
            return Held(event_id=same.id, outcome="replayed", until=same.held_until or same.slot.end)
        if not offered(hours, draft.slot, now=now):
            raise ToolRejected("this slot is not offered", code=NOT_OFFERED)
        if blocked(hours, [item.slot for item in entries if item.blocks], draft.slot):
            raise ToolRejected("this slot is taken", code=SLOT_TAKEN)
        event = self._new(draft, now.replace(microsecond=0))
        href = self._put_on_grid(event, hours, self._written(event, key=key, body=body))
        try:
            others = self._others(event.id, draft.calendar_id, draft.slot, hours)
        except ToolUnavailable:
            raise OutcomeUnknown("it is held, and could not be looked at again", code="not_verified") from None
        if blocked(hours, others, draft.slot):
            self._take_back(href, event.uid)
            raise ToolRejected("this slot is taken", code=SLOT_TAKEN)
        return Held(event_id=event.id, outcome="created", until=event.held_until or now)

    def check(self, event_id: str) -> Event:
        """See :class:`Calendar`."""
        return self._confirmable(event_id)[1]

    def confirm(self, event_id: str, link: str, key: str) -> Event:
        """See :class:`Calendar`."""
        check_key(key)
        entry = self._entry(event_id)
        if entry is not None and entry.event and entry.event.status == "confirmed" and entry.confirmed_by == key:
            return entry.event
        entry, held = self._confirmable(event_id)
        event = replace(held, status="confirmed", held_until=None, link=link, sequence=held.sequence + 1)
        text = self._written(event, key=entry.key, body=entry.body, confirmed_by=key)
        try:
            self._dav.put(entry.href, text, etag=entry.etag)
        except Changed:
            self._confirmable(event_id)
            raise ToolUnavailable("the hold was changed meanwhile; nothing was confirmed", code="changed") from None
        return self._reread(event_id)

    def invite(self, event_id: str, attendee: Attendee) -> Event:
        """See :class:`Calendar`."""
        entry = self._entry(event_id)
        if entry is None or entry.event is None:
            raise ToolRejected("there is no event of this id", code=NOT_FOUND)
        if entry.event.status != "confirmed":
            raise ToolRejected("the event is not confirmed", code=HOLD_ENDED)
        if entry.event.attendee == attendee.email:
            return entry.event
        event = replace(entry.event, sequence=entry.event.sequence + 1)
        text = self._written(event, key=entry.key, body=entry.body, confirmed_by=entry.confirmed_by, attendee=attendee)
        try:
            self._dav.put(entry.href, text, etag=entry.etag)
        except Changed:
            raise ToolUnavailable("the event was changed meanwhile; nobody was added", code="changed") from None
        return self._reread(event_id)

    def release(self, event_id: str) -> Event:
        """See :class:`Calendar`."""
        entry = self._entry(event_id)
        if entry is None or entry.event is None:
            raise ToolRejected("there is no event of this id", code=NOT_FOUND)
        if entry.event.status == "confirmed":
            raise ToolRejected("the event is confirmed; a person may cancel it", code=ALREADY_CONFIRMED)
        try:
            self._dav.delete(entry.href, etag=entry.etag)
        except Changed:
            again = self._entry(event_id)
            if again is not None:
                raise ToolUnavailable("the hold was changed meanwhile", code="changed") from None
        ended = "expired" if entry.event.status == "expired" else "released"
        return replace(entry.event, status=ended, held_until=None, version=f"{entry.event.version}-{ended}")  # type: ignore[arg-type]  # a Status

    def find_by_key(self, key: str) -> Event | None:
        """See :class:`Calendar`. What lies in the past is not looked through."""
        for calendar_id, collection in self._collections.items():
            for item in self._entries(calendar_id, self._ahead(collection.hours)):
                if item.event and key in (item.key, item.confirmed_by) and item.blocks:
                    return item.event
        return None

    def sweep(self) -> int:
        """See :class:`Calendar`."""
        swept = 0
        for calendar_id, collection in self._collections.items():
            for item in self._entries(calendar_id, self._ahead(collection.hours)):
                if item.event is None or item.event.status != "expired":
                    continue
                try:
                    self._dav.delete(item.href, etag=item.etag)
                    swept += 1
                except Changed:
                    continue
        return swept

    def describe(self, ref: Ref) -> Description | None:
        """See :class:`Calendar`."""
        if ref.kind == "event":
            event = self.event(ref.id)
            if event is None:
                return None
            collection = self._collection(event.calendar_id)
            return described(event, owner=collection.owner, region=collection.region)
        found = self._collections.get(ref.id) if ref.kind == "calendar" else None
        if found is None:
            return None
        return Description(
            version=sha256([repr(found.hours), found.owner, found.region]),
            responsible=found.owner,
            region=found.region,
            name=f"calendar {ref.id}",
            snapshot={"zone": found.hours.zone},
            fields=dict(FIELDS["calendar"]),
        )

    # ---- parts of them

    def _collection(self, calendar_id: str) -> Collection:
        found = self._collections.get(calendar_id)
        if found is None:
            raise ToolRejected("there is no calendar of this id", code=NOT_FOUND)
        return found

    def _ahead(self, hours: Hours) -> Interval:
        now = self.now()
        return Interval(start=now - _DAY, end=now + hours.horizon + 2 * _DAY)

    def _new(self, draft: HoldDraft, now: datetime) -> Event:
        uid = uuid4().hex
        return Event(
            id=f"{draft.calendar_id}.{uid}",
            uid=uid,
            calendar_id=draft.calendar_id,
            contact_id=draft.contact_id,
            slot=draft.slot,
            title=draft.title,
            status="held",
            held_until=now + HOLD,
            link=None,
            attendee=None,
            created_at=now,
            sequence=0,
            version="",
        )

    def _put_on_grid(self, event: Event, hours: Hours, text: str) -> str:
        """Writes a hold on the first path of its place that is free, and returns the path."""
        path = self._collection(event.calendar_id).path
        for number in range(_PLACES):
            href = f"{path}hold-{event.slot.start:%Y%m%dT%H%MZ}-{number}.ics"
            try:
                self._dav.put(href, text, etag=None)
            except Changed:
                found = self._dav.get(href)
                there = list(self._parsed(event.calendar_id, found)) if found else []
                if any(item.blocks and blocked(hours, [item.slot], event.slot) for item in there):
                    raise ToolRejected("this slot is taken", code=SLOT_TAKEN) from None
                if found is None or not any(item.event and item.event.status == "expired" for item in there):
                    continue
                try:  # the object of a hold that is over has another UID, which a server lets nobody change
                    self._dav.delete(href, etag=found.etag)
                    self._dav.put(href, text, etag=None)
                except Changed:
                    raise ToolRejected("this slot is taken", code=SLOT_TAKEN) from None
            return href
        raise ToolRejected("this slot is taken", code=SLOT_TAKEN)

    def _take_back(self, href: str, uid: str) -> None:
        """Removes a hold that was written over something else. What fails here ends by itself."""
        try:
            found = self._dav.get(href)
            if found is not None and f"UID:{uid}" in found.text:
                self._dav.delete(href, etag=found.etag)
        except (Changed, ToolError):
            return

    def _others(self, event_id: str, calendar_id: str, slot: Interval, hours: Hours) -> list[Interval]:
        """What is taken around a slot besides the event itself."""
        wide = slot.widened(hours.buffer + timedelta(minutes=1))
        found = self._entries(calendar_id, wide)
        return [item.slot for item in found if item.blocks and not (item.event and item.event.id == event_id)]

    def _confirmable(self, event_id: str) -> tuple[_Entry, Event]:
        entry = self._entry(event_id)
        if entry is None or entry.event is None:
            code = HOLD_ENDED if _ID.fullmatch(event_id) and self._known(event_id) else NOT_FOUND
            raise ToolRejected("there is no such hold any more", code=code)
        event = entry.event
        if event.status == "confirmed":
            raise ToolRejected("the event is confirmed already", code=ALREADY_CONFIRMED)
        if event.status != "held":
            raise ToolRejected("the hold has ended", code=HOLD_ENDED)
        hours = self.hours(event.calendar_id)
        if blocked(hours, self._others(event.id, event.calendar_id, event.slot, hours), event.slot):
            raise ToolRejected("something else is in this slot now", code=SLOT_TAKEN)
        return entry, event

    def _known(self, event_id: str) -> bool:
        return event_id.rpartition(".")[0] in self._collections

    def _entry(self, event_id: str) -> _Entry | None:
        found = _ID.fullmatch(event_id)
        if found is None or found["calendar"] not in self._collections:
            return None
        path = self._collection(found["calendar"]).path
        entries = [
            entry
            for resource in self._dav.named(path, found["uid"])
            for entry in self._parsed(found["calendar"], resource)
            if entry.event is not None and entry.event.id == event_id
        ]
        return entries[0] if entries else None

    def _reread(self, event_id: str) -> Event:
        try:
            event = self.event(event_id)
        except ToolUnavailable:
            event = None
        if event is None:
            raise OutcomeUnknown("it was written, and could not be read back", code="not_verified")
        return event

    def _entries(self, calendar_id: str, window: Interval) -> list[_Entry]:
        path = self._collection(calendar_id).path
        return [entry for resource in self._dav.between(path, window) for entry in self._parsed(calendar_id, resource)]

    def _parsed(self, calendar_id: str, resource: Resource) -> Iterator[_Entry]:
        """The events of one object.

        Raises:
            ToolUnavailable: it is not understood: then nobody knows what is free.
        """
        import icalendar

        zone = zone_of(self._collection(calendar_id).hours.zone)
        try:
            for component in icalendar.Calendar.from_ical(resource.text).walk("VEVENT"):
                slot = _slot(component, zone)
                if slot is not None:
                    yield self._read(calendar_id, resource, component, slot)
        except ToolUnavailable:
            raise
        except Exception as error:  # a parser may fail in any way, and its words repeat what it read
            words = f"an event of this calendar cannot be read: {type(error).__name__}"
            raise ToolUnavailable(words, code="answer_unreadable") from None

    def _read(self, calendar_id: str, resource: Resource, component: Any, slot: Interval) -> _Entry:
        free = str(component.get("TRANSP", "")).upper() == "TRANSPARENT"
        free = free or str(component.get("STATUS", "")).upper() == "CANCELLED"
        entry = _Entry(href=resource.href, etag=resource.etag, slot=slot, blocks=not free)
        told = {
            name: str(component.get(f"{_X}{name}", "")) for name in ("CONTACT", "UNTIL", "KEY", "BODY", "BY", "SEAL")
        }
        status = str(component.get("STATUS", "")).upper()
        uid = str(component.get("UID", ""))
        seal = self._seal(uid, slot, status, told)
        if not told["SEAL"] or not hmac.compare_digest(seal.encode(), told["SEAL"].encode()):
            return entry
        until = _moment(told["UNTIL"])
        over = until is not None and until <= self.now()
        state = "confirmed" if status == "CONFIRMED" else "expired" if over else "held"
        attendee = component.get("ATTENDEE")
        event = Event(
            id=f"{calendar_id}.{uid}",
            uid=uid,
            calendar_id=calendar_id,
            contact_id=told["CONTACT"],
            slot=slot,
            title=str(component.get("SUMMARY", "")),
            status=state,  # type: ignore[arg-type]  # a Status
            held_until=until if state == "held" else None,
            link=str(component["URL"]) if component.get("URL") else None,
            attendee=str(attendee).removeprefix("mailto:") if attendee and not isinstance(attendee, list) else None,
            created_at=component.decoded("DTSTAMP"),
            sequence=int(component.get("SEQUENCE", 0)),
            version=sha256([resource.etag, state])[7:39],
        )
        blocks = state in ("held", "confirmed") and not free
        return replace(entry, event=event, blocks=blocks, key=told["KEY"], body=told["BODY"], confirmed_by=told["BY"])

    def _written(
        self, event: Event, *, key: str, body: str, confirmed_by: str = "", attendee: Attendee | None = None
    ) -> str:
        until = "" if event.held_until is None else event.held_until.isoformat()
        told = {"CONTACT": event.contact_id, "UNTIL": until, "KEY": key, "BODY": body, "BY": confirmed_by}
        status = "CONFIRMED" if event.status == "confirmed" else "TENTATIVE"
        told["SEAL"] = self._seal(event.uid, event.slot, status, told)
        organizer = self._collection(event.calendar_id).organizer if attendee else None
        extra = [f"{_X}{name}:{value}" for name, value in told.items() if value]
        return calendar_text(event_lines(event, attendee=attendee, organizer=organizer, extra=extra))

    def _seal(self, uid: str, slot: Interval, status: str, told: Mapping[str, str]) -> str:
        told_ = [told[name] for name in ("CONTACT", "UNTIL", "KEY", "BODY", "BY")]
        text = canonical([uid, slot.start.isoformat(), slot.end.isoformat(), status, *told_])
        key = self._seal_key if isinstance(self._seal_key, bytes) else self._seal_key()
        if len(key) < SEAL_KEY_MIN:
            raise ToolUnavailable(
                f"the key of the calendar's seals has less than {SEAL_KEY_MIN} bytes", code=UNAVAILABLE
            )
        return hmac.new(key, text, _sha256).hexdigest()


def _same(entries: list[_Entry], draft: HoldDraft, key: str, body: str) -> Event | None:
    """The live event that a repeat means.

    Raises:
        ToolRejected: ``key_reused``.
    """
    for item in entries:
        if item.event is not None and item.blocks and item.key == key:
            if item.body != body:
                raise ToolRejected("this key stands for another slot", code=KEY_REUSED)
            return item.event
    for item in entries:
        held = item.event is not None and item.event.status == "held"
        if held and item.event and item.event.contact_id == draft.contact_id and item.slot == draft.slot:
            return item.event
    return None


def _slot(component: Any, zone: ZoneInfo) -> Interval | None:
    """When an event is; None for one without a length.

    Raises:
        ToolUnavailable: it recurs, and the server did not write the occurrences out.
    """
    if component.get("RRULE") or component.get("RDATE"):
        raise ToolUnavailable("the server does not write recurring events out", code="not_expanded")
    begins = component.decoded("DTSTART")
    start = _aware(begins, zone)
    if component.get("DTEND"):
        end = _aware(component.decoded("DTEND"), zone)
    elif component.get("DURATION"):
        end = start + component.decoded("DURATION")
    else:
        end = start if isinstance(begins, datetime) else _aware(begins + _DAY, zone)
    return Interval(start=start, end=end) if end > start else None


def _aware(value: date | datetime, zone: ZoneInfo) -> datetime:
    """A moment; whole days and times without a zone are the calendar's own."""
    if not isinstance(value, datetime):
        return datetime.combine(value, time(), zone).astimezone(UTC)
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


_port: type[Calendar] = CalDavCalendar
"""Checked by the type checker: it is one."""
