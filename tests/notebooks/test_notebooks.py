"""The notebooks run from top to bottom, offline, on the public API alone, and show what they promise."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from scripts.notebooks import HERE as OF_THIS_MACHINE, said

HERE = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((HERE / "notebooks").glob("*.ipynb"))

PUBLIC = {
    "agent_guard",
    "agent_guard.app",
    "agent_guard.auditing.selection",
    "agent_guard.credentials",
    "agent_guard.display",
    "agent_guard.errors",
    "agent_guard.facts",
    "agent_guard.highlight",
    "agent_guard.hindsight",
    "agent_guard.laws",
    "agent_guard.masking",
    "agent_guard.integrations",
    "agent_guard.nodes",
    "agent_guard.picture",
    "agent_guard.policies.check",
    "agent_guard.policies.diff",
    "agent_guard.policies.explain",
    "agent_guard.session",
    "agent_guard.settings",
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
    "02_what_the_model_sees": [
        ">Anna Kowalska <small>PERSON cue, 0.80</small></mark>",
        ">+48 512 345 678 <small>PHONE phone, 0.90</small></mark>",
        ">Ивану Петрову <small>PERSON slovnet, 0.85</small></mark>",
        ">44051401359 <small>ID pesel, 0.95</small></mark>",
        "Hi, this is <PERSON_1>. Call me back on <PHONE_1> or write to <EMAIL_1>.",
        "Здравствуйте, меня зовут <PERSON_1>, ИИН <ID_1>. Передайте <PERSON_1> договор, телефон <PHONE_1>.",
        "nazywam się <PERSON_1>, PESEL <ID_1>. Proszę o kontakt z <PERSON_1>, <LOCATION_1>.",
        "<PERSON_1> ('party',)",
        "Перезвоните Иван Петров сегодня.",
        "Перезвоните <PERSON_1> сегодня.",
        '"note": "His wife <PERSON_2> decides. Card <CARD_1>."',
        '"text": "<PERSON_1> asked for a discount"',
        "the model saw:   <PERSON_1> here, ring me at <PHONE_1>",
        "a person is asked: {'text': 'Call <PERSON_1> on <PHONE_1>'}",
        "the model said:  You are welcome, <PERSON_1>. We will call you on <PHONE_1>.",
        "the reader got:  You are welcome, Anna Kowalska. We will call you on +48 512 345 678.",
        "the CRM got:     ['Call Anna Kowalska on +48 512 345 678']",
        "found: value 0 of the list stands in leak.txt as UTF-16",
        "no canary in ['guard.db', 'guard.db.key', 'threads.db']",
        "Give it to Bo.",
    ],
    "04_five_scenarios": [
        "account_health, calendar_booking, forgotten_deal, front_desk, sdr_qualification, support_draft",
        ">route</text>",
        ">alert</text>",
        "forgotten_deal | delivered | deals.stale",
        "account_health | delivered | accounts.facts",
        "front_desk | delivered | nothing ran\n    I do not do this.",
        "front_desk | delivered | nothing ran\n    I do not do this.",
        "forgotten_deal | delivered | deals.stale\n    I can list the open deals",
        "What should I do? I can:",
        "front_desk | escalated | nothing ran\n    I am passing this to a colleague.",
        "sdr_qualification | delivered | crm.read_deal, crm.create_task",
        "account_health | delivered | accounts.facts",
        "support_draft | delivered | tickets.read, knowledge.search, tickets.answer",
        "calendar_booking | delivered | calendar.free_slots, calendar.hold, calendar.confirm",
        "forgotten_deal | delivered | deals.stale, alerts.slack",
        "The link to an export is valid for 48 hours.",
        "forgotten_deal | delivered | nothing ran\n    All done!",
        "deny tool_unknown",
        "deny tool_not_permitted",
        "deny region",
        "deny argument_unknown",
        "deny region",
        "41 mails | escalated limit_steps | the thread has used its steps",
        " events [] ",
        "no personal data in",
    ],
    "05_attack_your_own_agent": [
        ">approve</text>",
        "forbidden tool            deny tool_unknown                 ran: []",
        "extra argument            deny argument_unknown             ran: []",
        "other customer's record   deny binding                      ran: []",
        "address from the ticket   deny domain                       ran: []",
        "invented address          deny value_invented               ran: []",
        "address in the text       require_approval value_origin     ran: []",
        "binding",
        "refused: u1 may not answer this",
        "approved by the requester: ['refused'] ran: []",
        "edited to another customer: ['delivered'] ran: []",
        "answer replayed: ['delivered', 'delivered'] ran: ['note on deal 1: Parcel is late']",
        "same call, other spelling: deny duplicate ran: []",
        "escalated loop | You are going round in circles.",
        "The same call came 3 times in a row; the policy allows 2.",
        "forbidden tool              deny tool_unknown                                 nothing ran",
        "edited to another customer  delivered, deny binding                           nothing ran",
        "answer replayed             delivered, require_approval approval_required     note on deal 1: Parcel is late",
        "loop                        escalated loop                                    nothing ran",
        "broken: []",
        "passed",
    ],
    "08_bring_your_own_crm": [
        "[('1', 'Forty trackers', 'new'), ('2', 'Cold rooms', 'new')]",
        "broken   1 told      it raised IndexError",
        "kept     2 whose",
        "broken   3 fields    deal:1: stage is said to hold None",
        "broken   4 version   an edit left the record's version as it was",
        "broken   5 once      it raised IntegrityError",
        "broken   9 found     a key does not find the record",
        "broken  10 down      describe raised OperationalError, and not ToolUnavailable",
        "all kept: True",
        "A system that cannot be asked says that nothing happened",
        "1 approval_required",
        "2 binding",
        "3 record_not_found",
        "changed meanwhile: denied approval_changed",
        "then: executed note:1 [('Anna Kowalska called',)]",
        "lost: unknown",
        "asked by key: executed | notes: 2",
        "proposed -> decided -> asked -> answered -> started -> unknown -> reconciled",
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

RENDER = "run: python scripts/notebooks.py, and commit what it writes"


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
    """Runs a notebook in a new kernel of this environment and returns all that it showed."""
    notebook = read(path)
    client = NotebookClient(notebook, kernel_name="python3", timeout=120, resources={"metadata": {"path": str(folder)}})
    await client.async_execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.output_type for output in outputs if output.output_type == "error"] == []
    return said(notebook)


def test_there_is_a_promise_for_every_notebook() -> None:
    """A notebook without expected output would be run and prove nothing."""
    assert [path.stem for path in NOTEBOOKS] == sorted(PROMISED)


@pytest.mark.parametrize(
    ("path", "folder"),
    [*((path, "notebooks") for path in NOTEBOOKS), (NOTEBOOKS[0], "."), (NOTEBOOKS[1], ".")],
    ids=lambda item: item.stem if isinstance(item, Path) else item,
)
async def test_it_runs_and_shows_what_it_promises(
    path: Path, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every cell runs without an error from the notebooks' own folder, of two also from the repository's root."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # what the notebook leaves behind is removed with this folder
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")  # the kernel of this environment, not one of the user's
    before = set((HERE / "notebooks").iterdir())

    text = await run(path, HERE / folder)

    kept(path, text)
    assert set((HERE / "notebooks").iterdir()) == before


def kept(path: Path, text: str) -> None:
    """Asserts that a notebook's promises stand in what it showed, in their order."""
    position = 0
    for promise in PROMISED[path.stem]:
        found = text.find(promise, position)
        assert found >= 0, f"{promise!r} is not in the rest of the output:\n{text[position:]}"
        position = found + len(promise)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_as_one_run_showed_it(path: Path) -> None:
    """The committed file is one run from top to bottom with what it promises, and names nothing of the machine."""
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), RENDER
    assert "error" not in {output.output_type for cell in code for output in cell.outputs}
    kept(path, said(notebook))
    assert OF_THIS_MACHINE.search(path.read_text(encoding="utf-8")) is None
    assert notebook.metadata.kernelspec.name == "python3"
    assert 0 < len(code) <= MOST_CODE_CELLS


@pytest.mark.parametrize(
    "shown",
    [
        "/tmp/x",
        "/home/ann/a.py",
        "/" + "root/.cache",  # the tree names no folder of a machine
        "/Users/ann",
        "C:\\\\Users",
        "lib/site-packages/x",
        "ipykernel_1/2.py",
    ],
)
def test_a_path_of_a_machine_is_seen(shown: str) -> None:
    """Each kind of path that would tell where a notebook was run; ordinary words with a stroke are none."""
    assert OF_THIS_MACHINE.search(f'"saved to {shown} now"')
    assert not OF_THIS_MACHINE.search("and/or, 3/minute/subject, sqlite:///guard.db, application/json, en/ru/pl")


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
