"""Markdown made of values: a table, a paragraph, and what a docstring says of each argument."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence

__all__ = ["arguments", "head", "plain", "table"]

_ROLE = re.compile(r":[a-z]+:`~?(?:[\w.]*\.)?(\w+)`")
_ARGUMENT = re.compile(r"^    ([a-z_]+(?:, [a-z_]+)*): (.*)$")


def head(title: str, *paragraphs: str) -> str:
    """A page's beginning."""
    return "\n\n".join(
        (f"# {title}", *paragraphs, "Written by `python -m scripts.reference` from the code; a test holds it to it.")
    )


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell is written out."""
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def plain(text: str | None) -> str:
    """A docstring's or an option's help in one line of Markdown."""
    words = " ".join((text or "").split())
    return _ROLE.sub(r"`\1`", words).replace("``", "`")


def arguments(made: object) -> dict[str, str]:
    """What the docstring of a class says of each argument."""
    found: dict[str, str] = {}
    names: list[str] = []
    inside = False
    for line in (inspect.getdoc(made) or "").splitlines():
        if not line.startswith(" "):
            inside = line == "Args:"
        elif inside:
            match = _ARGUMENT.match(line)
            if match:
                names = match[1].split(", ")
                found |= dict.fromkeys(names, match[2])
            else:
                found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return {name: plain(text).rstrip(".") for name, text in found.items()}
