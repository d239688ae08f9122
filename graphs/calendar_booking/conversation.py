"""A recorded booking: a header that names the deal, then what the client wrote, and what shall come of it.

    {"deal_id": "1001", "zone": "America/New_York", "language": "en", "expect": {"calls": ["calendar.free_slots"]}}
    {"at": "2026-11-20T09:00:00+00:00", "text": "Can we meet next week?"}

``expect`` is for tests and readers; nothing that runs looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field

from graphs.jsonl import opened
from graphs.requests import recorded
from tools.booking import Zone

__all__ = ["Booking", "Expect", "read_booking"]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Expect(_Closed):
    """What shall come of it, where a manager approves whatever is asked, unless it says otherwise.

    Args:
        calls: the tools that run, in order.
        answers: what the manager says to each question, in order.
        ends: what is left in the calendar.
        says: words that the last answer holds.
    """

    calls: list[str] = Field(default_factory=list)
    answers: list[Literal["approve", "reject"]] = Field(default_factory=list)
    ends: Literal["confirmed", "held", "nothing"] = "nothing"
    says: list[str] = Field(default_factory=list)


class _Header(_Closed):
    deal_id: Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]
    zone: Zone
    language: Literal["en", "ru", "pl"]
    expect: Expect = Field(default_factory=Expect)


@dataclass(frozen=True, kw_only=True)
class Booking:
    """What a client wrote, in order. Raw: it is masked by whoever feeds it to the agent.

    Args:
        zone: IANA name; what the host knows of where the client is.
    """

    deal_id: str
    zone: str
    language: Literal["en", "ru", "pl"]
    expect: Expect
    texts: tuple[str, ...]


def read_booking(source: Path | str | BinaryIO) -> Booking:
    """Reads and checks a whole conversation.

    Raises:
        ConfigError: the file cannot be read, or a line is wrong; it names the file, the line and what to do.
    """
    return opened(source, _read)


def _read(stream: BinaryIO, name: str) -> Booking:
    header, texts = recorded(stream, name, _Header)
    return Booking(
        deal_id=header.deal_id, zone=header.zone, language=header.language, expect=header.expect, texts=texts
    )
