"""Several worker processes on one PostgreSQL under load hold every law of the house."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.harness import Nursery
from tests.load.company import Place
from tests.load.laws import broken
from tests.load.work import Size, loaded, warm


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """A warmed process that forks the workers."""
    with Nursery(warm) as made:
        yield made


@pytest.mark.req("A3", "A6", "A7", "B7", "B8", "B17")
@pytest.mark.databases("postgres")
def test_workers_under_load_hold_every_law(nursery: Nursery, database: Any, tmp_path: Path) -> None:
    """Four workers want the same drafts, send and spend up to a limit, ask and answer each other's questions, while a tool
    is switched off and on and one of them is killed: every law holds of what is left, and all of it was there to hold.
    """
    place = Place(str(tmp_path), database.shared)
    told = loaded(nursery, place, Size(workers=4, steps=60))
    assert broken(place, told) == []
    kinds = {name.split()[0] for name in told.ends}
    assert kinds >= {"executed", "duplicate", "denied", "asked", "answered"}
    assert {"denied killed", "denied limit_rate", "denied limit_total", "denied tool_unknown"} <= set(told.ends)
