"""A recorded conversation is a JSON Lines file: a header, then one message a line, oldest first.

    {"deal_id": "1001", "language": "en"}
    {"speaker": "client", "at": "2026-11-20T09:00:00+00:00", "text": "Hello"}

Only the client's messages are returned; lines of the agent are checked and skipped. Every line is checked before
anything is returned, so nothing is ever half read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agent_guard.errors import ConfigError

__all__ = ["MAX_LINE_BYTES", "Conversation", "Line", "read"]

MAX_LINE_BYTES = 1_000_000
"""Longest line, in bytes."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Header(_Closed):
    deal_id: Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]
    language: Literal["en", "ru", "pl"]


class Line(_Closed):
    """One message as recorded. Raw: it is masked by whoever feeds it to the agent."""

    speaker: Literal["client", "agent"]
    at: Annotated[AwareDatetime, Field(strict=False)]
    text: Annotated[str, Field(min_length=1, pattern=r"\S")]


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What the client of one deal wrote, in order."""

    deal_id: str
    language: Literal["en", "ru", "pl"]
    messages: tuple[Line, ...]


def read(source: Path | str | BinaryIO) -> Conversation:
    """Reads and checks a whole conversation.

    Args:
        source: a path, or a stream of bytes. UTF-8; a byte order mark and blank lines at the end are tolerated.

    Raises:
        ConfigError: the file cannot be read, or a line is wrong; it names the file, the line and what to do.
    """
    if isinstance(source, (str, Path)):
        try:
            with Path(source).open("rb") as stream:
                return _read(stream, Path(source).name)
        except OSError as error:
            raise ConfigError(f"{source}: cannot be read ({error.strerror}); check the path and its rights") from error
    return _read(source, str(getattr(source, "name", "<stream>")))


def _read(stream: BinaryIO, name: str) -> Conversation:
    header: _Header | None = None
    said: list[Line] = []
    before: datetime | None = None
    for number, text in _lines(stream, name):
        where = f"{name}, line {number}"
        if header is None:
            header = _parsed(_Header, text, where)
            continue
        line = _parsed(Line, text, where)
        if before is not None and line.at < before:
            raise ConfigError(f"{where}: this message is older than the one before it; put the lines in order of time")
        before = line.at
        said.append(line)
    if header is None:
        raise ConfigError(f'{name}, line 1: the file is empty; begin with {{"deal_id": "...", "language": "en"}}')
    client = tuple(line for line in said if line.speaker == "client")
    if not client:
        raise ConfigError(f"{name}, line 2: the client says nothing; add at least one line of the speaker client")
    return Conversation(deal_id=header.deal_id, language=header.language, messages=client)


def _lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    blank: int | None = None
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 2):
        number += 1
        if len(raw.rstrip(b"\r\n")) > MAX_LINE_BYTES:
            raise ConfigError(f"{name}, line {number}: longer than {MAX_LINE_BYTES} bytes; split the message")
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            raise ConfigError(f"{name}, line {number}: not UTF-8; save the file as UTF-8") from error
        if not text:
            blank = blank or number
            continue
        if blank is not None:
            raise ConfigError(f"{name}, line {blank}: a blank line between messages; remove it")
        yield number, text


_Model = TypeVar("_Model", bound=BaseModel)


def _parsed(model: type[_Model], text: str, where: str) -> _Model:
    try:
        data = json.loads(text, object_pairs_hook=_once)
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the line"
        keys = ", ".join(model.model_fields)
        raise ConfigError(f"{where}: {field}: {first['msg']}; the keys are {keys}") from None
    except (ValueError, RecursionError) as error:
        problem = str(error) if isinstance(error, _TwiceError) else "not a JSON object"
        raise ConfigError(f"{where}: {problem}; write one JSON object a line") from None


class _TwiceError(ValueError):
    """A key stands twice in one object."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError("a key stands twice")
    return found
