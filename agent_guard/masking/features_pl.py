"""What the Polish model looks at: Morfeusz's readings of a word, its shape, its endings, and what mistyping hides.

A name acts through its classes (first name, surname, place, everyday word), never through its identity, so the model
knows names that no training text held. The windows around a word are the English model's (`crf_features.py`).
Training (`training/train_pl.py`) and reading use the same code, so a change here needs a new model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from agent_guard.masking.crf_features import Classes, shape_of

__all__ = ["PolishWords", "plain", "tokens"]

_LETTER = r"[^\W\d_]"
# Signs that stand for letters in scanned and mistyped text stay inside a word: `Mal<symilian`, `@drianna`, `Dani3li`.
_TOKEN = re.compile(
    rf"(?<![\w@|€$])[@|€$0135](?={_LETTER}{{2}})(?:[^\W_]|[@|!<>€$(](?={_LETTER}))+"
    rf"|{_LETTER}(?:[^\W_]|[@|!<>€$(](?={_LETTER}))*(?:['’]{_LETTER}+)*"
    r"|\d+|\x1a+|\n|[^\w\s]|_"
)
_LOOK = str.maketrans({"0": "o", "1": "i", "2": "z", "3": "e", "4": "a", "5": "s", "6": "b", "7": "t", "8": "b",
                       "9": "g",
                       "@": "a", "|": "l", "!": "i", "€": "e", "$": "s", "<": "k", ">": "", "(": "c"})  # fmt: skip
_ODD = re.compile(r"[0-9@|!<>€$(]")
_LABELS: Mapping[str, str] = {
    "imię": "F", "nazwisko": "S", "nazwa_geograficzna": "G", "nazwa_firmy": "O", "nazwa_instytucji": "O",
    "nazwa_organizacji": "O", "nazwa_marki": "O", "patronimicum": "S", "pseudonim": "S", "przydomek": "S",
}  # fmt: skip
_POS: Mapping[str, str] = {
    "subst": "n", "depr": "n", "ger": "n", "adj": "a", "adja": "a", "ppas": "a", "pact": "a", "adv": "d", "fin": "v",
    "praet": "v", "inf": "v", "impt": "v", "imps": "v", "pcon": "v", "pant": "v", "bedzie": "v", "pred": "v",
    "prep": "p", "conj": "j", "comp": "j", "part": "q", "brev": "b", "num": "m",
}  # fmt: skip
_PERSON_WORD = frozenset(
    {"pan", "pani", "państwo", "panna", "doktor", "dr", "mgr", "inż", "prof", "profesor", "prezes", "dyrektor",
     "kierownik", "minister", "poseł", "ksiądz", "ks", "św", "święty", "klient", "klientka", "kolega", "koleżanka",
     "brat", "siostra", "syn", "córka", "mąż", "żona", "mama", "tata", "ojciec", "matka", "mecenas", "trener",
     "sędzia"}
)  # fmt: skip
_STREET = frozenset([
    "ul", "ulica", "al", "aleja", "pl", "plac", "os", "osiedle", "rondo", "most", "park", "szkoła", "liceum",
    "szpital", "muzeum", "m", "lok",
])  # fmt: skip
_COMPANY = frozenset(
    {"firma", "spółka", "grupa", "bank", "sp", "oo", "sa", "s.a", "zoo", "hurtownia", "sklep", "zakład",
     "przedsiębiorstwo", "fphu", "fhu", "phu", "ppuh", "kancelaria", "apteka", "piekarnia", "restauracja", "hotel",
     "klub", "fundacja", "stowarzyszenie", "biuro", "serwis"}
)  # fmt: skip
_VOWEL = re.compile("[aeiouyąęó]")
_ENDINGS = (
    "owskiego",
    "owskiemu",
    "iego",
    "iemu",
    "iem",
    "owi",
    "ego",
    "emu",
    "em",
    "ie",
    "ą",
    "ę",
    "a",
    "u",
    "y",
    "i",
    "o",
)


def tokens(text: str) -> list[re.Match[str]]:
    """Cuts a text into words, numbers, signs and line ends."""
    return list(_TOKEN.finditer(text))


def plain(word: str) -> str:
    """A word in lower case without accents; `ł` has none to take off and becomes `l`."""
    lowered = word.lower()
    if lowered.isascii():
        return lowered
    bare = "".join(char for char in unicodedata.normalize("NFD", lowered) if not unicodedata.combining(char))
    return bare.replace("ł", "l").replace("’", "'")


class PolishWords:
    """The features of a word alone, kept per word.

    Args:
        classes: made by `training/tables_pl.py`, for words that Morfeusz does not know.
        world: the English model's classes, for foreign names, with Polish endings taken off.
        morfeusz: a ``morfeusz2.Morfeusz``; not safe for two threads at once.
    """

    def __init__(self, classes: Classes, world: Classes, morfeusz: Any) -> None:
        self._classes = classes
        self._world = world
        self._analyse = morfeusz.analyse
        self.own = lru_cache(maxsize=32768)(self._own)

    def _readings(self, word: str) -> tuple[str, str, str, str]:
        """Returns (name classes, parts of speech, lemma of the everyday word, cases of the name)."""
        labels: set[str] = set()
        parts: set[str] = set()
        cases: set[str] = set()
        lemma = ""
        # A word in lower case is asked for once: Morfeusz gives names where it knows no other reading.
        seen = self._analyse(word)
        if word.isupper() and len(word) > 1:
            seen = [*seen, *self._analyse(word.capitalize())]
        for start, _, (_, name, tag, kinds, _) in seen:
            if tag == "ign" or start:
                continue
            found = {_LABELS[kind] for kind in kinds if kind in _LABELS}
            if found:
                labels |= found
                fields = tag.split(":")
                if "F" in found or ("S" in found and len(fields) > 3):
                    number = "+" if "sg" not in fields[1] else ""
                    cases.update(
                        f"{number}{case[0] if case != 'loc' else 'c'}{fields[3][0]}" for case in fields[2].split(".")
                    )
            else:
                parts.add(_POS.get(tag.partition(":")[0], "x"))
                base = name.partition(":")[0]
                if not lemma or (base.islower() and not lemma.islower()):
                    lemma = base
        return "".join(sorted(labels)), "".join(sorted(parts)), lemma.lower(), ",".join(sorted(cases))

    def _foreign(self, bare: str) -> str:
        """Classes of a foreign name in lower-case letters, with a Polish ending taken off where there is one."""
        for ending in ("", "'a", "'em", "'owi", "owi", "em", "iem", "ie", "ego", "emu", "a", "u", "y", "e", "m"):
            if ending and not (bare.endswith(ending) and len(bare) - len(ending) > 2):
                continue
            stem = bare[: len(bare) - len(ending)] if ending else bare
            for end in ("", "e", "a") if ending else ("",):
                kinds = self._world.get(stem + end, "")
                names = {"f" if kind in "ABC" else "l" if kind in "LMN" else "p" for kind in kinds if kind not in "WX"}
                if names:
                    return "".join(sorted(names)) + ("'" if ending else "")
        return ""

    def _own(self, word: str) -> tuple[str, str, str, tuple[str, ...]]:
        """Returns (code, identity, short code, features); names that are no everyday words have no identity."""
        first = word[0]
        odd = len(word) > 1 and bool(_ODD.search(word)) and not word.isdecimal() and any(map(str.isalpha, word))
        shape = "x" if odd else shape_of(word)
        if not (first.isalpha() or odd):
            return shape, word, shape, (f"k={shape}", f"s={shape}", f"w={word}")
        looked = plain(word).translate(_LOOK) if odd else plain(word)
        names, parts, lemma, cases = ("", "", "", "") if odd else self._readings(word)
        table = "" if names or (len(looked) < 4 and not odd) else self._classes.get(looked, "")
        if odd and not table:
            # a one stands for an i or an l
            table = self._classes.get(
                plain(word).replace("1", "l").replace("!", "l").replace("|", "i").translate(_LOOK), ""
            )
        world = "" if names or table or (parts and word.islower()) else self._foreign(looked)
        known = names + (f"~{table}" if table else "") + world
        marks = (
            ("t" if lemma in _PERSON_WORD else "")
            + ("r" if lemma in _STREET else "")
            + ("o" if lemma in _COMPANY or looked in _COMPANY else "")
        )
        code = f"{shape}{known}{'/' + parts if parts else '' if known else '?'}{marks}"
        found = [
            f"k={code}",
            f"s={shape}",
            f"e2={looked[-2:]}",
            f"e3={looked[-3:]}",
            f"e4={looked[-4:]}",
            f"n={shape}{min(len(word), 9)}",
        ]
        found += [f"c={kind}{shape}" for kind in names]
        found += [f"p={part}{shape}" for part in parts]
        if table:
            found.append(f"t={table}{shape}")
        if world:
            found.append(f"f={world}{shape}")
        if cases:
            found.append(f"q={cases}")
        if not (names or parts):
            found += ["unknown", f"a={looked[:3]}", f"u={looked[-3:]}{shape}"]
        if not _VOWEL.search(looked):
            found.append("novowel")
        identity = ""
        if parts or not (known or odd):
            identity = lemma or looked
            found.append(f"w={identity}")
            found.append(f"ww={word.lower()}")
        short = shape + ("N" if known else "") + ("W" if parts else "")
        return code, identity, short, tuple(found)
