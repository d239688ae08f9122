"""``agent-guard audit``: the record, as it is stored: pseudonyms only."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from agent_guard.audit import Audit, StoredEvent
from agent_guard.auditing.selection import Selection, find, moment, one_trace
from agent_guard.cli import audit_proof, audit_replay, audit_report, audit_retain
from agent_guard.cli.audit_report import (
    ActorOption,
    CodeOption,
    KindOption,
    PartyOption,
    SinceOption,
    TenantOption,
    ThreadOption,
    ToolOption,
    UntilOption,
)
from agent_guard.cli.output import ConfigOption, JsonOption, console, line, settings_of
from agent_guard.cli.show import audit_table, diff_tables
from agent_guard.cli.storage import keys_of, store_of
from agent_guard.display import timeline
from agent_guard.recording.format import json_schema
from agent_guard.types import utc_now

__all__ = ["app"]

app = typer.Typer(help="The record of every call.", no_args_is_help=True)

LAST = 40
AGAIN = 500
"""How many ids behind the newest are looked at again: a server may commit a lower one later."""

LastOption = Annotated[int, typer.Option("--last", min=1, help="How many events, the newest.")]


@app.command()
def show(
    trace: Annotated[
        str | None, typer.Argument(help="A trace id, or its last characters; by default the newest events.")
    ] = None,
    thread: ThreadOption = None,
    last: LastOption = LAST,
    as_timeline: Annotated[bool, typer.Option("--timeline", help="When each was, and what it tells.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows recorded events, and says whether the chains they stand in hold."""
    settings = settings_of(config)
    with store_of(settings) as store:
        audit = Audit(store, keys_of(settings, store))
        if trace:
            events = audit.events(thread=thread, trace_id=one_trace(store, trace))
        else:
            events = audit.events(thread=thread, last=last)
        names = sorted({event.thread for event in events})
        broken = [f"{name}, {problem}" for name in names for problem in audit.broken(name)]
    if as_timeline and not as_json:
        console.print(timeline(events))
    else:
        _print(events, as_json=as_json)
    if not as_json:
        for part in diff_tables(events) if trace else ():
            console.print(part)
        words = f"the chain is broken: {broken[0]}" if broken else "the chains hold"
        console.print(f"{len(events)} events" + (f"; {words}" if events else ""))


@app.command()
def tail(
    thread: ThreadOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until interrupted.")] = False,
    last: LastOption = 10,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows the newest events, and with -f those that come."""
    settings = settings_of(config)
    with store_of(settings) as store:
        events = list(find(store, Selection(thread=thread), newest=True, most=last))[::-1]
        seen: set[int] = set()
        while True:
            _print([event for event in events if event.id not in seen], as_json=as_json)
            if not follow:
                return
            newest = max([*seen, *(event.id for event in events)], default=0)
            seen = {id for id in seen | {event.id for event in events} if id > newest - AGAIN}
            first = min(seen, default=1) - 1  # nothing older than what was shown first
            time.sleep(0.5)
            events = list(find(store, Selection(thread=thread), after=max(first, newest - AGAIN)))


@app.command()
def search(
    tool: ToolOption = None,
    code: CodeOption = None,
    actor: ActorOption = None,
    kind: KindOption = None,
    party: PartyOption = None,
    tenant: TenantOption = None,
    thread: ThreadOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    last: LastOption = LAST,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows the newest events that meet every condition."""
    now = utc_now()
    selection = Selection(
        tool=tool, code=code, actor=actor, kind=kind, party=party, tenant=tenant, thread=thread,
        since=moment(since, now) if since else None, until=moment(until, now) if until else None,
    )  # fmt: skip
    with store_of(settings_of(config)) as store:
        events = list(find(store, selection, newest=True, most=last))[::-1]
    _print(events, as_json=as_json)
    if not as_json:
        console.print(f"{len(events)} events, the newest" if len(events) == last else f"{len(events)} events")


@app.command()
def schema() -> None:
    """Prints the JSON Schema of an event."""
    line(json_schema())


app.command("verify")(audit_proof.verify)
app.command("seal")(audit_proof.seal)
app.command("public-key")(audit_proof.public_key)
app.command("replay")(audit_replay.replay)
app.command("retain")(audit_retain.retain)
app.command("export")(audit_report.export)
app.command("stats")(audit_report.stats)


def _print(events: list[StoredEvent], *, as_json: bool) -> None:
    if as_json:
        for event in events:
            line({"id": event.id, "hash": event.hash, **event.data})
    elif events:
        console.print(audit_table(events))
