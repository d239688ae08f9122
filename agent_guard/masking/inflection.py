"""Case endings of Russian, Kazakh and (lightly) Polish names, by rule; no dictionary is loaded.

Only what telling persons apart needs: a base that all cases of one name share and different names do not. Where an
ending is both a case of a man's name and the name of a woman, the sex is reported so that nobody is merged.
"""

from __future__ import annotations

import re

from agent_guard.masking.words import words

__all__ = ["bases", "oblique", "place_base", "surname_sexes"]

_CYRILLIC = re.compile("[\u0400-\u04ff]")

# Men's names whose genitive is a woman's name.
_PAIRED = words("paired_ru")
_FLEETING = {"павел": "павл", "лев": "льв", "петр": "петр"}
_SURNAME = re.compile(r"(.{2,}(?:ов|ев|ин|ын))(а|у|ым|ой|ою|е|ых|ыми|)$")
_ADJECTIVE = re.compile(r"(.{2,}(?:ск|цк))(ий|ого|ому|им|ом|ая|ой|ую|ою|ие|их|ими)$")
_PATRONYMIC = re.compile(r"(.{2,}(?:ович|евич|ич))(а|у|ем|е|)$|(.{2,}(?:овн|евн|ичн))(а|ы|е|у|ой|ою)$")
_NOUN = re.compile(r"(.{2,}?)(?:ами|ями|ого|ому|ою|ею|ом|ем|ым|ой|ей|ая|ую|ии|ия|ию|ий|ый|ы|и|а|я|у|ю|е|й|ь|о)$")
_IYA = re.compile(r"(.{2,})(?:ия|ии|ию|ией|иею|ий|ием)$")
_EY = re.compile(r"(.{2,}[аея])(?:й|я|ю|ем|е)$")
_KAZAKH = re.compile(r"(.{3,}?)(?:ға|қа|ның|нің|дың|дің|тың|тің|ді|ті|ні|ды|ты|ны)$")
_KAZAKH_LETTER = re.compile("[әіңғүұқөһ]")

_POLISH_ADJECTIVE = re.compile(r"(.+(?:sk|ck|dzk))(i|iego|iemu|im|a|iej|ą)$")
_POLISH_MALE_CASE = re.compile(r".+(?:sk|ck|dzk)(?:iego|iemu|im)$")
_POLISH_FEMALE_CASE = re.compile(r".+(?:sk|ck|dzk)(?:iej|ą)$")


def _russian(word: str) -> tuple[frozenset[str], str]:
    if found := _ADJECTIVE.match(word):
        return frozenset({found[1]}), ""
    if found := _PATRONYMIC.match(word):
        return frozenset({found[1] or found[3]}), ""
    if found := _SURNAME.match(word):
        # Иван, Марин(а), Константин end like surnames: both readings stay.
        base = found[1]
        if base not in _PAIRED and f"{base}{found[2]}" not in _PAIRED:
            return frozenset({base}), ""
        return frozenset({base}), _sex_of_pair(found[2])
    if word in _FLEETING:
        return frozenset({_FLEETING[word]}), "m" if word in _PAIRED else ""
    if found := _IYA.match(word):
        stem = found[1] + "и"
        return frozenset({stem}), _sex_of_pair(word[len(stem) :]) if stem in _PAIRED else ""
    if found := _EY.match(word):
        return frozenset({found[1]}), ""
    found = _NOUN.match(word)
    stem, ending = (found[1], word[len(found[1]) :]) if found else (word, "")
    kept = {stem}
    if ending == "" and re.search("[^аеиоуыэюя](?:ец|ек|ок)$", word):
        kept.add(word[:-2] + word[-1])
    return frozenset(kept), _sex_of_pair(ending) if stem in _PAIRED else ""


def _sex_of_pair(ending: str) -> str:
    if ending in ("", "й", "ом", "ем", "ым"):
        return "m"
    # The first sight of such a name is mostly its dictionary form.
    return "f" if ending in ("а", "я", "ой", "ей", "ою", "ею", "ы") else "?"


def oblique(words: tuple[str, ...]) -> str:
    """Tells by its surname which case a whole Polish name stands in: ``m``, ``f`` (not nominative), or empty."""
    if any(_POLISH_MALE_CASE.match(word) for word in words) or (
        words and all(word.endswith(("owi", "em")) for word in words)
    ):
        return "m"
    return "f" if any(_POLISH_FEMALE_CASE.match(word) for word in words) else ""


def _polish(word: str, surface: str, case: str) -> tuple[frozenset[str], str]:
    if found := _POLISH_ADJECTIVE.match(word):
        stem = surface[: len(surface) - len(found[2])]
        return frozenset({stem + "-"}), "f" if found[2] in ("a", "iej", "ą") else "m"
    kept = {surface}
    endings = {"m": ("owi", "iem", "em", "a", "u"), "f": ("y", "i", "ie", "e", "a")}.get(case, ())
    for ending in endings:
        if surface.endswith(ending) and len(surface) - len(ending) >= 2:
            stem = surface[: -len(ending)]
            if case == "f":
                kept.add(stem + "a")
            else:
                kept.add(stem)
                if stem[-1] in "kl" and len(stem) > 2:
                    kept.add(f"{stem[:-1]}e{stem[-1]}")
    return frozenset(kept), ""


def bases(word: str, surface: str, case: str) -> tuple[frozenset[str], str]:
    """Returns what the dictionary form of a lower-case word may be, and the sex its ending tells, if that decides.

    Args:
        word: lower case, ё folded; ``surface``: accents folded as well; ``case``: what `oblique` said of the name.
    """
    if not _CYRILLIC.search(word):
        return _polish(word, surface, case)
    if _KAZAKH_LETTER.search(word):
        found = _KAZAKH.match(word)
        if found:
            return frozenset({word, found[1]}), ""
    return _russian(word)


def surname_sexes(word: str) -> str:
    """Which sexes a form of a Russian surname may have: ``m``, ``f``, ``mf``, or empty where it tells nothing."""
    if found := _SURNAME.match(word):
        return {"": "m", "ым": "m", "а": "mf", "у": "mf", "е": "m", "ой": "f", "ою": "f"}.get(found[2], "mf")
    if found := _ADJECTIVE.match(word):
        return "f" if found[2] in ("ая", "ой", "ую", "ою") else "m"
    return ""


def place_base(word: str) -> str:
    """A rough base for place and company names, so that cases of one word meet."""
    if len(word) < 4 or not _CYRILLIC.search(word):
        return word
    found = _NOUN.match(word)
    return found[1] if found and len(found[1]) >= 3 else word
