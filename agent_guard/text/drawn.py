r"""Text of a model, a customer or a record as a screen may be given it: it can draw, and do nothing else.

A terminal obeys what it is sent: an escape sequence moves the cursor over a question, renames the window, writes the
clipboard or makes a link of a harmless word; a bidi mark turns a line around, in a browser too; a carriage return
overwrites it. So every character that draws nothing is written out (``\x1b``, ``\u202e``).
Sources: ECMA-48 (control functions), Unicode UAX 9 (bidi) and UTS 55 (source code handling).
"""

from __future__ import annotations

from functools import lru_cache

from agent_guard.text.spelling import invisible

__all__ = ["cut", "draws", "plain"]


def plain(text: object, *, lines: bool = False) -> str:
    """The text with every character written out that draws nothing.

    Args:
        lines: keep the ends of lines; only where a new line cannot be taken for one of the program's own.
    """
    return "".join(letter if lines and letter == "\n" else _drawn(letter) for letter in str(text))


def cut(text: str, most: int) -> str:
    """The text, or its beginning and a sign that it goes on."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


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
