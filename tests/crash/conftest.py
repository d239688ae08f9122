"""What the kill tests share: a warmed process to fork from, and the databases of one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.harness import Nursery
from tests.crash.office import Place, warm


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """A warmed process."""
    with Nursery(warm) as made:
        yield made


@pytest.fixture
def place(database: Any, tmp_path: Path) -> Place:
    """The databases of one test."""
    return Place(str(tmp_path), database.shared, database.checkpoints)
