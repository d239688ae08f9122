"""``agent-guard policy``: check, explain and diff, in one process, on databases of their own."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent_guard.cli import app
from agent_guard.errors import AgentGuardError

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "graphs" / "sdr_qualification" / "policy.yaml"
SAMPLE = ROOT / "graphs" / "sdr_qualification" / "samples" / "en_personal_data.jsonl"

CONFIG = """
environment: dev
database: sqlite:///guard.db
checkpoints: sqlite:///threads.db
systems: sqlite:///crm.db
people:
  boss: {id: boss, tenant: demo, roles: [manager], region: us}
  lead: {id: lead, tenant: demo, roles: [manager]}
  rep: {id: u-reed, tenant: demo, roles: [sdr], region: us}
"""
READ = ("crm.read_deal", "--args", '{"deal_id": "3001"}')


def invoke(*words: str, code: int = 0) -> Result:
    """One command of the group; an expected error is raised as what it is."""
    done = CliRunner().invoke(app, ["policy", *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


def rows(done: Result) -> list[dict[str, Any]]:
    """What a command printed with --json."""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration and no database."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module", name="stored")
def _stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a conversation waits for an approval."""
    folder = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "guard.yaml").write_text(CONFIG, encoding="utf-8")
        done = CliRunner().invoke(app, ["run", "sdr_qualification", "--input", str(SAMPLE), "--json"])
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(name="paused")
def _paused(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the current folder."""
    shutil.copytree(stored, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def changed(folder: Path, *pairs: tuple[str, str]) -> str:
    """The shipped policy with other words, as a file of the folder."""
    text = SHIPPED.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (folder / "new.yaml").write_text(text, encoding="utf-8")
    return "new.yaml"


# ---- check


@pytest.mark.req("A1", "B18")
def test_the_shipped_policies_pass(folder: Path) -> None:
    """The policies of the application are checked by default, and have no errors."""
    assert invoke("check").stdout.splitlines()[-1].startswith("policies: ")
    assert [row for row in rows(invoke("check", "--json")) if row["level"] == "error"] == []


def test_an_error_is_shown_with_its_line_and_ends_with_1(folder: Path) -> None:
    """A file's errors are told with line, rule and hint, for people and for programs, and the exit code is 1."""
    path = changed(folder, ("maxLength: 120", "maxLength: 3, minLength: 4"))
    (error,) = (row for row in rows(invoke("check", path, "--json", code=1)) if row["level"] == "error")
    assert error["rule"] == "never_allows" and error["where"].startswith("new.yaml:15: tools.crm.create_task.where")
    text = invoke("check", path, code=1).stdout
    assert "never_allows" in text and "minLength 4 is above" in text and "errors: 1" in text


def test_strict_ends_with_2_where_there_are_warnings_only(folder: Path) -> None:
    """A warning fails only where it is asked to, with another exit code than an error."""
    path = changed(folder, ("expires: 24h", "expires: 30d"))
    assert "approval_lasts" in invoke("check", path).stdout
    invoke("check", path, "--strict", code=2)
    clean = rows(invoke("check", str(SHIPPED), "--json"))
    invoke("check", str(SHIPPED), "--strict", code=2 if clean else 0)


def test_the_people_of_the_configuration_are_the_approvers(folder: Path) -> None:
    """An approver's role that nobody of ``people`` has is an error."""
    path = changed(folder, ("{roles: [manager], not", "{roles: [director], not"))
    found = rows(invoke("check", path, "--json", code=1))
    assert [row["rule"] for row in found if row["level"] == "error"] == ["approver_unknown"]


def test_a_hint_in_brackets_is_printed_whole(folder: Path) -> None:
    """What stands in brackets is no markup of the terminal."""
    path = changed(folder, ("bind: {deal_id: party}", "from: {subject: []}"))
    assert "[user, trusted]" in invoke("check", path, code=1).stdout


# ---- diff


@pytest.mark.req("A1")
def test_wider_cells_are_told_with_an_example(folder: Path) -> None:
    """Each cell that differs is one object; a wider one has a call that shows it, and --fail-on wider ends with 1."""
    path = changed(folder, ("[sdr, manager]\n    bind", "[sdr]\n    bind"), ("maxLength: 120", "maxLength: 119"))
    invoke("diff", str(SHIPPED), path, "--fail-on", "wider")
    done = rows(invoke("diff", path, str(SHIPPED), "--json", "--fail-on", "wider", code=1))
    cells = {(row["role"], row["environment"], row["aspect"]) for row in done if row["direction"] == "wider"}
    places = ("dev", "stage", "prod")
    assert cells == {("manager", place, "mode") for place in places} | {
        ("sdr", place, "where.subject.maxLength") for place in places
    }
    example = next(row["example"] for row in done if row["aspect"] == "where.subject.maxLength")
    assert example["tool"] == "crm.create_task" and len(example["args"]["subject"]) == 120


@pytest.mark.req("A1", "B18")
def test_an_argument_that_is_opened_is_told(folder: Path) -> None:
    """A list of arguments that grows is wider, with a call that sets the new one."""
    listed = "    args: [deal_id, kind, subject{}]\n    bind: {{deal_id: party}}"
    text = SHIPPED.read_text(encoding="utf-8")
    head, entry = text.split("  crm.create_task:\n")
    for name, more in (("old.yaml", ""), ("new.yaml", ", due")):
        lines = [line for line in entry.splitlines() if not line.startswith("    args:")]
        body = "\n".join(lines).replace("    bind: {deal_id: party}", listed.format(more), 1)
        (folder / name).write_text(f"{head}  crm.create_task:\n{body}\n", encoding="utf-8")
    (change, *_) = rows(invoke("diff", "old.yaml", "new.yaml", "--json", "--fail-on", "wider", code=1))
    assert (change["aspect"], change["direction"], change["before"], change["after"]) == (
        "args.due",
        "wider",
        False,
        True,
    )
    assert "due" in change["example"]["args"]


def test_a_comparison_is_readable(folder: Path) -> None:
    """Cells that differ by role and environment alone stand together."""
    path = changed(folder, ("3/minute/subject", "4/minute/subject"))
    text = invoke("diff", str(SHIPPED), path).stdout
    assert 'crm.read_deal  limits: ["3/minute/subject"] -> ["4/minute/subject"]' in text
    assert "manager, sdr in dev, stage, prod" in text and "1 changes, 1 wider" in text
    assert invoke("diff", str(SHIPPED), str(SHIPPED)).stdout.strip() == "Nothing became wider or narrower."


def test_without_an_application_policies_are_compared_alone(folder: Path) -> None:
    """An application that cannot be loaded is said and done without, unless it was named."""
    (folder / "guard.yaml").write_text(f"{CONFIG}app: nowhere:SCENARIOS\n", encoding="utf-8")
    done = invoke("diff", str(SHIPPED), str(SHIPPED))
    assert "without the tools' contracts" in done.stderr and "Nothing became" in done.stdout
    with pytest.raises(AgentGuardError, match="cannot be loaded"):
        invoke("diff", str(SHIPPED), str(SHIPPED), "--app", "elsewhere:SCENARIOS")


# ---- explain


@pytest.mark.req("A10", "B5")
def test_a_call_is_explained_for_a_person_and_a_customer(folder: Path) -> None:
    """Without a conversation the call is looked at for a person of the configuration; no database is made."""
    (done,) = rows(invoke("explain", *READ, "--as", "rep", "--party", "contact:2001", "--json"))
    assert done["outcome"] == "allow" and done["changes"] == []
    lead = invoke("explain", *READ, "--as", "lead", "--lang", "pl").stdout
    assert "Wywołanie jest zabronione." in lead and "Aby wywołanie przeszło:" in lead
    assert sorted(path.name for path in folder.iterdir()) == ["guard.yaml"]


@pytest.mark.req("A10", "A12")
def test_a_call_is_explained_in_a_stored_conversation(paused: Path) -> None:
    """In a stored conversation its customer and its history count; nothing is written, and nothing raw is told."""
    thread = _one(paused, "SELECT id FROM threads")
    before = _dump(paused)
    args = json.dumps({"deal_id": "1001", "kind": "call", "subject": "Call Emily Carter", "due": "2026-01-05"})
    words = ("explain", "crm.create_task", "--thread", thread, "--args", args)
    (done,) = rows(invoke(*words, "--json"))
    russian = invoke(*words, "--lang", "ru").stdout
    assert [item["guard"] for item in done["guards"]][-1] == "mode" and len(done["guards"]) >= 13
    assert "Чтобы вызов прошёл:" in russian and "deal:1001" in russian
    assert "Emily" not in json.dumps(done) and "Emily" not in russian
    assert _dump(paused) == before


@pytest.mark.req("A3", "A10")
@pytest.mark.parametrize(
    ("language", "words"), [("en", "of 5 actions"), ("ru", "из 5 действий"), ("pl", "z 5 działań")]
)
def test_what_is_left_is_told(folder: Path, language: str, words: str) -> None:
    """A call that might be made is told with how many of each limit are left."""
    done = invoke("explain", *READ, "--as", "rep", "--party", "contact:2001", "--lang", language)
    assert f"5 {words}" in " ".join(done.stdout.split())


@pytest.mark.req("A5", "B15")
def test_a_recorded_decision_is_explained(paused: Path) -> None:
    """A decision of the record is told from the facts that it was made on, and a policy that changed since is said."""
    trace = _one(paused, "SELECT trace_id FROM calls WHERE tool = 'crm.read_deal'")
    (done,) = rows(invoke("explain", "--trace", trace, "--json"))
    assert done["outcome"] == "allow" and done["note"] == ""
    with pytest.raises(AgentGuardError, match="no recorded decision"):
        invoke("explain", "--trace", "ZZZZ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name the tool"),
        (("crm.read_deal", "--args", "["), "not JSON"),
        (("crm.read_deal", "--args", "[]"), "JSON object"),
        (("crm.read_deal", "--lang", "de"), "no language"),
        (("crm.read_deal", "--as", "nobody"), "add them under 'people'"),
        (("crm.read_deal", "--thread", "t1"), "no database"),
        (("crm.read_deal", "--as", "rep", "--scenario", "other"), "no scenario"),
        (("crm.reed_deal", "--as", "rep"), "named by no scenario's policy"),
    ],
)
def test_a_wrong_question_is_refused(folder: Path, words: tuple[str, ...], message: str) -> None:
    """What cannot be explained is refused with what is missing."""
    with pytest.raises(AgentGuardError, match=message):
        invoke("explain", *words)


def _one(folder: Path, query: str) -> str:
    connection = sqlite3.connect(folder / "guard.db")
    try:
        return str(connection.execute(query).fetchone()[0])
    finally:
        connection.close()


def _dump(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "guard.db")
    try:
        return list(connection.iterdump())
    finally:
        connection.close()
