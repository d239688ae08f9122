"""The work of processes that share a scan: each has the whole application, and one of them dies at a given moment."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import insert, select, update

from agent_guard import scans
from agent_guard.app import Application
from agent_guard.scanning import Scanner
from agent_guard.settings import Settings
from agent_guard.testing import FixedClock
from tests.crash.harness import kill
from tests.crash.office import MASKER
from tools.crm.tables import deals, staff

__all__ = ["COLLEAGUES", "SCAN", "Moment", "Place", "Stood", "filled", "make_world", "scan", "stood", "warm"]

SCAN = "s1"
Moment = Literal[
    "never", "a page is written", "the message is about to leave", "the message left", "the message is settled"
]  # fmt: skip

COLLEAGUES = {
    "u-reed": ("u-lee", "Mary Lee"),
    "u-abenova": ("u-omarova", "Алия Омарова"),
    "u-nowak": ("u-kot", "Jan Kot"),
}
"""One more owner for each region, so that there are more parts than processes: id and name by the demo's own."""

TOGETHER = {count: multiprocessing.get_context("fork").Barrier(count) for count in (2, 4)}
"""Of so many processes each waits here, with a part in its hands, until all of them have one."""


@dataclass(frozen=True)
class Place:
    """Where a scan takes place; picklable.

    Args:
        folder: of the keys, and of what the processes note.
        guard, systems: urls of the databases.
    """

    folder: str
    guard: str
    systems: str
    scenario: str = ""

    def note(self, name: str, line: str) -> None:
        """A line in a file of all processes."""
        handle = os.open(Path(self.folder) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(handle, f"{line}\n".encode())
        os.close(handle)

    def noted(self, name: str) -> list[str]:
        """All lines of it."""
        path = Path(self.folder) / name
        return path.read_text().splitlines() if path.exists() else []

    def first(self) -> bool:
        """True for one process, once."""
        try:
            os.close(os.open(Path(self.folder) / "dies", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True


@contextmanager
def opened(place: Place, later_s: float = 0.0) -> Iterator[Application]:
    """The application in this process, by a clock that stands."""
    os.chdir(place.folder)
    clock = FixedClock()
    clock.forward(seconds=later_s)
    settings = Settings(
        database=place.guard,
        checkpoints=f"sqlite:///{place.folder}/threads.db",
        systems=place.systems,
        environment="dev",
    )
    application = Application(settings, masker=MASKER, clock=clock)
    yield application
    application.close()


def make_world(place: Place) -> int:
    """Opens the systems behind the tools where they may be empty; how many members of staff there are then."""
    from graphs import SCENARIOS

    TOGETHER[4].wait()
    world = SCENARIOS["forgotten_deal"].world(place.systems, FixedClock())
    with world.resources["crm"].reading() as connection:
        found = len(connection.execute(select(staff)).all())
    world.close()
    return found


def filled(place: Place) -> None:
    """Makes everything that processes share, with more owners than the demo has."""
    with opened(place) as application:
        crm = application.worlds["forgotten_deal"].resources["crm"]
        with crm.writing() as connection:
            for row in connection.execute(select(staff)).all():
                id_, name = COLLEAGUES[row.id]
                connection.execute(insert(staff), {"id": id_, "name": name, "region": row.region})
                ids = connection.scalars(select(deals.c.id).where(deals.c.region == row.region).order_by(deals.c.id))
                half = update(deals).where(deals.c.id.in_(ids.all()[::2]))
                connection.execute(half.values(owner_id=id_))


def scan(place: Place, moment: Moment, count: int, later_s: float = 0.0) -> list[str]:
    """Scans what nobody else does, and dies at a moment if it is the first that comes there; the parts it finished.

    Args:
        count: how many processes begin together; 0 for one that waits for nobody.
    """
    import_module(f"graphs.{place.scenario}.scan").PAGE = 3
    with opened(place, later_s) as application:
        whole = application.scan(place.scenario)
        held = not count
        post = application.worlds[place.scenario].resources["channel"].post

        def page(thread: Any, part: Any, after: Any) -> Any:
            nonlocal held
            if not held:
                held = True
                TOGETHER[count].wait()
            return whole.page(thread, part, after)

        def tell(thread: Any, part: Any, findings: Any) -> Any:
            told = whole.tell(thread, part, findings)
            if moment == "the message is settled" and told.refs and place.first():
                kill()
            return told

        def posting(notice: Any, *, key: str, secrets: Any) -> Any:
            if moment == "the message is about to leave" and place.first():
                kill()
            posted = post(notice, key=key, secrets=secrets)
            place.note("posts", notice.intro)
            if moment == "the message left" and place.first():
                kill()
            return posted

        application.worlds[place.scenario].resources["channel"].post = posting
        scanner = Scanner(application.gateway, replace(whole, page=page, tell=tell), id=SCAN)
        scanner.begin()
        finished = []
        for done in scanner.run():
            if moment == "a page is written" and not done.finished and done.pages == 2 and place.first():
                kill()
            finished += [done.part] if done.finished else []
        return finished


@dataclass(frozen=True, kw_only=True)
class Stood:
    """What stands in the databases.

    Args:
        undone: parts that are not finished.
        rows: ref -> the part that found it, whether somebody was told of it, and why not.
        logged: part -> how many findings the events of its pages name.
        pages: part -> the numbers of its pages, as the events name them.
        calls: state -> how many calls of the message there are.
        expected: ref -> its owner, as the CRM tells it when asked at once.
    """

    undone: list[str]
    rows: dict[str, tuple[str, bool, str | None]]
    logged: Mapping[str, int]
    pages: Mapping[str, list[int]]
    calls: Mapping[str, int]
    expected: dict[str, str]


def stood(place: Place) -> Stood:
    """Reads it all."""
    with opened(place) as application:
        gateway = application.gateway
        with gateway.store.read() as connection:
            undone = [row.part for row in scans.parts(connection, SCAN) if not row.done]
            columns = scans.FINDINGS.c
            found = connection.execute(select(columns.ref, columns.part, columns.told, columns.why)).all()
            calls = connection.exec_driver_sql(
                "SELECT state, count(*) FROM calls WHERE tool = 'alerts.slack' GROUP BY state"
            ).all()
        events = [event.data for event in gateway.audit.events() if event.data["kind"] == "found"]
        logged: Counter[str] = Counter()
        pages: dict[str, list[int]] = {}
        for data in events:
            logged[data["facts"]["part"]] += sum(data["facts"]["findings"].values())
            pages.setdefault(data["facts"]["part"], []).append(data["facts"]["page"])
        return Stood(
            undone=undone,
            rows={row.ref: (row.part, row.told is not None, row.why) for row in found},
            logged={part: count for part, count in logged.items() if count},
            pages=pages,
            calls=dict(tuple(row) for row in calls),
            expected=_expected(place.scenario, application.worlds[place.scenario].resources["overview"]),
        )


def _expected(scenario: str, overview: Any) -> dict[str, str]:
    from tools.stale_deals import RULE

    found: dict[str, str] = {}
    for region in ("us", "kz", "pl"):
        if scenario == "forgotten_deal":
            found |= {f"deal:{deal.id}": deal.owner_id for deal in overview.idle(RULE, region=region, limit=1000).deals}
        else:
            accounts = overview.accounts(region=region, limit=1000).accounts
            found |= {f"account:{item.id}": item.owner_id for item in accounts}
    return found


def warm() -> None:
    """Loads what every job needs, by one scan in a folder that is removed."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder, f"sqlite:///{folder}/guard.db", f"sqlite:///{folder}/crm.db", "forgotten_deal")
        filled(place)
        here = Path.cwd()
        scan(place, "never", 0)
        os.chdir(here)
