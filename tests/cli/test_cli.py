"""The commands, in one process, on databases of their own."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from agent_guard.errors import AgentGuardError
from agent_guard.store import REVISION
from tests.cli.commands import CONFIG, SAMPLES, invoke, rows


def test_run_stops_at_the_question_and_says_nothing_raw(paused: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine-readable output of a run holds events and replies, and no raw value."""
    monkeypatch.chdir(paused)
    done = invoke("audit", "show", "--json")
    kinds = [row["kind"] for row in rows(done)]
    assert kinds == ["opened", *["proposed", "decided", "started", "finished"], *["proposed", "decided", "asked"]]
    assert "Emily" not in done.stdout and "4155552671" not in done.stdout


def test_run_reads_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--input -`` reads the conversation from standard input."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    text = (SAMPLES / "en_opt_out.jsonl").read_bytes()
    done = rows(invoke("run", "sdr_qualification", "--input", "-", "--json", input=text))
    assert done[-1]["status"] == "delivered" and done[-1]["approval"] is None


@pytest.mark.req("A4", "A12")
def test_approvals_are_listed_shown_and_approved(folder: Path) -> None:
    """The waiting question is listed, shown with its diff, approved by a permitted person, and the task is made once."""
    listed = rows(invoke("approvals", "list", "--json"))
    assert listed[0]["id"] in invoke("approvals", "list").stdout  # whole, in a terminal of 80 columns
    assert [row["tool"] for row in listed] == ["crm.create_task"]
    approval = listed[0]["id"]
    shown = invoke("approvals", "show", approval)
    assert "AI-Agent" in shown.stdout and "<PERSON_1>" in shown.stdout
    done = rows(invoke("approvals", "approve", approval, "--as", "boss", "--json"))
    assert done[0]["status"] == "delivered"
    assert invoke("approvals", "list").stdout.strip() == "Nothing waits."
    with pytest.raises(AgentGuardError, match="answered already"):
        invoke("approvals", "reject", approval, "--as", "boss")
    crm = sqlite3.connect(folder / "crm.db")
    try:
        assert crm.execute("SELECT count(*) FROM tasks").fetchone() == (1,)
    finally:
        crm.close()


@pytest.mark.req("A12", "B5")
def test_the_wrong_person_cannot_answer(folder: Path) -> None:
    """The requester, and somebody whom the configuration does not know, are refused; the question stays."""
    approval = rows(invoke("approvals", "list", "--json"))[0]["id"]
    with pytest.raises(AgentGuardError, match="may not answer"):
        invoke("approvals", "approve", approval, "--as", "rep")
    with pytest.raises(AgentGuardError, match="add them under 'people'"):
        invoke("approvals", "approve", approval, "--as", "nobody")
    assert len(rows(invoke("approvals", "list", "--json"))) == 1


def test_reject_tells_the_model_why_and_masks_it(folder: Path) -> None:
    """A rejection's words reach the record masked, and nothing is made."""
    approval = rows(invoke("approvals", "list", "--json"))[0]["id"]
    invoke("approvals", "reject", approval, "--as", "boss", "--message", "Ask emily.carter@northwind.example first")
    record = invoke("audit", "show", "--json").stdout
    assert "first" in record and "northwind.example" not in record
    assert [row["kind"] for row in rows(invoke("audit", "tail", "--last", "1", "--json"))] == ["answered"]


@pytest.mark.req("A25")
def test_edit_runs_the_edited_call(folder: Path) -> None:
    """An edit's arguments are what the CRM gets, and ``calls show`` tells what was corrected, masked."""
    waiting = rows(invoke("approvals", "list", "--json"))[0]
    args = waiting["shown"]["args"] | {"subject": "Call Emily Carter today", "qualification": None}
    done = rows(invoke("approvals", "edit", waiting["id"], "--args", json.dumps(args), "--as", "boss", "--json"))
    assert done[0]["status"] == "delivered"
    crm = sqlite3.connect(folder / "crm.db")
    try:
        assert crm.execute("SELECT subject FROM tasks").fetchall() == [("Call Emily Carter today",)]
    finally:
        crm.close()
    made, proposed = (row["trace_id"] for row in rows(invoke("calls", "list", "--tool", "crm.create_task", "--json")))
    told = rows(invoke("calls", "show", made, "--json"))[0]["corrected"]
    assert told == rows(invoke("calls", "show", proposed, "--json"))[0]["corrected"]
    assert (told["proposed"], told["made"], told["by"]) == (proposed, made, "boss")
    assert {item["path"]: item["made"] for item in told["corrections"]} == {
        "subject": "Call <PERSON_1> today",
        "qualification": None,
    }
    seen = " ".join(invoke("calls", "show", proposed).stdout.split())
    assert f"by boss, ran as {made}" in seen and "-> Call <PERSON_1> today" in seen and "Emily" not in seen


@pytest.mark.parametrize("args", ["{", "[]", "1", '"x"'])
def test_edit_refuses_what_is_no_object(folder: Path, args: str) -> None:
    """Arguments that are not a JSON object are refused before anything is opened."""
    with pytest.raises(AgentGuardError, match="JSON"):
        invoke("approvals", "edit", "apr_x", "--args", args, "--as", "boss")


@pytest.mark.req("A31")
def test_the_button_stops_an_approved_call(folder: Path) -> None:
    """After ``kill`` an approved call does not run; ``status`` names who pressed and why; ``revive`` ends it."""
    approval = rows(invoke("approvals", "list", "--json"))[0]["id"]
    invoke("kill", "--reason", "drill")
    assert rows(invoke("status", "--json"))[0]["pressed"] is True
    done = rows(invoke("approvals", "approve", approval, "--as", "boss", "--json"))
    assert done[0]["status"] == "escalated" and done[0]["code"] == "killed"
    assert "drill" in invoke("status").stdout
    invoke("revive", "--reason", "over")
    assert rows(invoke("status", "--json"))[0]["pressed"] is False
    kinds = {row["kind"] for row in rows(invoke("audit", "show", "--thread", "system/-", "--json"))}
    assert kinds == {"killed", "revived"}


def test_kill_takes_one_scope(folder: Path) -> None:
    """Two scopes at once are refused."""
    with pytest.raises(AgentGuardError, match="name one of"):
        invoke("kill", "--reason", "x", "--tool", "a", "--tenant", "b")


def test_audit_show_finds_a_trace_and_tells_a_broken_chain(folder: Path) -> None:
    """One trace can be shown alone, and an edited event is told."""
    trace = rows(invoke("audit", "show", "--json"))[-1]["trace_id"]
    assert {row["trace_id"] for row in rows(invoke("audit", "show", trace, "--json"))} == {trace}
    assert "the chains hold" in invoke("audit", "show").stdout
    guard = sqlite3.connect(folder / "guard.db")
    guard.execute("UPDATE audit SET body = replace(CAST(body AS TEXT), 'execute', 'suggest') WHERE seq = 3")
    guard.commit()
    guard.close()
    shown = invoke("audit", "show").stdout
    assert "the chain is broken: " in shown and "event 3 was edited" in shown
    with pytest.raises(AgentGuardError, match="no traces are called"):
        invoke("audit", "show", "nothing")


def test_db_status_and_upgrade(folder: Path) -> None:
    """``db status`` tells both revisions; an old database is refused with the command that helps, which makes it new."""
    assert rows(invoke("db", "status", "--json"))[0]["current"] is True
    assert rows(invoke("db", "upgrade", "--json"))[0]["before"] == REVISION
    guard = sqlite3.connect(folder / "guard.db")
    guard.execute("UPDATE agent_guard_version SET version_num = '0000'")
    guard.commit()
    guard.close()
    with pytest.raises(AgentGuardError, match="agent-guard db upgrade"):
        invoke("status")
    with pytest.raises(AgentGuardError, match="cannot be upgraded"):
        invoke("db", "upgrade")


@pytest.mark.parametrize(
    ("config", "words", "message"),
    [
        ("environment: test\n", ["status"], "environment"),
        ("databse: x\n", ["status"], "databse: is no setting"),
        ("- 1\n", ["status"], "not a mapping"),
        ("environment: dev\npeople: [\n", ["status"], r"guard\.yaml, line 3: not YAML: "),
        ("database: nope\n", ["status"], "not a database url"),
        ("database: sqlite:///absent.db\n", ["status"], "there is no database"),
        ("environment: prod\n", ["approvals", "approve", "x", "--as", "boss"], "dev only"),
        ("environment: dev\napp: nothing:HERE\n", ["approvals", "list"], "cannot be loaded"),
        ("environment: dev\napp: graphs\n", ["approvals", "list"], "module:attribute"),
        ("environment: prod\n", ["run", "sdr_qualification", "--input", "x"], "AGENT_GUARD_MASTER_KEY"),
    ],
)
def test_bad_configuration_is_one_clear_error(
    config: str, words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration that cannot be used is refused with what was wrong."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AGENT_GUARD_MASTER_KEY", raising=False)
    (tmp_path / "guard.yaml").write_text(config, encoding="utf-8")
    with pytest.raises(AgentGuardError, match=message):
        invoke(*words)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"deal_id": "1001", "language": "en"}\n{"speaker": "client"\n', "line 2"),
        (b'{"deal_id": "1001", "language": "en"}\n', "line 2: the client says nothing"),
        (
            b'{"deal_id": "999999", "language": "en"}\n{"speaker": "client", "at": "2026-11-20T09:00:00+00:00", "text": "Hi"}',
            "the deal 999999, which the CRM does not have",
        ),
        (b"", "empty"),
        (b"\xff\xfe\n", "line 1"),
    ],
)
def test_a_broken_conversation_names_its_line_and_starts_nothing(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken conversation file is refused with its line, and no thread is opened."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "bad.jsonl").write_bytes(content)
    with pytest.raises(AgentGuardError, match=message):
        invoke("run", "sdr_qualification", "--input", "bad.jsonl")
    assert rows(invoke("audit", "show", "--json")) == []


def test_unknown_names_are_told_with_the_known_ones(folder: Path) -> None:
    """A scenario or approval that does not exist is refused, with what there is."""
    with pytest.raises(AgentGuardError, match=r"there is: account_health, .*sdr_qualification"):
        invoke("run", "nothing", "--input", "x")
    with pytest.raises(AgentGuardError, match="approvals list"):
        invoke("approvals", "show", "apr_nothing")


def test_the_demo_refuses_a_configuration_that_is_not_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo never overwrites a guard.yaml that somebody else wrote."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".agent_guard").mkdir()
    (tmp_path / ".agent_guard" / "guard.yaml").write_text("environment: prod\n", encoding="utf-8")
    with pytest.raises(AgentGuardError, match="not the demo's"):
        invoke("demo")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo names the folder and says what to do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".agent_guard").write_bytes(b"in the way")
    with pytest.raises(AgentGuardError, match=r"demo cannot be written .*; run the demo in a folder"):
        invoke("demo")


def test_a_misspelled_sample_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The former demo's databases are replaced only where the new one can begin."""
    monkeypatch.chdir(tmp_path)
    former = tmp_path / ".agent_guard" / "demo" / "guard.db"
    former.parent.mkdir(parents=True)
    former.write_bytes(b"kept")
    with pytest.raises(AgentGuardError, match=r"there is no sample 'en_nothing'; there is: .*en_personal_data"):
        invoke("demo", "--sample", "en_nothing")
    assert former.read_bytes() == b"kept"


def test_the_wrong_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a guard.yaml the defaults count, and an error that comes of them says so."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AgentGuardError, match=r"(?s)AGENT_GUARD_MASTER_KEY.*No guard\.yaml.*right one"):
        invoke("approvals", "list")


@pytest.mark.req("A13", "B8")
def test_the_demo_speaks_json_without_raw_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json the demo prints one object a line, the whole life of the task among them, and no raw value."""
    monkeypatch.chdir(tmp_path)
    done = invoke("demo", "--json")
    found = rows(done)
    kinds = [row["kind"] for row in found if row["type"] == "event" and row["tool"] == "crm.create_task"]
    assert kinds == ["proposed", "decided", "asked", "answered", "started", "finished"]
    assert "Emily" not in done.stdout and "415 555" not in done.stdout
    assert all(Path(path).is_file() for path in found[-1]["files"].values())


def test_a_model_that_cannot_be_made_is_one_clear_error(folder: Path) -> None:
    """``--model`` with an unknown provider is refused with its name, before anything is read."""
    with pytest.raises(AgentGuardError, match="nobody:nothing"):
        invoke("run", "sdr_qualification", "--input", "x", "--model", "nobody:nothing")


def test_a_checkpoint_database_that_cannot_be_used_is_told(folder: Path) -> None:
    """A checkpoint file that is no database is refused with what to do; nothing is answered."""
    approval = rows(invoke("approvals", "list", "--json"))[0]["id"]
    for path in folder.glob("threads.db*"):
        path.unlink()
    (folder / "threads.db").write_bytes(b"no database " * 500)
    with pytest.raises(AgentGuardError, match="checkpoint database cannot be used"):
        invoke("approvals", "approve", approval, "--as", "boss")
    assert len(rows(invoke("approvals", "list", "--json"))) == 1


def test_an_answer_that_is_no_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal a slip of the keyboard neither approves nor rejects: the question is asked again."""
    from agent_guard.cli.show import Watcher
    from agent_guard.session import Pending

    typed = iter(["aprove", "", " Reject "])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(typed))
    pending = Pending(id="apr_1", tool="crm.x", args={}, description="", expires_at="", payload={})
    assert Watcher(None).ask(pending) == "reject"
    assert list(typed) == []
