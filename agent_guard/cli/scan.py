"""``agent-guard scan``: looks at everything of a kind, page by page, logs what it finds and tells whom it concerns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from agent_guard.cli.output import AppOption, ConfigOption, JsonOption, console, errors, line, opened, settings_of
from agent_guard.cli.plain import words
from agent_guard.cli.progress import progress
from agent_guard.errors import ConfigError

if TYPE_CHECKING:
    from agent_guard.app import Application
    from agent_guard.scanning import Done, Scanner
    from agent_guard.scans import PartRow

__all__ = ["scan", "scanned"]

LOOK_S = 2.0
"""How often a part that another process holds is looked at, in seconds."""


def scan(
    scenario: Annotated[str, typer.Argument(help="Name of the scenario, e.g. forgotten_deal.")],
    everything: Annotated[bool, typer.Option("--all", help="All of it; there is no default.")] = False,
    name: Annotated[
        str | None, typer.Option("--id", help="Of the scan; the same id goes on with it. By default one a day.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for parts that another process holds.")] = True,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> None:
    """Scans by pages under the host's own policy. Killed and started again it goes on where it was, and tells nothing
    twice; started several times on one PostgreSQL the processes share the work.
    """
    if not everything:
        raise ConfigError("say --all: a scan reads everything of its kind")
    with opened(settings_of(config, app), quiet=as_json) as application:
        scan_id = name or f"{scenario}-{application.gateway.now():%Y-%m-%d}"
        scanned(application, scenario, scan_id=scan_id, wait=wait, as_json=as_json)


def scanned(application: Application, scenario: str, *, scan_id: str, wait: bool, as_json: bool) -> None:
    """Runs a scan and prints what came of it. Raises as :meth:`agent_guard.scanning.Scanner.run`."""
    from agent_guard.scanning import Scanner

    scanner = Scanner(application.gateway, application.scan(scenario), id=scan_id)
    rows = scanner.begin()
    if not as_json and not rows:
        console.print(f"the scan {scanner.id} has nothing to look at")
    if not as_json and rows and all(row.done for row in rows):
        console.print(f"the scan {scanner.id} is finished; another --id begins a new one")
    parts = _run(scanner, rows, wait=wait, as_json=as_json)
    if as_json:
        line({"type": "end", "scan": scanner.id, "undone": len(scanner.undone())})
    elif parts:
        _summary(scanner.id, parts)
    if scanner.undone():
        errors.print("other processes hold parts of it; it is finished when they are")


def _run(scanner: Scanner, rows: list[PartRow], *, wait: bool, as_json: bool) -> list[Done]:
    """Scans until nothing is left, with a bar where somebody watches."""
    totals = {row.part: row.total for row in rows}
    finished: list[Done] = []
    whole, within = sum(row.total for row in rows if row.done), 0
    with progress(f"scanning {scanner.id}", lambda: sum(totals.values())) as show:
        show(whole)
        while True:
            for done in scanner.run():
                if done.finished:
                    whole, within = whole + totals.get(done.part, 0), 0
                    finished.append(done)
                else:
                    within = min(within + done.found, totals.get(done.part, 0))
                if as_json:
                    line(done.as_json())
                show(whole + within)
            if not wait or not scanner.undone():
                return finished
            time.sleep(LOOK_S)


def _summary(scan_id: str, parts: list[Done]) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("part", "findings", "told", "not told, and why"):
        table.add_column(column)
    for part in parts:
        silent = ", ".join(f"{count} {why}" for why, count in part.told.items() if why != "told")
        told = str(part.told.get("told", 0))
        table.add_row(*(words(cell) for cell in (part.part, str(part.found), told, silent)))
    console.print(table)
    console.print(f"scan {scan_id}: {sum(part.found for part in parts)} findings logged")
