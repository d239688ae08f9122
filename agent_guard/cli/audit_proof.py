"""``agent-guard audit verify | seal | public-key``: whether the record is whole, and what proves it later."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_guard.auditing import seal_file, sealing, verify as verification
from agent_guard.auditing.seals import public_keys
from agent_guard.auditing.selection import Selection, count
from agent_guard.auditing.verify import Report
from agent_guard.cli.audit_report import ThreadOption
from agent_guard.cli.output import ConfigOption, JsonOption, console, fail, line, settings_of
from agent_guard.cli.plain import words
from agent_guard.cli.progress import progress
from agent_guard.cli.storage import keys_of, store_of
from agent_guard.errors import AgentGuardError, ConfigError
from agent_guard.types import utc_now

__all__ = ["public_key", "seal", "verify"]

TAMPERED, UNDECIDED = 1, 2
_EXITS = {"whole": 0, "tampered": TAMPERED, "undecided": UNDECIDED}
_SHOWN = 20


def verify(
    thread: ThreadOption = None,
    seals: Annotated[
        Path | None, typer.Option("--seals", help="Seals that were kept elsewhere; they must stand in the database.")
    ] = None,
    public_key: Annotated[
        list[str] | None, typer.Option("--public-key", help="A public key of seals that is believed as well.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verifies every chain and every seal. Exit code 0: whole; 1: something was changed; 2: it cannot be told, because
    a key is missing, a row is unreadable or a newer release wrote it.
    """
    try:
        settings = settings_of(config)
        outside = seal_file.read(seals) if seals else []
        with store_of(settings) as store:
            keys = keys_of(settings, store)
            with progress("Verifying", lambda: count(store, Selection(thread=thread))) as told:
                report = verification.verify(
                    store, keys, thread=thread, outside=outside, trusted=public_key or (), progress=told
                )
            if thread and not report.chains:
                raise ConfigError(f"there is no chain {thread!r}; agent-guard audit search shows what there is")
    except AgentGuardError as error:
        fail(error)
        raise typer.Exit(UNDECIDED) from None
    if as_json:
        line(report.as_json())
    else:
        _tell(report)
    raise typer.Exit(_EXITS[report.status])


def seal(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Add every seal that is not in this file yet; keep it elsewhere."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Seals what was recorded since the last seal. Keep seals where nobody reaches them who can change the database."""
    settings = settings_of(config)
    with store_of(settings) as store:
        made = sealing.seal(store, keys_of(settings, store), now=utc_now())
        added = seal_file.append(out, store) if out else 0
    for item in made:
        if as_json:
            typer.echo(item.line.decode())
        else:
            what = f"{_many(item.events, 'event')} in {_many(item.chains, 'chain')}"
            console.print(f"seal {item.n}: {what}, root {item.root}", soft_wrap=True)
    if not as_json and not made:
        console.print("Nothing is new since the last seal.")
    if not as_json and out:
        console.print(f"{_many(added, 'seal')} added to {out}", soft_wrap=True)


def public_key(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Prints the key that seals are verified with (Ed25519, 32 bytes in hexadecimal digits), and those before it."""
    settings = settings_of(config)
    with store_of(settings) as store:
        keys = public_keys(keys_of(settings, store))
    for index, key in enumerate(keys):
        if as_json:
            line({"public_key": key, "present": index == 0})
        else:
            typer.echo(key if index == 0 else f"{key}  (former)")


def _tell(report: Report) -> None:
    styles = {"whole": "green", "tampered": "bold red", "undecided": "yellow"}
    text = {"whole": "whole", "tampered": "TAMPERED", "undecided": "it cannot be told whether it is whole"}
    summary = words(text[report.status], styles[report.status])
    console.print(
        summary.append(f": {_many(report.events, 'event')} in {_many(report.chains, 'chain')}", style="default")
    )
    for flaw in report.flaws[:_SHOWN]:
        sealed = f" (sealed by {flaw.seal})" if flaw.seal else " (not sealed)"
        console.print(words(f"  {flaw.thread}, event {flaw.seq}: {flaw.kind}: {flaw.words}{sealed}"), soft_wrap=True)
    if report.flawed > _SHOWN:
        console.print(f"  and {report.flawed - _SHOWN:,} more; --json names up to {verification.FLAWS_MAX:,}")
    for item in report.seal_flaws[:_SHOWN]:
        console.print(words(f"  seal {item.n}: {item.words}"), soft_wrap=True)
    if report.removed:
        where = f"{_many(report.removed, 'event')} in {_many(report.removed_chains, 'chain')}"
        console.print(f"removed by retention, as is signed: {where}", soft_wrap=True)
    if report.proven:
        console.print(f"proven up to seal {report.proven.n} of {report.seals}, of {report.proven.at}")
    elif report.seals:
        console.print("nothing is proven by a seal")
    else:
        console.print("nothing is sealed; run: agent-guard audit seal")
    if report.seals and report.unsealed:
        where = f"{_many(report.unsealed, 'event')} in {_many(report.unsealed_chains, 'chain')}"
        console.print(f"not sealed yet: {where}; nothing shows whether the end was cut off there", soft_wrap=True)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
