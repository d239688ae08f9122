"""The plan of one task, value by value."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from benchmarks.attack.planner.computed import computed, template
from benchmarks.attack.planner.records import Records
from benchmarks.attack.planner.user import User
from benchmarks.attack.planner.values import DETERMINED, JSON, OPEN, Done, Found, Planned, Slot, Traits

__all__ = ["plan_of"]

_LATE = Found("late", {"late": {}})


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
    return _Planner(User(text, dict(hide or {})), calls, tools, miss, random.Random(seed)).planned()


class _Planner:
    def __init__(
        self, user: User, calls: Sequence[Done], tools: Mapping[str, Traits], miss: float, chance: random.Random
    ) -> None:
        self.user, self.calls, self.tools = user, calls, tools
        self.miss, self.chance = miss, chance
        self.slots: list[Slot] = []
        self.records = Records(user, calls)

    def planned(self) -> Planned:
        steps = []
        for index, call in enumerate(self.calls):
            traits = self.tools.get(call.tool, Traits())
            args = {}
            for name, value in call.args.items():
                if name in traits.defaults and traits.defaults[name] == value:
                    continue
                args[name] = self._source(index, call, traits, name, value)
            steps.append({"id": f"s{index + 1}", "tool": call.tool, "evidence": self.user.evidence(call), "args": args})
            made = self.tools.get(call.tool, Traits(writes=False)).writes  # what it returns is what it made
            if made or all(slot.kind in DETERMINED for slot in self.slots if slot.step == index):
                self.records.led_to.add(index)
        return Planned(plan={"steps": steps}, slots=tuple(self.slots))

    def _source(self, index: int, call: Done, traits: Traits, name: str, value: JSON) -> JSON:
        if isinstance(value, list) and value:
            whole, _ = self.records.select(index, name, value)  # the field of one record, as a whole
            if whole is not None and not self._missed():
                return self._noted(index, call, name, whole, value)
            alone = len(value) == 1
            return [self._leaf(index, call, traits, name, name, item, alone=alone) for item in value]
        if isinstance(value, Mapping):
            return {"obj": {key: self._leaf(index, call, traits, name, key, item) for key, item in value.items()}}
        return self._leaf(index, call, traits, name, name, value)

    def _leaf(
        self, index: int, call: Done, traits: Traits, name: str, key: str, value: JSON, *, alone: bool = True
    ) -> JSON:
        if isinstance(value, Mapping):
            parts = {part: self._leaf(index, call, traits, name, part, item) for part, item in value.items()}
            return {"obj": parts}
        hidden = self.user.hidden(value)
        span = self.user.says(hidden, name if name in traits.words | traits.bodies else None)
        if span is not None:
            return self._noted(index, call, name, Found("lit", {"lit": hidden, "span": list(span)}), value)
        found = self._derived(index, traits, name, key, value, alone=alone)
        if found.kind not in OPEN and self._missed():
            found = _LATE
        return self._noted(index, call, name, found, value)

    def _derived(self, index: int, traits: Traits, name: str, key: str, value: JSON, *, alone: bool) -> Found:
        one, several = self.records.select(index, key, value)
        if one is not None:
            return one
        closed = isinstance(value, bool) or value is None or name in traits.closed or key == "type"
        free = name not in traits.sensitive and self.records.free(index, value)
        if closed or (free and not (name in traits.bodies and self.user.instructs(value))):
            return Found("const", {"const": self.user.hidden(value)})
        # an item of a list is there because all are, not because it is the largest
        chosen = self.records.choose(index, key, value) if alone else None
        made = chosen or computed(self.records, index, key, value)
        if made is None and name in traits.words | traits.bodies:
            made = template(self.records, index, value)
        return made or several or self.records.in_outside(index, value) or _LATE

    def _noted(self, index: int, call: Done, name: str, found: Found, value: JSON) -> JSON:
        writes = self.tools.get(call.tool, Traits()).writes
        self.slots.append(
            Slot(
                step=index,
                tool=call.tool,
                argument=name,
                kind=found.kind,
                steps=found.steps,
                value=value,
                writes=writes,
            )
        )
        return found.written

    def _missed(self) -> bool:
        return self.miss > 0 and self.chance.random() < self.miss
