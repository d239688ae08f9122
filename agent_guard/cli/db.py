"""``agent-guard db``: the schema of the guard's database."""

from __future__ import annotations

from contextlib import closing

import typer

from agent_guard.cli.output import ConfigOption, JsonOption, console, line, settings_of
from agent_guard.store import REVISION, Store

__all__ = ["app"]

app = typer.Typer(help="The guard's database.", no_args_is_help=True)


@app.command()
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Tells which revision the database has, and which this release needs."""
    with closing(Store(settings_of(config).database)) as store:
        found = store.found()
    if as_json:
        line({"database": store.name, "revision": found, "needed": REVISION, "current": found == REVISION})
        return
    console.print(f"{store.name}: revision {found or 'none (it is created on first use)'}, needed {REVISION}")


@app.command()
def upgrade(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Brings the database to the revision of this release. Make a copy before."""
    from agent_guard.migrations import upgrade as run

    with closing(Store(settings_of(config).database)) as store:
        before = store.found()
        run(store)
        after = store.revision()
    if as_json:
        line({"database": store.name, "before": before, "after": after})
        return
    console.print(f"{store.name}: {before or 'empty'} -> {after}")
