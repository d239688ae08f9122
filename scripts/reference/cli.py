"""The command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from agent_guard.cli import app
from scripts.reference.markdown import head, plain, table

__all__ = ["commands", "page"]


def commands() -> Iterator[tuple[str, Any]]:
    """Every command and group with its words, ``agent-guard`` first, in the order of ``--help``."""
    yield from _walk(typer.main.get_command(app), "agent-guard")


def page() -> str:
    parts = [
        head(
            "Command line",
            "Every command that prints records takes `--json`: one object a line, and no raw value in it. Each reads "
            "the [settings](settings.md), or the file that `--config` names. A command that fails says why on standard "
            "error and ends with exit code 1, or with the code that its text names.",
        )
    ]
    for words, command in commands():
        if words != "agent-guard":
            parts.append(f"## {words}\n\n{plain(command.help)}")
            given = [row for row in map(_row, command.params) if row]
            if given:
                parts.append(table(["", "", "what it is"], given))
    return "\n\n".join(parts) + "\n"


def _walk(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    yield words, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _walk(below, f"{words} {name}")


def _row(given: Any) -> list[str] | None:
    if given.name == "help":
        return None
    if given.param_type_name == "argument":
        name = f"`{(given.metavar or given.name).upper()}`"
    else:
        name = ", ".join(f"`{word}`" for word in (*given.opts, *given.secondary_opts))
    told = plain(getattr(given, "help", None))
    default = given.default
    shown = default not in (None, False, "", ()) and not callable(default)
    return [name, "needed" if given.required else f"`{default}`" if shown else "", told]
