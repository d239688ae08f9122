"""The notebooks run from top to bottom, offline, on the public API alone, and show what they promise."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((HERE / "notebooks").glob("*.ipynb"))

PUBLIC = {
    "agent_guard",
    "agent_guard.auditing.selection",
    "agent_guard.credentials",
    "agent_guard.display",
    "agent_guard.facts",
    "agent_guard.hindsight",
    "agent_guard.masking",
    "agent_guard.integrations",
    "agent_guard.nodes",
    "agent_guard.policies.check",
    "agent_guard.policies.diff",
    "agent_guard.policies.explain",
    "agent_guard.session",
    "agent_guard.testing",
    "agent_guard.tool",
    "agent_guard.types",
}
OTHERS = {"pydantic", "app"}  # "app" is the module that a notebook writes itself
LANGCHAIN = {"langchain.agents", "langchain_core.tools", "langgraph.types"}  # what an existing agent is made of
MOST_CODE_CELLS = 12
LONGEST_DEFINITION = 10
MAGIC = re.compile(r"\A%%writefile [^\n]+\n")

PROMISED = {
    "00_first_call": [
        "check: allow",
        "invoke: executed {'name': '<PERSON_1>', 'phone': '<PHONE_1>', 'stage': 'offer sent'}",
        "deny tool_unknown",
        "deny argument_unknown",
        "deny pseudonym_unknown",
        "deny role",
        "pending True []",
        "refused: u1 may not answer this",
        "executed {'number': 1} ['Call Anna Kowalska about the offer']",
        "duplicate {'number': 1} ['Call Anna Kowalska about the offer']",
        "finished crm.create_task",
        "broken: []",
        "pending | Remind me to send <PERSON_1> the price list",
        "delivered | Done: <PERSON_1> is on your list. | Done: Anna Kowalska is on your list.",
        "no personal data in",
    ],
    "01_pause_and_resume": [
        "pending crm.create_task {'subject': 'Call <PERSON_1> on Friday'}",
        "the tool ran: False",
        "PendingApproval |",
        "delivered | It is on your list: <PERSON_1>.",
        "delivered | It is on your list: Anna Kowalska.",
        "tasks: ['Call Anna Kowalska on Friday']",
        "refused:",
        "tasks: 1",
        "opened -> proposed -> decided -> asked -> answered -> started -> finished",
        "broken: []",
    ],
    "03_write_a_tool_and_its_policy": [
        "timeout_s is 60",
        "sensitive names 'recipient'",
        "kinds names 'ticket_id'",
        "argument 'note' is text of any length",
        "taken with: 200",
        "line 16: tools.desk.invite.aprovers: no such key",
        "error never_allows | desk.v1: tools.desk.invite.where.properties.note",
        "error inverted | desk.v1: tools.desk.invite.from.to",
        "error approver_unknown | desk.v1: tools.desk.invite.approvers.roles",
        "[('warning', 'runs_unasked')]",
        "prod: suggested |",
        "stage: pending []",
        "stage: executed {'number': 1, 'sent_to': '<EMAIL_1>'",
        "dev: executed {'number': 2, 'sent_to': '<EMAIL_1>'",
        "bob@acme.example -> allow allowed",
        "anna@customer.example -> allow allowed",
        "eve@elsewhere.example -> require_approval value_origin",
        "zoe@nowhere.example -> deny value_invented",
        "office hours: ['allow', 'require_approval', 'allow'] | It is outside office hours",
        "directory: executed then denied role",
        "no secret: failed tool_unavailable",
        "en: The call is denied.",
        "pl: Wywołanie jest zabronione.",
        "ru: Вызов запрещён.",
        "wider desk.invite prod mode suggest -> approve",
        "wider desk.invite stage where.note.maxLength 200 -> 400",
        "wider desk.invite stage approvers.not_requester True -> False",
        "an example: desk.invite {",
    ],
    "07_guard_an_existing_agent": [
        "[('eve@elsewhere.example', 'all contacts')]",
        "waits: True | sent: []",
        "send_document {'to': '<EMAIL_1>', 'document': 'price list'}",
        "[('to', ['untrusted'])]",
        "the model saw:",
        "<EMAIL_1>. Please send me the price list.",
        "refused: u1 may not answer this",
        "I sent anna@kowalska.example the price list.",
        "sent: [('anna@kowalska.example', 'price list')]",
        "error |",
        "Do not retry this call as it is.",
        "sent to eve: False",
        "proposed -> decided -> asked -> refused -> answered -> started -> finished",
        "broken: []",
        "no personal data in",
    ],
    "06_audit_replay_simulate": [
        "desk.offer denied stop_word",
        "desk.offer denied value_invented",
        "desk.delete denied tool_unknown",
        "desk.offer executed allowed",
        "+0.0 s  proposed    u1",
        '"text": "<PERSON_1> likes the blue one."',
        "decided     u1          allow (allowed): No guard objects.",
        "deny value_invented: to holds <EMAIL_2>, which the model made up.",
        "agrees 6 decided again, 6 agree",
        "differs",
        "was edited",
        "- recorded is deny (stop_word), reached is allow (allowed)",
        "- the first guard that differs: recorded is content: deny (stop_word), reached is content: allow (allowed)",
        "agrees",
        "6 calls: 0 wider, 2 narrower",
        "narrower desk.offer allow allowed -> deny argument_not_permitted (1)",
        "narrower desk.offer allow allowed -> require_approval approval_required (1)",
        "6 calls: 1 wider, 0 narrower",
        "wider desk.offer deny stop_word -> allow allowed (1)",
        "cannot be told: desk.offer (1): text holds a pseudonym, and nobody asked then whether maxLength holds",
        "desk.offer allow allowed -> deny limit_rate (1)",
    ],
}
"""What the output of each notebook must hold, in this order."""


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def sources(path: Path) -> list[str]:
    """The Python of a notebook, the modules that it writes included."""
    return [MAGIC.sub("", cell.source) for cell in read(path).cells if cell.cell_type == "code"]


def imports(source: str) -> set[str]:
    """Every module that Python source imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


async def run(path: Path, folder: Path) -> str:
    """Runs a notebook in a new kernel of this environment and returns all that it printed."""
    notebook = read(path)
    client = NotebookClient(notebook, kernel_name="python3", timeout=120, resources={"metadata": {"path": str(folder)}})
    await client.async_execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.output_type for output in outputs if output.output_type == "error"] == []
    return "".join(output.get("text", "") for output in outputs)  # a kernel under load sends one line in two pieces


def test_there_is_a_promise_for_every_notebook() -> None:
    """A notebook without expected output would be run and prove nothing."""
    assert [path.stem for path in NOTEBOOKS] == sorted(PROMISED)


@pytest.mark.parametrize("folder", ["notebooks", "."])
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_it_runs_and_shows_what_it_promises(
    path: Path, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every cell runs without an error, from the repository's root as from the notebooks' own folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # what the notebook leaves behind is removed with this folder
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")  # the kernel of this environment, not one of the user's
    before = set((HERE / "notebooks").iterdir())

    text = await run(path, HERE / folder)

    position = 0
    for promise in PROMISED[path.stem]:
        found = text.find(promise, position)
        assert found >= 0, f"{promise!r} is not in the rest of the output:\n{text[position:]}"
        position = found + len(promise)
    assert set((HERE / "notebooks").iterdir()) == before


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_without_outputs(path: Path) -> None:
    """The committed file holds no outputs, no counts, and names the kernel that every environment has."""
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[]] * len(code)
    assert {cell.execution_count for cell in code} == {None}
    assert notebook.metadata.kernelspec.name == "python3"
    assert 0 < len(code) <= MOST_CODE_CELLS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_uses_the_public_api_alone(path: Path) -> None:
    """It imports the standard library, pydantic and the public modules; and no name that begins with an underscore."""
    for source in sources(path):
        for module in imports(source):
            assert module in PUBLIC | OTHERS | LANGCHAIN or module.partition(".")[0] in sys.stdlib_module_names
        attributes = [node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
        assert [name for name in attributes if name.startswith("_") and not name.endswith("__")] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_definitions_are_short(path: Path) -> None:
    """No function or class is longer than ten lines, the decorated tool apart."""
    for source in sources(path):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.decorator_list:
                assert (node.end_lineno or 0) - node.lineno < LONGEST_DEFINITION, node.name
