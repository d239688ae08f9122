"""``agent-guard policy simulate``: what recorded calls would have become under a new policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from agent_guard.auditing.selection import Selection, count, moment
from agent_guard.cli.audit_replay import PolicyOption, reading
from agent_guard.cli.audit_report import SinceOption, TenantOption, ThreadOption, UntilOption
from agent_guard.cli.output import AppOption, ConfigOption, FailOn, JsonOption, console, fail, line, settings_of
from agent_guard.cli.plain import plain, words
from agent_guard.cli.progress import progress
from agent_guard.errors import AgentGuardError, ConfigError
from agent_guard.types import utc_now

if TYPE_CHECKING:
    from agent_guard.policies.simulate import Move, Simulation
    from agent_guard.policy import Policy
    from agent_guard.scenario import Scenario

__all__ = ["simulate"]

WIDER, UNREADABLE = 1, 2
_STYLES = {"wider": "red", "narrower": "green", "same": "dim"}
_PLAIN = frozenset({"allowed", "approval_required", "suggested"})
"""Codes that say nothing more than the outcome does."""

_SHOWN = 30


def simulate(
    new: Annotated[Path, typer.Argument(help="The policy as it would be.")],
    scenario: Annotated[
        str | None, typer.Option("--scenario", help="Whose policy it would be; by default found by the policy's name.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    tenant: TenantOption = None,
    thread: ThreadOption = None,
    policy: PolicyOption = None,
    examples: Annotated[int, typer.Option("--examples", min=0, max=1000, help="How many trace ids of each kind.")] = 3,
    fail_on: Annotated[
        FailOn | None, typer.Option("--fail-on", help="Exit code 1 where a call would be decided more freely.")
    ] = None,
    config: ConfigOption = None,
    app_: AppOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tells what recorded calls would have become, each on the history as it was. Exit code 2: it cannot be read, or
    some of it was changed.
    """
    from agent_guard.policies import simulate as simulating
    from agent_guard.policy import Policy

    try:
        now = utc_now()
        selection = Selection(
            thread=thread, tenant=tenant,
            since=moment(since, now) if since else None, until=moment(until, now) if until else None,
        )  # fmt: skip
        other = Policy.load(new)
        with reading(settings_of(config, app_), policy or []) as reader:
            name = _scenario(reader.scenarios, other, scenario)
            read = simulating.reading(other, selection)
            with progress("Simulating", lambda: count(reader.store, read)) as told:
                found = simulating.simulate(
                    reader.store, reader.keys, other, reader.tools, reader.rulebook, selection,
                    scenarios={name}, examples=examples, progress=told,
                )  # fmt: skip
    except AgentGuardError as error:
        fail(error)
        raise typer.Exit(UNREADABLE) from None
    if as_json:
        line({"scenario": name, **found.as_json()})
    else:
        _tell(found, name)
    if fail_on is FailOn.WIDER and found.total("wider"):
        raise typer.Exit(WIDER)
    if found.damaged:
        raise typer.Exit(UNREADABLE)


def _scenario(scenarios: Mapping[str, Scenario], new: Policy, wanted: str | None) -> str:
    """The scenario whose policy the new one would be."""
    from agent_guard.policy import Policy

    if wanted is not None:
        if wanted not in scenarios:
            raise ConfigError(f"there is no scenario {wanted!r}; there is: {', '.join(sorted(scenarios))}")
        return wanted
    if len(scenarios) == 1:
        return next(iter(scenarios))
    named = []
    for name, scenario in scenarios.items():
        with suppress(ConfigError):
            named += [name] if _stem(Policy.load(scenario.policy).name) == _stem(new.name) else []
    if len(named) != 1:
        there = ", ".join(sorted(scenarios))
        raise ConfigError(f"it is not clear whose policy {new.name!r} would be; name one with --scenario: {there}")
    return named[0]


def _stem(name: str) -> str:
    """A policy's name without its version: ``desk.v2`` is the next of ``desk.v1``."""
    head, dot, tail = name.rpartition(".v")
    return head if dot and tail.isdigit() else name


def _tell(found: Simulation, scenario: str) -> None:
    if not found.calls:
        console.print(words(f"No call of {scenario} is recorded there."))
        return
    _moves(found.changed)
    if found.untold:
        console.print("cannot be told", style="bold yellow")
        _rows(
            ("tool", "was", "calls", "because", "for example"),
            [
                (item.tool, _said(item.before), f"{item.count:,}", item.reason, _ends(item.examples))
                for item in found.untold[:_SHOWN]
            ],
        )
        _more(len(found.untold))
    untold = sum(item.count for item in found.untold)
    same = sum(item.count for item in found.moves if item.before == item.after)
    parts = [f"{found.calls:,} calls by {found.policy}", f"{same:,} as they were", f"{found.total('wider'):,} wider"]
    parts += [f"{found.total('narrower'):,} narrower"]
    parts += [f"{untold:,} cannot be told"] if untold else []
    parts += [f"{found.damaged:,} left out: not reached from their own record, see agent-guard audit replay"] * bool(
        found.damaged
    )
    console.print(words(", ".join(parts)), soft_wrap=True)
    console.print("Each call is judged by itself, on the history as it was recorded.", style="dim")


def _moves(changed: Iterable[Move]) -> None:
    rows = [
        (item.direction, item.tool, _said(item.before), _said(item.after), f"{item.count:,}", _ends(item.examples))
        for item in changed
    ]
    if not rows:
        console.print("No call would have been decided otherwise.")
        return
    _rows(("", "tool", "was", "would be", "calls", "for example"), rows[:_SHOWN])
    _more(len(rows))


def _rows(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name == "calls" else "left", overflow="fold")
    for row in rows:
        table.add_row(words(row[0], _STYLES.get(row[0], "")), *(words(cell) for cell in row[1:]))
    console.print(table)
    console.print()


def _said(decision: tuple[str, str]) -> str:
    outcome, code = decision
    return outcome if code in _PLAIN else f"{outcome} {code}"


def _ends(examples: Iterable[str]) -> str:
    return plain(" ".join(trace[-8:] for trace in examples))


def _more(rows: int) -> None:
    if rows > _SHOWN:
        console.print(f"and {rows - _SHOWN:,} more kinds; --json has all of them\n")
