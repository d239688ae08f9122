"""Names that somebody typed without capitals: a common first name with a word behind it that has a surname's form.

One of the two alone says too little in lower case. Capitals are not looked at here, the models do that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from agent_guard.masking.cues import is_name_like
from agent_guard.masking.names_pl import FORMS
from agent_guard.masking.words import words
from agent_guard.types import Span

__all__ = ["find_lower", "find_slavic_lower", "is_surname"]

_PAIR = re.compile(r"(?<![\w@.])([^\W\d_]{2,})[ \t\u00a0]([^\W\d_]{3,}(?:-[^\W\d_]{3,})?)(?![\w@])")
_SURNAME = re.compile(
    r"[a-ząćęłńóśźż]{2,}(?:sk|ck|dzk)(?:i|iego|iemu|im|a|iej|ą)|[a-ząćęłńóśźż]{2,}(?:wicz|czyk)(?:a|owi|em|iem)?|"
    r"[а-яёәіңғүұқөһ]{2,}(?:[оеё]в|ин|ын)(?:а|у|ым|е|ой|ою)?|[а-яё]{3,}[сц]к(?:ий|ого|ому|им|ом|ая|ой|ую)|"
    r"[а-яё]{3,}(?:енко|чук|дзе|швили)|[а-яёәіңғүұқөһ]{2,}(?:баев|беков|ханов|галиев|улы|ұлы|қызы|кызы)\w{0,3}"
)
_ENDINGS = ("", "а", "у", "ом", "ем", "е", "ой", "ей", "ю", "и", "ы", "я", "ға", "ге", "ның", "нің")


def find_lower(text: str, first: Callable[[str], bool], last: Callable[[str], bool]) -> Iterator[Span]:
    """Yields pairs of words in lower case of which the one is a first name and the other a surname.

    Args:
        first, last: asked for a word in lower case.
    """
    position = 0
    while found := _PAIR.search(text, position):
        one, other = found.groups()
        position = found.end(1)
        if (
            one.islower()
            and other.islower()
            and is_name_like(one)
            and is_name_like(other)
            and first(one)
            and last(other)
        ):
            yield Span(start=found.start(), end=found.end(), type="PERSON", score=0.7, source="lowercase")
            position = found.end()


def find_slavic_lower(text: str) -> Iterator[Span]:
    """Yields Polish, Russian and Kazakh names in lower case, in any grammatical case."""
    yield from find_lower(text, _first_name, is_surname)


def is_surname(word: str) -> bool:
    """Whether a word in lower case ends as Slavic and Kazakh surnames do."""
    return word not in words("no_surname") and bool(_SURNAME.fullmatch(word))


def _first_name(word: str) -> bool:
    if word in FORMS:
        return True
    known = words("first_ru") | words("first_kk")
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if len(stem) > 1 and any(stem + nominative in known for nominative in ("", "а", "я", "й", "ь")):
            return True
    return False
