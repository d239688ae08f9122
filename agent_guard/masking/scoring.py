"""Scores what masking finds in labelled texts: recall, precision, and the share of personal values that is hidden."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeInt, TypeAdapter, ValidationError

from agent_guard.errors import ConfigError

__all__ = ["TYPES", "Found", "Score", "by_source", "read_rows", "score"]

TYPES = ("PERSON", "PHONE", "EMAIL", "ID", "CARD", "IBAN", "LOCATION", "ORG")
Found = tuple[int, int, str]
_MOST = 0.5
_ALL = 0.95


@dataclass(frozen=True, kw_only=True)
class Score:
    """What was found of one type; shares of 1.

    Args:
        gold: labelled values.
        recall: values of which predictions of the same type cover at least half.
        precision: predictions of which labelled values of the same type cover at least half.
        hidden: values of which predictions of any type cover at least 95 %.
    """

    gold: int
    recall: float
    precision: float
    hidden: float


class _Label(BaseModel):
    model_config = ConfigDict(extra="ignore")

    start: NonNegativeInt
    end: NonNegativeInt
    type: str


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore")

    text: str
    entities: list[_Label]
    lang: str
    source: str = ""


_ROW = TypeAdapter(_Row)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Reads a labelled set: JSON Lines of ``text, entities [{start, end, type}], lang``, and ``source`` where a file
    holds several sets. Offsets count characters; a type is one of ours, and others are not counted.

    Raises:
        ConfigError: it cannot be read, or a line is something else; names the line and repeats nothing of it.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = "no UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or type(error).__name__
        raise ConfigError(f"the labelled set {path} cannot be read: {why}; give a file of JSON Lines") from None
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = _ROW.validate_json(line).model_dump()
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            raise ConfigError(f"{path}, line {number}: {where}: {first['msg']}") from None
        if any(not item["start"] < item["end"] <= len(row["text"]) for item in row["entities"]):
            raise ConfigError(f"{path}, line {number}: a label does not lie in the text")
        rows.append(row)
    return rows


def by_source(rows: Iterable[dict[str, Any]]) -> Mapping[str, list[dict[str, Any]]]:
    """Parts a set by its rows' source."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["source"], []).append(row)
    return found


def _covered(start: int, end: int, spans: Sequence[tuple[int, int]]) -> float:
    hit = {place for a, b in spans for place in range(max(a, start), min(b, end))}
    return len(hit) / (end - start)


def score(
    rows: Iterable[Mapping[str, Any]], predict: Callable[[str, str], Iterable[Found]]
) -> tuple[dict[str, Score], list[float]]:
    """Returns the score of each type that is labelled, and the CPU milliseconds of each text.

    Args:
        predict: (text, language code) -> (start, end, type) of what was found.
    """
    counts: dict[str, list[int]] = {kind: [0] * 5 for kind in TYPES}
    times = []
    for row in rows:
        began = time.process_time()
        found = [span for span in predict(row["text"], row["lang"]) if span[1] > span[0]]
        times.append((time.process_time() - began) * 1000)
        gold = [(e["start"], e["end"], e["type"]) for e in row["entities"] if e["end"] > e["start"]]
        for start, end, kind in gold:
            if kind in counts:
                counts[kind][0] += 1
                counts[kind][1] += _covered(start, end, [(a, b) for a, b, other in found if other == kind]) >= _MOST
                counts[kind][2] += _covered(start, end, [(a, b) for a, b, _ in found]) >= _ALL
        for start, end, kind in found:
            if kind in counts:
                counts[kind][3] += 1
                counts[kind][4] += _covered(start, end, [(a, b) for a, b, other in gold if other == kind]) >= _MOST
    return {
        kind: Score(gold=n, recall=hit / n, precision=right / max(1, predicted), hidden=hidden / n)
        for kind, (n, hit, hidden, predicted, right) in counts.items()
        if n
    }, times
