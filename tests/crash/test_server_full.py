"""The server's disk is full in the middle of a call: it stops and says so, and goes on when there is space again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
import pytest

from tests.crash.desk import Desk
from tests.crash.office import Place
from tests.crash.test_hard_conditions import TOOL, judged, tried
from tests.crash.test_kill_points import asked
from tests.postgres import MISSING, QUICK, Server, binaries
from tests.steps import Steps

pytestmark = pytest.mark.req("A8", "B7")

SIZE = 1 << 20
"""How large a file may become, in bytes: as large as those of this server's log always are."""

TABLES = {"calls": "created", "audit": "at", "meter": "at", "approvals": "created", "checkpoint_writes": "idx"}
"""What an answer is carried out in, each with one of its columns."""


@pytest.fixture(scope="module")
def small() -> Iterator[Server]:
    """A server that can be told to run out of space."""
    if binaries() is None:
        pytest.skip(MISSING)
    made = Server(log_mb=1, **QUICK)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def waiting(small: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, str]]:
    """Conversations that wait for an answer."""
    url = small.fresh()
    place = Place(str(tmp_path_factory.mktemp("full")), url, url)
    return place, asked(place, TOOL, "session", [f"t{n}" for n in range(20)])


def connected(url: str) -> Any:
    """A connection of its own."""
    return closing(psycopg.connect(url.replace("+psycopg", ""), autocommit=True))


@contextmanager
def filling(server: Server, url: str, table: str) -> Iterator[Callable[[], None]]:
    """What fills a table, so that it takes no row more; at the end there is space again."""
    with connected(url) as other, connected(url) as old:

        def fill() -> None:
            """Every change leaves the row of before behind, as long as somebody may see it."""
            old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            old.execute("SELECT 1")
            server.bound(SIZE + 100)  # where a part of a page fits still, PostgreSQL 15 calls it a full disk
            same = f"{TABLES[table]} = {TABLES[table]}"
            with suppress(psycopg.errors.DiskFull, psycopg.errors.InternalError):
                other.execute(f"DO $$ BEGIN LOOP UPDATE {table} SET {same}; COMMIT; END LOOP; END $$")

        try:
            yield fill
        finally:
            server.bound(None)
            old.execute("ROLLBACK")
            other.execute(f"VACUUM FULL {table}")


def here(work: Callable[..., Any], *given: Any) -> Any:
    """Does it in this process."""
    return work(*given)


def told_why(words: str, said: list[str]) -> bool:
    """Whether anybody heard of the disk; releases of PostgreSQL have two states for it."""
    told = " ".join([words, *said])
    return "its disk is full (53100); free some disk space" in told or "a disk or a quota may be full" in told


@pytest.mark.parametrize("table", TABLES)
def test_a_full_disk_before_the_claim_stops_the_call(
    small: Server, waiting: tuple[Place, dict[str, str]], table: str
) -> None:
    """Whatever cannot be written, it is told; with space again the same thread goes on, and the call happens once."""
    place, questions = waiting
    name = f"t{list(TABLES).index(table)}"
    with filling(small, place.url, table) as fill:
        words, said = tried(place, name, questions[name], ground=fill)
        effects = len(Desk(place.folder).effects(name))
    assert words != "delivered None" and told_why(words, said), (words, said)
    assert effects == (table == "checkpoint_writes"), "what can be claimed and settled runs"
    judged(here, place, {name: table})
    assert len(Desk(place.folder).effects(name)) == 1


@pytest.mark.parametrize("table", ["calls", "audit"])
def test_a_full_disk_while_the_tool_runs_leaves_an_unknown_call(
    small: Server, waiting: tuple[Place, dict[str, str]], table: str
) -> None:
    """What was done cannot be written down: nobody does it again, and a person is called."""
    place, questions = waiting
    name = f"t{10 + list(TABLES).index(table)}"
    with filling(small, place.url, table) as fill:
        words, said = tried(
            place, name, questions[name], Steps(lambda _n, step, _w: fill() if step == "effect begins" else None)
        )
    assert words == "escalated store_unavailable" and told_why(words, said), (words, said)
    assert len(Desk(place.folder).effects(name)) == 1
    judged(here, place, {name: table})
    assert len(Desk(place.folder).effects(name)) == 1


def test_a_log_that_cannot_grow_ends_the_server_and_loses_nothing(
    small: Server, waiting: tuple[Place, dict[str, str]]
) -> None:
    """The server gives up where it cannot write its log: the call stops; when it is started again the thread goes on."""
    place, questions = waiting
    words, said = tried(place, "t19", questions["t19"], ground=lambda: small.bound(4096))
    assert words != "delivered None" and "does not answer" in " ".join([words, *said]), (words, said)
    with suppress(AssertionError):  # it may have ended already
        small.kill()
    small.start()
    judged(here, place, {"t19": "log"})
    assert len(Desk(place.folder).effects("t19")) == 1
