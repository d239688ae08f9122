"""A PostgreSQL for a benchmark: the one that ``--url`` names, or the installed binaries on a temporary folder.

The tests start it with ``fsync`` off; here it flushes, as a real one does.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.postgres import MISSING, Server

__all__ = ["add_url", "postgres", "tree_cpu_s"]


def add_url(parser: argparse.ArgumentParser) -> None:
    """The option that names a server."""
    parser.add_argument("--url", help="an empty database, postgresql+psycopg://...; without it a server is started")


@contextmanager
def postgres(url: str | None) -> Iterator[tuple[str, int | None]]:
    """An empty database, and the process of the server where it was started here.

    Raises:
        SystemExit: no binaries are installed and no database was named.
    """
    if url is not None:
        yield url, None
        return
    try:
        server = Server()
    except FileNotFoundError:
        raise SystemExit(f"{MISSING.partition(',')[0]}; name a database with --url") from None
    server.start()
    try:
        pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
        yield server.fresh(), pid
    finally:
        server.stop()


def tree_cpu_s(pid: int) -> float:
    """User and system time of a process and its children, living and dead, in seconds; Linux alone."""
    ticks, tick = 0, os.sysconf("SC_CLK_TCK")
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            text = path.read_text()
            fields = text[text.rindex(")") + 2 :].split()
            if int(path.parent.name) == pid or int(fields[1]) == pid:
                ticks += int(fields[11]) + int(fields[12])
            if int(path.parent.name) == pid:
                ticks += int(fields[13]) + int(fields[14])
    return ticks / tick
