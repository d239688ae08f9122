"""A recorded request of a member of staff: a header, then one message a line, and what shall come of it.

    {"user": "u-reed", "roles": ["manager"], "region": "us", "language": "en", "expect": {"calls": ["deals.stale"]}}
    {"at": "2026-11-20T09:00:00+00:00", "text": "Which deals are forgotten?"}

``expect`` is for tests and readers; nothing that runs looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agent_guard.errors import ConfigError
from graphs.jsonl import lines, opened, parsed

__all__ = ["Expect", "Request", "read_request", "recorded"]

_Model = TypeVar("_Model", bound=BaseModel)


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Expect(_Closed):
    """What shall come of it.

    Args:
        calls: the tools that run, in order.
        alerts: how many messages to colleagues are posted.
        says: words that the last answer holds.
    """

    calls: list[str] = Field(default_factory=list)
    alerts: int = 0
    says: list[str] = Field(default_factory=list)


class _Header(_Closed):
    user: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    roles: Annotated[list[str], Field(min_length=1)]
    region: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,15}$")]
    language: Literal["en", "ru", "pl"]
    expect: Expect = Field(default_factory=Expect)


class _Line(_Closed):
    at: Annotated[AwareDatetime, Field(strict=False)]
    text: Annotated[str, Field(min_length=1, pattern=r"\S")]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a member of staff asked for, in order. Raw: it is masked by whoever feeds it to the agent."""

    user: str
    roles: frozenset[str]
    region: str
    language: Literal["en", "ru", "pl"]
    expect: Expect
    texts: tuple[str, ...]


def read_request(source: Path | str | BinaryIO) -> Request:
    """Reads and checks a whole request.

    Raises:
        ConfigError: the file cannot be read, or a line is wrong; it names the file, the line and what to do.
    """
    return opened(source, _read)


def _read(stream: BinaryIO, name: str) -> Request:
    header, texts = recorded(stream, name, _Header)
    return Request(
        user=header.user,
        roles=frozenset(header.roles),
        region=header.region,
        language=header.language,
        expect=header.expect,
        texts=texts,
    )


def recorded(stream: BinaryIO, name: str, header: type[_Model]) -> tuple[_Model, tuple[str, ...]]:
    """A recorded request of any kind: what its first line says, and the messages after it.

    Args:
        header: the model of the first line.

    Raises:
        ConfigError: a line is wrong, or missing; it names the file, the line and what to do.
    """
    first: _Model | None = None
    texts: list[str] = []
    for number, text in lines(stream, name):
        where = f"{name}, line {number}"
        if first is None:
            first = parsed(header, text, where)
        else:
            texts.append(parsed(_Line, text, where).text)
    if first is None:
        raise ConfigError(f'{name}, line 1: the file is empty; begin with {{"{next(iter(header.model_fields))}": ...}}')
    if not texts:
        raise ConfigError(f"{name}, line 2: nobody says anything; add a line with at and text")
    return first, tuple(texts)
