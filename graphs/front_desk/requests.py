"""A recorded request at the front desk: a header, then one message a line, and where it shall go.

    {"user": "u-reed", "roles": ["sdr"], "region": "us", "speaker": "party", "deal": "1001", "expect": {...}}
    {"at": "2026-11-20T09:00:00+00:00", "text": "I want to talk to a person."}

``deal`` or ``ticket`` says which customer it is about, where there is one. ``expect`` is for tests and readers; nothing
that runs looks at it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field

from graphs.jsonl import opened
from graphs.requests import recorded

__all__ = ["DeskRequest", "Expect", "read_desk_request"]

_Id = Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Expect(_Closed):
    """What shall come of it.

    Args:
        goes: where the last message stands: the scenario, or ``clarify``, ``refuse``, ``human``.
        calls: the tools that run before anybody is asked, in order.
        asks: whether a person is asked then.
        says: words that the last answer holds.
    """

    goes: Annotated[str, Field(min_length=1)] = "clarify"
    calls: list[str] = Field(default_factory=list)
    asks: bool = False
    says: list[str] = Field(default_factory=list)


class DeskRequest(_Closed):
    """Who asks, for whom, and about which customer: the first line."""

    user: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    roles: Annotated[list[str], Field(min_length=1)]
    region: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,15}$")]
    speaker: Literal["user", "party"] = "user"
    deal: _Id | None = None
    ticket: _Id | None = None
    expect: Expect = Field(default_factory=Expect)


def read_desk_request(source: Path | str | BinaryIO) -> tuple[DeskRequest, tuple[str, ...]]:
    """Reads and checks a whole request: its first line, and the messages, which are masked by whoever feeds them to the
    agent.

    Raises:
        ConfigError: the file cannot be read, or a line is wrong; it names the file, the line and what to do.
    """
    return opened(source, lambda stream, name: recorded(stream, name, DeskRequest))
