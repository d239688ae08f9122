"""Keys that hold nothing: some deny every call, the others say nothing at all."""

from __future__ import annotations

from collections.abc import Iterator

from agent_guard.policies.finding import Finding, Rule
from agent_guard.policies.house import Entry
from agent_guard.policies.rules.looks import kind_of
from agent_guard.policies.shapes import leaves

__all__ = ["emptiness"]

_QUIET = ("where", "bind", "limits", "from", "requires", "totals", "not_after")


def emptiness(entry: Entry) -> Iterator[Finding]:
    """Looks at each key that was written and holds nothing."""
    rule, tool = entry.rule, entry.tool
    if not entry.modes():
        hint = "give the environments in which it may be used a mode, or take the entry out"
        yield entry.error(Rule.NEVER_ALLOWS, "mode", says="no environment has a mode: every call is denied", hint=hint)
    elif missing := [name for name in entry.house.environments if name not in entry.modes()]:
        says = f"no mode in {', '.join(missing)}, where other tools have one: there it is denied"
        hint = "give it one, or say so in a comment if that is meant"
        yield entry.warning(Rule.MODE_MISSING, "mode", says=says, hint=hint)
    for argument, listed in rule.origins.items():
        if not listed:
            says = f"{argument} may come from nowhere, so a call that gives it is denied"
            hint = "name the origins, e.g. [user, trusted]"
            yield entry.error(Rule.NEVER_ALLOWS, "from", argument, says=says, hint=hint)
    if rule.fields is not None and not rule.fields and tool.result_model.model_fields:
        says = "the model is shown nothing of the result"
        hint = "name the fields it needs" if tool.effect == "read" else "leave out 'fields' if that is not meant"
        report = entry.error if tool.effect == "read" else entry.warning
        yield report(Rule.SAYS_NOTHING, "fields", says=says, hint=hint)
    if rule.region is not None and not rule.region and tool.refs:
        says = "no region is permitted, so every record is refused"
        yield entry.error(Rule.NEVER_ALLOWS, "region", says=says, hint="name the regions, or write 'own'")
    yield from _no_domain(entry)
    yield from _quiet(entry)


def _no_domain(entry: Entry) -> Iterator[Finding]:
    if entry.rule.domains is None or entry.rule.domains:
        return
    fields = entry.tool.args_model.model_fields
    address = next(
        (
            path
            for path, shape in leaves(entry.tool.args_model)
            if fields[path[0]].is_required() and kind_of(path, shape) in ("address", "link")
        ),
        None,
    )
    if address:
        says = f"no domain is permitted, and {'.'.join(address)} must be given and holds an address"
        hint = "name the domains that may be used"
        yield entry.error(Rule.NEVER_ALLOWS, "domains", says=says, hint=hint)


def _quiet(entry: Entry) -> Iterator[Finding]:
    written = {"from" if name == "origins" else name for name in entry.rule.model_fields_set}
    for key in _QUIET:
        value = getattr(entry.rule, "origins" if key == "from" else key)
        empty = not value.properties and not value.required if key == "where" else not value
        if key in written and empty:
            yield entry.warning(Rule.SAYS_NOTHING, key, says=f"{key} is empty", hint="fill it, or take it out")
    where = entry.rule.where
    if "required" in where.model_fields_set and not where.required and where.properties:
        says = "required names no argument"
        yield entry.warning(Rule.SAYS_NOTHING, "where", "required", says=says, hint="name them, or take it out")
