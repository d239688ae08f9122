"""Forms of one word: keys that all inflections of a word share, for English, Russian, Polish and Kazakh.

English, Polish and Russian rest on the Snowball stemmers; rules here add what those leave apart: verbs in -ировать and
-ować, Polish consonants that change before an ending, vowels that come and go. Kazakh suffixes are stripped by rule.
A word has several keys; two words are forms of one where a key is common.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from snowballstemmer.english_stemmer import EnglishStemmer
from snowballstemmer.polish_stemmer import PolishStemmer
from snowballstemmer.russian_stemmer import RussianStemmer

__all__ = ["LANGUAGES", "keys"]

LANGUAGES = frozenset({"en", "kk", "pl", "ru"})

_LONGEST = 64  # letters; no word of these languages that inflects is longer
_FOLDED = 5  # letters from which a word may be typed without its marks: shorter ones would meet other words

_NOUN_RU = re.compile(
    "(.{3,}?)(?:ами|ями|иями|ого|ему|ому|его|ыми|ими|ов|ев|ей|ой|ый|ий|ая|яя|ое|ее|ые|ие|ую|юю|ою|ею|ах|ях|ам|ям|ом|ем|"
    "ым|им|ых|их|а|я|о|е|у|ю|ы|и|ь|й)$"
)
_VERB_RU = re.compile("(.{2,}ир)(?:ов|ова|у|уй|ует|ующ)?$")
_FLEETING_RU = re.compile("(.{3,})[ое]([кц])$")
_VERB_PL = re.compile("(.{3,})(?:uj|ow|owa|owan|owal|ował)$")
_FLEETING_PL = re.compile("(.{3,}?)i?e([kc])$")
_SOFT_PL = (
    (re.compile("(?<=dz|dź|śc|ść)m$"), ""),
    (re.compile("[śs]c$"), "st"),
    (re.compile("[cć]$"), "t"),
    (re.compile("rz$"), "r"),
    (re.compile("ędz$"), "ądz"),
)

_SUFFIX_KK = re.compile(
    "(.{3,}?)(?:лар|лер|дар|дер|тар|тер|ымыз|іміз|ыңыз|іңіз|мыз|міз|ңыз|ңіз|быз|біз|мын|мін|бын|бін|ның|нің|дың|дің|тың|"
    "тің|дан|ден|тан|тен|нан|нен|мен|бен|пен|нда|нде|ға|ге|қа|ке|на|не|ны|ні|ды|ді|ты|ті|да|де|та|те|сы|сі|ым|ім|ың|ің|"
    "ы|і)$"
)
_VOICED_KK = str.maketrans("гғб", "кқп")
_PLAIN_KK = str.maketrans("әғқңөұүіһ", "агкноууих")


def _plain(stem: str) -> str:
    """Drops Polish marks: pieniądze is often typed pieniadze."""
    return "".join(char for char in unicodedata.normalize("NFD", stem.replace("ł", "l")) if char.isascii())


def _russian(word: str) -> set[str]:
    word = word.replace("ё", "е")
    stem = RussianStemmer().stemWord(word)
    noun = found[1] if (found := _NOUN_RU.match(word)) else word
    kept = {noun, stem} if len(stem) > 3 else {noun}
    kept |= {item[:-1] for item in kept if len(item) > 4 and item.endswith("е")}  # панацея, панацею
    kept |= {f"{found[1]}+" for item in kept if (found := _VERB_RU.match(item))}
    kept |= {found[1] + found[2] for item in kept if (found := _FLEETING_RU.match(item))}
    return kept


def _polish(word: str) -> set[str]:
    kept = {PolishStemmer().stemWord(word)}
    kept |= {f"{found[1]}+" for item in kept if (found := _VERB_PL.match(item))}
    kept |= {found[1] + found[2] for item in kept if (found := _FLEETING_PL.match(item))}
    for soft, hard in _SOFT_PL:
        kept |= {soft.sub(hard, item) for item in kept if len(item) >= _FOLDED}
    return {_plain(item) + "+" * item.endswith("+") if len(word) >= _FOLDED else item for item in kept}


def _kazakh(word: str) -> set[str]:
    stem = word
    for _ in range(4):
        if not (found := _SUFFIX_KK.match(stem)):
            break
        stem = found[1]
    stem = stem[:-1] + stem[-1].translate(_VOICED_KK)
    return {stem.translate(_PLAIN_KK) if len(stem) >= _FOLDED else stem}


@lru_cache(maxsize=65536)
def keys(word: str, language: str) -> tuple[str, ...]:
    """Returns the keys of a lower-case word; forms of one word share at least one.

    A language without rules here, a very short and a very long word have one key: the word.
    """
    if len(word) <= 3 or len(word) > _LONGEST:
        return (word.replace("ё", "е"),)
    match language:
        case "en":
            return (EnglishStemmer().stemWord(word),)
        case "ru":
            return tuple(sorted(_russian(word)))
        case "pl":
            return tuple(sorted(_polish(word)))
        case "kk":
            return tuple(sorted(_kazakh(word)))
        case _:
            return (word,)
