"""Which record of an earlier step a value is of: the only one, the one that the user's words name, or the one that his
superlative chooses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from agent_guard.plan.check import said
from agent_guard.text.atoms import day_of, words
from benchmarks.attack.planner.data import alike, at, is_id, nodes, paths, texts
from benchmarks.attack.planner.user import User
from benchmarks.attack.planner.values import JSON, Done, Found

__all__ = ["Records"]

_WHEN = "date time timestamp modified start"
_SUPERLATIVES: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("largest", "biggest", "longest"), ("argmax", "size amount length")),
    **dict.fromkeys(("smallest", "shortest"), ("argmin", "size amount length")),
    **dict.fromkeys(("most", "highest", "greatest", "top", "maximum"), ("argmax", "")),
    **dict.fromkeys(("least", "lowest", "fewest", "minimum"), ("argmin", "")),
    "best": ("argmax", "rating score"),
    "worst": ("argmin", "rating score"),
    "cheapest": ("argmin", "price cost"),
    "most expensive": ("argmax", "price cost"),
    **dict.fromkeys(("newest", "latest", "most recent"), ("argmax", _WHEN)),
    **dict.fromkeys(("oldest", "earliest"), ("argmin", _WHEN)),
}
"""A superlative -> which end it means, and the words of fields that it measures by itself; ``highest`` alone measures
nothing, and ``highest rating`` a rating.
"""

_AFTER = 3
"""How many words after a superlative may name what is measured."""


def _is(value: JSON, wanted: JSON) -> bool:
    """Whether a field is what a condition wants: a value, or a text with a word of the user's in it."""
    if not isinstance(wanted, Mapping):
        return bool(value == wanted)
    return isinstance(value, str) and _holds(value, wanted["has"])


def _holds(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word.casefold())}", text.casefold()) is not None


class Records:
    """What the calls returned, as a planner may speak of it before they have run.

    ``led_to`` holds the steps whose arguments leave no choice. Of another step nobody can know how much it returns, so
    a value of it is never "the only one".
    """

    def __init__(self, user: User, calls: Sequence[Done]) -> None:
        self.user, self.calls = user, calls
        self.led_to: set[int] = set()
        self._measures = list(_measures(user.text))

    def select(self, index: int, key: str, value: JSON) -> tuple[Found | None, Found | None]:
        """(a selection that has exactly this value, a selection that has it among others)."""
        several: Found | None = None
        for step, path in self._places(index, key, value):
            for where in self._wheres(step, path):
                rows = self._rows(step, path, where)
                if rows and all(alike(row[_last(path)], value) for row in rows):
                    return Found("rec", {"rec": _selection(step, path, where)}, (step,)), None
            several = several or Found("undetermined", {"rec": _selection(step, path, {})}, (step,))
        return None, several

    def choose(self, index: int, key: str, value: JSON) -> Found | None:
        """The record that a superlative of the user's text chooses, if the value is of it."""
        for step, path in self._places(index, key, value):
            above = path.rpartition(".")[0]
            for op, measured in self._measures:
                for by in dict.fromkeys(key for row in self._rows(step, path, {}) for key in row):
                    if not measured & _stems(by.replace("_", " ")):
                        continue
                    for where in ({}, *self._said_wheres(step, path)):
                        best = _best(op, by, self._rows(step, f"{above}.{by}", where))
                        if best is not None and alike(best.get(_last(path)), value):
                            named = {"op": op, "over": f"s{step + 1}", "by": f"{above}.{by}", "field": path}
                            return Found("sel", {"sel": named | ({"where": where} if where else {})}, (step,))
        return None

    def numbers(self, index: int) -> Iterator[tuple[float, Found]]:
        """The numbers of earlier records that the user's words select, amounts and not ids."""
        for step in range(index):
            every = dict.fromkeys(
                (path, value)
                for node in nodes(self.calls[step].trusted)
                for value in node.values()
                if isinstance(value, (int, float)) and not isinstance(value, bool)
                for path in paths(self.calls[step].trusted, "trusted", value)
                if not is_id(path)
            )
            for path, value in every:
                for where in self._wheres(step, path):
                    rows = self._rows(step, path, where)
                    if rows and all(row[_last(path)] == value for row in rows):
                        yield value, Found("rec", {"rec": _selection(step, path, where)}, (step,))
                        break

    def names(self, index: int) -> list[str]:
        """The texts of earlier records that the user did not say, the longest first."""
        every = {text for call in self.calls[:index] for text in texts(call.trusted) if len(text) > 2}
        return sorted((text for text in every if not said(text, self.user.shown)), key=len, reverse=True)

    def outputs(self, index: int, *, outside: bool = False) -> str:
        """All that earlier calls returned, as text; or what outsiders wrote of it."""
        halves = [half for call in self.calls[:index] for half in ([] if outside else [call.trusted]) + [call.outside]]
        return "\n".join(item for half in halves for item in texts(half))

    def free(self, index: int, value: JSON) -> bool:
        """Whether a planner can have written a value before anything was returned. That a record is of the same day or
        hour tells nothing.
        """
        moment = isinstance(value, str) and day_of(value) is not None
        return not self.user.could_not_know(value, self.outputs(index, outside=moment))

    def in_outside(self, index: int, value: JSON) -> Found | None:
        """The first earlier step whose outside text says a value."""
        for step in range(index):
            text = "\n".join(texts(self.calls[step].outside))
            if text and value != "" and said(value if isinstance(value, (int, float)) else str(value), text):
                return Found("extract", {"extract": {"step": f"s{step + 1}"}}, (step,))
        return None

    def _places(self, index: int, key: str, value: JSON) -> Iterator[tuple[int, str]]:
        for step in range(index):
            for path in dict.fromkeys(paths(self.calls[step].trusted, "trusted", value)):
                if is_id(path) == is_id(key):  # no coercion between types: an amount is not the number of a record
                    yield step, path

    def _rows(self, step: int, path: str, where: Mapping[str, JSON]) -> list[Mapping[str, JSON]]:
        *above, last = path.split(".")
        return [
            node
            for node in at({"trusted": self.calls[step].trusted}, above)
            if last in node and all(_is(node.get(key), wanted) for key, wanted in where.items())
        ]

    def _wheres(self, step: int, path: str) -> Iterator[dict[str, JSON]]:
        if step in self.led_to:
            yield {}
        yield from self._said_wheres(step, path)

    def _said_wheres(self, step: int, path: str) -> Iterator[dict[str, JSON]]:
        """One and two fields beside the value that are what the user's text says."""
        last = _last(path)
        pairs = dict.fromkeys(
            (key, item)
            for node in nodes(self.calls[step].trusted)
            if last in node
            for key, item in node.items()
            if key != last and isinstance(item, (str, int, float)) and not isinstance(item, bool) and item != ""
            and self.user.says(self.user.hidden(item))
        )  # fmt: skip
        for size in (1, 2):
            for chosen in combinations(pairs, size):
                if len({key for key, _ in chosen}) == size:
                    yield dict(chosen)
        yield from self._held_wheres(step, last)

    def _held_wheres(self, step: int, last: str) -> Iterator[dict[str, JSON]]:
        """One field beside the value that holds a name of the user's text: a word with a capital letter."""
        beside = [node for node in nodes(self.calls[step].trusted) if last in node]
        for word in dict.fromkeys(re.findall(r"\b(?=\w*[A-Z])\w{3,}", self.user.shown)):
            held = (
                key for node in beside for key, item in node.items() if isinstance(item, str) and _holds(item, word)
            )
            for key in dict.fromkeys(held):
                yield {key: {"has": word}}


def _last(path: str) -> str:
    return path.rsplit(".", 1)[-1]


def _selection(step: int, path: str, where: Mapping[str, JSON]) -> JSON:
    return {"step": f"s{step + 1}", "field": path} | ({"where": dict(where)} if where else {})


def _stems(text: str) -> set[str]:
    return {word.removesuffix("s") for word in words(text)}


def _measures(text: str) -> Iterator[tuple[str, set[str]]]:
    """For each superlative of a text, which end it means and the words that may name the field."""
    longest_first = sorted(_SUPERLATIVES, key=len, reverse=True)
    for found in re.finditer(rf"\b(?:{'|'.join(longest_first)})\b", text.casefold()):
        op, fields = _SUPERLATIVES[found[0]]
        after = re.split(r"[.!?,;:\n]", text[found.end() :], maxsplit=1)[0]
        yield op, {*fields.split(), *(word.removesuffix("s") for word in words(after)[:_AFTER])}


def _best(op: str, by: str, rows: Sequence[Mapping[str, JSON]]) -> Mapping[str, JSON] | None:
    """The one row at that end, where all can be compared."""
    keys = [row[by] for row in rows]
    numbers = all(isinstance(key, (int, float)) and not isinstance(key, bool) for key in keys)
    if not keys or not (numbers or all(isinstance(key, str) and day_of(key) is not None for key in keys)):
        return None
    end = max(keys) if op == "argmax" else min(keys)
    found = [row for row, key in zip(rows, keys, strict=True) if key == end]
    return found[0] if len(found) == 1 else None
