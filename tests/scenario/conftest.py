"""One masker for all scenarios: its models take seconds to load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_guard.app import Application
from agent_guard.masking import Masker
from agent_guard.settings import Settings
from agent_guard.testing import FixedClock
from agent_guard.types import Subject


@pytest.fixture(scope="session", name="masker")
def _masker() -> Masker:
    masker = Masker()
    masker.warm()
    return masker


@pytest.fixture(name="application")
def _application(tmp_path: Path, masker: Masker) -> Iterator[Application]:
    settings = Settings(
        database=f"sqlite:///{tmp_path}/guard.db",
        checkpoints=f"sqlite:///{tmp_path}/threads.db",
        systems=f"sqlite:///{tmp_path}/crm.db",
        environment="dev",
    )
    application = Application(settings, masker=masker)
    yield application
    application.close()


@pytest.fixture(scope="module", name="office_folder")
def _office_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("office")


@pytest.fixture(scope="module", name="office_clock")
def _office_clock() -> FixedClock:
    return FixedClock()


@pytest.fixture(scope="module", name="office")
def _office(office_folder: Path, office_clock: FixedClock) -> Iterator[Application]:
    """One application for all tests of a module, whose clock stands; its masker loads no model of names."""
    urls = {name: f"sqlite:///{office_folder}/{name}.db" for name in ("database", "checkpoints", "systems")}
    masker = Masker(profile="patterns")
    made = Application(Settings(environment="dev", **urls), masker=masker, clock=office_clock)
    yield made
    made.close()


@pytest.fixture(name="manager")
def _manager() -> Subject:
    return Subject(id="boss", tenant="demo", roles={"manager"})
