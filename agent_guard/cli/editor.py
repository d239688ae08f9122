"""Arguments in a person's own editor, as YAML, and back as JSON data."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from agent_guard.cli.plain import draws, plain
from agent_guard.errors import ConfigError
from agent_guard.text.yaml_lines import lines_of
from agent_guard.types import JSON

__all__ = ["as_yaml", "from_yaml", "in_editor"]

_USUAL = ("nano", "vim", "vi")


class _Writer(yaml.SafeDumper):
    """Texts of several lines as they are read."""


class _Reader(yaml.SafeLoader):
    """The values of JSON only: ``no`` is a word and ``2026-01-05`` is a text, whatever YAML 1.1 makes of them."""


def _text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    seen = all(letter == "\n" or draws(letter) for letter in text)
    style = ("|" if "\n" in text else None) if seen else '"'
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _text)
_Reader.yaml_implicit_resolvers = {}
for _tag, _form, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(?:0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", list("-0123456789")),
):
    for _reader in (_Reader, _Writer):  # what would be read as something else is written in quotes
        _reader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_form})\\Z"), _first)


def as_yaml(args: Mapping[str, JSON]) -> str:
    """Arguments as they are put before a person; a character that draws nothing is written out."""
    text: str = yaml.dump(
        dict(args), Dumper=_Writer, allow_unicode=True, sort_keys=False, width=100, default_flow_style=False
    )
    # such characters stand in double quotes only, where YAML reads the same escapes as Python
    return "".join(
        letter if letter == "\n" or draws(letter) else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def from_yaml(text: str) -> dict[str, JSON]:
    """What a person made of them.

    Raises:
        ValueError: it is no mapping of arguments; the message names the line.
    """
    reader = _Reader(text)
    try:
        node = reader.get_single_node()
        lines_of(node)
        found: Any = None if node is None else reader.construct_document(node)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(_where(error)) from None
    finally:
        reader.dispose()
    if not isinstance(found, dict):
        raise ValueError("the arguments are written 'name: value', one a line")  # noqa: TRY004 - the text is wrong
    return found


def in_editor(text: str) -> str:
    """A text after the person's editor (``$VISUAL``, ``$EDITOR``) has had it. The file lies in a folder of this user's
    own, which is removed with whatever the editor left there.

    Raises:
        ConfigError: there is no editor, or it failed; nothing was changed.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    command = command or next((name for name in _USUAL if shutil.which(name)), None)
    if not command:
        raise ConfigError("there is no editor; set EDITOR, e.g. EDITOR=nano")
    folder = Path(tempfile.mkdtemp(prefix="agent-guard-"))
    try:
        file = folder / "arguments.yaml"
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        try:
            done = subprocess.run([*shlex.split(command), str(file)], check=False)  # noqa: S603 - the user's own editor
        except (OSError, ValueError) as error:
            raise ConfigError(f"the editor {plain(command)} cannot be run: {error}; nothing was changed") from None
        if done.returncode != 0:
            raise ConfigError(f"the editor ended with code {done.returncode}; nothing was changed")
        return file.read_text(encoding="utf-8", errors="replace")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _where(error: Exception) -> str:
    """What is wrong and in which line, without the lines themselves: they may hold a value."""
    mark = getattr(error, "problem_mark", None)
    line = f"line {mark.line + 1}: " if mark is not None else ""
    return f"{line}{getattr(error, 'problem', None) or 'this is no YAML'}"
