"""A YAML file that names a CalDAV server and the calendars on it, so that a host changes to CalDAV without code.

The file holds no secret. The password of the agent's own user, and the key of the seals, are secrets of the agent
(:data:`PASSWORD`, :data:`SEAL_KEY`) and are asked for at each request::

    url: https://calendar.acme.example
    user: agent
    calendars:
      u-nowak:                        # the id that the tools use
        path: /agent/nowak/
        region: pl
        zone: Europe/Warsaw
        opens: "09:00"
        closes: "17:00"
        weekdays: [mon, tue, wed, thu, fri]
        buffer_min: 10
        organizer: {name: Katarzyna Nowak, email: k.nowak@acme.example}
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent_guard.credentials import Secrets
from agent_guard.errors import ConfigError, ToolUnavailable
from agent_guard.types import Clock
from tools.calendars.caldav import SEAL_KEY_MIN, CalDavCalendar, Collection
from tools.calendars.port import Attendee
from tools.slots import Hours

__all__ = ["PASSWORD", "SEAL_KEY", "AgentSecrets", "CalDavFile", "load_caldav"]

PASSWORD, SEAL_KEY = "caldav_password", "caldav_seal_key"
"""Names of the secrets; see :mod:`agent_guard.credentials`. The key has at least 32 characters, and stays the same:
what was sealed with another one is a person's event."""

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_TIME = r"^([01][0-9]|2[0-3]):(00|15|30|45)$|^24:00$"


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Organizer(_Closed):
    """Who invites."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    email: Annotated[str, Field(max_length=254, pattern=r"^[^\s@:]+@[^\s@:]+$")]


class OneCalendar(_Closed):
    """One member of staff's calendar.

    Args:
        path: of the collection on the server; ends in ``/``.
        owner: whose it is; by default the calendar's id.
        opens, closes: by the wall clock of the zone, quarters of an hour; ``24:00`` is the end of the day.
        step_min, buffer_min, notice_min, horizon_days: see :class:`tools.slots.Hours`.
    """

    path: Annotated[str, Field(pattern=r"^/.*/$")]
    region: Annotated[str, Field(min_length=1, max_length=16)]
    zone: str
    owner: str | None = None
    opens: Annotated[str, Field(pattern=_TIME)] = "09:00"
    closes: Annotated[str, Field(pattern=_TIME)] = "17:00"
    weekdays: Annotated[frozenset[Weekday], Field(min_length=1)] = frozenset(get_args(Weekday)[:5])
    step_min: int = 30
    buffer_min: int = 10
    notice_min: int = 120
    horizon_days: int = 30
    organizer: Organizer | None = None

    @model_validator(mode="after")
    def _can_be_booked(self) -> OneCalendar:
        self.hours()
        return self

    def hours(self) -> Hours:
        """When it may be booked. Raises ValueError."""
        return Hours(
            zone=self.zone,
            opens=_minutes(self.opens),
            closes=_minutes(self.closes),
            weekdays=frozenset(get_args(Weekday).index(day) for day in self.weekdays),
            step=timedelta(minutes=self.step_min),
            buffer=timedelta(minutes=self.buffer_min),
            notice=timedelta(minutes=self.notice_min),
            horizon=timedelta(days=self.horizon_days),
        )


class CalDavFile(_Closed):
    """The whole file."""

    url: str
    user: Annotated[str, Field(min_length=1)]
    calendars: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")], OneCalendar], Field(min_length=1)
    ]

    def open(self, secrets: AgentSecrets, *, clock: Clock) -> CalDavCalendar:
        """The calendars. Nothing is asked yet.

        Raises:
            ConfigError: a package is missing, or the address is wrong.
        """
        return CalDavCalendar(
            self.url,
            {name: _collection(name, one) for name, one in self.calendars.items()},
            login=lambda: (self.user, secrets(PASSWORD)),
            seal_key=lambda: secrets(SEAL_KEY).encode(),
            clock=clock,
        )


class AgentSecrets:
    """The secrets of a gateway's agent, for an adapter that is made before the gateway stands."""

    def __init__(self) -> None:
        self._given: Callable[[], Secrets] | None = None

    def ready(self, given: Callable[[], Secrets]) -> None:
        """From now on they are asked for here; both are there, and long enough.

        Raises:
            ConfigError: one is missing; the message names it and never a value.
        """
        self._given = given
        try:
            self(PASSWORD)
            long_enough = len(self(SEAL_KEY).encode()) >= SEAL_KEY_MIN
        except ToolUnavailable as error:
            words = f"a CalDAV calendar needs the agent's secrets {PASSWORD!r} and {SEAL_KEY!r}: {error}"
            raise ConfigError(words) from None
        if not long_enough:
            raise ConfigError(f"the secret {SEAL_KEY!r} has at least {SEAL_KEY_MIN} characters")

    def __call__(self, name: str) -> str:
        """One secret. Raises ToolUnavailable."""
        if self._given is None:
            raise ToolUnavailable("the gateway does not stand yet", code="secret_withheld")
        return self._given()(name).reveal()


def load_caldav(path: Path) -> CalDavFile:
    """Reads the file.

    Raises:
        ConfigError: it cannot be read, a key is unknown or missing, or a value is wrong; names the file and the key.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path} names no CalDAV server; it holds url, user and calendars")
    try:
        return CalDavFile.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ConfigError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _collection(name: str, one: OneCalendar) -> Collection:
    inviting = Attendee(name=one.organizer.name, email=one.organizer.email) if one.organizer else None
    return Collection(path=one.path, hours=one.hours(), owner=one.owner or name, region=one.region, organizer=inviting)


def _minutes(time: str) -> int:
    hours, minutes = map(int, time.split(":"))
    return 60 * hours + minutes
