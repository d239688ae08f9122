"""iCalendar as it is written: lines, escapes and folds of RFC 5545, events, and invitations of RFC 5546.

Reading is left to the package ``icalendar``; what is written here is a handful of lines, and the demo needs no package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from tools.calendars.port import Attendee, Event

__all__ = ["calendar_text", "event_lines", "invitation"]

PRODUCT = "-//agent_guard//booking//EN"
_FOLD = 75
"""Longest line, in bytes of UTF-8 (RFC 5545, 3.1)."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_QUOTED = re.compile(r'[\x00-\x1f\x7f"]')
_MAIL = re.compile(r"[^\s@,;:<>\"\\]+@[^\s@,;:<>\"\\]+")


def calendar_text(lines: Iterable[str], *, method: str | None = None) -> str:
    """A calendar of one component.

    Args:
        lines: unfolded, without line ends.
        method: of iTIP; a calendar on a server has none.
    """
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODUCT}", *([f"METHOD:{method}"] if method else [])]
    return "".join(f"{part}\r\n" for line in [*head, *lines, "END:VCALENDAR"] for part in _folded(line))


def event_lines(
    event: Event, *, attendee: Attendee | None = None, organizer: Attendee | None = None, extra: Sequence[str] = ()
) -> list[str]:
    """One event.

    Args:
        attendee: named only where the event is confirmed.
        organizer: the member of staff whose calendar it is in.
        extra: lines of the caller's own, unfolded.

    Raises:
        ValueError: an attendee for what is not confirmed, or an address that is none.
    """
    if attendee is not None and event.status != "confirmed":
        raise ValueError("who is invited is written when the event is confirmed, not before")
    lines = [
        "BEGIN:VEVENT",
        f"UID:{event.uid}",
        f"DTSTAMP:{_utc(event.created_at)}",
        f"SEQUENCE:{event.sequence}",
        f"DTSTART:{_utc(event.slot.start)}",
        f"DTEND:{_utc(event.slot.end)}",
        f"SUMMARY:{_text(event.title)}",
        f"STATUS:{'CONFIRMED' if event.status == 'confirmed' else 'TENTATIVE'}",
        "TRANSP:OPAQUE",
    ]
    if event.link:
        lines += [f"URL:{_uri(event.link)}", f"LOCATION:{_text(event.link)}"]
    if organizer is not None:
        lines.append(f"ORGANIZER;CN={_quoted(organizer.name)}:mailto:{_mail(organizer.email)}")
    if attendee is not None:
        who = f"CN={_quoted(attendee.name)};ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE"
        lines.append(f"ATTENDEE;{who}:mailto:{_mail(attendee.email)}")
    return [*lines, *extra, "END:VEVENT"]


def invitation(event: Event, attendee: Attendee | None, organizer: Attendee | None) -> str:
    """The invitation to a confirmed event, for a person to send. Raw.

    A request of RFC 5546 names who invites and who is invited; where one is not known, it is the plain event.
    """
    whole = attendee is not None and organizer is not None
    lines = event_lines(event, attendee=attendee, organizer=organizer)
    return calendar_text(lines, method="REQUEST" if whole else None)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    """A TEXT value: escaped, so that nothing in it can begin another line or property."""
    plain = _CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
    return plain.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _quoted(text: str) -> str:
    """A parameter's value in quotes; it can hold neither quotes nor control characters."""
    return f'"{_QUOTED.sub(" ", text)}"'


def _mail(address: str) -> str:
    if not _MAIL.fullmatch(address) or _CONTROL.search(address):
        raise ValueError("this is no mail address")
    return address


def _uri(link: str) -> str:
    if not link.startswith("https://") or any(char.isspace() or not char.isprintable() for char in link):
        raise ValueError("a link begins with https:// and has no spaces")
    return link


def _folded(line: str) -> Iterable[str]:
    """A line in pieces of at most 75 bytes; no character is torn apart."""
    piece, size = "", 0
    for char in line:
        width = len(char.encode())
        if size + width > _FOLD:
            yield piece
            piece, size = " ", 1
        piece, size = piece + char, size + width
    yield piece
