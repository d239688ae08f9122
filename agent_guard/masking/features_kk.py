"""What the Kazakh model looks at: beginnings and endings of words, lists of names with case endings taken off, shape.

Kazakh glues case and possession to a name (`Нұрланға`, `Айгүлдің`), so the endings are features and are also cut off
before a list is asked. Training (`training/train_kk.py`) and reading use the same code.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agent_guard.masking.crf_features import Classes, shape_of

__all__ = ["KazakhWords", "spelled_plainly"]

_TO_RUSSIAN = str.maketrans("әіңғүұқөһё", "аингуукохе")
# The longest first; `й` and `ь` of a stem stay.
_ENDINGS = (
    "ларының", "лерінің", "ларына", "леріне", "лардың", "лердің", "дарының", "ының", "інің", "ларға", "лерге",
    "мыздың", "міздің",
    "ның", "нің", "дың", "дің", "тың", "тің", "мен", "бен", "пен", "нан", "нен", "дан", "ден", "тан", "тен", "лар",
    "лер", "дар", "дер",
    "ына", "іне", "ын", "ін", "ға", "ге", "қа", "ке", "на", "не", "ды", "ді", "ты", "ті", "ны", "ні", "да", "де",
    "та", "те", "сы", "сі",
    "ом", "ой", "ым", "а", "у", "е", "ы", "і", "я", "ю",
)  # fmt: skip
_PATRONYMIC = re.compile(r".{2,}(?:ұлы|улы|қызы|кызы|ович|евич|овн|евн)")
_SURNAME = re.compile(
    r".{2,}(?:баев|беков|ханов|ғалиев|галиев|құлов|кулов|[оеё]в|ин|ын|ский|ская|енко|ова|ева|ина)(?:а|ой|у|ым|ның|"
    "тың|қа|ке|тан|пен|ты)?$"
)
_TITLE = frozenset(
    {"мырза", "ханым", "президент", "министр", "әкім", "әкімі", "депутат", "төраға", "төрағасы", "директор",
     "директоры", "басшысы", "маман", "маманы", "әнші", "жазушы", "ақын", "суретші", "спортшы", "боксшы", "чемпион",
     "дәрігер", "мұғалім", "тұрғын", "тұрғыны", "сарапшы", "қызметкері"}
)  # fmt: skip
_PLACE = frozenset(
    {"қаласы", "қаласында", "ауданы", "ауданында", "облысы", "облысында", "ауылы", "ауылында", "көшесі", "көшесінде",
     "даңғылы", "республикасы", "мемлекеті", "елі", "округі"}
)  # fmt: skip


def spelled_plainly(word: str) -> str:
    """A word in lower case with the Russian letters that people type in place of the Kazakh ones."""
    return word.lower().translate(_TO_RUSSIAN)


class KazakhWords:
    """The features of a word alone, kept per word.

    Args:
        classes: plainly spelled word -> letters: K and R first names of Kazakhstan and Russia, S surname, P place, W a
            word that was seen in lower case; made by `training/train_kk.py`.
    """

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self.own = lru_cache(maxsize=16384)(self._own)

    def _looked_up(self, plain: str) -> str:
        if kinds := self._classes.get(plain):
            return kinds
        for ending in _ENDINGS:
            bare = spelled_plainly(ending)
            if plain.endswith(bare) and len(plain) - len(bare) > 2:
                stem = plain[: len(plain) - len(bare)]
                for whole in (stem, stem + "а", stem + "я", stem + "й"):
                    kinds = self._classes.get(whole, "").replace("W", "")
                    if kinds:
                        return kinds + "'"
        return ""

    def _own(self, word: str) -> tuple[str, str, str, tuple[str, ...]]:
        """Returns (code, identity, short code, features); names that are no everyday words have no identity."""
        shape = shape_of(word)
        if not word[0].isalpha():
            return shape, word, shape, (f"k={shape}", f"w={word}")
        lowered = word.lower()
        kinds = self._looked_up(spelled_plainly(word))
        kinds += "p" if _PATRONYMIC.match(lowered) else ""
        kinds += "s" if _SURNAME.match(lowered) else ""
        kinds += "t" if lowered in _TITLE else ""
        kinds += "l" if lowered in _PLACE else ""
        code = shape + kinds
        identity = lowered if shape == "l" or any(kind in kinds for kind in "Wtl") else ""
        found = [f"k={code}", f"s={shape}", f"n={shape}{min(len(word), 9)}"]
        found += [f"e{size}={lowered[-size:]}" for size in range(1, 6) if len(word) >= size]
        found += [f"b{size}={lowered[:size]}" for size in range(2, 5) if len(word) > size]
        found += [f"c={kind}{shape}" for kind in kinds]
        if identity:
            found.append(f"w={identity}")
        named = any(kind in kinds for kind in "KRSps")
        return code, identity, shape + ("N" if named else "") + ("W" if "W" in kinds else ""), tuple(found)
