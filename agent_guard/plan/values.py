"""What the values of a plan's sources are: compared, looked up in what earlier steps returned, worked out. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from operator import add, mul, sub, truediv
from typing import Any

from agent_guard.plan import Choice, Const, Expr, Has, Lit, Rec, Sel, Selection, Tmpl
from agent_guard.text.atoms import moment_of, plain, same_moment, same_text
from agent_guard.types import JSON

__all__ = ["RECORDS_MAX", "Known", "Results", "looked_up", "one", "tied", "worked_out"]

RECORDS_MAX = 1000
"""How many records of earlier steps are looked through; where there are more, the value counts as not determined."""

_CODE = re.compile(r"(?=\S*[\d/]|\S*[^\W\d_A-ZА-ЯЁ]\S*[A-ZА-ЯЁ])\S+")
"""An id or a link: a digit, a stroke, or a capital behind a small letter."""

Results = Mapping[str, Sequence[JSON]]
"""Step -> the results of its calls so far, masked."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What values are compared with.

    Args:
        doubtful: steps whose results determine nothing.
        unseen: what calls returned that made something which nobody looked at.
    """

    results: Results
    reveal: Callable[[str], str]
    doubtful: frozenset[str] = frozenset()
    unseen: Sequence[JSON] = ()

    def unsure(self, value: JSON) -> bool:
        """Whether a value names what a call has made that nobody looked at, by whatever way it is found again."""
        return any(self.same(str(leaf), str(value)) for leaf in _ends(list(self.unseen)))

    def same(self, left: JSON, right: JSON) -> bool:
        """Equal as what they are: texts but for case, width and spaces, numbers and moments by their value."""
        if isinstance(left, bool) or isinstance(right, bool):
            return left is right
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            return Decimal(str(left)) == Decimal(str(right))
        if isinstance(left, str) and isinstance(right, str):
            one, other = self.reveal(left), self.reveal(right)
            return _alike(one.split(), other.split()) or same_moment(one, other)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            return left.keys() == right.keys() and all(self.same(left[key], right[key]) for key in left)
        if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
            return len(left) == len(right) and all(self.same(a, b) for a, b in zip(left, right, strict=True))
        return left is None and right is None


def _ends(value: JSON) -> Iterator[JSON]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _ends(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _ends(item)
    elif value not in (None, "") and not isinstance(value, bool):
        yield value


def _alike(left: Sequence[str], right: Sequence[str]) -> bool:
    """The same words; in an id or a link a capital is another letter."""
    return len(left) == len(right) and all(
        one == other if _CODE.fullmatch(one) or _CODE.fullmatch(other) else same_text(one, other)
        for one, other in zip(left, right, strict=True)
    )


def worked_out(source: Any, seen: Known) -> JSON:
    """The one value of a source, or None where there is none or there are several."""
    match source:
        case Lit():
            return source.lit
        case Const():
            return source.const
        case Rec():
            values = looked_up(source.rec, seen)
            return values[0] if one(values, seen) else None
        case Sel():
            return _chosen(source.sel, seen)
        case Expr():
            return _sum(source.expr.op, [worked_out(item, seen) for item in source.expr.of])
        case Tmpl():
            parts = {key: worked_out(item, seen) for key, item in source.parts.items()}
            known = all(item is not None for item in parts.values())
            return re.sub(r"\{([^{}]*)\}", lambda hole: str(parts[hole[1]]), source.tmpl) if known else None
    return None


def _sum(op: str, terms: Sequence[JSON]) -> JSON:
    numbers = [term for term in terms if isinstance(term, (int, float)) and not isinstance(term, bool)]
    if len(numbers) != len(terms):
        return None
    total, *rest = [Decimal(str(term)) for term in numbers]
    try:
        for term in rest:
            total = {"add": add, "sub": sub, "mul": mul, "div": truediv}[op](total, term)
        return float(total.quantize(Decimal("0.01")))
    except ArithmeticError:
        return None


def _chosen(choice: Choice, seen: Known) -> JSON:
    """The field of the record whose ``by`` is largest or smallest; None for a tie, or where one cannot be compared."""
    found = tied(choice, seen)
    return found[0] if len(found) == 1 else None


def tied(choice: Choice, seen: Known) -> list[JSON]:
    """The field of every record whose ``by`` is largest or smallest; none where they cannot be compared."""
    if choice.by.split(".")[:-1] != choice.field.split(".")[:-1]:
        return []  # not fields of one record
    rows = _rows(Selection(step=choice.over, field=choice.by, where=choice.where), seen)
    keys = [_key(row[choice.by.split(".")[-1]]) for row in rows]
    if not keys or len(rows) > RECORDS_MAX or len({type(key) for key in keys}) != 1 or None in keys:
        return []
    try:
        best = max(keys) if choice.op == "argmax" else min(keys)  # type: ignore[type-var]
    except TypeError:  # moments with and without a zone
        return []
    return [row.get(choice.field.split(".")[-1]) for row, key in zip(rows, keys, strict=True) if key == best]


def _key(value: JSON) -> Decimal | datetime | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Decimal(str(value))
    return moment_of(value) if isinstance(value, str) else None


def _rows(selection: Selection, seen: Known) -> list[Mapping[str, JSON]]:
    return list(islice(_records(seen.results.get(selection.step, ()), selection, seen), RECORDS_MAX + 1))


def looked_up(selection: Selection, seen: Known) -> list[JSON]:
    """The field of every record that fits, as the earlier step returned it."""
    return [row[selection.field.split(".")[-1]] for row in _rows(selection, seen)]


def one(values: Sequence[JSON], seen: Known) -> bool:
    """Whether there is a value, and no other."""
    return 0 < len(values) <= RECORDS_MAX and all(seen.same(values[0], item) for item in values[1:])


def _records(results: Sequence[JSON], selection: Selection, seen: Known) -> Iterator[Mapping[str, JSON]]:
    *above, last = selection.field.split(".")
    for node in _down(list(results), above, last):
        if last in node and all(_is(node.get(key), wanted, seen) for key, wanted in selection.where.items()):
            yield node


def _is(value: JSON, wanted: Any, seen: Known) -> bool:
    if not isinstance(wanted, Has):
        return seen.same(value, wanted)
    phrase = re.escape(plain(seen.reveal(wanted.has)))
    return isinstance(value, str) and re.search(rf"(?<!\w){phrase}", plain(seen.reveal(value))) is not None


def _down(node: JSON, path: Sequence[str], last: str) -> Iterator[Mapping[str, JSON]]:
    """The objects at a path; lists are looked through, and one that is the only list of its object is meant."""
    if isinstance(node, list):
        for item in node:
            yield from _down(item, path, last)
    elif isinstance(node, Mapping):
        head = path[0] if path else last
        if head not in node:
            inside = [item for item in node.values() if isinstance(item, (list, Mapping)) and item]
            if len(inside) == 1:
                yield from _down(inside[0], path, last)
        elif path:
            yield from _down(node[path[0]], path[1:], last)
        else:
            yield node
