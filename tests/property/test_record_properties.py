"""Whatever somebody with the database does to the record is found, or was reported as not sealed before."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from hypothesis import assume, given, settings, strategies as st
from sqlalchemy.exc import IntegrityError

from agent_guard.auditing.seals import Seal
from agent_guard.credentials import Keys
from agent_guard.errors import StoreError
from agent_guard.recording.chain import ChainKeys
from tests.record import Record
from tests.samples import KEYS, opened

THREADS = ("t1", "t2", "system/acme")
STRANGER = Keys(b"s" * 32)
INTEGERS = ("id", "seq", "at")
TEXTS = ("thread", "tenant", "kind", "trace_id", "body", "hash")
HEADS = {"sealed_heads": ("thread", "seq", "seal", "hash", "places"), "seals": ("n", "line")}

pytestmark = [pytest.mark.req("A5")]

# one after another: so many events of a chain, or a seal (0)
steps = st.lists(st.tuples(st.sampled_from(THREADS), st.integers(0, 4)), min_size=1, max_size=8)


class Log:
    """A generated record, with what of it was reported as not sealed before anything was done to it."""

    def __init__(self, store, given):
        self.record = Record(store)
        for index, (thread, count) in enumerate(given):
            if count:
                self.record.write(thread, ["proposed"] * count, trace_id=f"T{index}")
            else:
                self.record.seal()
        report = self.record.verify()
        assert report.status == "whole"
        self.rows = self.record.rows()
        sealed = {name: 0 for name in THREADS}
        for row in self.record.rows("sealed_heads"):
            sealed[row["thread"]] = max(sealed[row["thread"]], row["seq"])
        self.sealed = sealed
        assert report.unsealed == sum(row["seq"] > sealed[row["thread"]] for row in self.rows)

    def is_sealed(self, row):
        return row["seq"] <= self.sealed[row["thread"]]

    def last(self, thread):
        return max(row["seq"] for row in self.rows if row["thread"] == thread)

    def execute(self, statement, **values):
        """One statement; what the constraints refuse is no damage."""
        try:
            self.record.sql(statement, **values)
        except IntegrityError:
            assume(False)

    def is_found(self):
        return self.record.verify().status != "whole"


@contextmanager
def log(given):
    """A generated record in a database of its own."""
    with opened() as store:
        yield Log(store, given)


def flipped(value, bit):
    """The same value with one bit changed, as SQLite stores it."""
    data = bytearray(value)
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(data)


@settings(max_examples=150)
@given(given=steps, data=st.data())
def test_every_flipped_bit_of_an_event_is_found_or_not_sealed(given, data):
    """One bit of any column of any event: found, but for a place among all events that no seal has covered yet."""
    with log(given) as made:
        assume(made.rows)
        row = data.draw(st.sampled_from(made.rows))
        column = data.draw(st.sampled_from(INTEGERS + TEXTS))
        assume(row[column] is not None)
        if column in INTEGERS:
            bit = data.draw(st.integers(0, 30))
            made.execute(
                f"UPDATE audit SET {column} = :value WHERE id = :id", id=row["id"], value=row[column] ^ (1 << bit)
            )
        else:
            value = row[column] if column == "body" else row[column].encode()
            changed = flipped(value, data.draw(st.integers(0, 8 * len(value) - 1)))
            kind = "BLOB" if column == "body" else "TEXT"
            made.execute(
                f"UPDATE audit SET {column} = CAST(:value AS {kind}) WHERE id = :id", id=row["id"], value=changed
            )
        assert made.is_found() or (column == "id" and not made.is_sealed(row))


@settings(max_examples=100)
@given(given=steps, data=st.data())
def test_every_flipped_bit_of_a_seal_is_found(given, data):
    """One bit of any column of what sealing wrote."""
    with log([*given, (THREADS[0], 1), (THREADS[0], 0)]) as made:
        table = data.draw(st.sampled_from(sorted(HEADS)))
        rows = made.record.rows(table)
        row, column = data.draw(st.sampled_from(rows)), data.draw(st.sampled_from(HEADS[table]))
        keys = {"seals": "n = :n", "sealed_heads": "thread = :thread AND seq = :seq"}[table]
        same = {name: row[name] for name in ("n", "thread", "seq") if f":{name}" in keys}
        if isinstance(row[column], int):
            value, kind = row[column] ^ (1 << data.draw(st.integers(0, 30))), "INTEGER"
        else:
            old = row[column] if isinstance(row[column], bytes) else row[column].encode()
            value = flipped(old, data.draw(st.integers(0, 8 * len(old) - 1)))
            kind = "BLOB" if isinstance(row[column], bytes) else "TEXT"
        made.execute(f"UPDATE {table} SET {column} = CAST(:value AS {kind}) WHERE {keys}", value=value, **same)
        assert made.is_found()


@settings(max_examples=60)
@given(given=steps, data=st.data())
def test_every_dropped_event_is_found_or_was_an_unsealed_end(given, data):
    """A gap anywhere is found; only an end that no seal covers can go unseen."""
    with log(given) as made:
        assume(made.rows)
        row = data.draw(st.sampled_from(made.rows))
        more = data.draw(st.integers(0, 3))
        made.record.drop(row["thread"], first=row["seq"], last=row["seq"] + more)
        end = row["seq"] + more >= made.last(row["thread"])
        assert made.is_found() or (end and not made.is_sealed(row))


@settings(max_examples=50)
@given(given=steps, data=st.data())
def test_every_cut_is_found_or_was_not_sealed(given, data):
    """The end of a chain, or a whole one, with or without new events behind the cut."""
    with log(given) as made:
        assume(made.rows)
        row = data.draw(st.sampled_from(made.rows))
        made.record.drop(row["thread"], first=row["seq"])
        made.record.write(row["thread"], ["asked"] * data.draw(st.integers(0, 6)))
        assert made.is_found() or not made.is_sealed(row)


@settings(max_examples=50)
@given(given=steps, data=st.data())
def test_every_exchange_is_found(given, data):
    """What two rows say is exchanged, in one chain or between two, with their hashes or without."""
    with log(given) as made:
        assume(len(made.rows) > 1)
        one, other = data.draw(
            st.lists(st.sampled_from(made.rows), min_size=2, max_size=2, unique_by=lambda row: row["id"])
        )
        columns = data.draw(
            st.sampled_from([("body",), ("body", "hash"), ("body", "hash", "at", "kind", "trace_id", "tenant")])
        )
        places = data.draw(st.booleans())
        if places:  # the same the other way round: the events stay and their places are exchanged
            made.record.sql("DELETE FROM audit WHERE id = :id", id=one["id"])
            made.record.sql(
                "UPDATE audit SET thread = :thread, seq = :seq WHERE id = :id",
                id=other["id"],
                thread=one["thread"],
                seq=one["seq"],
            )
            made.record.insert(**one | {"thread": other["thread"], "seq": other["seq"]})
        else:
            for row, values in ((one, other), (other, one)):
                made.record.set(row["thread"], row["seq"], **{name: values[name] for name in columns})
        assert made.is_found()


@settings(max_examples=50)
@given(given=steps, data=st.data())
def test_every_copy_is_found(given, data):
    """A second copy of an event, at the end of its chain, of another, or in a new one."""
    with log(given) as made:
        assume(made.rows)
        row = data.draw(st.sampled_from(made.rows))
        thread = data.draw(st.sampled_from([*sorted({row["thread"] for row in made.rows}), "new"]))
        seq = data.draw(st.sampled_from([made.last(thread) + 1 if thread != "new" else 1, row["seq"], 99]))
        try:
            made.record.insert(**{k: v for k, v in row.items() if k != "id"} | {"thread": thread, "seq": seq})
        except IntegrityError:
            assume(False)
        assert made.is_found()


@settings(max_examples=50)
@given(given=steps, data=st.data())
def test_a_history_written_anew_is_found(given, data):
    """From some event on the chain is written anew: without the key always found, with the key where it was sealed."""
    with log(given) as made:
        assume(made.rows)
        row = data.draw(st.sampled_from(made.rows))
        insider, named = data.draw(st.booleans()), data.draw(st.booleans())
        keys = KEYS if insider else STRANGER
        name = ChainKeys(keys if named else KEYS).name
        thread = row["thread"]
        before = "0" * 64 if row["seq"] == 1 else made.record.at(thread, row["seq"] - 1)["hash"]
        for seq in range(row["seq"], made.last(thread) + 1):
            made.record.forge(thread, seq, keys, reason="another", prev_hash=before, key=name)
            before = made.record.at(thread, seq)["hash"]
        assert made.is_found() or (insider and not made.is_sealed(row))
        if made.is_sealed(row):
            assert made.record.verify().status == "tampered"


@settings(max_examples=30)
@given(given=steps, data=st.data())
def test_a_database_cut_back_with_its_seals_is_found_by_a_seal_kept_outside(given, data):
    """Seals and everything behind them deleted, so that the rest is whole: the newest seal kept elsewhere tells."""
    with log([*given, (THREADS[0], 1), (THREADS[0], 0)]) as made:
        seals = [Seal.parse(row["line"]) for row in made.record.rows("seals")]
        left = data.draw(st.integers(0, len(seals) - 1))
        made.record.sql("DELETE FROM sealed_heads WHERE seal > :left", left=left)
        made.record.sql("DELETE FROM seals WHERE n > :left", left=left)
        made.record.sql(
            "DELETE FROM audit WHERE seq > coalesce((SELECT max(seq) FROM sealed_heads h WHERE h.thread = audit.thread), 0)"
        )
        assert made.record.verify().status == "whole"
        report = made.record.verify(outside=seals[-1:])
        assert report.status == "tampered"
        assert (report.proven.n if report.proven else 0) == left


def test_the_bits_are_those_that_are_stored():
    """The damage reaches the database: a flipped bit is read back flipped."""
    with opened() as store:
        record = Record(store)
        record.write("t1", ["opened"])
        record.sql("UPDATE audit SET kind = CAST(:value AS TEXT)", value=flipped(b"opened", 7))
        with pytest.raises(StoreError, match="decode"):
            record.rows()
        with store.read() as connection:
            stored = connection.execute(sa.text("SELECT CAST(kind AS BLOB) FROM audit")).scalar()
    assert stored == b"\xefpened"
