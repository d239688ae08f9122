"""Names that a tool does not have; and entries that were swapped, whose names are all another tool's.

One of the published policies for a travel agent has the field lists of two tools in each other's place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from agent_guard.policies.finding import Finding, Rule
from agent_guard.policies.house import Entry
from agent_guard.policy import ToolRule
from agent_guard.tool import Tool

__all__ = ["named", "names"]

KEYS = ("args", "where", "bind", "fields", "from", "totals", "not_after")


def names(entry: Entry) -> Iterator[Finding]:
    """Compares the names of each key with the tool's own, then with every other tool's."""
    for key in KEYS:
        listed = named(entry.rule, key)
        own = known(entry.tool, key)
        unknown = [name for name in listed if name not in own]
        if not unknown:
            continue
        other = _owner(entry, key, listed)
        if other is None:
            says = f"{entry.tool.name} has no {', '.join(map(repr, unknown))}; there is: {', '.join(own) or 'none'}"
            yield entry.error(Rule.NAME_UNKNOWN, key, says=says, hint="correct the name; it would protect nothing")
            continue
        says = f"{', '.join(map(repr, unknown))}: no name of {entry.tool.name}, and {other} has every one of this list"
        hint = f"did you swap the entries of {entry.tool.name} and {other}?"
        yield entry.error(Rule.ENTRIES_SWAPPED, key, says=says, hint=hint)


def named(rule: ToolRule, key: str) -> list[str]:
    """The names that one key of an entry holds, in order."""
    listed: Collection[str] = ()
    if key == "where":
        listed = [*rule.where.properties, *rule.where.required]
    elif key == "totals":
        listed = [total.arg for total in rule.totals]
    elif key == "from":
        listed = rule.origins
    else:
        listed = getattr(rule, key) or ()
    return list(dict.fromkeys(listed))


def known(tool: Tool, key: str) -> list[str]:
    """The names that a key may hold for a tool."""
    if key == "fields":
        return list(tool.result_model.model_fields)
    return list(tool.refs) if key == "bind" else list(tool.args_model.model_fields)


def _owner(entry: Entry, key: str, listed: Collection[str]) -> str | None:
    """The tool whose names these are: one whose own entry does not fit it either comes first."""
    fitting = [
        tool
        for tool in entry.house.tools.values()
        if tool.name != entry.tool.name and set(listed) <= set(known(tool, key))
    ]
    fitting.sort(key=lambda tool: (not _misfits(entry, key, tool), len(known(tool, key)), tool.name))
    return fitting[0].name if fitting else None


def _misfits(entry: Entry, key: str, tool: Tool) -> bool:
    rule = entry.policy.tools.get(tool.name)
    return rule is not None and not set(named(rule, key)) <= set(known(tool, key))
