"""``agent-guard audit retain``: removes what is older than it is kept, so that the rest still verifies."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from agent_guard.audit import Audit
from agent_guard.cli.output import AsOption, ConfigOption, JsonOption, console, fail, line, privacy_officer, settings_of
from agent_guard.cli.plain import words
from agent_guard.cli.progress import progress
from agent_guard.cli.storage import keys_of, store_of
from agent_guard.errors import ConfigError
from agent_guard.privacy import retention
from agent_guard.privacy.retention import Retained
from agent_guard.types import utc_now

__all__ = ["retain"]

DAMAGED = 2
"""Exit code where a chain does not verify and was left as it is."""

_KEEP = re.compile(r"([a-z_]+|\*)=([0-9]{1,6})d?")


def retain(
    keep: Annotated[
        list[str] | None, typer.Option("--keep", help="KIND=DAYS, several times; '*' is every other kind.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be removed; change nothing.")] = False,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Whose record; by default your own tenant's.")] = None,
    as_: AsOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Removes events that are older than their kind is kept ('retention' in guard.yaml, or --keep). What a legal hold
    covers and calls that are not settled stay. It may be interrupted and run again. Exit code 2: chains that do not
    verify were left as they are; 'audit verify' names what is wrong.
    """
    settings = settings_of(config)
    person = privacy_officer(settings, as_, tenant)
    rules = retention.rules_of(_days(keep) if keep else settings.retention)
    now = utc_now()
    with store_of(settings) as store:
        keys = keys_of(settings, store)
        with progress("Removing", lambda: retention.chains(store, person.tenant, rules, now)) as told:
            done = retention.retain(
                store, Audit(store, keys), keys, tenant=person.tenant, rules=rules, by=person.id,
                environment=settings.environment, now=now, dry_run=dry_run, progress=told,
            )  # fmt: skip
    if as_json:
        line(done.as_json() | {"dry_run": dry_run})
    else:
        _tell(done, dry_run=dry_run)
    if done.damaged:
        fail(
            ConfigError(
                f"{len(done.damaged)} chains do not verify and were left as they are; see: agent-guard audit verify"
            )
        )
        raise typer.Exit(DAMAGED)


def _days(keep: list[str]) -> dict[str, int]:
    days: dict[str, int] = {}
    for text in keep:
        found = _KEEP.fullmatch(text)
        if found is None:
            raise ConfigError(f"--keep {text!r} is not KIND=DAYS, e.g. decided=365")
        days[found[1]] = int(found[2])
    return days


def _tell(done: Retained, *, dry_run: bool) -> None:
    what = "would be removed" if dry_run else "removed"
    console.print(f"{done.events:,} events {what}, in {done.chains:,} chains")
    for kind, count in done.kinds.items():
        console.print(words(f"  {kind:15} {count:,}"))
    if done.open:
        console.print(f"{done.open:,} stay because their call is not settled")
    for party, names in done.held.items():
        console.print(words(f"{party} stays: legal hold {', '.join(names)}"), soft_wrap=True)
