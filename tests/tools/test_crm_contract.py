"""What the suite of the CRM port's laws says when the adapter under test cannot be opened."""

from __future__ import annotations

import pytest

from tools.crm.contract import DRAFT, Store
from tools.crm.contract.at_once import processes


def broken() -> Store:
    """An adapter that another process cannot open."""
    raise RuntimeError("no such account")


@pytest.mark.req("A8")
def test_a_process_that_cannot_open_the_crm_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    """The law fails at once and says where to look; no process is left that waits for the others."""
    with pytest.raises(AssertionError, match="what it raised stands on stderr"):
        processes(broken, [[("k1", DRAFT)]])
    assert "no such account" in capfd.readouterr().err
