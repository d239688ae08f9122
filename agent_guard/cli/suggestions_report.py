"""``agent-guard suggestions report``: what each tool has earned, and a patch of the policy that a person may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from agent_guard.auditing.selection import moment
from agent_guard.cli.audit_report import SinceOption, TenantOption, ToolOption, UntilOption
from agent_guard.cli.output import AppOption, ConfigOption, JsonOption, console, line, settings_of
from agent_guard.cli.plain import words
from agent_guard.cli.storage import store_of
from agent_guard.errors import ConfigError
from agent_guard.policies.patch import Cell, patched, write_whole
from agent_guard.policies.promotion import Standing, Thresholds, promotion
from agent_guard.policy import Policy
from agent_guard.scenario import Scenario, load_app
from agent_guard.suggestions import Suggestions
from agent_guard.types import JSON, Mode, utc_now

__all__ = ["milliseconds", "report"]

_DEFAULT = Thresholds()
_STYLES = {"wait": "dim", "stay": "yellow", "approve": "green", "execute": "bold green"}
_WORDS = {
    "wait": "wait: judge more",
    "stay": "stay as it is",
    "approve": "has earned approve",
    "execute": "has earned execute",
}


def report(
    tool: ToolOption = None,
    scenario: Annotated[str | None, typer.Option("--scenario", help="Only this scenario.")] = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    confidence: Annotated[float, typer.Option("--confidence", help="Of the interval.")] = _DEFAULT.confidence,
    enough: Annotated[int, typer.Option("--enough", help="The fewest verdicts that say anything.")] = _DEFAULT.enough,
    share: Annotated[
        float, typer.Option("--share", help="The least share of the suggestions that must be judged.")
    ] = _DEFAULT.share,
    approve_from: Annotated[
        float, typer.Option("--approve-from", help="What the interval's lower end must reach for approve.")
    ] = _DEFAULT.approve,
    execute_from: Annotated[
        float, typer.Option("--execute-from", help="What it must reach for execute.")
    ] = _DEFAULT.execute,
    patch: Annotated[
        Path | None, typer.Option("--patch", help="Write the policy with the modes that were earned to this file.")
    ] = None,
    config: ConfigOption = None,
    app_: AppOption = None,
    as_json: JsonOption = False,
) -> None:
    """Says for each tool how often people would have approved, how sure that is, and which mode it has earned.

    It changes nothing: a patch is a file of its own, to be looked at with 'policy diff' and put in place by a person.
    """
    thresholds = Thresholds(
        confidence=confidence, enough=enough, share=share, approve=approve_from, execute=execute_from
    )
    now, settings = utc_now(), settings_of(config, app_)
    scenarios = load_app(settings.app)
    if scenario is not None and scenario not in scenarios:
        raise ConfigError(f"there is no scenario {scenario!r}; there is: {', '.join(sorted(scenarios))}")
    with store_of(settings) as store:
        found = Suggestions(store).list(
            tool=tool,
            tenant=tenant,
            since_ms=milliseconds(moment(since, now)) if since else None,
            until_ms=milliseconds(moment(until, now)) if until else None,
        )
    tools = {item.name: item for known in scenarios.values() for item in known.tools}
    policies: dict[str | None, Policy] = {name: Policy.load(known.policy) for name, known in scenarios.items()}
    standings = [item for item in promotion(found, policies, tools, thresholds) if scenario in (None, item.scenario)]
    written = None if patch is None else _patch(patch, standings, scenarios)
    if as_json:
        for item in standings:
            line(_data(item))
        return
    for item in standings:
        console.print(_told(item, confidence), soft_wrap=True)
    if not standings:
        console.print("There is no suggestion to report on.")
    if written is not None:
        console.print(words(f"Written: {patch}. Look at it: agent-guard policy diff {written} {patch}"), soft_wrap=True)
    elif patch is not None:
        console.print("No tool has earned another mode; no file was written.")


def milliseconds(at: datetime) -> int:
    """A moment in milliseconds since 1970."""
    return int(at.timestamp() * 1000)


def _patch(target: Path, standings: Sequence[Standing], scenarios: Mapping[str, Scenario]) -> Path | None:
    """Writes the one policy in which a mode was earned, with it; returns that policy's file, or None."""
    if any(target.resolve() == known.policy.resolve() for known in scenarios.values()):
        raise ConfigError(f"{target} is a policy in use, which no report changes; name another file")
    earned: dict[Path, dict[Cell, Mode]] = {}
    for item in standings:
        if item.advice in ("approve", "execute") and item.scenario is not None:
            cells = earned.setdefault(scenarios[item.scenario].policy, {})
            cells[item.tool, item.environment] = item.advice
    if not earned:
        return None
    if len(earned) > 1:
        names = ", ".join(sorted({str(item.scenario) for item in standings if item.advice in ("approve", "execute")}))
        raise ConfigError(f"several policies would change; name one of these with --scenario: {names}")
    ((policy, modes),) = earned.items()
    try:
        text = policy.read_bytes().decode("utf-8")  # with its ends of lines
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"policy {policy}: cannot be read: {error}") from None
    text = patched(text, modes, source=str(policy), folder=policy.parent)
    try:
        Policy.parse(text, source=str(target), folder=target.parent)
    except ConfigError as error:  # its files of stop-words lie beside it
        raise ConfigError(f"the patch cannot lie at {target}; put it beside the policy: {error}") from None
    write_whole(target, text)
    return policy


def _data(item: Standing) -> dict[str, JSON]:
    interval = None if item.interval is None else {"low": item.interval[0], "high": item.interval[1]}
    return {**asdict(item), "interval": interval}


def _told(item: Standing, confidence: float) -> Text:
    where = f"  in {item.environment}" + (f", {item.scenario}" if item.scenario else "")
    lines = [Text.assemble(words(item.tool, "bold"), words(where), words(f", mode {item.mode or 'none'}", "dim"))]
    if item.interval is not None and item.agreement is not None:
        low, high = item.interval
        sure = f"{item.agreement:.1%}; {confidence:.4g} sure: {low:.1%} to {high:.1%}"
        lines.append(words(f"  judged    {item.agreed} of {item.judged} would approve ({sure})"))
        lines.append(words(f"  from      {_day(item.first)} to {_day(item.last)}, policies {_hashes(item.policies)}"))
    lines.append(words(f"  open      {item.open}"))
    if item.older.judged or item.older.open:
        older = f"{item.older.judged} judged ({item.older.agreed} would approve), {item.older.open} open"
        lines.append(words(f"  older     {older}: under other rules or another version, not counted", "dim"))
    lines += [words(f"  rejected  {reason}") for reason in item.reasons]
    lines.append(words(f"  {_WORDS[item.advice]}. ", _STYLES[item.advice]).append_text(words(item.why)))
    return Text("\n").join([*lines, Text()])


def _hashes(hashes: Sequence[str]) -> str:
    return ", ".join(item.removeprefix("sha256:")[:12] for item in hashes)


def _day(at_ms: int | None) -> str:
    return "-" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="minutes")
