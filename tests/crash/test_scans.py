"""A scan by real processes on one PostgreSQL: no finding twice, no message twice, and a dead one's part is finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent_guard.scanning import LEASE_S
from tests.conftest import Database
from tests.crash.harness import KILLED, Ended, Nursery
from tests.crash.scanners import COLLEAGUES, Moment, Place, Stood, filled, make_world, scan, stood, warm
from tools.crm.anchors import STAFF

pytestmark = [pytest.mark.databases("postgres"), pytest.mark.req("A26", "A29", "B7")]


@pytest.fixture(scope="module", name="nursery")
def _nursery() -> Iterator[Nursery]:
    with Nursery(warm) as made:
        yield made


@pytest.fixture(name="place")
def _place(database: Database, tmp_path: Path) -> Place:
    return Place(str(tmp_path), database.shared, database.empty())


def at_once(nursery: Nursery, place: Place, moment: Moment, count: int) -> list[Ended]:
    """So many processes that scan together, each with a part in its hands before any reads a page."""
    jobs = [nursery.begin(scan, place, moment, count) for _ in range(count)]
    ended = [nursery.wait(job) for job in jobs]
    assert all(isinstance(item, Ended) for item in ended)
    return ended  # type: ignore[return-value]


def check(left: Stood, posts: list[str]) -> None:
    """Every finding is a row and stands in one event, every page was written once, and each owner's message left once."""
    assert left.undone == []
    assert {ref: part for ref, (part, _, _) in left.rows.items()} == left.expected
    assert left.logged == Counter(left.expected.values())
    assert all(pages == list(range(1, len(pages) + 1)) for pages in left.pages.values())
    assert max(Counter(posts).values()) == 1


@pytest.mark.parametrize(("scenario", "count"), [("forgotten_deal", 4), ("account_health", 2)])
def test_processes_share_a_scan(nursery: Nursery, place: Place, scenario: str, count: int) -> None:
    """Six owners, two or four processes: each takes parts, together they take each once, and nothing is left."""
    place = replace(place, scenario=scenario)
    nursery.told(filled, place)
    ended = at_once(nursery, place, "never", count)
    assert [item.code for item in ended] == [0] * count
    assert all(item.told for item in ended), "one of them found nothing to do"
    parts = Counter(part for item in ended for part in item.told)
    left = nursery.told(stood, place)
    check(left, place.noted("posts"))
    assert set(parts.values()) == {1} and len(parts) == 6
    assert {part for part, told, _ in left.rows.values() if told} == set(named(place))


@pytest.mark.parametrize(
    ("scenario", "moment", "count"),
    [
        ("forgotten_deal", "a page is written", 4),
        ("forgotten_deal", "the message is about to leave", 2),
        ("account_health", "the message left", 4),
        ("account_health", "the message is settled", 2),
    ],
)
def test_one_is_killed_and_the_rest_finish(
    nursery: Nursery, place: Place, scenario: str, moment: Moment, count: int
) -> None:
    """The others do their own parts; when nobody has heard of the dead one for a minute, its part is gone on with where
    it stood. A message that left is not sent again, one that did not leave is sent, and its findings say that it was.
    """
    place = replace(place, scenario=scenario)
    nursery.told(filled, place)
    ended = at_once(nursery, place, moment, count)
    assert sorted(item.code for item in ended) == [KILLED, *[0] * (count - 1)]
    before = nursery.told(stood, place)
    (dead,) = before.undone
    jobs = [nursery.begin(scan, place, "never", 0, LEASE_S + 1) for _ in range(2)]
    finished = [part for job in jobs for part in nursery.wait(job).told]  # type: ignore[union-attr]
    assert finished == [dead]
    left = nursery.told(stood, place)
    check(left, place.noted("posts"))
    assert {part for part, told, _ in left.rows.values() if told} == set(named(place)) >= {dead}
    assert {why for _, told, why in left.rows.values() if not told} <= {"no_alarm"}
    assert left.calls["done"] == len(set(named(place))) and not {"claimed", "unknown"} & set(left.calls)


def named(place: Place) -> list[str]:
    """The owners that messages were about."""
    ids = {name: id_ for id_, name in COLLEAGUES.values()} | {one.name: one.id for one in STAFF}
    return [ids[post.partition(":")[0]] for post in place.noted("posts")]


def test_processes_that_start_at_once_make_one_world(nursery: Nursery, place: Place) -> None:
    """Four open the demo's systems in an empty database at the same moment: one fills it, all of them go on."""
    jobs = [nursery.begin(make_world, place) for _ in range(4)]
    assert [nursery.wait(job) for job in jobs] == [Ended(code=0, told=3)] * 4
