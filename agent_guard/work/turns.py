"""Whose turn it is to let a thread go on after an answer, or after a question that nobody answered in time.

    answered | expired  -> taken (a lease; the questions count as carried out) -> done (the lease is deleted)
                                                                               -> abandoned, tried again after a pause
                                                                               -> put aside after TRIES, for a person

Whoever dies in between leaves a lease that runs out, and the next one finds the thread where LangGraph's checkpoint
stands. That nothing happens twice is not this module's doing: the calls' rows see to it (law L5).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from agent_guard import approvals, calls, threads
from agent_guard.approvals import Approval
from agent_guard.audit import AuditEvent
from agent_guard.core import Core
from agent_guard.databases.locks import chain_lock
from agent_guard.errors import NewerRelease, StoreError, UnknownThread
from agent_guard.recording.events import error_json, thread_event
from agent_guard.types import Code
from agent_guard.work import leases
from agent_guard.work.leases import Lease

__all__ = [
    "BEAT_S", "LEASE_S", "PAUSES_S", "TRIES", "Standing", "aside", "due", "elsewhere", "ended", "give_way", "left",
    "mark_resumed", "put_aside", "retry", "standing", "turn", "undone",
]  # fmt: skip

LEASE_S = 60.0
"""How long a thread is held without a sign of life, in seconds. Longer than a claim holds (10 s of the slowest tool and
30 s), so that a call that ran when its process died has a known state, or is known to have none, when the thread is
taken up again."""

BEAT_S = 15.0
"""How often a living process gives a sign of life, in seconds."""

TRIES = 3
"""How often a thread is taken up in vain before it is put aside."""

PAUSES_S = (10.0, 60.0)
"""How long is waited after the first and the second try in vain, in seconds."""

log = logging.getLogger("agent_guard")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What stands in the way of a thread's next message.

    Args:
        waiting: the question that somebody must answer first.
        due: an answer was recorded and is not carried out yet, or somebody is just carrying one out.
        expired: a question ended without an answer, and the thread does not know yet.
    """

    waiting: Approval | None
    due: bool
    expired: bool


def standing(core: Core, thread: str) -> Standing:
    """What stands in the way of a thread's next message; all false where nothing does.

    Raises:
        StoreError: the database cannot be read.
    """
    with core.store.read() as connection:
        now = core.now_ms()
        lease = leases.find(connection, thread)
        over = approvals.ended(connection, thread, now_ms=now)
        waiting = approvals.waiting(connection, thread, now_ms=now)
    return Standing(
        waiting=waiting,
        due=lease is not None or any(item.answer is not None for item in over),
        expired=bool(over),
    )


def due(core: Core) -> list[str]:
    """Threads that somebody must let go on, the longest wait first; without those that are held or put aside.

    Raises:
        StoreError: the database cannot be read.
    """
    now = core.now_ms()
    since, held = _open(core, now)
    since |= {lease.thread: lease.until for lease in held if lease.until <= now and lease.aside is None}
    return sorted(since, key=lambda thread: (since[thread], thread))


def undone(core: Core) -> list[str]:
    """As :func:`due`, with the threads that were tried in vain and wait for a pause to end, and those put aside."""
    now = core.now_ms()
    since, held = _open(core, now)
    since |= {lease.thread: lease.until for lease in held if not lease.held(now)}
    return sorted(since, key=lambda thread: (since[thread], thread))


def aside(core: Core) -> list[Lease]:
    """The threads that were put aside."""
    with core.store.read() as connection:
        return [lease for lease in leases.every(connection) if lease.aside is not None]


def left(core: Core, thread: str) -> tuple[Lease | None, list[Approval]]:
    """The lease of a thread, if any, and its questions that were answered or have expired and are not carried out."""
    with core.store.read() as connection:
        return leases.find(connection, thread), approvals.ended(connection, thread, now_ms=core.now_ms())


def _open(core: Core, now: int) -> tuple[dict[str, int], list[Lease]]:
    """Threads whose questions ended and that nobody took, since when, and all leases; as of one moment."""
    with core.store.read() as connection:
        held = leases.every(connection)
        taken = {lease.thread for lease in held}
        return {k: at for k, at in approvals.due(connection, now_ms=now).items() if k not in taken}, held


def elsewhere(core: Core, thread: str) -> bool:
    """Whether a thread belongs to another environment of this database, whose systems its calls are for: where its
    newest question was asked in one.

    Raises:
        StoreError: the database cannot be read.
    """
    with core.store.read() as connection:
        asked = approvals.newest(connection, thread)
    return asked is not None and asked.shown.get("environment", core.environment) != core.environment


def ended(core: Core, approval: Approval) -> bool:
    """Whether nobody can answer a question any more: it was answered, has expired or was replaced."""
    if approval.answer is not None:
        return True
    with core.store.read() as connection:
        row = calls.by_id(connection, approval.trace_id)
    return row is None or row.state != "pending"


@contextmanager
def turn(core: Core, thread: str, *, again: bool) -> Iterator[Lease | None]:
    """Holds a thread while it goes on; None where another process does. Ends the thread's questions that have expired.

    Left without an exception the work is done. With one it is still to be done: at once where the database failed, the
    process was told to stop, or a newer release must do it, else after a pause.

    Args:
        again: a person wants it now: no pause is waited for, and a thread that was put aside is taken up too.

    Raises:
        StoreError: the database cannot be used; the thread is not held.
    """
    lease = _take(core, thread, again=again)
    if lease is None:
        yield None
        return
    try:
        with _alive(core, lease):
            yield lease
    except Exception as error:
        # what fails for every thread, or for this release, is not this thread's fault
        counts = not isinstance(error, (StoreError, NewerRelease))
        _abandon(core, lease, tries=lease.tries if counts else lease.tries - 1)
        raise
    except BaseException:
        _abandon(core, lease, tries=lease.tries - 1)
        raise
    with core.store.write(locks=[chain_lock(thread)]) as connection:
        leases.delete(connection, lease)


def put_aside(core: Core, lease: Lease, *, why: str) -> bool:
    """Leaves a thread to a person, and records it; false where somebody else was first.

    Args:
        why: words that hold no value.
    """
    try:
        row = core.thread_row(lease.thread)
    except UnknownThread:  # a question without a thread is nobody's to record
        row = None
    with core.store.write(locks=[chain_lock(lease.thread)]) as connection:
        now = core.now_ms()
        if not leases.put_aside(connection, lease, now_ms=now):
            return False
        if row is not None:
            note = f"put aside after {lease.tries} tries to let it go on: {why}"
            at, environment, agent = core.now(), core.environment, core.agent
            event = thread_event("escalated", row, at=at, environment=environment, agent=agent, note=note)
            core.audit.append(connection, [event], now_ms=now)
    return True


def retry(core: Core, lease: Lease) -> bool:
    """Has a thread that was put aside tried again; false where somebody else was first."""
    with core.store.write(locks=[chain_lock(lease.thread)]) as connection:
        return leases.forgive(connection, lease, now_ms=core.now_ms())


def give_way(core: Core, thread: str) -> bool:
    """Notes that a message takes the place of the questions that expired; false where a process is just telling the
    thread of it.
    """
    with core.store.write(locks=[chain_lock(thread)]) as connection:
        if leases.find(connection, thread) is not None:
            return False
        approvals.resumed(connection, thread, now_ms=core.now_ms())
    return True


def mark_resumed(core: Core, approval: Approval) -> None:
    """Notes that the thread goes on after this question, by a door that holds no lease."""
    if approval.resumed is None:
        with core.store.write(locks=[chain_lock(approval.thread)]) as connection:
            approvals.resumed(connection, approval.thread, now_ms=core.now_ms())


def _take(core: Core, thread: str, *, again: bool) -> Lease | None:
    with core.store.write(locks=[chain_lock(thread)]) as connection:
        now = core.now_ms()
        until = now + int(LEASE_S * 1000)
        over = approvals.ended(connection, thread, now_ms=now)
        if not again and not over and leases.find(connection, thread) is None:
            return None  # another process has done it since it was due
        lease = leases.take(connection, thread, core.new_id(), until=until, now_ms=now, again=again)
        if lease is not None:
            events = [_expired(core, connection, item) for item in over if item.answer is None]
            core.audit.append(connection, [event for event in events if event is not None], now_ms=now)
            approvals.resumed(connection, thread, now_ms=now)
    return lease


def _expired(core: Core, connection: sa.Connection, approval: Approval) -> AuditEvent | None:
    """Ends a question that nobody answered in time; None where its call had ended before."""
    threads.set_replaced(connection, approval.thread, True)  # a late answer without an id belongs to no other question
    row = calls.by_id(connection, approval.trace_id)
    if row is None or row.state != "pending":
        return None
    calls.move(connection, row, "expired", code=Code.APPROVAL_EXPIRED)
    return AuditEvent(
        kind="expired",
        timestamp=core.now().isoformat(timespec="milliseconds"),
        thread=approval.thread,
        tenant=approval.tenant,
        trace_id=approval.trace_id,
        environment=core.environment,
        agent=core.agent,
        tool=approval.tool,
        tool_call_id=row.call_id,
        digest=approval.digest,
        approval_id=approval.id,
        error=error_json(Code.APPROVAL_EXPIRED),
    )


@contextmanager
def _alive(core: Core, lease: Lease) -> Iterator[None]:
    """Gives signs of life from a thread of its own while the body runs."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            try:
                with core.store.write(locks=[chain_lock(lease.thread)]) as connection:
                    held = leases.renew(connection, lease, until=core.now_ms() + int(LEASE_S * 1000))
            except StoreError as error:
                log.warning("thread %s: no sign of life could be given: %s", lease.thread, error)
                continue
            if not held:
                log.warning("thread %s: another process took it up; no call runs twice", lease.thread)
                return

    beating = threading.Thread(target=beat, name=f"agent_guard turn {lease.thread}", daemon=True)
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join()


def _abandon(core: Core, lease: Lease, *, tries: int) -> None:
    pause = PAUSES_S[min(tries, len(PAUSES_S)) - 1] if tries == lease.tries else 0.0
    try:
        with core.store.write(locks=[chain_lock(lease.thread)]) as connection:
            leases.abandon(connection, lease, until=core.now_ms() + int(pause * 1000), tries=tries)
    except StoreError as error:  # it runs out by itself
        log.warning("thread %s: could not be given back: %s", lease.thread, error)
