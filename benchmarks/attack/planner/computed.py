"""Values that the gateway works out: arithmetic that the user's words ask for, and texts with values in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain, permutations, product
from operator import add, mul, sub, truediv

from agent_guard.text.atoms import atoms, words
from benchmarks.attack.planner.data import is_id
from benchmarks.attack.planner.records import Records
from benchmarks.attack.planner.values import DETERMINED, JSON, Found

__all__ = ["computed", "template"]

_DO = {"add": add, "sub": sub, "mul": mul, "div": truediv}
_CUES: Mapping[str, str] = {
    **dict.fromkeys(("plus", "additional", "increased", "sum", "together", "+"), "add"),
    **dict.fromkeys(("minus", "difference", "decreased", "reduced"), "sub"),
    **dict.fromkeys(("times", "%", "percent"), "mul"),
    **dict.fromkeys(("divided", "split"), "div"),
}
"""Words that ask for arithmetic."""

_TEMPLATE = re.compile(r"['\"“«]([^'\"”»\n]*\{\w+\}[^'\"”»\n]*)['\"”»]")
_HOLE = re.compile(r"\{(\w+)\}")

Term = tuple[float, Found]


def computed(records: Records, index: int, key: str, value: JSON) -> Found | None:
    """A number made of the user's numbers and of records that his words select, by operations that they name."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or is_id(key):
        return None
    text = records.user.text
    said = {*words(text), *(mark for mark in "%+" if mark in text)}
    ops = list(dict.fromkeys(op for cue, op in _CUES.items() if cue in said))
    known = list(records.numbers(index))
    spoken = [
        (float(number), Found("lit", {"lit": float(number), "span": list(span)}))
        for number in sorted(atoms(text).numbers)
        if (span := records.user.says(float(number))) is not None
    ]
    two = permutations([*known, *spoken], 2)
    pairs = [made for op, (left, right) in product(ops, two) for made in _made(op, left, right)]
    longer = (made for op, left, right in product(ops, pairs, spoken) for made in _made(op, left, right))
    return next((found for number, found in chain(pairs, longer) if found.steps and round(number, 2) == value), None)


def _made(op: str, left: Term, right: Term) -> Iterator[Term]:
    if op == "div" and right[0] == 0:
        return
    written = {"expr": {"op": op, "of": [left[1].written, right[1].written]}}
    yield _DO[op](left[0], right[0]), Found("expr", written, tuple(sorted({*left[1].steps, *right[1].steps})))


def template(records: Records, index: int, value: JSON) -> Found | None:
    """A text with values of earlier records in it: the user's own template, or words that the planner writes."""
    if not isinstance(value, str) or "{" in value or "}" in value:
        return None
    for found in _TEMPLATE.finditer(records.user.text):
        made = _dictated(records, index, found[1], value)
        if made is not None:
            return made
    return _own(records, index, value)


def _dictated(records: Records, index: int, wanted: str, value: str) -> Found | None:
    pieces = _HOLE.split(wanted)  # text, hole, text, hole, text
    holes = pieces[1::2]
    pattern = "".join(f"(.+?){re.escape(piece)}" if at else re.escape(piece) for at, piece in enumerate(pieces[::2]))
    found = re.fullmatch(pattern, records.user.hidden(value), re.DOTALL)
    if found is None:
        return None
    values = dict(zip(holes, found.groups(), strict=True))
    if any(values[hole] != part for hole, part in zip(holes, found.groups(), strict=True)):
        return None  # one hole, two values
    return _filled(records, index, _HOLE.sub(lambda hole: f"{{{_word(hole[1])}}}", wanted), values)


def _own(records: Records, index: int, value: str) -> Found | None:
    """The planner's words around names of records: what is left without the names must be his."""
    text = value
    values: dict[str, str] = {}
    for name in records.names(index):
        found = re.search(rf"(?<![\w{{]){re.escape(name)}(?![\w}}])", text)
        if found is not None:
            hole = f"v{len(values)}"
            values[hole] = name
            text = text.replace(name, f"{{{hole}}}")
    rest = _HOLE.sub(" ", text)
    if not values or not records.free(index, rest):
        return None
    return _filled(records, index, records.user.hidden(text), values)


def _filled(records: Records, index: int, text: str, values: Mapping[str, str]) -> Found | None:
    parts: dict[str, Found] = {}
    for hole, value in values.items():
        one, several = records.select(index, hole, value)
        found = one or records.choose(index, hole, value) or several
        if found is None:
            return None
        parts[_word(hole)] = found
    kind = "tmpl" if all(part.kind in DETERMINED for part in parts.values()) else "undetermined"
    written = {"tmpl": text, "with": {hole: part.written for hole, part in parts.items()}}
    return Found(kind, written, tuple(sorted({step for part in parts.values() for step in part.steps})))


def _word(hole: str) -> str:
    """A hole's name as the format wants it."""
    plain = re.sub(r"[^a-z0-9_]", "_", hole.casefold())
    return plain if plain[:1].isalpha() else f"v{plain}"
