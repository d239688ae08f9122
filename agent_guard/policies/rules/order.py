"""``requires``: a call that must have come before, and never can."""

from __future__ import annotations

from collections.abc import Iterator

from agent_guard.policies.finding import Finding, Rule
from agent_guard.policies.house import Entry
from agent_guard.policy import Policy

__all__ = ["order"]


def order(entry: Entry) -> Iterator[Finding]:
    """Follows each requirement of an entry."""
    for index, required in enumerate(entry.rule.requires):
        path = ("requires", index)
        before = entry.policy.tools.get(required.tool)
        if before is None or required.tool not in entry.house.tools:
            says = f"{required.tool} must come before, and the policy does not permit it"
            yield entry.error(Rule.REQUIRES_UNKNOWN, *path, says=says, hint="add its entry, or correct the name")
            continue
        if not set(before.roles) & set(entry.rule.roles):
            says = f"{required.tool} must come before, and nobody with a role of this tool alone may call it"
            hint = f"roles of {required.tool}: {', '.join(before.roles)}; give one of them to both"
            yield entry.error(Rule.REQUIRES_IMPOSSIBLE, *path, says=says, hint=hint)
        never = [
            name for name, mode in entry.modes().items()
            if mode != "suggest" and before.mode_in(name) in (None, "suggest")
        ]  # fmt: skip
        if never:
            says = f"{required.tool} must come before, and never runs in {', '.join(never)}"
            hint = "a tool in suggest mode is recorded and not run; give it approve or execute there"
            yield entry.error(Rule.REQUIRES_IMPOSSIBLE, *path, says=says, hint=hint)
        for name in _strangers(entry, required.tool, required.same):
            says = f"'same' names {required.same!r}, which {name} does not have"
            yield entry.error(Rule.NAME_UNKNOWN, *path, "same", says=says, hint="name an argument that both tools have")
    cycle = _cycle(entry.policy, entry.tool.name)
    if cycle:
        says = f"each waits for the other: {' -> '.join(cycle)}"
        hint = "take one requirement out; as it is, none of them can ever be the first"
        yield entry.error(Rule.REQUIRES_CYCLE, "requires", says=says, hint=hint)


def _strangers(entry: Entry, tool: str, same: str | None) -> list[str]:
    both = (entry.tool, entry.house.tools[tool])
    return [] if same is None else [item.name for item in both if same not in item.args_model.model_fields]


def _cycle(policy: Policy, start: str) -> list[str] | None:
    """A way from a tool back to itself, or None."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        rule = policy.tools.get(way[-1])
        for required in rule.requires if rule else ():
            if required.tool == start:
                return [*way, start]
            if required.tool not in seen:
                seen.add(required.tool)
                ways.append([*way, required.tool])
    return None
