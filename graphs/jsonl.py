"""JSON Lines of a recorded conversation: one object a line, every line checked, errors that name file and line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError

from agent_guard.errors import ConfigError

__all__ = ["MAX_LINE_BYTES", "lines", "opened", "parsed"]

MAX_LINE_BYTES = 1_000_000
"""Longest line, in bytes."""

_Read = TypeVar("_Read")


def opened(source: Path | str | BinaryIO, read: Callable[[BinaryIO, str], _Read]) -> _Read:
    """Gives ``read`` the stream of a file or the stream itself, and its name.

    Raises:
        ConfigError: the file cannot be read.
    """
    if isinstance(source, (str, Path)):
        try:
            with Path(source).open("rb") as stream:
                return read(stream, Path(source).name)
        except OSError as error:
            raise ConfigError(f"{source}: cannot be read ({error.strerror}); check the path and its rights") from error
    return read(source, str(getattr(source, "name", "<stream>")))


def lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers. UTF-8; a byte order mark and blank lines at the end are tolerated.

    Raises:
        ConfigError: a line is not UTF-8 or too long, or blank lines stand between lines.
    """
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


def parsed(model: type[_Model], text: str, where: str) -> _Model:
    """One line as a model.

    Args:
        where: file and line, for the error.

    Raises:
        ConfigError: it is no JSON object, or not of the model.
    """
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
