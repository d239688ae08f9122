"""Trains the Kazakh name model that ships in `agent_guard/masking/models/`.

usage: python training/train_kk.py --data FOLDER OUTPUT [--messages 3000] [--iterations 75]

FOLDER holds `kaznerd-valid.iob2` (KazNERD, CC BY 4.0); its last eighth is held out and scored at the end. Needs
python-crfsuite, airlock-pii and Faker; using the model needs python-crfsuite only. Prints the SHA-256 of both files.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import learn  # noqa: E402
from generate_kk import Generator, Labelled, faker_russian, lists  # noqa: E402
from train_pl import pack  # noqa: E402

from agent_guard.masking.crf import read_classes  # noqa: E402
from agent_guard.masking.crf_features import tokens  # noqa: E402
from agent_guard.masking.features_kk import KazakhWords, spelled_plainly  # noqa: E402
from agent_guard.masking.words import words as word_list  # noqa: E402

_KINDS = {"PERSON": "PER", "GPE": "LOC", "LOCATION": "LOC", "FACILITY": "LOC", "ORGANISATION": "ORG",
          "ART": "MISC",
          "PRODUCT": "MISC", "EVENT": "MISC", "PROJECT": "MISC", "LAW": "MISC", "ADAGE": "MISC"}  # fmt: skip
_OPENING = set("«([{„")


def read(path: Path) -> list[Labelled]:
    """Reads KazNERD, joins its tokens into text, and keeps labels as offsets."""
    found, text, labels, opened = [], "", [], True
    for line in [*path.read_text("utf-8").splitlines(), ""]:
        word, _, label = line.strip().rpartition(" ")
        if not word:
            if text:
                found.append((text, labels))
            text, labels, opened = "", [], True
            continue
        if text and not opened and word not in ".,!?;:)]}»…%":
            text += " "
        opened = word in _OPENING
        kind = _KINDS.get(label[2:])
        if kind:
            start, end = len(text), len(text) + len(word)
            if label[0] == "I" and labels and labels[-1][2] == kind:
                labels[-1] = (labels[-1][0], end, kind)
            else:
                labels.append((start, end, kind))
        text += word
    return found


def classes(rows: list[Labelled]) -> dict[str, str]:
    """Class letters by plainly spelled word: K R first names, S surname, P place, W seen in lower case."""
    kinds: dict[str, set[str]] = {}

    def add(names: list[str] | frozenset[str], letter: str) -> None:
        for name in names:
            for part in re.findall(r"[^\W\d_]{3,}", name):
                kinds.setdefault(spelled_plainly(part), set()).add(letter)

    kazakhs, russians, places = lists("given_names_kk"), lists("given_names_ru"), lists("places")
    add([*kazakhs["male"], *kazakhs["female"], *word_list("first_kk")], "K")
    add([*russians["male"], *russians["female"], *russians["short"], *faker_russian()[0]], "R")
    add(faker_russian()[1], "S")
    add([*places["kz"], *places["other"]], "P")
    lower: Counter[str] = Counter()
    for text, labels in rows:
        outside = "".join(" " if any(s <= i < e for s, e, _ in labels) else char for i, char in enumerate(text))
        lower.update(spelled_plainly(word) for word in re.findall(r"[^\W\d_]{3,}", outside) if word.islower())
    for word, count in lower.items():
        if count >= 3:
            kinds.setdefault(word, set()).add("W")
    return {word: "".join(sorted(letters)) for word, letters in kinds.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("output", type=Path)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--iterations", type=int, default=75)
    arguments = parser.parse_args()

    rows = read(arguments.data / "kaznerd-valid.iob2")
    cut = len(rows) * 7 // 8
    real, unseen = rows[:cut], rows[cut:]
    generator = Generator(rng=random.Random(20260401))
    made = [generator.message() for _ in range(arguments.messages)]
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "kk.classes.zlib").write_bytes(pack(classes(real)))
    words = KazakhWords(read_classes(arguments.output / "kk.classes.zlib"))
    print(f"{len(real)} real, {len(made)} generated, {len(unseen)} held out", flush=True)
    learn.train(
        [*real, *made], words, tokens, arguments.output / "kk.crfsuite",
        c1=0.15, c2=0.02, max_iterations=arguments.iterations, minfreq=2,
    )  # fmt: skip
    learn.report(arguments.output, ("kk.classes.zlib", "kk.crfsuite"))

    from agent_guard.masking.names_kk import KazakhNames

    finder = KazakhNames(arguments.output, checked=False)
    learn.print_scores(unseen, finder.find)


if __name__ == "__main__":
    main()
