"""``args`` in two versions: which arguments a call may set."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from agent_guard.policies.shifts.base import Shift, both, subsets

__all__ = ["GROWS_NOTE", "args_shifts"]

GROWS_NOTE = "without a list an argument that the contract grows is open at once"


def args_shifts(
    old: Collection[str] | None, new: Collection[str] | None, arguments: Collection[str] | None
) -> Iterator[Shift]:
    """Compares two lists of arguments; None stands for all of the contract's.

    Args:
        arguments: the contract's, or None where it is not known: then no list is as wide as none.
    """
    if arguments is None and (old is None or new is None):
        yield from subsets("args", old, new, note=GROWS_NOTE)
        return
    listed = [side if side is not None else arguments or () for side in (old, new)]
    for name in dict.fromkeys([*listed[0], *listed[1]]):
        if arguments is None or name in arguments:  # another name is refused whatever the policy says
            settable = [name in side for side in listed]
            yield from both(
                f"args.{name}",
                *settable,
                wider=settable[1] and not settable[0],
                narrower=settable[0] and not settable[1],
                argument=name,
            )
    if (old is None) != (new is None):
        shown = [None if side is None else sorted(side) for side in (old, new)]
        yield Shift(aspect="args", direction="changed", before=shown[0], after=shown[1], note=GROWS_NOTE)
