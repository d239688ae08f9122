"""Keeps numpy's linear algebra on one thread while a small network runs.

The matrices of one sentence are so small that handing them to a thread pool costs thirty times the arithmetic
(measured: 1.4 ms against 40 ms of CPU for a sentence on two cores). OpenBLAS has a call for this; with another library
nothing changes but the time.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

__all__ = ["one_thread"]


@cache
def _setter() -> Callable[[int], int] | None:
    import numpy as np

    root = Path(np.__file__).parent
    for folder in (root.parent / "numpy.libs", root / ".libs", root / ".dylibs"):
        for library in sorted(folder.glob("*openblas*")):
            try:
                setter = ctypes.CDLL(str(library)).openblas_set_num_threads_local
            except (OSError, AttributeError):
                continue
            setter.argtypes, setter.restype = (ctypes.c_int,), ctypes.c_int
            return setter
    return None


_lock = threading.Lock()
_inside = 0
_before = 0


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs its block with one thread of OpenBLAS; when the last block ends, the former number is put back."""
    global _inside, _before  # noqa: PLW0603  the setting itself is one for the process
    setter = _setter()
    if setter is None:
        yield
        return
    with _lock:
        if _inside == 0:
            _before = setter(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                setter(_before)
