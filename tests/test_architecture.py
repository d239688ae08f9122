"""Laws of the house that a reviewer would otherwise have to repeat."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent_guard

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "agent_guard"
FILES = sorted(PACKAGE.rglob("*.py"))


def _calls(name: str) -> Iterator[Path]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (
                (isinstance(node.func, ast.Name) and node.func.id == name)
                or (isinstance(node.func, ast.Attribute) and node.func.attr == name)
            ):
                yield path


@pytest.mark.req("A11")
def test_a_tool_is_run_in_one_place() -> None:
    """``tool.run(`` stands once in the package: behind the gateway (law L1)."""
    places = [
        f"{path.name}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "run"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "tool"
    ]
    assert len(places) == 1 and places[0].startswith("run.py:")


def test_interrupt_is_called_in_one_place() -> None:
    """LangGraph's ``interrupt`` is called once, for every graph."""
    assert [path.name for path in _calls("interrupt")] == ["questions.py"]


def test_the_clock_is_read_through_the_port() -> None:
    """The system's clock is read where the default ``Clock`` is defined, and nowhere else."""
    read = [
        path.name
        for path in FILES
        if re.search(r"datetime\.now\(|time\.time\(|date\.today\(|utcnow\(", path.read_text(encoding="utf-8"))
    ]
    assert read == ["types.py"]


def test_nothing_prints_but_the_command_line() -> None:
    """``print`` is called nowhere in the package."""
    assert [path.name for path in _calls("print") if path.parent.name != "cli"] == []


def test_the_public_names_are_these() -> None:
    """The package exports these names, each with a docstring, and no other."""
    assert sorted(agent_guard.__all__) == [
        "AgentGuardError", "Approval", "Code", "Decision", "Gateway", "Guard", "Objection", "Party", "Policy", "Reply",
        "Session", "Subject", "Tool", "ToolCall", "ToolResult", "tool",
    ]  # fmt: skip
    for name in agent_guard.__all__:
        assert getattr(agent_guard, name).__doc__, name


def test_dataclasses_are_frozen() -> None:
    """Values do not change: every dataclass of the package is frozen."""
    found = 0
    for info in pkgutil.walk_packages(agent_guard.__path__, "agent_guard."):
        if ".migrations" in info.name or info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == info.name:
                found += 1
                assert value.__dataclass_params__.frozen, value
    assert found > 15


def test_all_names_are_sorted_and_exist() -> None:
    """Each ``__all__`` names only what its module has."""
    for info in pkgutil.walk_packages(agent_guard.__path__, "agent_guard."):
        if ".migrations.env" in info.name or ".versions" in info.name or info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{info.name}.{name}"


def test_no_file_names_a_registry_or_a_machine() -> None:
    """No tracked text names a package registry's host or a home of the machine it was written on."""
    hosts = "|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "registry\\.npm" + r"js\.org"))
    wrong = []
    for path in ROOT.rglob("*"):
        if path.suffix in {".py", ".md", ".toml", ".txt", ".yaml", ".json", ".ipynb"} and not {".venv", ".bench"} & set(
            path.parts
        ):
            text = path.read_text(encoding="utf-8", errors="replace")
            if re.search(hosts, text):
                wrong.append(path.name)
    assert wrong == []
