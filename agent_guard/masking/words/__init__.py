"""Word lists, one file each, next to the one function that reads them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["words"]


@cache
def words(name: str) -> frozenset[str]:
    """Returns the words of ``name.txt``; lines that begin with ``#`` are titles."""
    text = (files(__name__) / f"{name}.txt").read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())
