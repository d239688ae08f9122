"""What the planner is given and what it makes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["DETERMINED", "JSON", "OPEN", "Done", "Found", "Planned", "Slot", "Traits"]

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


@dataclass(frozen=True)
class Found:
    """Where a value was said to come from.

    Args:
        kind: lit, rec, sel, expr, tmpl, const, undetermined, extract or late.
        written: the source as the plan writes it.
        steps: the earlier steps that it comes from.
    """

    kind: str
    written: JSON
    steps: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One value of a step, and the kind of its source (see :class:`Found`)."""

    step: int
    tool: str
    argument: str
    kind: str
    steps: tuple[int, ...]
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
            elif slot.step == step:
                needed |= set(slot.steps)
        return needed


OPEN = ("late", "extract", "undetermined")
"""Kinds of sources that a person is asked about, where the call has an effect that cannot be thrown away."""

DETERMINED = ("lit", "const", "rec", "sel", "expr", "tmpl")
"""Kinds of sources that leave a call no choice."""
