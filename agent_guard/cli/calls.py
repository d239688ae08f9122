"""``agent-guard calls``: what became of every call, and a word about those of which nobody knows. Masked as stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.table import Table
from rich.text import Text

from agent_guard import approvals, calls, ledger
from agent_guard.audit import Audit
from agent_guard.calls import CallRow, State
from agent_guard.cli.output import (
    AppOption,
    AsOption,
    ConfigOption,
    JsonOption,
    console,
    identity,
    line,
    opened,
    settings_of,
)
from agent_guard.cli.plain import shown, words
from agent_guard.cli.resuming import LEFT_UNDONE
from agent_guard.cli.show import audit_table, diff_tables
from agent_guard.cli.storage import keys_of, store_of
from agent_guard.corrections import corrected
from agent_guard.errors import ConfigError
from agent_guard.execution.undoing import UNDO
from agent_guard.types import JSON, ToolResult, utc_now
from agent_guard.units import parse_duration

if TYPE_CHECKING:
    import sqlalchemy as sa

    from agent_guard.execution.undoing import Inverse

__all__ = ["app"]

app = typer.Typer(help="The calls: what became of each, and those of which nobody knows.", no_args_is_help=True)

LAST = 40
END, END_MIN = 8, 4
"""How many last characters of a trace id are shown in a list, and the fewest that name a call."""

TraceArgument = Annotated[str, typer.Argument(help="The call's trace id, or its last characters.")]

_STYLES = {"done": "green", "failed": "yellow", "unknown": "bold red", "claimed": "cyan", "pending": "cyan"}


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option("--state", help="Only calls in this state, e.g. unknown.")] = None,
    thread: Annotated[str | None, typer.Option("--thread", help="Only this thread's.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    tool: Annotated[str | None, typer.Option("--tool", help="Only calls of this tool.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Proposed since then: 2h, 7d, or 2026-11-22.")] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="How many, the newest.")] = LAST,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists calls, the newest first."""
    now = utc_now()
    wanted, since_ms = _state(state), _since(since, now)
    with store_of(settings_of(config)) as store, store.read() as connection:
        rows = ledger.listed(
            connection, state=wanted, thread=thread, tenant=tenant, tool=tool, since_ms=since_ms, last=last
        )
    if as_json:
        for row in rows:
            line(_data(row, now))
        return
    if not rows:
        console.print("There is no such call.")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("trace", "proposed", "state", "tool", "why / record", "thread"):
        table.add_column(name, no_wrap=name != "thread", overflow="fold")
    for row in rows:
        why = row.reference if row.state == "done" else row.code
        cells = (words(row.trace_id[-END:]), words(_time(row.created)[5:16]), _standing(row, now))
        table.add_row(*cells, words(row.tool), words(why or ""), words(row.thread))
    console.print(table)


@app.command()
def show(trace: TraceArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Shows one call's whole life: where it stands, its question and answer, what a person corrected, and everything
    recorded about it.
    """
    now, settings = utc_now(), settings_of(config)
    with store_of(settings) as store:
        audit = Audit(store, keys_of(settings, store))
        with store.read() as connection:
            row = _named(connection, trace)
            asked = approvals.find(connection, row.approval_id) if row.approval_id else None
            undoing = ledger.called(connection, f"{UNDO}{row.trace_id}", tenant=row.tenant)
            edit = corrected(connection, row)
        events, broken = audit.events(trace_id=row.trace_id), list(audit.broken(row.thread))
    if as_json:
        question = None if asked is None else {**asdict(asked), "expires_at": asked.expires_at}
        recorded = [{"id": event.id, "hash": event.hash, **event.data} for event in events]
        undone = [_data(item, now) for item in undoing]
        data = {"call": _data(row, now), "approval": question, "corrected": edit.as_json() if edit else None}
        line({**data, "undoing": undone, "events": recorded, "broken": broken})
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, cell in _life(row, now):
        table.add_row(name, cell)
    if asked is not None:
        said = f"{asked.answer} by {asked.answered_by}" if asked.answer else f"waits until {asked.expires_at}"
        table.add_row("question", words(f"{asked.id}: {said}{f': {asked.message}' if asked.message else ''}"))
    if edit is not None:
        other = f"in place of {edit.proposed}" if edit.made == row.trace_id else f"ran as {edit.made}"
        table.add_row("corrected", words(f"by {edit.by}, {other}{f': {edit.message}' if edit.message else ''}"))
        for change in edit.corrections:
            table.add_row("", words(f"{change.path}: {shown(change.proposed)} -> {shown(change.made)}"))
    if row.call_id.startswith(UNDO):
        table.add_row("undoes", words(row.call_id.removeprefix(UNDO)))
    for item in undoing:
        table.add_row("undone by", words(f"{item.trace_id}: {item.state}"))
    console.print(table)
    console.print()
    console.print(audit_table(events))
    for part in diff_tables(events):
        console.print(part)
    console.print("The chain holds." if not broken else words(f"The chain is broken: {broken[0]}", "bold red"))
    if row.state == "unknown":
        console.print(
            f"\nNobody knows whether it happened. Ask the system: agent-guard calls reconcile {row.trace_id}\n"
            f"Or look, and say: agent-guard calls resolve {row.trace_id} done|failed --reason ..."
        )


@app.command()
def reconcile(
    trace: Annotated[
        str | None, typer.Argument(help="A trace id, or its last characters; by default all that are unsettled.")
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Without a trace: only this tenant's.")] = None,
    config: ConfigOption = None,
    app_: AppOption = None,
    as_json: JsonOption = False,
) -> None:
    """Asks the systems of record what became of calls whose outcome nobody knows. Nothing runs twice.

    Exit code 3 where a call stays unknown: then a person must look, and say so with 'resolve'.
    """
    settings = settings_of(config, app_)
    with opened(settings, quiet=as_json) as application:
        gateway = application.gateway
        with gateway.store.read() as connection:
            if trace is None:
                rows = ledger.unsettled(connection, now_ms=gateway.now_ms(), tenant=tenant)
            else:
                rows = [_named(connection, trace)]
        results = []
        for row in rows:
            result = gateway.reconcile(row.trace_id)
            results.append(result)
            _print(row.trace_id, result, as_json=as_json)
    if not rows and not as_json:
        console.print("No call is unsettled.")
    if any(result.status == "unknown" for result in results):
        raise typer.Exit(LEFT_UNDONE)


@app.command()
def resolve(
    trace: TraceArgument,
    word: Annotated[str, typer.Argument(metavar="done|failed", help="What became of the call.")],
    reason: Annotated[str, typer.Option("--reason", help="How you know; masked before it is stored.")],
    reference: Annotated[
        str | None, typer.Option("--reference", help="With done: the record that it made or changed, e.g. task:9.")
    ] = None,
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Records what you found out about a call of which nobody knows whether it happened."""
    settings = settings_of(config, app_)
    by = identity(settings, pretend)
    if word not in ("done", "failed"):
        raise ConfigError(f"{word!r} is no outcome; write done or failed")
    with opened(settings, quiet=as_json) as application:
        gateway = application.gateway
        with gateway.store.read() as connection:
            row = _named(connection, trace)
        result = gateway.resolve(
            row.trace_id,
            "done" if word == "done" else "failed",
            by=by,
            reason=reason,
            reference=reference,
        )
    _print(row.trace_id, result, as_json=as_json)


@app.command()
def undo(
    trace: TraceArgument,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; masked before it is stored.")] = None,
    preview: Annotated[bool, typer.Option("--show", help="Only show the call that would undo it.")] = False,
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Proposes the call that turns a finished call back, in your name. It is decided as any other call.

    Exit code 3 where it was neither done nor put before a person.
    """
    settings = settings_of(config, app_)
    by = identity(settings, pretend)
    with opened(settings, quiet=as_json) as application:
        gateway = application.gateway
        with gateway.store.read() as connection:
            row = _named(connection, trace)
        inverse = gateway.undo_of(row.trace_id, by=by)
        result = None if preview else gateway.undo(row.trace_id, by=by, reason=reason)
    if as_json:
        _undone_json(row, inverse, result)
    else:
        console.print(words(f"{row.trace_id} {row.tool}: undone by {inverse.tool} {shown(dict(inverse.args))}"))
    if result is None:
        return
    if not as_json:
        _print(str(result.trace_id), result, as_json=False)
        if result.approval_id:
            console.print(f"It waits for an answer: agent-guard approvals show {result.approval_id}")
    if result.status not in ("executed", "pending", "suggested"):
        raise typer.Exit(LEFT_UNDONE)


def _undone_json(row: CallRow, inverse: Inverse, result: ToolResult | None) -> None:
    data: dict[str, JSON] = {"undoes": row.trace_id, "tool": inverse.tool, "args": dict(inverse.args)}
    if result is not None:
        data |= {"trace_id": result.trace_id, "status": result.status, "code": str(result.code)}
        data |= {"approval": result.approval_id, "reference": result.reference, "content": result.content}
    line(data)


def _print(trace_id: str, result: ToolResult, *, as_json: bool) -> None:
    if as_json:
        data = {"trace_id": trace_id, "tool": result.tool, "status": result.status, "code": str(result.code)}
        line({**data, "reference": result.reference, "content": result.content})
        return
    style = {"executed": "green", "duplicate": "green", "failed": "yellow"}.get(result.status, "bold red")
    said = result.reference or (result.content if isinstance(result.content, str) else "")
    text = Text.assemble(words(trace_id), " ", words(result.tool), " ", words(result.status, style))
    console.print(text.append_text(words(f" {said}" if said else "")), soft_wrap=True)


def _named(connection: sa.Connection, trace: str) -> CallRow:
    """The call of a trace id, or of the last characters of one."""
    exact = calls.by_id(connection, trace)
    if exact is not None:
        return exact
    found = ledger.ending_in(connection, trace.upper()) if len(trace) >= END_MIN else []
    if len(found) > 1:
        raise ConfigError(f"{len(found)} calls end in {trace!r}; write more of the trace id")
    if not found:
        raise ConfigError(f"there is no call {trace!r}; see: agent-guard calls list")
    return found[0]


def _state(text: str | None) -> State | None:
    for state in get_args(State):
        if state == text:
            return state  # type: ignore[no-any-return]
    if text is None:
        return None
    raise ConfigError(f"{text!r} is no state of a call; there is: {', '.join(get_args(State))}")


def _since(text: str | None, now: datetime) -> int | None:
    if text is None:
        return None
    try:
        moment = now - parse_duration(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ConfigError(f"--since {text!r} is no duration and no day; write e.g. 2h, 7d or 2026-11-22") from None
        moment = moment if moment.tzinfo else moment.astimezone()  # as the person at this machine means it
    return int(moment.timestamp() * 1000)


def _data(row: CallRow, now: datetime) -> dict[str, JSON]:
    """A call as JSON, with how long its claim still holds."""
    return {**asdict(row), "code": str(row.code), "lease_left_s": _lease_left_s(row, now)}


def _lease_left_s(row: CallRow, now: datetime) -> float | None:
    """How long a claimed call counts as running, in seconds; 0 where whoever ran it must be dead."""
    if row.state != "claimed" or row.lease is None:
        return None
    return max(0.0, row.lease / 1000 - now.timestamp())


def _standing(row: CallRow, now: datetime) -> Text:
    left = _lease_left_s(row, now)
    more = "" if left is None else " (dead)" if left == 0 else f" ({left:.0f} s left)"
    return words(f"{row.state}{more}", _STYLES.get(row.state, ""))


def _life(row: CallRow, now: datetime) -> Iterator[tuple[str, Text]]:
    """One call, line by line; what there is nothing to say of is left out."""
    yield "trace", words(row.trace_id, "bold")
    yield "state", _standing(row, now).append_text(words(f"  {row.code}"))
    yield "tool", words(row.tool)
    yield "thread", words(f"{row.thread} of {row.tenant}")
    yield "call id", words(row.call_id)
    said: list[tuple[str, Any]] = [("reason", row.reason), ("to the model", row.for_model), ("why", row.for_human)]
    said += [("argument " + name, shown(value)) for name, value in row.args.items()]
    said += [("record", row.reference), ("result", None if row.result is None else shown(row.result))]
    yield from ((name, words(value)) for name, value in said if value)
    for name, moment in (("proposed", row.created), ("claimed", row.claimed), ("settled", row.settled)):
        if moment is not None:
            yield name, words(_time(moment))


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
