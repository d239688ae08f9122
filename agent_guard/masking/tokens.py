"""The written form of a pseudonym: `<TYPE_n>`, where such forms stand in a text, and what models make of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from agent_guard.types import ENTITY_TYPES

__all__ = ["PSEUDONYM", "blank_pseudonyms", "defuse", "mend", "pseudonym_ranges"]

# At most six digits: a longer number inside the brackets is not ours and is analysed like any text,
# otherwise `<PHONE_77015553322>` would carry a phone past the masker.
_TYPES = "|".join(ENTITY_TYPES)
PSEUDONYM = re.compile(rf"<(?:{_TYPES})_[0-9]{{1,6}}>")

# What models write in its place. In round and square brackets and bare it is read in capitals alone, and an ID with its
# underscore alone: "(id 1)" and "ID 1" are said by people.
_NUMBER = r"([0-9]{1,6})"
_WORDY = "|".join(name for name in ENTITY_TYPES if name != "ID")
_MANGLED = re.compile(
    rf"(?:&lt;|\\?<|<<)\s?(?i:({_TYPES}))(?:\\?_|[\s-])?{_NUMBER}\s?(?:&gt;|\\?>>?)"
    rf"|[\[({{]\s?(?:({_TYPES})\\?_|({_WORDY})[\s-]){_NUMBER}\s?[\])}}]"
    rf"|(?<![\w<‹])({_TYPES})\\?_{_NUMBER}(?![0-9A-Za-z_›])"
)

# ASCII, no letter, no digit, no space: the control character whose name is SUBSTITUTE.
_FILLER = "\x1a"


def defuse(text: str) -> str:
    """Returns a raw text with typed pseudonyms made harmless: ``<PERSON_1>`` becomes ``‹PERSON_1›``, and so does every
    form that :func:`mend` reads.

    Nobody outside holds a pseudonym. One that stands in a raw text was typed to name what was minted for others.
    """
    return _MANGLED.sub(lambda found: f"‹{_meant(found)[1:-1]}›", text)


def mend(text: str, known: Callable[[str], object]) -> str:
    """Returns a model's text with mangled pseudonyms written as they should be: ``PERSON_1``, ``&lt;PERSON_1&gt;``,
    ``[PERSON 1]``, ``<person-1>`` and the like. What stands for nobody is left as it is.

    Args:
        known: whether the thread has this pseudonym.
    """

    def meant(found: re.Match[str]) -> str:
        token = _meant(found)
        return token if known(token) else found[0]

    return _MANGLED.sub(meant, text)


def _meant(found: re.Match[str]) -> str:
    type_, number = (item for item in found.groups() if item is not None)
    return f"<{type_.upper()}_{int(number)}>"


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
