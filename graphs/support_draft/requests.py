"""A recorded request for a draft: a header that names the ticket, then what the colleague wrote.

    {"user": "u-lee", "roles": ["support"], "region": "us", "ticket": "7001", "expect": {"calls": ["tickets.read"]}}
    {"at": "2026-11-20T09:00:00+00:00", "text": "Please draft an answer."}

``expect`` is for tests and readers; nothing that runs looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import BaseModel, ConfigDict, Field

from graphs.jsonl import opened
from graphs.requests import recorded

__all__ = ["DraftRequest", "Expect", "read_draft_request"]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Expect(_Closed):
    """What shall come of it.

    Args:
        calls: the tools that run before anybody is asked, in order.
        asks: whether a manager is asked to send an answer.
        answer: words that the answer holds.
        says: words of the last message to the colleague where nobody is asked.
    """

    calls: list[str] = Field(default_factory=list)
    asks: bool = False
    answer: list[str] = Field(default_factory=list)
    says: list[str] = Field(default_factory=list)


class _Header(_Closed):
    user: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    roles: Annotated[list[str], Field(min_length=1)]
    region: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,15}$")]
    ticket: Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]
    expect: Expect = Field(default_factory=Expect)


@dataclass(frozen=True, kw_only=True)
class DraftRequest:
    """What a colleague asked for. Raw: it is masked by whoever feeds it to the agent."""

    user: str
    roles: frozenset[str]
    region: str
    ticket: str
    expect: Expect
    texts: tuple[str, ...]


def read_draft_request(source: Path | str | BinaryIO) -> DraftRequest:
    """Reads and checks a whole request.

    Raises:
        ConfigError: the file cannot be read, or a line is wrong; it names the file, the line and what to do.
    """
    return opened(source, _read)


def _read(stream: BinaryIO, name: str) -> DraftRequest:
    header, texts = recorded(stream, name, _Header)
    return DraftRequest(
        user=header.user,
        roles=frozenset(header.roles),
        region=header.region,
        ticket=header.ticket,
        expect=header.expect,
        texts=texts,
    )
