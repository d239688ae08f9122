"""A recorded conversation is a JSON Lines file: a header, then one message a line, oldest first.

    {"deal_id": "1001", "language": "en"}
    {"speaker": "client", "at": "2026-11-20T09:00:00+00:00", "text": "Hello"}

Only the client's messages are returned; lines of the agent are checked and skipped. Every line is checked before
anything is returned, so nothing is ever half read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agent_guard.errors import ConfigError
from graphs.jsonl import MAX_LINE_BYTES, lines, opened, parsed

__all__ = ["MAX_LINE_BYTES", "Conversation", "Line", "read"]


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
    return opened(source, _read)


def _read(stream: BinaryIO, name: str) -> Conversation:
    header: _Header | None = None
    said: list[Line] = []
    before: datetime | None = None
    for number, text in lines(stream, name):
        where = f"{name}, line {number}"
        if header is None:
            header = parsed(_Header, text, where)
            continue
        line = parsed(Line, text, where)
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
