"""The record's commands, in one process, on a record of their own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

from agent_guard.auditing import export as exporting
from agent_guard.auditing.seal_file import read
from agent_guard.cli import app, audit as commands, audit_report, progress as bars
from agent_guard.credentials import FileCredentials, Keys
from agent_guard.errors import ConfigError, StoreError
from agent_guard.store import Store
from tests.record import Record

pytestmark = pytest.mark.req("A5", "B8")

TRACES = ("01AAAAAAAAAAAAAAAAAAAAAAA1", "01BBBBBBBBBBBBBBBBBBBBBBB1")


def invoke(*words: str) -> Result:
    """One command; an expected error is raised as what it is."""
    done = CliRunner().invoke(app, ["audit", *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def rows(done: Result) -> list[dict]:
    """What a command printed with --json."""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Record]:
    """Two calls of two customers in the database of this folder's guard.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text("environment: dev\ndatabase: sqlite:///guard.db\n", encoding="utf-8")
    store = Store("sqlite:///guard.db")
    store.open()
    made = Record(store, Keys(FileCredentials(tmp_path / "guard.db.key", create=True).master_key()))
    for thread, trace, party in (("t1", TRACES[0], "contact:17"), ("t2", TRACES[1], "contact:18")):
        made.write(thread, ["proposed", "started", "finished"], trace_id=trace, party=party, tool="crm.read")
    yield made
    store.close()


def test_a_whole_record_is_told_with_exit_code_0(record: Record) -> None:
    """Verify says whole, how far it is proven and what is not sealed; as one JSON object too."""
    done = invoke("verify")
    assert done.exit_code == 0
    assert "whole: 6 events in 2 chains" in done.stdout and "nothing is sealed" in done.stdout
    invoke("seal")
    record.write("t1", ["opened"])
    done = invoke("verify")
    assert "proven up to seal 1 of 1" in done.stdout and "not sealed yet: 1 event in 1 chain" in done.stdout
    (told,) = rows(invoke("verify", "--json"))
    assert (told["status"], told["unsealed"]) == ("whole", {"events": 1, "chains": 1})


def test_a_changed_record_is_told_with_exit_code_1(record: Record) -> None:
    """Verify names chain, place and what happened; also of one chain alone."""
    invoke("seal")
    record.drop("t1", first=3)
    record.set("t2", 2, kind="failed")
    done = invoke("verify")
    assert done.exit_code == 1
    assert "TAMPERED" in done.stdout and "nothing is proven by a seal" in done.stdout
    assert "t1, event 3: truncated" in done.stdout and "t2, event 2: edited" in done.stdout
    assert (invoke("verify", "--thread", "t2").exit_code, "t1" in invoke("verify", "--thread", "t2").stdout) == (
        1,
        False,
    )
    (told,) = rows(invoke("verify", "--json"))
    assert [flaw["kind"] for flaw in told["flaws"]] == ["truncated", "edited"]


def test_what_cannot_be_told_has_exit_code_2(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong key, a missing one, no such chain, no database, an unreadable one and unreadable seals: one line, and no
    accusation.
    """
    monkeypatch.setenv("AGENT_GUARD_MASTER_KEY", "c" * 43 + "=")
    done = invoke("verify")
    assert (done.exit_code, "cannot be told" in done.stdout) == (2, True)
    monkeypatch.delenv("AGENT_GUARD_MASTER_KEY")
    done = invoke("verify", "--thread", "nowhere")
    assert (done.exit_code, "there is no chain 'nowhere'" in done.stderr) == (2, True)
    (tmp_path / "seals.jsonl").write_text("no seal\n")
    assert (invoke("verify", "--seals", "seals.jsonl").exit_code, invoke("verify", "--seals", "none").exit_code) == (
        2,
        2,
    )
    (tmp_path / "other.yaml").write_text("environment: prod\ndatabase: sqlite:///guard.db\n", encoding="utf-8")
    done = invoke("verify", "--config", "other.yaml")
    assert (done.exit_code, "AGENT_GUARD_MASTER_KEY is not set" in done.stderr) == (2, True)
    (tmp_path / "none.yaml").write_text("environment: dev\ndatabase: sqlite:///none.db\n", encoding="utf-8")
    assert invoke("verify", "--config", "none.yaml").exit_code == 2
    (tmp_path / "bad.db").write_bytes(b"no database" * 1000)
    (tmp_path / "bad.yaml").write_text("environment: dev\ndatabase: sqlite:///bad.db\n", encoding="utf-8")
    assert invoke("verify", "--config", "bad.yaml").exit_code == 2


def test_seals_are_made_added_to_a_file_and_believed_from_there(record: Record, tmp_path: Path) -> None:
    """What is kept outside shows that the database was cut together with its seals."""
    done = invoke("seal", "--out", "seals.jsonl")
    assert "seal 1: 6 events in 2 chains" in done.stdout and "1 seal added to seals.jsonl" in done.stdout
    record.write("t1", ["opened"])
    (printed,) = invoke("seal", "--json", "--out", "seals.jsonl").stdout.splitlines()
    assert printed == (tmp_path / "seals.jsonl").read_text().splitlines()[1]
    assert "Nothing is new" in invoke("seal", "--out", "seals.jsonl").stdout
    assert [seal.n for seal in read(tmp_path / "seals.jsonl")] == [1, 2]
    assert invoke("verify", "--seals", "seals.jsonl").exit_code == 0
    record.drop("t1", first=4)
    record.sql("DELETE FROM seals WHERE n = 2")
    record.sql("DELETE FROM sealed_heads WHERE seal = 2")
    assert invoke("verify").exit_code == 0
    done = invoke("verify", "--seals", "seals.jsonl")
    assert (done.exit_code, "cut off" in done.stdout) == (1, True)


def test_the_public_key_is_the_one_that_seals_name(record: Record, tmp_path: Path) -> None:
    """The key is printed for whoever verifies seals elsewhere, former ones behind it."""
    (seal,) = record.seal()
    assert invoke("public-key").stdout.strip() == seal.key
    path = tmp_path / "guard.db.key"
    path.write_text(f"{'c' * 43}=\n{path.read_text()}", encoding="ascii")
    new, old = invoke("public-key").stdout.splitlines()
    assert old == f"{seal.key}  (former)" and new != seal.key
    assert rows(invoke("public-key", "--json")) == [
        {"public_key": new, "present": True},
        {"public_key": seal.key, "present": False},
    ]
    assert invoke("verify").exit_code == 0


def test_a_public_key_can_be_believed(record: Record, tmp_path: Path) -> None:
    """A seal under a key whose master key is gone counts where its public key is named."""
    (seal,) = record.seal()
    (tmp_path / "guard.db.key").write_text(f"{'c' * 43}=\n", encoding="ascii")
    assert "signed with the key" in invoke("verify").stdout
    assert "signed with the key" not in invoke("verify", "--public-key", seal.key).stdout


def test_show_finds_a_trace_by_its_end(record: Record) -> None:
    """A trace is shown by its last letters where they name one; else the message says what there is."""
    assert [row["kind"] for row in rows(invoke("show", "A1", "--json"))] == ["proposed", "started", "finished"]
    assert "6 events; the chains hold" in invoke("show").stdout
    with pytest.raises(ConfigError, match="2 traces are called '1'; these end so: 01A"):
        invoke("show", "1")
    with pytest.raises(ConfigError, match="no traces are called 'zzz'"):
        invoke("show", "zzz")
    record.set("t1", 2, kind="failed")
    assert "the chain is broken: t1, event 2 is filed under another kind" in invoke("show").stdout.replace("\n", " ")


def test_search_takes_conditions_and_answers_clearly(record: Record) -> None:
    """Conditions hold together; an unknown kind, an impossible time and a span of a thousand years have clear answers."""
    assert [
        row["party"] for row in rows(invoke("search", "--kind", "finished", "--party", "contact:18", "--json"))
    ] == ["contact:18"]
    assert "0 events" in invoke("search", "--tool", "none").stdout
    assert "2 events, the newest" in invoke("search", "--last", "2").stdout
    assert "6 events" in invoke("search", "--since", "365000d", "--until", "3026-01-01").stdout
    assert "0 events" in invoke("search", "--until", "1026-01-01").stdout
    for words, message in (
        (("--kind", "vanished"), "is no kind of event; there is: opened"),
        (("--since", "999999d"), "before the year 1"),
        (("--since", "soon"), "is no time"),
        (("--since", "2026-01-02", "--until", "2026-01-01"), "nothing lies since"),
    ):
        with pytest.raises(ConfigError, match=message):
            invoke("search", *words)


def test_tail_follows_and_misses_nothing(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """New events are shown once, also one that gets a lower number than one that was shown: servers commit so."""
    record.sql("UPDATE audit SET id = id + 100 WHERE thread = 't2'")
    rounds = []

    def pause(seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 1:
            record.write("t3", ["opened"])
            record.sql("UPDATE audit SET id = 50 WHERE thread = 't3'")
        elif len(rounds) == 2:
            record.write("t3", ["proposed"])
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(commands.time, "sleep", pause)
    done = CliRunner().invoke(app, ["audit", "tail", "-f", "--json", "--last", "4"])
    shown = [(row["thread"], row["kind"]) for row in rows(done) if "thread" in row]
    assert shown == [("t1", "finished"), *[("t2", kind) for kind in ("proposed", "started", "finished")],
                     ("t3", "opened"), ("t3", "proposed")]  # fmt: skip


def test_tail_of_nothing_waits(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread without events shows nothing, and the first that comes."""

    def pause(seconds: float) -> None:
        if record.rows()[-1]["thread"] == "t9":
            raise KeyboardInterrupt
        record.write("t9", ["opened"])

    monkeypatch.setattr(commands.time, "sleep", pause)
    done = CliRunner().invoke(app, ["audit", "tail", "-f", "--json", "--thread", "t9"])
    assert json.loads(done.stdout.splitlines()[0])["kind"] == "opened"


def test_export_writes_a_file_or_the_screen(record: Record, tmp_path: Path) -> None:
    """JSON Lines and CSV, everything or one customer."""
    done = invoke("export", "--out", "record.jsonl")
    assert "6 events are in record.jsonl" in done.stdout
    assert invoke("export").stdout == (tmp_path / "record.jsonl").read_text()
    invoke("export", "--format", "csv", "--party", "contact:17", "--out", "record.csv")
    assert (
        invoke("export", "--format", "csv", "--party", "contact:17").stdout_bytes
        == (tmp_path / "record.csv").read_bytes()
    )
    table = list(csv.DictReader(io.StringIO((tmp_path / "record.csv").read_text(), newline="")))
    assert {row["party"] for row in table} == {"contact:17"} and len(table) == 3
    for words, message in (
        (("--out", "record.csv"), "exists"),
        (("--format", "xml"), "none of jsonl, csv"),
        (("--resume",), "needs --out"),
        (("--resume", "--out", "new"), "no interrupted export"),
    ):
        with pytest.raises(ConfigError, match=message):
            invoke("export", *words)


def test_an_interrupted_export_says_how_to_go_on(
    record: Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing stands under the name; the same command with --resume finishes it."""
    real = exporting.lines

    def stopping(*given, **options):
        for index, item in enumerate(real(*given, **options)):
            if index == 4:
                raise KeyboardInterrupt
            yield item

    monkeypatch.setattr(exporting, "lines", stopping)
    done = CliRunner().invoke(app, ["audit", "export", "--out", "record.jsonl"])
    assert done.exit_code != 0
    assert "Go on with the same command and --resume" in done.stderr
    assert not (tmp_path / "record.jsonl").exists()
    monkeypatch.setattr(exporting, "lines", real)
    assert "6 events are in record.jsonl" in invoke("export", "--out", "record.jsonl", "--resume").stdout


def test_damaged_events_are_exported_with_exit_code_2(record: Record) -> None:
    """They are there, and the exit code says that somebody should look."""
    record.set("t1", 2, body=b"\xff")
    done = CliRunner().invoke(app, ["audit", "export", "--out", "record.jsonl"])
    assert (done.exit_code, "1 events are damaged" in done.stderr) == (2, True)


def test_stats_are_printed_as_tables_and_as_json(record: Record) -> None:
    """What is counted is printed; an empty record says so."""
    done = invoke("stats")
    assert "crm.read" in done.stdout and "6 events from 2026-01-05T11:20:04" in done.stdout
    assert rows(invoke("stats", "--json"))[0]["calls"]["tool"] == {"crm.read": 2}
    assert invoke("stats", "--since", "2999-01-01").stdout.strip() == "There are no events."


def test_the_schema_is_printed(record: Record) -> None:
    """Every exported event fits the schema that the command prints."""
    (schema,) = rows(invoke("schema"))
    for event in rows(invoke("export")):
        kept = {name: value for name, value in event.items() if name not in ("id", "hash")}
        Draft202012Validator(schema).validate(kept)


def test_a_bar_is_shown_to_people_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where standard error is no terminal nothing is counted and nothing is drawn."""

    def refuse() -> int:
        raise AssertionError("nobody watches")

    with bars.progress("Counting", refuse) as told:
        told(5)
    monkeypatch.setattr(type(bars.errors), "is_terminal", property(lambda self: True))
    asked = []
    with bars.progress("Counting", lambda: asked.append(1) or 10) as told:
        told(5)
    assert asked == [1]


def test_a_damaged_database_is_no_crash(record: Record, tmp_path: Path) -> None:
    """Commands that read the record end with a sentence."""
    record.sql("DROP TABLE audit")
    for words in (("search",), ("stats",), ("export",), ("seal",), ("show",)):
        with pytest.raises(StoreError):
            invoke(*words)
    assert audit_report.DAMAGED == 2
