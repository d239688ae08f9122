"""Polish names by light rules: a common first name in any case, with the capitalised words that follow it.

No model yet: rare first names without a cue word before them (`cues.py`) are missed, and so are bare surnames.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent_guard.masking.cues import is_name_like
from agent_guard.masking.words import words
from agent_guard.types import Span

__all__ = ["find_polish"]

_MEN = words("men_pl")
_WOMEN = words("women_pl")
_SURNAME = re.compile(
    r"[A-ZĄĆĘŁŃÓŚŹŻ][a-ząćęłńóśźż]+(?:(?:sk|ck|dzk)(?:i|iego|iemu|im|a|iej|ą)|wicz(?:a|owi|em)?|czyk(?:a|owi|iem)?|"
    r"(?:ak|ek|ik|yk|uk|arz|ński)(?:a|owi|iem|em)?)"
)
_WORD = re.compile(r"[A-ZĄĆĘŁŃÓŚŹŻ][a-ząćęłńóśźż]+(?:-[A-ZĄĆĘŁŃÓŚŹŻ][a-ząćęłńóśźż]+)?|[A-ZĄĆĘŁŃÓŚŹŻ]{3,}")


def _forms() -> frozenset[str]:
    forms = set()
    for name in _MEN:
        stem = {"ek": name[:-2] + "k", "eł": name[:-2] + "ł"}.get(name[-2:], name)
        if name.endswith(("i", "y")):
            stem = name.removesuffix("y")
            forms |= {name, *(stem + ending for ending in ("ego", "emu", "m", "ym"))}
        else:
            forms |= {name, *(stem + ending for ending in ("a", "owi", "em", "iem", "u", "ie", "rze", "le", "owie"))}
    for name in _WOMEN:
        stem = name[:-1]
        forms |= {name, *(stem + ending for ending in ("y", "i", "ie", "ę", "ą", "o", "u", "ii"))}
        if name.endswith(("ka", "ga")):
            forms |= {stem[:-1] + ("ce" if name.endswith("ka") else "dze")}
        if name.endswith("ta"):
            forms.add(stem[:-1] + "cie")
        if name.endswith("ra"):
            forms.add(stem[:-1] + "rze")
    return frozenset(forms)


_FORMS = _forms()


def find_polish(text: str) -> Iterator[Span]:
    """Yields names of a folded text: first name and up to two words after it, or a typical surname before it."""
    words = list(_WORD.finditer(text))
    place = 0
    while place < len(words):
        word = words[place]
        if word[0].casefold().split("-")[0] not in _FORMS:
            place += 1
            continue
        first = last = place
        before = words[place - 1] if place else None
        if (
            before
            and text[before.end() : word.start()] == " "
            and _SURNAME.fullmatch(before[0])
            and is_name_like(before[0])
        ):
            first = place - 1
        while last + 1 < len(words) and last - first < 2 and _follows(text, words[last], words[last + 1]):
            last += 1
        yield Span(
            start=words[first].start(),
            end=words[last].end(),
            type="PERSON",
            score=0.7 if last > first else 0.6,
            source="polish",
        )
        place = last + 1


def _follows(text: str, left: re.Match[str], right: re.Match[str]) -> bool:
    return text[left.end() : right.start()] == " " and is_name_like(right[0])
