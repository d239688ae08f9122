"""A scan looks at everything of a kind in parts: page by page through the gateway, and at the end somebody is told.

    take a part -> read a page, write its findings, one event and the position in one transaction -> ... -> tell -> done

There is no model in it. Every read and the message go through the gateway under a policy that the host has for itself;
what a scan finds is logged whether somebody is told of it or not. Any number of processes may run the same scan: each
part is held by one at a time, and a part whose process died goes on where it stood as soon as nobody has heard of it
for :data:`LEASE_S` seconds. That a message is sent once is not this module's doing: its call has a key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agent_guard import ledger, scans
from agent_guard.databases.locks import chain_lock, scan_lock
from agent_guard.errors import ConfigError, ScanStopped
from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.recording.events import thread_event
from agent_guard.scans import NOBODY, Finding, PartRow
from agent_guard.types import JSON, Subject, ToolResult

__all__ = ["LEASE_S", "Done", "Page", "Part", "Scan", "Scanner", "Told", "stopped"]

LEASE_S = 60.0
"""How long a part is held without a sign of life, in seconds. Longer than a page and a message take at most."""

LOOKED = 200
"""How many findings are looked at a time for whom to tell of."""

ID_MAX, PART_MAX = 60, 30


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of what is scanned, e.g. the deals of one member of staff.

    Args:
        id: at most 30 characters.
        subject: on whose behalf it is read: a technical user with a role that the host's policy alone names.
        total: how many records it has, for a progress bar.
    """

    id: str
    subject: Subject
    total: int


@dataclass(frozen=True, kw_only=True)
class Page:
    """What one page held.

    Args:
        after: the position for the next page, or None after the last one.
    """

    findings: Sequence[Finding]
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Told:
    """Of what somebody was told.

    Args:
        refs: of these findings.
        trace: the call that told of them; None where there was none.
        why: finding -> why it was left out.
        rest: why nobody was told of all the others.
    """

    refs: Sequence[str] = ()
    trace: str | None = None
    why: Mapping[str, str] = field(default_factory=dict)
    rest: str = "list_full"


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What a scenario scans.

    Args:
        policy: name of the gateway's policy that it runs under.
        parts: what there is to look at now.
        page: reads one page of a part from a position (None: from the beginning), with ``thread.invoke``.
        tell: tells somebody of the findings it is given, the highest rank first; it takes as many as it wants.
    """

    policy: str
    parts: Callable[[], Sequence[Part]]
    page: Callable[[GuardedThread, Part, str | None], Page]
    tell: Callable[[GuardedThread, Part, Iterator[Finding]], Told]


@dataclass(frozen=True, kw_only=True)
class Done:
    """A page, or a part that is finished.

    Args:
        found: how many findings; of a finished part all of them.
        told: of a finished part: ``told`` and the reasons for silence -> how many.
    """

    part: str
    pages: int
    found: int
    finished: bool = False
    told: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        kind = "part" if self.finished else "page"
        return {"type": kind, "part": self.part, "pages": self.pages, "found": self.found, "told": dict(self.told)}


class Scanner:
    """Runs one scan, alone or beside other processes.

    Args:
        id: of the scan; the same id goes on with the same scan.

    Raises:
        ConfigError: the id, or a part's, is too long.
    """

    def __init__(self, gateway: Gateway, scan: Scan, *, id: str) -> None:
        if not 1 <= len(id) <= ID_MAX:
            raise ConfigError(f"a scan's id has 1 to {ID_MAX} characters")
        self._gateway, self._scan, self.id = gateway, scan, id
        self._me = gateway.new_id()
        self._parts: dict[str, Part] = {}

    def begin(self) -> list[PartRow]:
        """Writes the parts of the scan where nobody has yet, and returns them as they stand.

        Raises:
            StoreError, ToolUnavailable: a database cannot be used; nothing was begun.
        """
        with self._gateway.store.read() as connection:
            rows = scans.parts(connection, self.id)
        self._parts = {part.id: part for part in self._scan.parts()}
        if long := next((name for name in self._parts if len(name) > PART_MAX), None):
            raise ConfigError(f"the part {long!r} of the scan has a longer name than {PART_MAX} characters")
        if rows:
            return rows
        fresh = [self._row(part) for part in self._parts.values()]
        with self._gateway.store.write(locks=[scan_lock(self.id)]) as connection:
            scans.add_parts(connection, fresh)
            return scans.parts(connection, self.id)

    def run(self) -> Iterator[Done]:
        """Scans what nobody else does, part after part, and tells of each page.

        Raises:
            ScanStopped: a read or the message was refused; what is written stays, and the scan can go on later.
            StoreError: the guard's database cannot be used; the same.
        """
        while (row := self._take()) is not None:
            part = self._parts.get(row.part)
            try:
                left = row if part is None else (yield from self._pages(row, part))
                if left is not None:
                    yield self._told(left, part)
            finally:
                self._let_go(row)

    def undone(self) -> list[PartRow]:
        """Parts that are not finished: held by another process, or left over. Raises as :meth:`run`."""
        with self._gateway.store.read() as connection:
            return [row for row in scans.parts(connection, self.id) if not row.done]

    # ---- parts of it

    def _row(self, part: Part) -> PartRow:
        return PartRow(
            scan=self.id,
            part=part.id,
            scenario=self._scan.policy,
            tenant=part.subject.tenant,
            total=part.total,
            after=None,
            pages=0,
            read=False,
            done=False,
            owner=NOBODY,
            until=0,
        )

    def _take(self) -> PartRow | None:
        with self._gateway.store.write(locks=[scan_lock(self.id)]) as connection:
            return scans.take(connection, self.id, self._me, now_ms=self._gateway.now_ms(), until=self._until())

    def _until(self) -> int:
        return self._gateway.now_ms() + int(LEASE_S * 1000)

    def _pages(self, row: PartRow, part: Part) -> Generator[Done, None, PartRow | None]:
        """Reads what is left of a part; returns None where another process took it over meanwhile."""
        left: PartRow | None = row
        while left is not None and not left.read:
            thread = self._thread(part, f"{left.pages + 1}")
            page = self._scan.page(thread, part, left.after)
            left = self._write(left, thread, page)
            if left is not None:
                yield Done(part=part.id, pages=left.pages, found=len(page.findings))
        return left

    def _thread(self, part: Part, name: str) -> GuardedThread:
        # a conversation for each page: what one has seen is of no use to the next, and would only be searched
        thread_id = f"scan/{self.id}/{part.id}/{name}"
        return self._gateway.open(part.subject, thread_id=thread_id, scenario=self._scan.policy)

    def _write(self, row: PartRow, thread: GuardedThread, page: Page) -> PartRow | None:
        """One page in one transaction: its findings, one event, and how far the part is."""
        gateway, buckets = self._gateway, Counter(item.bucket for item in page.findings)
        event = thread_event(
            "found",
            thread.row,
            at=gateway.now(),
            environment=gateway.environment,
            agent=gateway.agent,
            facts={"scan": self.id, "part": row.part, "page": row.pages + 1, "findings": dict(buckets)},
            note=f"{len(page.findings)} findings",
        )
        with gateway.store.write(locks=[scan_lock(self.id), chain_lock(thread.id)]) as connection:
            values = {"after": page.after, "pages": row.pages + 1, "read": page.after is None, "until": self._until()}
            moved = scans.move(connection, row, **values)
            if moved is not None:
                scans.found(connection, row, page.findings, now_ms=gateway.now_ms())
                gateway.audit.append(connection, [event], now_ms=gateway.now_ms())
        return moved

    def _told(self, row: PartRow, part: Part | None) -> Done:
        """Tells somebody of a part's findings and finishes it. A part that is no more is finished in silence."""
        told = Told(rest="nobody") if part is None else self._tell(row, part)
        with self._gateway.store.write(locks=[scan_lock(self.id)]) as connection:
            scans.tell(connection, row, list(told.refs), told=told.trace, why=None)
            for why in sorted(set(told.why.values())):
                scans.tell(connection, row, [ref for ref, word in told.why.items() if word == why], told=None, why=why)
            scans.finish(connection, row, why=told.rest)
            scans.move(connection, row, done=True)
            counts = scans.counts(connection, self.id, row.part)
        return Done(part=row.part, pages=row.pages, found=sum(counts.values()), finished=True, told=counts)

    def _tell(self, row: PartRow, part: Part) -> Told:
        ahead = self._findings(row)
        first = next(ahead, None)
        if first is None:
            return Told()
        thread = self._thread(part, "message")
        self._settle(thread)
        return self._scan.tell(thread, part, _from(first, ahead))

    def _settle(self, thread: GuardedThread) -> None:
        """Asks what became of a message that a process had begun when it died: then nobody need guess."""
        with self._gateway.store.read() as connection:
            begun = ledger.listed(connection, thread=thread.id)
        for row in begun:
            if row.state in ("claimed", "unknown"):
                self._gateway.reconcile(row.trace_id)

    def _findings(self, row: PartRow) -> Iterator[Finding]:
        after: tuple[int, str] | None = None
        while True:
            with self._gateway.store.read() as connection:
                some = scans.waiting(connection, row, after=after, most=LOOKED)
            yield from some
            if len(some) < LOOKED:
                return
            after = (some[-1].rank, some[-1].ref)

    def _let_go(self, row: PartRow) -> None:
        """Leaves a part to whoever comes next; one that was lost to another process stays that one's."""
        with self._gateway.store.write(locks=[scan_lock(self.id)]) as connection:
            scans.move(connection, row, owner=NOBODY)


def _from(first: Finding, rest: Iterator[Finding]) -> Iterator[Finding]:
    yield first
    yield from rest


def stopped(result: ToolResult) -> ScanStopped:
    """Why a scan cannot go on: a call of it that did not run."""
    return ScanStopped(f"{result.tool}: {result.status} ({result.code}): {result.content}")
