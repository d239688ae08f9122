"""Environments of their own for the other systems, under ``.bench/``: made once, and checked by version."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.bypass.adapters import Adapter

__all__ = ["ROOT", "Unavailable", "python_of"]

ROOT = Path(__file__).resolve().parents[2]
_FOLDER = ROOT / ".bench"
INSTALL_S = 600


class Unavailable(Exception):
    """A system cannot be had here; the message says why."""


def python_of(name: str, adapter: Adapter, *, install: bool = True) -> str:
    """The interpreter in which an adapter runs; its packages are installed where they are not yet.

    Args:
        install: False: what is not there stays away.

    Raises:
        Unavailable: they are not there and are not or cannot be installed, or others than the pinned ones are there.
    """
    if not adapter.packages:
        return sys.executable
    python = _FOLDER / name / "bin" / "python"
    if not install and not (python.exists() and _has(python, adapter)):
        raise Unavailable(f"{', '.join(adapter.packages)} is not installed")
    try:
        if not python.exists():
            _run([sys.executable, "-m", "venv", str(_FOLDER / name)])
        if not _has(python, adapter):
            _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *adapter.packages])
    except (OSError, subprocess.SubprocessError) as error:
        words = getattr(error, "stderr", "") or str(error)
        raise Unavailable(f"does not install: {words.strip().splitlines()[-1][:120]}") from None
    if not _has(python, adapter):
        raise Unavailable(f"installed, but not as {', '.join(adapter.packages)}")
    return str(python)


def _has(python: Path, adapter: Adapter) -> bool:
    """Whether exactly the pinned versions are there: another version is another system."""
    ask = "import sys; from importlib.metadata import version; print(*(f'{n}=={version(n)}' for n in sys.argv[1:]))"
    names = [package.partition("==")[0] for package in adapter.packages]
    found = subprocess.run([str(python), "-c", ask, *names], capture_output=True, text=True, check=False)
    return found.stdout.split() == list(adapter.packages)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
