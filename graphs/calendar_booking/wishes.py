"""What a client's own words ask for: a day, a time, one of the offers, yes, no, something else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, get_args

from graphs.calendar_booking.words import ANY, CANCEL, DAYS, NEXT_WEEK, NO, ORDINALS, OTHER, PARTS, RELATIVE, YES
from tools.booking import Weekday

__all__ = ["Wish", "chosen", "starts", "wish_of"]

_CLOCK = re.compile(
    r"(?<![\d.:])(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?![\d.:])\s*(?P<half>am|pm)?"
    r"|(?<![\d.:])(?P<hour2>1[0-2]|[1-9])\s*(?P<half2>am|pm)\b"
    r"|(?<!\w)(?:at|в|на|o|na)\s+(?P<hour3>[01]?\d|2[0-3])(?:\.(?P<minute3>[0-5]\d))?(?![\d.:]*\d)(?!\w)"
    r"(?!\s*(?:am|pm|minut|мин|янв|фев|мар|апр|мая|июн|июл|авг|сен|окт|ноя|дек))"
)
"""A full stop between hour and minute counts only after a word that says at what time: else it is an amount."""

_AHEAD = {"today": 0, "tomorrow": 1, "day_after_tomorrow": 2}
_NAMES: tuple[str, ...] = get_args(Weekday)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the words ask for.

    Args:
        when, week, part, near: as :class:`tools.booking.WhichSlots` has them.
        answer: yes, no, or None where neither is said.
        other: something else than what was offered or held is wanted.
        cancel: nothing is wanted any more.
    """

    when: str
    week: str
    part: str
    near: str | None
    answer: bool | None
    other: bool
    cancel: bool

    @property
    def names_time(self) -> bool:
        """Whether the words say when."""
        return (self.when, self.week, self.part, self.near) != ("any", "any", "any", None)

    @property
    def exact(self) -> bool:
        """Whether they name one day and one time."""
        return self.when != "any" and self.near is not None

    def args(self) -> dict[str, Any]:
        """The arguments of a look for slots."""
        told = {"when": self.when, "week": self.week, "part": self.part}
        return told | ({"near": self.near} if self.near else {})

    def fits(self, start: datetime, today: date) -> bool:
        """Whether a start is what they name.

        Args:
            today: in the client's zone.
        """
        ahead = _AHEAD.get(self.when)
        on_day = (
            start.date() == today + timedelta(days=ahead)
            if ahead is not None
            else (self.when in ("any", _NAMES[start.weekday()]))
        )
        in_part = self.part == "any" or (start.hour < 12) is (self.part == "morning")
        return on_day and in_part and self.near in (None, f"{start:%H:%M}")


def wish_of(words: str) -> Wish:
    """Reads a message: the client's own words, in small letters."""
    yes = bool(YES.search(words)) and not OTHER.search(words)
    return Wish(
        when=_when(words),
        week="next" if NEXT_WEEK.search(words) else "any",
        part=next((part for part, pattern in PARTS if pattern.search(words)), "any"),
        near=_clock(words),
        answer=True if yes else False if NO.search(words) else None,
        other=bool(OTHER.search(words)),
        cancel=bool(CANCEL.search(words)),
    )


def chosen(words: str, offers: Sequence[datetime], wish: Wish, today: date) -> datetime | None:
    """The one offer that the words name, or None where they name none or several.

    Args:
        offers: in the order in which they were offered.
        today: in the client's zone.
    """
    if not offers or wish.other:
        return None
    if wish.names_time:
        fit = [start for start in offers if wish.fits(start, today)]
        return fit[0] if len(fit) == 1 else None
    places = [place for place, pattern in enumerate(ORDINALS) if pattern.search(words)]
    if len(places) == 1 and places[0] < len(offers):
        return offers[places[0]]
    if ANY.search(words) or (wish.answer and len(offers) == 1):
        return offers[0]
    return None


def starts(slots: Sequence[Mapping[str, Any]]) -> list[datetime]:
    """The starts of a result's slots, with the client's offset."""
    return [datetime.fromisoformat(slot["start"]) for slot in slots]


def _when(words: str) -> str:
    for name, pattern in RELATIVE:
        if pattern.search(words):
            return name
    named = [number for number, pattern in enumerate(DAYS) if pattern.search(words)]
    return _NAMES[named[0]] if len(named) == 1 else "any"


def _clock(words: str) -> str | None:
    found = _CLOCK.search(words)
    if found is None:
        return None
    hour = int(found["hour"] or found["hour2"] or found["hour3"])
    half = found["half"] or found["half2"]
    if half == "pm" and hour < 12:
        hour += 12
    elif half == "am" and hour == 12:
        hour = 0
    elif half is None and found["hour3"] and 1 <= hour <= 6:
        hour += 12  # nobody meets at four in the morning
    return f"{hour:02}:{int(found['minute'] or found['minute3'] or 0):02}"
