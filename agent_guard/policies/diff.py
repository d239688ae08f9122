"""``diff``: which cells of a policy became wider or narrower between two versions, each with a call that shows it.

A cell is a role, a tool, an environment and an argument or another aspect. Where nothing is wider, no call that the
old version denies is let through by the new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from agent_guard.policies.examples import example
from agent_guard.policies.house import ENVIRONMENTS
from agent_guard.policies.shifts.base import Direction, Shift
from agent_guard.policies.shifts.entry import approver_shifts, entry_shifts
from agent_guard.policies.shifts.top import top_shifts
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import JSON, Mode

__all__ = ["EVERY", "Change", "diff"]

EVERY = "*"
"""Stands for every role, tool or environment: the key is the whole policy's."""

UNSEEN = "no call was found that shows it"

_LEVEL: Mapping[Mode | None, int] = {None: 0, "suggest": 1, "approve": 2, "execute": 3}
_ASKING = ("approve", "execute")
_OF_ARGUMENTS = ("args", "where")
"""Keys that are about what a call says, so that a call of their own can show them."""

Cell = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One cell that differs.

    Args:
        argument: the argument that the aspect is about, or None.
        example: ``{"tool": ..., "args": {...}}``, a call that one version denies for this aspect and the other does
            not; None where none was found, or the aspect is not about a call. Where it is about ``args`` or ``where``,
            both versions were evaluated on it.
    """

    role: str
    tool: str
    environment: str
    aspect: str
    direction: Direction
    before: JSON
    after: JSON
    argument: str | None = None
    note: str = ""
    example: JSON = None


def diff(old: Policy, new: Policy, tools: Mapping[str, Tool] | None = None) -> tuple[Change, ...]:
    """Compares two versions of a policy.

    Exact for what is finite; conservative for the rest: what cannot be compared, such as two patterns, counts as wider
    and as narrower.

    Args:
        tools: name -> contract. Without a tool's contract its defaults are not known: what depends on them counts as
            wider and as narrower, and examples give only the arguments that ``where`` names.
    """
    known = tools or {}
    found = [_change(EVERY, EVERY, EVERY, shift, None) for shift in top_shifts(old, new)]
    for name in dict.fromkeys([*old.tools, *new.tools]):
        found += _tool(name, old, new, known.get(name))
    return tuple(found)


def _tool(name: str, old: Policy, new: Policy, tool: Tool | None) -> Iterator[Change]:
    before, after = _cells(old, name), _cells(new, name)
    cells = sorted(before.keys() | after.keys(), key=lambda cell: (cell[0], ENVIRONMENTS.index(cell[1])))
    shown = {direction: _call(name, old, new, tool, direction) for direction in ("wider", "narrower")}
    for cell in cells:
        modes = before.get(cell), after.get(cell)
        if modes[0] != modes[1]:
            direction: Direction = "wider" if _LEVEL[modes[1]] > _LEVEL[modes[0]] else "narrower"
            shift = Shift(aspect="mode", direction=direction, before=modes[0], after=modes[1])
            yield _change(cell[0], name, cell[1], shift, shown[direction])
    shared = [cell for cell in cells if cell in before and cell in after]
    if not shared:
        return
    for found in entry_shifts(name, old, new, tool):
        shift = found
        key = shift.aspect.split(".")[0]
        own = key in _OF_ARGUMENTS and shift.direction != "changed"
        call = _call_for(name, old, new, tool, shift, key) if own else shown.get(shift.direction)
        if own and tool is not None and call is None:
            shift = replace(shift, note=f"{shift.note}; {UNSEEN}" if shift.note else UNSEEN)
        for role, environment in shared:
            yield _change(role, name, environment, shift, call)
    for shift in approver_shifts(old.tools[name].approvers, new.tools[name].approvers):
        for cell in shared:
            modes = before[cell], after[cell]
            if all(mode in _ASKING for mode in modes) and (shift.aspect != "approvers" or modes[0] == modes[1]):
                yield _change(cell[0], name, cell[1], shift, shown.get(shift.direction))


def _cells(policy: Policy, name: str) -> dict[Cell, Mode]:
    rule = policy.tools.get(name)
    pairs = product(rule.roles, ENVIRONMENTS) if rule else ()
    modes = {(role, environment): rule.mode_in(environment) for role, environment in pairs} if rule else {}
    return {cell: mode for cell, mode in modes.items() if mode is not None}


def _change(role: str, tool: str, environment: str, shift: Shift, call: JSON) -> Change:
    return Change(
        role=role,
        tool=tool,
        environment=environment,
        aspect=shift.aspect,
        direction=shift.direction,
        before=shift.before,
        after=shift.after,
        argument=shift.argument,
        note=shift.note,
        example=call,
    )


def _call(name: str, old: Policy, new: Policy, tool: Tool | None, direction: str) -> JSON:
    """A call that the freer side takes, for what is not about its arguments."""
    freer = (new if direction == "wider" else old).tools.get(name)
    args = example(tool, freer) if freer else None
    return None if args is None else {"tool": name, "args": args}


def _call_for(name: str, old: Policy, new: Policy, tool: Tool | None, shift: Shift, key: str) -> JSON:
    """A call that the freer side takes, and would refuse if this one key of it were the other side's."""
    freer, stricter = (policy.tools[name] for policy in ((new, old) if shift.direction == "wider" else (old, new)))
    args = example(tool, freer, freer.model_copy(update={key: getattr(stricter, key)}), argument=shift.argument)
    return None if args is None else {"tool": name, "args": args}
