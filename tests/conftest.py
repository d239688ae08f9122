"""Fixtures of all tests: the embedded pieces, a standing clock, and the rule for missing servers."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """No test reaches beyond this machine: everything that the product loads is installed (L10, masking)."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> object:
        if self.family in (socket.AF_INET, socket.AF_INET6) and str(address[0]) not in ("127.0.0.1", "::1"):  # type: ignore[index]
            raise OSError(f"a test tried to reach {address}")
        return real(self, address)  # type: ignore[arg-type]

    socket.socket.connect = connect  # type: ignore[assignment,method-assign]
    yield
    socket.socket.connect = real  # type: ignore[method-assign]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuses a requirement id that REQUIREMENTS.md does not have."""
    text = (config.rootpath / "REQUIREMENTS.md").read_text(encoding="utf-8")
    for item in items:
        for mark in item.iter_markers("req"):
            for name in mark.args:
                if f"| {name} |" not in text:
                    raise pytest.UsageError(f"{item.nodeid}: REQUIREMENTS.md has no row {name!r}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """With AGENT_GUARD_REQUIRE=all a skipped test is a failed one."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and os.environ.get("AGENT_GUARD_REQUIRE") == "all" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and AGENT_GUARD_REQUIRE=all: {report.longrepr}"
