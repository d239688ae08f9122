"""A progress bar on standard error, for people alone: where nobody watches there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent_guard.cli.output import errors

__all__ = ["progress"]


@contextmanager
def progress(words: str, total: Callable[[], int]) -> Iterator[Callable[[int], object]]:
    """Yields what is told how far it is.

    Args:
        total: how far it goes; asked only where somebody watches.
    """
    if not errors.is_terminal:
        yield int
        return
    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(words, total=total())
        yield lambda done: bar.update(task, completed=done)
