"""One masker for all scenarios: its models take seconds to load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_guard.app import Application
from agent_guard.masking import Masker
from agent_guard.settings import Settings
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


@pytest.fixture(name="manager")
def _manager() -> Subject:
    return Subject(id="boss", tenant="demo", roles={"manager"})
