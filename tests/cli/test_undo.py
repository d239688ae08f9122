"""``agent-guard calls undo``: the way back is shown, asked for and answered, on databases of their own."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent_guard.errors import CannotUndo, ConfigError
from tests.cli.commands import CONFIG, SAMPLES
from tests.cli.test_suggestions import invoke, rows

pytestmark = pytest.mark.req("A5", "A7")

RAW = ("Emily", "Carter", "4155552671")
TOOL = "crm.create_task"


def subjects() -> list[str]:
    """The tasks in the CRM."""
    with closing(sqlite3.connect("crm.db")) as crm:
        return [row[0] for row in crm.execute("SELECT subject FROM tasks ORDER BY id")]


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a conversation ended with a task."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "guard.yaml").write_text(f"{CONFIG}app: tests.cli.undoing:SCENARIOS\n", encoding="utf-8")
        asked = rows("run", "sdr_qualification", "--input", str(SAMPLES / "en_personal_data.jsonl"))
        rows("approvals", "approve", asked[-1]["approval"], "--as", "boss")
    return folder


@pytest.fixture(name="trace")
def _trace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of it as the current folder; the trace of the call that made the task."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (call,) = rows("calls", "list", "--tool", TOOL)
    assert call["state"] == "done"
    return str(call["trace_id"])


@pytest.mark.req("A2")
def test_an_undo_is_asked_for_answered_and_linked(trace: str) -> None:
    """It waits for a person as the policy says, is carried out by the answer, and both calls name each other."""
    (told,) = rows("calls", "undo", trace[-8:], "--reason", "Emily Carter called it off", "--as", "rep")
    assert (told["undoes"], told["tool"], told["status"]) == (trace, TOOL, "pending")
    assert told["args"]["subject"].startswith("Forget 1: ") and len(subjects()) == 1
    (asked,) = rows("approvals", "list")
    assert (asked["id"], asked["requester"]) == (told["approval"], "u-reed")
    (reply,) = rows("approvals", "approve", told["approval"], "--as", "boss")
    assert (reply["status"], reply["masked"]) == ("delivered", "crm.create_task: task:2")
    assert [text[:9] for text in subjects()][1:] == ["Forget 1:"] and subjects()[0] in subjects()[1]
    (old,), (new,) = rows("calls", "show", trace), rows("calls", "show", told["trace_id"])
    assert [item["trace_id"] for item in old["undoing"]] == [told["trace_id"]]
    assert new["call"]["call_id"] == f"undo-{trace}" and new["call"]["reason"].startswith(f"Undo of {trace}: ")
    assert f"{told['trace_id']}: done" in invoke("calls", "show", trace).stdout
    seen = invoke("calls", "show", told["trace_id"]).stdout
    assert "undoes" in seen and trace in seen and "observed" in seen
    assert not [value for value in RAW if value in json.dumps([told, asked, reply, old, new]) + seen]


def test_a_way_back_is_only_shown_where_that_is_wanted(trace: str) -> None:
    """With --show nothing is proposed; for people the call that would undo it is a sentence."""
    before = rows("calls", "list")
    (told,) = rows("calls", "undo", trace, "--show", "--as", "rep")
    assert set(told) == {"undoes", "tool", "args"}
    assert f"{TOOL}: undone by {TOOL}" in " ".join(
        invoke("calls", "undo", trace, "--show", "--as", "rep").stdout.split()
    )
    assert rows("calls", "list") == before
    assert "approvals show apr_" in " ".join(invoke("calls", "undo", trace, "--as", "rep").stdout.split())


def test_why_there_is_no_way_back_is_one_line(trace: str) -> None:
    """A read, an unknown call, a task that somebody changed, and nobody in particular are refused with the reason."""
    (read,) = rows("calls", "list", "--tool", "crm.read_deal")
    with pytest.raises(CannotUndo, match="only reads"):
        invoke("calls", "undo", read["trace_id"], "--as", "rep")
    with pytest.raises(ConfigError, match="there is no call"):
        invoke("calls", "undo", "NOTHING", "--as", "rep")
    with pytest.raises(ConfigError, match="nobody"):
        invoke("calls", "undo", trace, "--as", "somebody")
    with closing(sqlite3.connect("crm.db")) as crm:
        crm.execute("UPDATE tasks SET due = '2031-01-01', version = version + 1")
        crm.commit()
    with pytest.raises(CannotUndo, match=r"changed since \(due\)"):
        invoke("calls", "undo", trace, "--as", "rep")
    assert rows("approvals", "list") == []
