"""One key of a policy in two versions: which of them lets more through."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from agent_guard.types import JSON

__all__ = ["Direction", "Shift", "both", "ordered", "subsets", "weakened"]

Direction = Literal["wider", "narrower", "changed"]
"""``changed`` is a difference that lets neither more nor less through."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One way in which a key differs. A key that lets other things through is two shifts, a wider and a narrower one.

    Args:
        aspect: the key, e.g. ``"where.subject.maxLength"``.
        argument: the argument that it is about, or None.
        note: what was compared, where that is not what stands in the files.
    """

    aspect: str
    direction: Direction
    before: JSON
    after: JSON
    argument: str | None = None
    note: str = ""


def both(
    aspect: str, before: JSON, after: JSON, *, wider: bool, narrower: bool, argument: str | None = None, note: str = ""
) -> Iterator[Shift]:
    """A shift for each direction that holds."""
    words: tuple[tuple[Direction, bool], ...] = (("wider", wider), ("narrower", narrower))
    for direction, holds in words:
        if holds:
            yield Shift(aspect=aspect, direction=direction, before=before, after=after, argument=argument, note=note)


def ordered(
    aspect: str,
    before: T | None,
    after: T | None,
    rank: Callable[[T], float],
    *,
    none: float,
    argument: str | None = None,
) -> Iterator[Shift]:
    """Compares two values on one scale: the higher lets more through.

    Args:
        none: where on the scale nothing stands.
    """
    old, new = (none if value is None else rank(value) for value in (before, after))
    yield from both(aspect, before, after, wider=new > old, narrower=new < old, argument=argument)


def subsets(
    aspect: str,
    before: Collection[str] | None,
    after: Collection[str] | None,
    *,
    universe: Collection[str] | None = None,
    argument: str | None = None,
    note: str = "",
) -> Iterator[Shift]:
    """Compares what two lists let through: the more items, the more.

    Args:
        universe: what None stands for, where that can be listed.
    """
    old, new = (universe if listed is None else listed for listed in (before, after))
    shown = tuple(None if listed is None else sorted(listed) for listed in (before, after))
    wider = old is not None and (new is None or not set(new) <= set(old))
    narrower = new is not None and (old is None or not set(old) <= set(new))
    yield from both(aspect, *shown, wider=wider, narrower=narrower, argument=argument, note=note)


def weakened(
    aspect: str,
    before: Sequence[T],
    after: Sequence[T],
    follows: Callable[[T, Sequence[T], bool], bool],
    show: Callable[[T], JSON],
) -> Iterator[Shift]:
    """Compares two lists of demands that must all hold: it is wider when one of the old does not follow from the new.

    Args:
        follows: whether a demand follows from a list of others; told whether that list is the newer one.
    """
    wider = not all(follows(item, after, True) for item in before)
    narrower = not all(follows(item, before, False) for item in after)
    yield from both(
        aspect, [show(item) for item in before], [show(item) for item in after], wider=wider, narrower=narrower
    )
