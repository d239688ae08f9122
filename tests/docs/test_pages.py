"""The documentation runs as it stands, and whatever it names exists."""

from __future__ import annotations

import importlib
import re
import shlex
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent_guard.policy import Policy
from agent_guard.settings import Settings
from scripts.reference.cli import commands
from tests.docs.pages import DOCS, ROOT, blocks, pages, prose
from tools.calendars.caldav_file import CalDavFile

EXECUTED = [page for page in pages() if page.parent != ROOT and blocks(page, "python")]
CHECKED = [page for page in pages() if page.parent != DOCS / "reference"]


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.xdist_group("readme")
@pytest.mark.parametrize("page", EXECUTED, ids=_name)
def test_python_blocks_of_a_page_are_one_program(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of a page run from top to bottom in an empty folder, and what they assert holds."""
    monkeypatch.chdir(tmp_path)
    program = "\n".join(blocks(page, "python"))
    assert "assert " in program, f"{_name(page)} asserts nothing"
    exec(compile(program, _name(page), "exec", dont_inherit=True), {"__name__": "page"})


def test_pages_are_found() -> None:
    """The test above is about something: the tutorial and the migration among it."""
    assert {"docs/tutorial.md", "docs/migrating.md"} <= {_name(page) for page in EXECUTED}
    assert len(EXECUTED) >= 8


@pytest.mark.parametrize("page", [page for page in CHECKED if blocks(page, "yaml")], ids=_name)
def test_yaml_blocks_are_accepted(page: Path) -> None:
    """Every YAML block is a policy, a file of CalDAV calendars, or a ``guard.yaml``, that this release accepts."""
    for block in blocks(page, "yaml"):
        if "version:" in block:
            assert Policy.parse(block, source=_name(page)).tools
        elif "calendars:" in block:
            assert CalDavFile.model_validate(yaml.safe_load(block)).calendars
        else:
            assert Settings.model_validate(yaml.safe_load(block))


@cache
def _known() -> dict[str, Any]:
    return dict(commands())


def _problem(line: str) -> str | None:
    """What is wrong with one command of the documentation, or None."""
    words = shlex.split(line, comments=True)
    path = "agent-guard"
    rest = words[1:]
    while rest and f"{path} {rest[0]}" in _known():
        path, rest = f"{path} {rest[0]}", rest[1:]
    command = _known()[path]
    options = {name: given for given in command.params for name in (*given.opts, *given.secondary_opts)}
    asked = [given for given in command.params if given.param_type_name == "argument"]
    if getattr(command, "commands", None) and rest and not rest[0].startswith("-"):
        return f"{path} has no command {rest[0]!r}"
    plain, given_options = 0, set()
    while rest:
        word, *rest = rest
        name = word.split("=")[0]
        if not name.startswith("-") or name == "-":
            plain += 1
        elif name not in options:
            return f"{path} has no option {name}"
        else:
            given_options.add(options[name].name)
            if not options[name].is_flag and "=" not in word:
                if not rest:
                    return f"{name} needs a value"
                rest = rest[1:]
    missing = [each.name for each in command.params if each.required and each.name not in given_options]
    missing = missing[plain:] if all(each.param_type_name == "argument" for each in asked) else missing
    if plain > sum(-1 if given.nargs < 0 else 1 for given in asked) and all(given.nargs > 0 for given in asked):
        return f"{path} takes {len(asked)} words, not {plain}"
    return f"{path} needs {missing}" if missing else None


@pytest.mark.parametrize("page", [page for page in pages() if blocks(page, "bash")], ids=_name)
def test_commands_exist(page: Path) -> None:
    """Every command in a block is one of the command line, with options that it has and all that it needs."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    assert [line for line in found if not line.startswith("agent-guard ")] == []
    assert [problem for problem in map(_problem, found) if problem] == []


def test_a_wrong_command_is_found() -> None:
    """The check itself: a wrong command, a wrong option and a missing one are named."""
    assert _problem("agent-guard audit show --last 3") is None
    assert "no command" in str(_problem("agent-guard audit shew"))
    assert "no option" in str(_problem("agent-guard audit show --lust 3"))
    assert "needs" in str(_problem("agent-guard kill --tool x"))
    assert "needs" in str(_problem("agent-guard approvals approve"))


@cache
def _words_of_the_code() -> frozenset[str]:
    folders = ("agent_guard", "graphs", "tools", "scripts", "benchmarks", "tests", "examples")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.*") if path.suffix in {".py", ".yaml"}]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files if "test_pages" not in path.name)
    return frozenset(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))


# LangChain's and LangGraph's own words, of which the pages speak
FOREIGN = {"interrupt_on", "allowed_decisions", "update_state", "checkpoint_id", "run_limit", "langgraph_sdk"}
FOLDERS = "agent_guard|graphs|tools|tests|benchmarks|notebooks|examples|docs|scripts"


@pytest.mark.parametrize("page", CHECKED, ids=_name)
def test_names_exist(page: Path) -> None:
    """A code, setting, module, file, test, command, extra or ``make`` target that a page names is one of this project's."""
    wrong = [
        word
        for word in prose(page)
        for form, is_there in FORMS
        if (found := re.fullmatch(form, word)) and not is_there(*found.groups())
    ]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wrong += [name for name in re.findall(r"extra `([a-z]+)`", page.read_text(encoding="utf-8")) if name not in extras]
    assert wrong == []


def _word(name: str) -> bool:
    return name in _words_of_the_code() | FOREIGN


def _variable(name: str) -> bool:
    text = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    return name in re.findall(r"`(\w+)[`=<]", text) or name in _words_of_the_code()


def _target(name: str) -> bool:
    return bool(re.search(rf"^{name}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _command(first: str, second: str | None) -> bool:
    below = getattr(_known().get(f"agent-guard {first}"), "commands", None)
    return f"agent-guard {first}" in _known() and (not below or second is None or second in below)


# loggers whose names look like a module's
LOGGERS = {"agent_guard.events"}


def _imported(name: str) -> bool:
    if name in LOGGERS:
        return True
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def _file(name: str) -> bool:
    return (ROOT / name).exists() or (ROOT / f"{name}.ipynb").exists()


def _test(file: str, name: str) -> bool:
    path = ROOT / file
    return path.is_file() and bool(re.search(rf"def {name}\b", path.read_text(encoding="utf-8")))


FORMS: tuple[tuple[str, Callable[..., bool]], ...] = (
    (r"([a-z]+(?:_[a-z0-9]+)+)", _word),
    (r"(AGENT_GUARD_[A-Z_]+)", _variable),
    (r"(agent_guard(?:\.\w+)+)(?:\(\))?", _imported),
    (rf"((?:{FOLDERS})/[\w./-]+)", _file),
    (r"(tests/[\w/.]+)::(\w+)", _test),
    (r"make ([a-z-]+)(?: .*)?", _target),
    (r"agent-guard ([a-z-]+)(?: ([a-z-]+))?(?: .*)?", _command),
)
