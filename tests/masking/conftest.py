"""Maskers are built once: the full one loads models."""

import pytest

from agent_guard.masking import Masker, MemoryVault


@pytest.fixture(scope="session")
def patterns() -> Masker:
    return Masker(profile="patterns")


@pytest.fixture(scope="session")
def full() -> Masker:
    masker = Masker()
    masker.warm()
    return masker


@pytest.fixture
def vault() -> MemoryVault:
    return MemoryVault()
