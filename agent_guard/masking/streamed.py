"""Values put back into a text that arrives in pieces: no pseudonym is ever given out in halves."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent_guard.types import ENTITY_TYPES

__all__ = ["Streamed"]

# What may still become a pseudonym, from its `<` on. The form is the one of `tokens.py`; at most sixteen characters.
_BEGUN = re.compile(rf"<(?:{'|'.join(ENTITY_TYPES)})_[0-9]{{0,6}}")
_HEADS = tuple(f"<{name}_" for name in ENTITY_TYPES)


class Streamed:
    """Restores one text that comes piece by piece. Whatever the pieces are, what is given out is in all the same as
    the whole text restored at once.

    It holds back no more than the end of a piece that may be the beginning of a pseudonym.

    Args:
        restore: puts the values back into a text without halves; asked anew for each piece, so that a value that is
            erased meanwhile is put back no more.
    """

    def __init__(self, restore: Callable[[str], str]) -> None:
        self._restore = restore
        self._held = ""

    @property
    def held(self) -> str:
        """What was fed and not given out yet, masked."""
        return self._held

    def feed(self, piece: str) -> str:
        """What can be given out now that this piece is there; often a little less or more than it.

        Raises what ``restore`` raises; then nothing of the piece is given out, and the text should end.
        """
        text = self._held + piece
        cut = _cut(text)
        ready = self._restore(text[:cut]) if cut else ""
        self._held = text[cut:]
        return ready

    def end(self) -> str:
        """What is left when nothing follows: the beginning of something that was no pseudonym after all."""
        left, self._held = self._held, ""
        return left


def _cut(text: str) -> int:
    """Where the part begins that must wait for what follows."""
    start = text.rfind("<")
    if start < 0:
        return len(text)
    tail = text[start:]
    waits = any(head.startswith(tail) for head in _HEADS) or _BEGUN.fullmatch(tail)
    return start if waits else len(text)
