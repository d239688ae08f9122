"""``agent-guard policy``: what is wrong in policies, why a call would be decided so, what a new version opens, and what
recorded calls would have become under it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.table import Table
from rich.text import Text

from agent_guard.cli import policy_simulate
from agent_guard.cli.output import (
    AppOption,
    AsOption,
    ConfigOption,
    FailOn,
    JsonOption,
    console,
    fail,
    line,
    settings_of,
)
from agent_guard.errors import ConfigError

if TYPE_CHECKING:
    from agent_guard.policies.diff import Change
    from agent_guard.policies.explain import Explanation
    from agent_guard.policies.finding import Finding
    from agent_guard.tool import Tool
    from agent_guard.types import JSON

__all__ = ["app"]

app = typer.Typer(
    help="Policies: what is wrong in them, what they decide, what a new version opens.", no_args_is_help=True
)

_STYLES = {
    "error": "red", "warning": "yellow", "wider": "red", "narrower": "green", "changed": "dim",
    "allow": "green", "require_approval": "yellow", "suggest": "cyan", "deny": "red", None: "dim",
}  # fmt: skip


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Policy files; by default those of the scenarios.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 2 where there are warnings only.")] = False,
    config: ConfigOption = None,
    app_: AppOption = None,
    as_json: JsonOption = False,
) -> None:
    """Finds what is wrong in policies; exit code 1 where there are errors."""
    from agent_guard.policies.check import check as find
    from agent_guard.policies.finding import Rule, Source
    from agent_guard.policy import Policy
    from agent_guard.scenario import load_app

    settings = settings_of(config, app_)
    scenarios = load_app(settings.app)
    paths: dict[str | None, Path] = {name: scenario.policy for name, scenario in scenarios.items()}
    if files:
        paths = {str(path): path for path in files}
    found = find(
        {tool.name: tool for scenario in scenarios.values() for tool in scenario.tools},
        {name: Policy.load(path) for name, path in paths.items()},
        people=[person.subject() for person in settings.people.values()],
        environments={settings.environment},
        sources={name: Source.read(_near(path)) for name, path in paths.items()},
    )
    if files:  # the other policies of the application may name the others of its tools
        found = tuple(item for item in found if item.rule is not Rule.TOOL_WITHOUT_POLICY)
    _print_findings(found, as_json=as_json, policies=len(paths))
    errors = [item for item in found if item.level == "error"]
    if errors or (strict and found):
        raise typer.Exit(1 if errors else 2)


def _near(path: Path) -> Path:
    """The path as it is written from the current folder, where it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _print_findings(found: Iterable[Finding], *, as_json: bool, policies: int) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False, show_header=False)
    levels: dict[str, int] = {"error": 0, "warning": 0}
    for item in found:
        levels[item.level] += 1
        if as_json:
            line(asdict(item))
            continue
        text = Text(item.where, style="bold").append(f"  {item.rule}\n", style="dim")
        text.append(item.message, style="default").append(f"\n{item.hint}\n", style="dim")
        table.add_row(Text(item.level, style=_STYLES[item.level]), text)
    if as_json:
        return
    if table.row_count:
        console.print(table)
    console.print(f"policies: {policies}, errors: {levels['error']}, warnings: {levels['warning']}")


@app.command()
def explain(
    tool: Annotated[str, typer.Argument(help="The tool's name; not needed with --trace.")] = "",
    args: Annotated[str, typer.Option("--args", help="The arguments as JSON.")] = "{}",
    thread: Annotated[str | None, typer.Option("--thread", help="In this stored conversation.")] = None,
    party: Annotated[str | None, typer.Option("--party", help="Id of the customer, without --thread.")] = None,
    scenario: Annotated[str | None, typer.Option("--scenario", help="Name of the scenario, without --thread.")] = None,
    trace: Annotated[str | None, typer.Option("--trace", help="A recorded decision instead, by its trace id.")] = None,
    language: Annotated[str, typer.Option("--lang", help="en, ru or pl.")] = "en",
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tells why a call would be decided so, guard by guard. Nothing runs and nothing is recorded."""
    from agent_guard.cli import policy_case as case
    from agent_guard.policies.explain import explain as tell
    from agent_guard.policies.speech import Language, Speech

    spoken = Speech(cast("Language", language)).language
    settings = settings_of(config, app_)
    if trace is not None:
        given = case.recorded(settings, trace)
    elif not tool:
        raise ConfigError("name the tool, or a recorded decision with --trace")
    else:
        wanted = case.Wanted(tool=tool, args=_object(args), thread=thread, party=party, scenario=scenario)
        given = case.proposed(settings, wanted, pretend=pretend, quiet=as_json)
    told = tell(given.call, given.tool, given.policy, given.facts, extra_guards=given.extra_guards, language=spoken)
    if as_json:
        line({**_explained(told), "note": given.note})
        return
    _print_explanation(told)
    if given.note:
        console.print(Text(given.note, style="yellow"))


def _object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--args is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ConfigError("--args must be a JSON object of all arguments")
    return given


def _explained(told: Explanation) -> dict[str, Any]:
    return {
        "language": told.language,
        "outcome": told.decision.outcome,
        "code": str(told.decision.code),
        "policy": told.decision.policy,
        "summary": told.summary,
        "guards": [{**asdict(item), "code": item.code and str(item.code)} for item in told.lines],
        "changes": list(told.changes),
    }


def _print_explanation(told: Explanation) -> None:
    console.print(Text(told.summary, style=f"bold {_STYLES[told.decision.outcome]}"))
    guards, changes = told.headings
    console.print(Text(f"\n{guards}", style="dim"))
    table = Table(box=None, pad_edge=False, show_header=False)
    for item in told.lines:
        table.add_row(Text(item.label, style=_STYLES[item.outcome]), Text(item.text))
    console.print(table)
    if told.changes:
        console.print(Text(f"\n{changes}", style="dim"))
        for change in told.changes:
            console.print(Text(f"- {change}"))


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="The policy as it was.")],
    new: Annotated[Path, typer.Argument(help="The policy as it would be.")],
    fail_on: Annotated[FailOn | None, typer.Option("--fail-on", help="Exit code 1 where a cell is wider.")] = None,
    config: ConfigOption = None,
    app_: AppOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tells which cells became wider or narrower, each with a call that shows it."""
    from agent_guard.policies.diff import diff as compare
    from agent_guard.policy import Policy

    found = compare(Policy.load(old), Policy.load(new), _tools(config, app_))
    if as_json:
        for change in found:
            line(asdict(change))
    else:
        _print_changes(found)
    if fail_on is FailOn.WIDER and any(change.direction == "wider" for change in found):
        raise typer.Exit(1)


def _tools(config: Path | None, app_: str | None) -> Mapping[str, Tool] | None:
    """The application's contracts; an application that nobody named need not be there."""
    from agent_guard.scenario import load_app

    try:
        scenarios = load_app(settings_of(config, app_).app)
    except ConfigError as error:
        if app_ is not None:
            raise
        fail(ConfigError(f"compared without the tools' contracts: {error}"))
        return None
    return {tool.name: tool for scenario in scenarios.values() for tool in scenario.tools}


def _print_changes(found: Iterable[Change]) -> None:
    from agent_guard.policies.diff import EVERY

    rows = _grouped(found)
    for change, roles, environments in rows:
        text = Text(f"{change.direction:9}", style=_STYLES[change.direction])
        text.append(f"{change.tool}  {change.aspect}: ", style="bold")
        text.append(f"{_short(change.before)} -> {_short(change.after)}\n", style="default")
        where = "everywhere" if change.role == EVERY else f"{roles} in {environments}"
        text.append(f"{'':9}{where}{f'; {change.note}' if change.note else ''}\n", style="dim")
        if change.example:
            text.append(f"{'':9}e.g. {_short(change.example, 160)}\n", style="dim")
        console.print(text, soft_wrap=True)
    wider = sum(change.direction == "wider" for change, *_ in rows)
    console.print(f"{len(rows)} changes, {wider} wider" if rows else "Nothing became wider or narrower.")


def _grouped(found: Iterable[Change]) -> list[tuple[Change, str, str]]:
    """Changes that differ by role and environment alone, on one line; every line is a full rectangle of cells."""
    cells: dict[str, dict[str, list[str]]] = {}
    first: dict[str, Change] = {}
    for change in found:
        key = json.dumps({**asdict(change), "role": "", "environment": ""}, sort_keys=True, default=str)
        first.setdefault(key, change)
        cells.setdefault(key, {}).setdefault(change.role, []).append(change.environment)
    rows = []
    for key, by_role in cells.items():
        together: dict[tuple[str, ...], list[str]] = {}
        for role, environments in by_role.items():
            together.setdefault(tuple(environments), []).append(role)
        rows += [(first[key], ", ".join(roles), ", ".join(places)) for places, roles in together.items()]
    return rows


def _short(value: JSON, most: int = 60) -> str:
    text = "-" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[: most - 1]}…"


app.command("simulate")(policy_simulate.simulate)
