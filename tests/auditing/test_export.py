"""The record in a file."""

from __future__ import annotations

import csv
import io
import json

import orjson
import pytest

from agent_guard.auditing import export as module
from agent_guard.auditing.export import COLUMNS, export, header, lines
from agent_guard.auditing.selection import Selection
from agent_guard.errors import ConfigError
from agent_guard.recording.chain import ChainKeys
from tests.record import KINDS, Record
from tests.samples import KEYS, opened

pytestmark = [pytest.mark.databases, pytest.mark.req("A5", "B8")]


@pytest.fixture
def store(database):
    with opened(database.new()) as made:
        yield made


@pytest.fixture
def record(store):
    """Two conversations of five events."""
    made = Record(store)
    made.write("t1", party="contact:17", reason='Because, as they "said":\r\nsoon.', actor={"user_id": "u1"})
    made.write("t2", party="contact:18")
    return made  # fmt: skip


def table(path):
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


def test_every_event_is_one_line_of_json(record, tmp_path):
    """The stored text stands in each line, so that its hash can be computed from the file; the file is the record."""
    path = tmp_path / "record.jsonl"
    assert export(record.store, path).events == 10
    exported = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    for line, row in zip(exported, record.rows(), strict=True):
        data = {name: value for name, value in line.items() if name not in ("id", "hash")}
        body = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
        assert (line["id"], body) == (row["id"], row["body"])
        assert ChainKeys(KEYS).hash(body) == line["hash"]
    assert list(tmp_path.iterdir()) == [path]


def test_every_event_is_one_line_of_csv(record, tmp_path):
    """A header and a line each; what is no text is JSON, what is missing is empty, ends of lines are written out."""
    path = tmp_path / "record.csv"
    assert export(record.store, path, format="csv").events == 10
    assert path.read_bytes().count(b"\n") == 11
    rows = table(path)
    assert list(rows[0]) == list(COLUMNS)
    assert [row["kind"] for row in rows] == [*KINDS, *KINDS]
    assert rows[0]["reason"] == 'Because, as they "said":\\nsoon.'
    assert json.loads(rows[0]["actor"]) == {"user_id": "u1"}
    assert (rows[5]["reason"], rows[5]["actor"], rows[5]["party"]) == ("", "", "contact:18")


@pytest.mark.parametrize("text", [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "＝1+1", " =1+1",
    '=HYPERLINK("http://evil.example","click")', "=cmd|' /C calc'!A0",
])  # fmt: skip
def test_no_cell_is_a_formula(record, tmp_path, text):
    """A cell that a spreadsheet would compute begins with a quote (OWASP, CSV Injection)."""
    record.write("t3", ["proposed"], reason=text, tool=text, tool_call_id=text)
    path = tmp_path / "record.csv"
    export(record.store, path, Selection(thread="t3"), format="csv")
    (row,) = table(path)
    for name in ("reason", "tool", "tool_call_id"):
        assert row[name][0] == "'" or row[name].startswith("\\n")
        assert not row[name].lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\0", "＝"))


def test_other_cells_are_left_alone(record, tmp_path):
    """Text that is no formula stands there as it is, letters of every alphabet too."""
    for index, text in enumerate(("a=b", "Zażółć", "1-1", "'quoted'", '"', "a,b;c")):
        record.write(f"x{index}", ["proposed"], reason=text)
        path = tmp_path / f"{index}.csv"
        export(record.store, path, Selection(thread=f"x{index}"), format="csv")
        assert table(path)[0]["reason"] == text


def test_only_the_selection_is_exported(record, tmp_path):
    """One customer's events, for a request for access; none is an empty file, or a header alone."""
    path = tmp_path / "record.jsonl"
    assert export(record.store, path, Selection(party="contact:17")).events == 5
    assert {orjson.loads(line)["thread"] for line in path.read_bytes().splitlines()} == {"t1"}
    assert export(record.store, tmp_path / "none.jsonl", Selection(party="contact:1")).events == 0
    assert (tmp_path / "none.jsonl").read_bytes() == b""
    export(record.store, tmp_path / "none.csv", Selection(party="contact:1"), format="csv")
    assert (tmp_path / "none.csv").read_bytes() == header("csv")


class Interrupted(BaseException):
    """The process ends here."""


def interrupted(record, path, monkeypatch, after, **options):
    """An export that ends after so many events; where ``torn``, in the middle of the next line."""

    def stop(written):
        if written >= after:
            raise Interrupted

    monkeypatch.setattr(module, "PROGRESS", 1)
    with pytest.raises(Interrupted):
        export(record.store, path, progress=stop, **options)


@pytest.mark.parametrize("format", ["jsonl", "csv"])
@pytest.mark.parametrize("after", [1, 4, 9])
@pytest.mark.parametrize("torn", [0, 1, 50])
def test_an_interrupted_export_is_gone_on_with(record, tmp_path, monkeypatch, format, after, torn):
    """Nothing stands under the name meanwhile; the end is byte for byte an export that was not interrupted."""
    path, whole = tmp_path / "record", tmp_path / "whole"
    export(record.store, whole, format=format)
    interrupted(record, path, monkeypatch, after, format=format)
    (draft,) = [file for file in tmp_path.iterdir() if file.name.endswith(".part")]
    assert not path.exists()
    size = draft.stat().st_size
    if torn:
        draft.write_bytes(whole.read_bytes()[: size - torn])
    told = []
    assert export(record.store, path, format=format, resume=True, progress=told.append).events == 10
    assert path.read_bytes() == whole.read_bytes()
    assert told[0] == after + (not torn)
    assert not draft.exists()


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_an_export_that_was_interrupted_at_once_is_gone_on_with(record, tmp_path, monkeypatch, format):
    """Also where not one line was finished."""
    path, whole = tmp_path / "record", tmp_path / "whole"
    export(record.store, whole, format=format)
    interrupted(record, path, monkeypatch, 1, format=format)
    (draft,) = [file for file in tmp_path.iterdir() if file.name.endswith(".part")]
    for rest in (b"", whole.read_bytes()[:10]):
        draft.write_bytes(rest)
        export(record.store, path, format=format, resume=True)
        assert path.read_bytes() == whole.read_bytes()
        path.rename(draft)


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_a_line_that_has_become_nothing_is_cut_off(record, tmp_path, monkeypatch, format):
    """Where nothing is left to write, what was torn does not stay behind the last whole line."""
    path, whole = tmp_path / "record", tmp_path / "whole"
    export(record.store, whole, format=format)
    interrupted(record, path, monkeypatch, 1, format=format)
    (draft,) = [file for file in tmp_path.iterdir() if file.name.endswith(".part")]
    draft.write_bytes(whole.read_bytes() + b'{"hash":"torn')
    assert export(record.store, path, format=format, resume=True).events == 10
    assert path.read_bytes() == whole.read_bytes()


def test_another_export_is_not_gone_on_with(record, tmp_path, monkeypatch):
    """The draft of another selection or format is never continued, and an export of its own begins anew."""
    path = tmp_path / "record"
    interrupted(record, path, monkeypatch, 3)
    for options in ({"format": "csv"}, {"selection": Selection(thread="t1")}):
        with pytest.raises(ConfigError, match="no interrupted export"):
            export(record.store, path, resume=True, **options)
    assert export(record.store, path).events == 10
    assert path.read_bytes().count(b"\n") == 10


def test_a_file_that_exists_is_left_alone(record, tmp_path):
    """An export never writes over a file, and a folder that is not there is told."""
    path = tmp_path / "record"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="exists"):
        export(record.store, path)
    assert path.read_text() == "mine"
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        export(record.store, tmp_path / "none" / "record")


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_damaged_events_are_exported_as_such(record, tmp_path, format):
    """A text that is no event is there, marked, and does not break its line; how many there are is told."""
    record.set("t1", 2, body=b'\xff\n"')
    record.set("t1", 3, body=b' {"kind":\n"decided"}')
    path = tmp_path / "record"
    done = export(record.store, path, format=format)
    assert (done.events, done.damaged) == (10, 1)
    text = path.read_bytes()
    assert text.count(b"\n") == 10 + (format == "csv")
    if format == "jsonl":
        rows = [orjson.loads(line) for line in text.splitlines()]
        assert rows[1]["damaged"] is True and rows[1]["body_base64"] == "/woi"
    else:
        rows = table(path)
        assert rows[1]["note"] == "damaged"
    assert [row["kind"] for row in rows if "kind" in row][-6:-5] == ["finished"]
    assert rows[2]["kind"] == "decided"


def test_events_that_come_meanwhile_are_left_out(record, monkeypatch, tmp_path):
    """The export is of what was there when it began."""
    written = []

    def more(count):
        written.append(record.write("t9", ["opened"]))

    monkeypatch.setattr(module, "PROGRESS", 5)
    assert export(record.store, tmp_path / "record", progress=more).events == 10
    assert written


def test_a_stream_holds_one_batch(store, monkeypatch):
    """A long record is read in pieces: no more rows than one batch are in memory at a time."""
    record = Record(store)
    record.write("t1", ["opened"] * 30)
    from agent_guard.auditing import selection

    monkeypatch.setattr(selection, "BATCH", 10)
    alive, most, real = 0, 0, selection.StoredEvent.of

    def of(row):
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        return real(row)

    monkeypatch.setattr(selection.StoredEvent, "of", of)
    for _ in lines(store):
        alive -= 1
    assert most == 1
