"""``region`` and ``bind`` in two versions: the guards themselves are asked about every kind of record.

What the two keys do together (a bound argument, a default binding, the user's own region) is not told again here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from pydantic import BaseModel, create_model

from agent_guard.facts import Facts, RecordFact
from agent_guard.guards.access import ACCESS
from agent_guard.guards.binding import BINDING
from agent_guard.policies.shapes import nullable
from agent_guard.policies.shifts.base import Shift, both
from agent_guard.policy import Policy, ToolRule
from agent_guard.tool import Tool
from agent_guard.types import Effect, ToolCall

__all__ = ["record_shifts"]

_ANY = "any_record"
"""Stands for the records that a tool may name, where its contract is not known."""

_ELSEWHERE = "(another region)"


@dataclass(frozen=True, kw_only=True)
class _World:
    """One user, one conversation and one record, or none."""

    region: str | None
    party: str | None
    record: RecordFact | None


def record_shifts(name: str, old: ToolRule, new: ToolRule, policy: Policy, tool: Tool | None) -> Iterator[Shift]:
    """Compares what records an entry lets through."""
    if old.region == new.region and old.bind == new.bind:
        return
    contracts = [tool] if tool else [_stand_in(name, old, new, effect) for effect in ("read", "write")]
    names = dict.fromkeys([argument for contract in contracts for argument in contract.refs] + [*old.bind, *new.bind])
    if old.region != new.region and not any(contract.refs for contract in contracts):
        note = "the tool names no record, so region is never judged"
        yield Shift(aspect="region", direction="changed", before=old.region, after=new.region, note=note)
    opened = closed = False
    for argument in names:
        bound = [rule.bind.get(argument) for rule in (old, new)]
        found = [_compared(argument, old, new, policy, contract, known=tool is not None) for contract in contracts]
        wider, narrower = (any(pair[index] for pair in found) for index in (0, 1))
        if bound[0] == bound[1]:
            opened, closed = opened or wider, closed or narrower
            continue
        shown = bound
        if old.region != new.region:
            shown = [{"bind": word, "region": rule.region} for word, rule in zip(bound, (old, new), strict=True)]  # type: ignore[misc]
        yield from both(f"bind.{argument}", *shown, wider=wider, narrower=narrower, argument=argument)
    yield from both("region", old.region, new.region, wider=opened, narrower=closed)


def _stand_in(name: str, old: ToolRule, new: ToolRule, effect: Effect) -> Tool:
    """A contract for a tool that is not known: everything that is bound is a record, and there may be more."""
    fields: dict[str, Any] = dict.fromkeys([*old.bind, *new.bind, _ANY], (str | None, None))
    return Tool(
        name=name,
        run=lambda args: args,
        args_model=create_model("Unknown", **fields),
        result_model=BaseModel,
        effect=effect,
        timeout_s=1,
        description="Stands in for an unknown contract.",
        refs=dict.fromkeys(fields, "record"),
    )


def _compared(
    argument: str, old: ToolRule, new: ToolRule, policy: Policy, tool: Tool, *, known: bool
) -> tuple[bool, bool]:
    """Whether some record passes the new rules alone, and whether one passes the old alone."""
    sides = [_alone(argument, rule, policy, tool) for rule in (old, new)]
    roles = tuple({*old.roles, *new.roles})
    wider = narrower = False
    for world in _worlds(argument, old, new, tool, known=known):
        facts = _facts(argument, world, roles)
        passed = [_passes(tool, side, facts) for side in sides]
        wider, narrower = wider or passed == [False, True], narrower or passed == [True, False]
    return wider, narrower


def _alone(argument: str, rule: ToolRule, policy: Policy, tool: Tool) -> Policy:
    bind = {argument: rule.bind[argument]} if argument in rule.bind else {}
    return policy.model_copy(update={"tools": {tool.name: rule.model_copy(update={"bind": bind})}})


def _worlds(argument: str, old: ToolRule, new: ToolRule, tool: Tool, *, known: bool) -> Iterator[_World]:
    if argument not in tool.refs or not known or nullable(tool.args_model, argument):
        yield _World(region=None, party="ours", record=None)
    if argument not in tool.refs:
        return
    listed = {name for rule in (old, new) if isinstance(rule.region, list) for name in rule.region}
    regions = [None, _ELSEWHERE, *sorted(listed)]
    for person, place, party, owner, user in product(
        regions, regions, ("ours", None), ("ours", "theirs", None), ("user", "colleague")
    ):
        record = RecordFact(ref="record:1", found=True, party=owner, responsible=user, region=place)
        yield _World(region=person, party=party, record=record)


def _facts(argument: str, world: _World, roles: tuple[str, ...]) -> Facts:
    records: Mapping[str, RecordFact] = {} if world.record is None else {argument: world.record}
    return Facts(
        at="", environment="", thread="", scenario=None, tenant="", subject="user", agent="", known=True,
        roles=roles, region=world.region, party=world.party, records=records,
    )  # fmt: skip


def _passes(tool: Tool, policy: Policy, facts: Facts) -> bool:
    call = ToolCall(id="", tool=tool.name, args={}, thread="")
    return all(guard.check(call, tool, policy, facts) is None for guard in (ACCESS, BINDING))
