r"""Text of a model, a customer or a record as a terminal may be given it: it can draw, and do nothing else.

A terminal obeys what it is sent: an escape sequence moves the cursor over a question, renames the window, writes the
clipboard or makes a link of a harmless word; a bidi mark turns a line around; a carriage return overwrites it. So every
character that draws nothing is written out (``\x1b``, ``\u202e``), and nothing is ever read as rich's own markup.
Sources: ECMA-48 (control functions), Unicode UAX 9 (bidi) and UTS 55 (source code handling).
"""

from __future__ import annotations

import json
from functools import lru_cache

from rich.text import Text

from agent_guard.spelling import invisible
from agent_guard.types import JSON

__all__ = ["draws", "plain", "shown", "words"]


def plain(text: object, *, lines: bool = False) -> str:
    """The text with every character written out that draws nothing.

    Args:
        lines: keep the ends of lines; only where a new line cannot be taken for one of the program's own.
    """
    return "".join(letter if lines and letter == "\n" else _drawn(letter) for letter in str(text))


def words(text: object, style: str = "", *, lines: bool = False) -> Text:
    """The text for rich: no markup, no control characters."""
    return Text(plain(text, lines=lines), style=style)


def shown(value: JSON) -> str:
    """A value of an argument or a field as a person reads it: a text as it is, anything else as JSON."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=4096)
def draws(letter: str) -> bool:
    """Whether a character draws something of its own, or is the common space."""
    return letter.isprintable() and invisible(letter) is None


@lru_cache(maxsize=4096)
def _drawn(letter: str) -> str:
    if draws(letter):
        return letter
    if letter.isspace() and not letter.isascii() and letter not in "\x85\u2028\u2029":
        return " "  # a space of another width
    return letter.encode("unicode_escape").decode("ascii")
