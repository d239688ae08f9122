"""``agent-guard audit``: the record, as it is stored: pseudonyms only."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from agent_guard.audit import Audit
from agent_guard.cli.output import ConfigOption, JsonOption, console, line, settings_of
from agent_guard.cli.show import audit_table
from agent_guard.cli.storage import keys_of, store_of
from agent_guard.errors import ConfigError

__all__ = ["app"]

app = typer.Typer(help="The record of every call.", no_args_is_help=True)

ThreadOption = Annotated[str | None, typer.Option("--thread", help="Only this thread.")]
LAST = 40


@app.command()
def show(
    trace: Annotated[
        str | None, typer.Argument(help="A trace id, or its last characters; by default the newest events.")
    ] = None,
    thread: ThreadOption = None,
    last: Annotated[int, typer.Option("--last", min=1, help="How many events, the newest.")] = LAST,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows recorded events, and says whether the chains they stand in hold."""
    settings = settings_of(config)
    with store_of(settings) as store:
        audit = Audit(store, keys_of(settings, store))
        events = audit.events(thread=thread) if trace else audit.events(thread=thread, last=last)
        if trace:
            events = [event for event in events if (event.data.get("trace_id") or "").endswith(trace)]
            if not events:
                raise ConfigError(f"no event has the trace {trace!r}")
        broken = [problem for name in sorted({event.thread for event in events}) for problem in audit.broken(name)]
    if as_json:
        for event in events:
            line({"id": event.id, "hash": event.hash, **event.data})
        return
    console.print(audit_table(events))
    console.print(f"{len(events)} events" + (f"; the chain is broken: {broken[0]}" if broken else "; the chains hold"))


@app.command()
def tail(
    thread: ThreadOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until interrupted.")] = False,
    last: Annotated[int, typer.Option("--last", min=1)] = 10,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows the newest events, and with -f those that come."""
    settings = settings_of(config)
    with store_of(settings) as store:
        audit = Audit(store, keys_of(settings, store))
        events = audit.events(thread=thread, last=last)
        while True:
            if as_json:
                for event in events:
                    line({"id": event.id, "hash": event.hash, **event.data})
            elif events:
                console.print(audit_table(events))
            if not follow:
                return
            seen = events[-1].id if events else 0
            while not (events := audit.events(thread=thread, after=seen)):
                time.sleep(0.5)
