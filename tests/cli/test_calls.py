"""``agent-guard calls``: lists, one life, the system's word and a person's, on databases of their own."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent_guard.cli import app
from agent_guard.errors import AgentGuardError, OutcomeUnknown, ToolUnavailable
from tools.crm.sql import SqlCRM

pytestmark = pytest.mark.req("A5", "A6", "B17")

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "graphs" / "sdr_qualification" / "samples"
RAW = ("Emily", "Carter", "4155552671")
CONFIG = """
environment: dev
database: sqlite:///guard.db
checkpoints: sqlite:///threads.db
systems: sqlite:///crm.db
people:
  boss: {id: boss, tenant: demo, roles: [manager]}
  rep: {id: u-reed, tenant: demo, roles: [sdr], region: us}
"""


def invoke(*words: str, code: int = 0) -> Result:
    """One command and its exit code; an expected error is raised as what it is."""
    done = CliRunner().invoke(app, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


def rows(*words: str, code: int = 0) -> list[dict[str, Any]]:
    """What a command prints with --json."""
    return [json.loads(line) for line in invoke(*words, "--json", code=code).stdout.splitlines()]


def lost(*, done: bool) -> Any:
    """A CRM's write whose answer gets lost, after its commit or before anything was sent."""
    write = SqlCRM.create_task

    def create_task(self: SqlCRM, *given: Any) -> Any:
        if done:
            write(self, *given)
        raise OutcomeUnknown(code="outcome_unknown")

    return create_task


@pytest.fixture(scope="module", params=[True, False], ids=["done", "not done"], name="left")
def _left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bool]:
    """A folder with a call of which nobody knows whether it happened, and whether it did."""
    folder = tmp_path_factory.mktemp("left")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "guard.yaml").write_text(CONFIG, encoding="utf-8")
        asked = rows("run", "sdr_qualification", "--input", str(SAMPLES / "en_personal_data.jsonl"))
        patch.setattr(SqlCRM, "create_task", lost(done=request.param))
        (reply,) = rows("approvals", "approve", asked[-1]["approval"], "--as", "boss")
        assert (reply["status"], reply["code"]) == ("escalated", "outcome_unknown")
    with closing(sqlite3.connect(folder / "guard.db")) as database:  # a claim's lease is over some seconds later
        database.execute("UPDATE calls SET lease = lease - 60000 WHERE lease IS NOT NULL")
        database.commit()
    return folder, request.param


@pytest.fixture(name="happened")
def _happened(left: tuple[Path, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """A copy of it as the current folder; whether the call happened."""
    folder, done = left
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return done


def tasks() -> int:
    """How many tasks there are in the CRM."""
    with closing(sqlite3.connect("crm.db")) as crm:
        return int(crm.execute("SELECT count(*) FROM tasks").fetchone()[0])


def unknown() -> dict[str, Any]:
    """The one call that nobody knows of."""
    (found,) = rows("calls", "list", "--state", "unknown")
    return found


def test_calls_are_listed(happened: bool) -> None:
    """The newest first, by state, tool, thread, tenant and time; masked, and the same for people."""
    every = rows("calls", "list")
    assert [(item["tool"], item["state"]) for item in every] == [
        ("crm.create_task", "unknown"),
        ("crm.read_deal", "done"),
    ]
    newest = every[0]
    assert (newest["code"], newest["lease_left_s"]) == ("outcome_unknown", None)
    for words, count in (
        (["--tool", "crm.read_deal"], 1),
        (["--thread", newest["thread"]], 2),
        (["--thread", "t0"], 0),
        (["--tenant", "demo", "--state", "done"], 1),
        (["--tenant", "other"], 0),
        (["--since", "1h"], 2),
        (["--since", "2000-01-01"], 2),
        (["--since", "2999-01-01"], 0),
        (["--last", "1"], 1),
    ):
        assert len(rows("calls", "list", *words)) == count, words
    seen = invoke("calls", "list").stdout
    assert all(words in seen for words in (newest["trace_id"][-8:], "unknown", "crm.create_task", "outcome_unknown"))
    assert not any(value in seen + json.dumps(every) for value in RAW)


def test_one_calls_whole_life_is_shown(happened: bool) -> None:
    """Row, question with its answer and the events in order; also by the last characters of the trace."""
    trace = unknown()["trace_id"]
    (life,) = rows("calls", "show", trace)
    assert life["call"]["trace_id"] == trace
    assert (life["approval"]["answer"], life["approval"]["answered_by"]) == ("approve", "boss")
    assert [event["kind"] for event in life["events"]] == [
        "proposed", "decided", "asked", "answered", "started", "unknown",
    ]  # fmt: skip
    assert life["broken"] == []
    assert rows("calls", "show", trace[-6:].lower()) == [life]
    seen = invoke("calls", "show", trace).stdout
    for words in ("approve by boss", "started", "The chain holds.", "calls reconcile", "<PERSON_1>"):
        assert words in seen, words
    assert not any(value in seen + json.dumps(life) for value in RAW)


def test_the_system_is_asked(happened: bool) -> None:
    """Every unsettled call is asked for; what is there is done with its record, what is not has failed."""
    (told,) = rows("calls", "reconcile")
    if happened:
        assert (told["status"], told["code"], told["reference"]) == ("executed", "allowed", "task:1")
        assert (told["content"]["task_id"], told["content"]["status"]) == ("1", "draft")
    else:
        assert (told["status"], told["code"], told["reference"]) == ("failed", "not_executed", None)
    assert tasks() == happened
    assert rows("calls", "reconcile") == []
    assert invoke("calls", "reconcile").stdout.strip() == "No call is unsettled."
    (life,) = rows("calls", "show", told["trace_id"])
    assert (life["events"][-1]["kind"], life["events"][-1]["note"]) == ("reconciled", "adapter")
    assert life["call"]["state"] == ("done" if happened else "failed")


@pytest.mark.req("A8")
def test_a_call_that_stays_unknown_is_told_by_the_exit_code(happened: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3 and a sentence that a person must look; the call stays as it is."""

    def down(*_: Any) -> None:
        raise ToolUnavailable(code="unavailable")

    monkeypatch.setattr(SqlCRM, "find_by_key", down)
    trace = unknown()["trace_id"]
    (told,) = rows("calls", "reconcile", trace[-8:], code=3)
    assert told["status"] == "unknown" and "unavailable" in told["content"]
    assert "A person must look" in invoke("calls", "reconcile", trace, code=3).stdout.replace("\n", " ")
    assert rows("calls", "reconcile", "--tenant", "other") == []
    assert unknown()["trace_id"] == trace


@pytest.mark.req("A12")
def test_a_person_says_what_became_of_it(happened: bool) -> None:
    """With a reason, masked, and the record where there is one; the record names the person."""
    trace = unknown()["trace_id"]
    reason = ["--reason", "Emily Carter called", "--as", "boss"]
    word = ["done", "--reference", "task:1"] if happened else ["failed"]
    (told,) = rows("calls", "resolve", trace, *word, *reason)
    assert (told["status"], told["reference"]) == (("executed", "task:1") if happened else ("failed", None))
    (life,) = rows("calls", "show", trace)
    event = life["events"][-1]
    assert (event["kind"], event["note"], event["approver"]) == ("reconciled", "person", "boss")
    assert "called" in event["reason"]
    assert not any(value in json.dumps(life) for value in RAW)
    with pytest.raises(AgentGuardError, match="only a call whose outcome is unknown"):
        invoke("calls", "resolve", trace, "done", *reason)
    assert tasks() == happened


@pytest.mark.req("B5")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["done", "--reason", "I looked", "--as", "rep"], "u-reed may not answer this"),
        (["done", "--reason", "I looked", "--as", "nobody"], "add them under 'people'"),
        (["done", "--reason", " ", "--as", "boss"], "a reason is missing"),
        (["maybe", "--reason", "I looked", "--as", "boss"], "write done or failed"),
        (["done", "--reason", "I looked", "--as", "boss", "--reference", "task:99"], "has no such task"),
        (["failed", "--reason", "I looked", "--as", "boss", "--reference", "task:1"], "written kind:id"),
    ],
)
def test_a_word_that_cannot_count_is_refused(happened: bool, words: list[str], message: str) -> None:
    """The wrong person, no reason, no outcome or no record: the call stays unknown."""
    trace = unknown()["trace_id"]
    with pytest.raises(AgentGuardError, match=message):
        invoke("calls", "resolve", trace, *words)
    assert unknown()["trace_id"] == trace


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "--state", "lost"], r"'lost' is no state of a call; there is: proposed, .*unknown"),
        (["list", "--since", "yesterday"], "no duration and no day"),
        (["show", "01ZZZZZZ"], "there is no call '01ZZZZZZ'; see: agent-guard calls list"),
        (["show", "%"], "there is no call"),
        (["show", ""], "there is no call"),
        (["reconcile", "____"], "there is no call"),
        (["resolve", "01ZZZZZZ", "done", "--reason", "x", "--as", "boss"], "there is no call"),
    ],
)
def test_a_slip_of_the_keyboard_is_named(happened: bool, words: list[str], message: str) -> None:
    """A state, a time or a trace that is none is refused with what there is."""
    with pytest.raises(AgentGuardError, match=message):
        invoke("calls", *words)


def test_several_calls_with_the_same_end_are_not_guessed(happened: bool) -> None:
    """An end that fits two calls names neither."""
    with closing(sqlite3.connect("guard.db")) as database:
        database.execute("UPDATE calls SET trace_id = substr(trace_id, 1, 20) || 'SAMEND'")
        database.commit()
    with pytest.raises(AgentGuardError, match="2 calls end in 'samend'"):
        invoke("calls", "show", "samend")


def test_a_claim_tells_how_long_it_holds(happened: bool) -> None:
    """A running call shows the time that its claim still holds, a dead worker's that it died; both are listed."""
    trace, far = unknown()["trace_id"], 2**50
    with closing(sqlite3.connect("guard.db")) as database:
        database.execute("UPDATE calls SET state = 'claimed', lease = ? WHERE trace_id = ?", (far, trace))
        database.commit()
    (held,) = rows("calls", "list", "--state", "claimed")
    assert held["lease_left_s"] > 1000 and " s left" in invoke("calls", "show", trace).stdout
    assert rows("calls", "reconcile") == []
    assert rows("calls", "reconcile", trace)[0]["code"] == "in_progress"
    with closing(sqlite3.connect("guard.db")) as database:
        database.execute("UPDATE calls SET lease = 1 WHERE trace_id = ?", (trace,))
        database.commit()
    assert rows("calls", "list", "--state", "claimed")[0]["lease_left_s"] == 0
    assert "claimed (dead)" in invoke("calls", "show", trace).stdout
    assert rows("calls", "reconcile")[0]["status"] == ("executed" if happened else "failed")


def test_an_empty_database_has_no_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to list is no error; no database at all is one, with what to do."""
    monkeypatch.chdir(tmp_path)
    Path("guard.yaml").write_text(CONFIG, encoding="utf-8")
    with pytest.raises(AgentGuardError, match="there is no database"):
        invoke("calls", "list")
    invoke("agents", "add", "sdr", "--reason", "first")
    assert invoke("calls", "list").stdout.strip() == "There is no such call."
    assert rows("calls", "list") == []
    with pytest.raises(AgentGuardError, match="there is no call"):
        invoke("calls", "show", "01ZZZZZZ")
