"""A simulated planner: it writes the plan that a careful model would write from the user's words and the tool list.

It is an algorithm and no table per task, and it KNOWS THE GROUND TRUTH: it is told which calls the user's task takes,
with which values, and decides only where each value can be said to come from. So what it reaches is the upper bound of
threat model T1 (the planner saw trusted text only); a real planner misses steps and sources that this one has. ``miss``
makes it worse: each source that is not the user's literal words becomes "filled in later" with that probability.

For each value, the first that holds:

    lit      it stands in the user's masked text: as a phrase, a number, or a day and time in words
    rec      one record of an earlier step's trusted result has it, and is the only one, or the only one whose other
             fields are what the user's text says
    const    closed words (truth values, enums), and text that nothing of which comes from a tool's output
    rec      it is among the trusted values of an earlier step, but which one is not determined: asks
    extract  it stands in outside text that an earlier step returns: asks
    late     anything else: asks

Text that people will read counts as literal only where the user dictated it (in quotes, or after a colon), because
AgentDojo's ground truth abbreviates what a model would write ("Two more activities", "<summary>").
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from agent_guard.atoms import day_of, plain, time_of, words
from agent_guard.plan_check import said

__all__ = ["Done", "Planned", "Slot", "Traits", "plan_of"]

JSON = Any


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What the planner must know of a tool.

    Args:
        sensitive: arguments whose origin matters.
        words: arguments that are short text for a reader: a title, a subject.
        bodies: arguments that are the text itself: a message, a file's content.
        closed: arguments with a closed set of values.
        defaults: what an argument is that is left out.
    """

    sensitive: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    bodies: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    defaults: Mapping[str, JSON] = field(default_factory=dict)
    writes: bool = True


@dataclass(frozen=True, kw_only=True)
class Done:
    """One call of the ground truth, as it went in a copy of the world. Raw."""

    tool: str
    args: Mapping[str, JSON]
    trusted: JSON = None
    outside: JSON = None


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Where one value of a step was said to come from.

    Args:
        kind: lit, rec, const, undetermined, extract or late.
        source: the earlier step that it comes from.
    """

    step: int
    tool: str
    argument: str
    kind: str
    source: int | None
    value: JSON
    writes: bool


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The plan as a mapping, and its slots for the report."""

    plan: Mapping[str, JSON]
    slots: tuple[Slot, ...]

    def needs(self, step: int, telling: Collection[int]) -> set[int]:
        """The earlier steps whose results a step's values come from.

        Args:
            telling: the steps whose results say anything; of a value that comes later, all of these count.
        """
        needed: set[int] = set()
        for slot in self.slots:
            if slot.step == step and slot.kind == "late":
                needed |= {earlier for earlier in telling if earlier < step}
            elif slot.step == step and slot.source is not None:
                needed.add(slot.source)
        return needed


OPEN = ("late", "extract", "undetermined")
"""Kinds of sources that a person is asked about, where the call has an effect that cannot be thrown away."""

Source = tuple[str, int | None, JSON]
"""Its kind, the earlier step it comes from, and how the plan writes it."""


def plan_of(
    text: str,
    calls: Sequence[Done],
    tools: Mapping[str, Traits],
    *,
    hide: Mapping[str, str] | None = None,
    miss: float = 0.0,
    seed: int = 0,
) -> Planned:
    """Plans the calls.

    Args:
        text: the user's words as the thread shows them; offsets count in it.
        calls: in order, with what each returned.
        hide: value -> pseudonym, of the values that the user's text holds.
        miss: how often a source that is not literal is missed, 0 to 1.
        seed: makes the misses the same each time.
    """
    work = _Planner(text, calls, tools, dict(hide or {}), miss, random.Random(seed))
    return work.planned()


class _Planner:
    def __init__(
        self,
        text: str,
        calls: Sequence[Done],
        tools: Mapping[str, Traits],
        hide: Mapping[str, str],
        miss: float,
        chance: random.Random,
    ) -> None:
        self.text, self.calls, self.tools = text, calls, tools
        self.hide, self.miss, self.chance = hide, miss, chance
        self.clauses = list(_clauses(text))
        self.slots: list[Slot] = []

    def planned(self) -> Planned:
        steps = []
        for index, call in enumerate(self.calls):
            traits = self.tools.get(call.tool, Traits())
            args = {}
            for name, value in call.args.items():
                if name in traits.defaults and traits.defaults[name] == value:
                    continue
                args[name] = self._source(index, call, traits, name, value)
            steps.append({"id": f"s{index + 1}", "tool": call.tool, "evidence": self._evidence(call), "args": args})
        return Planned(plan={"steps": steps}, slots=tuple(self.slots))

    # ---- one value

    def _source(self, index: int, call: Done, traits: Traits, name: str, value: JSON) -> JSON:
        whole = self._whole(index, name, value) if isinstance(value, list) and value else None
        if whole is not None and not self._missed():
            return self._noted(index, call, name, ("rec", whole[0], {"rec": whole[1]}), value)
        if isinstance(value, list) and value:
            return [self._source(index, call, traits, name, item) for item in value]
        if isinstance(value, Mapping):
            return {"obj": {key: self._leaf(index, call, traits, name, key, item) for key, item in value.items()}}
        return self._leaf(index, call, traits, name, name, value)

    def _leaf(self, index: int, call: Done, traits: Traits, name: str, key: str, value: JSON) -> JSON:
        hidden = self._hidden(value)
        dictated = name if name in traits.words | traits.bodies else None
        span = None if isinstance(value, bool) or value is None else self._said(hidden, dictated)
        if span is not None:
            return self._noted(index, call, name, ("lit", None, {"lit": hidden, "span": list(span)}), value)
        found = self._derived(index, traits, name, key, value)
        if found[0] not in OPEN and self._missed():
            found = _LATE
        return self._noted(index, call, name, found, value)

    def _derived(self, index: int, traits: Traits, name: str, key: str, value: JSON) -> Source:
        one, several = self._records(index, key, value)
        if one is not None:
            return "rec", one[0], {"rec": one[1]}
        closed = isinstance(value, bool) or value is None or name in traits.closed or key == "type"
        free = name not in traits.sensitive and not self._from_outputs(index, value)
        if closed or (free and not (name in traits.bodies and self._stands_for_a_text(value))):
            return "const", None, {"const": self._hidden(value)}
        if several is not None:
            return "undetermined", several[0], {"rec": several[1]}
        step = self._in_outside(index, value)
        return _LATE if step is None else ("extract", step, {"extract": {"step": f"s{step + 1}"}})

    def _noted(self, index: int, call: Done, name: str, found: Source, value: JSON) -> JSON:
        kind, source, written = found
        writes = self.tools.get(call.tool, Traits()).writes
        self.slots.append(
            Slot(step=index, tool=call.tool, argument=name, kind=kind, source=source, value=value, writes=writes)
        )
        return written

    def _missed(self) -> bool:
        return self.miss > 0 and self.chance.random() < self.miss

    # ---- the user's words

    def _hidden(self, value: JSON) -> JSON:
        """The value as the thread shows it."""
        if not isinstance(value, str):
            return value
        for raw, token in sorted(self.hide.items(), key=lambda item: -len(item[0])):
            value = re.sub(re.escape(raw), lambda _: token, value, flags=re.IGNORECASE)  # noqa: B023
        return value

    def _said(self, value: JSON, dictated: str | None = None) -> tuple[int, int] | None:
        """Where the user's text says a value; text for a reader only where the user dictated it."""
        if isinstance(value, str):
            phrase = self._phrase(value)
            if phrase is not None:
                return phrase if dictated is None or self._dictated(phrase, dictated) else None
        if isinstance(value, str) and not re.match(r"\d", value):
            return None  # neither a number nor a moment, and not said as a phrase
        spans = [*self.clauses, *self._sentences(), (0, len(self.text))]
        return next((span for span in spans if said(value, self.text[slice(*span)])), None)

    def _phrase(self, value: str) -> tuple[int, int] | None:
        wanted = [word for word in words(value) if word != "\n"]
        if not wanted:
            return None
        between = r"[^\w\n<>]+"
        found = re.search(rf"(?<!\w){between.join(map(re.escape, wanted))}(?!\w)", plain(self.text))
        if found is None or len(plain(self.text)) != len(self.text) or not said(value, self.text[slice(*found.span())]):
            return None
        return found.span()

    def _dictated(self, span: tuple[int, int], argument: str) -> bool:
        """In quotes, after a colon, or after the argument's own name."""
        before, after = self.text[: span[0]].rstrip(), self.text[span[1] :].lstrip(".!? ")
        quoted = before[-1:] in _OPENING and after[:1] in _CLOSING
        return quoted or before.endswith(":") or before.casefold().endswith(argument)

    def _sentences(self) -> Iterator[tuple[int, int]]:
        for found in re.finditer(r"[^\n.!?]+(?:[.!?](?!\s)[^\n.!?]*)*[.!?]?", self.text):
            if found[0].strip():
                yield found.span()

    def _evidence(self, call: Done) -> list[int]:
        """The clause with most words of the call in it; the whole text where none has any."""
        about = set(words(call.tool.replace("_", " ") + " " + " ".join(str(item) for item in call.args.values())))
        scored = [(len(about & set(words(self.text[slice(*span)]))), -index) for index, span in enumerate(self.clauses)]
        best = max(scored, default=(0, 0))
        return list(self.clauses[-best[1]]) if best[0] else [0, len(self.text)]

    # ---- what earlier steps returned

    def _records(self, index: int, key: str, value: JSON) -> tuple[tuple[int, JSON] | None, tuple[int, JSON] | None]:
        """(a selection that has exactly this value, a selection that has it among others); each with its step."""
        several = None
        for step in range(index):
            for path in dict.fromkeys(_paths(self.calls[step].trusted, "trusted", value)):
                if _is_id(path) != _is_id(key):
                    continue  # no coercion between types: an amount is not the number of a record
                for where in self._wheres(step, path):
                    selection = {"step": f"s{step + 1}", "field": path, "where": where}
                    fits = self._fit(step, selection, value)
                    if fits == "one":
                        return (step, selection), several
                if several is None:
                    several = (step, {"step": f"s{step + 1}", "field": path})
        return None, several

    def _whole(self, index: int, name: str, value: list[JSON]) -> tuple[int, JSON] | None:
        """A list that is the field of one record, as a whole."""
        return self._records(index, name, value)[0]

    def _fit(self, step: int, selection: JSON, value: JSON) -> str:
        *above, last = selection["field"].split(".")
        records = [
            node
            for node in _at({"trusted": self.calls[step].trusted}, above)
            if last in node and all(node.get(key) == wanted for key, wanted in selection["where"].items())
        ]
        has = [node for node in records if _alike(node[last], value)]
        return "none" if not has else "one" if len(records) == 1 else "several"

    def _wheres(self, step: int, path: str) -> Iterator[dict[str, JSON]]:
        """One and two fields beside the value that are what the user's text says; before them no condition, where the
        user's words alone led to the step: of another step nobody can know before it has run how much it returns.
        """
        made = self.tools.get(self.calls[step].tool, Traits(writes=False)).writes  # what it returns is what it made
        if made or all(slot.kind in ("lit", "const") for slot in self.slots if slot.step == step):
            yield {}
        last = path.rsplit(".", 1)[-1]
        pairs = dict.fromkeys(
            (key, item)
            for node in _nodes(self.calls[step].trusted)
            if last in node
            for key, item in node.items()
            if key != last and isinstance(item, (str, int, float)) and not isinstance(item, bool) and item != ""
            and self._said(self._hidden(item))
        )  # fmt: skip
        for size in (1, 2):
            for chosen in combinations(pairs, size):
                if len({key for key, _ in chosen}) == size:
                    yield dict(chosen)

    def _in_outside(self, index: int, value: JSON) -> int | None:
        for step in range(index):
            text = "\n".join(_texts(self.calls[step].outside))
            if text and value != "" and said(value if isinstance(value, (int, float)) else str(value), text):
                return step
        return None

    def _from_outputs(self, index: int, value: JSON) -> bool:
        """Whether anything of a value seems to come from what tools returned: five words in a row, a number, a name or
        an address that the user did not say, or two other words that he did not say.
        """
        if isinstance(value, str) and _PLACEHOLDER.fullmatch(value.strip()):
            return True
        text = "\n".join(
            item for call in self.calls[:index] for half in (call.trusted, call.outside) for item in _texts(half)
        )
        if isinstance(value, (int, float)):
            return said(value, text) and not said(value, self.text)
        if said(value, text) and not said(value, self._shown()):
            return True
        if day_of(value) is not None:
            return False
        own, user, seen = words(value), set(words(self._shown())), words(text)
        if _runs(own) & _runs(seen) - _runs(words(self._shown())):
            return True
        new = [word for word in dict.fromkeys(own) if word in set(seen) and word not in user]
        telling = [word for word in new if word.isdigit() or _named(word, value)]
        return bool(telling) or len([word for word in new if len(word) > 3]) > 1

    def _stands_for_a_text(self, value: JSON) -> bool:
        """Whether a body says nothing but a few of the instruction's own words: AgentDojo's shorthand."""
        own, user = words(str(value)), words(self._shown())
        return set(own) <= set(user) and not _runs(own) & _runs(user)

    def _shown(self) -> str:
        """The user's words with the values put back, for comparison of words."""
        text = self.text
        for raw, token in self.hide.items():
            text = text.replace(token, raw)
        return text


_LATE: Source = ("late", None, {"late": {}})
_PLACEHOLDER = re.compile(r"<[^<>]*>|[\W_]*")
_OPENING, _CLOSING = ("'", '"', "“", "«"), ("'", '"', "”", "»")
_RUN = 5


def _runs(said_words: Sequence[str]) -> set[tuple[str, ...]]:
    """Every five words in a row."""
    return {tuple(said_words[start : start + _RUN]) for start in range(len(said_words) - _RUN + 1)}


def _named(word: str, value: str) -> bool:
    """Whether a word stands in a value as a name does: capitalised, and not only where a sentence begins."""
    return any(re.search(rf"(?<=[\w,;:]\s){re.escape(form)}\b|@{re.escape(word)}", value) for form in (word.title(),))


def _is_id(path: str) -> bool:
    return path.rsplit(".", 1)[-1].rsplit("_", 1)[-1] in ("id", "n")


def _clauses(text: str) -> Iterator[tuple[int, int]]:
    for found in re.finditer(r"[^\n.!?;,]+(?:[.!?,](?!\s)[^\n.!?;,]*)*", text):
        if any(letter.isalnum() for letter in found[0]):
            yield found.span()


def _nodes(value: JSON) -> Iterator[Mapping[str, JSON]]:
    if isinstance(value, Mapping):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _nodes(item)


def _at(value: JSON, path: Sequence[str]) -> Iterator[Mapping[str, JSON]]:
    """The objects at a path; lists are looked through."""
    if isinstance(value, list):
        for item in value:
            yield from _at(item, path)
    elif isinstance(value, Mapping) and not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


def _paths(value: JSON, path: str, wanted: JSON) -> Iterator[str]:
    """Dotted paths, list places left out, at which something equal to the wanted value stands."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            here = f"{path}.{key}"
            if _alike(item, wanted):
                yield here
            yield from _paths(item, here, wanted)
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item, path, wanted)


def _alike(left: JSON, right: JSON) -> bool:
    if isinstance(left, bool) or isinstance(right, bool) or left is None or left in ([], ""):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return sorted(map(str, left)) == sorted(map(str, right))
    if isinstance(left, str) and isinstance(right, str):
        same_moment = day_of(left) is not None and day_of(left) == day_of(right) and time_of(left) == time_of(right)
        return same_moment or plain(left).split() == plain(right).split()
    return left == right


def _texts(value: JSON) -> Iterator[str]:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
