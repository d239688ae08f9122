"""Writes the evaluation set that the project ships: generated messages, none of them from a pattern of the training.

usage: python training/evaluation.py benchmarks/masking.jsonl

Needs what `train_pl.py`, `train_kk.py` and `train_en.py` need. Seeds differ from theirs; the same seed gives the same
file. Each row is `text, entities [{start, end, type}], lang, source, licence`. Polish rows of source `pl-mistyped` hold
letters in place of digits and accents lost; `kkru` rows are Russian text with names of Kazakhstan.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import generate_en  # noqa: E402
import generate_kk  # noqa: E402
import generate_pl  # noqa: E402
import tables  # noqa: E402
import tables_pl  # noqa: E402

PATTERNS = Path(__file__).parent / "patterns_evaluation.txt"
ROWS = 150
_TYPES = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORG", "PHONE": "PHONE"}
_LOOK = {"0": "Oo", "1": "lI", "2": "Z", "3": "E", "4": "A", "5": "S", "6": "b", "7": "T", "8": "B", "9": "g"}
Labelled = generate_pl.Labelled


def mistyped_digits(text: str, labels: list[tuple[int, int, str]], rng: random.Random) -> str:
    """Puts one or two look-alike letters into every telephone number."""
    chars = list(text)
    for start, end, label in labels:
        if label == "PHONE":
            places = [place for place in range(start, end) if text[place].isdecimal()]
            for place in rng.sample(places, rng.choice([1, 2])):
                chars[place] = rng.choice(_LOOK[text[place]])
    return "".join(chars)


def rows(
    source: str, part: Callable[[str], Labelled], patterns: list[str], rng: random.Random
) -> list[dict[str, object]]:
    found, seen = [], set()
    while len(found) < ROWS:
        text, labels = "", []
        for pattern in rng.sample(patterns, rng.choice([1, 2, 3])):
            piece, more = part(pattern)
            text += rng.choice([" ", "\n"]) if text else ""
            labels += [(start + len(text), end + len(text), label) for start, end, label in more]
            text += piece
        if source == "pl-mistyped":
            text = mistyped_digits(text, labels, rng)
        if text in seen:
            continue
        seen.add(text)
        entities = [{"start": a, "end": b, "type": _TYPES[label]} for a, b, label in labels if label in _TYPES]
        language = {"pl-mistyped": "pl", "kk": "ru", "kkru": "ru"}.get(source, source)
        found.append({"text": text, "entities": entities, "lang": language, "source": source, "licence": "Apache-2.0"})
    return found


def with_telephones(generator: generate_en.Generator) -> Callable[[str], Labelled]:
    """Labels telephone numbers too, which the English generator does not."""

    def part(pattern: str) -> Labelled:
        text, labels = generator.part(pattern)
        if "{phone}" in pattern:
            found = re.search(r"\+?[(\d][\d ()-]{6,}\d", text)
            labels = [*labels, (*found.span(), "PHONE")] if found else labels
        return text, labels

    return part


def main() -> None:
    groups: dict[str, list[str]] = {}
    group = ""
    for line in PATTERNS.read_text("utf-8").splitlines():
        if line.startswith("## "):
            group = line[3:]
        elif line and not line.startswith("#"):
            groups.setdefault(group, []).append(line.replace("\\n", "\n"))
    polish = tables_pl.load()
    out = []
    for seed, source in ((71, "pl"), (72, "pl-mistyped")):
        made = generate_pl.Generator(tables=polish, rng=random.Random(seed), telephones=True, noise=False)
        typed = made.part if source == "pl" else lambda pattern, made=made: made.spoil(*made.part(pattern))
        out += rows(source, typed, groups["pl"], random.Random(seed + 100))
    for seed, source, language in ((73, "kk", "kazakh"), (74, "kkru", "russian"), (75, "ru", "russian")):
        maker = generate_kk.Generator(rng=random.Random(seed), telephones=True, people="ru" if source == "ru" else "kk")
        out += rows(
            source, lambda pattern, m=maker, k=language: m.part(pattern, k), groups[source], random.Random(seed + 100)
        )
    common = polish.english
    english = generate_en.Generator(tables=tables.load(), rng=random.Random(76), common=common)
    out += rows("en", with_telephones(english), groups["en"], random.Random(176))
    lines = [json.dumps(row, ensure_ascii=False) for row in out]
    Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(len(lines), "rows")


if __name__ == "__main__":
    main()
