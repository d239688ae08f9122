"""A thread that waits for a manager, in each graph."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.server import GRAPHS, Served, proposal
from tests.conftest import World


@pytest.fixture(params=list(GRAPHS))
def server(world: World, request: pytest.FixtureRequest) -> Iterator[Served]:
    """It waits for an answer, and then has done."""
    made = Served(world, request.param, proposal(), "Done.")
    made.say()
    yield made
    made.close()
