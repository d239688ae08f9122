"""The command line: one file a command group. Library calls only; whatever it prints is masked unless it says so."""

from __future__ import annotations

import sys

import typer

from agent_guard.cli import (
    agents,
    approvals,
    audit,
    calls,
    db,
    demo,
    init,
    mask,
    policy,
    route,
    run,
    scan,
    suggestions,
    switch,
    vault,
    work,
)
from agent_guard.cli.output import fail
from agent_guard.errors import AgentGuardError

__all__ = ["app", "main"]

app = typer.Typer(
    name="agent-guard",
    help="Let a LangGraph agent work in a CRM without trusting it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("init")(init.init)
app.command("run")(run.run)
app.command("scan")(scan.scan)
app.command("demo")(demo.demo)
app.command("route")(route.route)
app.add_typer(mask.app, name="mask")
app.add_typer(approvals.app, name="approvals")
app.add_typer(calls.app, name="calls")
app.add_typer(suggestions.app, name="suggestions")
app.command("work")(work.work)
app.command("kill")(switch.kill)
app.command("revive")(switch.revive)
app.command("status")(switch.status)
app.add_typer(agents.app, name="agents")
app.add_typer(audit.app, name="audit")
app.add_typer(vault.app, name="vault")
app.add_typer(policy.app, name="policy")
app.add_typer(db.app, name="db")


def main() -> None:
    """Runs the command line; an expected error is one line on standard error and exit code 1."""
    try:
        app()
    except AgentGuardError as error:
        fail(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
