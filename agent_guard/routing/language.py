"""Which of the four languages a request is in, by letters that only one of them has and a few everyday words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from agent_guard.masking.tokens import PSEUDONYM
from agent_guard.routing.files import Language
from agent_guard.routing.reading import read

__all__ = ["language_of"]

# Letters with a twin in the other script say nothing: somebody may have swapped them.
_CYRILLIC = re.compile("[бгджзлцчшщыэюяБГДЖЗЛЦЧШЩЫЭЮЯ]")
_LATIN = re.compile("[dfglqrtvwzDFGLQRVWZ]")
_KAZAKH = re.compile("[қңғұәөүҚҢҒҰӘӨҮ]")
_POLISH = re.compile("[ąćęłńśźżĄĆĘŁŃŚŹŻ]")
_POLISH_FORM = re.compile(
    "[a-z]{2,}(?:uj|ego|emu|ych|owac|anie|enie|ami|aj)|[a-z]*(?:szcz|prz|krz|trz|dzi|rze|rzy|cze)[a-z]*"
)
_EVERYDAY: Mapping[Language, str] = {
    "en": "the a to and of for is are you please with i my we have can what which me our hi hello all",
    "ru": "и в не на с что по как для это мне нас есть все вы мы у из к",
    "pl": """nie sie jest czy prosze dzien dobry jak dla oraz ktory ktore ktorzy mam mamy do od klienta klient raport
        szanse umow spotkanie pokaz zrob napisz odpowiedzi zgloszenie wszystkie bez pan pani panstwo moj baze szkic
        rozmowe tylko przygotuj czesc pytanie""",
    "kk": """және керек бар ма туралы үшін беріңіз берші маған бізге қашан қандай барлық клиенттер сәлем кездесу есеп
        жауап мәмілелер өшір жой лидті базаны бер""",
}
_WORDS = {language: frozenset(read(words).words) for language, words in _EVERYDAY.items()}


def language_of(text: str) -> Language:
    """The language to answer in; English where nothing tells."""
    text = PSEUDONYM.sub(" ", text) if "<" in text else text
    if text.isascii():
        return _latin(text)
    if len(_CYRILLIC.findall(text)) + len(_KAZAKH.findall(text)) <= len(_LATIN.findall(text)):
        return _latin(text)
    if _KAZAKH.search(text):
        return "kk"
    words = read(text).words
    return "kk" if _known(words, "kk") > _known(words, "ru") else "ru"


def _latin(text: str) -> Language:
    words = read(text).words
    polish = _known(words, "pl") + sum(bool(_POLISH_FORM.fullmatch(word)) for word in words)
    polish += 2 * len(_POLISH.findall(text))
    return "pl" if polish > _known(words, "en") else "en"


def _known(words: Sequence[str], language: Language) -> int:
    return sum(word in _WORDS[language] for word in words)
