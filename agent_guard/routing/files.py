"""Files of the router: closed YAML, and errors that name the file, the line and what is wrong."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent_guard.errors import ConfigError
from agent_guard.text.yaml_lines import Lines, line_of, lines_of

__all__ = ["LANGUAGES", "Closed", "Language", "Text", "load"]

Language = Literal["en", "ru", "pl", "kk"]
LANGUAGES: tuple[Language, ...] = ("en", "ru", "pl", "kk")

Text = Annotated[str, Field(min_length=1, max_length=2000)]

_MESSAGES = {"extra_forbidden": "no such key in format 1", "missing": "is required"}
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # both safe; the one in C reads the same ten times faster


class Closed(BaseModel):
    """A part of such a file: unknown keys are refused, and nothing is converted in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Model = TypeVar("Model", bound=Closed)


def load(path: Path, model: type[Model]) -> tuple[Model, Lines]:
    """Reads a file; returns it with the line of each key.

    Raises:
        ConfigError: no such file, not UTF-8, not YAML, a key written twice, an unknown key or a wrong value.
    """
    try:
        text = path.read_text(encoding="utf-8")
        loader = _Loader(text)
        node = loader.get_single_node()
        lines = lines_of(node)
        data = loader.construct_document(node) if node is not None else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}, line {line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date that does not exist
        raise ConfigError(f"{path}: not YAML: {error}") from None
    try:
        return model.model_validate(data), lines
    except ValidationError as error:
        found = [
            sentence(path, lines, problem["loc"], _MESSAGES.get(problem["type"], problem["msg"]))
            for problem in error.errors()
        ]
        raise ConfigError("\n".join(found)) from None


def sentence(path: Path, lines: Mapping[tuple[Hashable, ...], int], loc: Sequence[Any], message: str) -> str:
    """One error: file, line, key and what is wrong."""
    parts = tuple(part for part in loc if part != "[key]")
    where = ".".join(str(part) for part in parts) or "the whole file"
    return f"{path}, line {line_of(lines, parts)}: {where}: {message}"
