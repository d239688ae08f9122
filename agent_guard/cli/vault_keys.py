"""``agent-guard vault keys | adopt``: which master keys are given, and which one idempotency keys come from."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from agent_guard.audit import Audit
from agent_guard.cli.output import ConfigOption, JsonOption, console, errors, fail, line, settings_of
from agent_guard.cli.storage import keys_of, store_of
from agent_guard.errors import ConfigError
from agent_guard.operations import oldest_key
from agent_guard.operations.oldest_key import Adopted, Ring
from agent_guard.types import utc_now

__all__ = ["adopt", "keys"]


def keys(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Names the master keys that are given and the one that idempotency keys come from; the names give nothing away.
    Exit code 1: that one is missing, or is not the last.
    """
    settings = settings_of(config)
    with store_of(settings) as store:
        given = keys_of(settings, store)
        with store.read() as connection:
            found = oldest_key.ring(connection, given, settings.environment)
    if as_json:
        line(found.as_json())
    else:
        _tell(found)
    if found.trouble is not None:
        fail(ConfigError(found.trouble))
        raise typer.Exit(1)


def adopt(
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the audit. No personal data.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be forgotten; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lets idempotency keys come from the oldest master key that is given, where the one before is lost. Calls that ran
    are not known as done any more, and may run again. Stop every process before.
    """
    settings = settings_of(config)
    with store_of(settings) as store:
        given = keys_of(settings, store)
        audit = Audit(store, given)

        def adopted(*, dry_run: bool) -> Adopted:
            return oldest_key.adopt(
                store, audit, given, reason=reason, by=getpass.getuser(), environment=settings.environment,
                now=utc_now(), dry_run=dry_run,
            )  # fmt: skip

        done = adopted(dry_run=True)
        if not dry_run:
            if done.before not in (None, done.after) and not yes:
                _confirm(done)
            done = adopted(dry_run=False)
    if as_json:
        line(done.as_json() | {"dry_run": dry_run})
    elif done.before == done.after:
        console.print(f"Idempotency keys come from the master key {done.after} already.", soft_wrap=True)
    else:
        would = "would come" if dry_run else "come"
        console.print(f"Idempotency keys {would} from the master key {done.after}. {_forgotten(done)}", soft_wrap=True)


def _tell(found: Ring) -> None:
    for n, name in enumerate(found.given):
        what = "present: what is written now is under it" if n == 0 else "former: what it wrote is read"
        oldest = "; idempotency keys come from it" if name == found.needed else ""
        console.print(f"{name}  {what}{oldest}", soft_wrap=True)
    if found.needed is None:
        console.print(
            "Nobody has written down yet which one idempotency keys come from; the next gateway that can does.",
            soft_wrap=True,
        )


def _confirm(done: Adopted) -> None:
    """Asks on standard error, because what ran may run again.

    Raises:
        ConfigError: it was not confirmed.
    """
    errors.print(f"Idempotency keys would come from {done.after}. {_forgotten(done)}", soft_wrap=True)
    try:
        typed = typer.prompt("Type this key's name to go on", default="", show_default=False, err=True)
    except typer.Abort:
        typed = ""
    if typed.strip() != done.after:
        raise ConfigError("nothing was changed: it was not confirmed; --yes does not ask")


def _forgotten(done: Adopted) -> str:
    return f"{done.forgotten} calls that ran are not known as done any more: an equal one is run again."
