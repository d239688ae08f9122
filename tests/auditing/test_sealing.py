"""Sealing: what is new is signed once, whoever else seals at the same time."""

from __future__ import annotations

import re

import pytest

from agent_guard.auditing import sealing
from agent_guard.auditing.merkle import root
from agent_guard.auditing.seals import Seal, Sealer, leaf, line_hash, public_keys
from agent_guard.errors import StoreError
from tests.record import NOW, Record
from tests.samples import KEYS, opened

pytestmark = [pytest.mark.databases, pytest.mark.req("A5")]


@pytest.fixture
def store(database):
    with opened(database.new()) as made:
        yield made


@pytest.fixture
def record(store):
    made = Record(store)
    for thread in ("t1", "t2", "ż", "system/acme"):
        made.write(thread, ["opened", "proposed"])
    return made


def test_a_seal_says_what_it_covers(record):
    """Its number, time, chains, events, root over the heads in the order of their names, and who signed it."""
    (seal,) = record.seal()
    assert (seal.n, seal.at, seal.chains, seal.events) == (1, "2026-01-05T11:20:04.000+00:00", 4, 8)
    heads = sorted(record.rows("sealed_heads"), key=lambda row: row["thread"])
    assert [row["thread"] for row in heads] == ["system/acme", "t1", "t2", "ż"]
    assert seal.root == root(leaf(row["thread"], row["seq"], row["hash"], row["places"]) for row in heads).hex()
    assert [row["hash"] for row in heads] == [record.at(row["thread"], 2)["hash"] for row in heads]
    assert (seal.key, seal.genuine) == (public_keys(KEYS)[0], True)


def test_only_what_is_new_is_sealed(record):
    """A second seal covers the chains that changed and follows the first; where nothing is new there is none."""
    (first,) = record.seal()
    assert record.seal() == []
    record.write("t2", ["decided"])
    (second,) = record.seal()
    assert (second.n, second.chains, second.events) == (2, 1, 1)
    assert second.prev == line_hash(first.line)
    assert record.verify().status == "whole"


def test_an_empty_record_has_no_seal(store):
    """There is nothing to sign."""
    assert Record(store).seal() == []


def test_many_chains_are_sealed_in_several_seals(record, monkeypatch):
    """One seal covers a bounded number of chains, so that no write is long; together they cover everything."""
    monkeypatch.setattr(sealing, "CHAINS_MAX", 3)
    seals = record.seal()
    assert [(seal.n, seal.chains) for seal in seals] == [(1, 3), (2, 1)]
    monkeypatch.setattr(sealing, "CHAINS_MAX", 2)
    record.write("t1", ["decided"])
    record.write("t2", ["decided"])
    assert [(seal.n, seal.chains) for seal in record.seal()] == [(3, 2)]
    assert (record.verify().status, record.verify().unsealed) == ("whole", 0)


def test_another_process_that_seals_in_between_is_no_trouble(record, monkeypatch):
    """Whoever comes second sees that there is a newer seal and looks again; nothing is sealed twice."""
    kept, raced = sealing._kept, []

    def slow(*given):
        if not raced:
            raced.append(True)
            raced.append(record.seal())
        return kept(*given)

    monkeypatch.setattr(sealing, "_kept", slow)
    assert record.seal() == []
    assert [seal.n for seal in raced[1]] == [1]
    assert record.verify().status == "whole" and record.verify().unsealed == 0


def test_events_that_come_while_it_seals_are_left_to_the_next_seal(record, monkeypatch):
    """What is written after the heads were read is not sealed yet, and what was read still is."""
    kept, late = sealing._kept, []

    def slow(*given):
        if not late:
            late.append(record.write("t1", ["decided"]))
        return kept(*given)

    monkeypatch.setattr(sealing, "_kept", slow)
    record.seal()
    assert (record.verify().status, record.verify().unsealed) == ("whole", 1)
    assert record.seal()[0].events == 1


def test_a_damaged_seal_is_not_built_upon(record):
    """Where the newest seal cannot be read nothing is sealed, and the error says what to do."""
    record.seal()
    record.write("t1", ["decided"])
    record.sql("UPDATE seals SET line = :line", line=b"{}")
    with pytest.raises(StoreError, match="audit verify"):
        record.seal()


def test_a_clock_that_went_back_does_not_matter(record):
    """Seals are ordered by their numbers; a time before the last seal's is written as it is."""
    record.seal()
    record.write("t1", ["decided"])
    (seal,) = record.seal(days=-400)
    assert seal.at.startswith("2024-")
    assert record.verify().status == "whole"


def test_a_seal_is_read_as_it_was_written():
    """Its line is read back to the same seal."""
    seal = Sealer(KEYS).seal(before=None, at=NOW.isoformat(), chains=1, events=2, root=b"r" * 32)
    assert Seal.parse(seal.line) == seal and seal.genuine
    following = Sealer(KEYS).seal(before=seal.line, at=NOW.isoformat(), chains=1, events=2, root=b"r" * 32)
    assert (following.n, following.prev) == (2, line_hash(seal.line))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda line: b"", "no JSON"),
        (lambda line: b"[]", "no seal"),
        (lambda line: b'{"v":1}', "no seal"),
        (lambda line: line.replace(b'"n":1', b'"n":true'), "no seal"),
        (lambda line: line.replace(b'"n":1', b'"n":"1"'), "no seal"),
        (lambda line: line.replace(b'"v":1', b'"v":7'), "version 7"),
        (lambda line: line + b" ", "not written as a seal is"),
        (lambda line: line.replace(b'"n":1', b'"n": 1'), "not written as a seal is"),
        (lambda line: re.sub(rb'(?<="signature":")[0-9a-f]+', lambda found: found[0].upper(), line), "not written"),
    ],
)  # fmt: skip
def test_what_is_no_seal_is_refused(change, words):
    """Another form, other types, white space and capital digits are refused, with what is wrong."""
    seal = Sealer(KEYS).seal(before=None, at=NOW.isoformat(), chains=1, events=2, root=b"r" * 32)
    with pytest.raises(ValueError, match=words):
        Seal.parse(change(seal.line))


@pytest.mark.parametrize("field", ["at", "n", "chains", "events", "root", "prev", "key"])
def test_no_field_of_a_seal_can_be_changed(field):
    """A seal with another value in any field is not genuine."""
    seal = Sealer(KEYS).seal(before=None, at=NOW.isoformat(), chains=1, events=2, root=b"r" * 32)
    values = {name: getattr(seal, name) for name in Seal.__dataclass_fields__}
    other = values[field] + 1 if isinstance(values[field], int) else values[field].replace("0", "1").replace("7", "8")
    assert other != values[field]
    assert not Seal(**(values | {field: other})).genuine
