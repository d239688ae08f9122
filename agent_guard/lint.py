"""What is refused when a gateway is built: tools and policies that contradict each other, or lack what they need."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from agent_guard.errors import ConfigError
from agent_guard.free_text import refuse_free_text
from agent_guard.guards.binding import bound_to
from agent_guard.policy import Policy, ToolRule
from agent_guard.tool import RESERVED, Tool

__all__ = ["lint"]

REASON = "reason"
"""The argument that the plan step adds to every tool's schema."""


def lint(
    tools: Mapping[str, Tool], policies: Collection[Policy], *, resources: Collection[str], has_records: bool
) -> None:
    """Checks every tool against every policy.

    Raises:
        ConfigError: names the policy, the tool and the argument, and what to do.
    """
    for name in RESERVED:
        if name in resources:
            raise ConfigError(f"the resource name {name!r} is taken by the gateway, which fills it itself; rename it")
    for tool in tools.values():
        missing = [name for name in tool.resources if name not in resources]
        if missing:
            raise ConfigError(f"tool {tool.name!r} asks for the resource {missing[0]!r}; pass it in 'resources'")
        if REASON in tool.args_model.model_fields:
            raise ConfigError(f"tool {tool.name!r}: the argument name {REASON!r} is taken by the plan step; rename it")
        if not any(tool.name in policy.tools for policy in policies):
            raise ConfigError(
                f"tool {tool.name!r} is named by no policy; add it to one, or leave it out of the gateway"
            )
    for policy in policies:
        for name, rule in policy.tools.items():
            found = tools.get(name)
            if found is None:
                known = ", ".join(sorted(tools)) or "none"
                raise ConfigError(f"policy {policy.name!r} names the tool {name!r}; the gateway has: {known}")
            _rule(policy, found, rule, has_records=has_records)


def _rule(policy: Policy, tool: Tool, rule: ToolRule, *, has_records: bool) -> None:
    where = f"policy {policy.name!r}, tool {tool.name!r}"
    arguments, results = tool.args_model.model_fields, tool.result_model.model_fields
    named = {
        "where.properties": (rule.where.properties, arguments),
        "where.required": (rule.where.required, arguments),
        "bind": (rule.bind, tool.refs),
        "args": (rule.args or (), arguments),
        "fields": (rule.fields or (), results),
        "from": (rule.origins, arguments),
        "totals": ([total.arg for total in rule.totals], arguments),
        "not_after": (rule.not_after, arguments),
        "requires": ([wanted.tool for wanted in rule.requires], policy.tools),
        "requires.same": ([wanted.same for wanted in rule.requires if wanted.same], arguments),
    }
    for key, (names, known) in named.items():
        for name in names:
            if name not in known:
                raise ConfigError(f"{where}: {key} names {name!r}; there is: {', '.join(known) or 'none'}")
    needed = [name for name, field in arguments.items() if field.is_required()]
    closed = [name for name in needed if rule.args is not None and name not in rule.args]
    if closed:
        raise ConfigError(f"{where}: args leaves out {closed[0]!r}, which every call must set")
    try:
        refuse_free_text(tool, rule)
    except ConfigError as error:
        raise ConfigError(f"policy {policy.name!r}, {error}") from None
    if has_records:
        return
    if tool.refs:
        bind = bound_to(rule, tool, next(iter(tool.refs)))
        raise ConfigError(
            f"{where}: {next(iter(tool.refs))!r} names a record that is bound to {bind!r}, and the gateway has no "
            "'records' to look it up in; pass records=..."
        )
    if rule.region is not None:
        raise ConfigError(f"{where}: 'region' needs to know where records lie; pass records=...")
