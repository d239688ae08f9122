"""``audit replay`` and ``policy simulate``, in one process, on a recorded conversation."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest

from agent_guard.cli import audit_replay, policy_simulate, progress as bars
from agent_guard.policy import Policy
from agent_guard.store import Store
from graphs import SCENARIOS
from tests.cli.commands import invoke, rows
from tests.record import Record

pytestmark = pytest.mark.req("A5", "A13", "B9")

SHIPPED = SCENARIOS["sdr_qualification"].policy


@pytest.fixture(name="record")
def _record(folder: Path):
    """The record of a conversation: a read that ran, and a task that waits for an answer."""
    store = Store("sqlite:///guard.db")
    yield Record(store)
    store.close()


def traces(record: Record) -> list[str]:
    """The calls, in order."""
    return [row["trace_id"] for row in record.rows() if row["kind"] == "proposed"]


def decided(record: Record, trace: str) -> dict:
    """The row of a call's decision."""
    (row,) = [row for row in record.rows() if (row["kind"], row["trace_id"]) == ("decided", trace)]
    return row


def edit(record: Record, trace: str, old: bytes, new: bytes) -> None:
    """Changes a decision's text."""
    row = decided(record, trace)
    assert old in row["body"]
    record.set(row["thread"], row["seq"], body=row["body"].replace(old, new))


def written(folder: Path, **changes: str) -> str:
    """A file with the shipped policy and some of its words changed; its stop-words are the built-in ones."""
    text = SHIPPED.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert f"{old}:" in text
        text = "\n".join(f"{line.partition(old)[0]}{old}: {new}" if line.strip().startswith(f"{old}:") else line for line in text.split("\n"))  # fmt: skip
    path = folder / f"{changes.get('name', 'new')}.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def names(folder: Path) -> set[str]:
    """The files of a folder, without those that SQLite keeps while a database is open."""
    return {path.name for path in folder.rglob("*")} - {f"guard.db-{end}" for end in ("wal", "shm")}


# ---- audit replay


def test_every_decision_is_reached_with_exit_code_0(record: Record) -> None:
    """All of them, one by the end of its trace, one tool's, and as one JSON object."""
    done = invoke("audit", "replay", "--all")
    assert (done.exit_code, done.stdout) == (0, "every decision is reached again: 2 decided again, 2 agree\n")
    assert "1 decided again, 1 agree" in invoke("audit", "replay", traces(record)[1][-6:]).stdout
    assert "1 decided again, 1 agree" in invoke("audit", "replay", "--tool", "crm.read_deal").stdout
    (told,) = rows(invoke("audit", "replay", "--since", "1026-01-01", "--json"))
    assert (told["status"], told["decisions"], told["agreed"], told["named"]) == ("agrees", 2, 2, [])
    assert invoke("audit", "replay", "--until", "1026-01-01").stdout == "There are no decisions.\n"


def test_a_changed_fact_is_told_with_exit_code_1(record: Record) -> None:
    """The trace, that the event was edited, the decision that is reached and the first guard that differs."""
    trace = traces(record)[0]
    edit(record, trace, b'"roles":["sdr"],"same_calls":0', b'"roles":["spy"],"same_calls":0')
    done = invoke("audit", "replay", "--all")
    assert done.exit_code == 1
    assert "NOT REACHED: 2 decided again, 1 agree, 1 differ" in done.stdout
    for words in (trace, "was edited", "recorded is allow (allowed), reached is deny (role)", "access: deny (role)"):
        assert words in done.stdout
    (told,) = rows(invoke("audit", "replay", trace, "--json"))
    assert [item["trace_id"] for item in told["named"]] == [trace]


def test_hostile_words_of_the_record_draw_only(record: Record) -> None:
    """What stands in a row that somebody wrote moves no cursor."""
    trace = traces(record)[0]
    data = orjson.loads(decided(record, trace)["body"]) | {"tool": "crm.read_deal\x1b[2J[red]"}
    row = decided(record, trace)
    record.set(row["thread"], row["seq"], body=orjson.dumps(data, option=orjson.OPT_SORT_KEYS))
    shown = invoke("audit", "replay", "--all").stdout
    assert "\x1b" not in shown and "crm.read_deal\\x1b[2J[red]" in shown


def test_a_policy_that_is_gone_is_told_with_exit_code_2(record: Record, folder: Path) -> None:
    """Neither kept nor the scenario's any more; its file helps, found by its hash."""
    record.sql("DELETE FROM policies")
    assert invoke("audit", "replay", "--all").exit_code == 0  # it is the scenario's still
    gone = "sha256:" + "0" * 64
    for trace in traces(record):
        edit(record, trace, Policy.load(SHIPPED).hash.encode(), gone.encode())
    done = invoke("audit", "replay", "--all", "--json")
    assert f"the policy {gone} is not kept in this database; give its file with --policy" in done.stdout


def test_a_policy_s_file_is_found_by_its_hash(record: Record, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scenario that has a new policy by now, and a database that kept none."""
    record.sql("DELETE FROM policies")
    old = str(SHIPPED)
    new = Path(written(folder, name="sdr_qualification.v9"))
    changed = {name: _with(item, new) for name, item in SCENARIOS.items()}
    monkeypatch.setattr("graphs.SCENARIOS", changed)
    done = invoke("audit", "replay", "--all")
    assert (done.exit_code, "it cannot be told: 2 decided again, 0 agree, 2 cannot be told" in done.stdout) == (2, True)
    assert invoke("audit", "replay", "--all", "--policy", old).exit_code == 0


def _with(scenario, policy: Path):
    from dataclasses import replace

    return replace(scenario, policy=policy)


def test_what_cannot_be_replayed_has_exit_code_2(record: Record, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No question, no such trace, one without a decision, another key, a newer release, no database: a line each."""
    for words, message in (
        ((), "name a trace, or what to replay"),
        (("nope",), "no traces are called 'nope'"),
        (("--since", "999999d"), "reaches back before the year 1"),
        (("--since", "soon"), "'soon' is no time"),
        (("--all", "--app", "nothing:here"), "no module 'nothing'"),
        (("--all", "--policy", "none.yaml"), "none.yaml: cannot be read"),
    ):
        done = invoke("audit", "replay", *words)
        assert (done.exit_code, done.stdout) == (2, ""), words
        assert message in done.stderr
    record.write("t9", ["started"], trace_id="01ZZZZZZZZZZZZZZZZZZZZZZZ9")
    done = invoke("audit", "replay", "ZZZ9")
    assert (done.exit_code, "holds no decision" in done.stderr) == (2, True)
    trace = traces(record)[0]
    edit(record, trace, b'"v":1', b'"v":2')
    assert invoke("audit", "replay", trace).exit_code == 1  # nobody signed it
    monkeypatch.setenv("AGENT_GUARD_MASTER_KEY", "c" * 43 + "=")
    done = invoke("audit", "replay", "--all")
    assert (done.exit_code, "was written under the key" in done.stdout) == (2, True)
    monkeypatch.delenv("AGENT_GUARD_MASTER_KEY")
    (folder / "guard.yaml").write_text("environment: prod\ndatabase: sqlite:///guard.db\n", encoding="utf-8")
    done = invoke("audit", "replay", "--all")
    assert (done.exit_code, "AGENT_GUARD_MASTER_KEY is not set" in done.stderr) == (2, True)
    (folder / "guard.yaml").write_text("environment: dev\ndatabase: sqlite:///none.db\n", encoding="utf-8")
    assert invoke("audit", "replay", "--all").exit_code == 2
    assert not (folder / "none.db").exists()


def test_many_differences_are_counted(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some are shown, the others counted."""
    monkeypatch.setattr(audit_replay, "_SHOWN", 1)
    record.sql("UPDATE audit SET hash = :hash", hash="0" * 64)
    assert "and 1 more; --json names up to 1,000" in invoke("audit", "replay", "--all").stdout


def test_a_trace_is_shown_as_a_timeline(record: Record) -> None:
    """When each event was, and what it tells."""
    shown = invoke("audit", "show", traces(record)[0][-6:], "--timeline").stdout
    assert f"crm.read_deal {traces(record)[0]}" in shown and "+0.0 s" in shown and "allow (allowed)" in shown


# ---- policy simulate


def test_changes_are_told_with_counts_and_examples(record: Record, folder: Path) -> None:
    """A table of what became what, a sentence of all, and what it rests on."""
    new = written(folder, mode="execute")
    done = invoke("policy", "simulate", new)
    assert done.exit_code == 0
    line = next(line for line in done.stdout.split("\n") if "wider" in line)
    assert line.split() == ["wider", "crm.create_task", "require_approval", "allow", "1", traces(record)[1][-8:]]
    assert "2 calls by sdr_qualification.v1, 1 as they were, 1 wider, 0 narrower" in done.stdout
    assert "on the history as it was recorded" in done.stdout
    (told,) = rows(invoke("policy", "simulate", new, "--json"))
    assert (told["scenario"], told["calls"], told["wider"], told["cannot_tell"]) == ("sdr_qualification", 2, 1, 0)
    assert told["moves"][0]["examples"] == [traces(record)[1]]


def test_wider_fails_where_asked(record: Record, folder: Path) -> None:
    """A build fails by it; what is narrower, and what is the same, does not."""
    assert invoke("policy", "simulate", written(folder, mode="execute"), "--fail-on", "wider").exit_code == 1
    done = invoke("policy", "simulate", written(folder, mode="suggest"), "--fail-on", "wider")
    assert (done.exit_code, "2 narrower" in done.stdout) == (0, True)
    done = invoke("policy", "simulate", str(SHIPPED), "--fail-on", "wider")
    assert (done.exit_code, "No call would have been decided otherwise." in done.stdout) == (0, True)
    assert "No call of sdr_qualification is recorded there." in invoke(
        "policy", "simulate", str(SHIPPED), "--until", "1026-01-01"
    ).stdout.replace("\n", " ")


def test_what_cannot_be_told_is_told_apart(record: Record, folder: Path) -> None:
    """With the reason, and in the sum."""
    new = Path(written(folder))
    new.write_text(
        new.read_text(encoding="utf-8").replace("limits: {", "limits: {tokens_per_day_per_tenant: 5, "),
        encoding="utf-8",
    )
    done = invoke("policy", "simulate", str(new))
    assert (done.exit_code, "2 cannot be told" in done.stdout, "because" in done.stdout) == (0, True, True)
    (told,) = rows(invoke("policy", "simulate", str(new), "--json"))
    reason = "tokens a day for the tenant were not limited then, so not recorded"
    assert {item["reason"] for item in told["untold"]} == {reason}


def test_a_changed_record_has_exit_code_2(record: Record, folder: Path) -> None:
    """What is not reached from its own record is left out, and said."""
    edit(record, traces(record)[0], b'"same_calls":0', b'"same_calls":9')
    done = invoke("policy", "simulate", str(SHIPPED))
    assert (done.exit_code, "1 left out: not reached from their own record" in " ".join(done.stdout.split())) == (
        2,
        True,
    )


def test_a_wrong_question_has_exit_code_2(record: Record, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is no policy, a scenario that is none, a time before all time, and an unclear scenario."""
    for words, message in (
        (("none.yaml",), "none.yaml: cannot be read"),
        ((str(SHIPPED), "--scenario", "nope"), "there is no scenario 'nope'"),
        ((str(SHIPPED), "--since", "999999d"), "reaches back before the year 1"),
    ):
        done = invoke("policy", "simulate", *words)
        assert (done.exit_code, done.stdout, message in done.stderr) == (2, "", True), words
    one = SCENARIOS["sdr_qualification"]
    monkeypatch.setattr(
        "graphs.SCENARIOS", {"sdr_qualification": one, "other": _with(one, Path(written(folder, name="other.v1")))}
    )
    assert "2 calls" in invoke("policy", "simulate", str(SHIPPED)).stdout  # by its name
    assert "0 calls" not in invoke("policy", "simulate", str(SHIPPED), "--scenario", "other").stdout
    done = invoke("policy", "simulate", written(folder, name="third.v1"))
    assert (done.exit_code, "it is not clear whose policy 'third.v1' would be" in done.stderr) == (2, True)


def test_more_kinds_than_a_screen_holds_are_counted(
    record: Record, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table ends, and says so."""
    monkeypatch.setattr(policy_simulate, "_SHOWN", 1)
    assert "and 1 more kinds" in invoke("policy", "simulate", written(folder, mode="suggest")).stdout


def test_progress_is_for_people_who_watch(record: Record, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal both count events; elsewhere they print nothing beside what was asked."""
    assert invoke("audit", "replay", "--all").stderr == invoke("policy", "simulate", str(SHIPPED)).stderr == ""
    monkeypatch.setattr(type(bars.errors), "is_terminal", True)
    seen = []
    monkeypatch.setattr(bars.Progress, "update", lambda self, task, completed: seen.append(completed))
    invoke("audit", "replay", "--all")
    invoke("policy", "simulate", str(SHIPPED))
    assert seen == [len(record.rows())] * 2


def test_nothing_is_written(record: Record, folder: Path) -> None:
    """Neither a file nor a row."""
    files, before = names(folder), record.rows()
    invoke("audit", "replay", "--all")
    invoke("policy", "simulate", str(SHIPPED))
    assert (names(folder), record.rows()) == (files, before)
    assert json.loads(invoke("audit", "replay", "--all", "--json").stdout)["status"] == "agrees"
