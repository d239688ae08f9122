"""Words after which a name stands: introductions, salutations, signatures, labels; English, Russian, Polish, Kazakh.

After the strongest of them (`my name is`, `меня зовут`, `nazywam się`) a name counts in lower case too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent_guard.masking.words import words
from agent_guard.types import Span

__all__ = ["find_cued", "is_name_like", "read_name"]

_WORD = re.compile(r"[^\W\d_]+(?:['’-](?![sS]\b)[^\W\d_]+)*")
_GAP = re.compile(r"[ \t\u00a0]{1,2}|\.[ \t]?")
_PARTICLES = frozenset(
    {"af", "al", "av", "ben", "bin", "da", "das", "de", "del", "della", "den", "der", "di", "dos", "du", "e",
     "el", "ibn", "la", "le", "ten", "ter", "van", "von", "y", "zu"}
)  # fmt: skip

# What follows a cue and is no name.
_NOT_NAMES = words("not_names")

_BREAK = r"[ \t]*(?:,|\.|!|—|-)?[ \t]*\r?\n[\s>*–—-]{0,12}"
# (expression that ends where the name begins, whether a lower-case name counts)
_CUES = (
    (re.compile(
        r"\b(?:my (?:full |first |last |sur)?name(?:'s| is)|(?:his|her|their|the) name(?:'s| is)|(?:i am|"
        r"i'm) called|they call me|please call me|call me|"
        r"меня зовут|зовут меня|мо[её] имя|моя фамилия|менің атым|менің есімім|есімім|"
        r"nazywam si[ęe]|mam na imi[ęe]|moje imi[ęe](?: to)?|"
        r"moje nazwisko(?: to)?)[ \t]*[:—–-]?[ \t]+", re.IGNORECASE), True),
    (re.compile(
        r"(?:^|(?<=[\n;,|{(\"']))[ \t*•-]*(?:full |first |last |contact |client |customer |patient |"
        r"employee |account holder )?"
        r"(?:name|surname|contact|contact person|client|customer|attn|attention|signed(?: by)?|patient|"
        r"recipient|sender|owner|"
        r"фио|ф\.и\.о\.?|имя|фамилия|имя и фамилия|клиент|контакт|контактное лицо|получатель|отправитель|"
        r"покупатель|заказчик|"
        r"аты-жөні|аты|тегі|imi[ęe]|nazwisko|imi[ęe] i nazwisko|klient|kontakt|osoba kontaktowa|odbiorca|nadawca)"
        r"[ \t]*:[ \t]*[\"']?", re.IGNORECASE), True),
    (re.compile(
        r"(?<!\w)(?:mr|mrs|ms|miss|mx|dr|prof)\b\.?[ \t]+|(?<!\w)(?:г-н[ау]?|г-ж[аеи]|господин[ау]?|"
        r"госпож[аеуи]|гр\.|құрметті|"
        r"уважаем(?:ый|ая)(?: господин| госпожа)?|дорог(?:ой|ая))[ \t]+|"
        r"(?<!\w)(?:pan|pani|pana|panu|panem|panią|panie|p\.|szanowny panie|"
        r"szanowna pani)[ \t]+", re.IGNORECASE), False),
    (re.compile(
        r"(?:^|(?<=[\n.!?>\"]))[ \t]*(?:dear|hi|hello|hey|good (?:morning|afternoon|evening)|greetings|"
        r"здравствуйте|здравствуй|привет|добрый (?:день|вечер)|доброе утро|сәлеметсіз бе|cze[śs][ćc]|"
        r"witam|dzie[ńn] dobry|drogi|droga)"
        r",?[ \t]+(?=[^\n]{2,40}?[,!.\n—-])", re.IGNORECASE), False),
    (re.compile(
        r"(?:regards|best|best wishes|sincerely|yours|yours truly|yours faithfully|cheers|thanks|"
        r"thank you|many thanks|warmly|"
        r"с уважением|с наилучшими пожеланиями|спасибо|искренне ваш[а]?|құрметпен|pozdrawiam|z powa[żz]aniem|"
        r"z wyrazami szacunku|serdecznie|dzi[ęe]kuj[ęe])" + _BREAK, re.IGNORECASE), False),
    (re.compile(
        r"\b(?:i'm|i am|this is|it's|it is|here is|speaking (?:with|to)|spoke (?:with|to)|talked to|"
        r"talk to|met with|meeting with|"
        r"assigned to|on behalf of|введ[её]н|это|на имя|от имени|с уважением,?|звонил[а]?|"
        r"jestem|tu|m[óo]wi|dzwoni(?:ł|ła|l|la)?|rozmawia(?:łem|łam|lem|lam) z|"
        r"w imieniu)[ \t]+", re.IGNORECASE), False),
)  # fmt: skip
_WEAK_CUE = len(_CUES) - 1
_LONGEST = 4


def is_name_like(word: str) -> bool:
    """Whether a word can be a part of a name: no everyday word of salutations and sentences."""
    return word.casefold() not in _NOT_NAMES


def read_name(text: str, start: int, lower: bool = False) -> int:
    """Reads a name that begins at ``start`` and returns its end, or ``start`` where none stands there.

    Args:
        lower: words in lower case count; then two at most, because nothing marks where the name ends.
    """
    end, count, position = start, 0, start
    while count < _LONGEST and (word := _WORD.match(text, position)):
        token = word[0]
        capital = token[0].isupper()
        if count and token.casefold() in _PARTICLES:
            gap = _GAP.match(text, word.end())
            after = _WORD.match(text, gap.end()) if gap else None
            if not after or not (after[0][0].isupper() or lower):
                break
        elif not is_name_like(token) or not (capital or (lower and count < 2 and len(token) > 1)):
            break
        else:
            end = word.end()
        count += 1
        gap = _GAP.match(text, word.end())
        # A full stop inside a name follows an initial only.
        if not gap or (gap[0][0] == "." and len(token) > 1):
            break
        position = gap.end()
    return end


def find_cued(text: str) -> Iterator[Span]:
    """Yields the names that stand behind a cue."""
    for place, (cue, lower) in enumerate(_CUES):
        for found in cue.finditer(text):
            start = found.end()
            end = read_name(text, start)
            score = 0.8
            if end == start and lower:
                end, score = read_name(text, start, lower=True), 0.7
            if end <= start or (end - start < 3 and place != 0):
                continue
            words = _WORD.findall(text[start:end])
            if place == _WEAK_CUE and (len(words) < 2 and not _introduces(text, end)):
                continue
            if all(len(word) == 1 for word in words) or (
                text[start:end].isupper() and len(words) == 1 and len(words[0]) < 4
            ):
                continue
            yield Span(start=start, end=end, type="PERSON", score=score, source="cue")


_AFTER_INTRODUCTION = re.compile(
    r"[ \t]*(?:,|\.|!|$|\n|\bfrom\b|\bhere\b|\bspeaking\b|\bcalling\b|\band\b|\bиз\b|\bи\b|\bz\b|\bi\b|\(|—)"
)


def _introduces(text: str, end: int) -> bool:
    """A single capitalised word after `I'm` or `это` is a name when the sentence goes on as an introduction."""
    return bool(_AFTER_INTRODUCTION.match(text, end))
