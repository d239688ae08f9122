"""Importing the package costs next to nothing and drags nothing in."""

from __future__ import annotations

import compileall
import json
import subprocess
import sys
from pathlib import Path

import pytest

import agent_guard

ROOT = Path(agent_guard.__file__).parent
HEAVY = ("presidio_analyzer", "sqlalchemy", "langgraph", "langchain_core", "fastapi", "spacy")
BUDGET_S = 0.3

SCRIPT = """
import json, sys, time
before = set(sys.modules)
begun = time.process_time()
{statement}
spent = time.process_time() - begun
print(json.dumps([spent, sorted(name for name in sys.modules if name not in before)]))
"""


def imported(statement):
    """CPU seconds of a statement in a new interpreter, and the modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(statement=statement)],
        capture_output=True, text=True, check=True, cwd=ROOT.parent, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    assert compileall.compile_dir(ROOT, quiet=1)


def test_the_package_is_imported_in_no_time():
    """``import agent_guard`` takes less than a third of a second and loads none of the large libraries."""
    runs = [imported("import agent_guard") for _ in range(5)]
    loaded = set(runs[0][1])
    assert not loaded & set(HEAVY)
    assert min(spent for spent, _ in runs) < BUDGET_S


@pytest.mark.parametrize("name", ["Policy", "Subject", "tool", "Code", "AgentGuardError", "Guard"])
def test_what_needs_no_database_loads_none(name):
    """Contracts, policies and values are the standard library, pydantic and YAML."""
    _, loaded = imported(f"from agent_guard import {name}")
    assert not set(loaded) & set(HEAVY)


def test_the_names_of_the_readme_are_there():
    """The first line of the README works, and neither a web server nor a language model's pipeline is loaded by it."""
    _, loaded = imported("from agent_guard import Gateway, Policy, Session, Subject, tool\nassert callable(tool)")
    assert not set(loaded) & {"fastapi", "spacy"}


def test_every_public_name_is_loaded_when_it_is_asked_for():
    """Each name of ``__all__`` exists and is shown by ``dir``; another name is an AttributeError."""
    assert agent_guard.__all__ == sorted(agent_guard.__all__)
    assert set(agent_guard.__all__) <= set(dir(agent_guard))
    for name in agent_guard.__all__:
        assert getattr(agent_guard, name) is not None
    with pytest.raises(AttributeError, match="'nothing'"):
        agent_guard.nothing


@pytest.mark.parametrize(
    "statements",
    [
        "from agent_guard import tool",
        "import agent_guard.tool\nfrom agent_guard import tool",
        "from agent_guard.tool import Tool\nfrom agent_guard import tool",
        "from agent_guard import Gateway\nfrom agent_guard import tool",
    ],
)
def test_the_decorator_is_not_hidden_by_its_module(statements):
    """``agent_guard.tool`` is the decorator whatever was imported before, and its module is still a module."""
    check = (
        "import sys, inspect\nassert inspect.isfunction(tool)\nassert inspect.ismodule(sys.modules['agent_guard.tool'])"
    )
    imported(f"{statements}\n{check}")
