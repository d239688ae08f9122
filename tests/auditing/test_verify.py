"""Verification: what was changed is named, and how far the record is proven."""

from __future__ import annotations

import hmac

import orjson
import pytest

from agent_guard.auditing import verify as module
from agent_guard.auditing.seals import SEALED_HEADS, Seal, Sealer, public_keys
from agent_guard.credentials import Keys
from agent_guard.errors import StoreError
from agent_guard.recording.chain import ChainKeys
from tests.record import Record
from tests.samples import KEYS, NOW_MS, opened

pytestmark = [pytest.mark.databases, pytest.mark.req("A5")]

OLD, NEW, STRANGER = Keys(b"k" * 32), Keys(b"n" * 32), Keys(b"s" * 32)
ROTATED = Keys(b"n" * 32, former=[b"k" * 32])


@pytest.fixture
def store(database):
    with opened(database.new()) as made:
        yield made


@pytest.fixture
def record(store):
    """Two conversations and the system's chain, sealed twice, with one event behind the last seal."""
    made = Record(store)
    for thread in ("t1", "t2", "system/acme"):
        made.write(thread)
    made.seal()
    made.write("t1", ["proposed", "decided"])
    made.seal(hours=1)
    made.write("t2", ["proposed"])
    return made


def test_a_whole_record_is_whole(record):
    """Nothing is named; the report says how far the seals reach and what is behind them."""
    report = record.verify()
    assert (report.status, report.flaws, report.seal_flaws) == ("whole", [], [])
    assert (report.chains, report.events, report.seals) == (3, 18, 2)
    assert (report.proven.n, report.proven.at) == (2, "2026-01-05T12:20:04.000+00:00")
    assert (report.unsealed, report.unsealed_chains) == (1, 1)
    assert orjson.loads(orjson.dumps(report.as_json()))["proven"] == {"seal": 2, "at": report.proven.at}


def test_an_empty_record_is_whole(store):
    """Nothing is whole, and nothing is proven."""
    report = Record(store).verify()
    assert (report.status, report.chains, report.events, report.seals, report.proven) == ("whole", 0, 0, 0, None)


# ---- what is named, and up to which seal the rest is proven


def edited(record):
    record.set("t1", 3, body=orjson.dumps(orjson.loads(record.at("t1", 3)["body"]) | {"reason": "another"}))


def hashed(record):
    record.set("t1", 3, hash="0" * 64)


def no_json(record):
    record.set("t1", 3, body=b"\x00\xff")


def refiled(record):
    record.set("t1", 3, kind="denied")


def dated(record):
    record.set("t1", 3, at=5)


def forged(record):
    record.forge("t1", 3, Keys(b"x" * 32), reason="another")


def dropped(record):
    record.drop("t1", first=3, last=3)


def dropped_two(record):
    record.drop("t1", first=3, last=4)


def dropped_first(record):
    record.drop("t1", first=1, last=1)


def copied(record):
    three = record.at("t1", 3)
    record.insert(**{name: value for name, value in three.items() if name != "id"} | {"seq": 8})


def swapped(record):
    two, three = record.at("t1", 2), record.at("t1", 3)
    for seq, other in ((2, three), (3, two)):
        record.set("t1", seq, **{name: other[name] for name in ("body", "hash", "kind", "at")})


def renumbered(record):
    record.drop("t1", first=3, last=3)
    for seq in (4, 5, 6, 7):
        record.sql("UPDATE audit SET seq = :new WHERE thread = 't1' AND seq = :seq", new=seq - 1, seq=seq)


def adopted(record):
    strange = record.at("t2", 3)
    record.set("t1", 3, **{name: strange[name] for name in ("body", "hash", "kind", "at")})


def moved(record):
    record.sql("UPDATE audit SET thread = 't9' WHERE thread = 't2'")


def cut(record):
    record.drop("t1", first=6)


def gone(record):
    record.drop("t1", first=1)


def cut_and_written_on(record):
    record.drop("t1", first=6)
    record.write("t1", ["asked", "answered", "expired"])


def reordered(record):
    record.set("t1", 3, id=1000)


def written_anew_with_the_key(record):
    before = record.at("t1", 2)["hash"]
    for seq in range(3, 8):
        record.forge("t1", seq, KEYS, reason="another", prev_hash=before)
        before = record.at("t1", seq)["hash"]


DAMAGE = [
    # how, what is found first, in which chain and place, and the last seal that is still proven
    (edited, "edited", "t1", 3, None),
    (hashed, "edited", "t1", 3, None),
    (no_json, "edited", "t1", 3, None),
    (refiled, "edited", "t1", 3, None),
    (dated, "edited", "t1", 3, None),
    (forged, "edited", "t1", 3, None),
    (dropped, "missing", "t1", 3, None),
    (dropped_two, "missing", "t1", 3, None),
    (dropped_first, "missing", "t1", 1, None),
    (copied, "duplicated", "t1", 8, 2),
    (swapped, "swapped", "t1", 2, None),
    (renumbered, "moved", "t1", 3, None),
    (adopted, "moved", "t1", 3, None),
    (moved, "truncated", "t2", 1, None),
    (cut, "truncated", "t1", 6, 1),
    (gone, "truncated", "t1", 1, None),
    (cut_and_written_on, "rewritten", "t1", 7, 1),
    (reordered, "moved", "t1", 4, None),
    (written_anew_with_the_key, "rewritten", "t1", 5, None),
]


@pytest.mark.parametrize(
    ("damage", "kind", "thread", "seq", "proven"), DAMAGE, ids=lambda value: getattr(value, "__name__", "")
)
def test_what_was_changed_is_named(record, damage, kind, thread, seq, proven):
    """The first bad event of the chain is named with what happened to it, and what was sealed before it stays proven."""
    damage(record)
    report = record.verify()
    first = min((flaw for flaw in report.flaws if flaw.thread == thread), key=lambda flaw: flaw.seq)
    assert (report.status, first.kind, first.seq) == ("tampered", kind, seq)
    assert (report.proven.n if report.proven else None) == proven
    assert not report.seal_flaws


def test_one_edit_is_one_flaw(record):
    """What follows from an edited, a dropped or a moved event is not named once more."""
    edited(record)
    assert record.found() == [("t1", 3, "edited")]
    dropped(record)
    assert record.found() == [("t1", 3, "missing")]


def test_an_exchange_is_told_from_a_copy(record):
    """Two events that changed places are both named as swapped, a copy only where it does not belong."""
    swapped(record)
    assert record.found() == [("t1", 2, "swapped"), ("t1", 3, "swapped")]


def test_a_chain_that_was_brought_back_does_not_link(record):
    """An event of the same place that was there before a cut does not fit the one that was written since."""
    old = record.at("t2", 6)
    record.drop("t2", first=6)
    record.write("t2", ["asked", "answered"])
    record.set("t2", 6, **{name: old[name] for name in ("body", "hash", "kind", "at")})
    assert record.found() == [("t2", 7, "unlinked")]


def test_what_stands_behind_the_last_seal_does_not_unprove_it(record):
    """An edit of an event that is not sealed yet is found, and the seals stay proven."""
    record.set("t2", 6, kind="denied")
    report = record.verify()
    assert [(flaw.thread, flaw.seq, flaw.kind, flaw.seal) for flaw in report.flaws] == [("t2", 6, "edited", None)]
    assert report.proven.n == 2


def test_an_end_that_was_never_sealed_is_reported_as_such(record):
    """Cutting it off cannot be seen, which is why the report counts what no seal covers."""
    assert record.verify().unsealed == 1
    record.drop("t2", first=6)
    assert (record.verify().status, record.verify().unsealed) == ("whole", 0)


def test_many_flaws_are_counted_and_some_are_named(record, monkeypatch):
    """A chain names twenty flaws, a report a thousand; all are counted."""
    monkeypatch.setattr(module, "FLAWS_MAX", 5)
    record.sql("UPDATE audit SET kind = 'denied'")
    report = record.verify()
    assert (report.status, len(report.flaws), report.flawed) == ("tampered", 5, 18)
    record.write("t3", ["proposed"] * 30)
    record.sql("UPDATE audit SET kind = 'denied'")
    monkeypatch.setattr(module, "FLAWS_MAX", 1000)
    assert len([flaw for flaw in record.verify().flaws if flaw.thread == "t3"]) == 20


def test_a_change_is_named_among_many_missing_keys(record, monkeypatch):
    """However many events are under a key that is not known, one that was changed is in the report."""
    monkeypatch.setattr(module, "FLAWS_MAX", 3)
    record.keys = ROTATED
    record.write("t9", ["proposed"] * 30)
    record.write("t9", ["proposed"])
    record.seal()
    record.drop("t9", first=31)
    record.keys = STRANGER
    report = record.verify(trusted=[*public_keys(NEW), *public_keys(OLD)])
    assert (report.status, len(report.flaws)) == ("tampered", 3)
    assert [flaw.kind for flaw in report.flaws if not flaw.undecided] == ["truncated"]


def test_what_is_not_named_still_unproves(record):
    """The seals before the first bad place are proven, even where twenty later ones fill the list."""
    record.write("t2", ["proposed"] * 30)
    record.seal()
    swapped_places = (record.at("t2", 2), record.at("t2", 3))
    for row, other in (swapped_places, swapped_places[::-1]):
        record.set("t2", row["seq"], **{name: other[name] for name in ("body", "hash", "kind", "at")})
    record.sql("UPDATE audit SET kind = 'denied' WHERE thread = 't2' AND seq > 6")
    report = record.verify()
    assert len(report.flaws) == 20 and min(flaw.seq for flaw in report.flaws) > 6
    assert report.proven is None


def test_one_chain_alone_is_verified(record):
    """Only the named chain is looked at; the seals are looked at all the same."""
    edited(record)
    assert record.found(thread="t2") == []
    assert record.found(thread="t1") == [("t1", 3, "edited")]
    assert record.verify(thread="t2").chains == 1
    gone(record)
    assert record.found(thread="t1") == [("t1", 1, "truncated")]


def test_it_tells_how_far_it_is(record, monkeypatch):
    """Progress is told now and then, and at the end."""
    monkeypatch.setattr(module, "BATCH", 4)
    told = []
    record.verify(progress=told.append)
    assert told == [4, 8, 12, 16, 18]


# ---- keys


def test_a_record_is_verified_across_a_rotation(store):
    """Events and seals under the former key and under the present one are one record."""
    record = Record(store, OLD)
    record.write("t1", ["opened", "proposed"])
    record.seal()
    record.keys = ROTATED
    record.write("t1", ["decided"])
    record.write("t2")
    (sealed,) = record.seal()
    assert sealed.key == public_keys(NEW)[0] != public_keys(OLD)[0]
    assert public_keys(ROTATED) == (public_keys(NEW)[0], public_keys(OLD)[0])
    report = record.verify()
    assert (report.status, report.proven.n, report.unsealed) == ("whole", 2, 0)
    names = [orjson.loads(row["body"])["key"] for row in record.rows()]
    assert names == [ChainKeys(OLD).name] * 2 + [ChainKeys(NEW).name] * 6


def test_a_missing_key_is_no_tampering(store):
    """What was written under a key that is not given cannot be told, by name; the rest is verified."""
    record = Record(store, OLD)
    record.write("t1", ["opened", "proposed"])
    record.seal()
    record.keys = NEW
    record.write("t1", ["decided"])
    report = record.verify()
    assert report.status == "undecided"
    assert {flaw.kind for flaw in report.flaws} == {"unknown_key"}
    assert [flaw.seq for flaw in report.flaws] == [1, 2]
    assert ChainKeys(OLD).name in report.flaws[0].words
    assert [flaw.undecided for flaw in report.seal_flaws] == [True]
    assert report.proven is None
    assert record.verify(trusted=public_keys(OLD)).seal_flaws == []


def test_a_wrong_key_is_no_tampering(record):
    """With another master key nothing can be told at all."""
    record.keys = STRANGER
    report = record.verify()
    assert (report.status, report.flawed, report.proven) == ("undecided", 18, None)


def test_a_chain_that_was_written_anew_under_another_key_is_found(record):
    """Whoever writes sealed events anew under a key of his own does not hide behind the missing key."""
    before = "0" * 64
    for seq in range(1, 8):
        record.forge("t1", seq, STRANGER, key=ChainKeys(STRANGER).name, prev_hash=before)
        before = record.at("t1", seq)["hash"]
    report = record.verify()
    assert report.status == "tampered"
    assert ("t1", 5, "rewritten") in [(flaw.thread, flaw.seq, flaw.kind) for flaw in report.flaws]


def test_an_edit_does_not_hide_behind_a_missing_key(record):
    """An event that was edited and says that it is under an unknown key breaks its links, or is named as unknown."""
    record.forge("t1", 3, STRANGER, key=ChainKeys(STRANGER).name, reason="another")
    found = record.found()
    assert ("t1", 3, "unknown_key") in found and ("t1", 4, "unlinked") in found
    assert record.verify().status == "tampered"


# ---- events of other releases


def test_events_from_before_keys_had_names_are_verified(store):
    """They are tried with each key that is known, and may be followed by newer ones."""
    record = Record(store, OLD)
    record.write("t1", ["opened"])
    record.forge("t1", 1, OLD, without=["key", "at"])
    record.keys = ROTATED
    record.write("t1", ["proposed"])
    assert record.verify().status == "whole"
    record.keys = NEW
    report = record.verify()
    assert (report.status, [(flaw.seq, flaw.kind) for flaw in report.flaws]) == ("undecided", [(1, "unnamed_key")])


def test_an_edit_of_an_old_event_is_no_missing_key(store):
    """Where one event without a key's name fits, one that does not was edited."""
    record = Record(store)
    record.write("t1", ["opened"])
    record.write("t2", ["opened"])
    for thread in ("t1", "t2"):
        record.forge(thread, 1, KEYS, without=["key", "at"])
    record.set("t1", 1, body=record.at("t1", 1)["body"].replace(b"acme", b"evil"))
    report = record.verify()
    assert (report.status, record.found()) == ("tampered", [("t1", 1, "edited")])


def test_a_newer_version_is_no_tampering(record):
    """An event that the holder of the key wrote in a version that is not known here cannot be told."""
    record.write("t3", ["opened"])
    record.forge("t3", 1, KEYS, v=2)
    report = record.verify()
    assert (report.status, record.found()) == ("undecided", [("t3", 1, "unknown_version")])
    assert "version 2" in report.flaws[0].words


def test_a_version_that_somebody_else_wrote_is_an_edit(record):
    """Without the key no version is a new one."""
    record.write("t3", ["opened"])
    record.set("t3", 1, body=record.at("t3", 1)["body"].replace(b'"v":1}', b'"v":2}'))
    assert record.found() == [("t3", 1, "edited")]


# ---- rows that cannot be read


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "column", ["at = 'yesterday'", "seq = 'three'", "hash = CAST(x'41' AS BLOB)", "body = 5"],
)  # fmt: skip
def test_a_row_of_another_kind_is_named(record, column):
    """A column that holds something else than it can is named, and does not end the reading."""
    record.sql(f"UPDATE audit SET {column} WHERE thread = 't2' AND seq = 6")
    report = record.verify()
    assert [(flaw.thread, flaw.kind) for flaw in report.flaws] == [("t2", "unreadable")]
    assert report.status == "undecided"
    assert report.events == 18


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("column", ["thread", "tenant", "kind", "hash"])
def test_text_that_is_none_is_named(record, column):
    """Bytes that are no UTF-8 in a column of text are named like any other edit."""
    record.sql(f"UPDATE audit SET {column} = CAST(x'74ff' AS TEXT) WHERE thread = 't1' AND seq = 3")
    report = record.verify()
    assert report.status == "tampered"
    assert report.events == 18
    assert any(flaw.thread == "t1" and flaw.seq == 3 for flaw in report.flaws)
    assert orjson.dumps(report.as_json())


def test_a_database_that_cannot_be_read_is_an_error(record):
    """It is neither whole nor tampered."""
    record.sql("DROP TABLE audit")
    with pytest.raises(StoreError):
        record.verify()


# ---- seals


def line(record, n):
    (row,) = [row for row in record.rows("seals") if row["n"] == n]
    return row["line"]


def test_every_byte_of_a_seal_counts(record):
    """A seal with any one byte changed is named, or cannot be read."""
    kept = line(record, 2)
    for place in range(0, len(kept), 7):
        changed = kept[:place] + bytes([kept[place] ^ 0x20]) + kept[place + 1 :]
        record.sql("UPDATE seals SET line = :line WHERE n = 2", line=changed)
        report = record.verify()
        assert report.status != "whole" and report.proven.n == 1, changed
    record.sql("UPDATE seals SET line = :line WHERE n = 2", line=kept)
    assert record.verify().status == "whole"


@pytest.mark.parametrize("change", [{"at": "2026-01-05T13:20:04.000+00:00"}, {"events": 3}, {"signature": "0" * 128}])
def test_a_seal_says_nothing_that_was_not_signed(record, change):
    """A newest seal with another time, count or signature, and all else as it was, was edited."""
    kept = Seal.parse(line(record, 2))
    other = Seal(**{name: getattr(kept, name) for name in Seal.__dataclass_fields__} | change)
    record.sql("UPDATE seals SET line = :line WHERE n = 2", line=other.line)
    report = record.verify()
    assert [(flaw.n, flaw.words) for flaw in report.seal_flaws] == [(2, "was edited: its signature does not fit")]
    assert (report.status, report.proven.n) == ("tampered", 1)


@pytest.mark.parametrize(
    ("statement", "n", "words", "proven"),
    [
        ("DELETE FROM seals WHERE n = 1", 1, "is missing", None),
        ("DELETE FROM seals WHERE n = 2", 2, "is missing", 1),
        ("UPDATE seals SET n = 3 WHERE n = 2", 2, "is missing", 1),
        ("UPDATE seals SET line = (SELECT line FROM seals WHERE n = 1) WHERE n = 2", 2, "signature", 1),
        ("DELETE FROM sealed_heads WHERE seal = 2", 2, "heads are gone", 1),
        ("DELETE FROM sealed_heads WHERE seal = 1 AND thread = 't2'", 1, "not those that were sealed", None),
        ("UPDATE sealed_heads SET seq = 4 WHERE seal = 1 AND thread = 't2'", 1, "not those that were sealed", None),
        ("UPDATE sealed_heads SET places = hash WHERE seal = 2", 2, "not those that were sealed", 1),
        ("UPDATE sealed_heads SET seal = 2 WHERE seal = 1 AND thread = 't2'", 1, "not those that were sealed", None),
    ],
)  # fmt: skip
def test_what_was_changed_in_the_seals_is_named(record, statement, n, words, proven):
    """A seal that is missing, moved, copied, or whose kept heads are others is named; those before it stay proven."""
    record.sql(statement)
    report = record.verify()
    assert report.status == "tampered"
    assert min((flaw.n, flaw.words) for flaw in report.seal_flaws)[0] == n
    assert any(words in flaw.words for flaw in report.seal_flaws if flaw.n == n)
    assert (report.proven.n if report.proven else None) == proven


def test_a_seal_of_somebody_else_proves_nothing(record):
    """A well-formed seal under a key that is not known here cannot be told, and does not prove."""
    record.sql("DELETE FROM seals WHERE n = 2")
    stranger = Sealer(STRANGER).seal(before=line(record, 1), at="2026", chains=1, events=2, root=b"r" * 32)
    record.sql("INSERT INTO seals (n, line) VALUES (2, :line)", line=stranger.line)
    report = record.verify()
    assert [(flaw.n, flaw.undecided) for flaw in report.seal_flaws] == [(2, True), (2, False)]
    assert "not known here" in report.seal_flaws[0].words
    assert report.proven.n == 1


def test_a_seal_that_follows_another_is_named(record):
    """A genuine seal that was made after another first seal does not fit."""
    first = Seal.parse(line(record, 1))
    other = Sealer(KEYS).seal(before=None, at="2026", chains=3, events=15, root=bytes.fromhex(first.root))
    record.sql("UPDATE seals SET line = :line WHERE n = 1", line=other.line)
    report = record.verify()
    assert [(flaw.n, flaw.words) for flaw in report.seal_flaws] == [(2, "does not follow the seal before it")]
    assert report.proven.n == 1


def test_a_seal_of_a_newer_release_is_no_tampering(record):
    """It cannot be told, and what is before it stays proven."""
    record.sql("UPDATE seals SET line = :line WHERE n = 2", line=line(record, 2).replace(b'"v":1}', b'"v":2}'))
    report = record.verify()
    assert (report.status, report.proven.n) == ("undecided", 1)


# ---- seals that were kept elsewhere


def test_a_database_that_was_cut_together_with_its_seals_is_found_by_a_seal_kept_outside(record):
    """By itself the rest is whole; the seal that is kept elsewhere says that there was more."""
    first, second = (Seal.parse(line(record, n)) for n in (1, 2))
    assert record.verify(outside=[first, second]).status == "whole"
    record.drop("t1", first=6)
    record.sql("DELETE FROM seals WHERE n = 2")
    record.sql("DELETE FROM sealed_heads WHERE seal = 2")
    assert record.verify().status == "whole"
    report = record.verify(outside=[first, second])
    assert (report.status, report.proven.n) == ("tampered", 1)
    assert [flaw.n for flaw in report.seal_flaws] == [2]
    assert "cut off" in report.seal_flaws[0].words


def test_a_record_that_was_sealed_anew_with_the_key_is_found_by_a_seal_kept_outside(record):
    """Somebody with the database and the key writes another history and seals it; a seal kept elsewhere is another."""
    kept = Seal.parse(line(record, 1))
    for table in ("audit", "seals", "sealed_heads"):
        record.sql(f"DELETE FROM {table}")
    record.write("t1")
    record.seal()
    assert record.verify().status == "whole"
    report = record.verify(outside=[kept])
    assert (report.status, report.proven) == ("tampered", None)


def test_a_forged_seal_from_outside_accuses_nobody(record):
    """A line that nobody here signed says nothing about the database."""
    kept = Seal.parse(line(record, 1))
    forged = Sealer(STRANGER).seal(before=None, at="2026", chains=1, events=1, root=b"r" * 32)
    edited = Seal(**{**{name: getattr(kept, name) for name in Seal.__dataclass_fields__}, "events": 99})
    for outside in (forged, edited):
        report = record.verify(outside=[outside])
        assert report.status == "undecided" and report.seal_flaws[0].undecided


def test_sealed_heads_are_kept_once(record):
    """Each new seal keeps the heads of the chains that changed, and no others."""
    heads = {(row["seal"], row["thread"], row["seq"]) for row in record.rows(SEALED_HEADS.name)}
    assert heads == {(1, "t1", 5), (1, "t2", 5), (1, "system/acme", 5), (2, "t1", 7)}


def test_the_hash_of_an_event_is_the_documented_one(store):
    """HMAC-SHA256 of the stored bytes under the key of the chains; the key's name is in the bytes."""
    record = Record(store)
    record.write("t1", ["opened"])
    row = record.at("t1", 1)
    assert row["hash"] == hmac.new(KEYS.derive("audit"), row["body"], "sha256").hexdigest()
    assert orjson.loads(row["body"])["at"] == row["at"] == NOW_MS + 1
