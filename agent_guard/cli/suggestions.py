"""``agent-guard suggestions``: what the agent would have done, and what people say of it. Masked as stored."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent_guard.auditing.selection import moment
from agent_guard.cli import suggestions_report
from agent_guard.cli.audit_report import SinceOption, TenantOption, ToolOption, UntilOption
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
from agent_guard.cli.plain import words
from agent_guard.cli.question import called
from agent_guard.cli.storage import store_of
from agent_guard.errors import ConfigError
from agent_guard.suggestions import VERDICTS, Suggestion, Suggestions
from agent_guard.types import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["app"]

app = typer.Typer(help="What the agent would have done in suggest mode, and what you say of it.", no_args_is_help=True)

LAST = 40
END, END_MIN = 8, 4
"""How many last characters of a trace id are shown in a list, and the fewest that name a suggestion."""

_SAID = {"approve": ("would approve", "green"), "reject": ("would reject", "red"), None: ("open", "cyan")}

TraceArgument = Annotated[str, typer.Argument(help="The suggestion's trace id, or its last characters.")]


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that were judged.")] = False,
    tool: ToolOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    last: Annotated[int, typer.Option("--last", min=1, help="How many, the newest.")] = LAST,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists the suggestions that nobody has judged yet, the oldest first."""
    now = utc_now()
    with store_of(settings_of(config)) as store:
        found = Suggestions(store).list(
            judged=None if every else False,
            tool=tool,
            tenant=tenant,
            since_ms=suggestions_report.milliseconds(moment(since, now)) if since else None,
            until_ms=suggestions_report.milliseconds(moment(until, now)) if until else None,
            last=last,
        )
    if as_json:
        for item in found:
            line(asdict(item))
        return
    if not found:
        console.print("There is no such suggestion." if every else "No suggestion is left to be judged.")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("trace", "suggested", "tool", "in", "for", "verdict"):
        table.add_column(name, overflow="fold")
    for item in found:
        cells = (item.trace_id[-END:], _time(item.created)[5:16], item.tool, item.environment, item.requester)
        table.add_row(*(words(cell) for cell in cells), _verdict(item))
    console.print(table)


@app.command()
def show(trace: TraceArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Shows one suggestion: what would have run, for whom, why, what it would have changed, and what was said of it."""
    with store_of(settings_of(config)) as store:
        found = _named(Suggestions(store), trace)
    if as_json:
        line(asdict(found))
        return
    console.print(Group(*_parts(found)))
    if found.verdict is None:
        console.print(
            f"\nWhat would you have said? agent-guard suggestions judge {found.trace_id} approve\n"
            f"                          agent-guard suggestions judge {found.trace_id} reject --reason ..."
        )


@app.command()
def judge(
    trace: TraceArgument,
    verdict: Annotated[str, typer.Argument(metavar="approve|reject", help="What you would have answered.")],
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why; needed with reject, masked before it is stored.")
    ] = None,
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Says whether you would have approved a suggestion. Once; nothing runs on it."""
    settings = settings_of(config, app_)
    by = identity(settings, pretend)
    word = next((known for known in VERDICTS if known == verdict), None)
    if word is None:
        raise ConfigError(f"{verdict!r} is no verdict; write {' or '.join(VERDICTS)}")
    if word == "reject" and not (reason or "").strip():
        raise ConfigError("a reason is missing: say with --reason what is wrong with it")
    with opened(settings, quiet=as_json) as application:
        gateway = application.gateway
        found = gateway.judge(_named(gateway.suggestions, trace).trace_id, word, by=by, reason=reason)
    if as_json:
        line(asdict(found))
        return
    console.print(words(f"{by.id} ").append_text(_verdict(found)).append_text(words(f": {found.tool}")))


app.command("report")(suggestions_report.report)


def _named(suggestions: Suggestions, trace: str) -> Suggestion:
    found = suggestions.ending_in(trace.upper()) if len(trace) >= END_MIN else []
    if len(found) == 1:
        return found[0]
    if found:
        which = ", ".join(item.trace_id for item in found[:5])
        raise ConfigError(f"{len(found)} suggestions end in {trace!r}: {which}")
    raise ConfigError(f"there is no suggestion {trace!r}; see: agent-guard suggestions list --all")


def _parts(found: Suggestion) -> Iterator[RenderableType]:
    data = found.shown
    yield Text.assemble(
        words(found.tool, "bold"), words(f"  ({data.get('effect')})"), words(f"  {found.trace_id}", "dim")
    )
    said: list[tuple[str, Any]] = [
        ("for", f"{found.requester} of {found.tenant}"),
        ("reason", data.get("reason")),
        ("suggested", f"{_time(found.created)} in {found.environment}"),
        ("thread", found.thread),
        ("policy", found.policy_hash),
    ]
    for name, value in said:
        if value:
            yield Text.assemble((f"{name:10}", "dim"), words(value))
    yield from called(data)
    if found.verdict is not None:
        why = words(f": {found.reason}" if found.reason else "")
        yield Text("\n").append_text(_verdict(found)).append_text(words(f" by {found.judged_by}")).append_text(why)


def _verdict(item: Suggestion) -> Text:
    return words(*_SAID.get(item.verdict, (str(item.verdict), "")))


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
