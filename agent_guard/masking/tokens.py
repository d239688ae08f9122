"""The written form of a pseudonym: `<TYPE_n>`, and where such forms stand in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent_guard.types import ENTITY_TYPES

__all__ = ["PSEUDONYM", "blank_pseudonyms", "defuse", "pseudonym_ranges"]

# At most six digits: a longer number inside the brackets is not ours and is analysed like any text,
# otherwise `<PHONE_77015553322>` would carry a phone past the masker.
PSEUDONYM = re.compile(rf"<(?:{'|'.join(ENTITY_TYPES)})_[0-9]{{1,6}}>")

# ASCII, no letter, no digit, no space: the control character whose name is SUBSTITUTE.
_FILLER = "\x1a"


def defuse(text: str) -> str:
    """Returns a raw text with typed pseudonyms made harmless: ``<PERSON_1>`` becomes ``‹PERSON_1›``.

    Nobody outside holds a pseudonym. One that stands in a raw text was typed to name what was minted for others.
    """
    return PSEUDONYM.sub(lambda found: f"‹{found[0][1:-1]}›", text) if "<" in text else text


def pseudonym_ranges(text: str) -> Iterator[tuple[int, int]]:
    """Yields the half-open range of every text that has the form of a pseudonym, known or not."""
    if "<" in text:
        for found in PSEUDONYM.finditer(text):
            yield found.span()


def blank_pseudonyms(text: str) -> str:
    """Returns the text with every pseudonym overwritten, offsets kept, so that no recognizer reads or joins it."""
    if "<" not in text:
        return text
    return PSEUDONYM.sub(lambda found: _FILLER * len(found[0]), text)
