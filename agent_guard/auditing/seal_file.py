"""Seals in a file that lies somewhere else: one line each, only ever added to, by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from agent_guard.auditing.seals import Seal, stored
from agent_guard.errors import ConfigError
from agent_guard.store import Store

__all__ = ["append", "read"]


def read(path: Path) -> list[Seal]:
    """The seals of a file; a last line that was not finished is left out.

    Raises:
        ConfigError: it cannot be read, or a line is no seal; the message names the line.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigError(f"the seals in {path} cannot be read: {error.strerror}") from None
    seals = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            seals.append(Seal.parse(line))
        except ValueError as error:
            raise ConfigError(f"{path}, line {number}: {error}") from None
    return seals


def append(path: Path, store: Store) -> int:
    """Adds the seals that the file does not have yet, and returns how many; they are on disk when it returns.

    Raises:
        ConfigError: the file cannot be written, or holds seals that this database does not have; it is left as it was.
        StoreError: the database cannot be read.
    """
    there = read(path) if path.exists() else []
    with store.read() as connection:
        kept = dict(stored(connection))
    for seal in there:
        if kept.get(seal.n) != seal.line:
            raise ConfigError(
                f"seal {seal.n} in {path} is not the one in the database {store.name}; run: agent-guard audit verify "
                f"--seals {path}. For another database name another file"
            )
    last = max((seal.n for seal in there), default=0)
    new = [line for n, line in kept.items() if n > last]
    _write(path, there, new)
    return len(new)


def _write(path: Path, there: Sequence[Seal], new: Sequence[bytes]) -> None:
    whole = sum(len(seal.line) + 1 for seal in there)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.ftruncate(handle, whole)  # of a line that was not finished
            os.lseek(handle, whole, os.SEEK_SET)
            with os.fdopen(os.dup(handle), "wb") as file:
                file.writelines(line + b"\n" for line in new)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise ConfigError(f"the seals cannot be added to {path}: {error.strerror}") from None
