"""``agent-guard audit replay``: whether the recorded decisions are reached again from what was recorded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_guard.auditing.selection import Selection, count, moment, one_trace
from agent_guard.cli.audit_report import (
    ActorOption,
    CodeOption,
    PartyOption,
    SinceOption,
    TenantOption,
    ThreadOption,
    ToolOption,
    UntilOption,
)
from agent_guard.cli.output import AppOption, ConfigOption, JsonOption, console, fail, line, settings_of
from agent_guard.cli.plain import words
from agent_guard.cli.progress import progress
from agent_guard.cli.storage import keys_of, store_of
from agent_guard.errors import AgentGuardError, ConfigError
from agent_guard.types import utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_guard.auditing.replay import Replayed, Report
    from agent_guard.credentials import Keys
    from agent_guard.recording.rulebook import Rulebook
    from agent_guard.scenario import Scenario
    from agent_guard.settings import Settings
    from agent_guard.store import Store
    from agent_guard.tool import Tool

__all__ = ["PolicyOption", "Reader", "reading", "replay"]

DIFFERS, UNDECIDED = 1, 2
_EXITS = {"agrees": 0, "differs": DIFFERS, "undecided": UNDECIDED}
_STYLES = {"agrees": "green", "differs": "bold red", "undecided": "yellow"}
_SHOWN = 20

PolicyOption = Annotated[
    list[Path] | None,
    typer.Option("--policy", help="A policy file of then; found by its hash where the database kept none."),
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reader:
    """What it takes to decide recorded calls again."""

    store: Store
    keys: Keys
    scenarios: Mapping[str, Scenario]
    tools: Mapping[str, Tool]
    rulebook: Rulebook


@contextmanager
def reading(settings: Settings, files: Sequence[Path]) -> Iterator[Reader]:
    """The record of these settings, the application's contracts, and the policies that are at hand beside those kept.

    Raises:
        ConfigError: no application, a file that is no policy, or no key.
        StoreError: the database is not there or cannot be used.
    """
    from agent_guard.policy import Policy
    from agent_guard.recording.rulebook import Rulebook
    from agent_guard.scenario import load_app

    scenarios = load_app(settings.app)
    at_hand = [Policy.load(path) for path in files]
    for scenario in scenarios.values():
        with suppress(ConfigError):  # a policy that is broken now decided nothing that was recorded
            at_hand.append(Policy.load(scenario.policy))
    with store_of(settings) as store:
        yield Reader(
            store=store,
            keys=keys_of(settings, store),
            scenarios=scenarios,
            tools={tool.name: tool for scenario in scenarios.values() for tool in scenario.tools},
            rulebook=Rulebook(store, at_hand),
        )


def replay(
    trace: Annotated[str | None, typer.Argument(help="A trace id, or its last characters.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every decision of the record.")] = False,
    thread: ThreadOption = None,
    tool: ToolOption = None,
    code: CodeOption = None,
    actor: ActorOption = None,
    party: PartyOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    policy: PolicyOption = None,
    config: ConfigOption = None,
    app_: AppOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decides recorded calls again from what was recorded. Exit code 0: every decision is reached; 1: one differs, or
    an event was changed; 2: it cannot be told, because a policy, a contract, a guard or a key of then is missing.
    """
    from agent_guard.auditing import replay as replaying

    try:
        now = utc_now()
        selection = Selection(
            thread=thread, tool=tool, code=code, actor=actor, party=party, tenant=tenant,
            since=moment(since, now) if since else None, until=moment(until, now) if until else None,
        )  # fmt: skip
        if trace is None and not every and selection == Selection():
            raise ConfigError("name a trace, or what to replay, e.g. --since 24h, or --all")
        with reading(settings_of(config, app_), policy or []) as reader:
            if trace is not None:
                selection = dataclasses.replace(selection, trace_id=one_trace(reader.store, trace))
            with progress("Replaying", lambda: count(reader.store, selection)) as told:
                report = replaying.replay(
                    reader.store, reader.keys, reader.tools, reader.rulebook, selection, progress=told
                )
        if trace is not None and not report.decisions:
            raise ConfigError(f"the trace {selection.trace_id} holds no decision; see: agent-guard audit show {trace}")
    except AgentGuardError as error:
        fail(error)
        raise typer.Exit(UNDECIDED) from None
    if as_json:
        line(report.as_json())
    else:
        _tell(report)
    raise typer.Exit(_EXITS[report.status])


def _tell(report: Report) -> None:
    summary = {"agrees": "every decision is reached again", "differs": "NOT REACHED", "undecided": "it cannot be told"}
    if not report.decisions:
        console.print("There are no decisions.")
        return
    text = words(summary[report.status], _STYLES[report.status])
    counts = f": {report.decisions:,} decided again, {report.agreed:,} agree"
    counts += f", {report.differing:,} differ" if report.differing else ""
    counts += f", {report.undecided:,} cannot be told" if report.undecided else ""
    console.print(text.append(counts, style="default"), soft_wrap=True)
    for item in report.named[:_SHOWN]:
        _one(item)
    left = report.differing + report.undecided - min(len(report.named), _SHOWN)
    if left:
        console.print(f"  and {left:,} more; --json names up to 1,000")


def _one(item: Replayed) -> None:
    head = words(f"  {item.status:10}", _STYLES[item.status])
    head.append(words(f"{item.trace_id or '(no trace)'}  {item.tool}", "bold"))
    console.print(head, soft_wrap=True)
    for sentence in item.words:
        console.print(words(f"    {sentence}"), soft_wrap=True)
