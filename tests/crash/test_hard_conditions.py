"""The ground gives way in the middle of a call: the disk is full, the database is locked or may not be written any more."""

from __future__ import annotations

import logging
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from agent_guard.databases import sqlite as kind
from agent_guard.databases.locks import SCHEMA
from agent_guard.errors import AgentGuardError, StoreError
from agent_guard.migrations import configuration, upgrade
from agent_guard.store import REVISION, VERSION_TABLE, Store, metadata
from tests.crash.harness import KILLED, Nursery, kill
from tests.crash.office import LATER_S, Office, Place, opened, proposing
from tests.crash.test_kill_points import asked, ended, judge, lived, survived
from tests.steps import Steps

TOOL = "deal.move"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Files of one test."""
    return Place(str(tmp_path), f"sqlite:///{tmp_path}/guard.db", f"sqlite:///{tmp_path}/threads.db")


@pytest.fixture
def anywhere(database: Any, tmp_path: Path) -> Place:
    """The databases of one test, on either kind."""
    return Place(str(tmp_path), database.shared, database.checkpoints)


def every_connection(statement: str, wanted: Callable[[], bool] = lambda: True) -> None:
    """In a process of its own: said to each connection before it is used, as a condition of the machine would be."""
    driver_of = kind._driver

    def said(connection: sa.Connection) -> sqlite3.Connection:
        driver = driver_of(connection)
        if wanted():
            driver.execute(statement)
        return driver

    kind._driver = said


def tried(
    place: Place, name: str, question: str, steps: Steps | None = None, ground: Callable[[], object] = lambda: None
) -> tuple[str, list[str]]:
    """The approval, whatever becomes of it: ``status code`` or what the error says, and what was logged.

    Args:
        ground: what happens once everything is open.
    """
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("agent_guard")
    log.addHandler(handler)
    try:
        with opened(place, proposing(TOOL), steps=steps, door="session") as office:
            ground()
            try:
                told = office.approve(name, question)
            except AgentGuardError as error:
                assert isinstance(error, StoreError), error
                return str(error), said
    finally:
        log.removeHandler(handler)
    return f"{told.status} {told.code}", said


def full(place: Place, name: str, question: str, pages: int) -> tuple[str, list[str]]:
    """The disk has this many pages left for the guard's database."""
    with closing(sqlite3.connect(place.url.removeprefix("sqlite:///"))) as connection:
        taken, free = (connection.execute(f"PRAGMA {word}").fetchone()[0] for word in ("page_count", "freelist_count"))
    every_connection(f"PRAGMA max_page_count = {taken + max(0, pages - free)}")
    return tried(place, name, question)


def bounded(place: Place, name: str, question: str, kilobytes: int) -> tuple[str, list[str]]:
    """No file may be written beyond so many kilobytes; a write-ahead log begins at none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    bound = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (1024 * kilobytes, hard))
    try:
        return tried(place, name, question, ground=bound)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def read_only(place: Place, name: str, question: str, at: int) -> tuple[str, list[str]]:
    """From a step on the database may not be written."""
    reached = [False]
    every_connection("PRAGMA query_only = ON", lambda: reached[0])

    def see(n: int, _name: str, _writing: bool) -> None:
        reached[0] = reached[0] or n >= at

    return tried(place, name, question, Steps(see))


def judged(told: Callable[..., Any], place: Place, names: dict[str, Any]) -> None:
    """With everything in order again: each call happened once, or a person was called, and it happens when it is asked
    for again or is unknown.
    """
    for later_s in (0, LATER_S):
        for name, found in told(survived, place, TOOL, "session", list(names), later_s).items():
            stopped = found["code"] == "store_unavailable" and found["status"] == "escalated"
            judge(found, names[name], over=later_s > 0 and not stopped)
    for name, found in told(ended, place, TOOL, list(names), True).items():
        judge(found, names[name], over=False)
        certain = [state for state in found["states"] if state in ("done", "unknown")]
        assert len(certain) == 1, (names[name], found)


@pytest.mark.req("A8", "B7")
def test_a_full_disk_stops_the_call_and_says_so(nursery: Nursery, place: Place) -> None:
    """Wherever in a call the disk has no page left: it stops with advice, nothing is lost, nothing is done twice."""
    names = {f"t{pages + 1}": f"{pages} pages" for pages in range(12)}
    questions = nursery.told(asked, place, TOOL, "session", list(names))
    told = [nursery.told(full, place, name, questions[name], n) for n, name in enumerate(names)]
    stopped = [words for words, _ in told if words != "delivered None"]
    assert stopped
    assert told[-1][0] == "delivered None", "twelve pages are enough"
    for words, said in told:
        assert words == "delivered None" or "free some disk space" in " ".join([words, *said]), (words, said)
    judged(nursery.told, place, names)


@pytest.mark.req("A8", "B7")
def test_a_file_that_cannot_grow_stops_the_call(nursery: Nursery, place: Place) -> None:
    """A quota on the size of files, of the guard's or of the checkpoints: as a full disk."""
    names = {f"t{n}": f"{50 * n} kB" for n in range(1, 13)}
    questions = nursery.told(asked, place, TOOL, "session", list(names))
    told = [nursery.told(bounded, place, name, questions[name], 50 * n) for n, name in enumerate(names, 1)]
    assert [words for words, _ in told if words == "delivered None"], told
    stopped = [" ".join([words, *said]) for words, said in told if words != "delivered None"]
    assert stopped
    assert all("disk" in words or "full" in words for words in stopped), stopped
    judged(nursery.told, place, names)


def locked(place: Place, name: str, question: str, at: int) -> tuple[str, list[str]]:
    """From a step on another process holds the lock of the guard's database, for longer than anybody waits."""
    other = sqlite3.connect(place.url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)

    def hold(n: int, _name: str, writing: bool) -> None:
        if n >= at and not writing and not other.in_transaction:
            other.execute("BEGIN IMMEDIATE")

    with closing(other), short_patience():
        return tried(place, name, question, Steps(hold))


def removed(place: Place, name: str, question: str, at: int) -> tuple[str, list[str]]:
    """At a step somebody moves the database's file away, and puts it back when the call is over."""
    path = Path(place.url.removeprefix("sqlite:///"))

    def move(n: int, _name: str, writing: bool) -> None:
        if n >= at and not writing and path.exists():
            path.rename(f"{path}.away")

    try:
        return tried(place, name, question, Steps(move))
    finally:
        if Path(f"{path}.away").exists():
            assert not path.exists(), "nobody made a new one in its place"
            Path(f"{path}.away").rename(path)


@contextmanager
def short_patience() -> Iterator[None]:
    """Nobody waits for a lock for seconds here: a gateway opened meanwhile waits for a moment."""
    real = Store.__init__

    def init(self: Store, url: str) -> None:
        real(self, url, lock_wait_s=0.02)

    Store.__init__ = init  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Store.__init__ = real  # type: ignore[method-assign]


@pytest.mark.req("A8", "B7")
def test_a_locked_database_stops_the_call(nursery: Nursery, place: Place) -> None:
    """From any step on somebody else holds the lock: no claim means no run, and the reason is told."""
    first = nursery.told(asked, place, TOOL, "session", ["t0"])["t0"]
    steps = nursery.told(lived, place, TOOL, "session", "t0", first, None)
    names = {f"t{n + 1}": f"from step {n}: {steps[n]}" for n in range(0, len(steps), 6)}
    questions = nursery.told(asked, place, TOOL, "session", list(names))
    for name in names:
        words, said = nursery.told(locked, place, name, questions[name], int(name[1:]) - 1)
        assert words == "delivered None" or "find the process that holds it" in " ".join([words, *said]), (words, said)
    judged(nursery.told, place, names)


@pytest.mark.req("A8", "B7")
def test_a_database_that_is_moved_away_stops_the_call(nursery: Nursery, place: Place) -> None:
    """A file that lost its name is not written any more, although SQLite would: what happened is known when it is back."""
    first = nursery.told(asked, place, TOOL, "session", ["t0"])["t0"]
    steps = nursery.told(lived, place, TOOL, "session", "t0", first, None)
    last = max(n for n, step in enumerate(steps) if step in ("read begins", "write begins"))
    names = {f"t{n + 1}": f"at step {n}: {steps[n]}" for n in range(0, last, 6)}
    questions = nursery.told(asked, place, TOOL, "session", list(names))
    for name in names:
        words, said = nursery.told(removed, place, name, questions[name], int(name[1:]) - 1)
        assert "removed or replaced" in " ".join([words, *said]), (words, said)
    judged(nursery.told, place, names)


@pytest.mark.req("A8", "B7")
def test_a_database_that_may_not_be_written_any_more_stops_the_call(nursery: Nursery, place: Place) -> None:
    """From any step on: no claim means no run, and an outcome that cannot be written down is unknown."""
    first = nursery.told(asked, place, TOOL, "session", ["t0"])["t0"]
    steps = nursery.told(lived, place, TOOL, "session", "t0", first, None)
    names = {f"t{n + 1}": f"from step {n}: {steps[n]}" for n in range(0, len(steps), 4)}
    questions = nursery.told(asked, place, TOOL, "session", list(names))
    for name in names:
        words, said = nursery.told(read_only, place, name, questions[name], int(name[1:]) - 1)
        assert words == "delivered None" or "make the file" in " ".join([words, *said]), (words, said)
    judged(nursery.told, place, names)


# ---- two versions of the schema


@pytest.mark.req("A12")
@pytest.mark.databases
def test_a_pause_outlives_an_upgrade(anywhere: Place) -> None:
    """A question that was asked before a revision is answered after it: an older schema is refused with the command."""
    place = anywhere
    with opened(place, proposing(TOOL), door="session") as office:
        question = office.send("t1").question
        assert question
    with closing(Store(place.url)) as store:
        config = configuration()
        with store.write(locks=[SCHEMA], durable=True) as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "0002")
    with pytest.raises(StoreError, match=r"has the revision 0002.*agent-guard db upgrade"):
        Office(place, proposing(TOOL))
    with closing(Store(place.url)) as store:
        upgrade(store)
    for _ in range(2):
        with opened(place, proposing(TOOL), door="session") as office:
            assert office.approve("t1", question).status == "delivered"
            assert len(office.desk.effects("t1")) == 1
            assert office.broken("t1") == []


@pytest.mark.req("A8", "A12")
@pytest.mark.databases
def test_the_schema_of_a_newer_release_is_refused(anywhere: Place) -> None:
    """Nothing is written to it, and nobody is told to upgrade what is newer already; the release that made it goes on."""
    with opened(anywhere, proposing(TOOL), door="session") as office:
        question = office.send("t1").question
    assert question
    with closing(Store(anywhere.url)) as store:

        def says(revision: str) -> list[list[tuple[Any, ...]]]:
            """What every table holds, once the schema is called so."""
            with store.write(locks=[SCHEMA], durable=True) as connection:
                connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")
            return held()

        def held() -> list[list[tuple[Any, ...]]]:
            with store.read() as connection:
                every = [connection.exec_driver_sql(f"SELECT * FROM {name}") for name in sorted(metadata.tables)]
                return [sorted((tuple(row) for row in rows), key=repr) for rows in every]

        before = says("9999")
        assert any(before)
        with pytest.raises(StoreError, match=r"has the revision 9999.*a newer release wrote it") as refused:
            Office(anywhere, proposing(TOOL))
        assert "upgrade" not in str(refused.value)
        assert held() == before
        says(REVISION)
    with opened(anywhere, proposing(TOOL), door="session") as office:
        assert office.approve("t1", question).status == "delivered"
        assert len(office.desk.effects("t1")) == 1


# ---- a clock that goes back


@pytest.mark.req("A6", "A8", "B7")
@pytest.mark.databases
@pytest.mark.parametrize("back_s", [1, 26 * 3600], ids=["a second", "a day"])
def test_a_clock_that_goes_back_does_nothing_twice(nursery: Nursery, anywhere: Place, back_s: int) -> None:
    """A question is answered, a killed call is taken up and the same is asked for again, all before their own time."""
    names = {"t1": "answered", "t2": "killed"}
    questions = nursery.told(asked, anywhere, TOOL, "session", list(names))
    assert nursery.told(earlier, anywhere, "t1", questions["t1"], -back_s) == ("delivered", 1)
    assert nursery.run(killed_after_its_effect, anywhere, "t2", questions["t2"]).code == KILLED
    assert nursery.told(earlier, anywhere, "t2", None, -back_s)[1] == 1
    found = nursery.told(survived, anywhere, TOOL, "session", list(names), -back_s)
    assert [found[name]["effects"] for name in names] == [1, 1]
    assert found["t2"]["states"] == ["claimed"], "nobody says that it is over while its time has not come"
    judged(nursery.told, anywhere, names)
    for name, left in nursery.told(survived, anywhere, TOOL, "session", list(names), -back_s).items():
        judge(left, names[name], over=False)


def earlier(place: Place, name: str, question: str | None, later_s: float) -> tuple[str, int]:
    """The answer, or what can be taken up without one, by another clock; where the thread stands, and its effects."""
    with opened(place, proposing(TOOL), door="session", later_s=later_s) as office:
        told = office.approve(name, question) if question else office.carry_on(name)
        return told.status, len(office.desk.effects(name))


def killed_after_its_effect(place: Place, name: str, question: str) -> None:
    """The process ends between what it did and the record of it."""
    with opened(place, proposing(TOOL), door="session") as office:
        office.desk.after = kill
        office.approve(name, question)
