"""The judge of the load sees each law broken, one damage at a time."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.load.company import LIMITS, Place
from tests.load.laws import broken
from tests.load.work import Size, Told, finished, work

pytestmark = pytest.mark.req("A3", "A6")


def at(folder: Path) -> Place:
    return Place(str(folder), f"sqlite:///{folder}/guard.db")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    """One worker's work, finished; no process was killed."""
    folder = tmp_path_factory.mktemp("load")
    told = work(at(folder), 0, Size(workers=1, steps=70))
    left = finished(at(folder))
    return folder, Told(
        ends=told["ends"],
        ran=frozenset(told["ran"]),
        begun=frozenset(told["begun"]),
        asked=frozenset(told["asked"]),
        off=(0, 0),
        left=left,
    )


def effect(folder: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    path = folder / "desk.jsonl"
    lines = change([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def sql(statement: str, *values: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "guard.db")) as connection, connection:
            assert connection.execute(statement, values).rowcount > 0

    return damage


ONE = "(SELECT trace_id FROM calls WHERE tool = ? AND state = ? LIMIT 1)"
DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "an effect twice": (lambda folder: effect(folder, lambda all_: [*all_, all_[0]]), "L5: 1 keys have several"),
    "an effect of nobody": (
        lambda folder: effect(folder, lambda all_: [*all_, all_[0] | {"key": "x"}]), "L1: an effect belongs to no call",
    ),
    "an effect that is gone": (lambda folder: effect(folder, lambda all_: all_[1:]), "L5: a call is done, and its effect"),
    "a call left open": (
        sql("UPDATE calls SET state = 'approved' WHERE tool = 'deal.drop'"), "L5: calls are left open",
    ),
    "a call that nobody permitted": (
        sql("UPDATE calls SET state = 'suggested' WHERE tool = 'deal.drop'"), "L2: a tool that nobody permitted",
    ),
    "calls that are forgotten": (sql("DELETE FROM calls WHERE tool = 'deal.drop'"), "L5: a call is forgotten"),
    "more mails than may be": (
        lambda folder: effect(
            folder, lambda all_: [*all_, *({"tool": "mail.send", "key": f"k{n}"} for n in range(LIMITS["sends"]))]
        ),
        "limits:",
    ),
    "more money than may be": (
        lambda folder: effect(folder, lambda all_: [*all_, {"tool": "pay.spend", "key": "k", "amount": 99}]), "limits:",
    ),
    "an approval of something else": (
        sql("UPDATE approvals SET digest = 'sha256:0' WHERE answer = 'approve'"), "without an approval of exactly it",
    ),
    "an approval that was never used": (
        sql("UPDATE approvals SET used = NULL WHERE answer = 'approve'"), "without an approval of exactly it",
    ),
    "an approval by the requester": (
        sql("UPDATE approvals SET answered_by = requester WHERE answer = 'approve'"), "L6: note-0-",
    ),
    "a question that is gone": (sql("DELETE FROM approvals WHERE answer = 'reject'"), "L6: a question is forgotten"),
    "an event that was changed": (
        sql("UPDATE audit SET body = CAST(replace(CAST(body AS TEXT), 'allow', 'aIIow') AS BLOB) WHERE seq = 3"),
        "record: tampered",
    ),
    "an event that is gone": (sql("DELETE FROM audit WHERE kind = 'finished' AND seq > 4"), "record: "),
    "a decision that is not reached again": (
        sql("UPDATE policies SET rules = x'7b7d'"), "L3: of",
    ),
    "a raw value": (
        sql(f"UPDATE calls SET for_human = 'Zdzisława Kanarkowa' WHERE trace_id = {ONE}", "mail.send", "done"),
        "L4: the table calls",
    ),
}  # fmt: skip


def test_nothing_is_broken_where_nothing_is_damaged(done: tuple[Path, Told]) -> None:
    """The work of one worker holds every law."""
    folder, told = done
    assert broken(at(folder), told) == []


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_seen(done: tuple[Path, Told], tmp_path: Path, name: str) -> None:
    """Its law is named."""
    source, told = done
    folder = tmp_path / "load"
    shutil.copytree(source, folder)
    damage, words = DAMAGES[name]
    damage(folder)
    assert [law for law in broken(at(folder), told) if words in law], broken(at(folder), told)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"off": (3, 4)}, "L9: 1 drafts"),
        ({"ran": frozenset({"x"})}, "told of a call that ran"),
        ({"left": Counter(undone=2)}, "2 threads cannot go on"),
    ],
)
def test_what_the_workers_saw_counts(done: tuple[Path, Told], change: dict[str, Any], words: str) -> None:
    """What they were told must be in the databases."""
    folder, told = done
    assert [law for law in broken(at(folder), replace(told, **change)) if words in law]
