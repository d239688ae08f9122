"""Generates labelled messages with names of Kazakhstan from `patterns_kk.txt`, in Kazakh and in Russian; seeded.

Names: lists of `airlock-pii` (Apache-2.0), of this project (`first_kk.txt`) and of Faker's Russian locale (MIT);
surnames and patronymics are made of them, as they are in life.
"""

from __future__ import annotations

import importlib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

Labelled = tuple[str, list[tuple[int, int, str]]]
SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")
_FRONT = set("әеіөүэиё")
_BACK = set("аоұыуя")
_HARD = set("пфктсшщчцхқһбвгд")
_ORGS = [
    "Қазатомөнеркәсіп", "Қазақтелеком", "Самұрық-Қазына", "ҚазМұнайГаз", "Халық банкі", "Kaspi", "Air Astana",
    "Казахтелеком", "Казпочта", "ТОО «Алтын»", "«Береке» ЖШС", "«Дәулет» ЖШС", "ТОО «Нұр»", "АО «Самрук»",
    "Парламент", "Мәжіліс", "Сенат", "ТОО «Айгерим и К»", "«Арман» ЖШС",
]  # fmt: skip
_ABBR = ["ЖСН", "БСН", "ТМД", "БҰҰ", "АҚШ", "ҚР", "ЖШС", "ИИН", "НДС", "МВД"]
_THINGS = ["Абай жолы", "Көшпенділер", "Қара сөздер", "Ұлпан", "Қыз Жібек", "Махаббат", "Ақ кеме"]
_STREETS = [
    "Абай", "Сәтбаев", "Төле би", "Қабанбай батыр", "Достық", "Әл-Фараби", "Жібек жолы", "Бөгенбай батыр",
    "Сейфуллин", "Назарбаев",
]  # fmt: skip


def lists(name: str) -> dict[str, list[str]]:
    """Reads a list of airlock-pii: section -> entries, all spellings."""
    spec = find_spec("airlock_pii")
    if spec is None or spec.origin is None:
        raise SystemExit("install airlock-pii")
    found: dict[str, list[str]] = {}
    section = ""
    for line in (Path(spec.origin).parent / "data" / f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line.strip() and not line.startswith("#"):
            found.setdefault(section, []).extend(re.sub(r"\s*\([^)]*\)", "", part).strip() for part in line.split(","))
    return found


@cache
def faker_russian() -> tuple[list[str], list[str]]:
    provider = importlib.import_module("faker.providers.person.ru_RU").Provider
    return list(provider.first_names_male) + list(provider.first_names_female), list(provider.last_names_male)


def _front(word: str) -> bool:
    for char in reversed(word.lower()):
        if char in _FRONT:
            return True
        if char in _BACK:
            return False
    return False


def kazakh(word: str, case: str) -> str:
    """Adds a Kazakh case ending by vowel harmony and the last sound."""
    last, front = word[-1].lower(), _front(word)
    vowel, hard, nasal = last in _FRONT | _BACK and last != "у", last in _HARD, last in "мнң"
    ending = {
        "nom": "",
        "gen": "нің" if vowel or nasal else "тің" if hard else "дің",
        "dat": "ке" if hard else "ге",
        "acc": "ні" if vowel else "ті" if hard else "ді",
        "loc": "те" if hard else "де",
        "abl": "нен" if nasal else "тен" if hard else "ден",
        "inst": "пен" if hard else "бен" if last in "зж" else "мен",
    }[case]
    if not front and case != "inst":
        ending = ending.translate(str.maketrans("ієекг", "ыеақғ")) if ending else ""
    return word + ending


def russian(word: str, case: str, sex: str) -> str:
    """Adds a Russian case ending; women's names that end in a consonant keep their form."""
    if case in ("nom", "loc", "abl"):
        return word
    last = word[-1]
    if re.search("(?:ов|ев|ин)$", word) and sex == "m":
        return word + {"gen": "а", "dat": "у", "acc": "а", "inst": "ым"}[case]
    if re.search("(?:ова|ева|ина)$", word):
        return word[:-1] + {"gen": "ой", "dat": "ой", "acc": "у", "inst": "ой"}[case]
    if last in "ая":
        soft = last == "я"
        genitive = "и" if soft or word[-2] in "гкхжчшщ" else "ы"
        return word[:-1] + {
            "gen": genitive, "dat": "е", "acc": "ю" if soft else "у", "inst": "ей" if soft else "ой",
        }[case]  # fmt: skip
    if sex == "f" or last in "оеиуыіәүұэю":
        return word
    if last in "йь":
        return word[:-1] + {"gen": "я", "dat": "ю", "acc": "я", "inst": "ем"}[case]
    return word + {"gen": "а", "dat": "у", "acc": "а", "inst": "ом"}[case]


@dataclass(kw_only=True)
class Generator:
    """Fills patterns with values; ``rng`` decides everything.

    Args:
        telephones: label telephone numbers too, for measuring.
        people: ``kk`` for names of Kazakhstan, ``ru`` for Russian ones.
    """

    rng: random.Random
    patterns: Path = Path(__file__).parent / "patterns_kk.txt"
    groups: dict[str, list[str]] = field(default_factory=dict)
    spoiled: bool = True
    telephones: bool = False
    people: str = "kk"

    def __post_init__(self) -> None:
        group = ""
        for line in self.patterns.read_text("utf-8").splitlines():
            if line.startswith("## "):
                group = line[3:]
            elif line and not line.startswith("#"):
                self.groups.setdefault(group, []).append(line.replace("\\n", "\n"))
        names = lists("given_names_kk")
        self.given = {"m": names["male"], "f": names["female"]}
        self.russians = lists("given_names_ru")
        self.towns = lists("places")["kz"]
        self.surnames = faker_russian()[1]

    def first(self, sex: str) -> str:
        if self.people == "ru" or self.rng.random() < 0.15:
            return self.rng.choice(self.russians["male" if sex == "m" else "female"])
        return self.rng.choice(self.given[sex])

    def last(self, sex: str) -> str:
        kind = 0.0 if self.people == "ru" else self.rng.random()
        root = self.rng.choice(self.given["m"])
        if kind < 0.2:
            name = self.rng.choice(self.surnames)
            return name + "а" if sex == "f" and name.endswith(("в", "н")) else name
        if kind < 0.32:
            return root
        if kind < 0.42:
            return root + self.rng.choice(["ұлы", "тегі", "қызы" if sex == "f" else "ұлы"])
        root = root[:-1] if root[-1] in "аеыіяйь" else root
        ending = "ев" if root[-1] in "еиіжшчщлй" else "ов"
        if self.rng.random() < 0.2:
            root, ending = root + self.rng.choice(["бек", "бай", "хан", "ғали"]), "ов"
            ending = "ев" if root.endswith(("и", "й")) else "ов"
            root = root.removesuffix("й")
        return root + ending + ("а" if sex == "f" else "")

    def patronymic(self, sex: str) -> str:
        if self.people == "ru":
            return self.rng.choice(["Иванов", "Петров", "Сергеев", "Олегов", "Павлов", "Юрьев", "Андреев"]) + (
                "ич" if sex == "m" else "на"
            )
        root = self.rng.choice(self.given["m"])
        if self.rng.random() < 0.7:
            return root + ("ұлы" if sex == "m" else "қызы")
        return (root[:-1] if root[-1] in "аеыіяйь" else root) + ("ович" if sex == "m" else "овна")

    def _sometimes(self, draw: Callable[[str], str], sex: str, share: float) -> list[str]:
        return [draw(sex)] if self.rng.random() < share else []

    def _value(self, slot: str, case: str, language: str) -> tuple[str, str]:
        rng, sex = self.rng, self.rng.choice("mf")
        if slot in ("per", "first", "last", "rev", "full"):
            words = {
                "per": lambda: [self.first(sex), self.last(sex)],
                "first": lambda: [self.first(sex)],
                "last": lambda: [self.last(sex)],
                ""
                "rev": lambda: [self.last(sex), self.first(sex), *self._sometimes(self.patronymic, sex, 0.6)],
                ""
                "full": lambda: [self.first(sex), self.patronymic(sex), *self._sometimes(self.last, sex, 0.4)],
            }[slot]()  # fmt: skip
            if language == "kazakh":
                words[-1] = kazakh(words[-1], case)
            else:
                words = [russian(word, case, sex) for word in words]
            return " ".join(words), "PER"
        if slot == "town":
            town = rng.choice(self.towns)
            return (kazakh(town, case) if language == "kazakh" else town), "LOC"
        if slot == "addr":
            street = rng.choice(_STREETS) if rng.random() < 0.5 else self.rng.choice(self.given["m"])
            if language == "kazakh":
                return f"{rng.choice(self.towns)} қаласы, {street} көшесі, {rng.randint(1, 200)} үй", "LOC"
            return (
                f"г. {rng.choice(self.towns)}, ул. {street}, д. {rng.randint(1, 200)}, кв. {rng.randint(1, 90)}",
                "LOC",
            )
        if slot == "org":
            return rng.choice(_ORGS), "ORG"
        if slot == "thing":
            return rng.choice(_THINGS), "MISC"
        shape = {"phone": "+7 7## ### ## ##", "num": "####/##", "time": "1#:00"}.get(slot)
        label = "PHONE" if slot == "phone" and self.telephones else ""
        return (re.sub("#", lambda _: str(rng.randint(0, 9)), shape) if shape else rng.choice(_ABBR)), label

    def part(self, pattern: str, language: str) -> Labelled:
        """Fills one pattern."""
        text, labels, position = "", [], 0
        for slot in SLOT.finditer(pattern):
            text += pattern[position : slot.start()]
            value, label = self._value(slot[1], slot[2] or "nom", language)
            if label:
                labels.append((len(text), len(text) + len(value), label))
            text += value
            position = slot.end()
        return text + pattern[position:], labels

    def message(self) -> Labelled:
        """One to three parts in one language; one message in ten in lower case, one in twenty-five in capitals."""
        language = "kazakh" if self.rng.random() < 0.7 else "russian"
        text, labels = "", []
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            piece, found = self.part(self.rng.choice(self.groups[language]), language)
            text += self.rng.choice([" ", "\n"]) if text else ""
            labels += [(start + len(text), end + len(text), label) for start, end, label in found]
            text += piece
        kind = self.rng.random()
        if self.spoiled and kind < 0.1:
            return text.lower(), labels
        return (text.upper(), labels) if self.spoiled and kind < 0.14 else (text, labels)
