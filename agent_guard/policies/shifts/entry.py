"""Every other key of one tool's entry in two versions."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import get_args

from agent_guard.guards.provenance import DEFAULT_ORIGINS
from agent_guard.policies.shifts.args import args_shifts
from agent_guard.policies.shifts.base import Shift, both, ordered, subsets, weakened
from agent_guard.policies.shifts.records import record_shifts
from agent_guard.policies.shifts.where import where_shifts
from agent_guard.policy import Approvers, Limits, Policy, RateLimit, Requires, ToolRule, Total
from agent_guard.tool import Tool
from agent_guard.types import Origin
from agent_guard.units import parse_duration

__all__ = ["approver_shifts", "entry_shifts"]

_ALL: tuple[str, ...] = get_args(Origin)
_WITHIN = {"thread": 0, "subject": 1, "party": 1, "tenant": 2, "tool": 3}
"""Scopes from the narrowest; a subject's calls are no part of a party's, nor the other way round."""


def entry_shifts(name: str, old: Policy, new: Policy, tool: Tool | None) -> Iterator[Shift]:
    """Compares two entries of one tool, but for roles, mode and approvers.

    Args:
        tool: its contract, or None where it is not known: then what depends on it counts as wider and narrower.
    """
    before, after = old.tools[name], new.tools[name]
    yield from args_shifts(before.args, after.args, tuple(tool.args_model.model_fields) if tool else None)
    yield from where_shifts(before.where, after.where, tool.args_model if tool else None)
    yield from record_shifts(name, before, after, old, tool)
    yield from _origins(before, after, tool)
    fields = tuple(tool.result_model.model_fields) if tool else None
    yield from subsets("fields", before.fields, after.fields, universe=fields, note="what the model sees of the result")
    yield from _domains(before.domains, after.domains, tool)
    yield from weakened("requires", before.requires, after.requires, _required, Requires.model_dump)
    yield from weakened("totals", before.totals, after.totals, _totalled, Total.model_dump)
    yield from _not_after(before, after)
    limits = {False: old.limits, True: new.limits}
    yield from weakened(
        "limits",
        before.rates,
        after.rates,
        lambda rate, others, newer: _limited(rate, others, limits[newer]),
        lambda rate: rate.text,
    )


def approver_shifts(old: Approvers | None, new: Approvers | None) -> Iterator[Shift]:
    """Compares who may answer. Without approvers every question ends in a denial."""
    if old is None or new is None:
        shown = [item and item.roles for item in (old, new)]
        note = "without approvers a question is a denial"
        yield from (
            both("approvers", *shown, wider=new is not None, narrower=old is not None, note=note) if old != new else ()
        )
        return
    yield from subsets("approvers.roles", old.roles, new.roles)
    yield from both(
        "approvers.not_requester",
        old.not_requester,
        new.not_requester,
        wider=old.not_requester and not new.not_requester,
        narrower=new.not_requester and not old.not_requester,
    )
    yield from ordered("approvers.expires", old.expires, new.expires, _seconds, none=0)
    if old.review != new.review:
        yield Shift(aspect="approvers.review", direction="changed", before=old.review, after=new.review)


def _seconds(text: str) -> float:
    return parse_duration(text).total_seconds()


def _origins(old: ToolRule, new: ToolRule, tool: Tool | None) -> Iterator[Shift]:
    for argument in dict.fromkeys([*old.origins, *new.origins]):
        lists = [rule.origins.get(argument) for rule in (old, new)]
        judged = _judged_by_default(argument, tool)
        sides = [_let_through(listed, default) for default in judged for listed in lists]
        pairs = [(sides[index], sides[index + 1]) for index in range(0, len(sides), 2)]
        shown = [None if listed is None else sorted(listed) for listed in lists]
        yield from both(
            f"from.{argument}",
            *shown,
            wider=any(not after <= before for before, after in pairs),
            narrower=any(not before <= after for before, after in pairs),
            argument=argument,
        )


def _judged_by_default(argument: str, tool: Tool | None) -> list[bool]:
    """Whether an argument is judged without ``from``; both where that is not known."""
    return [True, False] if tool is None else [tool.writes and argument in tool.sensitive]


def _let_through(listed: Sequence[str] | None, judged: bool) -> set[tuple[str, str]]:
    """What passes: addresses are judged wherever they stand, other values only where somebody asks for it."""
    addresses: Collection[str] = DEFAULT_ORIGINS if listed is None else listed
    others = _ALL if listed is None and not judged else addresses
    return {("address", origin) for origin in addresses} | {("other", origin) for origin in others}


def _domains(old: Sequence[str] | None, new: Sequence[str] | None, tool: Tool | None) -> Iterator[Shift]:
    wider = old is not None and (new is None or not all(_covered(host, old) for host in new))
    narrower = new is not None and (old is None or not all(_covered(host, new) for host in old))
    note = ""
    if tool is not None and tool.render is not None and old != new and None in (old, new):
        # without domains a person is asked about each host in the text that the tool renders; with them it is denied
        # or fine
        wider = narrower = True
        note = "what the tool renders may name these hosts with nobody asked"
    yield from both("domains", old, new, wider=wider, narrower=narrower, note=note)


def _covered(host: str, allowed: Sequence[str]) -> bool:
    """Whether an entry adds nothing to others: ``.acme.example`` is that host and all below it."""
    name, others = host.casefold(), [item.casefold() for item in allowed]
    return name in others or any(item[0] == "." and f".{name.removeprefix('.')}".endswith(item) for item in others)


def _required(item: Requires, others: Sequence[Requires], _: bool) -> bool:
    return any(
        other.tool == item.tool
        and _seconds(other.within) <= _seconds(item.within)
        and (item.same is None or other.same == item.same)
        for other in others
    )


def _totalled(item: Total, others: Sequence[Total], _: bool) -> bool:
    return any(
        other.arg == item.arg and other.max <= item.max and other.scope == item.scope and _as_long(other, item)
        for other in others
    )


def _as_long(other: Total, item: Total) -> bool:
    return (other.window_s or math.inf) >= (item.window_s or math.inf)


def _limited(item: RateLimit, others: Sequence[RateLimit], limits: Limits) -> bool:
    """Whether a limit is kept by others: by one as strict over a longer time and more callers, or by the thread's."""
    if item.scope == "thread" and limits.actions_per_thread <= item.count:
        return True
    return any(
        other.count <= item.count and other.window_s >= item.window_s and _holds_more(other.scope, item.scope)
        for other in others
    )


def _holds_more(outer: str, inner: str) -> bool:
    return outer == inner or _WITHIN[outer] > _WITHIN[inner]


def _not_after(old: ToolRule, new: ToolRule) -> Iterator[Shift]:
    for argument in dict.fromkeys([*old.not_after, *new.not_after]):
        before, after = old.not_after.get(argument), new.not_after.get(argument)
        ends = [_end(value) for value in (before, after)]
        same_kind = None in (before, after) or ends[0][0] == ends[1][0]
        yield from both(
            f"not_after.{argument}",
            before,
            after,
            wider=ends[1][1] > ends[0][1] or not same_kind,
            narrower=ends[1][1] < ends[0][1] or not same_kind,
            argument=argument,
            note="" if same_kind else "a day and a time ahead of now cannot be compared",
        )


def _end(value: str | None) -> tuple[str, float]:
    if value is None:
        return "none", math.inf
    return ("day", date.fromisoformat(value).toordinal()) if "-" in value else ("ahead", _seconds(value))
