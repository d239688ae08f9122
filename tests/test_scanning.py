"""A scan: pages, findings and position together, one process a part, killed and gone on with, told once."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from agent_guard import scans
from agent_guard.databases.locks import scan_lock
from agent_guard.errors import ConfigError, ScanStopped
from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.scanning import LEASE_S, LOOKED, Done, Page, Part, Scan, Scanner, Told, stopped
from agent_guard.scans import Finding
from tests.conftest import World

POLICY = "nightly"


def parts(*names: str) -> list[Part]:
    """Parts of the same seller."""
    return [Part(id=name, subject=World.sdr, total=10) for name in names]


class Shelf:
    """Numbers on shelves, three a page, read through the gateway; what was read and told is remembered."""

    def __init__(self, *names: str, size: int = 8, quiet: Sequence[int] = ()) -> None:
        self.names, self.size, self.quiet = names, size, quiet
        self.pages: list[tuple[str, str | None]] = []
        self.told: list[tuple[str, list[str]]] = []
        self.most = 2
        self.stop_at: tuple[str, str | None] | None = None

    def scan(self) -> Scan:
        return Scan(policy=POLICY, parts=lambda: parts(*self.names), page=self.page, tell=self.tell)

    def page(self, thread: GuardedThread, part: Part, after: str | None) -> Page:
        if self.stop_at == (part.id, after):
            raise stopped(thread.invoke("crm.read_deal", {"deal_id": "404"}, reason="no such deal"))
        read = thread.invoke("crm.read_deal", {"deal_id": "42"}, reason="the next page")
        assert read.status == "executed"
        self.pages.append((part.id, after))
        start = int(after or 0)
        some = range(start, min(start + 3, self.size))
        return Page(
            findings=[self.finding(part, n) for n in some], after=str(start + 3) if start + 3 < self.size else None
        )

    def finding(self, part: Part, n: int) -> Finding:
        why = "quiet" if n in self.quiet else None
        return Finding(ref=f"{part.id}:{n}", bucket="even" if n % 2 == 0 else "odd", rank=n, facts={"n": n}, why=why)

    def tell(self, thread: GuardedThread, part: Part, findings: Iterator[Finding]) -> Told:
        refs = [item.ref for item, _ in zip(findings, range(self.most), strict=False)]
        result = thread.invoke("crm.create_task", {"deal_id": "42", "subject": f"Look at {part.id}"}, reason="found")
        self.told.append((part.id, refs))
        if result.status == "duplicate":
            return Told(rest="told_before")
        assert result.status == "executed", result
        return Told(refs=refs, trace=result.trace_id, rest="list_full")


def opened(world: World) -> Gateway:
    """A gateway of the world's one database, at which tasks may be made on any deal of the seller's region."""
    return world.gateway(world.policy({"crm.create_task": {"bind": {"deal_id": "region"}}}), file=True)


@pytest.fixture(name="gateway")
def _gateway(world: World) -> Gateway:
    return opened(world)


def scanner(gateway: Gateway, shelf: Shelf, id: str = "s1") -> Scanner:
    made = Scanner(gateway, shelf.scan(), id=id)
    made.begin()
    return made


def findings(gateway: Gateway, id: str = "s1") -> list[Finding]:
    with gateway.store.read() as connection:
        return list(scans.of_scan(connection, id))


def events(gateway: Gateway) -> list[dict[str, Any]]:
    """The events of pages, in order of writing."""
    return [dict(event.data) for event in gateway.audit.events() if event.data["kind"] == "found"]


@pytest.mark.databases
@pytest.mark.req("A29", "A13")
def test_every_finding_is_a_row_and_every_page_an_event(world: World, gateway: Gateway) -> None:
    """Eight findings in three pages: eight rows, three events, one message about the first two."""
    shelf = Shelf("a", quiet=[7])
    done = list(scanner(gateway, shelf).run())
    rows = {item.ref: (item.why, item.told is not None) for item in findings(gateway)}
    assert rows == {
        "a:7": ("quiet", False), "a:6": (None, True), "a:5": (None, True),
        **{f"a:{n}": ("list_full", False) for n in range(5)},
    }  # fmt: skip
    assert [item["facts"]["findings"] for item in events(gateway)] == [
        {"even": 2, "odd": 1},
        {"odd": 2, "even": 1},
        {"even": 1, "odd": 1},
    ]
    assert [item["facts"]["page"] for item in events(gateway)] == [1, 2, 3]
    assert done[-1] == Done(part="a", pages=3, found=8, finished=True, told={"list_full": 5, "quiet": 1, "told": 2})
    assert [effect["kind"] for effect in world.desk.effects] == ["task"]
    assert all(list(gateway.audit.broken(item["thread"])) == [] for item in events(gateway))


@pytest.mark.databases
@pytest.mark.req("A29")
def test_a_finished_scan_does_nothing_again(world: World, gateway: Gateway) -> None:
    """The same id again reads nothing and tells nobody; another id is another scan, whose message is the same intent."""
    shelf = Shelf("a")
    list(scanner(gateway, shelf).run())
    read = len(shelf.pages)
    assert list(scanner(gateway, shelf).run()) == [] and len(shelf.pages) == read
    last = list(scanner(gateway, shelf, "s2").run())[-1]
    assert last.told == {"told_before": 8} and len(world.desk.effects) == 1


@pytest.mark.databases
@pytest.mark.req("A29")
def test_two_processes_share_the_parts(world: World, gateway: Gateway) -> None:
    """A part that one holds is not touched by the other; when all is done each was read once and told of once."""
    one, two = Shelf("a", "b", "c"), Shelf("a", "b", "c")
    first, second = scanner(gateway, one), scanner(opened(world), two)
    slow = first.run()
    next(slow)
    assert [done.part for done in second.run() if done.finished] == ["b", "c"]
    assert [row.part for row in second.undone()] == ["a"]
    assert [done.part for done in slow if done.finished] == ["a"]
    assert second.undone() == []
    assert sorted(one.told + two.told) == [("a", ["a:7", "a:6"]), ("b", ["b:7", "b:6"]), ("c", ["c:7", "c:6"])]
    assert len(findings(gateway)) == 24 and len(events(gateway)) == 9


@pytest.mark.databases
@pytest.mark.req("A29", "A8")
def test_a_part_that_was_lost_is_written_by_its_new_holder_alone(world: World, gateway: Gateway) -> None:
    """A process that slept longer than its hold writes nothing more of that part, neither page nor message."""
    one, two = Shelf("a"), Shelf("a")
    slow = scanner(gateway, one).run()
    next(slow)
    world.clock.forward(seconds=LEASE_S + 1)
    other = scanner(gateway, two).run()
    next(other)
    assert list(slow) == []
    assert [done.finished for done in other] == [False, True]
    assert one.told == [] and two.told == [("a", ["a:7", "a:6"])]
    assert len(findings(gateway)) == 8 and len(events(gateway)) == 3


@pytest.mark.databases
@pytest.mark.req("A29", "A8")
def test_what_was_told_stays_told_whoever_writes_later(world: World, gateway: Gateway) -> None:
    """A process sends its message, sleeps longer than its hold, and another finishes the part meanwhile: one message, and
    its findings say that it was sent.
    """
    one, two = Shelf("a"), Shelf("a")
    tell = one.tell

    def slow(thread: GuardedThread, part: Part, some: Iterator[Finding]) -> Told:
        told = tell(thread, part, some)
        world.clock.forward(seconds=LEASE_S + 1)
        assert list(scanner(opened(world), two).run())[-1].told == {"told_before": 8}
        return told

    one.tell = slow  # type: ignore[method-assign]
    list(scanner(gateway, one).run())
    rows = {item.ref: (item.why, item.told is not None) for item in findings(gateway)}
    assert {ref for ref, (_, told) in rows.items() if told} == {"a:7", "a:6"}
    assert len(world.desk.effects) == 1
    with gateway.store.write(locks=[scan_lock("s1")]) as connection:
        part = scans.parts(connection, "s1")[0]
        scans.tell(connection, part, ["a:7", "a:5"], told=None, why="outcome_unknown")
    rows = {item.ref: (item.why, item.told is not None) for item in findings(gateway)}
    assert (rows["a:7"], rows["a:5"]) == ((None, True), ("outcome_unknown", False))


@pytest.mark.databases
@pytest.mark.req("A8")
def test_a_refused_read_stops_the_scan_and_it_goes_on_later(gateway: Gateway) -> None:
    """What was written stays; the next run begins at the page that was refused."""
    shelf = Shelf("a")
    shelf.stop_at = ("a", "3")
    with pytest.raises(ScanStopped, match=r"crm.read_deal: denied \(record_not_found\)"):
        list(scanner(gateway, shelf).run())
    assert len(findings(gateway)) == 3
    shelf.stop_at = None
    list(scanner(gateway, shelf).run())
    assert shelf.pages == [("a", None), ("a", "3"), ("a", "6")] and len(findings(gateway)) == 8


@pytest.mark.req("A31")
def test_the_red_button_stops_a_scan(gateway: Gateway) -> None:
    """With the flag pressed no page is read; released, the scan goes on."""
    shelf = Shelf("a")
    gateway.press(reason="drill", by="boss")
    with pytest.raises(AssertionError):
        list(scanner(gateway, shelf).run())
    assert shelf.pages == [] and findings(gateway) == []
    gateway.revive(reason="over", by="boss")
    assert list(scanner(gateway, shelf).run())[-1].finished


def test_nothing_to_look_at_is_a_scan_that_is_over(gateway: Gateway) -> None:
    """Without a part there is nothing to do, no row and no message; a part without a finding tells nobody."""
    assert scanner(gateway, Shelf()).begin() == [] and list(scanner(gateway, Shelf()).run()) == []
    empty = Shelf("a", size=0)
    assert list(scanner(gateway, empty, "s2").run())[-1].told == {} and empty.told == []


def test_whoever_tells_is_given_all_findings_in_order(gateway: Gateway) -> None:
    """More findings than are looked at at a time come in one order, the highest rank first, none twice."""
    shelf = Shelf("a", size=2 * LOOKED + 5)
    shelf.most = 10**6
    list(scanner(gateway, shelf).run())
    assert shelf.told == [("a", [f"a:{n}" for n in reversed(range(2 * LOOKED + 5))])]


def test_a_part_that_is_no_more_is_finished_in_silence(gateway: Gateway) -> None:
    """Somebody who left between two runs is told nothing."""
    shelf = Shelf("a", "b")
    next(scanner(gateway, shelf).run())
    shelf.names = ("b",)
    done = {item.part: item.told for item in scanner(gateway, shelf).run() if item.finished}
    assert done["a"] == {"nobody": 3} and [part for part, _ in shelf.told] == ["b"]


@pytest.mark.parametrize("id", ["", "x" * 61])
def test_a_scans_id_is_short(gateway: Gateway, id: str) -> None:
    """An id that would not fit is refused, and so is a part's."""
    with pytest.raises(ConfigError):
        Scanner(gateway, Shelf("a").scan(), id=id)
    with pytest.raises(ConfigError, match="longer name"):
        Scanner(gateway, Shelf("p" * 31).scan(), id="s1").begin()


def _killed(home: tuple[str, str], when: str) -> None:
    """A process that dies in the middle of a scan: after a page, or when the message was sent and not written down."""
    world = World.at(home)
    shelf = Shelf("a")
    if when == "told":
        tell = shelf.tell

        def dies(thread: GuardedThread, part: Part, some: Iterator[Finding]) -> Told:
            tell(thread, part, some)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError

        shelf.tell = dies  # type: ignore[method-assign]
    made = Scanner(opened(world), shelf.scan(), id="s1")
    made.begin()
    for count, _ in enumerate(made.run(), 1):
        if when == "page" and count == 2:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.databases
@pytest.mark.req("A29", "A6")
@pytest.mark.parametrize(("when", "read"), [("page", [("a", "6")]), ("told", [])])
def test_a_killed_scan_goes_on_where_it_was_and_tells_nothing_twice(world: World, when: str, read: list[Any]) -> None:
    """After SIGKILL the rest is read and not one page twice; the message that had left is not sent again."""
    home = world.home
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(home, when))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    gateway, shelf = opened(world), Shelf("a")
    assert list(scanner(gateway, shelf).run()) == [], "the dead process still holds it"
    world.clock.forward(seconds=LEASE_S + 1)
    assert list(scanner(gateway, shelf).run())[-1].finished
    assert shelf.pages == read
    assert len(world.desk.effects) == 1 and len(findings(gateway)) == 8 and len(events(gateway)) == 3
