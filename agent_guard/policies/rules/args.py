"""``args``: a tool with effects that has none, and rules about arguments that it lets no call set.

What a call leaves out has its default, and the rules are asked about that: some then never fire, others always do.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from agent_guard.gathering.where import failures
from agent_guard.policies.finding import Finding, Rule
from agent_guard.policies.house import Entry
from agent_guard.policies.rules.names import named
from agent_guard.types import JSON
from agent_guard.usual import defaults

__all__ = ["args"]

_NEEDS_A_VALUE: tuple[str, ...] = ("bind", "totals", "not_after")
"""Keys that refuse a call in which the argument is null."""

_LIST_IT = "list it under args, or take the rule out"


def args(entry: Entry) -> Iterator[Finding]:
    """Judges what a call may set, then each rule about what it may not."""
    fields, listed = entry.tool.args_model.model_fields, entry.rule.args
    optional = [name for name, field in fields.items() if not field.is_required()]
    if listed is None:
        if entry.tool.writes and optional:
            says = f"a call may set {', '.join(optional)}, and at once whatever the contract grows"
            hint = f"write args: [{', '.join(fields)}], without those that the model need not set"
            yield entry.warning(Rule.ARGS_OPEN, "args", says=says, hint=hint)
        return
    for name in fields:
        if name not in listed and name not in optional:
            says = f"{name} must be given and may not be set: every call is denied"
            yield entry.error(Rule.NEVER_ALLOWS, "args", says=says, hint=f"add {name}")
        elif name not in listed and _is_constant(entry.tool.args_model, name):
            yield from _about_the_default(entry, name, defaults(entry.tool.args_model).get(name))


def _is_constant(model: type[BaseModel], name: str) -> bool:
    """Whether a call that leaves an argument out always runs with the same value."""
    own = model.__pydantic_decorators__
    fields = [item.info.fields for item in own.field_validators.values()]
    fields += [item.info.fields for item in own.field_serializers.values()]
    made = any({name, "*"} & set(names) for names in fields)
    return not (made or own.model_validators or own.model_serializers or model.model_fields[name].default_factory)


def _about_the_default(entry: Entry, name: str, default: JSON) -> Iterator[Finding]:
    rule = entry.rule
    if name in named(rule, "where"):
        broken = [keyword for argument, keyword in failures(rule.where, {name: default}) if argument == name]
        path = ("where", "properties", name) if name in rule.where.properties else ("where", "required")
        yield _denies(entry, path, name, default) if broken else _never_fires(entry, path, name)
    if name in rule.origins and (default in (None, "", [], {}) or isinstance(default, bool)):  # else it is judged
        yield _never_fires(entry, ("from", name), name)
    for key in _NEEDS_A_VALUE:
        if name in named(rule, key) and default is None:
            yield _denies(entry, (key,) if key == "totals" else (key, name), name, default)
    for index, required in enumerate(rule.requires):
        if required.same == name and default is None:
            yield _denies(entry, ("requires", index, "same"), name, default)


def _never_fires(entry: Entry, path: tuple[str | int, ...], name: str) -> Finding:
    says = f"args lets no call set {name}, so this rule never refuses anything"
    return entry.warning(Rule.NEVER_FIRES, *path, says=says, hint=_LIST_IT)


def _denies(entry: Entry, path: tuple[str | int, ...], name: str, default: JSON) -> Finding:
    says = f"args lets no call set {name}, and what it is then ({default!r}) breaks this rule: every call is denied"
    return entry.error(Rule.NEVER_ALLOWS, *path, says=says, hint=_LIST_IT)
