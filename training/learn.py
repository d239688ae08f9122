"""What the three training programs share: labels of tokens, the trainer's settings, and a score."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pycrfsuite

from agent_guard.masking.crf_features import WordTable, features
from agent_guard.masking.scoring import score

Labels = list[tuple[int, int, str]]
Labelled = tuple[str, Labels]


def sequence(
    text: str, labels: Labels, words: WordTable, tokens: Callable[[str], list[Any]]
) -> tuple[list[list[str]], list[str]]:
    """Turns one labelled text into features and BIO labels."""
    found = tokens(text)
    tags = []
    for token in found:
        tag = "O"
        for start, end, label in labels:
            if start < token.end() and token.start() < end and token[0] != "\n":
                tag = ("B-" if token.start() <= start else "I-") + label
                break
        tags.append(tag)
    return features([token[0] for token in found], words), tags


def train(
    rows: Iterable[Labelled], words: WordTable, tokens: Callable[[str], list[Any]], target: Path, **settings: float
) -> None:
    """Trains with L-BFGS, which is deterministic, and writes the model."""
    began = time.monotonic()
    trainer = pycrfsuite.Trainer(verbose=False)
    trainer.set_params({name.replace("minfreq", "feature.minfreq"): value for name, value in settings.items()})
    count = 0
    for text, labels in rows:
        if text.strip():
            trainer.append(*sequence(text, labels, words, tokens))
            count += 1
    print(f"{count} texts prepared in {time.monotonic() - began:.0f} s", flush=True)
    trainer.train(str(target))
    print(f"trained in {time.monotonic() - began:.0f} s", flush=True)


def report(folder: Path, names: Sequence[str]) -> None:
    """Prints size and SHA-256 of the files, for `agent_guard/masking/weights.py`."""
    for name in names:
        data = (folder / name).read_bytes()
        print(name, len(data), hashlib.sha256(data).hexdigest())


_TYPES = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORG"}


def print_scores(rows: Iterable[Labelled], find: Callable[[str], Iterable[Any]]) -> None:
    """Prints recall and precision of a model on text that it was not trained with."""
    labelled = [
        {
            "text": text, "lang": "",
            "entities": [{"start": a, "end": b, "type": _TYPES[kind]} for a, b, kind in labels if kind in _TYPES],
        }
        for text, labels in rows
    ]  # fmt: skip
    scores, _ = score(labelled, lambda text, _: [(span.start, span.end, span.type) for span in find(text)])
    for kind, found in scores.items():
        print(f"held out {kind}: {found.gold} gold, recall {found.recall:.3f}, precision {found.precision:.3f}")
