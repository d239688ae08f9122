"""``agent-guard audit export | stats``: the record in a file, and in numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from agent_guard.audit import Audit, StoredEvent
from agent_guard.auditing import export as exporting
from agent_guard.auditing.export import FORMATS, Format
from agent_guard.auditing.selection import Selection, count, moment
from agent_guard.auditing.stats import stats as counted
from agent_guard.cli.output import (
    AsOption,
    ConfigOption,
    JsonOption,
    console,
    fail,
    line,
    privacy_officer,
    settings_of,
)
from agent_guard.cli.plain import plain
from agent_guard.cli.progress import progress
from agent_guard.cli.storage import keys_of, store_of
from agent_guard.errors import ConfigError
from agent_guard.privacy import access
from agent_guard.store import Store
from agent_guard.types import utc_now

__all__ = ["export", "stats"]

ThreadOption = Annotated[str | None, typer.Option("--thread", help="Only this thread.")]
PartyOption = Annotated[str | None, typer.Option("--party", help="Only about this customer, e.g. contact:17.")]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Only this tenant.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="24h, 7d, 2026-01-31 or 2026-01-31T09:30:00Z (UTC).")]
UntilOption = Annotated[str | None, typer.Option("--until", help="As --since; this moment itself is not in it.")]
ToolOption = Annotated[str | None, typer.Option("--tool", help="Only this tool.")]
CodeOption = Annotated[str | None, typer.Option("--code", help="Only this code of a decision or an error.")]
ActorOption = Annotated[str | None, typer.Option("--actor", help="Only on behalf of, or answered by, this person.")]
KindOption = Annotated[str | None, typer.Option("--kind", help="Only this kind of event.")]

DAMAGED = 2
_TOP = 10


def export(
    out: Annotated[
        Path | None, typer.Option("--out", help="A file that does not exist yet; else to the screen.")
    ] = None,
    format: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    party: PartyOption = None,
    tenant: TenantOption = None,
    thread: ThreadOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the export that was interrupted.")] = False,
    restore: Annotated[
        bool, typer.Option("--restore", help="With --party and --out: put the party's own values back, for its eyes.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="With --restore: why; it stands in the audit.")] = None,
    as_: AsOption = None,
    config: ConfigOption = None,
) -> None:
    """Writes events into a file, one a line. Exit code 2: some are damaged and marked so; 'audit verify' names them.

    With --restore the file answers a request for access: who made it is recorded first, only you can read it, and no
    value of anybody else is in it.
    """
    known = _format(format)
    if resume and out is None:
        raise ConfigError("--resume needs --out: the file that the interrupted export was to become")
    settings = settings_of(config)
    person = None
    if restore:
        if party is None or out is None:
            raise ConfigError("--restore needs --party and --out")
        person = privacy_officer(settings, as_, tenant)
        tenant = person.tenant
    selection = _selection(party=party, tenant=tenant, thread=thread, since=since, until=until)
    with store_of(settings) as store:
        change = None
        if person is not None and out is not None and party is not None:
            if out.exists():
                raise ConfigError(f"{out} exists; name another file, or remove it")
            keys = keys_of(settings, store)
            change = access.opened(
                store, Audit(store, keys), keys, tenant=person.tenant, party=party, by=person.id,
                reason=reason or "", environment=settings.environment, now=utc_now(),
            )  # fmt: skip
        damaged = (
            _to_screen(store, selection, known)
            if out is None
            else _to_file(store, out, selection, known, resume, change)
        )
    if damaged:
        fail(ConfigError(f"{damaged} events are damaged; see: agent-guard audit verify"))
        raise typer.Exit(DAMAGED)


def stats(
    tenant: TenantOption = None,
    thread: ThreadOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Counts calls, times, limits, errors and approvals."""
    selection = _selection(tenant=tenant, thread=thread, since=since, until=until)
    with (
        store_of(settings_of(config)) as store,
        progress("Counting", lambda: count(store, selection)) as told,
    ):
        found = counted(store, selection, progress=told)
    if as_json:
        line(found)
    else:
        _tell(found)


def _selection(*, since: str | None, until: str | None, **conditions: str | None) -> Selection:
    now = utc_now()
    return Selection(
        since=moment(since, now) if since else None, until=moment(until, now) if until else None, **conditions
    )


def _format(text: str) -> Format:
    if text not in FORMATS:
        raise ConfigError(f"--format {text!r} is none of {', '.join(FORMATS)}")
    return text


def _to_screen(store: Store, selection: Selection, format: Format) -> int:
    damaged = 0
    sys.stdout.buffer.write(exporting.header(format))
    for event, text in exporting.lines(store, selection, format=format):
        sys.stdout.buffer.write(text)
        damaged += event.damaged
    sys.stdout.buffer.flush()
    return damaged


def _to_file(
    store: Store,
    out: Path,
    selection: Selection,
    format: Format,
    resume: bool,
    change: Callable[[StoredEvent], StoredEvent] | None,
) -> int:
    try:
        with progress("Exporting", lambda: count(store, selection)) as told:
            done = exporting.export(store, out, selection, format=format, resume=resume, progress=told, change=change)
    except KeyboardInterrupt:
        fail(ConfigError(f"interrupted; {out} is not there. Go on with the same command and --resume"))
        raise
    console.print(f"{done.events:,} events are in {out}")
    return done.damaged


def _tell(found: dict[str, Any]) -> None:
    if not found["events"]:
        console.print("There are no events.")
        return
    since, until = (
        datetime.fromtimestamp(found[name] / 1000, UTC).isoformat(timespec="seconds")
        for name in ("first_ms", "last_ms")
    )
    console.print(f"{found['events']:,} events from {since} to {until}\n")
    for name, counts in found["calls"].items():
        _table(f"calls by {name}", [name, "calls"], [(key, f"{value:,}") for key, value in counts.items()])
    _table("decided", ["outcome", "calls"], [(key, f"{value:,}") for key, value in found["outcomes"].items()])
    spans = {"all": found["latency_ms"]["all"], **found["latency_ms"]["tool"]}
    rows = [_span(name, span) for name, span in spans.items()]
    _table("latency of calls that ran, ms", ["tool", "calls", "P50", "P95", "P99"], rows)
    _table("limits", ["code", "hits"], [(key, f"{value:,}") for key, value in found["limits"].items()])
    errors = [(name, code, f"{n:,}") for name, codes in found["errors"].items() for code, n in codes.items()]
    _table("errors", ["class", "code", "events"], errors)
    asked = found["approvals"]
    known = {"asked": asked["asked"], "no answer yet": asked["open"], **asked["answers"]}
    _table("approvals", ["", "questions"], [(key, f"{value:,}") for key, value in known.items()])
    _table("until the answer, ms", ["", "answers", "P50", "P95", "P99"], [_span("", asked["waited_ms"])])
    alone = found["unattended"]
    console.print("no call ran" if alone is None else f"{alone:.0%} of the calls that ran needed no answer of a person")


def _span(name: str, span: dict[str, Any]) -> tuple[str, ...]:
    return (name, f"{span['count']:,}", *(f"{span[key]:,}" if key in span else "" for key in ("p50", "p95", "p99")))


def _table(title: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    if not rows:
        return
    console.print(title, style="bold")
    table = Table(box=None, header_style="dim", pad_edge=False)
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if rows[0][index][:1].isdigit() else "left")
    for row in rows[:_TOP]:
        table.add_row(*(plain(cell) for cell in row))
    if len(rows) > _TOP:
        table.add_row(f"and {len(rows) - _TOP:,} more", *[""] * (len(columns) - 1))
    console.print(table)
    console.print()
