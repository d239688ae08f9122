"""The port's methods on a CalDAV server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from agent_guard.types import Clock, Description, Ref, utc_now
from tools.calendars.caldav.collections import Collection, Collections
from tools.calendars.caldav.grid import put_on_grid, take_back
from tools.calendars.caldav.sealed import SEAL_KEY_MIN, Entry, SealedEvents
from tools.calendars.caldav.webdav import Changed, Login, WebDav
from tools.calendars.port import (
    ALREADY_CONFIRMED,
    HOLD,
    HOLD_ENDED,
    NOT_OFFERED,
    SLOT_TAKEN,
    Attendee,
    Calendar,
    Event,
    Held,
    HoldDraft,
    Status,
    calendar_described,
    described,
)
from tools.crm.port import KEY_REUSED, NOT_FOUND, check_key
from tools.slots import Hours, Interval, blocked, offered

__all__ = ["FOUND_BACK", "CalDavCalendar"]

FOUND_BACK = timedelta(days=31)
"""How long after a meeting its event is found by its key: a call whose outcome nobody knows is settled before that."""


class CalDavCalendar:
    """Calendars on one CalDAV server; see :class:`Calendar`.

    Args:
        url: of the server, ``https://`` unless it is this machine.
        collections: calendar id -> where it lies and when it may be booked.
        login: gives the agent's own user and password, at each request.
        seal_key: at least 32 bytes, the same for all who write these calendars; see the module. Or what gives it, asked
            each time; where that gives too little, the calendar is unavailable.
        timeout_s: of each request. ``hold`` makes three, more where its place is not free; ``confirm`` makes
            four.

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
        self._clock, self._sealed = clock, SealedEvents(seal_key, clock)
        self._dav = WebDav(url, login=login, timeout_s=timeout_s)
        self._collections = Collections(self._dav, self._sealed, collections)

    def close(self) -> None:
        """Closes the connections."""
        self._dav.close()

    def now(self) -> datetime:
        """The clock's present."""
        return self._clock()

    def hours(self, calendar_id: str) -> Hours:
        """See :class:`Calendar`."""
        return self._collections[calendar_id].hours

    def organizer(self, calendar_id: str) -> Attendee | None:
        """See :class:`Calendar`."""
        return self._collections[calendar_id].organizer

    def busy(self, calendar_id: str, window: Interval) -> list[Interval]:
        """See :class:`Calendar`."""
        found = self._collections.between(calendar_id, window)
        return sorted(item.slot for item in found if item.blocks and item.slot.overlaps(window))

    def event(self, event_id: str) -> Event | None:
        """See :class:`Calendar`."""
        entry = self._collections.entry(event_id)
        return entry.event if entry else None

    def hold(self, draft: HoldDraft, key: str) -> Held:
        """See :class:`Calendar`."""
        check_key(key)
        hours, now, body = self.hours(draft.calendar_id), self.now(), draft.digest()
        entries = self._collections.ahead(draft.calendar_id, now)
        same = _same(entries, draft, key, body)
        if same is not None:
            return Held(event_id=same.id, outcome="replayed", until=same.held_until or same.slot.end)
        if not offered(hours, draft.slot, now=now):
            raise ToolRejected("this slot is not offered", code=NOT_OFFERED)
        if blocked(hours, [item.slot for item in entries if item.blocks], draft.slot):
            raise ToolRejected("this slot is taken", code=SLOT_TAKEN)
        event = _new(draft, now.replace(microsecond=0))
        text, path = self._sealed.text(event, key=key, body=body), self._collections[draft.calendar_id].path
        read = partial(self._collections.read, draft.calendar_id)
        href = put_on_grid(self._dav, path, draft.slot, text, hours=hours, read=read)
        try:
            others = self._collections.around(draft.calendar_id, draft.slot, besides=event.id)
        except ToolUnavailable:
            raise OutcomeUnknown("it is held, and could not be looked at again", code="not_verified") from None
        if blocked(hours, others, draft.slot):
            take_back(self._dav, href, event.uid)
            raise ToolRejected("this slot is taken", code=SLOT_TAKEN)
        return Held(event_id=event.id, outcome="created", until=event.held_until or now)

    def check(self, event_id: str) -> Event:
        """See :class:`Calendar`."""
        return self._confirmable(event_id, self._collections.entry(event_id))[1]

    def confirm(self, event_id: str, link: str, key: str) -> Event:
        """See :class:`Calendar`."""
        check_key(key)
        found = self._collections.entry(event_id)
        if found is not None and found.event and found.event.status == "confirmed" and found.confirmed_by == key:
            return found.event
        entry, held = self._confirmable(event_id, found)
        event = replace(held, status="confirmed", held_until=None, link=link, sequence=held.sequence + 1)
        text = self._sealed.text(event, key=entry.key, body=entry.body, confirmed_by=key)
        try:
            self._dav.put(entry.href, text, etag=entry.etag)
        except Changed:
            self.check(event_id)
            raise ToolUnavailable("the hold was changed meanwhile; nothing was confirmed", code="changed") from None
        return self._reread(event_id)

    def invite(self, event_id: str, attendee: Attendee) -> Event:
        """See :class:`Calendar`."""
        entry, found = self._ours(event_id)
        if found.status != "confirmed":
            raise ToolRejected("the event is not confirmed", code=HOLD_ENDED)
        if found.attendee == attendee.email:
            return found
        event = replace(found, sequence=found.sequence + 1)
        text = self._sealed.text(
            event,
            key=entry.key,
            body=entry.body,
            confirmed_by=entry.confirmed_by,
            attendee=attendee,
            organizer=self.organizer(event.calendar_id),
        )
        try:
            self._dav.put(entry.href, text, etag=entry.etag)
        except Changed:
            raise ToolUnavailable("the event was changed meanwhile; nobody was added", code="changed") from None
        return self._reread(event_id)

    def release(self, event_id: str) -> Event:
        """See :class:`Calendar`."""
        entry, event = self._ours(event_id)
        if event.status == "confirmed":
            raise ToolRejected("the event is confirmed; a person may cancel it", code=ALREADY_CONFIRMED)
        try:
            self._dav.delete(entry.href, etag=entry.etag)
        except Changed:
            if self._collections.entry(event_id) is not None:
                raise ToolUnavailable("the hold was changed meanwhile", code="changed") from None
        ended: Status = "expired" if event.status == "expired" else "released"
        return replace(event, status=ended, held_until=None, version=f"{event.version}-{ended}")

    def find_by_key(self, key: str) -> Event | None:
        """See :class:`Calendar`. What lies further back than :data:`FOUND_BACK` is not looked through."""
        for calendar_id in self._collections:
            for item in self._collections.ahead(calendar_id, self.now(), back=FOUND_BACK):
                if item.event and key in (item.key, item.confirmed_by) and item.blocks:
                    return item.event
        return None

    def sweep(self) -> int:
        """See :class:`Calendar`."""
        swept = 0
        for calendar_id in self._collections:
            for item in self._collections.ahead(calendar_id, self.now()):
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
            collection = self._collections[event.calendar_id]
            return described(event, owner=collection.owner, region=collection.region)
        found = self._collections.get(ref.id) if ref.kind == "calendar" else None
        if found is None:
            return None
        return calendar_described(ref.id, found.hours, owner=found.owner, region=found.region)

    # ---- parts of them

    def _ours(self, event_id: str) -> tuple[Entry, Event]:
        entry = self._collections.entry(event_id)
        if entry is None or entry.event is None:
            raise ToolRejected("there is no event of this id", code=NOT_FOUND)
        return entry, entry.event

    def _confirmable(self, event_id: str, entry: Entry | None) -> tuple[Entry, Event]:
        if entry is None or entry.event is None:
            code = HOLD_ENDED if self._collections.may_have_been(event_id) else NOT_FOUND
            raise ToolRejected("there is no such hold any more", code=code)
        event = entry.event
        if event.status == "confirmed":
            raise ToolRejected("the event is confirmed already", code=ALREADY_CONFIRMED)
        if event.status != "held":
            raise ToolRejected("the hold has ended", code=HOLD_ENDED)
        others = self._collections.around(event.calendar_id, event.slot, besides=event.id)
        if blocked(self.hours(event.calendar_id), others, event.slot):
            raise ToolRejected("something else is in this slot now", code=SLOT_TAKEN)
        return entry, event

    def _reread(self, event_id: str) -> Event:
        try:
            event = self.event(event_id)
        except ToolUnavailable:
            event = None
        if event is None:
            raise OutcomeUnknown("it was written, and could not be read back", code="not_verified")
        return event


def _new(draft: HoldDraft, now: datetime) -> Event:
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


def _same(entries: list[Entry], draft: HoldDraft, key: str, body: str) -> Event | None:
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


_port: type[Calendar] = CalDavCalendar
"""Checked by the type checker: it is one."""
