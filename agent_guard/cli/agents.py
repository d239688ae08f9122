"""``agent-guard agents``: the technical identities under which gateways call the systems."""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from agent_guard.audit import Audit
from agent_guard.cli.output import ConfigOption, JsonOption, console, line, settings_of
from agent_guard.cli.storage import keys_of, store_of
from agent_guard.operations import agents
from agent_guard.operations.agents import AgentRow
from agent_guard.operations.enrolment import add as enrol, revoke as withdraw
from agent_guard.operations.scopes import DEFAULT_AGENT
from agent_guard.types import utc_now

__all__ = ["app"]

app = typer.Typer(help="Agents: each with secrets of its own, and revoked alone.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The agent's name.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the audit.")]


@app.command()
def add(name: NameArgument, reason: ReasonOption, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Adds an agent to this environment. It can do nothing until a gateway is started as it."""
    settings, by = settings_of(config), getpass.getuser()
    with store_of(settings, create=True) as store:
        audit = Audit(store, keys_of(settings, store))
        enrol(store, audit, name, environment=settings.environment, reason=reason, by=by, now=utc_now())
    _said(as_json, name, settings.environment, "added", reason, by)


@app.command()
def revoke(name: NameArgument, reason: ReasonOption, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Takes an agent's power away: at once, in every process, for good. Nothing else stops."""
    settings, by = settings_of(config), getpass.getuser()
    with store_of(settings) as store:
        audit = Audit(store, keys_of(settings, store))
        withdraw(store, audit, name, environment=settings.environment, reason=reason, by=by, now=utc_now())
    _said(as_json, name, settings.environment, "revoked", reason, by)


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Shows the agents of every environment of this database."""
    settings = settings_of(config)
    with store_of(settings) as store, store.read() as connection:
        rows = agents.everyone(connection)
    if not any((row.name, row.environment) == (DEFAULT_AGENT, settings.environment) for row in rows):
        built_in = AgentRow(name=DEFAULT_AGENT, environment=settings.environment, created=0, created_by="", reason="")
        rows.insert(0, built_in)
    for row in rows:
        if as_json:
            line(_shown(row))
            continue
        state = f"[red]revoked[/] {_when(row.revoked)} by {row.revoked_by}" if row.revoked else "[green]active[/]"
        console.print(f"{row.environment:6} {row.name:30} {state}{escape(f' ({row.reason})') if row.reason else ''}")


def _shown(row: AgentRow) -> dict[str, Any]:
    return vars(row) | {
        "created": _when(row.created),
        "created_by": row.created_by or None,
        "revoked": _when(row.revoked),
        "reason": row.reason or None,
    }


def _when(at_ms: int | None) -> str | None:
    return datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(timespec="seconds") if at_ms else None


def _said(as_json: bool, name: str, environment: str, what: str, reason: str, by: str) -> None:
    if as_json:
        line({"agent": name, "environment": environment, "done": what, "reason": reason, "by": by})
    else:
        console.print(f"{name}: {what} in {environment}")
