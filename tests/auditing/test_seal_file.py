"""Seals in a file of their own."""

from __future__ import annotations

import pytest

from agent_guard.auditing.seal_file import append, read
from agent_guard.errors import ConfigError
from tests.record import Record
from tests.samples import opened

pytestmark = pytest.mark.req("A5")


@pytest.fixture
def record():
    with opened() as store:
        made = Record(store)
        for kind in ("opened", "proposed", "decided"):
            made.write("t1", [kind])
            made.seal()
        yield made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "seals.jsonl"


def test_every_seal_is_added_once(record, path):
    """The file gets what it does not have, in order, and the same again adds nothing."""
    assert append(path, record.store) == 3
    assert append(path, record.store) == 0
    record.write("t1", ["started"])
    record.seal()
    assert append(path, record.store) == 1
    assert [seal.n for seal in read(path)] == [1, 2, 3, 4]
    assert record.verify(outside=read(path)).status == "whole"


def test_a_line_that_was_not_finished_is_written_again(record, path):
    """A crash in the middle of a line costs that line only; the next time it is whole."""
    append(path, record.store)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert [seal.n for seal in read(path)] == [1, 2]
    assert append(path, record.store) == 1
    assert path.read_bytes() == whole


def test_a_file_of_another_database_is_left_alone(record, path):
    """Seals that this database does not have are not added to."""
    append(path, record.store)
    before = path.read_bytes()
    with opened() as store:
        other = Record(store)
        other.write("t1", ["opened"])
        other.seal()
        with pytest.raises(ConfigError, match="is not the one in the database"):
            append(path, store)
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_used_is_told(record, path, tmp_path):
    """A line that is no seal is named by its number; a folder and a missing file by their path."""
    append(path, record.store)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"no seal\n" + lines[2])
    with pytest.raises(ConfigError, match="line 2: is no JSON"):
        read(path)
    with pytest.raises(ConfigError, match="line 2"):
        append(path, record.store)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read(tmp_path / "none")
    with pytest.raises(ConfigError, match="cannot be"):
        append(tmp_path, record.store)
    with pytest.raises(ConfigError, match="cannot be added"):
        append(tmp_path / "none" / "seals.jsonl", record.store)
