"""Reads the KPWr corpus (CC BY 3.0) and makes copies of it with other people in the same case and gender."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from generate_pl import Generator, Labelled
from tables_pl import CASES, foreign, morfeusz

_GLUED = set(".,!?;:)]}”»…%")
_OPENING = set("([{„«")


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One annotated sentence: (word, morphological tag, label in BIO) each."""

    document: str
    words: list[tuple[str, str, str]]


def kind_of(label: str) -> str:
    """Our label of one of KPWr's: people, places, companies, and MISC for every other name of a thing."""
    if label == "nam_liv_person":
        return "PER"
    if label.startswith(("nam_loc", "nam_fac")):
        return "LOC"
    if label.startswith("nam_org") and label != "nam_org_nation":
        return "ORG"
    if label.startswith(("nam_pro", "nam_eve", "nam_liv", "nam_oth")):
        return "MISC"
    return ""


def read(path: Path) -> Iterator[Sentence]:
    document, words = "", []
    for line in [*path.read_text("utf-8").splitlines(), ""]:
        if line.startswith("-DOCSTART FILE"):
            document = line.split()[-1]
        elif line.strip() and not line.startswith("-DOCSTART"):
            word, _, tag, label = line.split("\t")
            words.append((word, tag, label.split("#")[0]))
        elif words:
            yield Sentence(document=document, words=words)
            words = []


def held_out(sentence: Sentence) -> bool:
    """Whether a sentence belongs to the part that no model is trained with: every eighth document."""
    return sum(sentence.document.encode()) % 8 == 6


def text_of(words: list[tuple[str, str, str]]) -> Labelled:
    """Joins words the way people write, with labels as offsets."""
    text, labels, opened = "", [], True
    before = "O"
    for word, _, label in words:
        if text and not opened and word not in _GLUED:
            text += " "
        opened = word in _OPENING
        start, end, kind = len(text), len(text) + len(word), kind_of(label[2:])
        if kind:
            if label[0] == "I" and labels and before[2:] == label[2:] and labels[-1][2] == kind:
                labels[-1] = (labels[-1][0], end, kind)
            else:
                labels.append((start, end, kind))
        before = label
        text += word
    return text, labels


def _case_and_sex(word: str, tag: str) -> tuple[str, str]:
    """The case and gender of a noun in the singular, empty where the tag says something else."""
    fields = tag.split(":")
    if fields[0] != "subst" or len(fields) < 4 or fields[1] != "sg" or fields[2] not in CASES or not word[:1].isupper():
        return "", ""
    return fields[2], fields[3][0]


def _swap(word: str, tag: str, generator: Generator, first: bool) -> str | None:
    case, sex = _case_and_sex(word, tag)
    if sex not in ("m", "f"):
        return None
    readings = [labels for _, _, (_, _, _, labels, _) in morfeusz().analyse(word)]
    as_first = any("imię" in labels for labels in readings)
    if as_first and (first or not any("nazwisko" in labels for labels in readings)):
        return generator.first(case, sex, 0.1)
    if generator.rng.random() < 0.2:
        return foreign(generator.rng.choice(generator.tables.world_last), sex)[case]
    return generator.last(case, sex)


def swapped(sentence: Sentence, generator: Generator) -> Labelled | None:
    """A copy with every person, most towns and some companies replaced.

    None where there are none, or a person that cannot be declined alike.
    """
    words, changed = [], False
    for place, (word, tag, label) in enumerate(sentence.words):
        following = sentence.words[place + 1][2] if place + 1 < len(sentence.words) else "O"
        case, _ = _case_and_sex(word, tag)
        if case and label.startswith("B-nam_loc_gpe") and following[0] != "I" and generator.rng.random() < 0.7:
            words.append((generator.foreign_town(case), tag, label))
            changed = True
            continue
        if word.isalpha() and label == "B-nam_org_company" and following[0] != "I" and generator.rng.random() < 0.5:
            words.append((generator.coined(), tag, label))
            changed = True
            continue
        if label[2:] == "nam_liv_person" and word.isalpha() and len(word) > 1:
            starts = (
                label[0] == "B"
                and place + 1 < len(sentence.words)
                and sentence.words[place + 1][2] == "I-nam_liv_person"
            )
            other = _swap(word, tag, generator, starts)
            if other is None:
                return None
            words.append((other, tag, label))
            changed = True
        else:
            words.append((word, tag, label))
    return text_of(words) if changed else None


def corpus(path: Path, generator: Generator, copies: int) -> tuple[list[Labelled], list[Labelled], list[Labelled]]:
    """Returns (training text, its copies with other people, text held out)."""
    sentences = list(read(path))
    kept = [sentence for sentence in sentences if not held_out(sentence)]
    rng = random.Random(11)
    plain = []
    block: list[tuple[str, list[tuple[int, int, str]]]] = []
    # sentences stand alone or in runs, as messages do
    for sentence in kept:
        block.append(text_of(sentence.words))
        if len(block) >= rng.choice([1, 1, 2, 3]):
            plain.append(_joined(block))
            block = []
    other = [found for _ in range(copies) for sentence in kept if (found := swapped(sentence, generator))]
    return plain, other, [text_of(sentence.words) for sentence in sentences if held_out(sentence)]


def _joined(block: list[Labelled]) -> Labelled:
    text, labels = "", []
    for piece, found in block:
        text += " " if text else ""
        labels += [(start + len(text), end + len(text), kind) for start, end, kind in found]
        text += piece
    return text, labels
