"""A project that runs at once: a tool, a policy, a graph and their tests, out of files that lie beside this module.

Each starting point is what all of them share (``templates/common``) and what is its own. They are copied as they are;
in ``README.md`` alone ``$scenario`` and ``$about`` are filled in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from string import Template

from agent_guard.errors import ConfigError

__all__ = ["SCENARIOS", "files", "write"]

SCENARIOS: Mapping[str, str] = {
    "lead": "reads a customer's deal and drafts a task for its owner, which a manager approves",
    "support": "reads a customer's ticket, which may hold anything, and answers it when a manager says so",
    "booking": "offers free times and books one, which a manager approves; of two that want one time, one gets it",
}
"""The starting points: name -> what the agent does."""

_NAMED = 3
"""How many files that are in the way are named."""

_TEMPLATES = Path(__file__).with_name("templates")
_RENAMED = {"gitignore": ".gitignore"}  # under its own name it would be obeyed here


def files(scenario: str) -> dict[str, bytes]:
    """The files of a new project: path in it -> content.

    Raises:
        ConfigError: there is no such starting point; the message names those that exist.
    """
    if scenario not in SCENARIOS:
        raise ConfigError(f"there is no starting point {scenario!r}; there is: {', '.join(SCENARIOS)}")
    found: dict[str, bytes] = {}  # what a tool leaves behind in the folders, its caches, is no part of it
    for folder in (_TEMPLATES / "common", _TEMPLATES / scenario):
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in inside.parts):
                found[_RENAMED.get(inside.as_posix(), inside.as_posix())] = path.read_bytes()
    readme = Template(found["README.md"].decode("utf-8"))
    found["README.md"] = readme.substitute(scenario=scenario, about=SCENARIOS[scenario]).encode("utf-8")
    return found


def write(folder: Path, scenario: str, *, force: bool = False) -> list[Path]:
    """Writes a new project and returns its files. Either all of them are there afterwards, or all is as it was.

    Args:
        folder: made where it is not there.
        force: replace files of these names; nothing else in the folder is touched.

    Raises:
        ConfigError: no such starting point, a file is there already, or the folder cannot be written.
    """
    made = {folder / name: content for name, content in files(scenario).items()}
    there = sorted(str(path.relative_to(folder)) for path in made if os.path.lexists(path))
    if there and not force:
        more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
        names = ", ".join(there[:_NAMED]) + more
        raise ConfigError(f"{folder} has {names} already; choose an empty folder, or replace with --force")
    inside = sorted({folder / part for path in made for part in _parts(path.relative_to(folder))})
    linked = next((path for path in inside if path.is_symlink()), None)
    if linked is not None:
        raise ConfigError(f"{linked} is a link; nothing is written to where it leads, remove it first")
    undo: list[tuple[Path, bytes | None]] = []
    try:
        for path, content in made.items():
            _make_folders(path.parent, undo)
            undo.append((path, path.read_bytes() if os.path.lexists(path) else None))
            path.write_bytes(content)
    except BaseException as error:
        _take_back(undo)
        if not isinstance(error, OSError):
            raise
        raise ConfigError(
            f"{error.filename or folder}: cannot be written ({error.strerror}); nothing was left there, name another "
            "folder"
        ) from None
    return sorted(made)


def _parts(path: Path) -> list[Path]:
    """A file and the folders that it lies in, all relative."""
    return [path, *path.parents[:-1]]


def _make_folders(folder: Path, undo: list[tuple[Path, bytes | None]]) -> None:
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir()
        undo.append((parent, None))


def _take_back(undo: list[tuple[Path, bytes | None]]) -> None:
    """Puts everything back as it was, the last first; what cannot be put back is left."""
    for path, content in reversed(undo):
        try:
            if content is not None:
                path.write_bytes(content)
            elif path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        except OSError:
            continue
