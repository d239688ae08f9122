"""``agent-guard kill | revive | status``: the red button."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from agent_guard.audit import Audit
from agent_guard.cli.output import ConfigOption, JsonOption, console, fail, line, settings_of
from agent_guard.cli.plain import words
from agent_guard.cli.storage import keys_of, store_of
from agent_guard.errors import ConfigError
from agent_guard.kill_switch import EVERYTHING, KillSwitch
from agent_guard.notifications.alerts import Alerts
from agent_guard.operations.button import set_flag
from agent_guard.scenario import load_app
from agent_guard.settings import Settings
from agent_guard.types import utc_now

__all__ = ["kill", "revive", "status"]

TenantOption = Annotated[str | None, typer.Option("--tenant", help="Only this tenant.")]
ScenarioOption = Annotated[str | None, typer.Option("--scenario", help="Only this scenario.")]
ToolOption = Annotated[str | None, typer.Option("--tool", help="Only this tool.")]
AgentOption = Annotated[str | None, typer.Option("--agent", help="Only this agent.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the audit.")]


def kill(
    reason: ReasonOption,
    tenant: TenantOption = None,
    scenario: ScenarioOption = None,
    tool: ToolOption = None,
    agent: AgentOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Switches tool calling off, at once and for every process; the CRM stays up."""
    _set(_scope(tenant, scenario, tool, agent), reason, config, as_json, pressed=True)


def revive(
    reason: ReasonOption,
    tenant: TenantOption = None,
    scenario: ScenarioOption = None,
    tool: ToolOption = None,
    agent: AgentOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Switches tool calling on again."""
    _set(_scope(tenant, scenario, tool, agent), reason, config, as_json, pressed=False)


def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Shows every flag that was ever set: by whom, why, and since when."""
    settings = settings_of(config)
    with store_of(settings) as store:
        switches = KillSwitch(store).status()
    for switch in switches:
        if as_json:
            line(
                {
                    "scope": switch.scope,
                    "pressed": switch.pressed,
                    "reason": switch.reason,
                    "by": switch.by,
                    "at": switch.at.isoformat(),
                }
            )
        else:
            state = words("pressed", "red") if switch.pressed else words("on", "green")
            since = f" since {switch.at:%Y-%m-%d %H:%M:%S %Z} by {switch.by}: {switch.reason}" if switch.reason else ""
            console.print(words(f"{switch.scope:30} "), state, words(since), sep="", soft_wrap=True)


def _scope(tenant: str | None, scenario: str | None, tool: str | None, agent: str | None) -> str:
    given = {"tenant": tenant, "scenario": scenario, "tool": tool, "agent": agent}
    named = [f"{kind}:{value}" for kind, value in given.items() if value is not None]
    if any(value == "" for value in given.values()):  # an empty variable of a script must not mean everything
        raise ConfigError("a name is empty, so nothing was switched; leave the option out to mean everything")
    if len(named) > 1:
        raise ConfigError("name one of --tenant, --scenario, --tool and --agent, or none for everything")
    return named[0] if named else EVERYTHING


def _set(scope: str, reason: str, config: Path | None, as_json: bool, *, pressed: bool) -> None:
    # without the gateway: the button must work when a policy or a model cannot even be loaded
    settings, by = settings_of(config), getpass.getuser()
    _covers_something(settings, scope)
    alerts = _alerts(settings)
    with store_of(settings) as store:
        audit = Audit(store, keys_of(settings, store))
        set_flag(
            store,
            audit,
            scope,
            pressed=pressed,
            reason=reason,
            by=by,
            environment=settings.environment,
            now=utc_now(),
            alerts=alerts,
        )
    if as_json:
        line({"scope": scope, "pressed": pressed, "reason": reason, "by": by})
    else:
        state = words("off", "red") if pressed else words("on", "green")
        console.print(words(f"{scope}: tool calling is "), state, sep="", soft_wrap=True)
    if alerts is not None:
        alerts.drain()


def _alerts(settings: Settings) -> Alerts | None:
    """Who tells the other operators, where the hooks say so; hooks that are wrong do not stop the button."""
    try:
        held = settings.hook_secrets()
        return settings.hooks.operators(held, environment=settings.environment, agent=settings.agent)
    except ConfigError as error:
        fail(error)
        return None


def _covers_something(settings: Settings, scope: str) -> None:
    """Refuses a slip of the keyboard; an application that cannot be loaded refuses nothing."""
    kind, _, name = scope.partition(":")
    try:
        scenarios = load_app(settings.app)
    except Exception:  # whatever is broken there, the button must work
        return
    known = {"scenario": list(scenarios), "tool": [tool.name for item in scenarios.values() for tool in item.tools]}
    if kind in known and name not in known[kind]:
        there = ", ".join(sorted(set(known[kind])))
        raise ConfigError(f"{scope!r} covers nothing here, so nothing was switched; there is: {there}")
