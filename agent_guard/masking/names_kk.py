"""Names of Kazakhstan in Russian and Kazakh text, by rule: patronymics, surname endings next to a known first name.

The Russian network reads Kazakh prose badly (it takes every capital for a name), so lines written in Kazakh are left to
these rules. The first names are common ones, written in both alphabets' spellings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent_guard.masking.cues import is_name_like
from agent_guard.masking.words import words
from agent_guard.types import Span

__all__ = ["find_kazakh", "is_kazakh"]

_LETTER = "[А-Яа-яЁёӘәІіҢңҒғҮүҰұҚқӨөҺһ]"
_UPPER = "[А-ЯЁӘІҢҒҮҰҚӨҺ]"
_KAZAKH_LETTER = re.compile("[әңғүұқөһ]", re.IGNORECASE)
_WORD = re.compile(f"{_LETTER}+(?:-{_LETTER}+)*")
_CASE = (
    "(?:ның|нің|дың|дің|тың|тің|ға|ге|қа|ке|на|не|ды|ді|ты|ті|ны|ні|да|де|та|те|"
    "нан|нен|дан|ден|тан|тен|мен|бен|пен|а|у|е|ой|ым|ом)?"
)
_PATRONYMIC = re.compile(f"{_LETTER}{{2,}}(?:ұлы|улы|қызы|кызы|ович|евич|овн|евн){_CASE}ы?$", re.IGNORECASE)
_SURNAME = re.compile(
    f"{_LETTER}{{2,}}(?:баев|бекова?|беков|ханов|галиев|ғалиев|кулов|құлов|тбаев|мбетов|диев|[оеё]ва?|ина?|ын|ұлы|қызы|тегі|бай|бек|хан|жан)"
    f"{_CASE}$",
    re.IGNORECASE,
)
_FIRST = words("first_kk")
_GAP = re.compile(r"[ \t\u00a0]{1,2}")


def is_kazakh(line: str) -> bool:
    """Whether a line is written in Kazakh: at least a quarter of its words, and two, have letters Russian lacks."""
    words = _WORD.findall(line)
    own = sum(bool(_KAZAKH_LETTER.search(word)) for word in words)
    return own >= 2 and own * 4 >= len(words)


def _first_name(word: str) -> bool:
    lowered = word.casefold()
    if lowered in _FIRST:
        return True
    return any(
        lowered.endswith(ending) and lowered[: -len(ending)] in _FIRST
        for ending in ("а", "у", "е", "ом", "ға", "ге", "қа", "ке", "ның", "нің", "ды", "ді")
    )


def find_kazakh(text: str) -> Iterator[Span]:
    """Yields names: a run of capitals that holds a patronymic, or a known first name beside a surname or alone."""
    run: list[re.Match[str]] = []
    for word in [*_WORD.finditer(text), None]:
        fits = word is not None and word[0][0].isupper() and is_name_like(word[0])
        if word is not None and fits and (not run or _GAP.fullmatch(text, run[-1].end(), word.start())):
            run.append(word)
            continue
        yield from _judge(run)
        run = [word] if word is not None and fits else []


def _judge(run: list[re.Match[str]]) -> Iterator[Span]:
    kinds = [
        "p" if _PATRONYMIC.match(word[0]) else "f" if _first_name(word[0]) else "s" if _SURNAME.match(word[0]) else "-"
        for word in run
    ]
    shape = "".join(kinds)
    for found in re.finditer(r"s?[f-]?ps?|f[s-]|sf|f", shape):
        start, end = found.span()
        score = 0.8 if end - start > 1 else 0.6
        yield Span(start=run[start].start(), end=run[end - 1].end(), type="PERSON", score=score, source="kazakh")
