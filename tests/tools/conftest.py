"""A seeded embedded CRM for the tools' tests, at a fixed moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.moment import NOW, fixed_clock
from tools.crm.seed import seed
from tools.crm.sql import SqlCRM


@pytest.fixture
def seeded(tmp_path: Path) -> Iterator[SqlCRM]:
    """An embedded CRM with the anchors and sixty invented deals, closed afterwards."""
    crm = SqlCRM(f"sqlite:///{tmp_path}/seeded.db", clock=fixed_clock)
    crm.create()
    seed(crm, now=NOW)
    yield crm
    crm.close()
