"""``agent-guard vault``: a party's data erased, or held while the law wants it, and the master key changed."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from agent_guard.audit import Audit
from agent_guard.cli import vault_keys
from agent_guard.cli.output import (
    AsOption,
    ConfigOption,
    JsonOption,
    console,
    errors,
    fail,
    line,
    privacy_officer,
    settings_of,
)
from agent_guard.cli.plain import words
from agent_guard.cli.storage import credentials_of, keys_of, store_of
from agent_guard.credentials import Keys
from agent_guard.errors import ConfigError, Held
from agent_guard.operations import oldest_key, rotation
from agent_guard.privacy import erasure, holds
from agent_guard.privacy.erasure import Erasure
from agent_guard.types import utc_now

__all__ = ["app"]

app = typer.Typer(help="A party's data: erased, or held; and the master key.", no_args_is_help=True)

HELD = 3
"""Exit code where a legal hold forbids it."""

PartyOption = Annotated[str, typer.Option("--party", help="The customer, by the id that the host gives, contact:17.")]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Whose customer; by default your own tenant.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the audit. No personal data.")]
NameOption = Annotated[str, typer.Option("--name", help="The hold, where a party is under several.")]


@app.command()
def erase(
    reason: ReasonOption,
    party: Annotated[
        str | None, typer.Option("--party", help="The customer, as the host names it, contact:17.")
    ] = None,
    thread: Annotated[str | None, typer.Option("--thread", help="One conversation alone, by its id.")] = None,
    tenant: TenantOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be erased; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    as_: AsOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Destroys the key of a party's data, or of one conversation's: no process can read a value of it any more, and
    every chain of the record holds as before. It cannot be undone. Exit code 3: a legal hold forbids it.
    """
    settings = settings_of(config)
    person = privacy_officer(settings, as_, tenant)
    with store_of(settings) as store:
        keys = keys_of(settings, store)
        audit = Audit(store, keys)
        given: dict[str, Any] = {
            "tenant": person.tenant, "party": party, "thread": thread, "reason": reason, "by": person.id,
            "environment": settings.environment,
        }  # fmt: skip
        try:
            found = erasure.erase(store, audit, keys, **given, now=utc_now(), dry_run=True)
            if not dry_run:
                if found.already is None and not yes:
                    _confirm(found)
                found = erasure.erase(store, audit, keys, **given, now=utc_now())
        except Held as error:
            fail(error)
            raise typer.Exit(HELD) from None
    if as_json:
        line(found.as_json() | {"already": _when(found.already), "dry_run": dry_run})
    else:
        _tell(found, dry_run=dry_run)


@app.command()
def rotate(
    reason: ReasonOption,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be wrapped anew; change nothing.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Changes the master key: every data key is wrapped anew, and the former key opens nothing of the vault any more.

    In a file or a keyring the new key is made and put before the present one; in a variable put it there yourself.
    Killed on the way, run it again.
    """
    settings = settings_of(config)
    with store_of(settings) as store:
        credentials = credentials_of(settings, store)
        keys = Keys.of(credentials, settings.environment)
        with store.read() as connection:
            due = rotation.is_due(connection, keys)
            ring = oldest_key.ring(connection, keys, settings.environment)
        if ring.trouble is not None:
            raise ConfigError(ring.trouble)
        if not dry_run:
            keys = rotation.keys_for(store, credentials, settings.environment)
        done = rotation.rotate(
            store, Audit(store, keys), keys, reason=reason, by=getpass.getuser(), environment=settings.environment,
            now=utc_now(), dry_run=dry_run,
        )  # fmt: skip
    if as_json:
        line(done.as_json() | {"dry_run": dry_run})
        return
    if dry_run and not due:
        console.print(
            f"No new master key waits, so nothing is to be wrapped anew yet. Without --dry-run a new one is put before "
            f"the present one (in a variable do that yourself), and {done.keys} data keys are wrapped anew under it.",
            soft_wrap=True,
        )
        return
    what = "are under another master key than the present one" if dry_run else "are wrapped anew"
    console.print(f"{done.renewed} of {done.keys} data keys {what}", soft_wrap=True)
    if not dry_run:
        console.print(
            "Start every process again that was started with the former key. It opens nothing of the vault any more; "
            "keep it behind the new one: idempotency keys come from the oldest, and its record is verified with it.",
            soft_wrap=True,
        )


app.command("keys")(vault_keys.keys)
app.command("adopt")(vault_keys.adopt)


@app.command()
def hold(
    party: PartyOption,
    reason: ReasonOption,
    name: NameOption = "legal",
    tenant: TenantOption = None,
    as_: AsOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Places a legal hold: while it is in force nothing of the party is erased, and nothing of its record is cut."""
    settings = settings_of(config)
    person = privacy_officer(settings, as_, tenant)
    with store_of(settings) as store:
        audit = Audit(store, keys_of(settings, store))
        placed = holds.place(
            store, audit, tenant=person.tenant, party=party, name=name, reason=reason, by=person.id,
            environment=settings.environment, now=utc_now(),
        )  # fmt: skip
    if as_json:
        line(vars(placed) | {"placed": _when(placed.placed)})
    else:
        console.print(words(f"{party} is under the hold {name!r}"))


@app.command()
def release(
    party: PartyOption,
    reason: ReasonOption,
    name: NameOption = "legal",
    tenant: TenantOption = None,
    as_: AsOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ends a legal hold."""
    settings = settings_of(config)
    person = privacy_officer(settings, as_, tenant)
    with store_of(settings) as store:
        audit = Audit(store, keys_of(settings, store))
        ended = holds.release(
            store, audit, tenant=person.tenant, party=party, name=name, reason=reason, by=person.id,
            environment=settings.environment, now=utc_now(),
        )  # fmt: skip
    if as_json:
        line(vars(ended) | {"placed": _when(ended.placed), "released_by": person.id})
    else:
        console.print(words(f"the hold {name!r} on {party} is released"))


@app.command("holds")
def holds_(
    tenant: TenantOption = None, as_: AsOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Shows the holds that are in force."""
    settings = settings_of(config)
    person = privacy_officer(settings, as_, tenant)
    with store_of(settings) as store, store.read() as connection:
        found = holds.every(connection, person.tenant)
    for item in found:
        if as_json:
            line(vars(item) | {"placed": _when(item.placed)})
        else:
            text = f"{item.party:30} {item.name:20} since {_when(item.placed)} by {item.placed_by}: {item.reason}"
            console.print(words(text), soft_wrap=True)
    if not found and not as_json:
        console.print("Nothing is held.")


def _confirm(found: Erasure) -> None:
    """Asks on standard error, because it cannot be undone.

    Raises:
        ConfigError: it was not confirmed.
    """
    errors.print(words(f"{_whose(found)} of {found.tenant}: {_counts(found)}. This cannot be undone."), soft_wrap=True)
    named = "party's" if found.thread is None else "thread's"
    try:
        typed = typer.prompt(f"Type the {named} id to erase it", default="", show_default=False, err=True)
    except typer.Abort:
        typed = ""
    if typed.strip() != (found.thread or found.party):
        raise ConfigError("nothing was erased: it was not confirmed; --yes does not ask")


def _tell(found: Erasure, *, dry_run: bool) -> None:
    if found.already is not None:
        console.print(words(f"{_whose(found)} was erased already, {_when(found.already)}"), soft_wrap=True)
    elif dry_run:
        console.print(words(f"{_whose(found)} would be erased: {_counts(found)}"), soft_wrap=True)
    else:
        console.print(words(f"{_whose(found)} is erased: {_counts(found)}"), soft_wrap=True)
    if found.running and not dry_run:
        console.print(f"{found.running} calls were running; each holds what it had read until it ends.")
    if found.unknown:
        console.print(f"{found.unknown} calls are unknown; see: agent-guard calls list --state unknown")
    if dry_run:
        return
    if not found.scrubbed:
        console.print(
            "The database's own files still hold what was deleted, because somebody reads it or this user lacks the "
            "rights; run this command again later.",
            soft_wrap=True,
        )
    if found.thread is not None and found.party is not None:
        console.print(words(f"The key of {found.party} stays: other conversations are under it."), soft_wrap=True)
    console.print("Backups that were made before hold the wrapped key still; see SECURITY.md.")


def _whose(found: Erasure) -> str:
    return str(found.party if found.thread is None else found.thread)


def _counts(found: Erasure) -> str:
    return f"{found.threads} conversations, {found.values} values, {found.ended} waiting calls"


def _when(at_ms: int | None) -> str | None:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds") if at_ms else None
